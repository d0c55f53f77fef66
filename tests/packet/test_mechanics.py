# SPDX-License-Identifier: BSD-3-Clause
"""What a router and a NAT owe to any packet: who may send it, which way it may ask for, how large its segments
may be, and who is told when it cannot go on."""
import pytest
from scapy.all import ICMP, IP, TCP, UDP, IPOption_LSRR, IPOption_RR, IPOption_SSRR, Raw

from config import BOX_INSIDE, BOX_OUTSIDE

WORKERS = [1, 3]
CONFIG = {"policy": {"homeport:mss-limit": 1300}}


@pytest.mark.parametrize("source", ["100.65.99.1", "203.0.113.9", BOX_INSIDE, BOX_OUTSIDE, "192.0.2.255"])
def test_spoofed_from_outside(box, source):
    """What comes from outside is from nobody inside, nor from the box (RFC 2827)."""
    host, remote = box.host(), box.remote()
    p = box.out(IP(src=host, dst=remote) / UDP(sport=1, dport=2))
    if source != p.src:
        box.tx_outside(IP(src=source, dst=p.src) / UDP(sport=2, dport=p[UDP].sport), "drop-spoofed")
    # a neighbour in the numbers is none in the net
    for near in ("100.128.0.1", "203.0.114.9"):
        assert box.back(IP(src=near, dst=p.src) / UDP(sport=2, dport=p[UDP].sport)).src == near


@pytest.mark.parametrize("source", ["203.0.113.9", BOX_INSIDE, BOX_OUTSIDE, "100.64.0.255"])
def test_spoofed_from_inside(box, source):
    """No subscriber has an address of the box, nor one that is a whole network's."""
    before = len(box.mappings())
    box.tx_inside(IP(src=source, dst=box.remote()) / UDP(sport=1, dport=2), "drop-spoofed")
    assert len(box.mappings()) == before


def test_no_error_to_a_network(box):
    """A broadcast address as source is no single host and is told nothing (RFC 1812 section 4.3.2.7)."""
    box.tx_inside(IP(src="100.64.0.255", dst=box.remote(), ttl=1) / UDP(), "drop-ttl")
    box.tx_inside(IP(src=BOX_INSIDE, dst=box.remote(), ttl=1) / UDP(), "drop-ttl")


@pytest.mark.parametrize("option", [IPOption_LSRR, IPOption_SSRR])
def test_source_route(box, option):
    """A route that is not at its end is not followed, and the sender is told: source route failed; one that is
    goes through, as other options do (RFC 1812 section 5.2.4.1, RFC 7915 section 4.1)."""
    host, remote = box.host(), box.remote()
    sent = IP(src=host, dst=remote, options=[option(pointer=4, routers=["198.51.100.1", remote])]) / \
        UDP(sport=1, dport=2)
    box.tx_inside(sent, "drop-source-route")
    p = box.rx_inside()
    assert (p.dst, p[ICMP].type, p[ICMP].code) == (host, 3, 5)
    assert bytes(p[ICMP].payload) == bytes(sent)
    sent[IP].options = [option(pointer=12, routers=["198.51.100.1", remote]), IPOption_RR(routers=["0.0.0.0"])]
    p = box.out(sent)
    assert bytes(p)[20:p.ihl * 4] == bytes(sent)[20:p.ihl * 4]
    box.tx_outside(IP(src=remote, dst=p.src, options=[option(pointer=4, routers=[host])]) /
                   UDP(sport=2, dport=p[UDP].sport), "drop-source-route")
    assert box.rx_outside(quoted=False)[ICMP].code == 5


def test_segment_size(box):
    """The largest segment that a SYN asks for is lowered to the policy's limit, either way, and never raised."""
    host, remote = box.host(), box.remote()
    nops = [("NOP", None)] * 3
    for port, (options, wanted) in enumerate([
            ([("MSS", 1460)], [("MSS", 1300)]),
            ([("MSS", 1300)], [("MSS", 1300)]),
            ([("MSS", 536)], [("MSS", 536)]),
            (nops + [("MSS", 9000), ("WScale", 7)], nops + [("MSS", 1300), ("WScale", 7)]),
            ([("SAckOK", b""), ("NOP", None), ("MSS", 1460)], [("SAckOK", b""), ("NOP", None), ("MSS", 1300)]),
            ([("WScale", 7)], [("WScale", 7)]),
            ([], [])], 1000):
        p = box.out(IP(src=host, dst=remote) / TCP(sport=port, dport=80, flags="S", options=options))
        assert p[TCP].options[:len(wanted)] == wanted
        p = box.back(IP(src=remote, dst=p.src) / TCP(sport=80, dport=p[TCP].sport, flags="SA", options=options))
        assert p[TCP].options[:len(wanted)] == wanted
        # only a SYN says it
        p = box.out(IP(src=host, dst=remote) / TCP(sport=port, dport=80, flags="A", options=options))
        assert p[TCP].options == TCP(bytes(TCP(options=options))).options


def test_segment_size_of_hairpinned(box):
    """Between two subscribers too."""
    first, second, remote = box.host(), box.host(), box.remote()
    p = box.out(IP(src=second, dst=remote) / TCP(sport=7, dport=7, flags="S"))
    p = box.hairpin(IP(src=first, dst=p.src) / TCP(sport=6, dport=p[TCP].sport, flags="S", options=[("MSS", 1460)]))
    assert p.dst == second and p[TCP].options == [("MSS", 1300)]


def test_truncated_options(box):
    """Options that are cut short, or never end, are left alone (RFC 9293 section 3.1)."""
    host, remote = box.host(), box.remote()
    for port, options in enumerate((b"\2", b"\2\4", b"\2\4\5", b"\5\0\2\4\5\xb4", b"\2\0\5\xb4", b"\1\1\1\2"), 1000):
        options = options.ljust(4 if len(options) <= 4 else 8, b"\1")
        p = box.out(IP(src=host, dst=remote) /
                    TCP(sport=port, dport=80, flags="S", dataofs=5 + len(options) // 4) / Raw(options))
        assert bytes(p)[40:] == options


def test_silent_interface(fresh):
    """An interface by which no ICMP errors are sent (RFC 5508 REQ-9); the other is as before."""
    box = fresh(outside={"homeport:icmp-errors": False})
    host, remote = box.host(), box.remote()
    p = box.out(IP(src=host, dst=remote) / UDP(sport=1, dport=2))
    box.tx_outside(IP(src=remote, dst=p.src, ttl=1) / UDP(sport=2, dport=p[UDP].sport), "drop-ttl")
    box.tx_inside(IP(src=host, dst=remote, ttl=1) / UDP(sport=1, dport=2), "drop-ttl")
    assert box.rx_inside()[ICMP].type == 11
    assert box.counters()["icmp-errors-sent"] == "1"


def test_errors_of_the_box(fresh):
    """The limit of ICMP errors is the box's, whichever workers send them (RFC 1812 section 4.3.2.8)."""
    box = fresh(workers=4, platform={"icmp-error-rate": 8})
    box.tx_inside([IP(src=box.host(), dst=box.remote(), ttl=1) / UDP() for _ in range(40)], "drop-ttl")
    sent = int(box.counters()["icmp-errors-sent"])
    for _ in range(sent):
        assert box.rx_inside()[ICMP].type == 11
    assert 2 <= sent <= 8
