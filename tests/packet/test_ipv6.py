# SPDX-License-Identifier: BSD-3-Clause
"""Native IPv6: packets between inside and outside pass by route, as they are but for their hop limit (RFC 8200),
and what can be nobody's is dropped."""
import pytest
from scapy.all import (TCP, UDP, AH, Ether, ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6ND_NS,
                       ICMPv6NDOptDstLLAddr, ICMPv6ND_NA, ICMPv6PacketTooBig, ICMPv6ParamProblem, ICMPv6TimeExceeded, IPv6,
                       IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, PadN, Raw)

from box import check_config
from config import (BOX_INSIDE6, BOX_OUTSIDE6, GATEWAY_INSIDE6, GATEWAY_OUTSIDE6, MAC, config, ipv6)

WORKERS = [1, 3]
CONFIG = ipv6(inside={"ietf-ip:ipv6": {"mtu": 1400}}, routes=[("2001:db8:dead::/48", "blackhole")])
HERE = "2001:db8:100:100::10"
THERE = "2001:db8:f000::77"


def udp(src=HERE, dst=THERE, size=20, **fields):
    return IPv6(src=src, dst=dst, **fields) / UDP(sport=1000, dport=2000) / Raw(b"x" * size)


def same_but_hop(sent, got):
    """What comes out is what went in, one hop later."""
    was = bytearray(bytes(sent))
    was[7] -= 1
    assert bytes(got) == bytes(was)


def test_native(box):
    """Both ways, any protocol, unchanged but for the hop limit (RFC 8200 section 3)."""
    host, remote = box.host6(), box.remote6()
    for upper in (UDP(sport=1, dport=2) / "data", TCP(sport=1, dport=2, flags="S"), ICMPv6EchoRequest(id=3),
                  Raw(b"anything")):
        out = IPv6(src=host, dst=remote, hlim=9, tc=0x2e, fl=0x12345) / upper
        box.tx_inside(out, "routed-ipv6")
        same_but_hop(out, box.rx_outside())
        back = IPv6(src=remote, dst=host, hlim=2) / upper
        box.tx_outside(back, "routed-ipv6")
        same_but_hop(back, box.rx_inside())


def test_between_homes(box):
    one, other = box.host6(), box.host6()
    box.tx_inside(udp(one, other), "routed-ipv6")
    same_but_hop(udp(one, other), box.rx_inside())


def test_hop_limit(box):
    """The last hop is answered by Time Exceeded (RFC 4443 section 3.3)."""
    for hops in (0, 1):
        box.tx_inside(udp(hlim=hops), "drop-ttl")
        error = box.rx_inside()
        assert (error.src, error.dst, error.hlim) == (BOX_INSIDE6, HERE, 64)
        assert error[ICMPv6TimeExceeded].code == 0
        assert bytes(error[ICMPv6TimeExceeded].payload) == bytes(udp(hlim=hops))
    box.tx_outside(udp(THERE, HERE, hlim=1), "drop-ttl")
    assert box.rx_outside()[ICMPv6TimeExceeded].code == 0


def test_too_big(box):
    """Routers fragment nothing; Packet Too Big names the MTU of the way out, and quotes as much as fits 1280 bytes
    (RFC 8200 section 5, RFC 4443 sections 2.4c and 3.2)."""
    fits, big = udp(THERE, HERE, size=1400 - 48), udp(THERE, HERE, size=1401 - 48)
    box.tx_outside(fits, "routed-ipv6")
    same_but_hop(fits, box.rx_inside())
    box.tx_outside(big, "drop-too-big")
    error = box.rx_outside(quoted=False)
    assert (error.src, error.dst) == (BOX_OUTSIDE6, THERE) and error[ICMPv6PacketTooBig].mtu == 1400
    assert len(error) == 1280 and bytes(error[ICMPv6PacketTooBig].payload) == bytes(big)[:1280 - 48]


def test_no_route(fresh):
    box = fresh(**ipv6() | {"routes6": [("2001:db8:100::/40", GATEWAY_INSIDE6)]})
    box.tx_inside(udp(), "drop-no-route")
    error = box.rx_inside()
    assert error[ICMPv6DestUnreach].code == 0 and error.src == BOX_INSIDE6


def test_blackhole(box):
    box.tx_inside(udp(dst="2001:db8:dead::1"), "drop-blackhole")


def test_errors_about_errors(box):
    """No error about an ICMPv6 error, a redirect, or what came in a frame to a group (RFC 4443 section 2.4e)."""
    box.tx_inside(IPv6(src=HERE, dst=THERE, hlim=1) / ICMPv6DestUnreach() / udp(THERE, HERE), "drop-ttl")
    box.tx_inside(IPv6(src=HERE, dst=THERE, hlim=1, nh=58) / Raw(b"\x89\0\0\0" + bytes(36)), "drop-ttl")
    box.tx_inside(Ether(src=MAC["inside"], dst="33:33:00:00:00:01") / udp(hlim=1), "drop-multicast")
    box.nothing()


def test_link_local(box):
    """Stays on its link (RFC 4291 section 2.5.6); a sender of that scope is told (RFC 4443 section 3.1)."""
    box.tx_inside(udp(dst="fe80::77"), "drop-scope")
    box.tx_inside(udp(src="fe80::77"), "drop-scope")
    error = box.rx_inside()
    assert error[ICMPv6DestUnreach].code == 2 and error.dst == "fe80::77"
    box.tx_outside(udp(src="fe80::77", dst=HERE), "drop-scope")
    assert box.rx_outside()[ICMPv6DestUnreach].code == 2


@pytest.mark.parametrize("packet, verdict", [
    (udp(src="::"), "drop-ip-source"), (udp(src="::1"), "drop-ip-source"),
    (udp(src="::ffff:192.0.2.1"), "drop-ip-source"), (udp(src="ff05::1"), "drop-ip-source"),
    (udp(dst="::"), "drop-ip-destination"), (udp(dst="::1"), "drop-ip-destination"),
    (udp(dst="::ffff:192.0.2.1"), "drop-ip-destination"), (udp(dst="ff0e::1"), "drop-multicast"),
    (udp(dst=HERE), "drop-land"),
])
def test_martians(box, packet, verdict):
    """Addresses that no packet on a link may have (RFC 4291 sections 2.5.2, 2.5.3 and 2.7)."""
    box.tx_inside(packet, verdict)


def test_spoofed(box):
    """Who is inside has an inside source, who is outside has none (RFC 2827, RFC 3704)."""
    box.tx_inside(udp(src="2001:db8:f000::1"), "drop-spoofed")
    box.tx_inside(udp(src=BOX_INSIDE6), "drop-spoofed")
    box.tx_inside(udp(src=BOX_OUTSIDE6), "drop-spoofed")
    box.tx_outside(udp(src=HERE, dst="2001:db8:100:200::1"), "drop-spoofed")
    box.tx_outside(udp(src=BOX_OUTSIDE6, dst=HERE), "drop-spoofed")
    box.tx_outside(udp(src=HERE, dst=BOX_OUTSIDE6), "drop-spoofed")


def test_outside_to_outside(box):
    box.tx_outside(udp("2001:db8:f000::1", "2001:db8:f000::2"), "drop-realm")


def test_own_addresses(box):
    """Echo is answered at any address of the box, from anywhere; nothing else is."""
    host, remote = box.host6(), box.remote6()
    for side, src, dst in (("inside", host, BOX_INSIDE6), ("inside", host, BOX_OUTSIDE6),
                           ("outside", remote, BOX_OUTSIDE6), ("outside", remote, BOX_INSIDE6)):
        box.tx(side, IPv6(src=src, dst=dst, hlim=3) / ICMPv6EchoRequest(id=7, data=b"data"), "echo")
        p = box.rx(side)
        assert (p.src, p.dst, p.hlim, p[ICMPv6EchoReply].data) == (dst, src, 64, b"data")
        box.tx(side, udp(src, dst), "drop-local")
    wrong = IPv6(src=host, dst=BOX_INSIDE6) / ICMPv6EchoRequest(cksum=1)
    box.tx_inside(wrong, "drop-local")


def lengths():
    whole = bytes(udp())
    yield "length beyond the frame", whole[:4] + b"\x00\x50" + whole[6:], "drop-ip-header"
    yield "jumbogram", whole[:4] + b"\0\0\0" + whole[7:], "drop-header-chain"
    yield "version 4", b"\x40" + whole[1:], "drop-ip-header"
    yield "no transport header", bytes(IPv6(src=HERE, dst=THERE, nh=17)), "drop-l4-short"
    yield "UDP cut short", bytes(IPv6(src=HERE, dst=THERE, nh=17) / Raw(bytes(7))), "drop-l4-short"
    yield "TCP cut short", bytes(IPv6(src=HERE, dst=THERE, nh=6) / Raw(bytes(19))), "drop-l4-short"
    yield "ICMPv6 cut short", bytes(IPv6(src=HERE, dst=THERE, nh=58) / Raw(bytes(7))), "drop-l4-short"
    yield "DCCP cut short", bytes(IPv6(src=HERE, dst=THERE, nh=33) / Raw(bytes(11))), "drop-l4-short"


@pytest.mark.parametrize("data, verdict", [pytest.param(*p[1:], id=p[0]) for p in lengths()])
def test_lengths(box, data, verdict):
    box.tx_inside(Ether(src=MAC["inside"], dst=MAC["box inside"], type=0x86dd) / Raw(data), verdict)


def test_padding_is_no_payload(box):
    """What is behind the packet in its frame is not the packet's."""
    host, remote = box.host6(), box.remote6()
    short = IPv6(src=host, dst=remote) / UDP(sport=1, dport=2)
    box.tx_inside(bytes(Ether(src=MAC["inside"], dst=MAC["box inside"]) / short) + bytes(20), "routed-ipv6")
    assert box.rx_outside().plen == 8


def extended(*headers, upper=UDP(sport=1000, dport=2000) / "data"):
    packet = IPv6(src=HERE, dst=THERE)
    for header in headers:
        packet = packet / header
    return packet / upper


@pytest.mark.parametrize("packet, verdict", [
    (extended(IPv6ExtHdrHopByHop(options=PadN(optdata=b"\0" * 4))), "routed-ipv6"),
    (extended(IPv6ExtHdrDestOpt(), IPv6ExtHdrRouting(type=3, segleft=1, addresses=["2001:db8::1"]),
              IPv6ExtHdrDestOpt(nh=59), upper=Raw(b"none")), "routed-ipv6"),
    (extended(IPv6ExtHdrRouting(segleft=0, addresses=["2001:db8::1"])), "routed-ipv6"),
    (extended(AH(nh=59, payloadlen=4, icv=b"0" * 12), upper=Raw(b"none")), "routed-ipv6"),
    (extended(IPv6ExtHdrFragment(id=1)), "routed-ipv6"),  # whole (RFC 6946)
    (extended(IPv6ExtHdrDestOpt(), IPv6ExtHdrHopByHop()), "drop-header-chain"),
    (extended(*[IPv6ExtHdrDestOpt(options=PadN(optdata=b"\0" * 100))] * 3), "drop-header-chain"),
    (extended(IPv6ExtHdrDestOpt(len=9)), "drop-header-chain"),
], ids=range(8))
def test_extension_headers(box, packet, verdict):
    """Pass unread where they are well formed (RFC 7045 section 2.1), and not too many."""
    box.tx_inside(packet, verdict)
    if verdict == "routed-ipv6":
        same_but_hop(packet, box.rx_outside())


def test_source_route(box):
    """A routing header of type 0 that has not been followed to its end goes no further (RFC 5095)."""
    packet = extended(IPv6ExtHdrRouting(type=0, segleft=1, addresses=["2001:db8:f000::9"]))
    box.tx_inside(packet, "drop-source-route")
    error = box.rx_inside(quoted=False)  # its checksum is that of the final destination
    assert (error[ICMPv6ParamProblem].code, error[ICMPv6ParamProblem].ptr) == (0, 42)


def pieces(packet, size, ident=7):
    """The fragments of a packet, each with `size` bytes of its payload."""
    payload = bytes(packet.payload)
    for at in range(0, len(payload), size):
        yield (IPv6(src=packet.src, dst=packet.dst, hlim=packet.hlim) /
               IPv6ExtHdrFragment(id=ident, offset=at // 8, m=at + size < len(payload), nh=packet.nh) /
               Raw(payload[at:at + size]))


def test_fragments(box):
    """Fragments pass like packets, in any order."""
    parts = list(pieces(udp(size=100), 48))
    for part in parts[::-1]:
        box.tx_inside(part, "routed-ipv6")
        same_but_hop(part, box.rx_outside())


def test_first_fragment_without_headers(box):
    """A first fragment has all headers (RFC 7112 section 5)."""
    tcp = IPv6(src=HERE, dst=THERE) / TCP(sport=1, dport=2) / Raw(bytes(40))
    box.tx_inside(next(pieces(tcp, 16)), "drop-fragment-header")
    chain = IPv6(src=HERE, dst=THERE) / IPv6ExtHdrFragment(m=1, nh=60) / Raw(b"\x11\x04" + bytes(6))
    box.tx_inside(chain, "drop-fragment-header")


def test_neighbour(fresh):
    """A neighbour that is not known is asked for, and packets wait for its answer (RFC 4861 section 7.2.2)."""
    parts = ipv6()
    del parts["outside"]["ietf-ip:ipv6"]["neighbor"]
    box = fresh(**parts)
    first, second = udp(), udp("2001:db8:100:100::11", "2001:db8:1::99")
    question = box.rx_frame("outside")
    while question[ICMPv6ND_NS].tgt != GATEWAY_OUTSIDE6:
        question = box.rx_frame("outside")
    assert question.dst == "33:33:ff:00:00:02" and question[IPv6].src == BOX_OUTSIDE6
    box.tx_inside(first, None)
    told = (IPv6(src=GATEWAY_OUTSIDE6, dst=BOX_OUTSIDE6, hlim=255) / ICMPv6ND_NA(tgt=GATEWAY_OUTSIDE6, S=1, R=1) /
            ICMPv6NDOptDstLLAddr(lladdr=MAC["outside"]))
    box.tx_outside(told, {"neighbour-discovery": 1, "routed-ipv6": 1})
    same_but_hop(first, box.rx_outside())
    # one on the link itself
    box.tx_inside(second, None)
    question = box.rx_frame("outside")
    assert question[ICMPv6ND_NS].tgt == "2001:db8:1::99"
    told[ICMPv6ND_NA].tgt, told.src = "2001:db8:1::99", "2001:db8:1::99"
    del told[ICMPv6ND_NA].cksum
    box.tx_outside(told, {"neighbour-discovery": 1, "routed-ipv6": 1})
    same_but_hop(second, box.rx_outside())


def test_forwarding_off(fresh):
    """An interface without forwarding, or without IPv6, takes packets for the box alone."""
    box = fresh(**ipv6(inside={"ietf-ip:ipv6": {"forwarding": False}}))
    box.tx_inside(udp(), "drop-ipv6")
    box.tx_inside(IPv6(src=HERE, dst=BOX_INSIDE6) / ICMPv6EchoRequest(), "echo")
    assert box.rx_inside()[ICMPv6EchoReply]
    box.tx_outside(udp(THERE, HERE), "routed-ipv6")
    box.rx_inside()


def test_faults(tmp_path):
    """What YANG lets pass and a box cannot do."""
    said = check_config(tmp_path, config(**ipv6(
        inside={"ietf-ip:ipv6": {"mtu": 9601}}, routes=[
            ("fe80::/16", "blackhole"), ("ff00::/8", "blackhole"), ("::/96", "blackhole"),
            ("2001:db8:7::/48", "2001:db8:77::1")])))
    for path, allowed in (("ipv6/mtu: 9601", "1280 to 9600"), ("fe80::/16", "link-local"), ("ff00::/8", "unicast"),
                          ("::/96", "unicast"), ("2001:db8:77::1 is in no network", "an address of one")):
        assert any(path in line and allowed in line for line in said.splitlines()), said
