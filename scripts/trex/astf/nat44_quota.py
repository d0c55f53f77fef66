# SPDX-License-Identifier: BSD-3-Clause
"""More flows of a host than its quota of ports: those above it are refused, those below it work on.

The sample gives a host 2048 ports (port-quota). UDP flows end in TRex long before their mappings do (300 s), so that
--hosts 2 with --limit 5000 asks for 2500 ports each. What is refused is counted as drop-quota, and its sender told by
ICMP, which TRex does not hear: the flow gets no answer.
"""
import homeport_astf as kit

SAMPLE = "nat44.json"
CHANGES = {}
VERDICTS = ("nat44-out", "nat44-in", "drop-quota")
REFUSED = True


class Quota(kit.Profile):
    def parser(self):
        parser = super().parser()
        parser.set_defaults(hosts=2, cps=500.0, limit=5000)
        return parser

    def templates(self, args):
        return [kit.template(args, 5355, *kit.exchange(False, b"q" * 64, b"a" * args.size))]


def register():
    return Quota()
