# SPDX-License-Identifier: BSD-3-Clause
"""New TCP connections a second through NAT44: each asks once, is answered by --size bytes, and closes."""
import homeport_astf as kit

SAMPLE = "nat44.json"
CHANGES = {}
VERDICTS = ("nat44-out", "nat44-in")
REFUSED = False


class CpsTcp(kit.Profile):
    def templates(self, args):
        return [kit.template(args, 8080, *kit.exchange(True, b"q" * 64, b"a" * args.size))]


def register():
    return CpsTcp()
