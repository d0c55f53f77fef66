# SPDX-License-Identifier: BSD-3-Clause
"""A flood of new sessions: TCP SYNs, each a flow that has not been, from hosts that soon have all the ports they may.

What is opened at first is translated; once a host has --quota ports, which is the sample's port-quota (2048) or what
its port sets hold, each SYN is refused, and its sender told so by ICMP (RFC 6888 REQ-11).
"""
import collections

import homeport_stl as kit
from trex.stl.api import TCP

SAMPLE = "nat44.json"
CHANGES = {}
VERDICTS = {"open": "nat44-out"}


class Open(kit.Profile):
    def parser(self):
        parser = super().parser()
        parser.set_defaults(hosts=4, ports_per_host=4096)
        parser.add_argument("--quota", type=int, default=2048, help="ports of a host (%(default)s)")
        return parser

    def streams(self, direction, args):
        if direction:
            return []
        syn = (kit.Ether() / kit.IP(src=args.clients, dst=args.server) /
               TCP(sport=args.first_port, dport=80, flags="S", seq=1))
        return [kit.stream("open", syn, args, kit.flows(args, l4="TCP"))]

    def expect(self, args, sent):
        packets = sent.get("open", 0)
        opened = min(packets, args.hosts * min(args.quota, args.ports_per_host))
        return collections.Counter({"nat44-out": opened, "drop-quota": packets - opened})


def register():
    return Open()
