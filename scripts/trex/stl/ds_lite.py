# SPDX-License-Identifier: BSD-3-Clause
"""DS-Lite from inside to outside: UDP of one private host behind each of --hosts B4s, a /56 apart, through the AFTR."""
import homeport_stl as kit
from scapy.layers.inet6 import IPv6

SAMPLE = "ds-lite.json"
CHANGES = {}
VERDICTS = {"out": "ds-lite-out"}


class DsLite(kit.Profile):
    def parser(self):
        parser = super().parser()
        parser.set_defaults(clients="2001:db8:2000::1", size=128)
        parser.add_argument("--aftr", default="2001:db8:ffff::1", help="end of the softwires (%(default)s)")
        parser.add_argument("--inner", default="192.168.1.10", help="the host behind each B4 (%(default)s)")
        return parser

    def streams(self, direction, args):
        if direction:
            return []
        inner = kit.IP(src=args.inner, dst=args.server) / kit.UDP(sport=args.first_port, dport=5001, chksum=0)
        packet = kit.Ether() / IPv6(src=args.clients, dst=args.aftr, nh=4) / inner
        return [kit.stream("out", packet, args, kit.flows6_vm(args, at=3))]


def register():
    return DsLite()
