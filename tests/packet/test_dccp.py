# SPDX-License-Identifier: BSD-3-Clause
"""DCCP through NAT44 (RFC 5597)."""
import socket
import struct

import pytest
from scapy.all import ICMP, IP, Raw, fragment

from checksums import total
from config import BOX_OUTSIDE, TAP_DEVICES, config

WORKERS = [1, 3]
DCCP = 33
PROTOCOLS = [{"protocol-id": p} for p in (1, 6, 17, DCCP)]
CONFIG = {"policy": {"transport-protocols": PROTOCOLS}}
REQUEST, RESPONSE, DATA, ACK, DATA_ACK, CLOSE_REQ, CLOSE, RESET, SYNC, SYNC_ACK, LISTEN = range(11)
SERVICE = 0x44495343
# bytes after the generic header: acknowledgement, service code, reset code (RFC 4340 section 5)
EXTRA = {REQUEST: struct.pack("!I", SERVICE), RESPONSE: bytes(8) + struct.pack("!I", SERVICE), DATA: b"",
         ACK: bytes(8), DATA_ACK: bytes(8), CLOSE_REQ: bytes(8), CLOSE: bytes(8), RESET: bytes(12),
         SYNC: bytes(8), SYNC_ACK: bytes(8), LISTEN: struct.pack("!I", SERVICE)}


def covered(src, dst, packet):
    """What the checksum is over: a pseudo-header, the header, and as much of the data as the coverage says
    (RFC 4340 section 9)."""
    header, coverage = packet[4] * 4, packet[5] & 15
    end = len(packet) if not coverage else header + 4 * (coverage - 1)
    return (socket.inet_aton(src) + socket.inet_aton(dst) + struct.pack("!HH", DCCP, len(packet)) +
            packet[:min(end, len(packet))])


def dccp(src, sport, dst, dport, kind, coverage=0, data=b""):
    """A packet with long sequence numbers."""
    header = 16 + len(EXTRA[kind])
    packet = bytearray(struct.pack("!HHBBHBBHI", sport, dport, header // 4, coverage, 0, kind << 1 | 1, 0, 0, 7))
    packet += EXTRA[kind] + data
    packet[6:8] = struct.pack("!H", 0xffff ^ total(covered(src, dst, bytes(packet))))
    return IP(src=src, dst=dst, proto=DCCP) / Raw(bytes(packet))


class Flow:
    def __init__(self, box, host=None, remote=None, sport=1000, dport=80):
        self.box, self.sport, self.dport = box, sport, dport
        self.host, self.remote = host or box.host(), remote or box.remote()
        self.outside = None

    def read(self, p, inner):
        """Checks what came out, but for addresses, ports and checksum the same as what went in; returns both
        endpoints."""
        raw = bytes(p[Raw])
        assert p.proto == DCCP and total(covered(p.src, p.dst, raw)) == 0xffff
        assert raw[4:6] + raw[8:] == inner[4:6] + inner[8:]
        sport, dport = struct.unpack("!HH", raw[:4])
        return (p.src, sport), (p.dst, dport)

    def send(self, kind, verdict="nat44-out", **more):
        packet = dccp(self.host, self.sport, self.remote, self.dport, kind, **more)
        self.box.tx_inside(packet, verdict)
        if verdict == "nat44-out":
            outside, remote = self.read(self.box.rx_outside(), bytes(packet[Raw]))
            assert remote == (self.remote, self.dport) and self.outside in (None, outside)
            self.outside = outside

    def answer(self, kind, verdict="nat44-in", **more):
        packet = dccp(self.remote, self.dport, *self.outside, kind, **more)
        self.box.tx_outside(packet, verdict)
        if verdict == "nat44-in":
            remote, inside = self.read(self.box.rx_inside(), bytes(packet[Raw]))
            assert (remote, inside) == ((self.remote, self.dport), (self.host, self.sport))

    def open(self):
        self.send(REQUEST)
        self.answer(RESPONSE)
        self.send(ACK)
        return self


def test_mapping(box):
    """One inside endpoint has one outside endpoint, from a block of its subscriber, and no two share one (RFC 5597
    REQ-1, REQ-7)."""
    flow = Flow(box).open()
    for remote, port in ((flow.remote, 81), (box.remote(), 80)):
        other = Flow(box, flow.host, remote, dport=port).open()
        assert other.outside == flow.outside
    ends = {Flow(box, flow.host, sport=2000 + n).open().outside for n in range(20)} | {flow.outside}
    assert len(ends) == 21 and {address for address, _ in ends} == {flow.outside[0]}
    assert len({port // 64 for _, port in ends}) == 1
    row = next(m for m in box.mappings() if m["internal-src-address"] == f"{flow.host}/32"
               and m["internal-src-port"]["start-port-number"] == 1000)
    assert row["transport-protocol"] == DCCP
    answer = box.ask("lookup", flow.outside[0], str(flow.outside[1]), "33")
    holder, = answer["homeport:homeport"]["resolve"]["answer"]["holder"]
    assert holder["subscriber"] == f"{flow.host}/32" and holder["internal-port"] == 1000


@pytest.mark.parametrize("coverage", [0, 1, 15])
def test_checksum(box, coverage):
    """The checksum stays right whatever it covers, and coverage and service code stay what they are (RFC 5597
    REQ-6, REQ-11 to 13)."""
    flow = Flow(box)
    for kind, send in ((REQUEST, flow.send), (RESPONSE, flow.answer), (DATA_ACK, flow.send), (DATA, flow.answer)):
        send(kind, coverage=coverage, data=bytes(range(1, 101)))


def test_anybody_may_come(box):
    """Endpoint-independent filtering by default (RFC 5597 REQ-3)."""
    flow = Flow(box).open()
    stranger = Flow(box, flow.host)
    stranger.outside = flow.outside
    stranger.answer(REQUEST)
    stranger.send(RESPONSE)
    stranger.answer(ACK)


def test_filter(fresh):
    """By address: others of a known address may come, strangers may not (RFC 5597 REQ-3)."""
    box = fresh(workers=2, policy={"transport-protocols": PROTOCOLS, "homeport:protocol-filtering": [
        {"protocol-id": DCCP, "filtering-type": "adf"}]})
    flow = Flow(box).open()
    for remote, verdict in ((flow.remote, "nat44-in"), (box.remote(), "drop-filtered")):
        other = Flow(box, flow.host, remote, dport=9)
        other.outside = flow.outside
        other.answer(REQUEST, verdict=verdict)


def test_simultaneous_open(box):
    """A server that is behind a NAT listens to the client, whose Request crosses (RFC 5597 REQ-2a, RFC 5596)."""
    flow = Flow(box)
    flow.send(LISTEN)
    flow.answer(REQUEST)
    flow.send(RESPONSE)
    flow.answer(ACK)
    box.advance(7439)
    flow.send(DATA)


@pytest.mark.parametrize("kind", [LISTEN, SYNC])
def test_unsolicited(box, kind):
    """A Listen or Sync that nobody waits for is not answered before six seconds have passed, then by ICMP 3/3
    (RFC 5597 REQ-4)."""
    packet = dccp(box.remote(), 9, "203.0.113.14", 4444, kind)
    box.tx_outside(packet, "drop-no-mapping")
    box.advance(5)
    box.nothing()
    box.advance(2)
    p = box.rx_outside()
    assert (p.src, p.dst, p[ICMP].type, p[ICMP].code) == (BOX_OUTSIDE, packet.src, 3, 3)


def test_unsolicited_but_wanted(fresh):
    """If the inside host sends its Request meanwhile, the Listen is forgotten silently."""
    box = fresh(policy={"transport-protocols": PROTOCOLS, "filtering-type": "edf"})
    flow = Flow(box).open()
    other = Flow(box, flow.host)
    other.outside = flow.outside
    other.answer(LISTEN, verdict="drop-filtered")
    box.advance(3)
    other.open()
    box.advance(4)
    box.nothing()


def test_timers(box):
    """124 minutes for an established connection, 4 for one that opens or has been reset (RFC 5597 REQ-5)."""
    flow, opening, reset = Flow(box).open(), Flow(box), Flow(box).open()
    opening.send(REQUEST)
    reset.answer(RESET)
    box.advance(239)
    opening.answer(DATA)
    box.advance(2)
    opening.answer(DATA, verdict="drop-no-mapping")
    reset.answer(RESET, verdict="drop-no-mapping")
    box.advance(7440 - 242)
    flow.answer(DATA)
    box.advance(7439)
    flow.answer(CLOSE)
    box.advance(7441)
    flow.answer(DATA, verdict="drop-no-mapping")


def test_opens_nothing(box):
    """What is no Request opens nothing."""
    flow = Flow(box)
    for kind in (RESPONSE, DATA, ACK, CLOSE, RESET, SYNC):
        flow.send(kind, verdict="drop-not-syn")


def test_errors(box):
    """An ICMP error about a connection is translated with what it quotes and ends nothing (RFC 5597 REQ-9,
    REQ-10)."""
    flow = Flow(box).open()
    packet = dccp(flow.outside[0], flow.outside[1], flow.remote, flow.dport, DATA, data=b"12345678")
    for kind in (3, 11, 12):
        box.tx_outside(IP(src=box.remote(), dst=flow.outside[0]) / ICMP(type=kind) / packet)
        inner = IP(bytes(box.rx_inside()[ICMP].payload))
        assert inner.src == flow.host and total(covered(inner.src, inner.dst, bytes(inner.payload))) == 0xffff
        assert struct.unpack("!H", bytes(inner.payload)[:2])[0] == flow.sport
    flow.answer(DATA)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_fragments(fresh, order):
    """A datagram in pieces, the last first or the first first, is put through like any other."""
    box = fresh(devices=TAP_DEVICES, **CONFIG)
    flow = Flow(box).open()
    for packet, send, receive in (
            (dccp(flow.host, flow.sport, flow.remote, flow.dport, DATA, data=bytes(100)), box.tx_inside, box.rx_outside),
            (dccp(flow.remote, flow.dport, *flow.outside, DATA, data=bytes(100)), box.tx_outside, box.rx_inside)):
        packet.id = 99
        pieces = fragment(packet, 48)
        assert len(pieces) == 3
        for number in order[:-1]:
            send(pieces[number], None)
        send(pieces[order[-1]], None)
        got = sorted((receive() for _ in pieces), key=lambda p: p.frag)
        whole = got[0].copy()
        whole.remove_payload()
        flow.read(whole / Raw(b"".join(bytes(p.payload) for p in got)), bytes(packet[Raw]))
        box.settle()


def test_hairpin(box):
    """Two subscribers by their outside endpoints (RFC 5597 REQ-8)."""
    server, client = Flow(box, sport=8080).open(), Flow(box).open()
    request = dccp(client.host, client.sport, *server.outside, REQUEST)
    ends = client.read(box.hairpin(request), bytes(request[Raw]))
    assert ends == (client.outside, (server.host, 8080))


def test_short(box):
    box.tx_inside(IP(src=box.host(), dst=box.remote(), proto=DCCP) / Raw(bytes(11)), "drop-l4-short")


def test_off_by_default(fresh):
    """It is translated only where transport-protocols names it."""
    box = fresh()
    flow = Flow(box)
    flow.send(REQUEST, verdict="drop-protocol")
    flow.outside = ("203.0.113.14", 4444)
    flow.answer(LISTEN, verdict="drop-no-mapping")
    box.advance(7)


def test_quota(fresh):
    """DCCP's ports count like others, and a block stays as long as one is used."""
    box = fresh(policy={"transport-protocols": PROTOCOLS,
                        "port-quota": [{"quota-type": DCCP, "port-limit": 3}]})
    host = box.host()
    flows = [Flow(box, host, sport=n + 1).open() for n in range(3)]
    Flow(box, host, sport=9).send(REQUEST, verdict="drop-quota")
    assert box.rx_inside()[ICMP].code == 1
    box.advance(7000)
    flows[0].answer(DATA)
    box.advance(1000)
    flows[0].answer(DATA)
    flows[1].answer(DATA, verdict="drop-no-mapping")
    Flow(box, host, sport=9).open()


def test_all_ports_of_a_block(fresh):
    box = fresh(policy={"transport-protocols": PROTOCOLS, "homeport:max-port-sets": 1})
    host = box.host()
    assert len({Flow(box, host, sport=n + 1).open().outside for n in range(64)}) == 64
    Flow(box, host, sport=100).send(REQUEST, verdict="drop-block-limit")
    assert box.rx_inside()[ICMP].code == 1


def test_reload(box):
    """A reload keeps connections."""
    flow = Flow(box).open()
    workers = len(box.counters()["worker"])
    box.reload(config(workers=workers, **CONFIG))
    flow.answer(DATA)
