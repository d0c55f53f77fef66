# SPDX-License-Identifier: BSD-3-Clause
"""Inside hosts that reach each other by their outside addresses, in all combinations (RFC 4787 REQ-9, RFC 5382
REQ-8, RFC 5508 REQ-7): hosts with port blocks, with a forwarded port, with a whole address."""
import itertools

import pytest
from scapy.all import ICMP, IP, TCP, UDP, Raw

from config import static_mapping

KINDS = ["dynamic", "forwarded", "whole"]
WORKERS = [1, 3]
# more than one host of each kind, so that some pairs are of one worker and some are not
FORWARDED = [f"100.66.0.{n}" for n in range(1, 5)]
WHOLE = [f"100.66.1.{n}" for n in range(1, 5)]
CONFIG = {"statics": [static_mapping(10 * n + k, host, "203.0.113.1", protocol, 700, 3000 + n)
                      for n, host in enumerate(FORWARDED) for k, protocol in enumerate((1, 6, 17))]
          + [static_mapping(100 + n, host, f"203.0.113.{100 + n}") for n, host in enumerate(WHOLE)]}
LAYERS = {"udp": lambda s, d: UDP(sport=s, dport=d) / b"hello",
          "tcp": lambda s, d: TCP(sport=s, dport=d, flags="S") / b"hello"}


def hosts(box, kind):
    return {"dynamic": [box.host() for _ in range(4)], "forwarded": FORWARDED, "whole": WHOLE}[kind]


def outside_of(box, host, protocol):
    """The outside address and port of a host's port 700."""
    p = box.out(IP(src=host, dst=box.remote()) / LAYERS[protocol](700, 9))
    return p.src, p.sport


@pytest.mark.parametrize("protocol", LAYERS)
@pytest.mark.parametrize("kind_a, kind_b", list(itertools.product(KINDS, KINDS)))
def test_there_and_back(box, kind_a, kind_b, protocol):
    """A's packet to B's outside address comes from A's, and B's answer the other way (RFC 4787 REQ-9a)."""
    for a, b in zip(hosts(box, kind_a), reversed(hosts(box, kind_b))):
        if a == b:
            continue
        outside_a, outside_b = outside_of(box, a, protocol), outside_of(box, b, protocol)
        for (src, to, seen_as, at) in ((a, outside_b, outside_a, b), (b, outside_a, outside_b, a)):
            p = box.hairpin(IP(src=src, dst=to[0], ttl=9) / LAYERS[protocol](700, to[1]))
            assert (p.src, p.sport) == seen_as and (p.dst, p.dport) == (at, 700)
            assert p.ttl == 8 and p[Raw].load == b"hello"


@pytest.mark.parametrize("kind", KINDS)
def test_oneself(box, kind):
    """A host that writes to its own outside address hears itself, from there."""
    for host in hosts(box, kind):
        address, port = outside_of(box, host, "udp")
        p = box.hairpin(IP(src=host, dst=address) / LAYERS["udp"](700, port))
        assert (p.src, p.sport, p.dst, p.dport) == (address, port, host, 700)


@pytest.mark.parametrize("kind", KINDS)
def test_echo(box, kind):
    """A ping of the outside address of a host that has one for itself, and the reply."""
    for a, b in zip(hosts(box, kind), reversed(WHOLE)):
        if a == b:
            continue
        outside_a = box.out(IP(src=a, dst=box.remote()) / ICMP(id=700))
        outside_b = box.out(IP(src=b, dst=box.remote()) / ICMP(id=1)).src
        p = box.hairpin(IP(src=a, dst=outside_b) / ICMP(id=700, seq=3))
        assert (p.src, p.dst, p[ICMP].id, p[ICMP].seq) == (outside_a.src, b, outside_a[ICMP].id, 3)
        p = box.hairpin(IP(src=b, dst=outside_a.src) / ICMP(type=0, id=p[ICMP].id, seq=3))
        assert (p.src, p.dst, p[ICMP].id, p[ICMP].seq) == (outside_b, a, 700, 3)


def test_echo_to_an_identifier(box):
    """A query has one identifier for both ends: where the other end is told by its identifier alone, the
    sender's outside one is not it."""
    box.tx_inside(IP(src=box.host(), dst="203.0.113.1") / ICMP(id=3000), "drop-no-mapping")


@pytest.mark.parametrize("protocol", LAYERS)
@pytest.mark.parametrize("kind_a, kind_b", list(itertools.product(KINDS, KINDS)))
def test_error(box, kind_a, kind_b, protocol):
    """B rejects what A sent: A hears of it from B's outside address, about what it had sent itself (RFC 5508
    REQ-7a)."""
    for a, b in zip(hosts(box, kind_a), reversed(hosts(box, kind_b))):
        if a == b:
            continue
        outside_a, outside_b = outside_of(box, a, protocol), outside_of(box, b, protocol)
        sent = IP(src=a, dst=outside_b[0]) / LAYERS[protocol](700, outside_b[1])
        got = box.hairpin(sent)
        p = box.hairpin(IP(src=b, dst=outside_a[0]) / ICMP(type=3, code=3) / got)
        assert (p.src, p.dst, p[ICMP].type, p[ICMP].code) == (outside_b[0], a, 3, 3)
        quoted = p[ICMP].payload
        assert (quoted.src, quoted.dst) == (a, outside_b[0])
        assert (quoted.payload.sport, quoted.payload.dport) == (700, outside_b[1])


def test_nobody_there(box):
    """A port that nobody has is nobody's from inside as well."""
    box.tx_inside(IP(src=box.host(), dst="203.0.113.1") / UDP(sport=1, dport=2999), "drop-no-mapping")
    box.tx_inside(IP(src=FORWARDED[0], dst="203.0.113.1") / UDP(sport=1, dport=2999), "drop-no-mapping")
