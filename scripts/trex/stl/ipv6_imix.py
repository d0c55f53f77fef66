# SPDX-License-Identifier: BSD-3-Clause
"""Native IPv6, in both directions: IMIX, frames of 66, 594 and 1518 bytes, 7 : 4 : 1.

The box routes between subscribers and servers and translates nothing.
"""
import homeport_stl as kit
from scapy.layers.inet6 import IPv6

SAMPLE = "nat44-ipv6.json"
CHANGES = {}
VERDICTS = {way + name: "routed-ipv6" for way in ("out-", "in-") for name, _, _ in kit.MIX}


class Native(kit.Profile):
    def parser(self):
        parser = super().parser()
        parser.set_defaults(clients="2001:db8:1000::1", server="2001:db8:f000::1")
        return parser

    def streams(self, direction, args):
        if direction:
            packet = (kit.Ether() / IPv6(src=args.server, dst=args.clients) /
                      kit.UDP(sport=5001, dport=args.first_port))
            return kit.mix(packet, args, kit.flows6(args, ip="dst", port="dport"), prefix="in-")
        packet = kit.Ether() / IPv6(src=args.clients, dst=args.server) / kit.UDP(sport=args.first_port, dport=5001)
        return kit.mix(packet, args, kit.flows6(args), prefix="out-")


def register():
    return Native()
