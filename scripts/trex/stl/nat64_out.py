# SPDX-License-Identifier: BSD-3-Clause
"""NAT64 from inside to outside: UDP from IPv6 hosts, each in a /64 of its own, to an IPv4 host behind --pref64."""
import homeport_stl as kit
from scapy.layers.inet6 import IPv6

SAMPLE = "nat64.json"
CHANGES = {}
VERDICTS = {"out": "nat64-out"}


class Nat64Out(kit.Profile):
    def parser(self):
        parser = super().parser()
        parser.set_defaults(clients="2001:db8:1000::", server="198.51.100.1", size=128)
        parser.add_argument("--pref64", default="2001:db8:64::", help="prefix of IPv4 hosts, a /96 (%(default)s)")
        return parser

    def streams(self, direction, args):
        if direction:
            return []
        packet = (kit.Ether() / IPv6(src=args.clients, dst=args.pref64 + args.server) /
                  kit.UDP(sport=args.first_port, dport=5001))
        return [kit.stream("out", packet, args, kit.flows6(args, at=4))]


def register():
    return Nat64Out()
