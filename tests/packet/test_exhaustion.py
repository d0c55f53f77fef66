# SPDX-License-Identifier: BSD-3-Clause
"""What happens when something runs out: what is new is refused and counted under the name of what is missing,
what exists goes on, and as soon as there is room again it is given (RFC 6888 REQ-11, RFC 4787 REQ-11). Where it is
what workers share evenly, there is one worker, which has all of it."""
from scapy.all import ICMP, IP, TCP, UDP

from conversation import Ping, Tcp, Udp

LIMITS = {"max-mappings": 1024, "max-sessions": 1024, "max-subscribers": 64, "max-port-sets": 64}


def refused_packets(box, host):
    return sum(int(s["refused-packets"]) for s in box.subscribers() if s["address"] == f"{host}/32")


def syn(host, remote, sport):
    return IP(src=host, dst=remote) / TCP(sport=sport, dport=80, flags="S")


def flood(box, packets):
    """Sends them in portions that no queue is too short for; returns the outside endpoints, in no order."""
    seen = []
    for start in range(0, len(packets), 256):
        portion = packets[start:start + 256]
        box.tx_inside(portion)
        seen += [(p.src, p.sport) for p in (box.rx_outside() for _ in portion)]
    return seen


def test_quota(fresh):
    """A subscriber has all the ports its quota allows: by protocol, and in all."""
    box = fresh(policy={"port-quota": [{"quota-type": 17, "port-limit": 70}, {"quota-type": 0, "port-limit": 100}]})
    host = box.host()
    flows = [Udp(box, host=host, sport=1000 + i) for i in range(71)]
    for flow in flows[:70]:
        flow.send()
    flows[70].send(verdict="drop-quota")
    assert refused_packets(box, host) == 1
    connections = [Tcp(box, host=host, sport=1000 + i) for i in range(31)]
    for connection in connections[:30]:
        connection.send("S")
    connections[30].send("S", verdict="drop-quota")
    Ping(box, host=host).send(verdict="drop-quota")
    # its neighbours do not feel it, nor do its own flows
    Udp(box).send()
    for flow in flows[:70]:
        flow.answer()
        flow.send()
    box.advance(241)
    connections[30].send("S")
    Ping(box, host=host).send()


def test_blocks_of_a_subscriber(fresh):
    """All ports of all its blocks are in use: 2 blocks of 64 ports, so the 129th flow is refused, once, as
    drop-block-limit; when they have ended and rested it may have new ones."""
    box = fresh(policy={"homeport:max-port-sets": 2})
    host = box.host()
    flows = [Udp(box, host=host, sport=1000 + i) for i in range(129)]
    for flow in flows[:128]:
        flow.send()
    flows[128].send(verdict="drop-block-limit")
    assert len({flow.outside for flow in flows[:128]}) == 128
    # the other protocols have ports of the same blocks left
    Tcp(box, host=host).send("S")
    for flow in flows[:128]:
        flow.answer()
        flow.send()
    box.advance(301)
    flows[128].send(verdict="drop-block-limit")
    box.advance(120)
    flows[128].send()


def test_pool(fresh):
    """Every block of every address is taken: 15 of 4096 ports on one address. A subscriber more gets none,
    those that are there lose none, and a block given back rests before it is given out again."""
    box = fresh(workers=1, pool="203.0.113.7/32", policy={"port-set": {"port-set-size": 4096}})
    flows = [Udp(box) for _ in range(15)]
    for flow in flows:
        flow.send()
    assert len({flow.outside[1] // 4096 for flow in flows}) == 15
    late = Udp(box)
    late.send(verdict="drop-pool")
    assert not [s for s in box.subscribers() if s["address"] == f"{late.host}/32"]
    for flow in flows:
        flow.answer()
        Udp(box, host=flow.host, sport=2000).send()
    # one lets go, the rest stay: 300 s for its mappings, 120 s empty, 120 s at rest
    for _ in range(5):
        box.advance(150)
        for flow in flows[1:]:
            flow.send()
        late.send(verdict="drop-pool" if _ < 3 else "nat44-out")
    assert late.outside[1] // 4096 == flows[0].outside[1] // 4096
    for flow in flows[1:]:
        flow.answer()


def test_paired_address(fresh):
    """The address a subscriber is paired with has no block left, another has: its new flows are refused rather
    than sent from elsewhere (RFC 7857 section 4)."""
    box = fresh(workers=1, pool="203.0.113.6/31", policy={"port-set": {"port-set-size": 4096}})
    flows = [Udp(box) for _ in range(29)]
    for flow in flows:
        flow.send()
    full = max(("203.0.113.6", "203.0.113.7"), key=lambda a: sum(flow.outside[0] == a for flow in flows))
    assert sum(flow.outside[0] == full for flow in flows) == 15
    mine = next(flow for flow in flows if flow.outside[0] == full)
    # 4096 ports of one protocol are used up by 4096 flows
    ports = flood(box, [IP(src=mine.host, dst=mine.remote) / UDP(sport=2000 + i, dport=80) for i in range(4095)])
    assert {address for address, _ in ports} == {full} and len(set(ports)) == 4095
    Udp(box, host=mine.host, sport=60000).send(verdict="drop-pool")
    mine.answer()
    # somebody without an address gets the last block of the other one
    newcomer = Udp(box)
    newcomer.send()
    assert newcomer.outside[0] != full


def test_mapping_memory(fresh):
    """The mapping table is full: existing mappings are translated, new ones refused, until one ends."""
    box = fresh(workers=1, platform=LIMITS)
    hosts, remote = [box.host() for _ in range(6)], box.remote()
    packets = [IP(src=hosts[n // 200], dst=remote) / UDP(sport=1000 + n, dport=80) for n in range(1024)]
    seen = set(flood(box, packets))
    assert len(seen) == 1024
    late = Udp(box)
    late.send(verdict="drop-mapping-memory")
    assert refused_packets(box, late.host) == 1
    assert set(flood(box, packets)) == seen
    box.advance(301)
    late.send()
    late.answer()


def test_session_memory(fresh):
    """The session table is full: connections that are there go on, also new packets of their mappings to the
    same destination; a new connection is refused and leaves no mapping behind."""
    box = fresh(workers=1, platform=LIMITS)
    host = box.host()
    remotes = [box.remote() for _ in range(1024)]
    flow = Tcp(box, host=host, remote=remotes[0])
    flow.open()
    assert set(flood(box, [syn(host, remote, 1000) for remote in remotes[1:]])) == {flow.outside}
    box.refused(syn(host, box.remote(), 1000), "drop-session-memory")
    late = Tcp(box)
    late.send("S", verdict="drop-session-memory")
    Ping(box).send(verdict="drop-session-memory")
    assert len(box.mappings()) == 1
    Udp(box).send()
    flow.answer("PA")
    flow.send("PA")
    box.advance(241)
    late.open()
    flow.answer("PA")


def test_subscriber_memory(fresh):
    """The subscriber table is full: 64 have flows, the 65th is refused until one has gone."""
    box = fresh(workers=1, platform={**LIMITS, "max-port-sets": 128})
    flows = [Udp(box) for _ in range(64)]
    for flow in flows:
        flow.send()
    late = Udp(box)
    late.send(verdict="drop-subscriber-memory")
    for flow in flows:
        flow.answer()
        Udp(box, host=flow.host, sport=2000).send()
    box.advance(301)
    box.advance(121)
    late.send()


def test_block_memory(fresh):
    """As many blocks are granted as the tables have room for; the pool has more."""
    box = fresh(workers=1, platform={**LIMITS, "max-subscribers": 128})
    flows = [Udp(box) for _ in range(64)]
    for flow in flows:
        flow.send()
    late = Udp(box)
    late.send(verdict="drop-block-memory")
    for flow in flows:
        flow.answer()
    # blocks given back rest in the table for the hold-down time
    box.advance(301)
    box.advance(121)
    late.send(verdict="drop-block-memory")
    box.advance(121)
    late.send()


def test_neighbour_queue(fresh):
    """Packets for a silent station wait, sixteen of them; the rest is dropped, and others are not kept up."""
    box = fresh()
    silent, flow = Udp(box, host="100.64.0.99"), Udp(box)
    silent.send()
    flow.send()
    box.tx_outside([silent.inward(data=bytes([i])) for i in range(20)], None)
    assert box.rx_frame("inside").type == 0x806
    box.tx_outside(flow.inward(), None)
    assert box.rx_inside().dst == flow.host
    for _ in range(2):
        box.advance(1)
        assert box.rx_frame("inside").type == 0x806
    box.advance(1)
    assert box.settle() == {"drop-neighbour": 20, "nat44-in": 1}
    assert ICMP not in box.out(flow.outward())
