# SPDX-License-Identifier: BSD-3-Clause
"""TCP that opens nothing and what it is answered (RFC 5382 REQ-4 and section 5)."""
from scapy.all import ICMP, IP, TCP, Raw

from config import BOX_OUTSIDE
from conversation import Tcp

WORKERS = [1, 3]


def test_unsolicited_syn(box):
    """No answer for six seconds, then ICMP 3/3, once (RFC 5382 REQ-4)."""
    syn = IP(src=box.remote(), dst="203.0.113.14") / TCP(sport=9, dport=4444, flags="S", seq=7) / Raw(b"x" * 20)
    box.tx_outside(syn, "drop-no-mapping")
    box.advance(3)
    box.tx_outside(syn, "drop-no-mapping")  # sent again
    box.advance(2)
    box.nothing()
    box.advance(2)
    p = box.rx_outside()
    assert (p.src, p.dst, p[ICMP].type, p[ICMP].code) == (BOX_OUTSIDE, syn.src, 3, 3)
    assert bytes(p[ICMP].payload) == bytes(syn)
    box.advance(10)
    box.nothing()


def test_unsolicited_syn_of_a_filtered_remote(fresh):
    """A SYN that the filter refuses waits as well. If the host opens the same connection meanwhile, it is forgotten
    silently; another connection makes no difference (RFC 5382 REQ-4)."""
    box = fresh(workers=2, policy={"filtering-type": "edf"})
    flow = Tcp(box).open()
    crossing, wrong = (Tcp(box, host=flow.host, dport=90 + n) for n in (0, 1))
    for other in (crossing, wrong):
        other.outside = flow.outside
        other.answer("S", verdict="drop-filtered")
    box.advance(3)
    crossing.send("S")
    crossing.answer("S")
    crossing.send("SA")
    crossing.answer("SA")
    box.advance(4)
    p = box.rx_outside()
    assert (p.dst, p[ICMP].type, p[ICMP].code) == (wrong.remote, 3, 3)
    box.nothing()


def test_unsolicited_syn_timer(fresh):
    box = fresh(policy={"timers": {"tcp-in-syn-timeout": 20}})
    box.tx_outside(IP(src=box.remote(), dst="203.0.113.14") / TCP(dport=4444, flags="S"), "drop-no-mapping")
    box.advance(19)
    box.nothing()
    box.advance(2)
    assert box.rx_outside()[ICMP].code == 3


def test_silence(fresh):
    """The policy may forbid the answer (RFC 5382 REQ-4a)."""
    box = fresh(policy={"homeport:unsolicited-syns": "drop"})
    box.tx_outside(IP(src=box.remote(), dst="203.0.113.14") / TCP(dport=4444, flags="S"), "drop-no-mapping")
    box.advance(10)
    assert box.counters()["syns-held"] == "0"


def test_held_syns_are_bounded(fresh):
    """Only so many wait; the rest is dropped for good, and counted. At the end none is left."""
    box = fresh(workers=1, platform={"max-held-syns": 4})
    syns = [IP(src=box.remote(), dst="203.0.113.14") / TCP(dport=4444, flags="S") for _ in range(6)]
    box.tx_outside(syns, "drop-no-mapping")
    counters = box.counters()
    assert (counters["syns-held"], counters["syns-not-held"]) == ("4", "2")
    box.advance(7)
    assert {box.rx_outside().dst for _ in range(4)} == {s.src for s in syns[:4]}
    box.tx_outside(syns[4], "drop-no-mapping")
    assert box.counters()["syns-held"] == "5"


def test_other_segments_wait_for_nothing(box):
    """What is no SYN, or has no mapping to open, is dropped for good."""
    remote = box.remote()
    for flags in ("A", "SA", "R", "F"):
        box.tx_outside(IP(src=remote, dst="203.0.113.14") / TCP(dport=4444, flags=flags), "drop-no-mapping")
        box.tx_inside(IP(src=box.host(), dst=remote) / TCP(dport=80, flags=flags), "drop-not-syn")
    box.advance(7)


def test_stray_segments_are_reset(fresh):
    """With the knob a segment of no connection is answered like a host would (RFC 5382 section 5, RFC 9293
    section 3.10.7.1), but an RST never."""
    box = fresh(workers=2, policy={"homeport:stray-segments": "reset"})
    box.advance(1)  # the rate of answers begins with nothing
    host, remote = box.host(), box.remote()
    box.tx_inside(IP(src=host, dst=remote) / TCP(sport=5, dport=6, flags="PA", seq=1, ack=99) / b"abc", "drop-not-syn")
    p = box.rx_inside()
    assert (p.src, p.dst, p.sport, p.dport) == (remote, host, 6, 5)
    assert (p[TCP].flags, p[TCP].seq) == ("R", 99)
    box.tx_outside(IP(src=remote, dst="203.0.113.14") / TCP(sport=7, dport=4444, flags="FP", seq=10) / b"abc",
                   "drop-no-mapping")
    p = box.rx_outside()
    assert (p.src, p.dst, p.sport, p.dport) == ("203.0.113.14", remote, 4444, 7)
    assert (p[TCP].flags, p[TCP].seq, p[TCP].ack) == ("RA", 0, 14)
    flow = Tcp(box)
    flow.outside = ("203.0.113.14", 4444)
    flow.answer("R", verdict="drop-no-mapping")
    flow.outside = None
    flow.send("R", verdict="drop-not-syn")
    assert box.counters()["tcp-resets-sent"] == "2"


def test_no_gateway(box):
    """FTP's PORT command passes as it is: no gateway is on (RFC 5382 REQ-6)."""
    words = b"PORT 100,65,0,1,4,1\r\n"
    assert bytes(Tcp(box, dport=21).open().send("PA", data=words)[TCP].payload) == words


def test_transitory_timers_apart(fresh):
    """Opening and closing have a time each (RFC 7857 section 2.1)."""
    box = fresh(policy={"timers": {"tcp-trans-open-timeout": 10, "tcp-trans-close-timeout": 20}})
    opening, closing = Tcp(box), Tcp(box).open()
    opening.send("S")
    closing.close()
    box.advance(11)
    opening.answer("A", verdict="drop-no-mapping")
    closing.answer("A")
    box.advance(10)
    closing.answer("A", verdict="drop-no-mapping")
