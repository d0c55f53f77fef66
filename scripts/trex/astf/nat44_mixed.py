# SPDX-License-Identifier: BSD-3-Clause
"""What subscribers do, through NAT44: names, the time, web, voice, mail, each on its port and with its share.

The sample ends mappings towards port 53 after 10 s; here they stay, so that there is one for each connection to count.
"""
import homeport_astf as kit

SAMPLE = "nat44.json"
CHANGES = {"timers": {"udp-timeout": 300}}
VERDICTS = ("nat44-out", "nat44-in")
REFUSED = False
# port, TCP, share, bytes asked, bytes answered
KINDS = ((53, False, 0.30, 60, 180), (123, False, 0.05, 48, 48), (443, True, 0.40, 517, 16384),
         (80, True, 0.15, 200, 4096), (5060, False, 0.05, 480, 480), (993, True, 0.05, 120, 1024))


class Mixed(kit.Profile):
    def templates(self, args):
        return [kit.template(args, port, *kit.exchange(stream, b"q" * asked, b"a" * answered), share=share)
                for port, stream, share, asked, answered in KINDS]


def register():
    return Mixed()
