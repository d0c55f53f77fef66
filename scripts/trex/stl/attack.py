# SPDX-License-Identifier: BSD-3-Clause
"""The attack of the Call Home story: a few hosts flood one outside host by UDP, each from one port.

Its victim sees outside addresses and ports, and its network reports them; scripts/trex/run --story tells what the
background saw meanwhile. Without a report every packet passes.
"""
import homeport_stl as kit

SAMPLE = "nat44-dots.json"
CHANGES = {}
VERDICTS = {"attack": "nat44-out"}


class Attack(kit.Profile):
    def parser(self):
        parser = super().parser()
        parser.set_defaults(clients="100.64.9.1", hosts=3, ports_per_host=1, first_port=5555, server="198.18.255.10",
                            size=128, pps=3000.0)
        return parser

    def streams(self, direction, args):
        if direction:
            return []
        return [kit.stream("attack", kit.udp(args, dport=9), args, kit.flows(args))]


def register():
    return Attack()
