# SPDX-License-Identifier: BSD-3-Clause
"""Protocols without ports: dropped, but for hosts with an outside address to themselves whose policy has them."""
import pytest
from scapy.all import ICMP, IP, Raw

from config import config, static_mapping

SCTP, ESP, GRE, IPV6, IPIP = 132, 50, 47, 41, 4
ALLOWED, OTHERS = [SCTP, ESP, GRE], [IPV6, IPIP]
WHOLE, OTHER = ("100.65.0.99", "198.51.100.9"), ("100.66.0.1", "198.51.100.10")
STRANGER = ("172.16.0.1", "198.51.100.11")  # no policy's subscriber-match has it
ALL_UDP = ("100.66.0.2", "198.51.100.12")
WORKERS = [1, 3]
CONFIG = {"statics": [static_mapping(1, *WHOLE), static_mapping(2, *OTHER), static_mapping(3, *STRANGER),
                      static_mapping(4, *ALL_UDP, 17)],
          "routes": [("172.16.0.0/24", "100.64.0.2")],
          "policy": {"homeport:portless-protocols": ALLOWED}}
DATA = bytes(range(40))


def changed(packet, **fields):
    """The packet one hop later with these fields changed, and nothing else."""
    packet = IP(bytes(packet))
    packet.ttl -= 1
    for name, value in fields.items():
        setattr(packet, name, value)
    del packet.chksum
    return bytes(packet)


@pytest.mark.parametrize("protocol", ALLOWED + OTHERS)
def test_not_translated(box, protocol):
    """SCTP, ESP, GRE and tunnels are dropped and counted, either way, where hosts share an address, and where one
    has the ports of a single protocol: no gateway looks into them."""
    remote = box.remote()
    for inside, outside in ((box.host(), "203.0.113.14"), ALL_UDP):
        box.tx_inside(IP(src=inside, dst=remote, proto=protocol) / Raw(DATA), "drop-protocol")
        box.tx_outside(IP(src=remote, dst=outside, proto=protocol) / Raw(DATA), "drop-protocol")
    assert {m["type"] for m in box.mappings()} == {"static"}


@pytest.mark.parametrize("protocol", OTHERS)
def test_not_named(box, protocol):
    """Nor is one that the policy does not name, also for who has an address to himself."""
    inside, outside = WHOLE
    box.tx_inside(IP(src=inside, dst=box.remote(), proto=protocol) / Raw(DATA), "drop-protocol")
    box.tx_outside(IP(src=box.remote(), dst=outside, proto=protocol) / Raw(DATA), "drop-protocol")


def test_none_without_the_leaf(fresh):
    """Without portless-protocols there is none; a reload takes them away and gives them back."""
    inside, outside = WHOLE
    without = {**CONFIG, "policy": {}}
    box = fresh(**without)
    packet = IP(src=inside, dst=box.remote(), proto=SCTP) / Raw(DATA)
    box.tx_inside(packet, "drop-protocol")
    box.reload(config(**CONFIG))
    assert box.out(packet).src == outside
    box.reload(config(**without))
    box.tx_inside(packet, "drop-protocol")


@pytest.mark.parametrize("protocol", ALLOWED)
@pytest.mark.parametrize("inside, outside", [WHOLE, OTHER, STRANGER])
def test_one_to_one(box, inside, outside, protocol):
    """Only the address changes, both ways, whoever begins (RFC 8512 section 2.4): the data, with SCTP's checksum in
    it, and the identification stay."""
    remote = box.remote()
    sent = IP(src=inside, dst=remote, proto=protocol, ttl=9, id=77) / Raw(DATA)
    assert bytes(box.out(sent)) == changed(sent, src=outside)
    sent = IP(src=box.remote(), dst=outside, proto=protocol, ttl=9, id=78) / Raw(DATA)
    assert bytes(box.back(sent)) == changed(sent, dst=inside)
    assert {m["type"] for m in box.mappings()} == {"static"}


def test_without_data(box):
    """A header alone is translated like any other."""
    inside, outside = WHOLE
    assert box.out(IP(src=inside, dst=box.remote(), proto=ESP)).src == outside
    assert box.back(IP(src=box.remote(), dst=outside, proto=ESP)).dst == inside


def test_hairpin(box):
    """Two such hosts reach each other by their outside addresses, and each reaches itself (RFC 4787 REQ-9)."""
    for (a, seen_as), (b, to) in ((WHOLE, OTHER), (OTHER, WHOLE), (WHOLE, WHOLE)):
        sent = IP(src=a, dst=to, proto=GRE, ttl=9) / Raw(DATA)
        assert bytes(box.hairpin(sent)) == changed(sent, src=seen_as, dst=b)
    box.tx_inside(IP(src=WHOLE[0], dst=ALL_UDP[1], proto=GRE) / Raw(DATA), "drop-protocol")
    box.tx_inside(IP(src=box.host(), dst=WHOLE[1], proto=GRE) / Raw(DATA), "drop-protocol")


def test_errors(box):
    """ICMP errors about such packets go by what they quote, both ways, cut short or not (RFC 5508 REQ-4, REQ-5)."""
    inside, outside = WHOLE
    remote, router = box.remote(), "192.0.2.9"
    for protocol in ALLOWED:
        for kept in (28, 60):
            sent = box.out(IP(src=inside, dst=remote, proto=protocol) / Raw(DATA))
            p = box.back(IP(src=router, dst=outside) / ICMP(type=3, code=4) / IP(bytes(sent)[:kept]))
            assert (p.src, p.dst) == (router, inside)
            assert (p[ICMP].payload.src, p[ICMP].payload.dst) == (inside, remote)
            got = box.back(IP(src=remote, dst=outside, proto=protocol) / Raw(DATA))
            p = box.out(IP(src=inside, dst=remote) / ICMP(type=3, code=2) / IP(bytes(got)[:kept]))
            assert (p.src, p.dst) == (outside, remote)
            assert (p[ICMP].payload.src, p[ICMP].payload.dst) == (remote, outside)


def test_errors_of_routers_inside(box):
    """A router inside that cannot carry such a packet speaks for its host (RFC 5508 REQ-5c)."""
    inside, outside = WHOLE
    got = box.back(IP(src=box.remote(), dst=outside, proto=ESP) / Raw(DATA))
    p = box.out(IP(src="100.64.0.2", dst=got.src) / ICMP(type=11) / got)
    assert p.src == outside and p[ICMP].payload.dst == outside


def test_errors_between_hosts(box):
    """One about a packet of another inside host finds its way, too (RFC 5508 REQ-7)."""
    got = box.hairpin(IP(src=WHOLE[0], dst=OTHER[1], proto=ESP) / Raw(DATA))
    p = box.hairpin(IP(src=OTHER[0], dst=WHOLE[1]) / ICMP(type=3, code=2) / got)
    assert (p.src, p.dst) == (OTHER[1], WHOLE[0])
    assert (p[ICMP].payload.src, p[ICMP].payload.dst) == (WHOLE[0], OTHER[1])


def test_errors_that_lie(box):
    """One about a packet that somebody else sent, or of a protocol that nobody may use, is dropped (RFC 5508
    REQ-3)."""
    inside, outside = WHOLE
    remote, somebody = box.remote(), box.remote()
    for quoted in (IP(src=somebody, dst=remote, proto=ESP), IP(src=outside, dst=remote, proto=IPIP)):
        box.tx_outside(IP(src=remote, dst=outside) / ICMP(type=3) / quoted / Raw(DATA), "drop-icmp-quote")
    for quoted in (IP(src=somebody, dst=inside, proto=ESP), IP(src=remote, dst=inside, proto=IPIP),
                   IP(src=remote, dst=box.host(), proto=ESP)):
        box.tx_inside(IP(src=inside, dst=remote) / ICMP(type=3) / quoted / Raw(DATA), "drop-icmp-quote")


def test_time_to_live(box):
    """Its end is told to who sent the packet, as it was (RFC 1812 section 5.3.1)."""
    sent = IP(src=WHOLE[0], dst=box.remote(), proto=ESP, ttl=1) / Raw(DATA)
    box.tx_inside(sent, "drop-ttl")
    p = box.rx_inside()
    assert p[ICMP].type == 11 and bytes(p[ICMP].payload)[:28] == bytes(sent)[:28]


def test_too_big(fresh):
    """What does not fit is cut, or refused as its sender knows it, between inside hosts too (RFC 1191)."""
    box = fresh(**{**CONFIG, "inside": {"ietf-ip:ipv4": {"mtu": 1000}},
                   "outside": {"ietf-ip:ipv4": {"mtu": 1000}}})
    inside, outside = WHOLE
    for src, to, side in ((inside, box.remote(), "inside"), (inside, OTHER[1], "inside"),
                          (box.remote(), outside, "outside")):
        big = IP(src=src, dst=to, proto=ESP, flags="DF") / Raw(bytes(1100))
        box.tx(side, big, "drop-too-big")
        p = box.rx(side)
        assert (p.dst, p[ICMP].code, p[ICMP].nexthopmtu) == (src, 4, 1000)
        assert bytes(p[ICMP].payload)[:28] == bytes(big)[:28]
    box.tx_inside(IP(src=inside, dst=box.remote(), proto=ESP, id=9) / Raw(bytes(1100)), "nat44-out")
    pieces = [box.rx_outside(), box.rx_outside()]
    assert {(p.src, p.id) for p in pieces} == {(outside, 9)}
    assert sum(len(p.payload) for p in pieces) == 1100


def test_spoofed(box):
    """Nobody outside has an inside or outside address of the box."""
    for src in (WHOLE[0], OTHER[1]):
        box.tx_outside(IP(src=src, dst=WHOLE[1], proto=ESP) / Raw(DATA), "drop-spoofed")


@pytest.mark.parametrize("inside, outside", [WHOLE, STRANGER])
def test_mitigation(fresh, inside, outside):
    """A mitigation stops them like all that the subscriber sends to its target (RFC 9066 section 5.3.1)."""
    box = fresh(workers=3, **CONFIG)
    target, other = box.remote(), box.remote()
    box.ask("dots", "mitigate", "--source", f"{outside}/32", "--target", f"{target}/32")
    box.tx_inside(IP(src=inside, dst=target, proto=ESP) / Raw(DATA), "drop-acl")
    box.tx_inside(IP(src=inside, dst=other, proto=ESP) / Raw(DATA), "nat44-out")
    box.rx_outside()
