# SPDX-License-Identifier: BSD-3-Clause
"""Which outside address and port a subscriber gets, how many, and what happens when there are no more
(RFC 6888, RFC 4787 sections 4.1 and 4.2, RFC 7857)."""
import collections
import ipaddress

from scapy.all import ICMP, IP, TCP, UDP

from config import BLOCK, MAX_BLOCKS, POOL, config

WORKERS = [1, 3]
CONFIG = {"policy": {"homeport:max-port-sets": 4}}
ONE_ADDRESS = "203.0.113.1/32"


def udp(host, remote, sport):
    return IP(src=host, dst=remote) / UDP(sport=sport, dport=53)


def ping(host, remote, ident):
    return IP(src=host, dst=remote) / ICMP(type=8, id=ident, seq=1)


def endpoint(p):
    return p.src, p[UDP].sport


def open_many(box, host, remote, sports):
    """UDP flows from these ports; returns the outside endpoints by port."""
    box.tx_inside([udp(host, remote, s) for s in sports])
    return dict(zip(sports, (endpoint(box.rx_outside()) for _ in sports)))


def subscriber(box, host):
    return next(s for s in box.subscribers() if s["address"] == f"{host}/32")


def fill(box, blocks):
    """Subscribers take port blocks, one each, until all are granted; returns them."""
    remote = box.remote()
    hosts = [box.host() for _ in range(blocks)]
    box.tx_inside([udp(host, remote, 2000) for host in hosts])
    for _ in hosts:
        box.rx_outside()
    return hosts


# ---- blocks

def test_block(box):
    """The first flow of a subscriber takes a block, aligned to its size; flows take random ports of it, and
    the next block when it is full (RFC 6888 REQ-14, REQ-15, RFC 4787 REQ-3a)."""
    host, remote = box.host(), box.remote()
    ports = [port for _, port in open_many(box, host, remote, range(1, BLOCK + 1)).values()]
    assert len(set(ports)) == BLOCK and len({port // BLOCK for port in ports}) == 1
    assert min(ports) >= 1024 and ports != sorted(ports)
    assert subscriber(box, host)["port-sets"] == 1
    _, port = endpoint(box.out(udp(host, remote, 5000)))
    assert port // BLOCK != ports[0] // BLOCK
    assert subscriber(box, host)["port-sets"] == 2


def test_paired(box):
    """TCP, UDP and ICMP of one subscriber leave by one address (RFC 4787 REQ-2, RFC 6888 REQ-2)."""
    host, remote = box.host(), box.remote()
    sources = {box.out(IP(src=host, dst=remote) / TCP(sport=5, dport=80, flags="S")).src,
               box.out(ping(host, remote, 77)).src}
    sources |= {address for address, _ in open_many(box, host, remote, range(1, 3 * BLOCK)).values()}
    assert len(sources) == 1


def test_subscriber_full(box):
    """With all ports of all its blocks taken a subscriber is refused, told, and counted; its flows go on, and
    others are served (RFC 6888 REQ-4, REQ-11)."""
    host, other, remote = box.host(), box.host(), box.remote()
    flows = open_many(box, host, remote, range(1, MAX_BLOCKS * BLOCK + 1))
    assert len(set(flows.values())) == MAX_BLOCKS * BLOCK
    box.refused(udp(host, remote, 5000), "drop-block-limit")
    assert subscriber(box, host)["refused-packets"] == "1"
    assert endpoint(box.out(udp(host, remote, 7))) == flows[7]
    address, port = flows[8]
    assert box.back(IP(src=remote, dst=address) / UDP(sport=53, dport=port))[UDP].dport == 8
    box.out(udp(other, remote, 5000))
    # the other protocols have their own ports of the same blocks
    box.out(ping(host, remote, 5000))


def test_block_given_back(fresh):
    """An empty block is given back after its time, rests, and is then granted again (RFC 6888 REQ-8)."""
    box = fresh(workers=1, pool=ONE_ADDRESS, policy={"port-set": {"port-set-size": 4096, "port-set-timeout": 60},
                                          "homeport:max-port-sets": 1})
    hosts = fill(box, 15)
    late, remote = box.host(), box.remote()
    box.refused(udp(late, remote, 1), "drop-pool")
    box.advance(301)           # the mappings end
    assert {s["port-sets"] for s in box.subscribers()} == {1}
    box.advance(61)            # the blocks are given back
    assert not box.subscribers()
    box.refused(udp(late, remote, 1), "drop-pool")
    box.advance(118)
    box.refused(udp(late, remote, 1), "drop-pool")
    box.advance(3)             # and have rested
    box.out(udp(late, remote, 1))
    for host in hosts[:14]:
        box.out(udp(host, remote, 1))


def test_active_time(fresh):
    """After its active time a block gives no new mappings, though the subscriber's old ones go on."""
    box = fresh(policy={"homeport:port-set-active-timeout": 100, "homeport:max-port-sets": 2})
    host, remote = box.host(), box.remote()
    _, first = endpoint(box.out(udp(host, remote, 1)))
    box.advance(99)
    _, port = endpoint(box.out(udp(host, remote, 2)))
    assert port // BLOCK == first // BLOCK
    box.advance(2)
    _, second = endpoint(box.out(udp(host, remote, 3)))
    assert second // BLOCK != first // BLOCK
    assert endpoint(box.out(udp(host, remote, 1)))[1] == first
    # an old block is better than none
    box.advance(101)
    _, port = endpoint(box.out(udp(host, remote, 4)))
    assert port // BLOCK in {first // BLOCK, second // BLOCK}
    assert subscriber(box, host)["port-sets"] == 2


# ---- pools and pooling

def test_pools(fresh):
    """A pool is made of prefixes of any size, which need not be contiguous (RFC 6888 REQ-3). One worker deals addresses
    in turn; several do so each by itself."""
    pools = ["203.0.113.7/32", "198.51.100.8/29", "192.88.99.0/24"]
    box = fresh(workers=1, pool=pools, policy={"homeport:max-port-sets": 1})
    networks = [ipaddress.ip_network(p) for p in pools]
    remote, count = box.remote(), 1 + 8 + 256
    box.tx_inside([udp(box.host(), remote, 5) for _ in range(count)])
    used = dict(endpoint(box.rx_outside()) for _ in range(count))
    assert {ipaddress.ip_address(a) for a in used} == {a for n in networks for a in n}
    box.tx_outside([IP(src=remote, dst=a) / UDP(sport=1, dport=p) for a, p in used.items()])
    assert len({box.rx_inside().dst for _ in range(count)}) == count
    for beside in ("203.0.113.6", "203.0.113.8", "198.51.100.7", "198.51.100.16", "192.88.98.255", "192.88.100.0"):
        box.tx_outside(IP(src=remote, dst=beside) / UDP(sport=1, dport=2000), "drop-realm")


TWO_ADDRESSES = {"pool": "203.0.113.2/31",
                 "policy": {"port-set": {"port-set-size": 4096}, "homeport:max-port-sets": 2},
                 "platform": {"max-mappings": 16384}}


def hosts_by_address(box, remote, count):
    """New subscribers with one flow each, by the outside address they got."""
    found = collections.defaultdict(list)
    for _ in range(count):
        host = box.host()
        found[endpoint(box.out(udp(host, remote, 1)))[0]].append(host)
    return found


def test_soft_paired(fresh):
    """With soft pairing the subscriber gets a block of another address then, which a lookup finds (RFC 7857
    section 4)."""
    parts = {**TWO_ADDRESSES, "policy": {**TWO_ADDRESSES["policy"], "homeport:soft-pairing": True}}
    box = fresh(workers=1, **parts)
    remote = box.remote()
    by_address = hosts_by_address(box, remote, 29)
    full = max(by_address, key=lambda a: len(by_address[a]))
    host = by_address[full][0]
    flows = open_many(box, host, remote, range(1, 4097))
    assert {a for a, _ in flows.values()} == {full}
    address, port = endpoint(box.out(udp(host, remote, 5000)))
    assert address != full
    answer = box.ask("lookup", address, port, "udp")["homeport:homeport"]["resolve"]["answer"]
    assert [h["subscriber"] for h in answer["holder"]] == [f"{host}/32"]
    assert answer["holder"][0]["internal-port"] == 5000
    box.back(IP(src=remote, dst=address) / UDP(sport=53, dport=port))


def addresses_of_blocks(box, blocks):
    host, remote = box.host(), box.remote()
    flows = open_many(box, host, remote, range(1, blocks * BLOCK + 1))
    for address, port in set(flows.values()):
        answer = box.ask("lookup", address, port, "udp")["homeport:homeport"]["resolve"]["answer"]
        assert [h["subscriber"] for h in answer["holder"]] == [f"{host}/32"]
    return list(dict.fromkeys((a, p // BLOCK) for a, p in flows.values()))


def test_round_robin(fresh):
    """Each block comes of the next address in turn, and after the last of the first (RFC 8512
    address-allocation-type)."""
    box = fresh(policy={"address-allocation-type": "roundrobin"})
    used = [int(ipaddress.ip_address(a)) for a, _ in addresses_of_blocks(box, 4)]
    assert [(b - a) % ipaddress.ip_network(POOL).num_addresses for a, b in zip(used, used[1:])] == [1, 1, 1]


def test_arbitrary(fresh):
    """Each block comes of an address drawn at random."""
    box = fresh(policy={"address-allocation-type": "arbitrary", "homeport:max-port-sets": 12})
    used = [a for a, _ in addresses_of_blocks(box, 12)]
    # that twelve draws of sixteen give one address, or all in turn, happens once in 10^13 runs
    assert len(used) == 12 and len(set(used)) > 1


# ---- which port

PRESERVE = {"port-allocation-type": "port-preservation", "port-set": None, "homeport:port-set-size": 64}


def test_preservation(fresh):
    """The outside port is the inside one if it can be had, else a random one of the same class (RFC 4787
    REQ-3a, RFC 7857 section 9)."""
    box = fresh(workers=1, pool=ONE_ADDRESS, policy=PRESERVE)
    first, second, remote = box.host(), box.host(), box.remote()
    assert endpoint(box.out(udp(first, remote, 40000)))[1] == 40000
    assert endpoint(box.out(udp(first, remote, 50000)))[1] == 50000
    assert box.out(ping(first, remote, 40001))[ICMP].id == 40001
    # somebody else's block, and a system port
    for sport in (40000, 40001, 80):
        _, port = endpoint(box.out(udp(second, remote, sport)))
        assert port >= 1024 and port // 64 != 40000 // 64
    # no more blocks: a random port of those there are
    for sport in (20000, 30000):
        assert endpoint(box.out(udp(first, remote, sport)))[1] == sport
    assert endpoint(box.out(udp(first, remote, 60000)))[1] // 64 in {p // 64 for p in (40000, 50000, 20000, 30000)}


def test_parity(fresh):
    """Even ports for even ones and odd for odd (RFC 4787 REQ-4), which also ends with them; identifiers of
    ICMP have none."""
    box = fresh(policy={"port-allocation-type": "port-parity-preservation", "port-set": None,
                        "homeport:port-set-size": 64, "homeport:max-port-sets": 1})
    host, remote = box.host(), box.remote()
    for even, (_, port) in open_many(box, host, remote, range(1000, 1064, 2)).items():
        assert port % 2 == 0, even
    box.refused(udp(host, remote, 2000), "drop-block-limit")
    for odd, (_, port) in open_many(box, host, remote, range(1001, 1065, 2)).items():
        assert port % 2 == 1, odd
    idents = [box.out(ping(host, remote, 2 * i))[ICMP].id for i in range(64)]
    assert len(set(idents)) == 64


def test_reserved_ports(fresh):
    """Reserved ports are never handed out, and a block of nothing else is never granted."""
    box = fresh(workers=1, pool=ONE_ADDRESS, policy={
        "port-set": {"port-set-size": 4096}, "homeport:max-port-sets": 3,
        "homeport:reserved-ports": [{"lower": 4096, "upper": 61445}, {"lower": 61447}, {"lower": 61500, "upper": 65535}]})
    host, remote = box.host(), box.remote()
    flows = open_many(box, host, remote, range(1, 54))
    assert {port for _, port in flows.values()} == {61446, *range(61448, 61500)}
    box.refused(udp(host, remote, 5000), "drop-pool")


def test_randomness(fresh):
    """Ports are drawn evenly and in no order that repeats (RFC 6056 section 4, RFC 6888 REQ-15)."""
    orders = []
    for _ in range(2):
        box = fresh(pool=ONE_ADDRESS, policy={"port-set": {"port-set-size": 4096}})
        host, remote = box.host(), box.remote()
        ports = [port for _, port in open_many(box, host, remote, range(1, 2049)).values()]
        eighths = collections.Counter(port % 4096 // 512 for port in ports)
        # chi-square with 7 degrees of freedom: above 48 once in 3 * 10^7 runs
        assert sum((n - 256) ** 2 / 256 for n in eighths.values()) < 48 and len(eighths) == 8
        orders.append([port % 4096 for port in ports])
    assert orders[0] != orders[1]


# ---- limits

def test_quota(fresh):
    """Ports of a subscriber are limited in all and by protocol, identifiers too (RFC 6888 REQ-4a)."""
    box = fresh(workers=3, policy={"port-quota": [{"quota-type": 0, "port-limit": 30},
                                                  {"quota-type": 1, "port-limit": 5},
                                                  {"quota-type": 17, "port-limit": 20}]})
    host, remote = box.host(), box.remote()
    open_many(box, host, remote, range(1, 21))
    box.refused(udp(host, remote, 21), "drop-quota")
    for ident in range(5):
        box.out(ping(host, remote, ident))
    box.refused(ping(host, remote, 5), "drop-quota")
    for sport in range(1, 6):
        box.out(IP(src=host, dst=remote) / TCP(sport=sport, dport=80, flags="S"))
    box.refused(IP(src=host, dst=remote) / TCP(sport=6, dport=80, flags="S"), "drop-quota")
    state = subscriber(box, host)
    assert (state["udp-ports"], state["tcp-ports"], state["icmp-identifiers"]) == (20, 5, 5)
    assert state["refused-packets"] == "3"


def test_mapping_rate(fresh):
    """New mappings are limited in their rate, by subscriber; what there is goes on (RFC 6888 REQ-4c)."""
    box = fresh(workers=3, policy={"homeport:mapping-rate": 10, "homeport:mapping-burst": 20})
    host, other, remote = box.host(), box.host(), box.remote()
    open_many(box, host, remote, range(1, 21))
    box.refused(udp(host, remote, 21), "drop-mapping-rate")
    box.out(udp(host, remote, 20))
    box.out(udp(other, remote, 1))
    box.advance(1)
    open_many(box, host, remote, range(21, 31))
    box.refused(udp(host, remote, 31), "drop-mapping-rate")
    box.advance(60)
    open_many(box, host, remote, range(31, 51))
    box.refused(udp(host, remote, 51), "drop-mapping-rate")


def test_refusals_are_limited(fresh):
    """The messages about refusals are limited in their rate, the drops counted all (RFC 6888 REQ-11b)."""
    box = fresh(workers=1, policy={"port-quota": [{"quota-type": 0, "port-limit": 1}]}, platform={"icmp-error-rate": 8})
    host, remote = box.host(), box.remote()
    box.out(udp(host, remote, 1))
    box.advance(1)
    box.tx_inside([udp(host, remote, s) for s in range(2, 32)], "drop-quota")
    for _ in range(8):
        assert box.rx_inside()[ICMP].code == 1
    assert box.counters()["icmp-errors-withheld"] == "22"
    assert subscriber(box, host)["refused-packets"] == "30"


def test_pool_exhausted(fresh):
    """With every block granted new subscribers are refused; nobody loses anything, the behaviour of mappings
    does not change, and what is given back is granted again (RFC 6888 REQ-11d, RFC 4787 REQ-11)."""
    box = fresh(pool=ONE_ADDRESS, workers=3, policy={"port-set": {"port-set-size": 1024}})
    remote, second = box.remote(), box.remote()
    served, verdicts = {}, collections.Counter()
    for _ in range(200):
        host = box.host()
        box.tx_inside(udp(host, remote, 1), None)
        got, = box.settle()
        verdicts[got] += 1
        if got == "nat44-out":
            served[host] = endpoint(box.rx_outside())
        else:
            assert box.rx_inside()[ICMP].code == 1
    assert verdicts == {"nat44-out": 63, "drop-pool": 137}
    assert len(set(served.values())) == 63
    for host, (address, port) in served.items():
        assert endpoint(box.out(udp(host, second, 1))) == (address, port)
        assert box.back(IP(src=second, dst=address) / UDP(sport=9, dport=port)).dst == host
    for seconds in (301, 121, 121):  # the mappings end, the blocks are given back, and have rested
        box.advance(seconds)
    assert not box.subscribers()
    for host in served:
        # where a worker has run out, another that has free ones gives it some, which takes a moment
        for _ in range(50):
            box.tx_inside(udp(host, remote, 1), None)
            if box.settle() == {"nat44-out": 1}:
                break
            assert box.rx_inside()[ICMP].code == 1
        assert box.rx_outside().dst == remote


# ---- hold-down

HOLD = {"port-set": {"port-set-size": 64}, "homeport:max-port-sets": 1}


def test_hold_down(box):
    """A port that was freed rests for 120 s (RFC 6888 REQ-8)."""
    host, remote = box.host(), box.remote()
    flows = open_many(box, host, remote, range(1, 11))
    box.advance(200)
    box.tx_inside([udp(host, remote, s) for s in range(2, 11)])
    for _ in range(9):
        box.rx_outside()
    box.advance(101)           # the first mapping has ended, the others stay
    resting = flows[1]
    assert {endpoint(box.rx_outside()) for _ in [box.tx_inside(
        [udp(host, remote, s) for s in range(100, 100 + BLOCK * MAX_BLOCKS - 10)])]
        for _ in range(BLOCK * MAX_BLOCKS - 10)}.isdisjoint({resting})
    box.refused(udp(host, remote, 9000), "drop-block-limit")
    box.advance(118)
    box.refused(udp(host, remote, 9000), "drop-block-limit")
    box.advance(2)
    assert endpoint(box.out(udp(host, remote, 9000))) == resting


def test_clean_close_needs_no_rest(fresh):
    """The port of a connection that both ends have closed is free at once (RFC 6888 REQ-8a)."""
    box = fresh(policy={**HOLD, "port-quota": [{"quota-type": 6, "port-limit": 64}]})
    host, remote = box.host(), box.remote()

    def tcp(sport, flags):
        return IP(src=host, dst=remote) / TCP(sport=sport, dport=80, flags=flags)

    ports = {s: box.out(tcp(s, "S")) for s in range(1, 65)}
    closed = ports[1]
    back = IP(src=remote, dst=closed.src) / TCP(sport=80, dport=closed[TCP].sport, flags="SA")
    box.back(back)
    box.out(tcp(1, "A"))
    box.out(tcp(1, "FA"))
    back[TCP].flags = "FA"
    box.back(back)
    box.refused(tcp(70, "S"), "drop-quota")
    box.advance(241)           # TIME_WAIT is over, and so are the others, unanswered
    state = subscriber(box, host)
    assert state["tcp-ports"] == 0
    assert box.out(tcp(70, "S"))[TCP].sport == closed[TCP].sport
    box.refused(tcp(71, "S"), "drop-block-limit")


def test_hold_down_max(fresh):
    """No more ports rest than that; a mapping whose port would be one too many stays until another's rest is
    over, so no port is given out before its time (RFC 6888 REQ-8)."""
    box = fresh(workers=1, policy={"timers": {"hold-down-max": 10},
                                   "port-set": {"port-set-size": 64, "port-set-timeout": 3600}})
    host, remote = box.host(), box.remote()
    open_many(box, host, remote, range(1, 31))
    box.advance(302)
    assert subscriber(box, host)["udp-ports"] == 20
    box.advance(110)
    assert subscriber(box, host)["udp-ports"] == 20
    box.advance(20)
    assert subscriber(box, host)["udp-ports"] == 10
    # one of those that stayed is used again and lives on
    left = {m["internal-src-port"]["start-port-number"] for m in box.mappings()}
    assert len(left) == 10
    box.out(udp(host, remote, min(left)))
    box.advance(130)
    assert subscriber(box, host)["udp-ports"] == 1
    box.advance(300)
    assert subscriber(box, host)["udp-ports"] == 0


def test_reload_keeps_limits_apart_from_ports(fresh):
    """Limits change with a reload while mappings stay; other reserved ports make another pool."""
    box = fresh()
    host, remote = box.host(), box.remote()
    flow = endpoint(box.out(udp(host, remote, 1)))
    box.reload(config(policy={"port-quota": [{"quota-type": 0, "port-limit": 1}]}))
    assert endpoint(box.out(udp(host, remote, 1))) == flow
    box.refused(udp(host, remote, 2), "drop-quota")
    box.reload(config(policy={"homeport:reserved-ports": [{"lower": flow[1]}]}))
    assert not box.mappings()
    assert endpoint(box.out(udp(host, remote, 1)))[1] != flow[1]
