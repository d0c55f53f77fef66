# SPDX-License-Identifier: BSD-3-Clause
"""UDP through NAT44 (RFC 4787, RFC 7857)."""
from scapy.all import IP, UDP

WORKERS = [1, 3]


def test_mapping(box):
    """One inside endpoint has one outside endpoint, whatever the destination (RFC 4787 REQ-1)."""
    host, first, second = box.host(), box.remote(), box.remote()
    seen = set()
    for remote, port in ((first, 53), (first, 54), (second, 53)):
        p = box.out(IP(src=host, dst=remote) / UDP(sport=1000, dport=port) / "x")
        assert (p.dst, p[UDP].dport, p.ttl) == (remote, port, 63)
        seen.add((p.src, p[UDP].sport))
    (outside, port), = seen
    p = box.back(IP(src=second, dst=outside) / UDP(sport=9, dport=port) / "y")
    assert (p.src, p[UDP].sport, p.dst, p[UDP].dport) == (second, 9, host, 1000)


def test_timeout(box):
    """A mapping lives 300 s after the last packet out (RFC 4787 REQ-5, REQ-6)."""
    host, remote = box.host(), box.remote()
    p = box.out(IP(src=host, dst=remote) / UDP(sport=1000, dport=53))
    answer = IP(src=remote, dst=p.src) / UDP(sport=53, dport=p[UDP].sport)
    box.advance(299)
    box.out(IP(src=host, dst=remote) / UDP(sport=1000, dport=53))
    box.advance(299)
    box.back(answer)
    box.advance(2)
    box.tx_outside(answer, "drop-no-mapping")
