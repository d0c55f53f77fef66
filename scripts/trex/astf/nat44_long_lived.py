# SPDX-License-Identifier: BSD-3-Clause
"""Sessions that stay: TCP connections that say something every --pause seconds, --times over.

--limit says how many there are at a time; with --hosts it makes the ports a host has, as 64512 and 1024 make 63.
"""
import homeport_astf as kit

SAMPLE = "nat44.json"
CHANGES = {}
VERDICTS = ("nat44-out", "nat44-in")
REFUSED = False


class LongLived(kit.Profile):
    def parser(self):
        parser = super().parser()
        parser.set_defaults(limit=1024)
        parser.add_argument("--times", type=int, default=30, help="questions of a connection (%(default)s)")
        parser.add_argument("--pause", type=float, default=0.5, help="seconds between two, up to 0.7 (%(default)s)")
        return parser

    def templates(self, args):
        programs = kit.repeated(True, args.times, args.pause, b"q" * 64, b"a" * args.size)
        return [kit.template(args, 5228, *programs, cont=True)]


def register():
    return LongLived()
