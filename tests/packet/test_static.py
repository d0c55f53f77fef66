# SPDX-License-Identifier: BSD-3-Clause
"""Static mappings (RFC 8512 mapping-entry): one port, ranges, whole addresses."""
import json
import subprocess

import pytest
from scapy.all import ICMP, IP, TCP, UDP, Raw

from config import BLOCK, MAX_BLOCKS, config, static_mapping
from lab import ROOT

WEB, DNS, WHOLE, ALL_UDP, MAIL = (f"100.66.0.{n}" for n in (1, 2, 3, 4, 5))
IN_POOL, ALONE, ALONE_UDP, ALONE_MAIL = ("203.0.113.1", "203.0.113.100", "203.0.113.101",
                                         "203.0.113.102")
WORKERS = [1, 3]
CONFIG = {"statics": [
    static_mapping(1, WEB, IN_POOL, 6, 80, 8080),
    static_mapping(2, WEB, IN_POOL, 17, (5000, 5009), (6000, 6009)),
    static_mapping(3, WEB, ALONE_MAIL, 6, 81, 8081),
    static_mapping(4, DNS, IN_POOL, None, 53, 1053),
    static_mapping(5, DNS, IN_POOL, 1, (7, 8), (70, 71)),
    static_mapping(6, WHOLE, ALONE),
    static_mapping(7, ALL_UDP, ALONE_UDP, 17),
    static_mapping(8, MAIL, ALONE_MAIL, 6, 25, 25)]}


def forwarded(box, remote, layer, to):
    """Sends a packet to an outside address from outside and returns it as it comes out inside."""
    return box.back(IP(src=remote, dst=to) / layer)


@pytest.mark.parametrize("outside, protocol, port, inside, inside_port", [
    (IN_POOL, TCP, 8080, WEB, 80), (IN_POOL, UDP, 6000, WEB, 5000), (IN_POOL, UDP, 6009, WEB, 5009),
    (ALONE_MAIL, TCP, 8081, WEB, 81), (IN_POOL, TCP, 1053, DNS, 53), (IN_POOL, UDP, 1053, DNS, 53),
    (ALONE, TCP, 22, WHOLE, 22), (ALONE, UDP, 65535, WHOLE, 65535), (ALONE_UDP, UDP, 1, ALL_UDP, 1),
    (ALONE_MAIL, TCP, 25, MAIL, 25)])
def test_both_ways(box, outside, protocol, port, inside, inside_port):
    """From outside the forward opens a mapping; what the host sends from the port keeps it, to everybody (RFC
    4787 REQ-1)."""
    remote = box.remote()
    flags = {"flags": "S"} if protocol is TCP else {}
    p = forwarded(box, remote, protocol(sport=4000, dport=port, **flags), outside)
    assert (p.dst, p.dport, p.src, p.sport) == (inside, inside_port, remote, 4000)
    flags = {"flags": "SA"} if protocol is TCP else {}
    p = box.out(IP(src=inside, dst=remote) / protocol(sport=inside_port, dport=4000, **flags))
    assert (p.src, p.sport) == (outside, port)
    flags = {"flags": "S"} if protocol is TCP else {}
    p = box.out(IP(src=inside, dst=box.remote()) / protocol(sport=inside_port, dport=4001, **flags))
    assert (p.src, p.sport) == (outside, port)


def test_from_inside_first(box):
    """The host may speak first."""
    remote = box.remote()
    p = box.out(IP(src=WEB, dst=remote) / UDP(sport=5003, dport=9))
    assert (p.src, p.sport) == (IN_POOL, 6003)
    box.back(IP(src=remote, dst=IN_POOL) / UDP(sport=9, dport=6003))


def test_icmp_identifiers(box):
    """Identifiers are mapped like ports."""
    remote = box.remote()
    p = forwarded(box, remote, ICMP(type=8, id=71), IN_POOL)
    assert (p.dst, p[ICMP].id) == (DNS, 8)
    p = box.out(IP(src=DNS, dst=remote) / ICMP(type=0, id=8))
    assert (p.src, p[ICMP].id) == (IN_POOL, 71)
    box.tx_outside(IP(src=remote, dst=IN_POOL) / ICMP(type=8, id=72), "drop-no-mapping")
    p = forwarded(box, remote, ICMP(type=8, id=0), ALONE)
    assert (p.dst, p[ICMP].id) == (WHOLE, 0)


def test_other_ports_are_not_forwarded(box):
    """What no entry covers stays outside; the host's other flows are like anybody's."""
    remote = box.remote()
    for to, layer in ((IN_POOL, TCP(dport=8081, flags="S")), (IN_POOL, UDP(dport=8080)),
                      (IN_POOL, UDP(dport=5999)), (IN_POOL, UDP(dport=6010)),
                      (ALONE_UDP, TCP(dport=80, flags="S")), (ALONE_MAIL, UDP(dport=25)),
                      (ALONE_MAIL, TCP(dport=26, flags="S"))):
        box.tx_outside(IP(src=remote, dst=to) / layer, "drop-no-mapping")
    p = box.out(IP(src=MAIL, dst=remote) / UDP(sport=25, dport=9))
    assert p.src not in (ALONE, ALONE_UDP, ALONE_MAIL)


def test_tcp_begins_with_syn(box):
    """A segment that opens no connection makes no mapping."""
    box.tx_outside(IP(src=box.remote(), dst=ALONE) / TCP(dport=23, flags="A"), "drop-not-syn")


def test_errors_about_static_mappings(box):
    """ICMP errors go by what they quote, both ways (RFC 5508 REQ-4, REQ-5)."""
    remote = box.remote()
    sent = box.out(IP(src=WHOLE, dst=remote) / UDP(sport=77, dport=9) / Raw(b"question"))
    box.tx_outside(IP(src="192.0.2.9", dst=ALONE) / ICMP(type=3, code=1) / sent, "nat44-in")
    p = box.rx_inside()
    assert p.dst == WHOLE and p[ICMP].payload.src == WHOLE and p[ICMP].payload.sport == 77
    got = box.back(IP(src=remote, dst=ALONE) / UDP(sport=9, dport=77) / Raw(b"answer"))
    box.tx_inside(IP(src=WHOLE, dst=remote) / ICMP(type=3, code=3) / got, "nat44-out")
    p = box.rx_outside()
    assert p.src == ALONE and p[ICMP].payload.dst == ALONE and p[ICMP].payload.dport == 77


def test_nobody_else_gets_the_ports(fresh):
    """A port of a static mapping is never given to a flow, in any block and protocol (RFC 4787 REQ-3)."""
    first = 1024 + 7 * BLOCK
    wide = static_mapping(1, WEB, IN_POOL, 17, (1000, 1000 + BLOCK - 2), (first, first + BLOCK - 2))
    every = [static_mapping(10 + n, DNS, IN_POOL, 6, 2000 + n, 1024 + n * BLOCK) for n in range(1000)]
    box = fresh(pool=f"{IN_POOL}/32", statics=[wide] + every)
    taken = {(17, p) for p in range(first, first + BLOCK - 1)}
    taken |= {(6, 1024 + n * BLOCK) for n in range(1000)}
    seen = set()
    for layer, verdict in ((TCP(flags="S", dport=9), 6), (UDP(dport=9), 17)):
        for _ in range(20):
            host = box.host()
            packets = []
            for n in range(40):
                p = IP(src=host, dst="198.18.0.9") / layer.copy()
                p.payload.sport = 3000 + n
                packets.append(p)
            box.tx_inside(packets)
            for _ in packets:
                p = box.rx_outside()
                assert (verdict, p.sport) not in seen
                seen.add((verdict, p.sport))
    assert not seen & taken


def test_reload_takes_the_port_from_its_holder(fresh):
    """A static mapping that a reload brings gets its port, whoever had it; one that it takes away ends."""
    box = fresh(pool=f"{IN_POOL}/32")
    host, remote = box.host(), box.remote()
    port = box.out(IP(src=host, dst=remote) / UDP(sport=3000, dport=9)).sport
    box.reload(config(pool=f"{IN_POOL}/32", statics=[static_mapping(1, WEB, IN_POOL, 17, 80, port)]))
    assert forwarded(box, remote, UDP(sport=9, dport=port), IN_POOL).dst == WEB
    p = box.out(IP(src=host, dst=remote) / UDP(sport=3000, dport=9))
    assert p.sport != port
    box.reload(config(pool=f"{IN_POOL}/32"))
    box.tx_outside(IP(src=remote, dst=IN_POOL) / UDP(sport=9, dport=port), "drop-no-mapping")


def test_reload_takes_a_host_s_own_mapping(fresh):
    """A host that uses a port already when a static mapping of it comes has that one from then on: an inside port
    has one port outside (RFC 4787 REQ-1)."""
    for behaviour in ({}, {"mapping-type": "edm", "filtering-type": "edf"}):
        box = fresh(policy=behaviour)
        flow, other = (IP(src=WEB, dst=box.remote()) / UDP(sport=port, dport=9) for port in (80, 81))
        box.out(flow)
        kept = box.out(other)
        box.reload(config(policy=behaviour, statics=[static_mapping(1, WEB, ALONE, 17, 80, 8080)]))
        assert forwarded(box, box.remote(), UDP(sport=9, dport=8080), ALONE)[UDP].dport == 80
        assert (box.out(flow).src, box.out(flow).sport) == (ALONE, 8080)
        assert (box.out(other).src, box.out(other).sport) == (kept.src, kept.sport)


def test_reload_of_a_whole_address(fresh):
    """A host that gets another address to itself has nothing of the old one any more, nor one that loses it."""
    box = fresh(statics=[static_mapping(1, WHOLE, ALONE)])
    flow = IP(src=WHOLE, dst=box.remote()) / UDP(sport=3000, dport=9)
    for address in (ALONE, ALONE_UDP):
        box.reload(config(statics=[static_mapping(1, WHOLE, address)]))
        assert (box.out(flow).src, box.out(flow).sport) == (address, 3000)
    box.reload(config())
    assert box.out(flow).src not in (ALONE, ALONE_UDP)


def test_table_and_lookup(box):
    """The table shows the entries as they were configured, and a lookup names the host."""
    shown = {m["index"]: m for m in box.mappings() if m["type"] == "static"}
    assert shown == {m["index"]: m for m in CONFIG["statics"]}
    for address, port, protocol, host in ((IN_POOL, 8080, "tcp", WEB), (IN_POOL, 1053, "udp", DNS),
                                          (ALONE, 4711, "udp", WHOLE), (ALONE, 4711, "icmp", WHOLE),
                                          (IN_POOL, 70, "icmp", DNS), (ALONE_UDP, 9, "17", ALL_UDP)):
        answer = box.ask("lookup", address, port, protocol)["homeport:homeport"]["resolve"]["answer"]
        holder, = answer["holder"]
        assert (holder["service"], holder["subscriber"]) == ("nat44", f"{host}/32")
        assert "until" not in holder and not answer["ambiguous"]


def test_table_is_valid(box, tmp_path):
    """It validates against the module."""
    file = tmp_path / "mappings.json"
    file.write_text(json.dumps(box.ask("show", "mappings")))
    subprocess.run(["yanglint", "-t", "get", "-p", ROOT / "yang", "-F", "ietf-nat:napt44",
                    ROOT / "yang/ietf-nat@2019-01-10.yang", file], check=True)


def test_a_hundred_thousand(fresh):
    """A table of 100,000 port forwards loads and forwards."""
    hosts = [f"100.80.{n // 250}.{n % 250 + 1}" for n in range(2500)]
    many = [static_mapping(n, hosts[n // 40], f"203.0.113.{n // 25000}", 6, 1 + n % 40,
                           2000 + n % 25000) for n in range(100000)]
    box = fresh(pool="203.0.113.0/28", statics=many, policy={"port-set": {"port-set-size": 512}})
    for n in (0, 24999, 25000, 77777, 99999):
        p = forwarded(box, box.remote(), TCP(sport=9, dport=2000 + n % 25000, flags="S"),
                      f"203.0.113.{n // 25000}")
        assert (p.dst, p.dport) == (hosts[n // 40], 1 + n % 40)


def test_as_many_as_wanted_at_one_address_outside_the_pools(fresh):
    """Addresses outside the pools need a route each, not a next hop: 33,000 of them."""
    many = [static_mapping(n, f"100.80.{n // 250}.{n % 250 + 1}", f"198.19.{n // 250}.{n % 250}", 6, 1, 1)
            for n in range(33000)]
    box = fresh(statics=many)
    p = forwarded(box, box.remote(), TCP(sport=9, dport=1, flags="S"), "198.19.131.249")
    assert p.dst == "100.80.131.250"


def test_quota_does_not_count_them(box):
    """A static port is the operator's gift: the host still has all its dynamic ones."""
    remote = box.remote()
    packets = [IP(src=ALL_UDP, dst=remote) / TCP(sport=3000 + n, dport=9, flags="S")
               for n in range(BLOCK * MAX_BLOCKS)]
    box.tx_inside(packets)
    assert len({(p.src, p.sport) for p in (box.rx_outside() for _ in packets)}) == len(packets)
