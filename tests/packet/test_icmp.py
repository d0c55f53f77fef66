# SPDX-License-Identifier: BSD-3-Clause
"""ICMP through NAT44 (RFC 5508, RFC 7857)."""
import struct

import pytest
from scapy.all import ICMP, IP, TCP, UDP, Ether, IPOption_NOP, Raw

import checksums
from config import BOX_INSIDE, MAC
from conversation import Ping, Tcp, Udp

WORKERS = [1, 3]
FLOWS = {"udp": Udp, "tcp": Tcp, "icmp": Ping}
ERRORS = [(3, 0), (3, 1), (3, 2), (3, 3), (3, 4), (3, 13), (11, 0), (11, 1), (12, 0)]


def start(box, kind, **more):
    """A flow that is there, and the packet of it that went out."""
    flow = FLOWS[kind](box, **more)
    fields = {"flags": "S"} if kind == "tcp" else {}
    return flow, flow.send(data=b"0123456789abcdef", **fields)


def error(source, target, quoted, kind=3, code=1, **fields):
    return IP(src=source, dst=target) / ICMP(type=kind, code=code, **fields) / quoted


def quote(packet):
    """What an ICMP error quotes, as an IP packet."""
    return IP(bytes(packet[ICMP].payload))


def source_port(packet):
    return packet[ICMP].id if ICMP in packet else packet.sport


def target_port(packet):
    return packet[ICMP].id if ICMP in packet else packet.dport


def test_echo(box):
    """Pings pass both ways; one identifier has one outside identifier, whatever the destination (RFC 5508
    REQ-1, 1a)."""
    flow = Ping(box)
    for seq in range(3):
        assert flow.send(seq=seq)[ICMP].seq == seq
        p = flow.answer(seq=seq, data=b"0123456789")
        assert (p[ICMP].type, p[ICMP].seq, p[ICMP].load) == (0, seq, b"0123456789")
    other = Ping(box, host=flow.host)
    other.send()
    assert other.outside == flow.outside
    neighbour = Ping(box, remote=flow.remote)
    neighbour.send()
    assert neighbour.outside != flow.outside
    # the identifier has nothing to do with ports of that number
    Udp(box, host=flow.host, sport=flow.inside_port).send()


def test_reply_opens_nothing(box):
    """Only a request opens a session; one from outside reaches whom a mapping says."""
    host, remote = box.host(), box.remote()
    box.tx_inside(IP(src=host, dst=remote) / ICMP(type=0, id=5), "drop-no-mapping")
    box.tx_outside(IP(src=remote, dst="203.0.113.3") / ICMP(type=8, id=5), "drop-no-mapping")


def test_timeout(box):
    """A query session lives 60 s after the last request (RFC 5508 REQ-2), and the mapping as long as one of its
    sessions (RFC 7857 section 11)."""
    flow = Ping(box)
    flow.send()
    box.advance(59)
    flow.send()
    box.advance(59)
    flow.answer()
    other = Ping(box, host=flow.host)
    other.send()
    box.advance(2)
    other.answer()
    box.advance(59)
    other.answer(verdict="drop-no-mapping")
    flow.answer(verdict="drop-no-mapping")


@pytest.mark.parametrize("kind", FLOWS)
def test_error_in(box, kind):
    """An error from outside about what went out: the quoted source and its checksums are restored, type and
    code stay, and it goes to the inside host (RFC 5508 REQ-4); a router on the way may send it."""
    flow, sent = start(box, kind)
    router = box.remote()
    for number, code in ERRORS:
        fields = {"nexthopmtu": 1400} if (number, code) == (3, 4) else {"unused": 0}
        box.tx_outside(error(router, flow.outside[0], sent, number, code, **fields))
        p = box.rx_inside()
        assert (p.src, p.dst, p.ttl, p[ICMP].type, p[ICMP].code) == (router, flow.host, 63, number, code)
        assert (number, code) != (3, 4) or p[ICMP].nexthopmtu == 1400
        q = quote(p)
        assert (q.src, source_port(q), q.dst, q.ttl) == (flow.host, flow.inside_port, flow.remote, sent.ttl)
        assert bytes(q)[-16:] == b"0123456789abcdef"


@pytest.mark.parametrize("kind", FLOWS)
def test_error_out(box, kind):
    """An error from inside about what came in: the quoted destination is restored to the outside endpoint.
    Who sends it, the host or a router before it, is seen by the host's outside address (RFC 5508 REQ-5c)."""
    flow, _ = start(box, kind)
    fields = {"flags": "SA"} if kind == "tcp" else {}
    got = flow.answer(data=b"0123456789abcdef", **fields)
    for sender in (flow.host, box.host()):
        for number, code in ERRORS:
            box.tx_inside(error(sender, flow.remote, got, number, code))
            p = box.rx_outside()
            assert (p.src, p.dst, p.ttl, p[ICMP].type, p[ICMP].code) == (
                flow.outside[0], flow.remote, 63, number, code)
            q = quote(p)
            assert (q.src, q.dst, target_port(q)) == (flow.remote, *flow.outside)


@pytest.mark.parametrize("kind", FLOWS)
def test_errors_leave_the_session_alone(box, kind):
    """An error neither ends a session nor keeps it (RFC 5508 REQ-6)."""
    time = {"udp": 300, "tcp": 240, "icmp": 60}[kind]
    flow, sent = start(box, kind)
    box.advance(time - 1)
    flow_answer = {"tcp": {"flags": "A"}}.get(kind, {})
    got = flow.answer(**flow_answer)
    for number, code in ERRORS:
        box.back(error(flow.remote, flow.outside[0], sent, number, code))
        box.out(error(flow.host, flow.remote, got, number, code))
    flow.answer(**flow_answer)
    box.advance(2)
    flow.answer(verdict="drop-no-mapping", **flow_answer)
    box.tx_outside(error(flow.remote, flow.outside[0], sent), "drop-no-mapping")
    box.tx_inside(error(flow.host, flow.remote, got), "drop-no-mapping")


@pytest.mark.parametrize("kind", ["udp", "tcp"])
def test_hairpinned_error(box, kind):
    """A sends to B's outside endpoint and B refuses: A hears it from B's outside address, about the packet
    that A sent (RFC 5508 REQ-7, 7a; RFC 7857 section 12)."""
    a, _ = start(box, kind)
    b, _ = start(box, kind)
    sent = a.outward(**({"flags": "S"} if kind == "tcp" else {}))
    sent.dst, sent[a.layer].dport = b.outside
    got = box.hairpin(sent)
    assert got.dst == b.host
    p = box.hairpin(error(b.host, got.src, got, 3, 3))
    q = quote(p)
    assert (p.src, p.dst) == (b.outside[0], a.host)
    assert (q.src, q.sport, q.dst, q.dport) == (a.host, a.inside_port, *b.outside)


def test_bad_checksums(box):
    """An error whose own checksum or whose quoted IP header's is wrong is dropped silently (RFC 5508 REQ-3,
    3a)."""
    flow, sent = start(box, "udp")
    wrong = error(flow.remote, flow.outside[0], sent)
    wrong[ICMP].chksum = 0x1234
    box.tx_outside(wrong, "drop-icmp-checksum")
    sent.chksum ^= 1
    box.tx_outside(error(flow.remote, flow.outside[0], sent), "drop-icmp-quote")
    # a query's checksum is the hosts' affair: it stays as wrong as it was
    ping = Ping(box).outward()
    ping[ICMP].chksum = 0x1234
    box.tx_inside(ping)
    assert checksums.faults(bytes(box.rx_frame("outside").payload)) == ["ICMP checksum"]


def test_quoted_options(box):
    """The quoted packet may have IP options (RFC 5508 REQ-3b)."""
    host, remote = box.host(), box.remote()
    sent = box.out(IP(src=host, dst=remote, options=[IPOption_NOP()] * 40) / UDP(sport=9, dport=10) / "data")
    assert sent.ihl == 15
    q = quote(box.back(error(remote, sent.src, sent)))
    assert (q.ihl, q.src, q[UDP].sport) == (15, host, 9)


@pytest.mark.parametrize("kind", FLOWS)
def test_short_quote(box, kind):
    """Eight bytes of the quoted datagram are enough (RFC 792); less is not translatable."""
    flow, sent = start(box, kind)
    data = bytes(sent)
    p = box.back(error(flow.remote, flow.outside[0], Raw(data[:28])))
    q = quote(p)
    port, = struct.unpack("!H", bytes(q)[24:26] if kind == "icmp" else bytes(q)[20:22])
    assert (q.src, port) == (flow.host, flow.inside_port)
    for length in (27, 20, 19, 0):
        box.tx_outside(error(flow.remote, flow.outside[0], Raw(data[:length])), "drop-icmp-quote")


def test_quoted_transport_checksum_is_not_asked(box):
    """Whether the quoted datagram's own checksum is right does not matter (RFC 5508 REQ-3c)."""
    for kind, layer in (("udp", UDP), ("tcp", TCP)):
        flow, sent = start(box, kind)
        sent[layer].chksum = (sent[layer].chksum + 1) % 0xffff or 1
        box.tx_outside(error(flow.remote, flow.outside[0], sent))
        p = box.rx_inside(quoted=False)
        assert quote(p).src == flow.host
        assert checksums.faults(bytes(p)) == [f"quoted {layer.__name__} checksum"]


def test_extensions(box):
    """Extensions behind the quote (RFC 4884), here an MPLS label stack, pass as they are (RFC 5508 REQ-3d)."""
    flow = Udp(box)
    sent = flow.send(data=bytes(100))
    labels = struct.pack("!BBHHBBI", 0x20, 0, 0, 8, 1, 1, 0x12345140)
    labels = labels[:2] + struct.pack("!H", 0xffff ^ checksums.total(labels)) + labels[4:]
    padded = bytes(sent) + labels
    message = error(flow.remote, flow.outside[0], Raw(padded), 11, 0)
    message[ICMP].length = 32
    data = bytearray(bytes(message))
    data[25] = 32
    data[22:24] = b"\0\0"
    data[22:24] = struct.pack("!H", 0xffff ^ checksums.total(bytes(data[20:])))
    box.tx_outside(IP(bytes(data)))
    p = box.rx_inside(quoted=False)
    raw = bytes(p)
    assert raw[25] == 32 and raw[-12:] == labels and IP(raw[28:]).src == flow.host


def quoted_nonsense(flow, sent):
    """Errors about packets that cannot be one of the flow's."""
    other = sent.copy()
    other.src = "203.0.113.99"
    del other.chksum
    yield error(flow.remote, flow.outside[0], other)
    fragment = sent.copy()
    fragment.frag = 3
    del fragment.chksum
    yield error(flow.remote, flow.outside[0], fragment)
    yield error(flow.remote, flow.outside[0], error(flow.outside[0], flow.remote, sent))
    yield error(flow.remote, flow.outside[0], IP(src=flow.outside[0], dst=flow.remote, proto=47) / Raw(bytes(20)))
    yield error(flow.remote, flow.outside[0], Raw(b"\x44" + bytes(sent)[1:]))
    yield error(flow.remote, flow.outside[0], Raw(b"\x65" + bytes(sent)[1:]))
    yield error(flow.remote, flow.outside[0], Raw(b"\x4f" + bytes(sent)[1:]))


def test_quoted_nonsense(box):
    """An error about a packet from elsewhere, a later fragment, another error, or no IPv4 packet at all."""
    flow, sent = start(box, "udp")
    for message in quoted_nonsense(flow, sent):
        box.tx_outside(message, "drop-icmp-quote")
    nobody = sent.copy()
    nobody[UDP].sport = 1023
    box.tx_outside(error(flow.remote, flow.outside[0], nobody), "drop-no-mapping")


def test_types(box):
    """Echo, Destination Unreachable, Time Exceeded and Parameter Problem are translated; Redirect, Source Quench,
    Timestamp, Information, Address Mask, router discovery and everything unknown are not (RFC 5508 REQ-10, 11,
    section 7.2)."""
    flow, sent = start(box, "udp")
    for number in range(256):
        message = IP(src=flow.host, dst=flow.remote) / Raw(
            bytes([number, 0]) + bytes(6) + bytes(IP(src=flow.remote, dst=flow.host) / UDP(sport=80, dport=1000)))
        message.proto = 1
        data = bytearray(bytes(message))
        data[22:24] = struct.pack("!H", 0xffff ^ checksums.total(bytes(data[20:])))
        if number in (3, 11, 12, 8):
            box.tx_inside(IP(bytes(data)))
            assert box.rx_outside()[ICMP].type == number
        else:
            box.tx_inside(IP(bytes(data)), "drop-no-mapping" if number == 0 else "drop-icmp-type")


def test_own_errors_quote_enough(box):
    """The box's own error has as much of the packet as fits 576 bytes (RFC 1812 section 4.3.2.3), precedence 6
    and a right checksum."""
    host, remote = box.host(), box.remote()
    for size, length in ((0, 56), (200, 256), (519, 575), (520, 576), (521, 576), (1400, 576)):
        sent = IP(src=host, dst=remote, ttl=1, id=77) / UDP(sport=1, dport=2) / bytes(i % 251 for i in range(size))
        box.tx_inside(sent, "drop-ttl")
        p = box.rx_inside(quoted=False)
        assert (p.src, p.dst, p.len, p.tos, p[ICMP].type) == (BOX_INSIDE, host, length, 0xc0, 11)
        assert bytes(p)[28:] == bytes(sent)[:length - 28]


def test_no_error_about(box):
    """Never an error about an ICMP error, a later fragment, a group, or a source that is nobody (RFC 1812
    section 4.3.2.7)."""
    flow, sent = start(box, "udp")
    about = error(flow.remote, flow.outside[0], sent)
    about.ttl = 1
    box.tx_outside(about, "drop-ttl")
    last = IP(src=flow.host, dst=flow.remote, ttl=1)
    box.tx_inside(IP(src=flow.host, dst="224.0.0.9", ttl=1) / UDP(), "drop-multicast")
    box.tx_inside(IP(src="0.0.0.0", dst=flow.remote, ttl=1) / UDP(), "drop-ip-source")
    box.tx_inside(IP(src="255.255.255.255", dst=flow.remote, ttl=1) / UDP(), "drop-ip-source")
    box.tx_inside(Ether(src=MAC["inside"], dst="ff:ff:ff:ff:ff:ff") / last / UDP(), "drop-multicast")


def test_own_errors_are_limited(fresh):
    """So many a second and no more (RFC 1812 section 4.3.2.8)."""
    box = fresh(workers=1, platform={"icmp-error-rate": 16})
    expiring = [IP(src=box.host(), dst=box.remote(), ttl=1) / UDP(sport=1, dport=2) for _ in range(50)]
    for expected in (16, 16):
        box.tx_inside(expiring, "drop-ttl")
        for _ in range(expected):
            assert box.rx_inside()[ICMP].type == 11
        box.nothing()
        box.advance(1)
    counters = box.counters()
    assert (int(counters["icmp-errors-sent"]), int(counters["icmp-errors-withheld"])) == (32, 68)


def test_too_big(fresh):
    """A datagram that does not fit the way out and may not be fragmented comes back as an error that says what
    fits (RFC 1191), also to outside."""
    box = fresh(outside={"ietf-ip:ipv4": {"mtu": 1400}}, inside={"ietf-ip:ipv4": {"mtu": 1300}})
    flow = Udp(box)
    flow.send()
    for packet, side, mtu in ((flow.outward(data=bytes(1373)), "inside", 1400), (flow.inward(data=bytes(1273)), "outside", 1300)):
        packet.flags = "DF"
        box.tx(side, packet, "drop-too-big")
        p = box.rx(side, quoted=False)
        assert (p[ICMP].type, p[ICMP].code, p[ICMP].nexthopmtu, p.dst) == (3, 4, mtu, packet.src)
        assert bytes(p)[28:] == bytes(packet)[:len(p) - 28]
    fits = flow.outward(data=bytes(1372))
    fits.flags = "DF"
    box.out(fits)
