# SPDX-License-Identifier: BSD-3-Clause
"""IMIX: frames of 64, 594 and 1518 bytes, 7 : 4 : 1, from inside to outside; with --both in either direction.

Through a NAT only the first way is open by itself. --both goes with a box that routes without translation
(scripts/trex/run --control), which is the control run beside any other.
"""
import homeport_stl as kit

SAMPLE = "nat44.json"
CHANGES = {}
VERDICTS = {name: "nat44-out" for name, _, _ in kit.MIX}


class Imix(kit.Profile):
    def parser(self):
        parser = super().parser()
        parser.add_argument("--both", type=int, default=0, help="1: in both directions")
        return parser

    def streams(self, direction, args):
        if direction and not args.both:
            return []
        packet, vm = kit.udp(args), kit.flows(args)
        if direction:
            packet[kit.IP].src, packet[kit.IP].dst = packet[kit.IP].dst, packet[kit.IP].src
            vm = kit.flows(args, ip="dst", port="dport")
        return kit.mix(packet, args, vm)

    def expect(self, args, sent):
        expected = super().expect(args, sent)
        if args.both:
            expected["routed"] = expected.pop("nat44-out", 0)
        return expected


def register():
    return Imix()
