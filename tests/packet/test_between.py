# SPDX-License-Identifier: BSD-3-Clause
"""Subscribers of different services of one box reach each other as anybody outside does, by their outside addresses,
without leaving the box (RFC 4787 REQ-9, RFC 6146 section 3.8, RFC 7596 section 6.2, RFC 7597 section 5)."""
import itertools

import pytest
from scapy.all import ICMP, IP

from between import HOMES, STATEFUL, Home, Translated, Tunnelled, everything, lw4o6
from softwires import cut6

WORKERS = [1, 3]
CONFIG = everything(lw4o6())
KINDS = [*STATEFUL, "lw4o6"]
PAIRS = [*itertools.product(KINDS, KINDS), *((k, f"{k}-2") for k in KINDS), *((f"{k}-2", k) for k in KINDS)]
WHOLES = [(kind, "lw4o6-whole") for kind in KINDS]
DATA = bytes(range(256)) * 4


def pytest_generate_tests(metafunc):
    """What a module says in PAIRS and WHOLES: between which homes."""
    for name in ("pair", "whole"):
        if name in metafunc.fixturenames:
            pairs = getattr(metafunc.module, f"{name.upper()}S")
            metafunc.parametrize(name, pairs, ids=["-to-".join(p) for p in pairs])


def homes(box, pair, protocol, count=4):
    """Pairs of homes with an outside endpoint each; with several workers some are of one worker and some are not."""
    for _ in range(count):
        a, b = (HOMES[kind](box).open(box, protocol) for kind in pair)
        if a.outside != b.outside:
            yield a, b


def data_of(packet):
    """What is behind the transport header, whatever scapy makes of the ports."""
    return bytes(packet.payload.payload)


def cross(box, a, b, packet):
    """Sends a home's packet, which must arrive at the other, as from outside, a hop later."""
    box.tx_inside(a.wrap(packet), b.hairpin)
    p = b.unwrap(box.rx_inside())
    assert p.dst == b.own and p.ttl == packet.ttl - 1
    return p


def told(box, a, sent):
    """Takes the error that the box sends a home about its packet."""
    p = a.unwrap(box.rx_inside(quoted=False))
    quoted = p[ICMP].payload
    assert p.dst == a.own and (quoted.src, quoted.dst) == (sent.src, sent.dst)
    assert (quoted.sport, quoted.dport) == (sent.sport, sent.dport)
    return p[ICMP]


@pytest.mark.parametrize("protocol", ["udp", "tcp"])
def test_there_and_back(box, pair, protocol):
    """Each sees the other by its outside address and port; one hop is counted."""
    for a, b in homes(box, pair, protocol):
        for src, dst, flags, ttl in ((a, b, "S", 64), (b, a, "SA", 2), (a, b, "A", 9)):
            p = cross(box, src, dst, src.packet(protocol, dst.outside, flags=flags, ttl=ttl))
            assert (p.src, p.sport, p.dport, data_of(p)) == (*src.outside, dst.port, b"hello")


@pytest.mark.parametrize("protocol", ["udp", "tcp"])
def test_error(box, pair, protocol):
    """What one rejects the other hears of from its outside address, about what it has sent itself (RFC 5508 REQ-7)."""
    for a, b in homes(box, pair, protocol):
        sent = a.packet(protocol, b.outside)
        got = cross(box, a, b, sent)
        p = cross(box, b, a, IP(src=b.own, dst=got.src) / ICMP(type=3, code=3) / got)
        assert (p.src, p[ICMP].type, p[ICMP].code) == (b.outside[0], 3, 3)
        quoted = p[ICMP].payload
        assert (quoted.src, quoted.sport, quoted.dst, quoted.dport) == (a.own, a.port, *b.outside)



def test_echo(box, whole):
    """A ping of who has an address to himself, and the reply."""
    for _ in range(4):
        a, b = (HOMES[kind](box) for kind in whole)
        p = cross(box, a, b, IP(src=a.own, dst=b.own) / ICMP(id=a.port, seq=3) / b"echo")
        assert (p[ICMP].type, p[ICMP].seq, data_of(p)) == (8, 3, b"echo")
        q = cross(box, b, a, IP(src=b.own, dst=p.src) / ICMP(type=0, id=p[ICMP].id, seq=3) / b"echo")
        assert (q.src, q[ICMP].type, q[ICMP].id, q[ICMP].seq) == (b.own, 0, a.port, 3)


def test_fragments(box, pair):
    """In any order; the last one first among them."""
    for number, (a, b) in enumerate(homes(box, pair, "udp")):
        for src, dst in ((a, b), (b, a)):
            pieces = src.pieces(src.packet("udp", dst.outside, data=DATA, id=number + 1), 512)
            box.tx_inside(pieces[::-1] if number % 2 else pieces, None)
            assert box.settle() == {dst.hairpin: 2}
            p = dst.join([box.rx_inside() for _ in pieces])
            assert (p.src, p.sport, p.dst, p.dport) == (*src.outside, dst.own, dst.port)
            assert p.ttl == 63 and data_of(p) == DATA


def most(home):
    """The largest IPv4 packet that fits the way to a home, whose links take 1500 bytes."""
    return 1500 - {Home: 0, Tunnelled: 40, Translated: 20}[type(home)]


def test_too_big(box, pair):
    """One that may not be fragmented is not; its sender is told how large one may be (RFC 1191)."""
    for a, b in homes(box, pair, "udp", 2):
        size = most(a) if isinstance(a, Translated) else 1500
        sent = a.packet("udp", b.outside, data=bytes(size - 28),)
        sent.flags = "DF"
        frames = cut6(a.wrap(sent), 1232) if isinstance(a, Tunnelled) else [a.wrap(sent)]
        box.tx_inside(frames, None)
        pieces = {"reassembled": 1} if isinstance(a, Tunnelled) else {}
        if size <= most(b):
            assert box.settle() == {**pieces, b.hairpin: 1}
            assert b.unwrap(box.rx_inside()).len == size
            continue
        assert box.settle() == {**pieces, "drop-too-big": 1}
        error = told(box, a, sent)
        assert (error.type, error.code, error.nexthopmtu) == (3, 4, most(b))


def test_last_hop(box, pair):
    """The box is one hop, and says so (RFC 1812 section 5.3.1)."""
    for a, b in homes(box, pair, "udp", 2):
        sent = a.packet("udp", b.outside, ttl=1)
        box.tx_inside(a.wrap(sent), "drop-ttl")
        assert told(box, a, sent).type == 11


def test_nobody_there(box, pair):
    """A port that nobody has is nobody's from inside as well; a border relay says so, as it would outside."""
    for a, b in homes(box, pair, "udp", 2):
        sent = a.packet("udp", (b.outside[0], 1))
        if b.hairpin not in ("softwire-hairpin", "map-t-hairpin"):
            box.tx_inside(a.wrap(sent), "drop-no-mapping")
            continue
        box.tx_inside(a.wrap(sent), "drop-no-softwire")
        error = told(box, a, sent)
        assert (error.type, error.code) == (3, 1)


def mids(box):
    scopes = box.ask("show", "mitigations")
    return [s["mid"] for s in scopes["ietf-dots-signal-channel:dots-signal"]["scope"]]


def test_mitigation(box, pair):
    """What a subscriber may not send somewhere stays away from other subscribers too, and makes no state."""
    for a, b in homes(box, pair, "udp", 1):
        box.ask("dots", "mitigate", "--source", f"{a.outside[0]}/32", "--source-port", a.outside[1],
                "--target", f"{b.outside[0]}/32")
        box.tx_inside(a.wrap(a.packet("udp", b.outside)), "drop-acl")
        cross(box, b, a, b.packet("udp", a.outside))
        box.ask("dots", "withdraw", *mids(box))
        cross(box, a, b, a.packet("udp", b.outside))
