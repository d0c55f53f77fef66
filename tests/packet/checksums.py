# SPDX-License-Identifier: BSD-3-Clause
"""The checksums of a packet, computed anew from its bytes (RFC 1071), by code that shares nothing with the
box: of IPv4 and IPv6, of what a tunnel carries in either, and of what an ICMP or ICMPv6 error quotes. What cannot be
checked is left out: the transport of a fragment, a quoted packet that is cut short."""
import struct

ICMP, IPV4, TCP, UDP, IPV6, ICMPV6 = 1, 4, 6, 17, 41, 58
FIELD = {TCP: 16, UDP: 6, ICMP: 2, ICMPV6: 2}
NAME = {TCP: "TCP", UDP: "UDP", ICMP: "ICMP", ICMPV6: "ICMPv6"}
ERRORS = {ICMP: (3, 4, 5, 11, 12), ICMPV6: (1, 2, 3, 4)}
FRAGMENT, AUTHENTICATION = 44, 51
EXTENSIONS = (0, 43, FRAGMENT, AUTHENTICATION, 60, 135, 139, 140)


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


def upper6(packet):
    """What is behind the extension headers of an IPv6 packet: protocol and bytes, or None for a fragment, and for
    headers that are cut short."""
    protocol, at = packet[6], 40
    end = 40 + struct.unpack("!H", packet[4:6])[0]
    while protocol in EXTENSIONS:
        if at + 8 > len(packet):
            return None
        if protocol == FRAGMENT and struct.unpack("!H", packet[at + 2:at + 4])[0] & 0xfff9:
            return None
        size = (packet[at + 1] + 2) * 4 if protocol == AUTHENTICATION else (packet[at + 1] + 1) * 8
        protocol, at = packet[at], at + (8 if protocol == FRAGMENT else size)
    return (protocol, packet[at:end]) if end <= len(packet) else None


def _upper4(packet):
    ihl = (packet[0] & 15) * 4
    length, _, offset = struct.unpack("!HHH", packet[2:8])
    return None if offset & 0x3fff or length > len(packet) else (packet[9], packet[ihl:length])


def faults(packet, quoted=True, where=""):
    """What is wrong, in words; an empty list for a packet that is right. `quoted`: the transport checksum of
    the packet that an ICMP error quotes must be right too."""
    found = []
    if packet[0] >> 4 == 6:
        addresses, upper = packet[8:40], upper6(packet)
    else:
        addresses, upper = packet[12:20], _upper4(packet)
        if total(packet[:(packet[0] & 15) * 4]) != 0xffff:
            found.append(f"{where}IPv4 header checksum")
    if upper is None:
        return found
    protocol, data = upper
    if not _transport(addresses, protocol, data):
        found.append(f"{where}{NAME[protocol]} checksum")
    if protocol in (IPV4, IPV6):
        found += faults(data, quoted, where + "inner ")
    least = 28 if protocol == ICMP else 48
    if protocol in ERRORS and data[0] in ERRORS[protocol] and len(data) >= least and "quoted" not in where:
        found += [f for f in faults(data[8:], where=where + "quoted ") if quoted or "IPv4 header" in f]
    return found
