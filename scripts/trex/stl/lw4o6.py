# SPDX-License-Identifier: BSD-3-Clause
"""lw4o6 in both directions: from the subscribers' B4 by the lwAFTR to the Internet, and back.

Subscriber n has the n-th PSID after --psid, with as many addresses as it takes, and the n-th B4 address after --b4; the
binding table must say the same. The sample has one with the default values, and another that
--b4 2001:db8:101::cb00:7102:0 --pub 203.0.113.2 --psid 0 --psid-len 0 plays.
"""
import ipaddress

import homeport_softwire as kit

SAMPLE = "lw4o6.json"
CHANGES = {}
VERDICTS = {"out": "softwire-out", "in": "softwire-in"}


class Lw4o6(kit.Softwire):
    SUBS, PUB, PSID, PSID_LEN, PSID_OFFSET, B4 = 1, "203.0.113.1", 4, 6, 0, "2001:db8:100::1"

    def vary_b4(self, vm, args):
        """The last 32 bits count with the subscribers."""
        low = int(ipaddress.ip_address(args.b4)) & 0xffffffff
        vm.write(fv_name="number", pkt_offset="IPv6.src", offset_fixup=12, add_val=low - self.first(args))


def register():
    return Lw4o6()
