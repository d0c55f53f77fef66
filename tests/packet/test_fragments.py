# SPDX-License-Identifier: BSD-3-Clause
"""IPv4 fragments, and what a packet must not carry through a NAT unchanged (RFC 4787 REQ-13 and REQ-14, RFC 6864)."""
import itertools
import random

from scapy.all import ICMP, IP, TCP, UDP, Raw

import checksums
from config import TAP_DEVICES, static_mapping

WORKERS = [1, 3]
BUFFERS = 16383  # each queue of a TAP device keeps a thousand
CONFIG = {"devices": TAP_DEVICES, "platform": {"packet-buffers": BUFFERS}}
ESP = 50

DATA = bytes(range(256)) * 4


def start(fresh, platform=None, **parts):
    return fresh(devices=TAP_DEVICES, platform={"packet-buffers": BUFFERS, **(platform or {})}, **parts)


def cut(packet, *sizes):
    """The fragments of an IP packet: so many bytes of payload in each, the rest in the last."""
    packet = IP(bytes(packet))
    payload = bytes(packet.payload)
    ihl = packet.ihl * 4
    pieces, at = [], 0
    for size in [*sizes, len(payload) - sum(sizes)]:
        piece = IP(bytes(packet)[:ihl])
        piece.frag = at // 8 + packet.frag
        piece.flags = packet.flags.value | (1 if at + size < len(payload) else packet.flags.value & 1)
        del piece.len, piece.chksum
        pieces.append(piece / Raw(payload[at:at + size]))
        at += size
    return [IP(bytes(p)) for p in pieces]


def join(pieces):
    """The datagram of which these are the fragments, with right checksums."""
    pieces = sorted(pieces, key=lambda p: p.frag)
    assert len({(p.src, p.dst, p.id, p.proto, p.ttl) for p in pieces}) == 1
    payload = b""
    for p in pieces:
        assert p.frag * 8 == len(payload) and (p.flags.MF or p is pieces[-1])
        payload += p.original[p.ihl * 4:p.len]
    whole = IP(pieces[0].original[:20])
    whole.flags, whole.frag = 0, 0
    del whole.len, whole.chksum
    whole = IP(bytes(whole / Raw(payload)))
    assert not checksums.faults(bytes(whole)), whole.show(dump=True)
    return whole


def pass_pieces(box, side, pieces, verdict):
    """Sends fragments of one datagram and returns it as it comes out whole on the other side."""
    box.tx(side, pieces, None)
    assert box.settle() == {verdict: len(pieces)}
    other = {"inside": "outside", "outside": "inside"}[side] if verdict != "nat44-hairpin" else side
    return join([box.rx(other) for _ in pieces])


def test_orders(box):
    """Fragments may come in any order, the first one last included; both ways (RFC 4787 REQ-14)."""
    host, remote = box.host(), box.remote()
    whole = box.out(IP(src=host, dst=remote) / UDP(sport=1000, dport=2000))
    outside, port = whole.src, whole[UDP].sport
    for number, order in enumerate(itertools.permutations(range(3))):
        sent = cut(IP(src=host, dst=remote, id=100 + number) / UDP(sport=1000, dport=2000) / DATA, 400, 8)
        p = pass_pieces(box, "inside", [sent[i] for i in order], "nat44-out")
        assert (p.src, p[UDP].sport, p[UDP].dport, p.ttl) == (outside, port, 2000, 63)
        assert p[UDP].payload.load == DATA
        sent = cut(IP(src=remote, dst=outside, id=100 + number) / UDP(sport=2000, dport=port) / DATA, 16, 408)
        p = pass_pieces(box, "outside", [sent[i] for i in order], "nat44-in")
        assert (p.dst, p[UDP].dport, p[UDP].sport, p.ttl) == (host, 1000, 2000, 63)
        assert p[UDP].payload.load == DATA
    # what begins a mapping may be a fragment too
    other = box.host()
    sent = cut(IP(src=other, dst=remote, id=7) / UDP(sport=1, dport=2) / DATA, 512)
    assert pass_pieces(box, "inside", sent[::-1], "nat44-out")[UDP].dport == 2


def test_protocols(box):
    """TCP segments and ICMP queries come in fragments too, and zero checksums stay zero (RFC 768)."""
    host, remote = box.host(), box.remote()
    p = box.out(IP(src=host, dst=remote) / TCP(sport=5, dport=80, flags="S"))
    box.back(IP(src=remote, dst=p.src) / TCP(sport=80, dport=p[TCP].sport, flags="SA"))
    sent = cut(IP(src=host, dst=remote, id=1) / TCP(sport=5, dport=80, flags="A") / DATA, 24, 512)
    assert pass_pieces(box, "inside", sent[::-1], "nat44-out")[TCP].sport == p[TCP].sport
    sent = cut(IP(src=remote, dst=p.src, id=1) / TCP(sport=80, dport=p[TCP].sport, flags="A") / DATA, 512)
    assert pass_pieces(box, "outside", sent[::-1], "nat44-in")[TCP].payload.load == DATA
    sent = cut(IP(src=host, dst=remote, id=2) / ICMP(id=9) / DATA, 8, 512)
    p = pass_pieces(box, "inside", sent[::-1], "nat44-out")
    sent = cut(IP(src=remote, dst=p.src, id=2) / ICMP(type=0, id=p[ICMP].id) / DATA, 8, 512)
    assert pass_pieces(box, "outside", sent[::-1], "nat44-in")[ICMP].id == 9
    sent = cut(IP(src=host, dst=remote, id=3) / UDP(sport=1, dport=2, chksum=0) / DATA, 512)
    assert pass_pieces(box, "inside", sent, "nat44-out")[UDP].chksum == 0


def test_interleaved(box):
    """Datagrams do not mix: not by address, protocol or identification, nor those in and out."""
    hosts, remote = [box.host() for _ in range(6)], box.remote()
    sent = []
    for i, host in enumerate(hosts):
        sent += cut(IP(src=host, dst=remote, id=5) / UDP(sport=100 + i, dport=9) / DATA, 256, 256)
        sent += cut(IP(src=host, dst=remote, id=6) / UDP(sport=100 + i, dport=9) / DATA, 256, 256)
        sent += cut(IP(src=host, dst=remote, id=5) / ICMP(id=100 + i) / DATA, 256, 256)
    random.Random(1).shuffle(sent)
    box.tx_inside(sent, None)
    assert box.settle() == {"nat44-out": len(sent)}
    got = {}
    for _ in sent:
        p = box.rx_outside()
        got.setdefault((p.src, p.proto, p.id), []).append(p)
    assert len(got) == 3 * len(hosts)
    for pieces in got.values():
        join(pieces)


def test_hairpin(box):
    """From one inside host to another by its outside address, in fragments (RFC 4787 REQ-9)."""
    first, second, remote = box.host(), box.host(), box.remote()
    p = box.out(IP(src=second, dst=remote) / UDP(sport=7, dport=7))
    sent = cut(IP(src=first, dst=p.src, id=4) / UDP(sport=6, dport=p[UDP].sport) / DATA, 64, 512)
    got = pass_pieces(box, "inside", sent[::-1], "nat44-hairpin")
    assert (got.dst, got[UDP].dport, got.ttl) == (second, 7, 63)
    assert got.src.startswith("203.0.113.")


def test_static(fresh):
    """To a port that a static mapping forwards."""
    box = start(fresh, workers=3, statics=[static_mapping(1, "100.65.7.7", "203.0.113.5", 17, 80, 8080)])
    sent = cut(IP(src=box.remote(), dst="203.0.113.5", id=4) / UDP(sport=6, dport=8080) / DATA, 64, 512)
    got = pass_pieces(box, "outside", sent[::-1], "nat44-in")
    assert (got.dst, got[UDP].dport) == ("100.65.7.7", 80)


def test_without_ports(fresh):
    """Those of a host with an outside address to itself need no first, and keep their identification."""
    inside, outside = "100.65.7.7", "198.51.100.9"
    statics, leaf = [static_mapping(1, inside, outside)], {"homeport:portless-protocols": [ESP]}
    box = start(fresh, workers=3, policy=leaf, statics=statics)
    remote = box.remote()
    sent = cut(IP(src=inside, dst=remote, id=4, proto=ESP) / DATA, 64, 512)
    got = pass_pieces(box, "inside", sent[::-1], "nat44-out")
    assert (got.src, got.id, bytes(got.payload)) == (outside, 4, DATA)
    sent = cut(IP(src=remote, dst=outside, id=5, proto=ESP) / DATA, 64, 512)
    box.tx_outside(sent[2])
    assert box.rx_inside().dst == inside
    box = start(fresh, policy={**leaf, "fragment-behavior": "drop-all"}, statics=statics)
    box.tx_outside(sent, "drop-fragment")
    sent = cut(IP(src=inside, dst=remote, id=4, proto=ESP) / DATA, 64, 512)
    box.tx_inside(sent, "drop-fragment")


def test_no_mapping(box):
    """From outside to nobody: each is dropped as the whole would be."""
    sent = cut(IP(src=box.remote(), dst="203.0.113.3", id=4) / UDP(sport=6, dport=1) / DATA, 64, 512)
    box.tx_outside(sent[::-1], None)
    assert box.settle() == {"drop-no-mapping": 3}


def test_timeout(box):
    """Fragments wait 2 s for the first of them and no longer (RFC 6146 section 3.4)."""
    host, remote = box.host(), box.remote()
    sent = cut(IP(src=host, dst=remote, id=1) / UDP(sport=6, dport=1) / DATA, 64, 512)
    box.tx_inside(sent[1:], None)
    box.advance(1)
    box.tx_inside(sent[0], None)
    assert box.settle() == {"nat44-out": 3}
    join([box.rx_outside() for _ in range(3)])
    sent = cut(IP(src=host, dst=remote, id=2) / UDP(sport=6, dport=1) / DATA, 64, 512)
    box.tx_inside(sent[1:], None)
    box.advance(3)
    assert box.settle() == {"drop-fragment-timeout": 2}
    box.tx_inside(sent[0], "nat44-out")
    assert box.rx_outside().flags.MF


def test_timeout_leaf(fresh):
    """The time is the policy's (RFC 8512 fragment-min-timeout)."""
    box = start(fresh, policy={"fragment-behavior": "out-of-order", "timers": {"fragment-min-timeout": 30}})
    sent = cut(IP(src=box.host(), dst=box.remote(), id=1) / UDP(sport=6, dport=1) / DATA, 64)
    box.tx_inside(sent[1], None)
    box.advance(29)
    box.tx_inside(sent[0], None)
    assert box.settle() == {"nat44-out": 2}
    join([box.rx_outside() for _ in range(2)])


def test_overlap(box):
    """A fragment that overlaps another spoils its datagram, whichever comes first (RFC 5722)."""
    host, remote = box.host(), box.remote()
    whole = bytes(IP(src=host, dst=remote, id=1) / UDP(sport=6, dport=1) / DATA)
    first, second, third = cut(IP(whole), 512, 256)
    across = cut(IP(whole), 496, 256)[1]
    box.tx_inside(first, "nat44-out")
    box.rx_outside()
    box.tx_inside(across, "drop-fragment-broken")
    box.tx_inside([second, third], "drop-fragment-broken")
    box.advance(3)
    # those that wait are lost with it
    box.tx_inside([second, third], None)
    box.tx_inside(across, None)
    assert box.settle() == {"drop-fragment-broken": 3}
    box.tx_inside(first, "drop-fragment-broken")
    # an end inside what is known, and a second end
    for at, piece in enumerate((IP(src=host, dst=remote, id=20, frag=1) / Raw(b"x" * 20),
                                IP(src=host, dst=remote, id=21, frag=80) / Raw(b"x" * 20))):
        head, tail = cut(IP(src=host, dst=remote, id=20 + at) / UDP(sport=6, dport=1) / DATA[:512], 256)
        piece.proto = 17
        box.tx_inside([head, tail][:at + 1], "nat44-out")
        for _ in range(at + 1):
            box.rx_outside()
        if not at:
            box.tx_inside(piece, "drop-fragment-broken")


def test_duplicate(box):
    """A second copy of a fragment, waiting or gone, changes nothing."""
    host, remote = box.host(), box.remote()
    sent = cut(IP(src=host, dst=remote, id=1) / UDP(sport=6, dport=1) / DATA, 64, 512)
    box.tx_inside([sent[1], sent[1]], None)
    box.tx_inside([sent[0], sent[0]], None)
    assert box.settle() == {"nat44-out": 2, "drop-fragment-duplicate": 2}
    box.tx_inside([sent[1], sent[0]], "drop-fragment-duplicate")
    # a first one that claims other ports is a copy too, and does not lead the rest astray
    other = cut(IP(src=host, dst=remote, id=1) / UDP(sport=7, dport=1) / DATA, 64, 512)
    box.tx_inside(other[0], "drop-fragment-duplicate")
    box.tx_inside(sent[2], "nat44-out")
    assert join([box.rx_outside() for _ in range(3)])[UDP].payload.load == DATA


def test_tiny(box):
    """The whole transport header is in the first fragment, or none of them passes (RFC 1858, RFC 3128)."""
    host, remote = box.host(), box.remote()
    tcp = TCP(sport=6, dport=1, flags="S", options=[("MSS", 1460), ("NOP", None), ("WScale", 7)])
    for number, size in enumerate((8, 16, 24)):
        sent = cut(IP(src=host, dst=remote, id=number) / tcp / DATA, size)
        box.tx_inside(sent[0], "drop-fragment-header")
        box.tx_inside(sent[1], "drop-fragment-broken")
    sent = cut(IP(src=host, dst=remote, id=9) / tcp / DATA, 32)
    box.tx_inside(sent, "nat44-out")
    join([box.rx_outside(), box.rx_outside()])
    # the second fragment would write over the flags of the first (RFC 3128)
    sent = cut(IP(src=host, dst=remote, id=10) / tcp / DATA, 32)
    over = IP(src=host, dst=remote, id=10, proto=6, frag=1) / Raw(b"x" * 16)
    box.tx_inside(sent[0], "nat44-out")
    box.rx_outside()
    box.tx_inside(over, "drop-fragment-broken")


def test_malformed(box):
    """Fragments that cannot be: without data, of odd length, beyond the largest datagram."""
    base = IP(src=box.host(), dst=box.remote(), id=1, proto=17)
    for fields, data in (({"flags": 1}, b""), ({"flags": 1, "frag": 2}, b"x" * 12), ({"frag": 8190}, b"x" * 80)):
        piece = base.copy()
        for name, value in fields.items():
            setattr(piece, name, value)
        box.tx_inside(piece / Raw(data), "drop-fragment-header")
    # an ICMP error is small enough to come whole
    error = base.copy()
    error.proto, error.id = 1, 2
    box.tx_inside(cut(error / ICMP(type=3, code=3) / base / DATA, 256)[0], "drop-fragment-header")
    # and port 0 is no better in a fragment
    box.tx_inside(cut(IP(src=box.host(), dst=box.remote()) / UDP(sport=0, dport=5) / DATA, 256),
                  {"drop-port-zero": 1, "drop-fragment-broken": 1})


def test_too_many(fresh):
    """A datagram has so many fragments and no more (RFC 8512 fragments-limit is another matter)."""
    box = start(fresh, platform={"fragments": {"max-each": 4}})
    host, remote = box.host(), box.remote()
    sent = cut(IP(src=host, dst=remote, id=1) / UDP(sport=6, dport=1) / DATA, 64, 64, 64, 64)
    box.tx_inside(sent[:4], "nat44-out")
    box.tx_inside(sent[4], "drop-fragment-limit")
    for _ in range(4):
        box.rx_outside()
    # more gaps than anybody needs
    box.advance(3)
    many = cut(IP(src=host, dst=remote, id=2) / UDP(sport=6, dport=1) / DATA, *[8] * 40)
    box.tx_inside(many[4:36:2], None)
    assert box.settle() == {"drop-fragment-limit": 1, "drop-fragment-broken": 15}


def test_drop_all(fresh):
    """fragment-behavior drop-all drops them, both ways (RFC 8512)."""
    box = start(fresh, workers=3, policy={"fragment-behavior": "drop-all"})
    host, remote = box.host(), box.remote()
    p = box.out(IP(src=host, dst=remote) / UDP(sport=6, dport=1))
    box.tx_inside(cut(IP(src=host, dst=remote) / UDP(sport=6, dport=1) / DATA, 64), "drop-fragment")
    box.tx_outside(cut(IP(src=remote, dst=p.src) / UDP(sport=1, dport=p[UDP].sport) / DATA, 64), "drop-fragment")


def test_in_order(fresh):
    """fragment-behavior in-order drops what comes before the first (RFC 8512)."""
    box = start(fresh, workers=3, policy={"fragment-behavior": "in-order"})
    host, remote = box.host(), box.remote()
    sent = cut(IP(src=host, dst=remote, id=1) / UDP(sport=6, dport=1) / DATA, 64, 512)
    box.tx_inside(sent[1], "drop-fragment-order")
    box.tx_inside(sent, "nat44-out")
    join([box.rx_outside() for _ in range(3)])


def test_limit_of_policy(fresh):
    """fragments-limit bounds those that wait, each policy for itself (RFC 8512)."""
    box = start(fresh, workers=1, policy={"fragment-behavior": "out-of-order", "fragments-limit": 3})
    host, remote = box.host(), box.remote()
    sent = [cut(IP(src=host, dst=remote, id=i) / UDP(sport=6, dport=1) / DATA, 64) for i in range(4)]
    box.tx_inside([s[1] for s in sent], None)
    box.tx_inside(sent[0][0], None)
    join([box.rx_outside(), box.rx_outside()])
    box.advance(3)
    assert box.settle() == {"nat44-out": 2, "drop-fragment-limit": 1, "drop-fragment-timeout": 2}


def test_share_of_source(fresh):
    """One source has its share of the datagrams and others are not kept from theirs (RFC 4787 REQ-14a)."""
    box = start(fresh, platform={"fragments": {"max-datagrams-each-source": 8}})
    greedy, modest, remote = box.host(), box.host(), box.remote()
    flood = [cut(IP(src=greedy, dst=remote, id=i) / UDP(sport=6, dport=1) / DATA, 64)[1] for i in range(20)]
    box.tx_inside(flood, None)
    sent = cut(IP(src=modest, dst=remote, id=1) / UDP(sport=6, dport=1) / DATA, 64)
    box.tx_inside(sent[::-1], None)
    join([box.rx_outside(), box.rx_outside()])
    box.advance(3)
    assert box.settle() == {"drop-fragment-limit": 12, "nat44-out": 2, "drop-fragment-timeout": 8}
    box.tx_inside(flood[0], None)
    box.advance(3)
    assert box.settle() == {"drop-fragment-timeout": 1}


def test_flood(fresh):
    """Fragments of nothing fill the table: the oldest go, whole packets pass, those that belong together
    too, and after the flood all is as before (RFC 4787 REQ-14a)."""
    box = start(fresh, platform={"fragments": {"max-datagrams": 256, "max-waiting": 64,
                                               "max-datagrams-each-source": 1000}})
    host, remote = box.host(), box.remote()
    for side in ("inside", "outside"):
        for at in range(0, 600, 50):
            flood = [IP(src=f"100.66.{i // 200}.{i % 200}" if side == "inside" else f"198.19.{i // 200}.{i % 200}",
                        dst=remote if side == "inside" else "203.0.113.1", proto=17, id=i, frag=64)
                     / Raw(DATA[:64]) for i in range(at, at + 50)]
            box.tx(side, flood, None)
            box.tx_inside(IP(src=host, dst=remote) / UDP(sport=8, dport=8), None)
            box.rx_outside()
        whole = IP(src=host, dst=remote, id=at) / UDP(sport=9, dport=9) / DATA
        box.tx_inside(cut(whole, 64)[::-1], None)
        join([box.rx_outside(), box.rx_outside()])
    box.advance(3)
    # the last whole datagram had one of the 64 places for a moment
    assert box.settle() == {"nat44-out": 2 * 14, "drop-fragment-memory": 1200 - 63, "drop-fragment-timeout": 63}
    sent = cut(IP(src=host, dst=remote, id=1) / UDP(sport=6, dport=1) / DATA, 64)
    assert pass_pieces(box, "inside", sent[::-1], "nat44-out")[UDP].dport == 1


def test_identification(box):
    """Two hosts that use one identification towards one server do not get in each other's way; a packet that is
    never fragmented keeps its own (RFC 6864 sections 4.3 and 5.3.1, RFC 7857 section 10)."""
    remote, seen = box.remote(), set()
    hosts = [box.host() for _ in range(8)]
    for host in hosts:
        p = box.out(IP(src=host, dst=remote, id=77) / UDP(sport=6, dport=1))
        seen.add((p.src, p.id))
        p = pass_pieces(box, "inside", cut(IP(src=host, dst=remote, id=77) / UDP(sport=6, dport=1) / DATA, 64, 64),
                        "nat44-out")
        seen.add((p.src, p.id))
    assert len(seen) == 2 * len(hosts)
    p = box.out(IP(src=hosts[0], dst=remote, id=77, flags="DF") / UDP(sport=6, dport=1))
    assert p.id == 77 and p.flags.DF
    p = box.back(IP(src=remote, dst=p.src, id=78) / UDP(sport=1, dport=p[UDP].sport))
    assert p.id == 78 and not p.flags.DF


def test_fragmented_on_the_way_out(fresh):
    """Too large for the way out and free to be fragmented: it is, in order (RFC 4787 REQ-13)."""
    box = start(fresh, workers=3, outside={"ietf-ip:ipv4": {"mtu": 700}}, inside={"ietf-ip:ipv4": {"mtu": 600}})
    host, remote = box.host(), box.remote()
    box.tx_inside(IP(src=host, dst=remote, id=3) / UDP(sport=6, dport=1) / DATA, "nat44-out")
    got = [box.rx_outside(), box.rx_outside()]
    assert [(p.frag, p.len <= 700, int(p.flags.MF)) for p in got] == [(0, True, 1), (85, True, 0)]
    p = join(got)
    assert p[UDP].payload.load == DATA
    box.tx_outside(IP(src=remote, dst=p.src, id=9) / UDP(sport=1, dport=p[UDP].sport) / DATA, "nat44-in")
    assert join([box.rx_inside(), box.rx_inside()]).id == 9
    # what is a fragment already is cut again
    box.tx_outside(cut(IP(src=remote, dst=p.src, id=9) / UDP(sport=1, dport=p[UDP].sport) / DATA, 16, 800), "nat44-in")
    assert join([box.rx_inside() for _ in range(4)])[UDP].payload.load == DATA


def test_never_fragmented(fresh):
    """Too large for the way out and not to be fragmented: an ICMP error says how large it may be, and DF stays
    (RFC 4787 REQ-13, RFC 6864 section 4.3)."""
    box = start(fresh, outside={"ietf-ip:ipv4": {"mtu": 700}}, inside={"ietf-ip:ipv4": {"mtu": 600}})
    host, remote = box.host(), box.remote()
    p = box.out(IP(src=host, dst=remote, flags="DF") / UDP(sport=6, dport=1) / DATA[:600])
    assert p.flags.DF
    sent = IP(src=host, dst=remote, id=3, flags="DF") / UDP(sport=6, dport=1) / DATA
    box.tx_inside(sent, "drop-too-big")
    error = box.rx_inside()
    assert (error.dst, error[ICMP].type, error[ICMP].code, error[ICMP].nexthopmtu) == (host, 3, 4, 700)
    assert bytes(error[ICMP].payload)[:20] == bytes(sent)[:20]
    box.tx_outside(IP(src=remote, dst=p.src, flags="DF") / UDP(sport=1, dport=p[UDP].sport) / DATA, "drop-too-big")
    error = box.rx_outside()
    assert (error.dst, error[ICMP].nexthopmtu, error.src) == (remote, 600, "192.0.2.1")
    # the second part of a fragmented datagram is no matter for an error
    sent = cut(IP(src=host, dst=remote, id=3, flags="DF") / UDP(sport=6, dport=1) / (DATA + DATA[:300]), 64)
    box.tx_inside(sent, {"nat44-out": 1, "drop-too-big": 1})
    box.rx_outside()


def test_hairpinned_too_big(fresh):
    """One inside host is told that another takes no datagrams of that size, by his own address; what may be
    fragmented is (RFC 4787 REQ-9, REQ-13)."""
    box = fresh(workers=3, inside={"ietf-ip:ipv4": {"mtu": 600}})
    remote = box.remote()
    for _ in range(4):
        first, second = box.host(), box.host()
        p = box.out(IP(src=second, dst=remote) / UDP(sport=7, dport=7))
        sent = IP(src=first, dst=p.src, flags="DF", ttl=9) / UDP(sport=6, dport=p[UDP].sport) / DATA
        box.tx_inside(sent, "drop-too-big")
        error = box.rx_inside(quoted=False)
        assert (error.dst, error[ICMP].type, error[ICMP].code, error[ICMP].nexthopmtu) == (first, 3, 4, 600)
        quoted = IP(bytes(error[ICMP].payload))
        assert (quoted.src, quoted[UDP].sport, quoted.dst, quoted[UDP].dport) == (first, 6, p.src, p[UDP].sport)
        sent.flags = 0
        box.tx_inside(sent, "nat44-hairpin")
        assert join([box.rx_inside(), box.rx_inside()])[UDP].dport == 7
