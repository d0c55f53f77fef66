# SPDX-License-Identifier: BSD-3-Clause
"""What a carrier asks of a NAT (RFC 6888): pools of any shape, port blocks, and who had which port."""
import contextlib
import ipaddress
import json
import sqlite3

from scapy.all import ICMP, IP, UDP

from box import check_config, run_pcap
from config import BLOCK, POOL, config, static_mapping
from conversation import Ping, Tcp, Udp

WORKERS = [1, 3]


def subscriber(box, host):
    found = [s for s in box.subscribers() if s["address"] == f"{host}/32"]
    return found[0] if found else None


def holder(box, endpoint, protocol="udp"):
    answer = box.ask("lookup", endpoint[0], endpoint[1], protocol)["homeport:homeport"]["resolve"]["answer"]
    return answer.get("holder", [])


def forms(address):
    """How an address may stand in a file: as text, as a number in either byte order, as bytes."""
    packed = ipaddress.ip_address(address).packed
    return {address, str(int.from_bytes(packed, "big")), str(int.from_bytes(packed, "little")), packed.hex().upper()}


def block_of(port):
    return port // BLOCK


def test_pool_of_many_shapes(fresh):
    """A pool is any number of prefixes that need not touch (RFC 6888 REQ-3): all of them are used, nothing
    beside them is."""
    prefixes = ["203.0.113.1/32", "203.0.113.8/29", "198.51.100.0/26"]
    box = fresh(pool=prefixes)
    networks = [ipaddress.ip_network(p) for p in prefixes]
    used = set()
    for _ in range(150):
        flow = Udp(box)
        flow.send()
        flow.answer()
        address = ipaddress.ip_address(flow.outside[0])
        used.add(address)
        assert any(address in network for network in networks)
    assert len(used) == sum(network.num_addresses for network in networks)


def test_block(box):
    """The first flow takes a block of ports, aligned to its size, on the paired address; the next flows of any
    protocol use it, and another block only when it is full (RFC 6888 REQ-14)."""
    host = box.host()
    flows = [Udp(box, host=host, sport=5000 + i) for i in range(BLOCK)]
    for flow in flows:
        flow.send()
    assert len({flow.outside for flow in flows}) == BLOCK
    block, = {block_of(flow.outside[1]) for flow in flows}
    tcp, ping = Tcp(box, host=host), Ping(box, host=host)
    tcp.send("S")
    ping.send()
    assert block_of(tcp.outside[1]) == block and block_of(ping.outside[1]) == block
    assert subscriber(box, host)["port-sets"] == 1
    more = Udp(box, host=host, sport=4999)
    more.send()
    assert more.outside[0] == flows[0].outside[0] and block_of(more.outside[1]) != block
    state = subscriber(box, host)
    assert (state["port-sets"], state["udp-ports"], state["tcp-ports"], state["icmp-identifiers"]) == (
        2, BLOCK + 1, 1, 1)


def test_blocks_are_one_subscribers(box):
    """No two subscribers have ports of one block, so a record of blocks tells who it was."""
    owner = {}
    for _ in range(30):
        host = box.host()
        flows = [Udp(box, host=host, sport=5000 + i) for i in range(3)]
        for flow in flows:
            flow.send()
            assert owner.setdefault((flow.outside[0], block_of(flow.outside[1])), host) == host
            found, = holder(box, flow.outside)
            assert (found["subscriber"], found["internal-address"], found["internal-port"]) == (
                f"{host}/32", host, flow.inside_port)


def test_record_of_a_block(box):
    """One record a block: from when, until when, whoever used which port of it."""
    flow = Udp(box)
    flow.send()
    first, = holder(box, flow.outside)
    assert "until" not in first and first["subscriber"] == f"{flow.host}/32"
    unused = (flow.outside[0], block_of(flow.outside[1]) * BLOCK + (flow.outside[1] + 1) % BLOCK)
    same, = holder(box, unused)
    assert same["from"] == first["from"] and "internal-port" not in same
    # given back it still counts while its ports rest: who asks then means what was on its way
    box.advance(301)
    box.advance(121)
    last, = holder(box, flow.outside)
    assert last["subscriber"] == f"{flow.host}/32" and "until" in last
    box.advance(121)
    assert not holder(box, flow.outside)


def test_no_destinations(fresh):
    """Where subscribers send to is in no record, no table and no log (RFC 6888 REQ-12)."""
    remote, port = "198.18.77.9", 43210
    box = fresh(more={"homeport:homeport": {"resolve": {"history-file": "history.db"}}})
    flow = Udp(box, remote=remote, dport=port)
    flow.send()
    flow.answer()
    Tcp(box, host=flow.host, remote=remote, dport=port).open()
    told = json.dumps([box.ask("show", what) for what in ("mappings", "subscribers", "acls", "interfaces")] +
                      [box.ask("lookup", *flow.outside, "udp")])
    assert flow.host in told and remote not in told and str(port) not in told
    box.advance(301)
    box.stop_daemon()
    with contextlib.closing(sqlite3.connect(box.folder / "history.db")) as history:
        told = "\n".join(history.iterdump())
    assert any(form in told for form in forms(flow.host)) and not any(form in told for form in forms(remote))
    assert str(port) not in told and remote not in box.log_text()
    box.start_daemon(config())


def test_static_ports_with_workers(fresh):
    """A port forward in the midst of others' blocks leads to its host, whichever workers own them."""
    numbers = range(1, 250)
    statics = [static_mapping(k, f"100.66.0.{k}", "203.0.113.7", 17, 80, 1024 + k * BLOCK + 9) for k in numbers]
    box = fresh(workers=3, pool="203.0.113.7/32", statics=statics)
    for _ in range(12):
        host = box.host()
        box.tx_inside([IP(src=host, dst=box.remote()) / UDP(sport=5000 + i, dport=80) for i in range(230)])
        for _ in range(230):
            box.rx_outside()
    for k in numbers:
        p = box.back(IP(src=box.remote(), dst="203.0.113.7") / UDP(sport=7, dport=1024 + k * BLOCK + 9))
        assert (p.dst, p.dport) == (f"100.66.0.{k}", 80)


def test_empty_block_is_given_back(box):
    """A block without mappings is given back after port-set-timeout, 120 s, and with its last block the
    subscriber is forgotten (RFC 8512, port-set-timeout)."""
    flow = Udp(box)
    flow.send()
    box.advance(301)
    flow.answer(verdict="drop-no-mapping")
    assert subscriber(box, flow.host)["port-sets"] == 1
    box.advance(118)
    assert subscriber(box, flow.host)["port-sets"] == 1
    box.advance(3)
    assert subscriber(box, flow.host) is None


def test_block_is_kept_while_used(box):
    """A mapping made meanwhile keeps the block."""
    flow = Udp(box)
    flow.send()
    box.advance(301)
    box.advance(100)
    other = Udp(box, host=flow.host, sport=1001)
    other.send()
    box.advance(290)
    assert subscriber(box, flow.host)["port-sets"] == 1
    other.answer()
    assert block_of(other.outside[1]) == block_of(flow.outside[1])


def test_port_set_size(tmp_path):
    """Port blocks need a size, a power of two that leaves some beside the system ports; anything else is refused
    with what is allowed (RFC 8512 has no default)."""
    for wrong in ({"port-set-size": 100}, {"port-set-size": 32}, {"port-set-size": 8192}, {}):
        said = check_config(tmp_path, config(policy={"port-set": None}) if not wrong else
                            config(policy={"port-set": wrong}))
        assert "port-set" in said, wrong
    assert "64" in check_config(tmp_path, config(policy={"port-set": {"port-set-size": 100}}))
    for right in (64, 512, 4096):
        assert not check_config(tmp_path, config(policy={"port-set": {"port-set-size": right}}))


def test_defaults(box):
    """Without a word about them: endpoint-independent mapping and filtering, paired pooling (RFC 6888 REQ-2,
    REQ-7)."""
    first = Udp(box)
    first.send()
    stranger = Udp(box, host=first.host, dport=1)
    stranger.outside = first.outside
    stranger.answer()
    again = Udp(box, host=first.host)
    again.send()
    assert again.outside == first.outside


def test_who_is_behind(box):
    """The operator's view agrees with the packets: mappings with their inside and outside endpoints."""
    flow = Tcp(box).open()
    entry, = [m for m in box.mappings() if m["internal-src-address"] == f"{flow.host}/32"]
    assert entry["external-src-address"] == f"{flow.outside[0]}/32"
    assert entry["external-src-port"]["start-port-number"] == flow.outside[1]
    assert entry["internal-src-port"]["start-port-number"] == flow.inside_port
    assert entry["transport-protocol"] == 6


def test_files(tmp_path):
    """Packets from files through a box without any device: --until-idle ends when all is done."""
    sent = [IP(src=f"100.64.1.{i}", dst="198.51.100.1") / UDP(sport=1000, dport=53) / "x" for i in range(1, 100)]
    pinged = IP(src="198.51.100.9", dst="192.0.2.1") / ICMP(id=3)
    got = run_pcap(tmp_path, inside=sent, outside=[pinged], workers=2)
    requests = [p for p in got["outside"] if UDP in p]
    assert len(requests) == 99 and len({(p.src, p.sport) for p in requests}) == 99
    assert all(ipaddress.ip_address(p.src) in ipaddress.ip_network(POOL) for p in requests)
    reply, = [p for p in got["outside"] if UDP not in p]
    assert reply[ICMP].type == 0 and not got["inside"]
