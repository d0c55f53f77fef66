# SPDX-License-Identifier: BSD-3-Clause
"""MAP-E border relay (RFC 7597)."""
import pytest
from scapy.all import ICMP, IP, UDP, ICMPv6DestUnreach, IPv6, Raw

from config import BOX_OUTSIDE
from softwires import BR, BR2, back, mapping_rules, one_hop_later, out, ping, rule, tcp, tunnel, udp

WORKERS = [1, 3]
THERE = "198.18.7.7"
ESP = 50
# the rule of RFC 7597 appendix A, and others beside and within it
EXAMPLE = dict(prefix6="2001:db8::/40", prefix4="198.51.99.0/24")
CONFIG = mapping_rules([
    rule("example", **EXAMPLE),
    rule("told", "2001:db8:112:3400::/56", "198.51.100.18/32", ea=0, psid=0x34),
    rule("whole", "2001:db8:113:3400::/56", "198.51.100.19/32", ea=0, length=0),
    rule("prefix", "2001:db8:120::/48", "198.51.101.0/24", ea=4, length=0),
    rule("within", "2001:db8:0:8000::/52", "198.51.102.0/24", ea=12, length=4, br=BR2)],
    routes=[("2001:db8::/40", "2001:db8:2::2")])
CE = "2001:db8:12:3400:0:c633:6312:34"  # 198.51.99.18, PSID 0x34
HIS = "198.51.99.18"


def test_example(box):
    """The address of the CE follows from the rule, the address and the port (M3; RFC 7597 appendix A, examples 1 to 3)."""
    for packet in (udp(THERE, HIS, 53, 1232), tcp(THERE, HIS, 80, 64723), ping(THERE, HIS, 2256, kind=0)):
        got = back(box, packet)
        assert (got.src, got.dst, got.nh, got.hlim) == (BR, CE, 4, 64)
        assert bytes(got.payload) == one_hop_later(packet)
    for packet in (udp(HIS, THERE, 1232, 53), tcp(HIS, THERE, 64723, 80), ping(HIS, THERE, 2256)):
        assert bytes(out(box, tunnel(CE, packet))) == one_hop_later(packet)


@pytest.mark.parametrize("dst, port, ce", [
    ("198.51.100.18", 1232, "2001:db8:112:3400:0:c633:6412:34"),  # example 5: told by DHCP
    ("198.51.100.19", 80, "2001:db8:113:3400:0:c633:6413:0"),     # example 4: not shared
    ("198.51.101.18", 80, "2001:db8:120:1000:0:c633:6510:0"),     # a CE that has 198.51.101.16/28
    ("198.51.102.2", 1024 + 3 * 64, "2001:db8:0:8023:0:c633:6602:3")])
def test_rules(box, dst, port, ce):
    """Each rule by its prefixes, the longest of them (M1, Q4, Q5; examples 4 and 5)."""
    br = BR2 if dst == "198.51.102.2" else BR
    got = back(box, udp(THERE, dst, 53, port))
    assert (got.src, got.dst) == (br, ce)
    sent = udp(dst, THERE, port, 53)
    assert bytes(out(box, tunnel(ce, sent, br))) == one_hop_later(sent)


@pytest.mark.parametrize("source, packet", [
    (CE, udp(HIS, THERE, 1236, 53)),              # the next one's port
    (CE, udp(HIS, THERE, 208, 53)),               # nobody's
    (CE, udp("198.51.99.19", THERE, 1232, 53)),   # the next address
    (CE, udp("198.51.101.1", THERE, 1232, 53)),   # another rule's
    (CE, udp("198.18.0.1", THERE, 1232, 53)),     # nobody's
    (CE, ping(HIS, THERE, 1236)),
    ("2001:db8:12:3400:0:c633:6312:35", udp(HIS, THERE, 1232, 53)),  # another interface identifier
    ("2001:db8:12:3401:0:c633:6312:34", udp(HIS, THERE, 1232, 53)),  # another subnet
    ("2001:db8:0:8112:0:c633:6380:11", udp("198.51.99.0", THERE, 1092, 53))])
def test_spoofed(box, source, packet):
    """What does not follow from the outer source is dropped without a word (M2; RFC 7597 section 8.1)."""
    box.tx_inside(tunnel(source, packet), "drop-softwire-source")
    box.nothing()


def test_longest_rule_of_the_source(box):
    """A CE address of the wider rule that is under the prefix of another is not what the wider rule says (M1)."""
    # 198.51.99.0/24 with EA 0x0080: under 2001:db8:0:8000::/52, which is the rule `within`
    assert back(box, udp(THERE, "198.51.99.0", 53, 1024 + 0x80 * 4)).dst == "2001:db8:0:8000:0:c633:6300:80"
    box.tx_inside(tunnel("2001:db8:0:8000:0:c633:6300:80", udp("198.51.99.0", THERE, 1024 + 0x80 * 4, 53)),
                  "drop-softwire-source")


def test_other_br_address(box):
    """The outer destination is the rule's BR address (M1)."""
    box.tx_inside(tunnel(CE, udp(HIS, THERE, 1232, 53), BR2), "drop-softwire-source")


def test_nobody_there(box):
    for dst, port in ((HIS, 1023), ("198.51.100.18", 1236)):
        box.tx_outside(udp(THERE, dst, 53, port), "drop-no-softwire")
        error = box.rx_outside()
        assert (error.src, error[ICMP].type, error[ICMP].code) == (BOX_OUTSIDE, 3, 1)


def test_icmp(box):
    """Identifiers are ports; errors from outside go by the inner source port (M5, M6; RFC 7597 section 8.2)."""
    error = IP(src=THERE, dst=HIS) / ICMP(type=3, code=3) / udp(HIS, THERE, 1232, 53)
    got = back(box, error)
    assert got.dst == CE and bytes(got.payload) == one_hop_later(error)
    echo = IP(src=THERE, dst=HIS) / ICMP(type=11, code=0) / ping(HIS, THERE, 2256)
    assert back(box, echo).dst == CE
    error = IP(src=HIS, dst=THERE) / ICMP(type=3, code=3) / udp(THERE, HIS, 53, 1232)
    assert bytes(out(box, tunnel(CE, error))) == one_hop_later(error)


def test_relayed(box):
    """Errors about tunnel packets (M5; RFC 2473 section 8)."""
    sent = back(box, udp(THERE, HIS, 53, 1232))
    box.tx_inside(IPv6(src="2001:db8:2::7", dst=BR) / ICMPv6DestUnreach(code=3) / Raw(bytes(sent)), "softwire-relayed")
    got = box.rx_outside(quoted=False)
    assert (got.dst, got[ICMP].type, got[ICMP].code) == (THERE, 3, 1)
    stranger = IPv6(src=BR, dst="2001:db8:12:3401:0:c633:6312:34", nh=4) / udp(THERE, HIS, 53, 1232)
    box.tx_inside(IPv6(src="2001:db8:2::7", dst=BR) / ICMPv6DestUnreach(code=3) / Raw(bytes(stranger)), "drop-icmp-quote")


def test_hub_and_spoke(box):
    """From CE to CE by the box (M9)."""
    packet = udp(HIS, "198.51.100.18", 1232, 1233)
    box.tx_inside(tunnel(CE, packet), "softwire-hairpin")
    got = box.rx_inside()
    assert (got.src, got.dst) == (BR, "2001:db8:112:3400:0:c633:6412:34")
    assert bytes(got.payload) == one_hop_later(packet)


def test_protocols_without_ports(box):
    """For who has an address to himself (Q2; RFC 7597 section 5.2)."""
    esp = IP(src=THERE, dst="198.51.100.19", proto=ESP) / Raw(b"\0\0\0\1" * 4)
    assert back(box, esp).dst == "2001:db8:113:3400:0:c633:6413:0"
    box.tx_outside(IP(src=THERE, dst=HIS, proto=ESP) / Raw(b"\0\0\0\1" * 4), "drop-no-softwire")
    assert box.rx_outside()[ICMP].code == 1


def test_any_relay(fresh):
    """Two border relays with the same rules and BR address take packets in turn: nothing is remembered (M4, M10)."""
    one, other = fresh(**CONFIG), fresh(**CONFIG)
    for n in range(6):
        box = (one, other)[n % 2]
        assert out(box, tunnel(CE, udp(HIS, THERE, 1232 + n % 4, 53))).src == HIS
        box = (other, one)[n % 2]
        got = back(box, udp(THERE, HIS, 53, 1232 + n % 4))
        assert (got.src, got.dst) == (BR, CE)


def test_rule_not_for_forwarding(fresh):
    """A rule that is off, or a basic one only, forwards nothing (RFC 8676)."""
    box = fresh(**mapping_rules([rule("a", **EXAMPLE, forwarding=False), rule("b", **{"enable": False}),
                         rule("c", "2001:db8:300::/40", "198.51.103.0/24")],
                        routes=[("2001:db8:300::/40", "2001:db8:2::2")]))
    box.tx_outside(udp(THERE, HIS, 53, 1232), "drop-realm")
    box.tx_outside(udp(THERE, "198.51.100.18", 53, 1232), "drop-realm")
    assert back(box, udp(THERE, "198.51.103.18", 53, 1232)).dst == "2001:db8:312:3400:0:c633:6712:34"
