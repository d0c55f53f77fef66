# SPDX-License-Identifier: BSD-3-Clause
"""The checksums of a packet, computed anew from its bytes (RFC 1071), by code that shares nothing with the
box. What cannot be checked is left out: the transport of a fragment, a quoted packet that is cut short."""
import struct

ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58
FIELD = {TCP: 16, UDP: 6, ICMP: 2, ICMPV6: 2}
NAME = {TCP: "TCP", UDP: "UDP", ICMP: "ICMP", ICMPV6: "ICMPv6"}
ICMP_ERRORS = (3, 4, 5, 11, 12)


def total(data):
    """The one's complement sum; 0xffff over data that contains its right checksum."""
    if len(data) % 2:
        data += b"\0"
    value = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while value >> 16:
        value = (value & 0xffff) + (value >> 16)
    return value


def _transport(addresses, protocol, data):
    """Whether a whole transport datagram has a right checksum."""
    if protocol not in FIELD or len(data) < FIELD[protocol] + 2:
        return True
    field = data[FIELD[protocol]:FIELD[protocol] + 2]
    if protocol == UDP and field == b"\0\0":
        return len(addresses) == 8  # "none", which IPv6 does not have
    if protocol == ICMP:
        return total(data) == 0xffff
    pseudo = addresses + struct.pack("!IHBB", len(data), 0, 0, protocol)
    return total(pseudo + data) == 0xffff


def faults(packet, quoted=True, where=""):
    """What is wrong, in words; an empty list for a packet that is right. `quoted`: the transport checksum of
    the packet that an ICMP error quotes must be right too."""
    if packet[0] >> 4 == 6:
        payload = packet[40:40 + struct.unpack("!H", packet[4:6])[0]]
        right = _transport(packet[8:40], packet[6], payload)
        return [] if right else [f"{where}{NAME[packet[6]]} checksum"]
    ihl = (packet[0] & 15) * 4
    length, _, offset = struct.unpack("!HHH", packet[2:8])
    found = [] if total(packet[:ihl]) == 0xffff else [f"{where}IPv4 header checksum"]
    protocol, data = packet[9], packet[ihl:length]
    if offset & 0x3fff or length > len(packet):
        return found
    if not _transport(packet[12:20], protocol, data):
        found.append(f"{where}{NAME[protocol]} checksum")
    if protocol == ICMP and data[0] in ICMP_ERRORS and len(data) >= 28 and not where:
        found += [f for f in faults(data[8:], where="quoted ")
                  if quoted or f == "quoted IPv4 header checksum"]
    return found
