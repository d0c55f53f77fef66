# SPDX-License-Identifier: BSD-3-Clause
"""Mapping and filtering behaviours, and what keeps a mapping (RFC 4787, RFC 5382, RFC 7857)."""
import pytest
from scapy.all import ICMP, IP, TCP, UDP, Raw

from config import config, static_mapping

WORKERS = [1, 3]
MODES = ["eif", "adf", "edf"]
# who of (same address and port, same address other port, other address) may come in (RFC 4787 section 5)
LETS_IN = {"eif": (True, True, True), "adf": (True, True, False), "edf": (True, False, False)}
PORT = {"udp": 53, "tcp": 80}


def filtering(**kinds):
    numbers = {"icmp": 1, "tcp": 6, "udp": 17}
    return {"homeport:protocol-filtering": [
        {"protocol-id": numbers[name], "filtering-type": kind} for name, kind in kinds.items()]}


SILENT = {"homeport:unsolicited-syns": "drop"}  # that filtered SYNs are answered is test_unsolicited.py's
# UDP, TCP and ICMP each filter in their own way
CONFIG = {"policy": {"filtering-type": "edf", **filtering(tcp="adf", icmp="eif"), **SILENT}}


def segment(protocol, src, sport, dst, dport):
    ip = IP(src=src, dst=dst)
    if protocol == "udp":
        return ip / UDP(sport=sport, dport=dport)
    return ip / TCP(sport=sport, dport=dport, flags="S")


def opened(box, protocol, host, remote):
    """Lets a host write to a remote; returns its outside address and port."""
    p = box.out(segment(protocol, host, 1000, remote, PORT[protocol]))
    return p.src, p.sport


def outcomes(box, protocol):
    """Who of the three may come in."""
    host, remote, stranger = box.host(), box.remote(), box.remote()
    outside, port = opened(box, protocol, host, remote)
    got = []
    for src, sport in ((remote, PORT[protocol]), (remote, 7777), (stranger, PORT[protocol])):
        box.tx_outside(segment(protocol, src, sport, outside, port), None)
        verdict, = box.settle()
        assert verdict in ("nat44-in", "drop-filtered")
        if verdict == "nat44-in":
            p = box.rx_inside()
            assert (p.src, p.sport, p.dst, p.dport) == (src, sport, host, 1000)
        got.append(verdict == "nat44-in")
    return tuple(got)


@pytest.mark.parametrize("mode", MODES)
def test_modes(fresh, mode):
    """Three filters, three remotes, nine outcomes, and TCP as UDP (RFC 4787 REQ-8, RFC 5382 REQ-3). The
    mapping is the same for all remotes in each."""
    box = fresh(workers=2, policy={"filtering-type": mode})
    for protocol in ("udp", "tcp"):
        assert outcomes(box, protocol) == LETS_IN[mode]
        host = box.host()
        assert len({opened(box, protocol, host, box.remote()) for _ in range(3)}) == 1


def test_default(fresh):
    """Without a word mapping and filtering are endpoint-independent (RFC 4787 REQ-8, RFC 6888 REQ-7)."""
    box = fresh()
    assert outcomes(box, "udp") == LETS_IN["eif"]
    assert outcomes(box, "tcp") == LETS_IN["eif"]


def test_protocols_apart(box):
    """TCP and UDP from one inside port have a mapping each, with its own life (RFC 7857 section 5). There is no
    knob to share one."""
    host, remote = box.host(), box.remote()
    tcp, udp = opened(box, "tcp", host, remote), opened(box, "udp", host, remote)
    mine = [m for m in box.mappings() if m["internal-src-address"] == f"{host}/32"]
    assert sorted(m["transport-protocol"] for m in mine) == [6, 17]
    box.advance(241)
    box.tx_outside(segment("tcp", remote, PORT["tcp"], *tcp), "drop-no-mapping")
    box.back(segment("udp", remote, PORT["udp"], *udp))


def test_each_protocol_its_own(box):
    """UDP by endpoint, TCP by address, ICMP not at all, in one policy (RFC 7857 section 6)."""
    assert outcomes(box, "udp") == LETS_IN["edf"]
    assert outcomes(box, "tcp") == LETS_IN["adf"]
    host, stranger = box.host(), box.remote()
    p = box.out(IP(src=host, dst=box.remote()) / ICMP(id=7))
    assert box.back(IP(src=stranger, dst=p.src) / ICMP(id=p[ICMP].id)).dst == host


def test_icmp_filtered(fresh):
    """A ping from whom the host did not ping (RFC 4787 section 5 for ICMP queries)."""
    box = fresh(policy=filtering(icmp="adf"))
    host, remote = box.host(), box.remote()
    p = box.out(IP(src=host, dst=remote) / ICMP(id=7))
    box.back(IP(src=remote, dst=p.src) / ICMP(type=0, id=p[ICMP].id))
    box.tx_outside(IP(src=box.remote(), dst=p.src) / ICMP(id=p[ICMP].id), "drop-filtered")


def test_address_is_let_in_as_long_as_it_has_a_session(box):
    """Filtering TCP by address ends with the last session with that address, not with the first."""
    host, remote = box.host(), box.remote()
    outside, port = opened(box, "tcp", host, remote)
    box.advance(200)
    box.out(IP(src=host, dst=remote) / TCP(sport=1000, dport=81, flags="S"))
    other = box.remote()
    box.out(IP(src=host, dst=other) / TCP(sport=1000, dport=80, flags="S"))
    box.advance(100)  # the first session is over
    box.back(segment("tcp", remote, 9999, outside, port))
    box.advance(200)  # the second too; the one from outside was not answered
    box.out(IP(src=host, dst=other) / TCP(sport=1000, dport=80, flags="S"))
    box.advance(141)
    box.tx_outside(segment("tcp", remote, 9998, outside, port), "drop-no-mapping")


@pytest.mark.parametrize("protocol", ["udp", "tcp"])
def test_strangers_do_not_refresh(box, protocol):
    """A filtered packet keeps nothing, however often it comes (RFC 4787 REQ-6a, RFC 7857 section 7)."""
    host, remote, stranger = box.host(), box.remote(), box.remote()
    outside, port = opened(box, protocol, host, remote)
    life = 300 if protocol == "udp" else 240
    for _ in range(2):
        box.advance(100)
        box.tx_outside(segment(protocol, stranger, 53, outside, port), "drop-filtered")
    box.advance(life - 201)
    box.back(segment(protocol, remote, PORT[protocol], outside, port))
    box.advance(2 if protocol == "udp" else 7440)
    box.tx_outside(segment(protocol, stranger, 53, outside, port), "drop-no-mapping")


def test_inbound_refresh(fresh):
    """With the knob, what passes from outside keeps a UDP mapping (RFC 4787 REQ-6a)."""
    box = fresh(policy={"homeport:inbound-refresh": True})
    host, remote = box.host(), box.remote()
    outside, port = opened(box, "udp", host, remote)
    for _ in range(3):
        box.advance(299)
        box.back(segment("udp", remote, 53, outside, port))
    box.advance(301)
    box.tx_outside(segment("udp", remote, 53, outside, port), "drop-no-mapping")


def test_inbound_refresh_where_filtered(fresh):
    """The knob does not let a filtered packet refresh (RFC 7857 section 7)."""
    box = fresh(policy={"homeport:inbound-refresh": True, "filtering-type": "adf"})
    host, remote, stranger = box.host(), box.remote(), box.remote()
    outside, port = opened(box, "udp", host, remote)
    box.advance(299)
    box.back(segment("udp", remote, 7777, outside, port))
    box.advance(299)
    box.tx_outside(segment("udp", stranger, 53, outside, port), "drop-filtered")
    box.advance(2)
    box.tx_outside(segment("udp", remote, 53, outside, port), "drop-no-mapping")


def test_answers_do_not_refresh(fresh):
    """An ICMP error or RST with which a host answers strangers keeps nothing (RFC 7857 section 7.1)."""
    box = fresh()
    host, remote = box.host(), box.remote()
    for protocol, life in (("udp", 300), ("tcp", 240)):
        outside, port = opened(box, protocol, host, remote)
        for _ in range(life // 100):
            box.advance(99)
            stranger = box.remote()
            got = box.back(segment(protocol, stranger, 53, outside, port))
            if protocol == "udp":
                box.out(IP(src=host, dst=stranger) / ICMP(type=3, code=3) / Raw(bytes(got)))
            else:
                box.out(IP(src=host, dst=stranger) / TCP(sport=1000, dport=53, flags="RA"))
        box.advance(life % 100 + life // 100 + 1)
        box.tx_outside(segment(protocol, remote, PORT[protocol], outside, port), "drop-no-mapping")


def test_unanswered_strangers_do_not_keep_a_mapping(fresh):
    """SYNs that the host never answers end with the last session of its own."""
    box = fresh()
    host = box.host()
    outside, port = opened(box, "tcp", host, box.remote())
    for _ in range(2):
        box.advance(119)
        box.back(segment("tcp", box.remote(), 53, outside, port))
    box.advance(3)
    box.tx_outside(segment("tcp", box.remote(), 53, outside, port), "drop-no-mapping")


def test_strangers_pings_do_not_keep_a_mapping(box):
    """Nor do echo requests that it does not answer."""
    host = box.host()
    p = box.out(IP(src=host, dst=box.remote()) / ICMP(id=7))
    ping = IP(src=box.remote(), dst=p.src) / ICMP(id=p[ICMP].id)
    box.advance(59)
    box.back(ping)
    box.advance(2)
    box.tx_outside(ping, "drop-no-mapping")


def test_static_is_open(fresh):
    """A port that is forwarded is forwarded to all, whatever the filter."""
    box = fresh(policy={"filtering-type": "edf"},
                statics=[static_mapping(1, "100.65.0.99", "203.0.113.5", 17, 53, 5353),
                         static_mapping(2, "100.65.0.99", "203.0.113.5", 6, 80, 8080)])
    for protocol, port, inside in (("udp", 5353, 53), ("tcp", 8080, 80)):
        for _ in range(2):
            p = box.back(segment(protocol, box.remote(), 1000, "203.0.113.5", port))
            assert (p.dst, p.dport) == ("100.65.0.99", inside)


@pytest.mark.parametrize("kind, filters", [("adm", "adf"), ("adm", "edf"), ("edm", "edf")])
def test_dependent_mapping(fresh, kind, filters):
    """A mapping for each remote address, or for each remote endpoint (RFC 4787 section 4.1); what they stand
    for comes in and nothing else; each ends by itself."""
    box = fresh(workers=3, policy={"mapping-type": kind, "filtering-type": filters, **SILENT})
    for protocol in ("udp", "tcp"):
        host, first, second = box.host(), box.remote(), box.remote()
        ends = {}
        for remote, port in ((first, 80), (first, 81), (second, 80)) * 2:
            p = box.out(segment(protocol, host, 1000, remote, port))
            ends.setdefault((remote, port), set()).add((p.src, p.sport))
        assert all(len(e) == 1 for e in ends.values())
        assert len(set.union(*ends.values())) == (2 if kind == "adm" else 3)
        for (remote, port), ((outside, outside_port),) in ends.items():
            p = box.back(segment(protocol, remote, port, outside, outside_port))
            assert (p.dst, p.dport) == (host, 1000)
            other = second if remote == first else first
            box.tx_outside(segment(protocol, other, 80, outside, outside_port), "drop-filtered")
            answer = box.out(IP(src=host, dst=remote) / ICMP(type=3, code=3) / Raw(bytes(p)))
            assert (answer[ICMP].payload.dst, answer[ICMP].payload.dport) == (outside, outside_port)
    box.advance(7441)
    assert not box.mappings()


def test_burst_of_a_dependent_mapping(fresh):
    """Packets of one flow that come together make one mapping."""
    box = fresh(policy={"mapping-type": "edm", "filtering-type": "edf"})
    host, remote = box.host(), box.remote()
    box.tx_inside([segment("udp", host, 1000, remote, 53)] * 20)
    assert len({(p.src, p.sport) for p in (box.rx_outside() for _ in range(20))}) == 1
    assert len(box.mappings()) == 1


def test_icmp_of_a_dependent_mapping(fresh):
    box = fresh(policy={"mapping-type": "edm", "filtering-type": "edf"})
    host, remotes = box.host(), [box.remote() for _ in range(3)]
    ids = {box.out(IP(src=host, dst=r) / ICMP(id=7, seq=s))[ICMP].id for r in remotes for s in (1, 2)}
    assert len(ids) == 3


def test_another_behaviour_begins_anew(fresh):
    """A policy that filters another way keeps no mapping of the time before; the same one keeps all."""
    box = fresh()
    host, remote = box.host(), box.remote()
    outside, port = opened(box, "udp", host, remote)
    box.reload(config())
    box.back(segment("udp", box.remote(), 53, outside, port))
    box.reload(config(policy={"filtering-type": "adf"}))
    assert not box.mappings()
    assert outcomes(box, "udp") == LETS_IN["adf"]


def test_mapping_sessions(fresh):
    """Strangers fill half of the sessions of a mapping, its host the rest; what there is stays (RFC 6888 REQ-5,
    REQ-11d). UDP needs no session for each."""
    box = fresh(policy={"homeport:max-mapping-sessions": 8})
    host, remote = box.host(), box.remote()
    outside, port = opened(box, "tcp", host, remote)
    scan = [segment("tcp", box.remote(), 53, outside, port) for _ in range(20)]
    box.tx_outside(scan, {"nat44-in": 4, "drop-session-limit": 16})
    for _ in range(4):
        box.rx_inside()
    syns = [segment("tcp", host, 1000, box.remote(), 80) for _ in range(5)]
    box.tx_inside(syns, {"nat44-out": 3, "drop-session-limit": 2})
    for _ in range(3):
        box.rx_outside()
    for _ in range(2):
        assert box.rx_inside()[ICMP].code == 1
    box.back(segment("tcp", remote, 80, outside, port))
    outside, port = opened(box, "udp", host, remote)
    for _ in range(20):
        box.back(segment("udp", box.remote(), 53, outside, port))
    box.advance(240)  # those that nobody answered
    opened(box, "tcp", host, box.remote())


def test_subscriber_sessions(fresh):
    """A subscriber has so many sessions, over all mappings, and the next subscriber has as many."""
    box = fresh(workers=2, policy={"homeport:max-subscriber-sessions": 10})
    for host in (box.host(), box.host()):
        syns = [segment("tcp", host, 1000 + n, box.remote(), 80) for n in range(12)]
        box.tx_inside(syns, {"nat44-out": 10, "drop-session-limit": 2})
        for _ in range(10):
            box.rx_outside()
        for _ in range(2):
            assert box.rx_inside()[ICMP].code == 1
        box.out(segment("udp", host, 1000, box.remote(), 53))
        assert next(s for s in box.subscribers() if s["address"] == f"{host}/32")["tcp-ports"] == 10


def test_session_memory(fresh):
    """A full session table refuses the next and keeps what it has."""
    box = fresh(workers=1, platform={"max-sessions": 1024},
                policy={"homeport:max-port-sets": 255, "filtering-type": "adf"})
    host, remote = box.host(), box.remote()
    outside, port = opened(box, "udp", host, remote)
    rest = [segment("udp", host, 1001 + n, remote, 53) for n in range(1030)]
    box.tx_inside(rest, {"nat44-out": 1023, "drop-session-memory": 7})
    for _ in range(1023):
        box.rx_outside()
    for _ in range(7):
        assert box.rx_inside()[ICMP].code == 1
    box.back(segment("udp", remote, 53, outside, port))
    box.advance(301)
    opened(box, "udp", host, remote)
