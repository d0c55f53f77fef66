# SPDX-License-Identifier: BSD-3-Clause
"""A box with border relays: configurations, and packets in and out of tunnels, or translated.

    B4 or CE 2001:db8:100::/40 -- 2001:db8:2::2 -- inside [box] outside -- 192.0.2.254 -- everybody else
                                       2001:db8:2::1/64   192.0.2.1/24
"""
import ipaddress

from scapy.all import ICMP, IP, TCP, UDP, ICMPv6EchoReply, ICMPv6EchoRequest, IPv6, IPv6ExtHdrFragment, Raw

from config import ipv6, merge

BR = "2001:db8:ffff::1"
BR2 = "2001:db8:ffff::2"
DMR = "2001:db8:fffe::/64"
SHARED = "198.51.100.1"  # 64 port sets of 1024 ports
SPREAD = "198.51.100.2"  # a=6, k=8: 256 sets of 63 ranges of four ports
WHOLE = "198.51.100.3"


def b4(number):
    return f"2001:db8:100:{number:x}::1"


def entry(info, ipv4, offset=0, length=0, psid=0, br=BR):
    """A binding as RFC 8676 has it."""
    return {"binding-ipv6info": info, "binding-ipv4-addr": ipv4, "br-ipv6-addr": br,
            "port-set": {"psid-offset": offset, "psid-len": length, "psid": psid}}


def extra(info, ipv4, offset=0, length=0, psid=0, br=BR):
    """A binding as homeport:extra-binding."""
    return {"b4": info, "ipv4": ipv4, "psid-offset": offset, "psid-len": length, "psid": psid, "br": br}


# B4 n has port set n of the shared address
BINDINGS = [entry(b4(n), SHARED, length=6, psid=n) for n in range(1, 10)] + [
    entry(b4(0x34), SPREAD, offset=6, length=8, psid=0x34),
    entry("2001:db8:101:7::/64", SPREAD, offset=6, length=8, psid=0x35, br=BR2),
    entry(b4(0x100), WHOLE)]


def instance(bindings=None, **more):
    return merge({"name": "lw", "softwire-num-max": 100000, "softwire-payload-mtu": 1460, "softwire-path-mru": 1500,
                  "binding-table": {"binding-entry": BINDINGS if bindings is None else bindings}}, more)


def lw4o6(instances=None, bindings=None, inside=None, outside=None, routes=None, more=None, **changes):
    """Arguments of config() for a lwAFTR; `changes` are of its one instance, unless there are `instances`."""
    instances = instances or [instance(bindings, **changes)]
    return ipv6(inside, outside, routes, merge(
        {"ietf-softwire-br:br-instances": {"binding": {"bind-instance": instances}}}, more))


def rule(name="rule", prefix6="2001:db8:100::/40", prefix4="198.51.100.0/24", ea=16, offset=6, length=8, psid=0, br=BR,
         **more):
    return merge({"name": name, "enable": True, "ea-len": ea, "rule-ipv6-prefix": prefix6, "rule-ipv4-prefix": prefix4,
                  "forwarding": True, "port-set": {"psid-offset": offset, "psid-len": length, "psid": psid},
                  **({"br-ipv6-addr": br} if br else {})}, more)


def rule_t(name="rule", *prefixes, dmr=DMR, **more):
    """A rule of MAP-T."""
    return rule(name, *prefixes, br=None, **{"dmr-ipv6-prefix": dmr}, **more)


def mapping_rules(rules=None, inside=None, outside=None, routes=None, more=None):
    """Arguments of config() for a MAP-E or MAP-T border relay."""
    return ipv6(inside, outside, routes, merge(
        {"ietf-softwire-br:br-instances": {"algorithm": {"algo-instance": rules or [rule()]}}}, more))


def tunnel(source, packet, br=BR, **fields):
    """What a B4 sends."""
    return IPv6(src=source, dst=br, nh=4, **fields) / packet


def embedded(address, dmr=DMR):
    """What stands for an IPv4 address under a prefix of 64 or 96 bits (RFC 6052 section 2.2)."""
    prefix = ipaddress.ip_network(dmr)
    shift = {64: 24, 96: 0}[prefix.prefixlen]
    return str(prefix.network_address + (int(ipaddress.ip_address(address)) << shift))


def _upper6(packet):
    """What an IPv4 packet carries, as IPv6 does."""
    upper = packet.payload.copy()
    if ICMP not in packet:
        if hasattr(upper, "chksum"):
            del upper.chksum
        return upper
    kind = ICMPv6EchoRequest if upper.type == 8 else ICMPv6EchoReply
    return kind(id=upper.id, seq=upper.seq, data=bytes(upper.payload))


def from_ce(ce, packet, dmr=DMR, **fields):
    """The IPv6 packet of a MAP-T CE of which the box makes an IPv4 packet."""
    return IPv6(src=ce, dst=embedded(packet.dst, dmr), hlim=packet.ttl, tc=packet.tos, **fields) / _upper6(packet)


def to_ce(packet, ce, dmr=DMR):
    """The bytes of what a MAP-T CE gets when an IPv4 packet has come from outside."""
    return bytes(IPv6(src=embedded(packet.src, dmr), dst=ce, hlim=packet.ttl - 1, tc=packet.tos) / _upper6(packet))


def cut6(packet, *sizes, ident=7):
    """The fragments of an IPv6 packet: so many bytes of what it carries in each, the rest in the last."""
    inner, pieces, at = bytes(packet)[40:], [], 0
    for size in [*sizes, len(inner) - sum(sizes)]:
        pieces.append(IPv6(src=packet.src, dst=packet.dst, hlim=packet.hlim) /
                      IPv6ExtHdrFragment(nh=packet.nh, id=ident, offset=at // 8, m=at + size < len(inner)) /
                      Raw(inner[at:at + size]))
        at += size
    return [IPv6(bytes(p)) for p in pieces]


def join6(pieces):
    """What the packet carried of which these are the fragments."""
    assert len({(p.src, p.dst, p[IPv6ExtHdrFragment].id) for p in pieces}) == 1
    inner = b""
    for p in sorted(pieces, key=lambda p: p[IPv6ExtHdrFragment].offset):
        assert p[IPv6ExtHdrFragment].offset * 8 == len(inner)
        inner += p.original[48:]
    return inner


def out(box, packet, verdict="softwire-out"):
    """Sends out of a softwire what must come out outside, and returns it."""
    box.tx_inside(packet, verdict)
    return box.rx_outside()


def back(box, packet, verdict="softwire-in"):
    """Sends from outside what must come out in a tunnel, and returns that."""
    box.tx_outside(packet, verdict)
    return box.rx_inside()


def changed(packet, **fields):
    """The bytes of an IPv4 packet with some header fields changed and its checksum right."""
    p = IP(bytes(packet))
    for name, value in fields.items():
        setattr(p, name, value)
    del p.chksum
    return bytes(p)


def one_hop_later(packet):
    return changed(packet, ttl=packet.ttl - 1)


def udp(src, dst, sport, dport, data=b"data", **fields):
    return IP(src=src, dst=dst, **fields) / UDP(sport=sport, dport=dport) / Raw(data)


def tcp(src, dst, sport, dport, data=b"", **fields):
    return IP(src=src, dst=dst, **fields) / TCP(sport=sport, dport=dport, flags="PA") / Raw(data)


def ping(src, dst, ident, kind=8, **fields):
    return IP(src=src, dst=dst, **fields) / ICMP(type=kind, id=ident) / Raw(b"echo")
