# SPDX-License-Identifier: BSD-3-Clause
"""Fragments into and out of softwires (RFC 7596 section 6.2, RFC 7597 section 8.3, RFC 2473 section 7.2)."""
import itertools

from scapy.all import ICMP, IP

from config import TAP_DEVICES
from softwires import BR, SHARED, b4, back, cut6, join6, lw4o6, one_hop_later, out, tunnel, udp
from test_fragments import cut, join

WORKERS = [1, 3]
CONFIG = lw4o6() | {"devices": TAP_DEVICES, "platform": {"packet-buffers": 16383}}
THERE = "198.18.7.7"


def test_into_the_tunnel(box):
    """What does not fit is fragmented behind the tunnel header, not in front of it (W8, M8)."""
    packet = udp(THERE, SHARED, 53, 1030, data=bytes(1472))
    box.tx_outside(packet, "softwire-in")
    pieces = [box.rx_inside(), box.rx_inside()]
    assert all(len(p) <= 1500 and p.dst == b4(1) and p.src == BR for p in pieces)
    assert join6(pieces) == one_hop_later(packet)


def test_may_not_be_fragmented(box):
    """With DF set the sender is told what fits (RFC 2473 section 7.2); so is a B4 in front of a narrow Internet."""
    box.tx_outside(udp(THERE, SHARED, 53, 1030, data=bytes(1472), flags="DF"), "drop-too-big")
    error = box.rx_outside(quoted=False)
    assert (error[ICMP].type, error[ICMP].code, error[ICMP].nexthopmtu) == (3, 4, 1460)
    assert len(back(box, udp(THERE, SHARED, 53, 1030, data=bytes(1432), flags="DF"))) == 1500


def test_too_big_outside(fresh):
    """After decapsulation: DF earns ICMP 3/4 by the tunnel (a known fault elsewhere), else it is fragmented."""
    box = fresh(**lw4o6(outside={"ietf-ip:ipv4": {"mtu": 1280}}))
    box.tx_inside(tunnel(b4(1), udp(SHARED, THERE, 1030, 53, data=bytes(1260), flags="DF")), "drop-too-big")
    error = box.rx_inside(quoted=False)
    assert error.dst == b4(1) and (error[ICMP].type, error[ICMP].code, error[ICMP].nexthopmtu) == (3, 4, 1280)
    packet = udp(SHARED, THERE, 1030, 53, data=bytes(1260))
    box.tx_inside(tunnel(b4(1), packet), "softwire-out")
    assert bytes(join([box.rx_outside(), box.rx_outside()]).payload) == bytes(packet.payload)


def test_out_of_the_tunnel(box):
    """Fragments of a tunnel packet are put together in any order (W8)."""
    packet = udp(SHARED, THERE, 1030, 53, data=bytes(range(256)) * 5)
    for ident, order in enumerate(itertools.permutations(range(3)), 100):
        pieces = cut6(tunnel(b4(1), packet), 512, 512, ident=ident)
        box.tx_inside([pieces[n] for n in order], None)
        box.settle()
        assert bytes(box.rx_outside()) == one_hop_later(packet)


def test_reassembled_and_spoofed(box):
    pieces = cut6(tunnel(b4(2), udp(SHARED, THERE, 1030, 53, data=bytes(600))), 512, ident=200)
    box.tx_inside(pieces, None)
    box.settle()
    assert box.rx_inside(quoted=False).dst == b4(2)


def test_fragments_from_outside(box):
    """IPv4 fragments go where the port of the first says, in any order (W8, M7)."""
    for ident, order in enumerate(itertools.permutations(range(3)), 300):
        packet = udp(THERE, SHARED, 53, 1030, data=bytes(range(256)) * 3, id=ident)
        pieces = cut(packet, 256, 256)
        box.tx_outside([pieces[n] for n in order], None)
        box.settle()
        got = [box.rx_inside() for _ in range(3)]
        assert all(p.dst == b4(1) and p.src == BR for p in got)
        assert bytes(join([IP(bytes(p.payload)) for p in got]).payload) == bytes(packet.payload)


def test_fragments_from_a_b4(box):
    """A B4 may send fragments of IPv4 too; each must be its own by the port of the first."""
    for ident, order in enumerate(itertools.permutations(range(3)), 400):
        packet = udp(SHARED, THERE, 1030, 53, data=bytes(range(256)) * 3, id=ident)
        pieces = cut(packet, 256, 256)
        box.tx_inside([tunnel(b4(1), pieces[n]) for n in order], None)
        box.settle()
        assert bytes(join([box.rx_outside() for _ in range(3)]).payload) == bytes(packet.payload)
    # another B4 cannot add to them
    pieces = cut(udp(SHARED, THERE, 1030, 53, data=bytes(600), id=500), 256)
    box.tx_inside([tunnel(b4(1), pieces[0])], None)
    box.settle()
    assert box.rx_outside().frag == 0
    box.tx_inside([tunnel(b4(2), pieces[1])], None)
    box.advance(3)
    box.settle()
