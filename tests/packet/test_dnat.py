# SPDX-License-Identifier: BSD-3-Clause
"""Destinations that subscribers write to by another name: dst-nat-enable, dst-ip-address-pool and the destinations
of mapping-entry (RFC 8512; RFC 2663 section 4.3)."""
import copy
import json
import subprocess

import pytest
from scapy.all import ICMP, IP, TCP, UDP, Raw

from config import TAP_DEVICES, config, merge, static_mapping
from lab import ROOT
from test_fragments import DATA, cut, join

WORKERS = [1, 3]
BUFFERS = {"packet-buffers": 16383}  # each queue of a TAP device keeps a thousand
WEB, WEB_IS = "198.51.100.1", "198.51.101.1"
DNS, DNS_IS = "198.51.100.53", "198.51.101.53"
WHOLE, WHOLE_IS = "10.9.9.9", "198.51.101.9"
SERVER, SERVER_IS, SERVER_INSIDE = "198.51.100.7", "203.0.113.100", "100.66.0.1"
PRIVATE, PRIVATE_IS = "198.51.100.8", "100.66.0.8"
NET, NET_IS = "198.51.102.", "198.51.103."
PASSING, PASSING_IS = "198.51.100.20", "198.51.104.20"
SCTP = 132


def destination(*words):
    return static_mapping(*words, end="dst")


ENTRIES = [
    destination(1, WEB, WEB_IS, 6, (80, 89), (8080, 8089)),
    destination(2, DNS, DNS_IS, None, 53, 5353),
    destination(3, WHOLE, WHOLE_IS),
    destination(4, SERVER, SERVER_IS),
    destination(5, PRIVATE, PRIVATE_IS),
    destination(6, PASSING, PASSING_IS, 17, 1000, 2000),
    static_mapping(7, SERVER_INSIDE, SERVER_IS)]
POOL = {"dst-nat-enable": True, "dst-ip-address-pool": [
    {"pool-id": 1, "dst-in-ip-pool": f"{NET}0/24", "dst-out-ip-pool": f"{NET_IS}0/24"}]}
POLICY = {**POOL, "transport-protocols": [{"protocol-id": p} for p in (1, 6, 17, 33)],
          "homeport:portless-protocols": [SCTP], "homeport:stray-segments": "reset"}
INSTANCE = {"nat-pass-through": [{"id": 1, "prefix": "198.51.104.0/24"}]}
CONFIG = {"statics": ENTRIES, "policy": POLICY, "instance": INSTANCE, "platform": BUFFERS, "devices": TAP_DEVICES,
          "outside": {"ietf-ip:ipv4": {"mtu": 1300}}}


@pytest.mark.parametrize("name, port, real, real_port", [
    (WEB, 80, WEB_IS, 8080), (WEB, 89, WEB_IS, 8089), (DNS, 53, DNS_IS, 5353), (WHOLE, 7, WHOLE_IS, 7),
    (f"{NET}0", 9, f"{NET_IS}0", 9), (f"{NET}255", 9, f"{NET_IS}255", 9)])
def test_both_ways(box, name, port, real, real_port):
    """What is written to the name goes to the real destination, and what comes from there comes from the name."""
    host = box.host()
    for layer in (TCP, UDP):
        if (name, layer) == (WEB, UDP):
            continue
        flags = [{"flags": f} for f in ("S", "SA", "A")] if layer is TCP else [{}] * 3
        p = box.out(IP(src=host, dst=name) / layer(sport=7000, dport=port, **flags[0]) / b"to")
        assert (p.dst, p.dport, p.ttl) == (real, real_port, 63)
        answer = IP(src=real, dst=p.src) / layer(sport=real_port, dport=p.sport, **flags[1]) / b"back"
        q = box.back(answer)
        assert (q.src, q.sport, q.dst, q.dport, q.ttl) == (name, port, host, 7000, 63)
        again = box.out(IP(src=host, dst=name) / layer(sport=7000, dport=port, **flags[2]) / b"to")
        assert (again.src, again.sport) == (p.src, p.sport)


@pytest.mark.parametrize("name, real", [(WHOLE, WHOLE_IS), (f"{NET}4", f"{NET_IS}4")])
def test_echo(box, name, real):
    """A whole address answers pings, too; an identifier is its sender's."""
    host = box.host()
    p = box.out(IP(src=host, dst=name) / ICMP(id=77) / b"ping")
    assert p.dst == real
    q = box.back(IP(src=real, dst=p.src) / ICMP(type=0, id=p[ICMP].id) / b"ping")
    assert (q.src, q.dst, q[ICMP].id) == (name, host, 77)


def test_zero_checksum(box):
    """No UDP checksum stays none."""
    host = box.host()
    p = box.out(IP(src=host, dst=DNS) / UDP(sport=9, dport=53, chksum=0))
    assert (p.dst, p[UDP].chksum) == (DNS_IS, 0)
    assert box.back(IP(src=DNS_IS, dst=p.src) / UDP(sport=5353, dport=p.sport, chksum=0))[UDP].chksum == 0


def test_mapping_is_one(box):
    """The outside port is the same for all destinations, by whatever name (RFC 4787 REQ-1)."""
    host = box.host()
    packets = [IP(src=host, dst=to) / UDP(sport=7, dport=53) for to in (DNS, WHOLE, f"{NET}1", box.remote())]
    assert len({(p.src, p.sport) for p in map(box.out, packets)}) == 1


def test_others_stay(box):
    """Other ports of the name, other protocols, and the neighbours of the real destination."""
    host = box.host()
    assert box.out(IP(src=host, dst=WEB) / TCP(sport=1, dport=90, flags="S")).dst == WEB
    p = box.out(IP(src=host, dst=WEB) / UDP(sport=1, dport=80))
    assert p.dst == WEB
    for src, sport in ((WEB, 80), (WEB_IS, 8080), (DNS_IS, 5354), (box.remote(), 5353)):
        q = box.back(IP(src=src, dst=p.src) / UDP(sport=sport, dport=p.sport))
        assert (q.src, q.sport) == (src, sport)


def test_the_way_back_is_the_remotes(box):
    """A destination outside has one name inside: who writes to it without is answered from there."""
    host = box.host()
    p = box.out(IP(src=host, dst=DNS_IS) / UDP(sport=1, dport=5353))
    assert (p.dst, p.dport) == (DNS_IS, 5353)
    q = box.back(IP(src=DNS_IS, dst=p.src) / UDP(sport=5353, dport=p.sport))
    assert (q.src, q.sport) == (DNS, 53)


@pytest.mark.parametrize("kind, code", [(3, 1), (3, 4), (11, 0), (12, 0)])
def test_error_in(box, kind, code):
    """An error about what went out quotes what the host has sent, whoever sends it (RFC 5508 REQ-4)."""
    host, router = box.host(), box.remote()
    sent = IP(src=host, dst=DNS) / UDP(sport=9, dport=53) / b"question"
    p = box.out(sent)
    for source, seen in ((router, router), (DNS_IS, DNS)):
        q = box.back(IP(src=source, dst=p.src) / ICMP(type=kind, code=code) / p.original)
        assert (q.src, q.dst, q[ICMP].type) == (seen, host, kind)
        quoted = IP(bytes(q[ICMP].payload))
        assert (quoted.src, quoted.dst) == (host, DNS)
        assert bytes(quoted.payload) == bytes(sent.payload)
    echo = IP(src=host, dst=WHOLE) / ICMP(id=4) / b"ping"
    p = box.out(echo)
    q = box.back(IP(src=router, dst=p.src) / ICMP(type=kind, code=code) / p.original)
    assert bytes(IP(bytes(q[ICMP].payload)).payload) == bytes(IP(bytes(echo)).payload)
    assert IP(bytes(q[ICMP].payload)).dst == WHOLE


def test_error_out(box):
    """An error about what came in goes to the real destination and quotes what that has sent (RFC 5508 REQ-5)."""
    host = box.host()
    for name, port, real, real_port in ((DNS, 53, DNS_IS, 5353), (WHOLE, 8, WHOLE_IS, 8)):
        p = box.out(IP(src=host, dst=name) / UDP(sport=9, dport=port))
        sent = IP(src=real, dst=p.src) / UDP(sport=real_port, dport=p.sport) / b"answer"
        got = box.back(sent)
        for source in (host, box.host()):
            q = box.out(IP(src=source, dst=name) / ICMP(type=3, code=3) / got.original)
            assert (q.src, q.dst) == (p.src, real)
            quoted = IP(bytes(q[ICMP].payload))
            assert (quoted.src, quoted.dst) == (real, p.src)
            assert bytes(quoted.payload) == bytes(IP(bytes(sent)).payload)
    lie = IP(src=WEB, dst=host) / UDP(sport=80, dport=9)
    box.tx_inside(IP(src=host, dst=DNS) / ICMP(type=3, code=3) / lie, "drop-icmp-quote")


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_fragments(box, order):
    """In whatever order, both ways, where only the first tells the port."""
    host = box.host()
    pieces = cut(IP(src=host, dst=DNS, id=5) / UDP(sport=1, dport=53) / DATA, 304, 400)
    box.tx("inside", [pieces[n] for n in order], None)
    assert box.settle() == {"nat44-out": 3}
    p = join([box.rx_outside() for _ in order])
    assert (p.dst, p.dport) == (DNS_IS, 5353)
    pieces = cut(IP(src=DNS_IS, dst=p.src, id=6) / UDP(sport=5353, dport=p.sport) / DATA, 304, 400)
    box.tx("outside", [pieces[n] for n in order], None)
    assert box.settle() == {"nat44-in": 3}
    q = join([box.rx_inside() for _ in order])
    assert (q.src, q.sport, q.dst) == (DNS, 53, host)


def test_hairpin(box):
    """The real destination may be another subscriber's outside address."""
    host = box.host()
    p = box.hairpin(IP(src=host, dst=SERVER) / UDP(sport=1, dport=80))
    assert p.dst == SERVER_INSIDE and p.src.startswith("203.0.113.")
    q = box.hairpin(IP(src=SERVER_INSIDE, dst=p.src) / UDP(sport=80, dport=p.sport))
    assert (q.src, q.dst, q.dport) == (SERVER, host, 1)
    error = box.hairpin(IP(src=SERVER_INSIDE, dst=p.src) / ICMP(type=3, code=3) / p.original)
    assert (error.src, error.dst) == (SERVER, host)
    assert IP(bytes(error[ICMP].payload)).dst == SERVER


def test_inside(box):
    """Or an inside address, which is reached without translation of the source."""
    host = box.host()
    box.tx_inside(IP(src=host, dst=PRIVATE) / UDP(sport=1, dport=80), "routed")
    p = box.rx_inside()
    assert (p.src, p.dst) == (host, PRIVATE_IS)
    box.tx_inside(IP(src=PRIVATE_IS, dst=host) / UDP(sport=80, dport=1), "routed")
    assert box.rx_inside().src == PRIVATE


def test_pass_through(box):
    """Or one that is not translated further (RFC 6888 REQ-6)."""
    host = box.host()
    box.tx_inside(IP(src=host, dst=PASSING) / UDP(sport=1, dport=1000), "pass-through")
    p = box.rx_outside()
    assert (p.src, p.sport, p.dst, p.dport) == (host, 1, PASSING_IS, 2000)
    box.tx_outside(IP(src=PASSING_IS, dst=host) / UDP(sport=2000, dport=1), "pass-through")
    q = box.rx_inside()
    assert (q.src, q.sport) == (PASSING, 1000)
    box.tx_outside(IP(src=PASSING_IS, dst=host) / ICMP(type=3, code=3) / p.original, "pass-through")
    error = box.rx_inside()
    assert error.src == PASSING and IP(bytes(error[ICMP].payload)).dst == PASSING


def test_without_ports(box):
    """Protocols without ports, of a host with a whole outside address, and errors about them."""
    p = box.out(IP(src=SERVER_INSIDE, dst=WHOLE, proto=SCTP) / Raw(DATA[:40]))
    assert (p.src, p.dst, bytes(p.payload)) == (SERVER_IS, WHOLE_IS, DATA[:40])
    got = box.back(IP(src=WHOLE_IS, dst=SERVER_IS, proto=SCTP) / Raw(DATA[:40]))
    assert (got.src, got.dst) == (WHOLE, SERVER_INSIDE)
    q = box.back(IP(src=box.remote(), dst=SERVER_IS) / ICMP(type=11, code=0) / p.original)
    quoted = IP(bytes(q[ICMP].payload))
    assert (quoted.src, quoted.dst) == (SERVER_INSIDE, WHOLE)
    r = box.out(IP(src=SERVER_INSIDE, dst=WHOLE) / ICMP(type=3, code=2) / got.original)
    quoted = IP(bytes(r[ICMP].payload))
    assert (r.dst, quoted.src, quoted.dst) == (WHOLE_IS, WHOLE_IS, SERVER_IS)
    pieces = [box.out(q) for q in cut(IP(src=SERVER_INSIDE, dst=WHOLE, proto=SCTP, id=3) / Raw(DATA), 304)]
    assert join(pieces).dst == WHOLE_IS


def test_errors_of_the_box(box):
    """What the box sends back quotes the name, and a reset comes from it."""
    host = box.host()
    box.advance(1)
    sent = IP(src=host, dst=DNS, ttl=1) / UDP(sport=1, dport=53)
    box.tx_inside(sent, "drop-ttl")
    assert bytes(box.rx_inside()[ICMP].payload)[:28] == bytes(sent)
    sent = IP(src=host, dst=DNS, flags="DF") / UDP(sport=1, dport=53) / bytes(1300)
    box.tx_inside(sent, "drop-too-big")
    p = box.rx_inside()
    assert p[ICMP].code == 4 and bytes(p[ICMP].payload)[12:28] == bytes(sent)[12:28]
    box.tx_inside(IP(src=host, dst=WEB) / TCP(sport=1, dport=80, flags="A", ack=9), "drop-not-syn")
    p = box.rx_inside()
    assert (p.src, p.sport, p[TCP].flags) == (WEB, 80, "R")


def test_mitigation(fresh):
    """A mitigation names the real destination, which is what upstream networks know (RFC 9066 section 5.3.1)."""
    box = fresh(workers=3, statics=ENTRIES, policy=POLICY, instance=INSTANCE)
    host, other = box.host(), box.host()
    p = box.out(IP(src=host, dst=WHOLE) / UDP(sport=1, dport=53))
    box.out(IP(src=other, dst=WHOLE) / UDP(sport=1, dport=53))
    box.ask("dots", "mitigate", "--source", f"{p.src}/32", "--source-port", str(p.sport),
            "--target", f"{WHOLE_IS}/32", "--protocol", "udp")
    box.tx_inside(IP(src=host, dst=WHOLE) / UDP(sport=1, dport=53), "drop-acl")
    box.out(IP(src=other, dst=WHOLE) / UDP(sport=1, dport=53))
    box.out(IP(src=host, dst=DNS) / UDP(sport=1, dport=53))


def test_shown(box, tmp_path):
    """The entries stand in the mapping table, which validates, and the box says what it can do."""
    answer = box.ask("show", "mappings")
    file = tmp_path / "mappings.json"
    file.write_text(json.dumps(answer))
    subprocess.run(["yanglint", "-t", "get", "-p", ROOT / "yang", "-F", "ietf-nat:napt44,dst-nat",
                    ROOT / "yang/ietf-nat@2019-01-10.yang", file], check=True)
    shown = {m["index"]: m for m in box.mappings() if "internal-dst-address" in m}
    assert shown == {e["index"]: e for e in ENTRIES if "internal-dst-address" in e}
    instance = box.ask("show", "instances")["ietf-nat:nat"]["instances"]["instance"][0]
    assert "ietf-nat:dst-nat" in instance["capabilities"]["nat-flavor"]


def test_by_policy(fresh):
    """A policy that does not translate destinations has none of it, and a pool is its policy's alone."""
    whole = config(statics=ENTRIES, policy=POLICY, instance=INSTANCE)
    instance = whole["ietf-nat:nat"]["instances"]["instance"][0]
    plain, own = copy.deepcopy(instance["policy"][0]), copy.deepcopy(instance["policy"][0])
    for policy, number in ((plain, 2), (own, 3)):
        policy["id"] = number
        policy["external-ip-address-pool"] = [{"pool-id": number, "external-ip-pool": f"203.0.113.{16 * number}/28"}]
        policy["subscriber-match"] = [{"match-id": 1, "subnet": f"100.7{number}.0.0/16"}]
    plain = merge(plain, {"dst-nat-enable": False, "dst-ip-address-pool": None})
    own["dst-ip-address-pool"] = [{"pool-id": 2, "dst-in-ip-pool": "198.51.106.0/24",
                                   "dst-out-ip-pool": "198.51.107.0/24"}]
    instance["policy"] += [plain, own]
    box = fresh()
    box.reload(whole)
    sees = {host: [box.out(IP(src=host, dst=to) / UDP(sport=1, dport=53)).dst
                   for to in (DNS, f"{NET}1", "198.51.106.1")] for host in ("100.65.1.1", "100.72.0.1", "100.73.0.1")}
    assert sees == {"100.65.1.1": [DNS_IS, f"{NET_IS}1", "198.51.106.1"],
                    "100.72.0.1": [DNS, f"{NET}1", "198.51.106.1"],
                    "100.73.0.1": [DNS_IS, f"{NET}1", "198.51.107.1"]}
    p = box.out(IP(src="100.72.0.1", dst=DNS_IS) / UDP(sport=1, dport=5353))
    assert box.back(IP(src=DNS_IS, dst=p.src) / UDP(sport=5353, dport=p.sport)).src == DNS_IS


def test_reload(fresh):
    """Entries come and go by reload; mappings stay."""
    box = fresh()
    host = box.host()
    packet = IP(src=host, dst=DNS) / UDP(sport=1, dport=53)
    p = box.out(packet)
    assert p.dst == DNS
    box.reload(config(statics=ENTRIES, policy={**POOL}))
    q = box.out(packet)
    assert (q.dst, q.src, q.sport) == (DNS_IS, p.src, p.sport)
    box.reload(config())
    assert box.out(packet).dst == DNS


def test_without_a_route(fresh):
    """A name needs no route, also where only some destinations have one."""
    more = {"ietf-routing:routing": {"control-plane-protocols": {"control-plane-protocol": [{
        "type": "ietf-routing:static", "name": "static", "static-routes": {
            "ietf-ipv4-unicast-routing:ipv4": {"route": [
                {"destination-prefix": prefix, "next-hop": {"next-hop-address": hop}} for prefix, hop in (
                    ("100.64.0.0/10", "100.64.0.2"), ("198.51.101.0/24", "192.0.2.254"))]}}}]}}}
    box = fresh(statics=ENTRIES, policy={**POOL}, more=more, devices=TAP_DEVICES, platform=BUFFERS)
    host = box.host()
    p = box.out(IP(src=host, dst=DNS) / UDP(sport=1, dport=53))
    assert p.dst == DNS_IS
    pieces = cut(IP(src=host, dst=WHOLE, id=5) / UDP(sport=1, dport=53) / DATA, 304)
    box.tx("inside", list(reversed(pieces)), None)
    assert box.settle() == {"nat44-out": 2}
    assert join([box.rx_outside(), box.rx_outside()]).dst == WHOLE_IS
    box.tx_inside(IP(src=host, dst=WEB) / UDP(sport=1, dport=80), "drop-no-route")
    assert box.rx_inside()[ICMP].payload.dst == WEB
