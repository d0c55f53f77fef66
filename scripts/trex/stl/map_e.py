# SPDX-License-Identifier: BSD-3-Clause
"""MAP-E in both directions: from the subscribers' CEs by the border relay to the Internet, and back.

The sample's rule has 16 EA bits, the last 8 of the IPv4 address and 8 of the PSID, after a /40; a CE's address has them
there, and in its last 64 bits the IPv4 address and the PSID (RFC 7597 section 6). All of it follows from one number, of
which --subs come after each other. The CE of 198.51.100.1 with PSID 0 would be on the sample's access link.
"""
import ipaddress

import homeport_softwire as kit

SAMPLE = "map-e.json"
CHANGES = {}
VERDICTS = {"out": "softwire-out", "in": "softwire-in"}
EA_BYTE = 5     # in a CE's address
IPV4_BYTE = 10
PSID_BYTE = 14


class MapE(kit.Softwire):
    SUBS, PUB, PSID, PSID_LEN, PSID_OFFSET, B4 = 256, "198.51.100.2", 0, 8, 6, "2001:db8::"

    def arguments(self, tunables):
        """What is not in the number stands in the CE's address from the start."""
        args = super().arguments(tunables)
        pub = int(ipaddress.ip_address(args.pub))
        args.b4 = str(ipaddress.ip_address(int(ipaddress.ip_address(args.b4)) | pub << 16))
        return args

    def vary_b4(self, vm, args):
        vm.write_mask(fv_name="number", pkt_offset="IPv6.src", pkt_cast_size=2, mask=0xffff, offset_fixup=EA_BYTE)
        vm.write_mask(fv_name="number", pkt_offset="IPv6.src", pkt_cast_size=2, mask=0xffff, shift=-args.psid_len,
                      offset_fixup=IPV4_BYTE + 2)
        vm.write_mask(fv_name="number", pkt_offset="IPv6.src", pkt_cast_size=2, mask=(1 << args.psid_len) - 1,
                      offset_fixup=PSID_BYTE)


def register():
    return MapE()
