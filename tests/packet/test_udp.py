# SPDX-License-Identifier: BSD-3-Clause
"""UDP through NAT44 (RFC 4787, RFC 7857)."""
import random
import struct

import pytest
from scapy.all import ICMP, IP, TCP, UDP

import checksums
from box import check_config
from config import config
from conversation import Ping, Tcp, Udp

WORKERS = [1, 3]
CONFIG = {"policy": {"timers": {"per-port-timeout": [{"port-number": 53, "protocol": 17, "timeout": 10}]}}}


def gone(flow):
    flow.answer(verdict="drop-no-mapping")


def test_mapping(box):
    """One inside endpoint has one outside endpoint, whatever the destination (RFC 4787 REQ-1), and any remote
    endpoint reaches it there (REQ-8, RFC 6888 REQ-7: endpoint-independent filtering is the default)."""
    flow = Udp(box, dport=5000)
    flow.send()
    for remote, port in ((flow.remote, 5001), (box.remote(), 5000), (box.remote(), 5002)):
        other = Udp(box, host=flow.host, remote=remote, dport=port)
        other.send(data=b"more")
        assert other.outside == flow.outside
    stranger = Udp(box, host=flow.host, dport=9999)
    stranger.outside = flow.outside
    assert stranger.answer(data=b"hello")[UDP].load == b"hello"


def test_two_hosts(box):
    """Two inside endpoints never share an outside one (RFC 4787 REQ-3), not even with the same port, to the
    same destination."""
    remote = box.remote()
    flows = [Udp(box, remote=remote) for _ in range(20)]
    for flow in flows:
        flow.send()
    assert len({flow.outside for flow in flows}) == 20
    for flow in flows:
        flow.answer()


def test_no_low_ports(box):
    """Outside ports are of 1024 and above, whatever the inside port (RFC 4787 REQ-3a for those above; a CGN has
    no system ports to give, digest Z3)."""
    host = box.host()
    for sport in random.Random(1).sample(range(1, 1024), 20) + random.Random(2).sample(range(1024, 65536), 100):
        flow = Udp(box, host=host, sport=sport)
        flow.send()
        assert flow.outside[1] >= 1024


def test_ports_are_not_the_inside_ones(box):
    """Which port comes next cannot be told from those before (RFC 7857 section 9): neither kept nor counted
    up. tests/unit/session/test_portblk.c measures the distribution."""
    host = box.host()
    flows = [Udp(box, host=host, sport=20000 + i) for i in range(40)]
    for flow in flows:
        flow.send()
    ports = [flow.outside[1] for flow in flows]
    steps = {b - a for a, b in zip(ports, ports[1:])}
    assert len(steps) > 20 and sum(p == 20000 + i for i, p in enumerate(ports)) < 4


def test_pairing(box):
    """All of a subscriber's traffic leaves by one outside address (RFC 4787 REQ-2, RFC 6888 REQ-2)."""
    addresses = set()
    for _ in range(8):
        host = box.host()
        flows = [Udp(box, host=host), Tcp(box, host=host), Ping(box, host=host),
                 *[Udp(box, host=host, sport=4000 + i) for i in range(70)]]
        for flow in flows:
            flow.send("S") if isinstance(flow, Tcp) else flow.send()
        address, = {flow.outside[0] for flow in flows}
        addresses.add(address)
    assert len(addresses) > 1


def test_refresh(box):
    """A mapping lives 300 s after the last packet out (RFC 4787 REQ-5, REQ-6)."""
    flow = Udp(box, dport=5000)
    flow.send()
    for _ in range(3):
        box.advance(299)
        flow.send()
    box.advance(299)
    flow.answer()
    box.advance(2)
    gone(flow)


def test_inbound_does_not_refresh(box):
    """What comes in does not keep a mapping (RFC 4787 REQ-6a), so nobody outside can keep a port busy."""
    flow = Udp(box, dport=5000)
    flow.send()
    for _ in range(2):
        box.advance(100)
        flow.answer()
    box.advance(99)
    flow.answer()
    box.advance(2)
    gone(flow)


def test_errors_do_not_refresh(box):
    """ICMP errors by which a host answers unwanted packets do not keep the mapping (RFC 7857 section 7.1)."""
    flow = Udp(box, dport=5000)
    flow.send()
    for _ in range(2):
        box.advance(100)
        got = flow.answer()
        box.out(IP(src=flow.host, dst=flow.remote) / ICMP(type=3, code=3) / got)
    box.advance(101)
    gone(flow)


def test_port_timeout(box):
    """A shorter time for a well-known destination port (RFC 4787 REQ-5a): the mapping lives by the longest of
    its destinations."""
    flow = Udp(box, dport=53)
    for _ in range(2):
        flow.send()
        box.advance(9)
        flow.answer()
    box.advance(2)
    gone(flow)
    flow = Udp(box, dport=53)
    flow.send()
    other = Udp(box, host=flow.host, dport=5000)
    other.send()
    flow.send()
    box.advance(200)
    flow.answer()
    box.advance(101)
    gone(flow)


def test_timer_floor(tmp_path):
    """120 s is the least for UDP (RFC 4787 REQ-5); only ports below 1024 may have less (REQ-5a)."""
    def check(**timers):
        return check_config(tmp_path, config(policy={"timers": timers}))

    assert "120" in check(**{"udp-timeout": 60}) and "udp-timeout" in check(**{"udp-timeout": 119})
    assert not check(**{"udp-timeout": 120})
    assert not check(**{"per-port-timeout": [{"port-number": 53, "protocol": 17, "timeout": 10}]})
    assert "per-port-timeout" in check(**{"per-port-timeout": [{"port-number": 1024, "protocol": 17, "timeout": 10}]})


def test_hairpin(box):
    """A subscriber reaches another by its outside endpoint, and is seen by its own outside endpoint, not by its
    inside one (RFC 4787 REQ-9a); one hop is counted."""
    a, b = Udp(box, sport=1111), Udp(box, sport=2222)
    a.send()
    b.send()
    p = box.hairpin(IP(src=a.host, dst=b.outside[0]) / UDP(sport=1111, dport=b.outside[1]) / "a to b")
    assert (p.src, p.sport, p.dst, p.dport, p.ttl, p.load) == (*a.outside, b.host, 2222, 63, b"a to b")
    p = box.hairpin(IP(src=b.host, dst=a.outside[0]) / UDP(sport=2222, dport=a.outside[1]) / "b to a")
    assert (p.src, p.sport, p.dst, p.dport) == (*b.outside, a.host, 1111)


def test_hairpin_first_packet(box):
    """The first packet of all may go to another subscriber, or to oneself: it makes the mapping."""
    b = Udp(box, sport=2222)
    b.send()
    host = box.host()
    p = box.hairpin(IP(src=host, dst=b.outside[0]) / UDP(sport=1111, dport=b.outside[1]))
    assert p.dst == b.host and p.src.startswith("203.0.113.") and p.src != host
    p = box.hairpin(IP(src=b.host, dst=b.outside[0]) / UDP(sport=2222, dport=b.outside[1]))
    assert (p.src, p.sport, p.dst, p.dport) == (*b.outside, b.host, 2222)
    # nobody has this port: the sender's mapping is made, the packet goes no further
    box.tx_inside(IP(src=host, dst=b.outside[0]) / UDP(sport=1111, dport=1023), "drop-no-mapping")


def test_hairpinning_off(fresh):
    box = fresh(policy={"homeport:hairpinning": False})
    a, b = Udp(box), Udp(box)
    a.send()
    b.send()
    box.tx_inside(IP(src=a.host, dst=b.outside[0]) / UDP(sport=1000, dport=b.outside[1]), "drop-hairpinning")


def test_icmp_does_not_end_a_mapping(box):
    """Whatever ICMP message comes for it, the mapping stays (RFC 4787 REQ-12)."""
    flow = Udp(box, dport=5000)
    sent = flow.send(data=b"abcdefgh")
    for kind in range(256):
        if kind in (0, 8):
            continue
        error = kind in (3, 11, 12)
        box.tx_outside(IP(src=flow.remote, dst=flow.outside[0]) / ICMP(type=kind) / sent,
                       "nat44-in" if error else "drop-icmp-type")
        if error:
            assert box.rx_inside()[ICMP].type == kind
    flow.answer()


def test_error_from_anybody(box):
    """An ICMP error is let in whoever sends it: a router on the way is not the destination (RFC 4787
    REQ-12a)."""
    flow = Udp(box)
    sent = flow.send()
    router = box.remote()
    box.tx_outside(IP(src=router, dst=flow.outside[0]) / ICMP(type=11) / sent)
    p = box.rx_inside()
    assert (p.src, p.dst, p["UDP in ICMP"].sport, p["IP in ICMP"].dst) == (router, flow.host, 1000, flow.remote)


def test_zero_checksum(box):
    """No checksum stays no checksum (RFC 768), both ways and hairpinned."""
    flow = Udp(box)
    assert flow.send(chksum=0, data=b"abc")[UDP].chksum == 0
    assert flow.answer(chksum=0, data=b"abc")[UDP].chksum == 0


@pytest.mark.parametrize("way", ["out", "in"])
def test_checksum_that_comes_to_zero(box, way):
    """A checksum that comes to 0 by translation is sent as 0xffff (RFC 768)."""
    flow = Udp(box)
    flow.send()
    if way == "out":
        source, target = flow.outside, (flow.remote, 80)
    else:
        source, target = (flow.remote, 80), (flow.host, 1000)
    # the two bytes of data that make the translated datagram sum to 0xffff
    bare = bytes(IP(src=source[0], dst=target[0]) / UDP(sport=source[1], dport=target[1], len=10, chksum=0))[20:]
    addresses = bytes(IP(src=source[0], dst=target[0]))[12:20]
    data = struct.pack("!H", 0xffff ^ checksums.total(addresses + struct.pack("!HH", 17, 10) + bare))
    p = flow.send(data=data) if way == "out" else flow.answer(data=data)
    assert p[UDP].chksum == 0xffff and p[UDP].load == data


def test_nothing_else_changes(box):
    """Of the IP header only addresses, TTL and checksum change: DF is never cleared (RFC 6864 section 4.3), and
    type of service, id and data stay."""
    flow = Udp(box)
    for flags in (0, "DF"):
        sent = flow.outward(data=bytes(range(200)))
        sent.tos, sent.flags, sent.id, sent.ttl = 0xb9, flags, 0x1234 if flags else 0, 7
        box.tx_inside(sent)
        p = box.rx_outside()
        flow.outside = (p.src, p.sport)
        assert (p.tos, p.flags, p.ttl, p.len, p[UDP].load) == (0xb9, flags or 0, 6, 228, bytes(range(200)))
        back = flow.inward(data=b"x")
        back.flags, back.tos = flags, 0x20
        box.tx_outside(back)
        p = box.rx_inside()
        assert (p.flags, p.tos, p.ttl) == (flags or 0, 0x20, 63)


def test_time_to_live(box):
    """A datagram with one hop left ends here, and its sender is told by the box's own address (RFC 5508
    section 7.2); in hairpinning as elsewhere."""
    flow = Udp(box, dport=5000)
    flow.send()
    for packet, receive, me in (
            (flow.outward(data=b"abc"), box.rx_inside, "100.64.0.1"),
            (flow.inward(data=b"abc"), box.rx_outside, "192.0.2.1"),
            (IP(src=flow.host, dst=flow.outside[0]) / UDP(sport=1, dport=flow.outside[1]), box.rx_inside, "100.64.0.1")):
        for ttl in (1, 0):
            packet.ttl = ttl
            packet = IP(bytes(packet))
            (box.tx_outside if me == "192.0.2.1" else box.tx_inside)(packet, "drop-ttl")
            p = receive()
            assert (p.src, p.dst, p[ICMP].type, p[ICMP].code) == (me, packet.src, 11, 0)
            assert bytes(p[ICMP].payload) == bytes(packet)
            del packet.chksum


def test_burst(box):
    """The packets of one burst that belong together: the first makes what the rest needs."""
    host, remote = box.host(), box.remote()
    box.tx_inside([IP(src=host, dst=remote) / UDP(sport=1000 + i % 3, dport=80) / struct.pack("!H", i)
                   for i in range(60)])
    seen = {}
    for _ in range(60):
        p = box.rx_outside()
        seen.setdefault(struct.unpack("!H", p.load)[0] % 3, set()).add((p.src, p.sport))
    assert len(seen) == 3 and all(len(endpoints) == 1 for endpoints in seen.values())


def test_wrong_checksum_stays_wrong(box):
    """A damaged datagram is not made good: the difference is mended, not the sum (RFC 1624)."""
    for sent, layer in ((IP(src=box.host(), dst=box.remote()) / UDP(sport=5, dport=5, chksum=0x1234) / "damaged", UDP),
                        (IP(src=box.host(), dst=box.remote()) / TCP(sport=5, dport=5, chksum=0x1234), TCP)):
        box.tx_inside(sent)
        got = box.rx_frame("outside")
        assert checksums.faults(bytes(got.payload)) == [f"{layer.__name__} checksum"]
