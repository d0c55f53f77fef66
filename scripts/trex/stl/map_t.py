# SPDX-License-Identifier: BSD-3-Clause
"""MAP-T in both directions: from the subscribers' CEs by the border relay to the Internet, and back.

Rule and CEs are those of map_e; packets are translated instead of tunnelled, and the server is an address of the rule's
DMR (RFC 7599, RFC 6052).
"""
import ipaddress

import homeport_stl as kit
import map_e
from scapy.layers.inet6 import IPv6

SAMPLE = "map-t.json"
CHANGES = {}
VERDICTS = {"out": "map-t-out", "in": "map-t-in"}


class MapT(map_e.MapE):
    FAR = ("--dmr", "2001:db8:ffff::", "prefix of IPv4 hosts, a /64")

    @staticmethod
    def server(args):
        """With 64 bits of prefix the IPv4 address begins behind eight bits of zero (RFC 6052 section 2.2)."""
        return ipaddress.ip_address(int(ipaddress.ip_address(args.dmr)) | int(ipaddress.ip_address(args.server)) << 24)

    def streams(self, direction, args):
        if direction:
            return super().streams(direction, args)
        vm = self.numbers(args)
        self.vary_port(vm, args, "sport")
        self.vary_b4(vm, args)
        packet = (kit.Ether() / IPv6(src=args.b4, dst=str(self.server(args))) /
                  kit.UDP(sport=self.port(args) + 7, dport=53))
        return [kit.stream("out", packet, args, kit.fixed(vm, l3="IPv6"))]


def register():
    return MapT()
