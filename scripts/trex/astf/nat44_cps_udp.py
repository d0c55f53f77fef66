# SPDX-License-Identifier: BSD-3-Clause
"""New UDP flows a second through NAT44: a datagram each way, the answer of --size bytes."""
import homeport_astf as kit

SAMPLE = "nat44.json"
CHANGES = {}
VERDICTS = ("nat44-out", "nat44-in")
REFUSED = False


class CpsUdp(kit.Profile):
    def templates(self, args):
        return [kit.template(args, 5353, *kit.exchange(False, b"q" * 64, b"a" * args.size))]


def register():
    return CpsUdp()
