# SPDX-License-Identifier: BSD-3-Clause
"""From outside: TCP SYNs to the sample's static mapping, which come in, and to ports that nobody has, which do not.

The static mapping is 100.64.0.2 port 80 as --pub port 8080.
"""
import homeport_stl as kit
from trex.stl.api import TCP

SAMPLE = "nat44.json"
CHANGES = {}
VERDICTS = {"static": "nat44-in", "nobody": "drop-no-mapping"}


class Static(kit.Profile):
    def parser(self):
        parser = super().parser()
        parser.add_argument("--pub", default="203.0.113.1", help="outside address (%(default)s)")
        return parser

    def streams(self, direction, args):
        if not direction:
            return []
        syn = (kit.Ether() / kit.IP(src=args.server, dst=args.pub) /
               TCP(sport=args.first_port, dport=8080, flags="S", seq=1))
        probe = kit.Ether() / kit.IP(src=args.server, dst=args.pub) / kit.UDP(sport=53, dport=40000)
        static, nobody = kit.STLVM(), kit.STLVM()
        static.var(name="port", min_value=args.first_port, max_value=args.first_port + args.ports_per_host - 1, size=2,
                   op="inc")
        static.write(fv_name="port", pkt_offset="TCP.sport")
        nobody.var(name="port", min_value=40000, max_value=65535, size=2, op="inc")
        nobody.write(fv_name="port", pkt_offset="UDP.dport")
        return [kit.stream("static", syn, args, kit.fixed(static, "TCP"), share=0.5),
                kit.stream("nobody", probe, args, kit.fixed(nobody), share=0.5)]


def register():
    return Static()
