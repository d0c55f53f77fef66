# SPDX-License-Identifier: BSD-3-Clause
"""Stateful NAT64 (RFC 6146), with addresses by RFC 6052 and translation by RFC 7915. What it shares with NAT44 is
told by the cases of that: here it is shown that it holds for IPv6 hosts too."""
import ipaddress

import pytest
from scapy.all import (ESP, ICMP, IP, TCP, UDP, ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest,
                       ICMPv6PacketTooBig, ICMPv6ParamProblem, ICMPv6TimeExceeded, IPOption_Timestamp, IPOption_RR, IPv6, IPv6ExtHdrDestOpt,
                       IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, PadN, Raw, fragment, fragment6, rdpcap)

from box import check_config
from config import BOX_INSIDE6, BOX_OUTSIDE, GATEWAY_INSIDE6, INSIDE6, MAC, PREF64, TAP_DEVICES, config, nat64

WORKERS = [1, 3]
WELL_KNOWN = "64:ff9b::/96"
PREFIXES = [(PREF64, []), (WELL_KNOWN, ["198.51.100.0/24", "10.0.0.0/8"])]
BUFFERS = 16383  # each queue of a TAP device keeps a thousand
CONFIG = nat64(PREFIXES)


def embed(v4, prefix=PREF64):
    """RFC 6052 section 2.2, for all lengths."""
    net = ipaddress.ip_network(prefix)
    out, at = bytearray(net.network_address.packed), net.prefixlen // 8
    for byte in ipaddress.ip_address(v4).packed:
        at += at == 8
        out[at] = byte
        at += 1
    return str(ipaddress.ip_address(bytes(out)))


class Flow:
    """As those of conversation.py, of an IPv6 host."""

    def __init__(self, box, host=None, remote=None, sport=1000, dport=80, prefix=PREF64):
        self.box, self.sport, self.dport, self.prefix = box, sport, dport, prefix
        self.host, self.remote = host or box.host6(), remote or box.remote()
        self.outside = None

    def outward(self, data=b"", **fields):
        return (IPv6(src=self.host, dst=embed(self.remote, self.prefix)) /
                self.layer(sport=self.sport, dport=self.dport, **fields) / data)

    def inward(self, data=b"", **fields):
        return (IP(src=self.remote, dst=self.outside[0]) /
                self.layer(sport=self.dport, dport=self.outside[1], **fields) / data)

    def port_of(self, p, which):
        return p.sport if which == "s" else p.dport

    def send(self, verdict="nat64-out", **fields):
        self.box.tx_inside(self.outward(**fields), verdict)
        if verdict != "nat64-out":
            return None
        p = self.box.rx_outside()
        endpoint = (p.src, self.port_of(p, "s"))
        assert p.dst == self.remote and self.outside in (None, endpoint)
        self.outside = endpoint
        return p

    def answer(self, verdict="nat64-in", **fields):
        self.box.tx_outside(self.inward(**fields), verdict)
        if verdict != "nat64-in":
            return None
        p = self.box.rx_inside()
        assert (p.src, p.dst, self.port_of(p, "d")) == (embed(self.remote, self.prefix), self.host, self.sport)
        return p


class Udp(Flow):
    layer = UDP


class Tcp(Flow):
    layer = TCP

    def open(self):
        self.send(flags="S")
        self.answer(flags="SA")
        self.send(flags="A")
        return self


class Ping(Flow):
    def outward(self, seq=1, data=b"ping"):
        return IPv6(src=self.host, dst=embed(self.remote)) / ICMPv6EchoRequest(id=self.sport, seq=seq, data=data)

    def inward(self, seq=1, data=b"ping"):
        return IP(src=self.remote, dst=self.outside[0]) / ICMP(type=0, id=self.outside[1], seq=seq) / data

    def port_of(self, p, which):
        return p[ICMP].id if which == "s" else p[ICMPv6EchoReply].id


def test_both_ways(box):
    """Out and back, each protocol, with data (RFC 6146 section 3): one external tuple for each internal one."""
    host = box.host6()
    for flow in (Udp(box, host), Tcp(box, host), Ping(box, host)):
        assert flow.send(**({"flags": "S"} if isinstance(flow, Tcp) else {"data": b"out"})).src.startswith("203.0.113.")
        p = flow.answer(**({"flags": "SA"} if isinstance(flow, Tcp) else {"data": b"back"}))
        assert isinstance(flow, Tcp) or b"back" in bytes(p)


def test_endpoint_independent(box):
    """The mapping is that of the source endpoint, for every destination, and whoever writes to it is heard
    (RFC 6146 sections 3.5.1, 3.5.2.3)."""
    flow = Udp(box)
    flow.send()
    for _ in range(3):
        other = Udp(box, host=flow.host, dport=5000)
        other.send()
        assert other.outside == flow.outside
    stranger = Udp(box, host=flow.host, dport=7)
    stranger.outside = flow.outside
    stranger.answer()


def test_subscriber_has_one_address(box):
    """All hosts of a subscriber leave by one address (RFC 6146 section 3.5.1.1: T for S' from any BIB), and none
    share a port."""
    first = box.host6()
    hosts = [str(ipaddress.ip_address(first) + i * (1 << 64) + i) for i in range(5)]
    flows = [kind(box, host) for host in hosts for kind in (Udp, Tcp, Ping)]
    for flow in flows:
        flow.send(**({"flags": "S"} if isinstance(flow, Tcp) else {}))
    assert len({flow.outside[0] for flow in flows}) == 1
    for kind in (Udp, Tcp, Ping):
        ports = [f.outside[1] for f in flows if isinstance(f, kind)]
        assert len(set(ports)) == len(ports) and min(ports) >= 1024
    for flow in flows:
        flow.answer(**({"flags": "SA"} if isinstance(flow, Tcp) else {}))
    mine = [s for s in box.subscribers() if s["address"] == str(ipaddress.ip_network(f"{first}/56", strict=False))]
    assert len(mine) == 1


def test_header(box):
    """Traffic class and hop limit; no flow label, no options (RFC 7915 sections 4.1 and 5.1)."""
    flow = Udp(box)
    flow.send()
    p = flow.outward()
    p.tc, p.fl, p.hlim = 0xb9, 0x12345, 9
    box.tx_inside(p, "nat64-out")
    q = box.rx_outside()
    assert (q.tos, q.ttl, q.ihl, q.flags) == (0xb9, 8, 5, 0) and q.len == len(p) - 20
    p = flow.inward(b"data")
    p.tos, p.ttl, p.options = 0x2e, 5, [IPOption_RR(routers=["0.0.0.0"])]
    box.tx_outside(p, "nat64-in")
    q = box.rx_inside()
    assert (q.tc, q.fl, q.hlim, q.nh, q.plen) == (0x2e, 0, 4, 17, 12)


def test_dont_fragment(box):
    """A packet that no IPv6 link would have cut may be cut later, a larger one not (RFC 7915 section 5.1)."""
    flow = Udp(box)
    for size, flags in ((1232, 0), (1233, 2)):
        assert flow.send(data=b"x" * size).flags == flags


def test_identifications(box):
    """What is not atomic has an identification of its own (RFC 6864, RFC 7915 section 5.1)."""
    flow, ids = Udp(box), set()
    for _ in range(20):
        ids.add(flow.send().id)
    assert len(ids) == 20


def test_source_in_pref64(box):
    """Nobody inside has an address that stands for IPv4 (RFC 6146 sections 3.5 and 5.4): no loops."""
    for prefix in (PREF64, WELL_KNOWN):
        box.tx_inside(IPv6(src=embed("192.0.2.1", prefix), dst=embed(box.remote())) / UDP(sport=1, dport=2),
                      "drop-spoofed")


def test_strangers(box):
    """Who is not served, who comes from outside, and what is for nobody."""
    box.tx_outside(IPv6(src=box.remote6(), dst=embed(box.remote())) / UDP(sport=1, dport=2), "drop-realm")
    flow = Udp(box)
    flow.send()
    flow.outside = (flow.outside[0], flow.outside[1] ^ 1)
    flow.answer("drop-no-mapping")
    box.tx_outside(IP(src=box.remote(), dst=flow.outside[0]) / ICMP(type=8, id=1), "drop-no-mapping")


def test_which_prefix(box):
    """A destination is seen behind the prefix that is for it, both ways, and behind no other (RFC 7050 section
    5.1)."""
    flow = Udp(box, remote="198.51.100.77", prefix=WELL_KNOWN)
    flow.send()
    flow.answer()
    Udp(box, remote="198.51.100.77", prefix=PREF64).send("drop-pref64")
    Udp(box, prefix=WELL_KNOWN).send("drop-pref64")


def test_well_known_prefix(box):
    """It stands for no address that is not global (RFC 6052 section 3.1)."""
    Udp(box, remote="10.0.0.1", prefix=WELL_KNOWN).send("drop-pref64")


@pytest.mark.parametrize("prefix", ["2001:db8::/32", "2001:db8:100::/40", "2001:db8:122::/48", "2001:db8:122:300::/56",
                                    "2001:db8:122:344::/64", "2001:db8:122:344::/96"])
def test_prefix_lengths(fresh, prefix):
    """All forms of RFC 6052 section 2.2, out and back and in errors."""
    prefix = prefix.replace("db8", "db9")
    box = fresh(**nat64([(prefix, [])]))
    flow = Udp(box, remote="198.51.100.33", prefix=prefix)
    sent = flow.send()
    flow.answer()
    box.tx_outside(IP(src="198.51.100.9", dst=sent.src) / ICMP(type=3, code=1) / sent, "nat64-in")
    error = box.rx_inside()
    assert error.src == embed("198.51.100.9", prefix)
    assert bytes(error[ICMPv6DestUnreach].payload)[24:40] == ipaddress.ip_address(embed("198.51.100.33", prefix)).packed


def test_no_prefix_is_the_well_known(fresh):
    box = fresh(**nat64([]))
    flow = Udp(box, remote="198.51.100.33", prefix=WELL_KNOWN)
    flow.send()
    flow.answer()


def test_udp_timer(box):
    """300 s after the last packet out, the mapping with it (RFC 6146 section 3.5.1, RFC 4787 REQ-6)."""
    flow = Udp(box, dport=5000)
    flow.send()
    box.advance(299)
    flow.answer()
    box.advance(2)
    flow.answer("drop-no-mapping")
    assert not [m for m in box.mappings() if m["internal-src-address"] == f"{flow.host}/128"]


def test_icmp_timer(box):
    """60 s (RFC 6146 section 3.5.3)."""
    ping = Ping(box)
    ping.send()
    box.advance(59)
    ping.answer()
    box.advance(2)
    ping.answer("drop-no-mapping")


def test_tcp_established(box):
    """7200 s and then 240 s in which any segment brings it back: as long as one timer of 7440 s (RFC 6146 section
    3.5.2.2)."""
    flow = Tcp(box).open()
    box.advance(7439)
    flow.answer(flags="A")
    box.advance(7439)
    flow.send(flags="A")
    box.advance(7441)
    flow.answer("drop-no-mapping", flags="A")


def test_tcp_half_closed(box):
    """One FIN leaves the connection its time; both leave it 240 s (RFC 6146 section 3.5.2.2)."""
    flow = Tcp(box).open()
    flow.answer(flags="FA")
    box.advance(7000)
    flow.send(flags="A")
    flow.send(flags="FA")
    box.advance(239)
    flow.answer(flags="A")
    box.advance(2)
    flow.answer("drop-no-mapping", flags="A")


def test_tcp_reset(box):
    """A reset leaves 240 s, in which any other segment brings the connection back (RFC 6146 section 3.5.2.2)."""
    flow = Tcp(box).open()
    flow.answer(flags="R")
    box.advance(200)
    flow.send(flags="A")
    box.advance(300)
    flow.answer(flags="A")
    flow.answer(flags="R")
    box.advance(241)
    flow.answer("drop-no-mapping", flags="A")


def test_only_syn_opens(box):
    """RFC 6146 section 3.5.2.2, state CLOSED."""
    flow = Tcp(box)
    for flags in ("A", "SA", "FA", "R"):
        flow.send("drop-not-syn", flags=flags)
    flow.send(flags="S")


def test_syn_from_outside(box):
    """To a mapping that is there: it passes, and has the time of a connection that opens (RFC 6146 section
    3.5.2.2)."""
    flow = Tcp(box).open()
    other = Tcp(box, host=flow.host, dport=99)
    other.outside = flow.outside
    other.answer(flags="S")
    other.send(flags="SA")
    other.answer(flags="A")


def test_syn_without_mapping(box):
    """It is kept for six seconds, and then answered (RFC 6146 section 3.5.2.2, RFC 5382 REQ-4)."""
    flow = Tcp(box).open()
    syn = IP(src=box.remote(), dst=flow.outside[0]) / TCP(sport=7, dport=flow.outside[1] ^ 1, flags="S")
    box.tx_outside(syn, "drop-no-mapping")
    box.advance(5)
    box.nothing()
    box.advance(2)
    error = box.rx_outside()
    assert (error[ICMP].type, error[ICMP].code) == (3, 3)


def test_hairpin(box):
    """Two hosts by an outside address: each is seen with its own (RFC 6146 section 3.8)."""
    one, other = Udp(box), Udp(box)
    one.send()
    other.send()
    box.tx_inside(IPv6(src=one.host, dst=embed(other.outside[0])) / UDP(sport=one.sport, dport=other.outside[1]) / "hi",
                  "nat64-hairpin")
    p = box.rx_inside()
    assert (p.src, p.sport) == (embed(one.outside[0]), one.outside[1])
    assert (p.dst, p.dport, p.load, p.hlim) == (other.host, other.sport, b"hi", 63)
    error = IPv6(src=other.host, dst=p.src) / ICMPv6DestUnreach(code=4) / p
    box.tx_inside(error, "nat64-hairpin")
    q = box.rx_inside()
    assert (q.src, q.dst) == (embed(other.outside[0]), one.host)
    inner = IPv6(bytes(q[ICMPv6DestUnreach].payload))
    assert (inner.src, inner.dst, inner[UDP].sport, inner[UDP].dport) == (
        one.host, embed(other.outside[0]), one.sport, other.outside[1])


ERRORS_IN = [((3, 0), (1, 0)), ((3, 1), (1, 0)), ((3, 2), (4, 1)), ((3, 3), (1, 4)), ((3, 10), (1, 1)), ((3, 13), (1, 1)),
             ((11, 0), (3, 0)), ((11, 1), (3, 1))]


@pytest.mark.parametrize("v4, v6", ERRORS_IN)
@pytest.mark.parametrize("kind", [Udp, Tcp, Ping])
def test_error_from_outside(box, kind, v4, v6):
    """About what the host has sent: the quote is what it sent (RFC 6146 section 3.7, RFC 7915 sections 4.2 and
    4.3)."""
    flow = kind(box)
    sent = flow.send(**({"flags": "S"} if kind is Tcp else {}))
    router = box.remote()
    box.tx_outside(IP(src=router, dst=sent.src) / ICMP(type=v4[0], code=v4[1]) / sent, "nat64-in")
    error = box.rx_inside()
    assert (error.src, error.dst) == (embed(router), flow.host)
    assert (error.payload.type, error.payload.code) == v6
    inner, was = IPv6(bytes(error.payload)[8:]), flow.outward(**({"flags": "S"} if kind is Tcp else {}))
    assert bytes(inner.payload) == bytes(was.payload) and (inner.src, inner.dst) == (was.src, was.dst)


ERRORS_OUT = [((1, 0), (3, 1)), ((1, 1), (3, 10)), ((1, 3), (3, 1)), ((1, 4), (3, 3)), ((3, 0), (11, 0)), ((4, 1), (3, 2))]


@pytest.mark.parametrize("v6, v4", ERRORS_OUT)
def test_error_from_inside(box, v6, v4):
    """From the host or a router before it, whose own address nothing stands for: the host's stands for both
    (RFC 7915 sections 5.2 and 5.3, RFC 6791)."""
    flow = Udp(box)
    flow.send()
    got = flow.answer(data=b"hello")
    kind = {1: ICMPv6DestUnreach, 3: ICMPv6TimeExceeded, 4: ICMPv6ParamProblem}[v6[0]]
    for source in (flow.host, box.host6()):
        box.tx_inside(IPv6(src=source, dst=embed(flow.remote)) / kind(code=v6[1]) / got, "nat64-out")
        error = box.rx_outside()
        assert (error.src, error.dst) == (flow.outside[0], flow.remote)
        assert (error[ICMP].type, error[ICMP].code) == v4
        inner = IP(bytes(error[ICMP].payload))
        assert bytes(inner.payload) == bytes(flow.inward(b"hello").payload)


def test_errors_not_translated(box):
    """What has no counterpart, quotes an error, or is damaged (RFC 7915 sections 4.2 to 5.3, RFC 5508 REQ-3)."""
    flow = Udp(box)
    sent = flow.send()
    got = flow.answer()
    for kind, code in ((ICMPv6DestUnreach, 5), (ICMPv6ParamProblem, 2)):
        box.tx_inside(IPv6(src=flow.host, dst=embed(flow.remote)) / kind(code=code) / got, "drop-icmp-type")
    box.tx_inside(IPv6(src=flow.host, dst=embed(flow.remote)) / ICMPv6DestUnreach(cksum=1) / got, "drop-icmp-checksum")
    error = IPv6(src=embed(flow.remote), dst=flow.host) / ICMPv6DestUnreach() / sent
    box.tx_inside(IPv6(src=flow.host, dst=embed(flow.remote)) / ICMPv6DestUnreach() / error, "drop-icmp-quote")
    stranger = IPv6(src=embed(flow.remote), dst=box.host6()) / UDP(sport=80, dport=9)
    box.tx_inside(IPv6(src=flow.host, dst=embed(flow.remote)) / ICMPv6DestUnreach() / stranger, "drop-no-mapping")
    for type_ in (13, 17):
        box.tx_outside(IP(src=flow.remote, dst=flow.outside[0]) / ICMP(type=type_), "drop-icmp-type")
    box.tx_outside(IP(src=flow.remote, dst=flow.outside[0]) / ICMP(type=3, code=14) / sent, "drop-icmp-type")


@pytest.mark.parametrize("told, becomes", [(1400, 1420), (576, 1280), (1480, 1500), (1500, 1500), (0, 1280)])
def test_mtu_from_outside(box, told, becomes):
    """Packet Too Big tells what the whole way to there takes of IPv6 (RFC 7915 section 4.2)."""
    flow = Udp(box)
    sent = flow.send(data=b"x" * 1000)
    box.tx_outside(IP(src=box.remote(), dst=sent.src) / ICMP(type=3, code=4, nexthopmtu=told) / bytes(sent)[:200],
                   "nat64-in")
    assert box.rx_inside()[ICMPv6PacketTooBig].mtu == becomes


@pytest.mark.parametrize("told, becomes", [(1280, 1260), (1400, 1380), (9000, 1480)])
def test_mtu_from_inside(box, told, becomes):
    """RFC 7915 section 5.2."""
    flow = Udp(box)
    flow.send()
    got = flow.answer(data=b"x" * 1000)
    box.tx_inside(IPv6(src=box.host6(), dst=embed(flow.remote)) / ICMPv6PacketTooBig(mtu=told) / got, "nat64-out")
    assert box.rx_outside()[ICMP].nexthopmtu == becomes


def test_too_big_out(fresh):
    """Too large for the way out, and not to be fragmented: the host is told, in its own family (RFC 7915 section
    5.1, RFC 4443 section 3.2)."""
    box = fresh(**nat64(outside={"ietf-ip:ipv4": {"mtu": 1400}}))
    flow = Udp(box)
    flow.send(data=b"x" * (1400 - 28))
    big = flow.outward(data=b"x" * (1401 - 28))
    box.tx_inside(big, "drop-too-big")
    error = box.rx_inside(quoted=False)
    assert (error.src, error.dst) == (BOX_INSIDE6, flow.host) and error[ICMPv6PacketTooBig].mtu == 1420
    assert bytes(error[ICMPv6PacketTooBig].payload) == bytes(big)[:1232]


def test_too_big_in(fresh):
    """The same from outside (RFC 7915 section 4.1)."""
    box = fresh(**nat64(inside={"ietf-ip:ipv6": {"mtu": 1400}}))
    flow = Udp(box)
    flow.send()
    fits, big = flow.inward(b"x" * (1380 - 28)), flow.inward(b"x" * (1381 - 28))
    fits.flags = big.flags = "DF"
    box.tx_outside(fits, "nat64-in")
    assert len(box.rx_inside()) == 1400
    box.tx_outside(big, "drop-too-big")
    error = box.rx_outside(quoted=False)
    assert error.src == BOX_OUTSIDE and error[ICMP].nexthopmtu == 1380


@pytest.mark.parametrize("lowest, size, pieces", [(None, 1232, 1), (None, 1233, 2), (None, 1472, 2), (1480, 1433, 2),
                                                 (1480, 1432, 1)])
def test_fragmented_on_the_way_in(fresh, lowest, size, pieces):
    """What may be fragmented is, for a way that may be as narrow as IPv6 allows, or as is configured (RFC 7915
    section 4.1); what fits has no Fragment Header (section 4)."""
    box = fresh(**nat64(policy={"homeport:lowest-ipv6-mtu": lowest} if lowest else None))
    flow = Udp(box)
    flow.send()
    data = bytes(i % 251 for i in range(size))
    p = flow.inward(data)
    p.flags, p.id = 0, 0xabcd
    box.tx_outside(p, "nat64-in")
    got = [box.rx_inside() for _ in range(pieces)]
    if pieces == 1:
        assert IPv6ExtHdrFragment not in got[0] and got[0].load == data
        return
    assert all(len(g) <= (lowest or 1280) and g[IPv6ExtHdrFragment].id == 0xabcd for g in got)
    assert b"".join(bytes(g[IPv6ExtHdrFragment].payload) for g in got)[8:] == data


def test_fragmented_on_the_way_out(fresh):
    """What IPv6 would have taken anywhere is fragmented where IPv4 is narrower (RFC 7915 section 5.1.1)."""
    box = fresh(**nat64(outside={"ietf-ip:ipv4": {"mtu": 600}}))
    flow = Udp(box)
    data = bytes(i % 251 for i in range(1232))
    box.tx_inside(flow.outward(data), "nat64-out")
    got = [box.rx_outside() for _ in range(3)]
    assert all(len(g) <= 600 for g in got) and len({g.id for g in got}) == 1
    assert put_together4(got)[8:] == data


def test_last_hop(box):
    """The host is told in its own family, who comes from outside in his (RFC 7915 sections 4.1 and 5.1)."""
    flow = Udp(box)
    flow.send()
    p = flow.outward()
    p.hlim = 1
    box.tx_inside(p, "drop-ttl")
    error = box.rx_inside()
    assert error.src == BOX_INSIDE6 and error[ICMPv6TimeExceeded].code == 0
    p = flow.inward()
    p.ttl = 1
    box.tx_outside(p, "drop-ttl")
    assert box.rx_outside()[ICMP].type == 11


def test_extension_headers(box):
    """They are left behind, whatever they ask for; a route that is not followed to its end is refused (RFC 7915
    section 5.1)."""
    flow = Udp(box)
    flow.send()
    p = flow.outward(b"data")
    q = IPv6(src=p.src, dst=p.dst) / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt(options=[PadN(optdata=b"12345678")]) / p[UDP]
    box.tx_inside(q, "nat64-out")
    assert box.rx_outside().load == b"data"
    q = IPv6(src=p.src, dst=p.dst) / IPv6ExtHdrRouting(type=4, segleft=1, addresses=[flow.host]) / p[UDP]
    box.tx_inside(q, "drop-source-route")
    error = box.rx_inside(quoted=False)
    assert (error[ICMPv6ParamProblem].code, error[ICMPv6ParamProblem].ptr) == (0, 43)


def test_other_protocols(box):
    """Only TCP, UDP and ICMP pass; the sender of others is told (RFC 6146 section 3.4)."""
    host, remote = box.host6(), box.remote()
    box.tx_inside(IPv6(src=host, dst=embed(remote)) / ESP(spi=1, seq=1), "drop-protocol")
    error = box.rx_inside()
    assert error[ICMPv6DestUnreach].code == 4 and error.dst == host
    flow = Udp(box)
    flow.send()
    box.tx_outside(IP(src=remote, dst=flow.outside[0], proto=50) / Raw(bytes(20)), "drop-protocol")


def test_udp_without_checksum(box):
    """It gets one (RFC 6146 section 3.4); IPv6 has none without."""
    flow = Udp(box)
    flow.send()
    p = flow.inward(b"data")
    p[UDP].chksum = 0
    box.tx_outside(p, "nat64-in")
    assert box.rx_inside()[UDP].chksum


def orders(pieces):
    return [pieces, pieces[::-1], pieces[1:] + pieces[:1]]


def put_together6(got):
    whole = {}
    for g in got:
        f = g[IPv6ExtHdrFragment]
        whole[f.offset * 8] = bytes(f.payload)
    return b"".join(whole[at] for at in sorted(whole))


def put_together4(got):
    return b"".join(bytes(g.payload) for g in sorted(got, key=lambda g: g.frag))


@pytest.mark.parametrize("workers", [1, 3])
def test_fragments_both_ways(fresh, workers):
    """In any order (RFC 6146 section 3.4): they have the ports of their datagram and one identification."""
    box = fresh(workers=workers, devices=TAP_DEVICES, platform={"packet-buffers": BUFFERS}, **nat64())
    flow = Udp(box)
    data = bytes(i % 251 for i in range(3000))
    for n in range(3):
        whole = flow.outward(data)
        pieces = fragment6(IPv6(src=whole.src, dst=whole.dst) / IPv6ExtHdrFragment(id=0x10000 + n) / whole[UDP], 1280)
        box.tx_inside(orders(pieces)[n], {"nat64-out": 3})
        got = [box.rx_outside() for _ in range(3)]
        assert len({g.id for g in got}) == 1 and len({g.src for g in got}) == 1
        upper = UDP(put_together4(got))
        flow.outside = (got[0].src, upper.sport)
        assert upper.load == data
    for n in range(3):
        p = flow.inward(data)
        p.id, p.flags = 77 + n, 0
        pieces = fragment(p, 1200)
        box.tx_outside(orders(pieces)[n], {"nat64-in": 3})
        got = [box.rx_inside() for _ in range(3)]
        assert {g[IPv6ExtHdrFragment].id for g in got} == {77 + n}
        assert UDP(put_together6(got)).load == data


@pytest.mark.parametrize("workers", [1, 3])
def test_fragments_that_are_not_translated(fresh, workers):
    """Messages of ICMP, and UDP without checksum: their sums would need the whole datagram (RFC 7915 sections 4.2, 4.5
    and 5.2, RFC 6146 section 3.4)."""
    box = fresh(workers=workers, devices=TAP_DEVICES, platform={"packet-buffers": BUFFERS}, **nat64())
    flow, ping = Udp(box), Ping(box)
    flow.send()
    ping.send()
    p = ping.outward(data=bytes(2000))
    box.tx_inside(fragment6(IPv6(src=p.src, dst=p.dst) / IPv6ExtHdrFragment(id=5) / p[ICMPv6EchoRequest], 1280),
                  {"drop-fragment-icmp": 2})
    p = ping.inward(data=bytes(2000))
    box.tx_outside(fragment(p, 1200), {"drop-fragment-icmp": 2})
    p = flow.inward(bytes(2000))
    p[UDP].chksum = 0
    box.tx_outside(fragment(p, 1200)[::-1], {"drop-udp-checksum": 2})


def test_fragments_without_the_first(fresh):
    """They wait no longer than two seconds (RFC 6146 section 4), and leave nothing behind."""
    box = fresh(devices=TAP_DEVICES, platform={"packet-buffers": BUFFERS}, **nat64())
    flow = Udp(box)
    whole = flow.outward(bytes(2000))
    pieces = fragment6(IPv6(src=whole.src, dst=whole.dst) / IPv6ExtHdrFragment(id=9) / whole[UDP], 1280)
    box.tx_inside(pieces[1:], None)
    box.advance(3)
    assert box.settle() == {"drop-fragment-timeout": 1}


def test_no_port_left(fresh):
    """The host is told that its destination cannot be reached (RFC 6146 section 3.5.1.1)."""
    box = fresh(**nat64(policy={"homeport:max-port-sets": 1}))
    host = box.host6()
    for i in range(64):
        Udp(box, host, sport=2000 + i).send()
    flow = Udp(box, host, sport=3000)
    flow.send("drop-block-limit")
    error = box.rx_inside()
    assert (error.src, error.dst, error[ICMPv6DestUnreach].code) == (BOX_INSIDE6, host, 3)
    assert bytes(error[ICMPv6DestUnreach].payload) == bytes(flow.outward())


def test_too_many_hosts(fresh):
    """There is room for so many hosts; those that have mappings keep them (RFC 6888 REQ-11)."""
    box = fresh(workers=1, platform={"max-aliases": 64}, **nat64())
    flows = [Udp(box) for _ in range(65)]
    for flow in flows[:64]:
        flow.send()
    flows[64].send("drop-host-memory")
    error = box.rx_inside()
    assert (error.dst, error[ICMPv6DestUnreach].code) == (flows[64].host, 3)
    flows[0].answer()
    box.advance(301)
    flows[64].send()


def test_mitigation(box):
    """A report about an outside port stops the IPv6 subscriber behind it, all its hosts, towards the target, before any
    state; nobody else (RFC 9066 section 5.3.2)."""
    flow, neighbour, target = Udp(box), Udp(box), box.remote()
    brother = Udp(box, host=str(ipaddress.ip_address(flow.host) + (3 << 64)), remote=target)
    flow.send()
    box.ask("dots", "mitigate", "--source", f"{flow.outside[0]}/32", "--source-port", flow.outside[1],
            "--target", f"{target}/32", "--action", "block")
    Udp(box, flow.host, target).send("drop-acl")
    Udp(box, flow.host, target, sport=4444).send("drop-acl")
    brother.send("drop-acl")
    Udp(box, neighbour.host, target).send()
    flow.send()
    assert not [m for m in box.mappings() if m["internal-src-address"] == f"{brother.host}/128"]
    acls = box.ask("show", "acls")["ietf-access-control-list:acls"]["acl"]
    assert str(ipaddress.ip_network(f"{flow.host}/56", strict=False)) in str(acls)


def test_scrubber_and_inspection(fresh, tmp_path):
    """The scrubber gets what goes to the target, translated; a copy shows the host as it is, before it is translated
    (RFC 9066 section 8)."""
    file = tmp_path / "copies.pcap"
    box = fresh(**nat64(
        outside={"ietf-ip:ipv4": {"neighbor": [{"ip": "192.0.2.254", "link-layer-address": MAC["outside"]},
                                               {"ip": "192.0.2.253", "link-layer-address": "02:00:00:00:00:13"}]}},
        more={"homeport:homeport": {"dots": {"server": {
            "scrubber": {"next-hop-address": "192.0.2.253"},
            "inspect": {"packets-per-second": 1000, "capture-file": str(file)}}}}}))
    for action, flow in (("redirect", Udp(box)), ("inspect", Udp(box)), ("inspect", Tcp(box))):
        flow.send(**({"flags": "S"} if isinstance(flow, Tcp) else {}))
        box.ask("dots", "mitigate", "--source", f"{flow.outside[0]}/32", "--source-port", flow.outside[1],
                "--target", f"{flow.remote}/32", "--action", action)
        if action == "redirect":
            box.tx_inside(flow.outward(), "redirected")
            frame = box.rx_frame("outside")
            assert frame.dst == "02:00:00:00:00:13" and (frame[IP].src, frame[UDP].sport) == flow.outside
        else:
            flow.send(data=b"what they look at")
            box.counters()  # whoever answers that has written what it was shown before
            copy = rdpcap(str(file))[-1]
            assert bytes(copy) == bytes(flow.outward(data=b"what they look at"))


def test_segment_size(fresh):
    """Both ends of a connection learn what fits (digest F12)."""
    box = fresh(**nat64(policy={"homeport:mss-limit": 1420}))
    flow = Tcp(box)
    assert dict(flow.send(flags="S", options=[("MSS", 1460)])[TCP].options)["MSS"] == 1420
    assert dict(flow.answer(flags="SA", options=[("MSS", 1460)])[TCP].options)["MSS"] == 1420


def test_address_dependent_filtering(fresh):
    """RFC 6146 section 3.5.1, 3.5.2.2 and 3.5.3 with ADF."""
    box = fresh(**nat64(policy={"filtering-type": "adf"}))
    for kind in (Udp, Tcp, Ping):
        flow = kind(box)
        flow.send(**({"flags": "S"} if kind is Tcp else {}))
        flow.answer(**({"flags": "SA"} if kind is Tcp else {}))
        other = kind(box, flow.host)
        other.outside = flow.outside
        other.answer("drop-filtered", **({"flags": "S"} if kind is Tcp else {}))


def test_own_and_inside_addresses(box):
    """The box answers IPv6 hosts as an IPv6 router, and what is inside has an IPv6 address or none."""
    host = box.host6()
    box.tx_inside(IPv6(src=host, dst=embed(BOX_OUTSIDE)) / ICMPv6EchoRequest(id=1), "drop-local")
    box.tx_inside(IPv6(src=host, dst=embed("100.64.1.1")) / UDP(sport=1, dport=2), "drop-realm")
    box.tx_inside(IPv6(src=host, dst=embed("224.0.0.1")) / UDP(sport=1, dport=2), "drop-multicast")
    box.tx_inside(IPv6(src=host, dst=embed("240.0.0.1")) / UDP(sport=1, dport=2), "drop-multicast")


def test_native_route_wins(fresh):
    """A more specific route is that of a host that has the address itself (RFC 7915 section 5.6)."""
    whole = nat64(outside=None)
    host = embed("198.51.100.1")
    whole["routes6"] = whole["routes6"] + [(f"{host}/128", "2001:db8:1::2")]
    box = fresh(**whole)
    box.tx_inside(IPv6(src=box.host6(), dst=host) / UDP(sport=1, dport=2), "routed-ipv6")
    assert box.rx_outside().dst == host


def test_reload(fresh):
    """Mappings go on as long as their pool does."""
    box = fresh(**nat64())
    flow = Udp(box)
    flow.send()
    box.reload(config(**nat64(policy={"homeport:mss-limit": 1400})))
    flow.answer()
    flow.send()


def test_lookup(box):
    """Who is behind an outside port: the IPv6 subscriber, and the host (digest H1)."""
    flow = Udp(box)
    flow.send()
    answer = box.ask("lookup", flow.outside[0], flow.outside[1], "udp")
    holder, = answer["homeport:homeport"]["resolve"]["answer"]["holder"]
    assert holder["service"] == "nat64" and holder["internal-address"] == flow.host
    assert holder["subscriber"] == str(ipaddress.ip_network(f"{flow.host}/56", strict=False))
    entry, = [m for m in box.mappings() if m["internal-src-address"] == f"{flow.host}/128"]
    assert entry["external-src-address"] == f"{flow.outside[0]}/32"
