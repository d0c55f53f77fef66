# SPDX-License-Identifier: BSD-3-Clause
"""NAT44 from inside to outside: one UDP flow for each port of each host.

With as many packets as flows (--limit = hosts x ports) each of them opens a mapping; those after that find it.
"""
import homeport_stl as kit

SAMPLE = "nat44.json"
CHANGES = {}
VERDICTS = {"out": "nat44-out"}


class NatOut(kit.Profile):
    def streams(self, direction, args):
        if direction:
            return []
        return [kit.stream("out", kit.udp(args), args, kit.flows(args))]


def register():
    return NatOut()
