# SPDX-License-Identifier: BSD-3-Clause
"""Fragments to and from MAP-T subscribers (RFC 7599 section 10, RFC 7915)."""
import itertools

from scapy.all import ICMP, IP, UDP, IPv6, IPv6ExtHdrFragment, Raw

from config import TAP_DEVICES
from softwires import back, cut6, embedded, from_ce, join6, mapping_rules, ping, rule_t, to_ce, udp
from test_fragments import cut, join

WORKERS = [1, 3]
CONFIG = mapping_rules([rule_t(), rule_t("whole", "2001:db8:200::/40", "198.51.101.0/24", ea=8, length=0)],
                       routes=[("2001:db8:200::/40", "2001:db8:2::2")]) | {
    "devices": TAP_DEVICES, "platform": {"packet-buffers": 16383}}
THERE = "198.18.7.7"
CE, HIS = "2001:db8:112:3400:0:c633:6412:34", "198.51.100.18"
NEIGHBOUR = "2001:db8:112:3500:0:c633:6412:35"  # the same address, port 1236
OTHER_CE, OTHER = "2001:db8:207::c633:6507:0", "198.51.101.7"
ESP = 50


def test_from_outside(box):
    """In any order they go where the port of the first says, and keep the identification (K5; RFC 7599 section 10.2)."""
    for ident, order in enumerate(itertools.permutations(range(3)), 300):
        packet = udp(THERE, HIS, 53, 1232, data=bytes(range(256)) * 3, id=ident)
        pieces = cut(packet, 256, 256)
        box.tx_outside([pieces[n] for n in order], None)
        box.settle()
        got = [box.rx_inside() for _ in range(3)]
        assert all((p.src, p.dst, p[IPv6ExtHdrFragment].id) == (embedded(THERE), CE, ident) for p in got)
        assert join6(got) == to_ce(packet, CE)[40:]


def test_from_a_ce(box):
    """IPv6 fragments become IPv4 ones in any order, if the port of the first is his (RFC 7915 section 5.1.1)."""
    for ident, order in enumerate(itertools.permutations(range(3)), 0x50400):
        packet = udp(HIS, THERE, 1232, 53, data=bytes(range(256)) * 3)
        pieces = cut6(from_ce(CE, packet), 256, 256, ident=ident)
        box.tx_inside([pieces[n] for n in order], None)
        box.settle()
        got = [box.rx_outside() for _ in range(3)]
        assert {(p.src, p.dst, p.id, p.ttl) for p in got} == {(HIS, THERE, ident & 0xffff, 63)}
        assert bytes(join(got).payload) == bytes(packet.payload)


def test_not_his(box):
    """A first fragment of another's port is refused, and the rest with it; nor can a neighbour add to a datagram."""
    pieces = cut6(from_ce(CE, udp(HIS, THERE, 1236, 53, data=bytes(600))), 256, ident=1)
    box.tx_inside(pieces, "drop-softwire-source")
    assert [box.rx_inside(quoted=False).dst for _ in pieces] == [CE, CE]
    pieces = cut6(from_ce(CE, udp(HIS, THERE, 1232, 53, data=bytes(600))), 256, ident=2)
    box.tx_inside(pieces[0], "map-t-out")
    assert box.rx_outside().frag == 0
    pieces[1].src = NEIGHBOUR
    box.tx_inside(pieces[1], None)
    box.advance(3)
    box.settle()


def test_hairpin(box):
    """Between CEs both translations have the ports that the first fragment told."""
    packet = udp(HIS, OTHER, 1232, 80, data=bytes(range(256)) * 3)
    pieces = cut6(from_ce(CE, packet), 512, ident=77)
    box.tx_inside(pieces[::-1], None)
    box.settle()
    got = [box.rx_inside(), box.rx_inside()]
    assert {(p.src, p.dst, p.hlim, p[IPv6ExtHdrFragment].id) for p in got} == {(embedded(HIS), OTHER_CE, 63, 77)}
    assert join6(got) == to_ce(packet, OTHER_CE)[40:]


def test_without_checksum(box):
    """A datagram in fragments cannot get the checksum that IPv6 wants (F6; RFC 7915 section 4.5)."""
    packet = udp(THERE, HIS, 53, 1232, data=bytes(600))
    packet[UDP].chksum = 0
    box.tx_outside(cut(packet, 256), "drop-udp-checksum")


def test_too_large_again(box):
    """A fragment that does not fit is cut again, under the same identification."""
    packet = udp(THERE, HIS, 53, 1232, data=bytes(2000), id=99)
    box.tx_outside(cut(packet, 1472), None)
    box.settle()
    got = [box.rx_inside(), box.rx_inside(), box.rx_inside()]
    assert all(len(p) <= 1280 and p[IPv6ExtHdrFragment].id == 99 for p in got)
    assert join6(got) == to_ce(packet, CE)[40:]


def test_icmp(box):
    """ICMP tells of its whole length in its checksum, and a fragment does not know that (RFC 7915 section 4)."""
    box.tx_outside(cut(ping(THERE, HIS, 1232, kind=0) / Raw(bytes(600)), 256), "drop-fragment-icmp")
    box.tx_inside(cut6(from_ce(CE, ping(HIS, THERE, 1232) / Raw(bytes(600))), 256), "drop-fragment-icmp")


def test_other_protocols(box):
    """Fragments of protocols without ports, for who has an address to himself."""
    packet = IP(src=THERE, dst=OTHER, proto=ESP, id=5) / Raw(bytes(range(256)) * 3)
    box.tx_outside(cut(packet, 256), None)
    box.settle()
    got = [box.rx_inside(), box.rx_inside()]
    assert {p.dst for p in got} == {OTHER_CE} and join6(got) == bytes(packet.payload)
    sent = IPv6(src=OTHER_CE, dst=embedded(THERE), nh=ESP) / packet.payload
    box.tx_inside(cut6(sent, 256), None)
    box.settle()
    assert bytes(join([box.rx_outside(), box.rx_outside()]).payload) == bytes(packet.payload)


def test_atomic(box):
    """A fragment that is the whole datagram is one packet, that may be fragmented (RFC 6946, RFC 7915 section 5.1.1)."""
    packet = udp(HIS, THERE, 1232, 53, data=bytes(1300))
    box.tx_inside(cut6(from_ce(CE, packet)), "map-t-out")
    got = box.rx_outside()
    assert (got.flags, got.frag, bytes(got.payload)) == ("", 0, bytes(packet.payload))


def test_nobody_there(box):
    box.tx_outside(cut(udp(THERE, HIS, 53, 1023, data=bytes(600)), 256), "drop-no-softwire")
    assert box.rx_outside(quoted=False)[ICMP].code == 1
    assert back(box, udp(THERE, OTHER, 53, 7), "map-t-in").dst == OTHER_CE
