# SPDX-License-Identifier: BSD-3-Clause
"""How workers share the packets and what they keep: each carries its own subscribers, whoever receives them, and
`show workers` tells so."""
import ipaddress

from scapy.all import IP, UDP, IPv6

from conversation import Udp
from config import AFTR, PREF64, TAP_DEVICES, dslite, nat64

WORKERS = [1, 3]
HOSTS = 12  # for each worker, so that every one has some


def statistics(box):
    return box.ask("show", "workers")["homeport:homeport"]["statistics"]


def worker_of(host, workers):
    """The Toeplitz hash of an inside address by the key that devices are given."""
    value, key, hashed = int(ipaddress.ip_address(host)), 0xbabb267ababb267a, 0
    for bit in range(32):
        if value >> (31 - bit) & 1:
            hashed ^= key >> (32 - bit) & 0xffffffff
    return hashed % 128 % workers


def total(workers, name):
    return sum(int(w[name]) for w in workers)


def test_shares(box):
    """All of them have subscribers, with port sets and mappings of their own, and what one hands over another
    takes: a device of one queue is read and written by one worker alone."""
    before = statistics(box)["worker"]
    hosts = HOSTS * len(before)
    for _ in range(hosts):
        p = box.out(IP(src=box.host(), dst=box.remote()) / UDP(sport=1, dport=2))
        box.back(IP(src=p.dst, dst=p.src) / UDP(sport=2, dport=p[UDP].sport))
    shown = statistics(box)["worker"]
    assert [w["number"] for w in shown] == list(range(len(before)))
    assert total(shown, "received") - total(before, "received") == 2 * hosts
    assert total(shown, "handed-over") == total(shown, "taken-over")
    assert (total(shown, "handed-over") > 0) == (len(shown) > 1)
    for name in ("mappings", "subscribers", "port-sets"):
        assert total(shown, name) - total(before, name) == hosts
        assert all(w[name] for w in shown)
    assert all(w["busy"] <= 100 and int(w["busy-time"]) <= int(w["time"]) for w in shown)


def test_imbalance(box):
    """The worker with the most packets against the mean, of late only."""
    for _ in range(3):
        box.advance(10)
    assert statistics(box)["imbalance"] == 0
    before = statistics(box)["worker"]
    host, remote = box.host(), box.remote()
    box.tx_inside([IP(src=host, dst=remote) / UDP(sport=1, dport=2)] * 30)
    for _ in range(30):
        box.rx_outside()
    # these go no further
    box.tx_inside([IP(src=host, dst="127.0.0.1") / UDP(sport=1, dport=2)] * 90, "drop-ip-destination")
    shown = statistics(box)
    packets = [sum(int(w[name]) - int(b[name]) for name in ("received", "taken-over"))
               for w, b in zip(shown["worker"], before)]
    assert shown["imbalance"] == max(packets) * len(packets) * 100 // sum(packets) - 100
    assert (shown["imbalance"] > 0) == (len(packets) > 1)


def test_port_sets_move(fresh):
    """Subscribers of one worker use up its port sets and go on with those of the others, before anybody is refused;
    what comes in from outside finds them. When the pool has none, the next is refused."""
    box = fresh(workers=3, pool="203.0.113.7/32", policy={"port-set": {"port-set-size": 4096}})
    hosts = [host for host in (box.host() for _ in range(120)) if worker_of(host, 3) == 0]
    flows = [Udp(box, host=host) for host in hosts[:15]]
    for n, flow in enumerate(flows, 1):
        flow.send()
        for _ in range(1000):
            shown = statistics(box)["worker"]
            if 5 + int(shown[0]["port-sets-taken"]) > n or n == 15:
                break
        assert shown[0]["subscribers"] == shown[0]["port-sets"] == n
    assert len({flow.outside[1] // 4096 for flow in flows}) == 15
    assert int(shown[0]["port-sets-taken"]) == total(shown, "port-sets-given") == 10
    Udp(box, host=hosts[15]).send(verdict="drop-pool")
    for flow in flows:
        flow.answer()
        flow.send()


def test_taps(fresh):
    """TAP devices with a queue for each worker, which spread packets as they like, and with fewer."""
    for workers in (3, 6):
        box = fresh(workers=workers, devices=TAP_DEVICES)
        assert box.log_text().count("spreads packets in its own way") == (2 if workers == 3 else 0)
        for _ in range(HOSTS):
            p = box.out(IP(src=box.host(), dst=box.remote()) / UDP(sport=1, dport=2))
            box.back(IP(src=p.dst, dst=p.src) / UDP(sport=2, dport=p[UDP].sport))


def test_homes(fresh):
    """Homes behind NAT64 and DS-Lite have each their own worker, and all workers have some."""
    for parts, packet in ((nat64(), lambda host, remote: IPv6(src=host, dst=PREF64.split("/")[0] + remote)),
                          (dslite(), lambda host, remote: IPv6(src=host, dst=AFTR) / IP(src="192.168.1.2", dst=remote))):
        box = fresh(workers=3, **parts)
        for _ in range(3 * HOSTS):
            box.tx_inside(packet(box.host6(), box.remote()) / UDP(sport=1, dport=2), None)
            box.rx_outside()
        box.settle()
        assert all(w["subscribers"] for w in statistics(box)["worker"])
