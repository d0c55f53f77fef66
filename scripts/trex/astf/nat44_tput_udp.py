# SPDX-License-Identifier: BSD-3-Clause
"""UDP throughput through NAT44: flows of --times datagrams each way, the answers of --size bytes."""
import homeport_astf as kit

SAMPLE = "nat44.json"
CHANGES = {}
VERDICTS = ("nat44-out", "nat44-in")
REFUSED = False


class ThroughputUdp(kit.Profile):
    def parser(self):
        parser = super().parser()
        parser.set_defaults(cps=10.0, size=1400)
        parser.add_argument("--times", type=int, default=64, help="answers of a flow (%(default)s)")
        return parser

    def templates(self, args):
        return [kit.template(args, 5354, *kit.repeated(False, args.times, 0, b"q" * 64, b"a" * args.size))]


def register():
    return ThroughputUdp()
