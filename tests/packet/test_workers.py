# SPDX-License-Identifier: BSD-3-Clause
"""How workers share the packets and what they keep: each carries its own subscribers, whoever receives them, and
`show workers` tells so."""
from scapy.all import IP, UDP, IPv6

from config import AFTR, PREF64, TAP_DEVICES, dslite, nat64

WORKERS = [1, 3]
HOSTS = 12  # for each worker, so that every one has some


def statistics(box):
    return box.ask("show", "workers")["homeport:homeport"]["statistics"]


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


def test_taps(fresh):
    """More workers than a TAP device can have queues for."""
    box = fresh(workers=6, devices=TAP_DEVICES)
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
