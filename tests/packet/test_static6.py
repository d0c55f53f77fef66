# SPDX-License-Identifier: BSD-3-Clause
"""Static mappings of hosts without an IPv4 address of their own: behind NAT64 (RFC 6146 section 3.3) and behind a B4
(RFC 8513). One box has both services, and each case runs for both."""
import ipaddress

import pytest
from scapy.all import ICMP, IP, TCP, UDP, ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest, IPv6, fragment

from config import AFTR, BLOCK, MAX_BLOCKS, PREF64, TAP_DEVICES, config, dslite, merge, nat64, static_mapping
from test_nat64 import embed
from yanglint import yanglint

WORKERS = [1, 3]
PREFIXES = [(PREF64, []), ("64:ff9b::/96", ["198.51.100.0/24"])]
DATA = bytes(range(256)) * 5


class Behind64:
    """A host of a NAT64 with static mappings."""
    kind, service, pool, away, wide = "nat64", "nat64", "203.0.113.1", "203.0.113.100", "203.0.113.101"
    host, whole = "2001:db8:1f0:100::5", "2001:db8:1f0:200::5"

    @staticmethod
    def entry(index, host, outside, *ports):
        return merge(static_mapping(index, "::", outside, *ports), {"internal-src-address": f"{host}/128"})

    @classmethod
    def config(cls, statics, **more):
        return nat64(PREFIXES, statics=statics, **more)

    @staticmethod
    def enter(box, host, packet):
        """Sends what an IPv4 packet is for the host, which is its source."""
        layer = packet.payload
        if ICMP in packet:
            echo = ICMPv6EchoRequest if layer.type == 8 else ICMPv6EchoReply
            layer = echo(id=layer.id, seq=layer.seq, data=bytes(layer.payload))
        prefix = "64:ff9b::/96" if packet.dst.startswith("198.51.100.") else PREF64
        layer = layer.copy()
        layer.chksum = layer.cksum = None
        return IPv6(src=host, dst=embed(packet.dst, prefix)) / layer

    @staticmethod
    def leave(p):
        """Who gets a packet: host, remote, layer."""
        remote = str(ipaddress.IPv4Address(int(ipaddress.IPv6Address(p.src)) & 0xffffffff))
        return p.dst, remote, p.payload

    @staticmethod
    def subscriber(host):
        return str(ipaddress.ip_network((host, 56), strict=False))


class BehindB4:
    """A host behind a B4; its name is that of its B4 and its own."""
    kind, service, pool, away, wide = "ds-lite", "ds-lite", "203.0.113.1", "203.0.113.100", "203.0.113.101"
    host, whole = ("2001:db8:1f0:100::1", "192.168.1.5"), ("2001:db8:1f0:200::1", "192.168.1.5")

    @staticmethod
    def entry(index, host, outside, *ports):
        return merge(static_mapping(index, host[1], outside, *ports),
                     {"ietf-dslite:b4-ipv6-address": {"address": host[0]}})

    @classmethod
    def config(cls, statics, **more):
        return dslite(statics=statics, **more)

    @staticmethod
    def enter(box, host, packet):
        packet = packet.copy()
        packet.src = host[1]
        return IPv6(src=host[0], dst=AFTR) / packet

    @staticmethod
    def leave(p):
        assert (p.src, p.nh) == (AFTR, 4)
        inner = IP(p.original[40:])
        return (p.dst, inner.dst), inner.src, inner.payload

    @staticmethod
    def subscriber(host):
        return str(ipaddress.ip_network((host[0], 56), strict=False))


def entries(s):
    return [s.entry(1, s.host, s.pool, 6, 80, 8080),
            s.entry(2, s.host, s.pool, 17, (5000, 5009), (6000, 6009)),
            s.entry(3, s.host, s.pool, 1, (7, 8), (70, 71)),
            s.entry(4, s.host, s.away, None, 53, 53),
            s.entry(5, s.whole, s.wide)]


# what is sent to which outside address and port, who gets it, and at which of his ports
FORWARDS = [("pool", TCP, 8080, "host", 80), ("pool", UDP, 6000, "host", 5000), ("pool", UDP, 6009, "host", 5009),
            ("away", TCP, 53, "host", 53), ("away", UDP, 53, "host", 53),
            ("wide", TCP, 22, "whole", 22), ("wide", UDP, 65535, "whole", 65535)]


@pytest.fixture(params=[Behind64, BehindB4], ids=["nat64", "ds-lite"])
def service(request):
    return request.param


@pytest.fixture
def made(service, fresh):
    """For each number of workers a box with these entries."""
    return service, [fresh(workers=n, **service.config(entries(service))) for n in WORKERS]


def syn(layer, flags="S"):
    return {"flags": flags} if layer is TCP else {}


def inward(box, s, packet):
    """Sends a packet from outside. Returns who gets it from whom, and what."""
    box.tx_outside(packet, f"{s.kind}-in")
    return s.leave(box.rx_inside())


def outward(box, s, host, packet):
    box.tx_inside(s.enter(box, host, packet), f"{s.kind}-out")
    return box.rx_outside()


def test_from_outside_first(made):
    """The forward opens a mapping and makes its host known; what the host sends from the port keeps it, to everybody
    (RFC 6146 sections 3.3 and 3.5, RFC 4787 REQ-1)."""
    s, boxes = made
    for box in boxes:
        for at, layer, port, who, inside_port in FORWARDS:
            remote, outside, host = box.remote(), getattr(s, at), getattr(s, who)
            packet = IP(src=remote, dst=outside) / layer(sport=4000, dport=port, **syn(layer)) / b"in"
            to, peer, got = inward(box, s, packet)
            assert (to, peer, got.sport, got.dport) == (host, remote, 4000, inside_port)
            for other, flags in ((remote, "SA"), (box.remote(), "S")):
                p = outward(box, s, host, IP(dst=other) / layer(sport=inside_port, dport=4000, **syn(layer, flags)))
                assert (p.src, p.dst, p.sport) == (outside, other, port)


def test_from_inside_first(made):
    """The host may speak first; answers and strangers reach it."""
    s, boxes = made
    for box in boxes:
        for at, layer, port, who, inside_port in FORWARDS:
            outside, host = getattr(s, at), getattr(s, who)
            remote = box.remote()
            p = outward(box, s, host, IP(dst=remote) / layer(sport=inside_port, dport=9, **syn(layer)))
            assert (p.src, p.sport) == (outside, port)
            for peer, flags in ((remote, "SA"), (box.remote(), "S")):
                to, src, got = inward(box, s, IP(src=peer, dst=outside) /
                                      layer(sport=9, dport=port, **syn(layer, flags)))
                assert (to, src, got.dport) == (host, peer, inside_port)


def test_identifiers(made):
    """Identifiers of ICMP queries are mapped like ports (RFC 6146 section 3.5.3)."""
    s, boxes = made
    for box in boxes:
        remote = box.remote()
        to, _, got = inward(box, s, IP(src=remote, dst=s.pool) / ICMP(type=8, id=71, seq=1) / b"who")
        assert (to, got.id) == (s.host, 8)
        p = outward(box, s, s.host, IP(dst=remote) / ICMP(type=0, id=8, seq=1) / b"who")
        assert (p.src, p[ICMP].id) == (s.pool, 71)
        to, _, got = inward(box, s, IP(src=remote, dst=s.wide) / ICMP(type=8, id=0, seq=1))
        assert (to, got.id) == (s.whole, 0)
        box.tx_outside(IP(src=remote, dst=s.pool) / ICMP(type=8, id=72), "drop-no-mapping")


def test_other_ports(made):
    """What no entry covers stays outside, and the host's other flows are like anybody's."""
    s, boxes = made
    for box in boxes:
        remote = box.remote()
        for to, layer in ((s.pool, TCP(dport=8081, flags="S")), (s.pool, UDP(dport=8080)), (s.pool, UDP(dport=6010)),
                          (s.away, UDP(dport=54))):
            box.tx_outside(IP(src=remote, dst=to) / layer, "drop-no-mapping")
        box.tx_outside(IP(src=remote, dst=s.wide) / TCP(dport=23, flags="A"), "drop-not-syn")
        p = outward(box, s, s.host, IP(dst=remote) / UDP(sport=80, dport=9))
        assert (p.src, p.sport) != (s.pool, 8080) and p.src not in (s.away, s.wide) and p.sport >= 1024
        # whom nobody mapped does not get there by a neighbour's entry
        neighbour = "2001:db8:1f0:100::6" if s is Behind64 else (s.host[0], "192.168.1.6")
        assert outward(box, s, neighbour, IP(dst=remote) / UDP(sport=53, dport=9)).src != s.away


def test_ports_are_nobody_else_s(fresh, service):
    """No subscriber is given a port of a static mapping (RFC 4787 REQ-3)."""
    s = service
    pool = "203.0.113.1/32"
    taken = [s.entry(n, s.host, s.pool, 17, 1000 + n, 1024 + n * 2) for n in range(2000)]
    box = fresh(**s.config(taken, pool=pool))
    reserved = {1024 + n * 2 for n in range(2000)}
    seen = set()
    for n in range(20):
        b4 = box.host6()
        host = b4 if s is Behind64 else (b4, "10.0.0.1")
        for port in range(BLOCK // 2):
            seen.add(outward(box, s, host, IP(dst="198.18.0.9") / UDP(sport=3000 + port, dport=9)).sport)
    assert len(seen) == 20 * BLOCK // 2 and not seen & reserved


def test_quota(made):
    """A static port is the operator's gift: the host still has all its dynamic ones."""
    s, boxes = made
    remote = boxes[0].remote()
    packets = [s.enter(boxes[0], s.whole if s is Behind64 else (s.whole[0], "192.168.1.7"),
                       IP(dst=remote) / UDP(sport=3000 + n, dport=9)) for n in range(BLOCK * MAX_BLOCKS)]
    inward(boxes[0], s, IP(src=remote, dst=s.wide) / UDP(sport=9, dport=9))
    boxes[0].tx_inside(packets, f"{s.kind}-out")
    assert len({(p.src, p.sport) for p in (boxes[0].rx_outside() for _ in packets)}) == len(packets)


def test_errors(made):
    """ICMP errors go by what they quote, both ways (RFC 6146 section 3.5, RFC 5508 REQ-4, REQ-5)."""
    s, boxes = made
    for box in boxes:
        remote = box.remote()
        sent = outward(box, s, s.whole, IP(dst=remote) / UDP(sport=77, dport=9) / b"question")
        to, peer, got = inward(box, s, IP(src="192.0.2.9", dst=s.wide) / ICMP(type=3, code=1) / sent)
        quoted = (IP if s is BehindB4 else IPv6)(bytes(got)[8:])
        assert (to, peer) == (s.whole, "192.0.2.9") and quoted[UDP].sport == 77
        assert (quoted.src if s is Behind64 else (s.whole[0], quoted.src)) == s.whole
        box.tx_outside(IP(src=remote, dst=s.wide) / UDP(sport=9, dport=77) / b"answer", f"{s.kind}-in")
        p = box.rx_inside()
        if s is Behind64:
            error = IPv6(src=s.whole, dst=p.src) / ICMPv6DestUnreach(code=4) / IPv6(p.original)
        else:
            inner = IP(p.original[40:])
            error = s.enter(box, s.whole, IP(dst=remote) / ICMP(type=3, code=3) / inner)
        box.tx_inside(error, f"{s.kind}-out")
        p = box.rx_outside()
        assert (p.src, p[ICMP].payload.dst, p[ICMP].payload.dport) == (s.wide, s.wide, 77)


def test_fragments(fresh, service):
    """Fragments from outside go by the ports of their first, in any order (RFC 6146 section 3.4)."""
    s = service
    for workers in WORKERS:
        box = fresh(workers=workers, devices=TAP_DEVICES, platform={"packet-buffers": 16383}, **s.config(entries(s)))
        whole = IP(src=box.remote(), dst=s.wide, id=7) / UDP(sport=9, dport=700) / DATA
        whole = IP(bytes(whole))  # with checksum
        parts = fragment(whole, fragsize=512)
        box.tx_outside(parts[1:], None)
        box.tx_outside(parts[0], None)
        assert box.settle() == {f"{s.kind}-in": len(parts)}
        for _ in parts:
            p = box.rx_inside()
            assert p.dst == (s.whole if s is Behind64 else s.whole[0])


def test_hairpin(made):
    """A subscriber reaches the host by its outside address, and is seen by its own (RFC 6146 section 3.8, RFC 4787
    REQ-9a)."""
    s, boxes = made
    for box in boxes:
        for _ in range(6):  # of any worker
            b4 = box.host6()
            guest = b4 if s is Behind64 else (b4, "10.0.0.1")
            box.tx_inside(s.enter(box, guest, IP(dst=s.pool) / TCP(sport=4000, dport=8080, flags="S")),
                          f"{s.kind}-hairpin")
            to, peer, got = s.leave(box.rx_inside())
            assert (to, got.dport) == (s.host, 80) and peer.startswith("203.0.113.")
            box.tx_inside(s.enter(box, s.host, IP(dst=peer) / TCP(sport=80, dport=got.sport, flags="SA")),
                          f"{s.kind}-hairpin")
            to, peer, got = s.leave(box.rx_inside())
            assert (to, peer, got.sport, got.dport) == (guest, s.pool, 8080, 4000)


def test_b4_elsewhere(fresh):
    """A B4 that is seen with another address of its subscriber's prefix keeps its static mappings: what comes from
    outside follows it, as it does dynamic ones, and goes where it is configured to be when nothing is known of it (RFC
    7785 section 4). Where a subscriber may have several, each B4 is its address alone."""
    s = BehindB4
    moved = ("2001:db8:1f0:100::77", s.host[1])
    for workers in WORKERS:
        box = fresh(workers=workers, **s.config(entries(s)))
        web = IP(src=box.remote(), dst=s.pool) / UDP(sport=9, dport=6000)
        assert inward(box, s, web)[0] == s.host
        p = outward(box, s, moved, IP(dst=web.src) / UDP(sport=5000, dport=9))
        assert (p.src, p.sport) == (s.pool, 6000)
        assert inward(box, s, web)[0] == moved
        dns = IP(src=web.src, dst=s.away) / UDP(sport=9, dport=53)
        assert inward(box, s, dns)[0] == moved
        box.advance(301)  # and all is over
        assert inward(box, s, web)[0] == s.host
    box = fresh(**s.config(entries(s), policy={"ietf-dslite:max-softwires-per-subscriber": 2}))
    p = outward(box, s, moved, IP(dst=web.src) / UDP(sport=5000, dport=9))
    assert (p.src, p.sport) != (s.pool, 6000)
    assert inward(box, s, web)[0] == s.host
    outward(box, s, moved, IP(dst=web.src) / UDP(sport=5000, dport=9))


def test_which_prefix(fresh):
    """A remote is seen behind the prefix whose network is the longest that has it, whoever speaks first; behind none
    nothing is forwarded (RFC 6146 section 3.5.4, RFC 7050 section 5.1)."""
    s = Behind64
    box = fresh(**s.config(entries(s)))
    for remote, prefix in (("198.51.100.7", "64:ff9b::/96"), ("198.51.101.7", PREF64)):
        box.tx_outside(IP(src=remote, dst=s.wide) / UDP(sport=9, dport=700), "nat64-in")
        p = box.rx_inside()
        assert (p.src, p.dst) == (embed(remote, prefix), s.whole)
        box.tx_inside(IPv6(src=s.whole, dst=p.src) / UDP(sport=700, dport=9), "nat64-out")
        assert box.rx_outside().dst == remote
    box = fresh(**nat64([("64:ff9b::/96", ["198.51.100.0/24"])], statics=entries(s)))
    box.tx_outside(IP(src="198.51.101.7", dst=s.wide) / UDP(sport=9, dport=700), "drop-pref64")


def test_other_services_subscribers(fresh):
    """A subscriber of NAT44 reaches the host by its outside address too, whichever workers they are of."""
    own = {"id": 2, "type": "ietf-nat:napt44", "policy": [{
        "id": 1, "external-ip-address-pool": [{"pool-id": 1, "external-ip-pool": "203.0.113.128/28"}],
        "subscriber-match": [{"match-id": 1, "subnet": "100.64.0.0/10"}]}]}
    for s in (Behind64, BehindB4):
        whole = config(workers=3, **s.config(entries(s)))
        whole["ietf-nat:nat"]["instances"]["instance"].append(own)
        box = fresh(workers=3, **s.config(entries(s), more={"ietf-nat:nat": whole["ietf-nat:nat"]}))
        for _ in range(6):
            guest = box.host()
            box.tx_inside(IP(src=guest, dst=s.pool) / TCP(sport=4000, dport=8080, flags="S"), f"{s.kind}-hairpin")
            to, peer, got = s.leave(box.rx_inside())
            assert (to, got.dport) == (s.host, 80) and peer.startswith("203.0.113.1")
            box.tx_inside(s.enter(box, s.host, IP(dst=peer) / TCP(sport=80, dport=got.sport, flags="SA")),
                          "nat44-hairpin")
            p = box.rx_inside()
            assert (p.src, p.sport, p.dst, p.dport) == (s.pool, 8080, guest, 4000)


def test_reload(fresh, service):
    """Entries come, change and go with a configuration; mappings that say otherwise end, others stay."""
    s = service
    for workers in WORKERS:
        box = fresh(workers=workers, **s.config([]))
        remote = box.remote()
        flow, other = (IP(dst=remote) / UDP(sport=port, dport=9) for port in (80, 81))
        outward(box, s, s.host, flow)
        kept = outward(box, s, s.host, other)
        for outside, port in ((s.away, 8080), (s.away, 8081), (s.wide, 8081)):
            box.reload(config(workers=workers, **s.config([s.entry(1, s.host, outside, 17, 80, port)])))
            to, _, got = inward(box, s, IP(src=remote, dst=outside) / UDP(sport=9, dport=port))
            assert (to, got.dport) == (s.host, 80)
            p = outward(box, s, s.host, flow)
            assert (p.src, p.sport) == (outside, port)
        # the same entry in another place of the table
        box.reload(config(workers=workers, **s.config([s.entry(1, s.whole, s.away, 17, 9, 9),
                                                       s.entry(2, s.host, s.wide, 17, 80, 8081)])))
        assert inward(box, s, IP(src=remote, dst=s.wide) / UDP(sport=9, dport=8081))[0] == s.host
        assert inward(box, s, IP(src=remote, dst=s.away) / UDP(sport=9, dport=9))[0] == s.whole
        box.reload(config(workers=workers, **s.config([])))
        p = outward(box, s, s.host, flow)
        assert p.src not in (s.away, s.wide)
        p = outward(box, s, s.host, other)
        assert (p.src, p.sport) == (kept.src, kept.sport)


def test_table_and_lookup(made, tmp_path):
    """The table shows the entries as they were configured, and a lookup names the subscriber; with a mapping, the host
    (RFC 8512, RFC 8513, RFC 9066 section 5.3.2)."""
    s, boxes = made
    for box in boxes:
        shown = {m["index"]: m for m in box.mappings() if m["type"] == "static"}
        assert shown == {m["index"]: m for m in entries(s)}
        for address, port, protocol, host in ((s.pool, 8080, "tcp", s.host), (s.away, 53, "udp", s.host),
                                              (s.pool, 70, "icmp", s.host), (s.wide, 4711, "udp", s.whole)):
            answer = box.ask("lookup", address, port, protocol)["homeport:homeport"]["resolve"]["answer"]
            holder, = answer["holder"]
            assert (holder["service"], holder["subscriber"]) == (s.service, s.subscriber(host))
            assert "until" not in holder and not answer["ambiguous"]
        inward(box, s, IP(src=box.remote(), dst=s.pool) / TCP(dport=8080, flags="S"))
        answer = box.ask("lookup", s.pool, 8080, "tcp")["homeport:homeport"]["resolve"]["answer"]
        holder, = answer["holder"]
        found = holder["internal-address"] if s is Behind64 else (holder["b4-address"], holder["internal-address"])
        assert (found, holder["internal-port"]) == (s.host, 80)
        done = yanglint(box.ask("show", "mappings"), tmp_path / "mappings.json")
        assert not done.returncode, done.stderr


def test_mitigation(made):
    """A mitigation of the subscriber stops what its static mappings send."""
    s, boxes = made
    for box in boxes:
        remote = box.remote()
        box.ask("dots", "mitigate", "--source", f"{s.wide}/32", "--source-port", "700", "--target", f"{remote}/32")
        box.tx_inside(s.enter(box, s.whole, IP(dst=remote) / UDP(sport=700, dport=9)), "drop-acl")
        outward(box, s, s.whole, IP(dst=box.remote()) / UDP(sport=700, dport=9))
        box.tx_inside(s.enter(box, s.whole, IP(dst=remote) / UDP(sport=700, dport=9)), "drop-acl")
