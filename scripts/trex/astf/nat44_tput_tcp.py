# SPDX-License-Identifier: BSD-3-Clause
"""TCP throughput through NAT44: connections that ask --times over, each time for --size bytes."""
import homeport_astf as kit

SAMPLE = "nat44.json"
CHANGES = {}
VERDICTS = ("nat44-out", "nat44-in")
REFUSED = False


class ThroughputTcp(kit.Profile):
    def parser(self):
        parser = super().parser()
        parser.set_defaults(cps=10.0, size=65536)
        parser.add_argument("--times", type=int, default=16, help="answers of a connection (%(default)s)")
        return parser

    def templates(self, args):
        return [kit.template(args, 8081, *kit.repeated(True, args.times, 0, b"q" * 64, b"a" * args.size))]


def register():
    return ThroughputTcp()
