# SPDX-License-Identifier: BSD-3-Clause
"""TCP through NAT44 (RFC 5382, RFC 7857). The state machine itself is shown by tests/unit/session/test_tcp.c;
here is what it does to packets."""
import pytest
from scapy.all import ICMP, IP, TCP

from conversation import Tcp, Udp

WORKERS = [1, 3]
IDLE = 7440
TRANSITORY = 240


def gone(flow):
    """The mapping is no more: what comes for it finds nobody."""
    flow.answer("A", verdict="drop-no-mapping")


def test_mapping(box):
    """One inside endpoint has one outside endpoint, whatever the destination (RFC 5382 REQ-1), and TCP's is not
    UDP's (RFC 7857 section 5): what comes for the one protocol does not find the other's mapping."""
    flow = Tcp(box)
    flow.send("S")
    for remote, port in ((flow.remote, 81), (box.remote(), 80)):
        other = Tcp(box, host=flow.host, remote=remote, dport=port)
        other.send("S")
        assert other.outside == flow.outside
    udp = Udp(box, host=flow.host, sport=flow.inside_port)
    udp.outside = flow.outside
    udp.answer(verdict="drop-no-mapping")
    udp.outside = None
    udp.send()
    assert udp.outside[0] == flow.outside[0]
    protocols = [m["transport-protocol"] for m in box.mappings()
                 if m["internal-src-address"].startswith(flow.host + "/")]
    assert sorted(protocols) == [6, 17]


SEQUENCES = {  # > goes out, < comes in
    "opened from inside, closed by each in turn": ">S <SA >A >PA <A <PA >A >FA <A <FA >A",
    "closed by the other end first": ">S <SA >A <FA >A <PA >FA <A",
    "both close at once": ">S <SA >A >FA <FA >A <A",
    "data with the FIN, FIN acknowledged late": ">S <SA >A >FPA <PA <PA >A <FA >A <A",
    "simultaneous open": ">S <S >SA <SA >A <A",
    "simultaneous open, the answers cross": ">S <S <SA >SA >A <A",
    "opened from outside by a mapping's peer": ">S <R <S >SA <A >PA <PA",
    "refused": ">S <RA",
    "retransmitted SYN and SYN-ACK": ">S >S <SA <SA >A >A",
    "SYN with data": ">S <SA >PA <PA",
    "reset, and data that was on its way": ">S <SA >A <R >A <A",
    "closed, then opened anew on the same tuple": ">S <SA >A >FA <FA >A >S <SA >A >PA <A",
    "closed, then opened anew from outside": ">S <SA >A >FA <FA >A <S >SA <A",
    "reset, then opened anew": ">S <SA >A >R >S <SA >A",
    "half-closed for long": ">S <SA >A >FA <A <PA >A <PA >A <PA >A",
    "keep-alives and window probes": ">S <SA >A >A <A <A >A >A",
    "urgent data, ECN": ">SEC <SAE >A >UPA <PAE",
}


@pytest.mark.parametrize("sequence", SEQUENCES.values(), ids=SEQUENCES.keys())
def test_sequences(box, sequence):
    """Every legal sequence passes (RFC 5382 REQ-2, 2a), and nothing of a segment is changed but addresses,
    ports and checksums."""
    flow = Tcp(box, host=box.host())
    for number, step in enumerate(sequence.split()):
        fields = {"seq": 1000 + number, "ack": 2000 + number, "window": 3000, "options": [("NOP", None), ("SAckOK", "")],
                  "data": b"abc" * number}
        p = (flow.send if step[0] == ">" else flow.answer)(step[1:], **fields)
        tcp = p[TCP]
        assert (str(tcp.flags), tcp.seq, tcp.ack, tcp.window) == (TCP(flags=step[1:]).flags, 1000 + number,
                                                                  2000 + number, 3000)
        assert bytes(tcp.payload) == b"abc" * number and ("SAckOK", b"") in tcp.options


def test_established_idle(box):
    """An established connection may be silent for two hours and four minutes (RFC 5382 REQ-5), whoever spoke
    last."""
    flow = Tcp(box).open()
    box.advance(IDLE - 1)
    flow.answer("A")
    box.advance(IDLE - 1)
    flow.send("A")
    box.advance(IDLE - 1)
    flow.answer("A")
    box.advance(IDLE + 1)
    gone(flow)
    flow.send("A", verdict="drop-not-syn")


def test_transitory_open(box):
    """A connection that is not open yet is kept 240 s (RFC 7857 section 2.1); segments that do not move it on
    do not keep it longer, a retransmitted SYN does."""
    flow = Tcp(box)
    flow.send("S")
    box.advance(TRANSITORY - 1)
    flow.send("S")
    box.advance(TRANSITORY - 1)
    flow.send("A")
    flow.answer("A")
    box.advance(2)
    gone(flow)


def test_transitory_close(box):
    """After both FINs a connection is kept 240 s, and what is on its way still passes (RFC 7857 section
    2.1) without prolonging that."""
    flow = Tcp(box).open()
    flow.close()
    box.advance(TRANSITORY - 1)
    flow.answer("A")
    flow.send("A")
    box.advance(2)
    gone(flow)


def test_half_closed(box):
    """After one FIN the established timer goes on (RFC 6146 section 3.5.2.2 tells it of NAT64)."""
    for first in ("send", "answer"):
        flow = Tcp(box).open()
        getattr(flow, first)("FA")
        box.advance(TRANSITORY + 60)
        flow.answer("A")
        flow.send("A")
        box.advance(IDLE - 1)
        flow.answer("PA")


def test_reset(box):
    """A reset is passed on and the state kept 240 s; any other segment restores the connection (RFC 7857
    section 2.2)."""
    flow = Tcp(box).open()
    flow.answer("R")
    box.advance(200)
    flow.send("PA")
    box.advance(300)
    flow.answer("PA")
    flow.send("R")
    box.advance(TRANSITORY - 1)
    flow.answer("R")
    box.advance(2)
    gone(flow)


def test_blind_reset(box):
    """Resets of an attacker who has guessed the endpoints do not take the port from its user: the next true
    segment restores the connection (RFC 7857 section 2.2)."""
    flow = Tcp(box).open()
    for _ in range(20):
        flow.answer("R", seq=12345)
        box.advance(100)
        flow.send("PA")
    box.advance(IDLE - 1)
    flow.answer("PA")


def test_no_syn(box):
    """A segment without SYN opens nothing and gets no answer (RFC 5382 section 5)."""
    flow = Tcp(box)
    for flags in ("A", "SAR", "PA", "FA", "R", ""):
        flow.send(flags, verdict="drop-not-syn")
    assert not [m for m in box.mappings() if m["internal-src-address"].startswith(flow.host + "/")]
    # nor a session with one more destination, under a mapping that is there
    flow.send("S")
    other = Tcp(box, host=flow.host)
    other.send("A", verdict="drop-not-syn")
    stranger = Tcp(box, host=flow.host)
    stranger.outside = flow.outside
    stranger.answer("A", verdict="drop-not-syn")


def test_sessions_are_independent(box):
    """Each destination has its own state; the mapping lives as long as one of them."""
    first = Tcp(box).open()
    second = Tcp(box, host=first.host).open()
    assert first.outside == second.outside
    first.close()
    box.advance(TRANSITORY + 1)
    first.answer("A", verdict="drop-not-syn")
    second.answer("PA")
    second.close()
    box.advance(TRANSITORY + 1)
    gone(second)


def test_fast_reuse(box):
    """A SYN after the end of a connection opens the next one in the same mapping (RFC 6056 section 3.5),
    which is then established and not transitory."""
    for end in ("close", "reset"):
        flow = Tcp(box).open()
        if end == "close":
            flow.close()
        else:
            flow.answer("RA")
        flow.open()
        box.advance(IDLE - 1)
        flow.answer("PA")


def test_icmp_does_not_end_a_connection(box):
    """No ICMP message ends a connection (RFC 5382 REQ-10), and one about it is translated (REQ-9)."""
    flow = Tcp(box).open()
    sent = flow.send("PA", data=b"abcdefgh")
    for kind, code in ((3, 0), (3, 1), (3, 3), (3, 4), (3, 13), (11, 0), (12, 0)):
        box.tx_outside(IP(src=box.remote(), dst=flow.outside[0]) / ICMP(type=kind, code=code) / sent)
        p = box.rx_inside()
        assert p.dst == flow.host and p[ICMP].type == kind and p["TCP in ICMP"].sport == flow.inside_port
    box.advance(IDLE - 1)
    flow.answer("PA")


def test_hairpin(box):
    """A connection between two subscribers by the outside endpoint of one: each sees the other's outside
    endpoint (RFC 5382 REQ-8)."""
    server = Tcp(box, sport=8080)
    server.send("S")
    client = Tcp(box)
    client.send("S")
    target, source = server.outside, client.outside
    packet = IP(src=client.host, dst=target[0]) / TCP(sport=client.inside_port, dport=target[1], flags="S")
    p = box.hairpin(packet)
    assert (p.src, p.sport, p.dst, p.dport, p.ttl) == (*source, server.host, 8080, 63)
    p = box.hairpin(IP(src=server.host, dst=source[0]) / TCP(sport=8080, dport=source[1], flags="SA"))
    assert (p.src, p.sport, p.dst, p.dport) == (*target, client.host, client.inside_port)
    packet[TCP].flags = "A"
    box.hairpin(packet)


def test_port_after_a_clean_close(fresh):
    """A port whose connection was closed by both ends is free at once; one of a connection that was reset rests
    for the hold-down time (RFC 6888 REQ-8a)."""
    box = fresh(policy={"homeport:max-port-sets": 1, "port-quota": [{"quota-type": 0, "port-limit": 256}]})
    host = box.host()
    flows = [Tcp(box, host=host, sport=2000 + i) for i in range(64)]
    for flow in flows:
        flow.open()
    one_more = Tcp(box, host=host, sport=3000)
    one_more.send("S", verdict="drop-block-limit")
    flows[0].close()
    box.advance(TRANSITORY + 1)
    one_more.open()
    assert one_more.outside == flows[0].outside
    flows[1].answer("R")
    box.advance(TRANSITORY + 1)
    another = Tcp(box, host=host, sport=3001)
    another.send("S", verdict="drop-block-limit")
    box.advance(118)
    another.send("S", verdict="drop-block-limit")
    box.advance(2)
    another.send("S")
    assert another.outside == flows[1].outside
