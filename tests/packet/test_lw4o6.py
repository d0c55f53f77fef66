# SPDX-License-Identifier: BSD-3-Clause
"""Lightweight 4over6 border relay (RFC 7596). Cases that a well-known relay gets wrong say so."""
import pytest
from scapy.all import (ICMP, IP, TCP, UDP, Ether, ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6PacketTooBig,
                       ICMPv6TimeExceeded, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, PadN, Raw)

from config import BOX_INSIDE6, BOX_OUTSIDE, MAC
from softwires import (BINDINGS, BR, BR2, SHARED, SPREAD, WHOLE, b4, back, changed, entry, extra, instance, lw4o6,
                       one_hop_later, out, ping, tcp, tunnel, udp)

WORKERS = [1, 3]
CONFIG = lw4o6()
THERE = "198.18.7.7"
ESP = 50


def unreachable(quoted, source=THERE, dst=SHARED, kind=3, code=3, mtu=0):
    """An ICMP error from outside about a packet that a B4 has sent."""
    return IP(src=source, dst=dst) / ICMP(type=kind, code=code, nexthopmtu=mtu) / Raw(bytes(quoted))


def test_both_ways(box):
    """A packet of the B4 that has its source goes on as it was inside, a hop later; an answer goes back in a tunnel
    from the address that the B4 wrote to (W1, W2, W3; RFC 7596 section 6.2)."""
    for packet in (udp(SHARED, THERE, 1030, 53), tcp(SHARED, THERE, 2047, 80), ping(SHARED, THERE, 1025)):
        assert bytes(out(box, tunnel(b4(1), packet))) == one_hop_later(packet)
    for packet in (udp(THERE, SHARED, 53, 1030), tcp(THERE, SHARED, 80, 2047), ping(THERE, SHARED, 1025, kind=0)):
        got = back(box, packet)
        assert (got.src, got.dst, got.nh, got.hlim) == (BR, b4(1), 4, 64)
        assert bytes(got.payload) == one_hop_later(packet)


@pytest.mark.parametrize("source, packet, br", [
    (b4(1), udp(SHARED, THERE, 1023, 53), BR),   # a port of B4 0
    (b4(1), udp(SHARED, THERE, 2048, 53), BR),   # of B4 2
    (b4(2), udp(SHARED, THERE, 1030, 53), BR),   # another B4
    (b4(1), udp(SPREAD, THERE, 1030, 53), BR),   # another address
    (b4(1), udp("198.51.100.99", THERE, 1030, 53), BR),  # nobody's
    (b4(1), udp("10.0.0.1", THERE, 1030, 53), BR),
    (b4(1), udp(SHARED, THERE, 1030, 53), BR2),  # another BR address than its own
    (b4(1), ping(SHARED, THERE, 2048), BR),
    (b4(0x34), udp(SPREAD, THERE, 1236, 53), BR)])
def test_spoofed(box, source, packet, br):
    """What is not its sender's is dropped, and the sender told, 1/5 (W2; RFC 7596 sections 6.2 and 9)."""
    sent = tunnel(source, packet, br)
    box.tx_inside(sent, "drop-softwire-source")
    error = box.rx_inside()
    assert (error.src, error.dst) == (BOX_INSIDE6, source)
    assert error[ICMPv6DestUnreach].code == 5
    assert bytes(error[ICMPv6DestUnreach].payload) == bytes(sent)


def test_reserved_ports(box):
    """With a=6 the ports below 1024 are nobody's, and no others: those with A = 0 (RFC 7597 section 5.1)."""
    for port in (1232, 1235, 64720, 64723):
        assert out(box, tunnel(b4(0x34), udp(SPREAD, THERE, port, 53)))[UDP].sport == port
    # 208 = 0x34 << 2 has A = 0
    box.tx_inside(tunnel(b4(0x34), udp(SPREAD, THERE, 208, 53)), "drop-softwire-source")
    assert box.rx_inside()[ICMPv6DestUnreach].code == 5
    box.tx_outside(udp(THERE, SPREAD, 53, 208), "drop-no-softwire")
    assert box.rx_outside()[ICMP].type == 3


def test_made_b4(box):
    """A prefix stands for the address that RFC 7596 section 5.1 makes of it (W11)."""
    got = back(box, udp(THERE, SPREAD, 53, 0x35 << 2 | 1 << 10))
    assert (got.src, got.dst) == (BR2, "2001:db8:101:7:0:c633:6402:35")
    assert out(box, tunnel(got.dst, udp(SPREAD, THERE, 1236, 53), BR2)).src == SPREAD


def test_nobody_there(box):
    """The sender of a packet to ports or an address that nobody has is told 3/1 (W3)."""
    for dst, port in ((SHARED, 1023), (SHARED, 60000), (SPREAD, 1240)):
        sent = udp(THERE, dst, 53, port)
        box.tx_outside(sent, "drop-no-softwire")
        error = box.rx_outside()
        assert (error.src, error.dst, error[ICMP].type, error[ICMP].code) == (BOX_OUTSIDE, THERE, 3, 1)
        assert bytes(error[ICMP].payload)[:28] == bytes(sent)[:28]


def test_errors_off(fresh):
    """Neither kind of error if the policy says so (RFC 8676)."""
    box = fresh(**lw4o6(**{"icmp-policy": {"icmpv4-errors": {"generate-icmpv4-errors": False},
                                           "icmpv6-errors": {"generate-icmpv6-errors": False}}}))
    box.tx_outside(udp(THERE, SHARED, 53, 1), "drop-no-softwire")
    box.tx_inside(tunnel(b4(1), udp(SHARED, THERE, 1, 53)), "drop-softwire-source")
    box.nothing()


def test_icmp6_rate(fresh):
    """So many ICMPv6 errors a second (RFC 7596 section 9)."""
    box = fresh(workers=1, **lw4o6(**{"icmp-policy": {"icmpv6-errors": {"icmpv6-rate": 4}}}))
    box.tx_inside([tunnel(b4(1), udp(SHARED, THERE, 1, 53))] * 10, "drop-softwire-source")
    for _ in range(4):
        assert box.rx_inside()[ICMPv6DestUnreach].code == 5
    box.nothing()
    box.advance(1)
    box.tx_inside([tunnel(b4(1), udp(SHARED, THERE, 1, 53))] * 5, "drop-softwire-source")
    for _ in range(4):
        box.rx_inside()


def test_icmp4_policy(fresh):
    """ICMP from outside may be kept out as a whole, or its errors limited; what subscribers send is not asked."""
    box = fresh(**lw4o6(**{"icmp-policy": {"icmpv4-errors": {"allow-incoming-icmpv4": False}}}))
    box.tx_outside([ping(THERE, SHARED, 1025), unreachable(udp(SHARED, THERE, 1030, 53))], "drop-icmp-policy")
    assert out(box, tunnel(b4(1), ping(SHARED, THERE, 1025)))[ICMP].id == 1025
    box = fresh(workers=1, **lw4o6(**{"icmp-policy": {"icmpv4-errors": {"icmpv4-rate": 3}}}))
    box.tx_outside([unreachable(udp(SHARED, THERE, 1030, 53))] * 5, {"softwire-in": 3, "drop-icmp-policy": 2})
    for _ in range(3):
        assert box.rx_inside().dst == b4(1)
    # queries are no errors
    assert back(box, ping(THERE, SHARED, 1025)).dst == b4(1)


def test_inbound_errors(box):
    """An ICMP error goes by the source port of the packet that it quotes, its IPv4 options skipped (W5; RFC 7596 section
    8.1)."""
    option = IP(src=SHARED, dst=THERE, options=b"\x07\x07\x04\0\0\0\0\0") / UDP(sport=1030, dport=53) / Raw(b"12345678")
    for quoted in (udp(SHARED, THERE, 1030, 53), tcp(SHARED, THERE, 2047, 80), option):
        for kind, code in ((3, 3), (11, 0), (3, 4)):
            error = unreachable(quoted, kind=kind, code=code, mtu=1400 if code == 4 else 0)
            got = back(box, error)
            assert got.dst == b4(1) and bytes(got.payload) == one_hop_later(error)


def test_inbound_errors_about_echo(box):
    """One that quotes an echo goes by its identifier, and never to whoever has port 0x0800 (a known fault elsewhere)."""
    assert back(box, unreachable(ping(SHARED, THERE, 0x0c01))).dst == b4(3)
    box.tx_outside(unreachable(ping(SHARED, THERE, 60000)), "drop-no-softwire")
    box.nothing()  # no error about an error


def test_inbound_echo(box):
    """An echo request to a shared address goes by its identifier too (a known fault elsewhere)."""
    assert back(box, ping(THERE, SHARED, 0x0c01)).dst == b4(3)
    box.tx_outside(ping(THERE, SHARED, 60000), "drop-no-softwire")
    assert box.rx_outside()[ICMP].code == 1


def test_inbound_nonsense(box):
    """An error that quotes another's packet, or has a wrong checksum, is dropped (lengths and checksums are checked first)."""
    box.tx_outside(unreachable(udp(THERE, SHARED, 53, 1030)), "drop-no-softwire")
    wrong = bytearray(bytes(unreachable(udp(SHARED, THERE, 1030, 53))))
    wrong[22] ^= 1
    box.tx_outside(IP(bytes(wrong)), "drop-icmp-checksum")
    short = IP(src=THERE, dst=SHARED) / ICMP(type=3, code=3) / Raw(bytes(udp(SHARED, THERE, 1030, 53))[:24])
    box.tx_outside(short, "drop-no-softwire")


def test_outbound_errors(box):
    """An ICMP error of a B4 is right if the *destination* port that it quotes is its own (W6; a known fault elsewhere)."""
    error = IP(src=SHARED, dst=THERE) / ICMP(type=3, code=3) / udp(THERE, SHARED, 53, 1030)
    assert bytes(out(box, tunnel(b4(1), error))) == one_hop_later(error)
    for wrong in (IP(src=SHARED, dst=THERE) / ICMP(type=3, code=3) / udp(THERE, SHARED, 1030, 53),
                  IP(src=SHARED, dst=THERE) / ICMP(type=3, code=3) / udp(THERE, "198.51.100.9", 53, 1030)):
        box.tx_inside(tunnel(b4(1), wrong), "drop-softwire-source")
    box.nothing()


def test_hairpin(box):
    """From one B4 to another by the box, counted as one hop (W4)."""
    for packet in (udp(SHARED, SHARED, 1030, 2050), udp(SHARED, WHOLE, 1030, 7), ping(SHARED, SHARED, 1030)):
        if packet.haslayer(ICMP):
            box.tx_inside(tunnel(b4(1), packet), "softwire-hairpin")
            assert box.rx_inside().dst == b4(1)  # the identifier is its sender's own
            continue
        box.tx_inside(tunnel(b4(1), packet), "softwire-hairpin")
        got = box.rx_inside()
        assert (got.src, got.dst) == (BR, b4(2) if packet.dst == SHARED else b4(0x100))
        assert bytes(got.payload) == one_hop_later(packet)


def test_hairpin_nobody(box):
    """Nobody has the port: the B4 is told by its tunnel (W4)."""
    sent = udp(SHARED, SHARED, 1030, 60000)
    box.tx_inside(tunnel(b4(1), sent), "drop-no-softwire")
    got = box.rx_inside()
    assert (got.src, got.dst, got.nh) == (BR, b4(1), 4)
    error = got.payload
    assert (error.src, error.dst, error[ICMP].type, error[ICMP].code) == (BOX_OUTSIDE, SHARED, 3, 1)
    assert bytes(error[ICMP].payload)[:len(sent)] == bytes(sent)


def test_hairpinning_off(fresh):
    box = fresh(**lw4o6(**{"enable-hairpinning": False}))
    box.tx_inside(tunnel(b4(1), udp(SHARED, SHARED, 1030, 2050)), "drop-hairpinning")


def test_hairpinned_error(box):
    """The error that the one sends about the other's packet finds its way back."""
    error = IP(src=SHARED, dst=SHARED) / ICMP(type=3, code=3) / udp(SHARED, SHARED, 1030, 2050)
    box.tx_inside(tunnel(b4(2), error), "softwire-hairpin")
    got = box.rx_inside()
    assert got.dst == b4(1) and bytes(got.payload) == one_hop_later(error)


def test_relayed(box):
    """ICMPv6 errors about tunnel packets become ICMP errors for who sent what was inside (W7; RFC 2473 section 8.3)."""
    inner = udp(THERE, SHARED, 53, 1030, data=b"x" * 100, flags="DF")
    sent = back(box, inner)
    for error, code, mtu in ((ICMPv6DestUnreach(code=3), 1, 0), (ICMPv6TimeExceeded(code=0), 1, 0),
                             (ICMPv6PacketTooBig(mtu=1300), 4, 1260)):
        box.tx_inside(IPv6(src="2001:db8:100::9", dst=BR) / error / Raw(bytes(sent)), "softwire-relayed")
        got = box.rx_outside(quoted=False)
        assert (got.src, got.dst) == (BOX_OUTSIDE, THERE)
        assert (got[ICMP].type, got[ICMP].code, got[ICMP].nexthopmtu or 0) == (3, code, mtu)
        assert bytes(got[ICMP].payload)[:len(inner)] == bytes(sent.payload)


@pytest.mark.parametrize("quoted", [
    IPv6(src=BR, dst=b4(9) + "9", nh=4) / udp(THERE, SHARED, 53, 1030),   # no B4
    IPv6(src=BR, dst=b4(2), nh=4) / udp(THERE, SHARED, 53, 1030),         # another's ports
    IPv6(src=BR2, dst=b4(1), nh=4) / udp(THERE, SHARED, 53, 1030),        # not from the address that the error is for
    IPv6(src=BR, dst=b4(1), nh=4) / udp(THERE, "198.51.100.77", 53, 1030),
    IPv6(src=BR, dst=b4(1)) / UDP(sport=1, dport=1030) / Raw(b"x" * 30)])
def test_strangers_errors(box, quoted):
    """One that quotes no real softwire translates nothing, whoever sends it (a known fault elsewhere)."""
    box.tx_inside(IPv6(src="2001:db8:100::9", dst=BR) / ICMPv6DestUnreach(code=3) / Raw(bytes(quoted)), "drop-icmp-quote")
    wrong = bytearray(bytes(IPv6(src="2001:db8:100::9", dst=BR) / ICMPv6DestUnreach(code=3) / Raw(bytes(quoted))))
    wrong[42] ^= 1
    box.tx_inside(IPv6(bytes(wrong)), "drop-icmp-checksum")


def test_ping_the_relay(box):
    """The BR address answers a ping, and so does the box's IPv4 address from inside a tunnel."""
    box.tx_inside(IPv6(src=b4(1), dst=BR) / ICMPv6EchoRequest(id=7, data=b"abc"), "echo")
    got = box.rx_inside()
    assert (got.src, got.dst) == (BR, b4(1)) and got[ICMPv6EchoReply].data == b"abc"
    box.tx_inside(tunnel(b4(1), ping(SHARED, BOX_OUTSIDE, 1030)), "echo")
    got = box.rx_inside()
    assert (got.src, got.dst) == (BR, b4(1)) and (got.payload.src, got.payload.dst) == (BOX_OUTSIDE, SHARED)
    assert (got[ICMP].type, got[ICMP].id) == (0, 1030)
    box.tx_inside([tunnel(b4(1), udp(SHARED, BOX_OUTSIDE, 1030, 7)), IPv6(src=b4(1), dst=BR) / UDP()], "drop-local")


def test_ttl(box):
    """The last hop is answered through the tunnel or outside; else one hop is counted, not two (a known fault
    elsewhere)."""
    sent = udp(SHARED, THERE, 1030, 53, ttl=1)
    box.tx_inside(tunnel(b4(1), sent, hlim=1), "drop-ttl")
    got = box.rx_inside()
    assert (got.dst, got[ICMP].type, got.payload.src, got.payload.dst) == (b4(1), 11, BOX_OUTSIDE, SHARED)
    box.tx_outside(udp(THERE, SHARED, 53, 1030, ttl=1), "drop-ttl")
    assert box.rx_outside()[ICMP].type == 11
    assert out(box, tunnel(b4(1), udp(SHARED, THERE, 1030, 53, ttl=2), hlim=2)).ttl == 1
    assert back(box, udp(THERE, SHARED, 53, 1030, ttl=2)).payload.ttl == 1


def test_no_hops_between_homes(box):
    box.tx_inside(tunnel(b4(1), udp(SHARED, SHARED, 1030, 2050, ttl=1)), "drop-ttl")
    assert box.rx_inside()[ICMP].type == 11


def test_traffic_class(box):
    """DSCP is the same inside and outside; congestion marks follow RFC 6040 (W9; RFC 2983)."""
    got = back(box, udp(THERE, SHARED, 53, 1030, tos=0xb9))
    assert got.tc == 0xb9 and got.payload.tos == 0xb9
    assert out(box, tunnel(b4(1), udp(SHARED, THERE, 1030, 53, tos=0x02), tc=0x2f << 2 | 3)).tos == 0x2f << 2 | 3
    box.tx_inside(tunnel(b4(1), udp(SHARED, THERE, 1030, 53, tos=0), tc=3), "drop-tunnel-congestion")


def test_protocols_without_ports(box):
    """They are for who has an address to himself (Q2; a known fault elsewhere: they went to somebody)."""
    esp = IP(src=THERE, dst=WHOLE, proto=ESP) / Raw(b"\0\0\x04\0" * 5)
    assert bytes(back(box, esp).payload) == one_hop_later(esp)
    sent = IP(src=WHOLE, dst=THERE, proto=ESP) / Raw(b"\0\0\x04\0" * 5)
    assert bytes(out(box, tunnel(b4(0x100), sent))) == one_hop_later(sent)
    error = unreachable(sent, dst=WHOLE, code=2)
    assert back(box, error).dst == b4(0x100)
    box.tx_outside(IP(src=THERE, dst=SHARED, proto=ESP) / Raw(b"\0\0\x04\0" * 5), "drop-no-softwire")
    assert box.rx_outside()[ICMP].code == 1
    box.tx_inside(tunnel(b4(1), IP(src=SHARED, dst=THERE, proto=ESP) / Raw(b"\x04\x04" * 9)), "drop-softwire-source")
    assert box.rx_inside()[ICMPv6DestUnreach].code == 5


def test_padding(box):
    """What a short frame is filled up with is not tunnelled (a known fault elsewhere)."""
    packet = udp(THERE, SHARED, 53, 1030, data=b"x")
    frame = bytes(Ether(src=MAC["outside"], dst=MAC["box outside"]) / packet).ljust(60, b"\xee")
    box.tx_outside(Ether(frame), "softwire-in")
    got = box.rx_frame("inside").payload
    assert got.plen == len(packet) and bytes(got.payload) == one_hop_later(packet)
    # nor what a tunnel packet has behind the packet inside
    inner = udp(SHARED, THERE, 1030, 53, data=b"x" * 60)
    got = out(box, tunnel(b4(1), Raw(bytes(inner) + b"\xee" * 9)))
    assert got.original == one_hop_later(inner)


def test_extension_headers(box):
    """A tunnel packet may have them, such as an encapsulation limit (RFC 2473 section 4.1.1)."""
    inner = udp(SHARED, THERE, 1030, 53)
    limit = IPv6(src=b4(1), dst=BR) / IPv6ExtHdrDestOpt(nh=4, options=[PadN(optdata=b"\0" * 4)])
    assert bytes(out(box, limit / inner)) == one_hop_later(inner)
    box.tx_inside(limit / udp(SHARED, THERE, 1, 53), "drop-softwire-source")
    assert box.rx_inside()[ICMPv6DestUnreach].code == 5


def test_malformed(box):
    """Versions and lengths are looked at before use."""
    inner = bytearray(bytes(udp(SHARED, THERE, 1030, 53)))
    for at, value in ((0, 0x65), (2, 0x40), (0, 0x41)):
        wrong = bytearray(inner)
        wrong[at] = value
        box.tx_inside(IPv6(src=b4(1), dst=BR, nh=4) / Raw(bytes(wrong)),
                      "drop-ip-header" if value == 0x41 else "drop-tunnel-inside")
    wrong = bytearray(inner)
    wrong[10] ^= 1
    box.tx_inside(IPv6(src=b4(1), dst=BR, nh=4) / Raw(bytes(wrong)), "drop-ip-checksum")
    box.tx_inside(IPv6(src=b4(1), dst=BR, nh=4) / Raw(bytes(inner[:15])), "drop-tunnel-inside")
    box.nothing()


def test_path_mru(fresh):
    box = fresh(**lw4o6(**{"softwire-path-mru": 1300}, outside={"ietf-ip:ipv4": {"mtu": 1500}}))
    assert len(out(box, tunnel(b4(1), udp(SHARED, THERE, 1030, 53, data=b"x" * 1272)))) == 1300
    box.tx_inside(tunnel(b4(1), udp(SHARED, THERE, 1030, 53, data=b"x" * 1273)), "drop-path-mru")


def test_from_the_wrong_side(box):
    """Tunnels come from inside alone, and nobody outside has a subscriber's address."""
    box.tx_outside(tunnel(b4(1), udp(SHARED, THERE, 1030, 53)), "drop-spoofed")
    box.tx_outside(tunnel(box.remote6(), udp(SHARED, THERE, 1030, 53)), "drop-realm")
    box.tx_outside(udp(SHARED, WHOLE, 1030, 53), "drop-spoofed")


def test_extra_bindings(fresh):
    """A B4 may have several port sets, one of them a single port; instances stand beside each other (RFC 8676)."""
    box = fresh(**lw4o6([
        instance([], **{"homeport:extra-binding": [
            extra(b4(1), SHARED, length=16, psid=5555), extra(b4(1), SHARED, length=16, psid=7777, br=BR2),
            extra(b4(2), WHOLE)]}),
        instance([entry(b4(1), "198.51.100.9", length=4, psid=3, br="2001:db8:ffff::9")], name="other")]))
    for port, br in ((5555, BR), (7777, BR2)):
        assert back(box, udp(THERE, SHARED, 53, port)).src == br
        assert out(box, tunnel(b4(1), udp(SHARED, THERE, port, 53), br))[UDP].sport == port
    assert back(box, udp(THERE, "198.51.100.9", 53, 3 << 12)).src == "2001:db8:ffff::9"
    assert back(box, udp(THERE, WHOLE, 53, 9)).dst == b4(2)


def test_one_arm(fresh):
    """Both sides on one interface (realm both)."""
    box = fresh(**lw4o6(inside={"homeport:realm": "both"}), routes=[("198.18.0.0/15", "100.64.0.2")])
    packet = udp(SHARED, THERE, 1030, 53)
    box.tx_inside(tunnel(b4(1), packet), "softwire-out")
    assert bytes(box.rx_inside()) == one_hop_later(packet)
    answer = udp(THERE, SHARED, 53, 1030)
    box.tx_inside(answer, "softwire-in")
    got = box.rx_inside()
    assert got.dst == b4(1) and bytes(got.payload) == one_hop_later(answer)
