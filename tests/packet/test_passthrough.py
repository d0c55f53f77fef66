# SPDX-License-Identifier: BSD-3-Clause
"""Destinations that are not translated: nat-pass-through (RFC 6888 REQ-6)."""
import copy

from scapy.all import ICMP, IP, TCP, UDP, IPOption_NOP, Raw

from config import config, merge, static_mapping

WHOLE, SOME, GATEWAY = "198.51.100.0/24", "192.0.2.128/25", "192.0.2.77"
THERE, SERVER, ELSEWHERE = "198.51.100.9", "192.0.2.200", "192.0.2.78"
WORKERS = [1, 3]
CONFIG = {
    "instance": {"nat-pass-through": [
        {"id": 1, "prefix": WHOLE}, {"id": 2, "prefix": SOME, "port": 443},
        {"id": 3, "prefix": f"{GATEWAY}/32", "port": 4500}, {"id": 4, "prefix": "198.19.0.0/16"}]},
    "statics": [static_mapping(1, "100.66.0.1", "203.0.113.1", 6, 80, 80)],
    "routes": [("198.51.100.64/26", "192.0.2.253"), ("198.19.64.0/18", "blackhole")],
    "outside": {"ietf-ip:ipv4": {"neighbor": [
        {"ip": "192.0.2.254", "link-layer-address": "02:00:00:00:00:12"},
        {"ip": "192.0.2.253", "link-layer-address": "02:00:00:00:00:12"},
        {"ip": SERVER, "link-layer-address": "02:00:00:00:00:12"},
        {"ip": GATEWAY, "link-layer-address": "02:00:00:00:00:12"},
        {"ip": ELSEWHERE, "link-layer-address": "02:00:00:00:00:12"}]}}}


def hopped(packet):
    """The packet one hop later: nothing else may change."""
    packet = IP(bytes(packet))
    packet.ttl -= 1
    del packet.chksum
    return bytes(packet)


def passes_out(box, packet):
    box.tx_inside(packet, "pass-through")
    assert bytes(box.rx_outside()) == hopped(packet)


def passes_in(box, packet):
    box.tx_outside(packet, "pass-through")
    assert bytes(box.rx_inside()) == hopped(packet)


def traffic(inside, outside, port):
    """Packets of all kinds between two hosts, and the answers."""
    there = IP(src=inside, dst=outside, ttl=61, tos=4, id=77)
    back = IP(src=outside, dst=inside, ttl=9, id=3)
    return [(there / UDP(sport=1, dport=port) / b"one", back / UDP(sport=port, dport=1) / b"two"),
            (there / TCP(sport=2, dport=port, flags="A", seq=7) / b"one", back / TCP(sport=port, dport=2))]


def test_all_ports(box):
    """Whatever goes to a prefix without a port is left as it is, both ways, also what NAT could not carry."""
    for remote in (THERE, "198.51.100.70", "198.51.100.255", "198.19.0.1"):
        host = box.host()
        others = [(IP(src=host, dst=remote) / ICMP(id=5), IP(src=remote, dst=host) / ICMP(type=0, id=5)),
                  (IP(src=host, dst=remote, proto=47) / Raw(b"GRE" * 9),
                   IP(src=remote, dst=host, proto=50) / Raw(b"ESP" * 9))]
        for out, back in traffic(host, remote, 4242) + others:
            passes_out(box, out)
            passes_in(box, back)
    assert not box.subscribers() and not [m for m in box.mappings() if m["type"] != "static"]


def test_from_outside_first(box):
    """Such a destination reaches the inside by its own addresses without being asked."""
    passes_in(box, IP(src=THERE, dst=box.host()) / TCP(sport=9, dport=22, flags="S"))


def test_one_port(box):
    """An entry with a port leaves other ports to the NAT, ICMP queries among them."""
    for remote, port in ((SERVER, 443), (GATEWAY, 4500)):
        host = box.host()
        for out, back in traffic(host, remote, port):
            passes_out(box, out)
            passes_in(box, back)
        p = box.out(IP(src=host, dst=remote) / UDP(sport=5, dport=444))
        assert p.src.startswith("203.0.113.")
        box.back(IP(src=remote, dst=p.src) / UDP(sport=444, dport=p.sport))
        assert box.out(IP(src=host, dst=remote) / ICMP(id=5)).src == p.src
        box.tx_outside([IP(src=remote, dst=host) / UDP(sport=444, dport=5),
                        IP(src=remote, dst=host) / ICMP(id=5)], "drop-realm")
        box.tx_inside(IP(src=host, dst=remote, proto=47), "drop-protocol")


def test_others_are_translated(box):
    """The neighbours of those destinations are translated, and do not reach the inside."""
    host = box.host()
    assert box.out(IP(src=host, dst=ELSEWHERE) / UDP(sport=5, dport=443)).src.startswith("203.0.113.")
    box.tx_outside(IP(src=ELSEWHERE, dst=host) / UDP(sport=443, dport=5), "drop-realm")
    box.tx_outside(IP(src="198.51.101.1", dst=host) / UDP(sport=443, dport=5), "drop-realm")


def test_only_subscribers_of_the_instance(box):
    """A source that no policy serves is not let through either."""
    box.tx_inside(IP(src="10.1.1.1", dst=THERE) / UDP(sport=1, dport=2), "drop-policy")


def test_a_route_decides_first(box):
    """What is routed to nowhere stays so."""
    box.tx_inside(IP(src=box.host(), dst="198.19.64.1") / UDP(sport=1, dport=2), "drop-blackhole")


def test_errors(box):
    """ICMP errors about such traffic pass untouched, from whatever router (RFC 5508 REQ-4, 4787 REQ-12a)."""
    host, router = box.host(), box.remote()
    sent = IP(src=host, dst=SERVER) / UDP(sport=5, dport=443) / b"question"
    passes_in(box, IP(src=router, dst=host) / ICMP(type=11, code=0) / sent)
    got = IP(src=SERVER, dst=host) / UDP(sport=443, dport=5) / b"answer"
    passes_out(box, IP(src=host, dst=SERVER) / ICMP(type=3, code=3) / got)
    passes_out(box, IP(src=box.host(), dst=SERVER) / ICMP(type=11, code=0) / got)
    other = IP(src=host, dst=SERVER) / UDP(sport=5, dport=444) / b"question"
    box.tx_outside(IP(src=router, dst=host) / ICMP(type=11, code=0) / other, "drop-realm")


def test_it_is_a_hop(box):
    """The time to live counts; IP options stay as they are."""
    host = box.host()
    box.advance(1)  # for an ICMP error to be allowed
    box.tx_inside(IP(src=host, dst=THERE, ttl=1) / UDP(sport=1, dport=2), "drop-ttl")
    p = box.rx_inside()
    assert p.src == "100.64.0.1" and p[ICMP].type == 11 and p[ICMP].payload.dst == THERE
    passes_out(box, IP(src=host, dst=THERE, options=[IPOption_NOP()] * 4) / UDP(sport=1, dport=2))


def test_reload(fresh):
    """Entries come and go by reload."""
    box = fresh()
    host = box.host()
    packet = IP(src=host, dst=THERE) / UDP(sport=1, dport=2)
    outside = box.out(packet).src
    box.reload(config(instance={"nat-pass-through": [{"id": 1, "prefix": WHOLE}]}))
    passes_out(box, packet)
    box.reload(config())
    assert box.out(packet).src == outside


def test_only_the_instance_that_says_so(fresh):
    """An instance leaves alone what its own list names."""
    second = copy.deepcopy(config()["ietf-nat:nat"]["instances"]["instance"][0])
    second = merge(second, {"id": 2, "nat-pass-through": [{"id": 1, "prefix": WHOLE}]})
    second["policy"][0]["external-ip-address-pool"] = [{"pool-id": 1, "external-ip-pool": "203.0.113.64/28"}]
    second["policy"][0]["subscriber-match"] = [{"match-id": 1, "subnet": "100.70.0.0/16"}]
    both = config()
    both["ietf-nat:nat"]["instances"]["instance"].append(second)
    box = fresh()
    box.reload(both)
    assert box.out(IP(src="100.69.0.1", dst=THERE) / UDP(sport=1, dport=2)).src.startswith("203.0.113.")
    passes_out(box, IP(src="100.70.0.1", dst=THERE) / UDP(sport=1, dport=2))
    box.tx_outside(IP(src=THERE, dst="100.69.0.1") / UDP(sport=2, dport=1), "drop-realm")
    p = box.out(IP(src="100.70.0.1", dst=box.remote()) / UDP(sport=1, dport=2))
    assert 64 <= int(p.src.split(".")[3]) < 80
