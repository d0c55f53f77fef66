# SPDX-License-Identifier: BSD-3-Clause
"""Hairpinning: inside hosts open connections to another inside host by its outside address (RFC 4787 REQ-9).

Each packet comes back inside, its source an outside address too. The host that is called has the sample's static
mapping: 100.64.0.2 port 80 as --pub port 8080.
"""
import homeport_stl as kit
from trex.stl.api import TCP

SAMPLE = "nat44.json"
CHANGES = {}
VERDICTS = {"hairpin": "nat44-hairpin"}


class Hairpin(kit.Profile):
    def parser(self):
        parser = super().parser()
        parser.add_argument("--pub", default="203.0.113.1", help="outside address (%(default)s)")
        return parser

    def streams(self, direction, args):
        if direction:
            return []
        syn = (kit.Ether() / kit.IP(src=args.clients, dst=args.pub) /
               TCP(sport=args.first_port, dport=8080, flags="S", seq=1))
        return [kit.stream("hairpin", syn, args, kit.flows(args, l4="TCP"))]


def register():
    return Hairpin()
