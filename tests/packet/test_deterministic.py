# SPDX-License-Identifier: BSD-3-Clause
"""Deterministic NAT (RFC 7422): which ports a host has is known beforehand, and no log is needed to say whose a
port was."""
import re

import pytest
from scapy.all import ICMP, IP, TCP, UDP

from config import config
from control import Refused
from lab import wait_for

# the example of RFC 7422 section 2.1, with port sets of 64 in the place of 100
EXAMPLE = {"pool": "203.0.113.1/32",
           "policy": {"subscriber-match": [{"match-id": 1, "subnet": "100.66.0.0/28"}],
                      "homeport:deterministic": {"dynamic-factor": 2, "max-ports": 4032 + 3 * 64}}}


def subscriber(n):
    return f"100.66.0.{n}"


def udp(host, remote, sport):
    return IP(src=host, dst=remote) / UDP(sport=sport, dport=53)


def ports_of(box, host):
    """What the box says are a host's (address, port) pairs for good: f1."""
    answer = box.ask("show", "deterministic", host)["homeport:homeport"]["deterministic"]
    assert answer["address"] == host
    return {(r["external-address"], port) for r in answer["port-range"]
            for port in range(r["lower-port"], r["upper-port"] + 1)}


def owner(box, address, port):
    """Whose an outside port is: f2, and block events."""
    holders = box.ask("lookup", address, port, "udp")["homeport:homeport"]["resolve"]["answer"]["holder"]
    return [h["subscriber"].split("/")[0] for h in holders]


def records(box):
    return re.findall(r"deterministic: (\[.*)", box.log_text())


@pytest.mark.parametrize("workers", [1, 3])
def test_example(fresh, workers):
    """Hosts get random ports of the range that arithmetic gives them, with no port set and no event; packets
    back find them on whatever worker."""
    box = fresh(workers=workers, **EXAMPLE)
    remote = box.remote()
    for n, (first, last) in {1: (1024, 5055), 2: (5056, 9087), 14: (53440, 57471)}.items():
        host = subscriber(n)
        assert ports_of(box, host) == {("203.0.113.1", p) for p in range(first, last + 1)}
        ports = []
        for sport in range(2000, 2016):
            p = box.out(udp(host, remote, sport))
            assert p.src == "203.0.113.1" and first <= p[UDP].sport <= last
            ports.append(p[UDP].sport)
            back = box.back(IP(src=remote, dst=p.src) / UDP(sport=53, dport=p[UDP].sport))
            assert (back.dst, back[UDP].dport) == (host, sport)
            assert owner(box, p.src, p[UDP].sport) == [host]
        assert len(set(ports)) == 16 and ports != sorted(ports)
        syn = box.out(IP(src=host, dst=remote) / TCP(sport=1, dport=80, flags="S"))
        ping = box.out(IP(src=host, dst=remote) / ICMP(type=8, id=5))
        assert first <= syn[TCP].sport <= last and first <= ping[ICMP].id <= last
    assert {(s["port-sets"], s["external-address"]) for s in box.subscribers()} == {(0, "203.0.113.1")}
    # whose a port is, is known without any traffic
    assert owner(box, "203.0.113.1", 9088) == [subscriber(3)]
    for nobody in (1023, 57472, 65535):
        assert owner(box, "203.0.113.1", nobody) == []
    with pytest.raises(Refused):
        box.ask("show", "deterministic", subscriber(15))


def test_alarm(fresh):
    """The operator is told when the dynamic ports run low, once hosts have filled their fixed ones (RFC 7422 section
    2.2): here 126 port sets of 64, of which two are more than one percent."""
    box = fresh(pool=EXAMPLE["pool"], policy={
        **EXAMPLE["policy"],
        "notify-pool-usage": {"low-threshold": 0, "high-threshold": 1, "notify-interval": 20}})
    host, remote = subscriber(6), box.remote()

    def told_after(sports):
        for first in range(sports.start, sports.stop, 64):
            sent = [udp(host, remote, sport) for sport in range(first, min(first + 64, sports.stop))]
            box.tx_inside(sent)
            for _ in sent:
                box.rx_outside()
        box.advance(1)
        box.counters()
        box.counters()
        return [n["event"]["ietf-nat:nat-pool-event"]["notify-pool-threshold"]
                for n in box.ask("show", "notifications")["homeport:homeport"]["notification"]]

    fixed, one = range(1024, 1024 + 4032), range(10000, 10064)
    assert told_after(fixed) == []
    assert told_after(one) == []
    assert told_after(range(20000, 20001)) == [1]


@pytest.mark.parametrize("workers", [1, 3])
def test_dynamic_ports(fresh, workers):
    """Past its fixed ports a host gets port sets of the dynamic ones, each told, as far as its maximum; then it is
    refused, and what it has goes on."""
    box = fresh(workers=workers, **EXAMPLE)
    host, remote = subscriber(5), box.remote()
    mine = {port for _, port in ports_of(box, host)}
    flows = {}
    for start in range(1, 4033, 252):
        sports = range(start, start + 252)
        box.tx_inside([udp(host, remote, s) for s in sports])
        flows.update((s, box.rx_outside()[UDP].sport) for s in sports)
    assert set(flows.values()) == mine
    assert [s["port-sets"] for s in box.subscribers()] == [0]
    box.tx_inside([udp(host, remote, 5000 + n) for n in range(192)])
    more = {box.rx_outside()[UDP].sport for _ in range(192)}
    assert len(more) == 192 and min(more) >= 57472 and len({p // 64 for p in more}) == 3
    assert [s["port-sets"] for s in box.subscribers()] == [3]
    for port in {p // 64 * 64 for p in more}:
        assert owner(box, "203.0.113.1", port) == [host]
    box.refused(udp(host, remote, 6000), "drop-block-limit")
    assert box.out(udp(host, remote, 1))[UDP].sport == flows[1]
    # the other protocols have their own, and others are not touched
    box.out(IP(src=host, dst=remote) / TCP(sport=1, dport=80, flags="S"))
    box.out(udp(subscriber(6), remote, 1))


@pytest.mark.parametrize("algorithm", ["sequential", "staggered", "round-robin", "cryptographic"])
def test_algorithms(fresh, algorithm):
    """Whatever the algorithm: no port is two hosts', flows use their host's, and f2 undoes f1."""
    deterministic = {"algorithm": algorithm, "dynamic-factor": 1}
    if algorithm == "cryptographic":
        deterministic["key"] = "00112233445566778899aabbccddeeff" * 2
    pooling = {"address-allocation-type": "roundrobin"} if algorithm == "round-robin" else {}
    box = fresh(pool=["203.0.113.1/32", "203.0.113.8/31"], workers=2, policy={
        "subscriber-match": [{"match-id": 1, "subnet": "100.66.0.0/26"}],
        "homeport:deterministic": deterministic, **pooling})
    remote, seen = box.remote(), set()
    for n in (1, 2, 21, 22, 43, 62):
        host = subscriber(n)
        mine = ports_of(box, host)
        assert not mine & seen
        seen |= mine
        for sport in range(1, 9):
            p = box.out(udp(host, remote, sport))
            assert (p.src, p[UDP].sport) in mine
            assert box.back(IP(src=remote, dst=p.src) / UDP(sport=53, dport=p[UDP].sport)).dst == host
            assert owner(box, p.src, p[UDP].sport) == [host]


def test_hairpin(fresh):
    """One host reaches another by its fixed port."""
    box = fresh(workers=3, **EXAMPLE)
    remote = box.remote()
    p = box.out(udp(subscriber(3), remote, 7000))
    got = box.hairpin(IP(src=subscriber(9), dst=p.src) / UDP(sport=1, dport=p[UDP].sport))
    assert (got.dst, got[UDP].dport, got.src) == (subscriber(3), 7000, "203.0.113.1")


def test_hold_down(fresh):
    """A fixed port rests like any other (RFC 6888 REQ-8)."""
    box = fresh(pool="203.0.113.0/29", policy={
        "subscriber-match": [{"match-id": 1, "subnet": "100.66.0.1/32"}],
        "homeport:reserved-ports": [{"lower": 1088, "upper": 65535}],
        "homeport:deterministic": {"dynamic-factor": 0}})
    host, remote = subscriber(1), box.remote()
    box.tx_inside([udp(host, remote, s) for s in range(1, 65)])
    assert sorted(box.rx_outside()[UDP].sport for _ in range(64)) == list(range(1024, 1088))
    box.refused(udp(host, remote, 100), "drop-pool")
    box.advance(301)
    box.refused(udp(host, remote, 100), "drop-pool")
    box.advance(118)
    box.refused(udp(host, remote, 100), "drop-pool")
    box.advance(2)
    box.out(udp(host, remote, 100))


def test_records(fresh):
    """The parameters are logged when they come in force, daily, and when they change (RFC 7422 section 3). With
    them, mappings stay over a reload; without, they go."""
    box = fresh(**EXAMPLE)
    box.out(udp(subscriber(1), box.remote(), 1))
    record = "100.66.0.0:28:203.0.113.1:32:2:4224:0:0-1023"
    assert [r.split("]:")[1] for r in records(box)] == [record]
    box.advance(86399)
    assert len(records(box)) == 1
    box.advance(2)
    wait_for("the daily record", lambda: len(records(box)) == 2)
    assert records(box)[1].split("]:")[1] == record
    host, remote = subscriber(1), box.remote()
    port = box.out(udp(host, remote, 1))[UDP].sport
    box.reload(config(**EXAMPLE))
    assert len(records(box)) == 2
    assert box.out(udp(host, remote, 1))[UDP].sport == port
    changed = {**EXAMPLE, "policy": {**EXAMPLE["policy"],
                                     "homeport:reserved-ports": [{"lower": 5060}],
                                     "homeport:deterministic": {"algorithm": "staggered", "dynamic-factor": 1}}}
    box.reload(config(**changed))
    assert records(box)[2].split("]:")[1] == "100.66.0.0:28:203.0.113.1:32:1:0:1:0-1023,5060"
    assert not box.mappings()


def test_same_ports_on_another_box(fresh):
    """Two boxes give a host the same ports, since there is no state to tell one of (RFC 7422 section 3.1)."""
    first, second = (fresh(workers=n, **EXAMPLE) for n in (1, 2))
    assert ports_of(first, subscriber(7)) == ports_of(second, subscriber(7))
    assert owner(first, "203.0.113.1", 30000) == owner(second, "203.0.113.1", 30000)
