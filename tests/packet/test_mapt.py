# SPDX-License-Identifier: BSD-3-Clause
"""MAP-T border relay (RFC 7599)."""
import pytest
from scapy.all import (ICMP, IP, UDP, ICMPv6DestUnreach, ICMPv6PacketTooBig, ICMPv6ParamProblem, ICMPv6TimeExceeded,
                       IPv6, IPv6ExtHdrRouting, Raw)

from box import check_config
from config import BOX_INSIDE6, BOX_OUTSIDE, GATEWAY_OUTSIDE6, config, nat64
from softwires import (BR, DMR, back, embedded, from_ce, mapping_rules, one_hop_later, out, ping, rule, rule_t, tcp,
                       to_ce, tunnel, udp)

WORKERS = [1, 3]
THERE = "198.18.7.7"
ESP = 50
OTHER_DMR = "2001:db8:fffd::/96"
# the rule of RFC 7599 appendix A, others beside and within it, and MAP-E on the same box
EXAMPLE = dict(prefix6="2001:db8::/40", prefix4="198.51.99.0/24")
CONFIG = mapping_rules([
    rule_t("example", **EXAMPLE),
    rule_t("told", "2001:db8:112:3400::/56", "198.51.100.18/32", ea=0, psid=0x34),
    rule_t("whole", "2001:db8:113:3400::/56", "198.51.100.19/32", ea=0, length=0),
    rule_t("prefix", "2001:db8:120::/48", "198.51.101.0/24", ea=4, length=0),
    rule_t("within", "2001:db8:0:8000::/52", "198.51.102.0/24", ea=12, length=4, dmr=OTHER_DMR),
    rule("tunnelled", "2001:db8:114:3400::/56", "198.51.103.7/32", ea=0, length=0)],
    routes=[("2001:db8::/40", "2001:db8:2::2"), ("2001:db8:fffe:0:c6:1209::/96", GATEWAY_OUTSIDE6)])
CE = "2001:db8:12:3400:0:c633:6312:34"  # 198.51.99.18, PSID 0x34
HIS = "198.51.99.18"
WHOLE_CE, WHOLE = "2001:db8:113:3400:0:c633:6413:0", "198.51.100.19"
TOLD_CE, TOLD = "2001:db8:112:3400:0:c633:6412:34", "198.51.100.18"
TUNNELLED_CE, TUNNELLED = "2001:db8:114:3400:0:c633:6707:0", "198.51.103.7"


def sent_on(box, ce, packet, dmr=DMR):
    """Sends a packet from a CE that must come out outside as the IPv4 packet of which it was made."""
    box.tx_inside(from_ce(ce, packet, dmr), "map-t-out")
    got = box.rx_outside()
    assert (got.src, got.dst, got.ttl, got.tos) == (packet.src, packet.dst, packet.ttl - 1, packet.tos)
    assert bytes(got.payload) == bytes(packet.payload)
    return got


@pytest.mark.parametrize("there", [THERE, "10.2.3.4"])
def test_example(box, there):
    """Addresses follow from rule, port and DMR, and headers are translated (K1, K2; RFC 7599 appendix A)."""
    assert embedded("10.2.3.4", "2001:db8:ffff::/64") == "2001:db8:ffff:0:a:203:400:0"
    for packet in (udp(there, HIS, 53, 1232, tos=0xb8), tcp(there, HIS, 80, 64723), ping(there, HIS, 2256, kind=0)):
        assert back(box, packet, "map-t-in").original == to_ce(packet, CE)
    for packet in (udp(HIS, there, 1232, 53, tos=0xb8), tcp(HIS, there, 64723, 80), ping(HIS, there, 2256)):
        sent_on(box, CE, packet)


@pytest.mark.parametrize("ipv4, port, ce, dmr", [
    (TOLD, 1232, TOLD_CE, DMR),                                        # example 5: told by DHCP
    (WHOLE, 80, WHOLE_CE, DMR),                                        # example 4: not shared
    ("198.51.101.16", 80, "2001:db8:120:1000:0:c633:6510:0", DMR),     # a CE that has 198.51.101.16/28
    ("198.51.101.18", 80, "2001:db8:120:1000:0:c633:6512:0", DMR),     # and a host of his
    ("198.51.102.2", 1024 + 3 * 64, "2001:db8:0:8023:0:c633:6602:3", OTHER_DMR)])
def test_rules(box, ipv4, port, ce, dmr):
    """Each rule by its prefixes, the longest of them, with its DMR (K2, Q4, Q5)."""
    packet = udp(THERE, ipv4, 53, port)
    assert back(box, packet, "map-t-in").original == to_ce(packet, ce, dmr)
    sent_on(box, ce, udp(ipv4, THERE, port, 53), dmr)


@pytest.mark.parametrize("source, packet", [
    (CE, udp(HIS, THERE, 1236, 53)),   # the next one's port
    (CE, udp(HIS, THERE, 208, 53)),    # nobody's
    (CE, ping(HIS, THERE, 1236)),
    (TOLD_CE, tcp(TOLD, THERE, 1236, 53)),
    ("2001:db8:12:3400:0:c633:6312:35", udp(HIS, THERE, 1232, 53)),  # another interface identifier
    ("2001:db8:12:3401:0:c633:6312:34", udp(HIS, THERE, 1232, 53)),  # another subnet
    ("2001:db8:120:1000:0:c633:6522:0", udp(HIS, THERE, 80, 53)),    # a host of another prefix
    (TUNNELLED_CE, udp(TUNNELLED, THERE, 80, 53)),                   # who has MAP-E
    ("2001:db8:130::1", udp(HIS, THERE, 1232, 53)),                  # under no rule
    ("2001:db8:0:8000:0:c633:6300:80", udp("198.51.99.0", THERE, 1024 + 0x80 * 4, 53))])  # under a longer one
def test_spoofed(box, source, packet):
    """What does not follow from the source is dropped, and its sender told (K1; RFC 7599 section 8.3)."""
    box.tx_inside(from_ce(source, packet), "drop-softwire-source")
    error = box.rx_inside(quoted=False)
    assert (error.src, error.dst) == (BOX_INSIDE6, source)
    assert (error[ICMPv6DestUnreach].type, error[ICMPv6DestUnreach].code) == (1, 5)


def test_other_dmr(box):
    """The destination is under the DMR of the source's rule."""
    box.tx_inside(from_ce(CE, udp(HIS, THERE, 1232, 53), OTHER_DMR), "drop-softwire-source")
    assert box.rx_inside(quoted=False)[ICMPv6DestUnreach].code == 5


def test_nobody_there(box):
    for dst, port in ((HIS, 1023), (TOLD, 1236)):
        box.tx_outside(udp(THERE, dst, 53, port), "drop-no-softwire")
        error = box.rx_outside()
        assert (error.src, error[ICMP].type, error[ICMP].code) == (BOX_OUTSIDE, 3, 1)


def test_errors_from_outside(box):
    """Errors go by the source port of what they are about, which is translated too (K4; RFC 7915 section 4.2)."""
    for about in (udp(HIS, THERE, 1232, 53), ping(HIS, THERE, 2256)):
        error = IP(src="198.18.0.9", dst=HIS) / ICMP(type=3, code=3) / about
        got = back(box, error, "map-t-in")
        assert (got.src, got.dst, got.hlim) == (embedded("198.18.0.9"), CE, 63)
        assert (got[ICMPv6DestUnreach].type, got[ICMPv6DestUnreach].code) == (1, 4)
        assert bytes(got[ICMPv6DestUnreach].payload) == bytes(from_ce(CE, about))
    got = back(box, IP(src=THERE, dst=HIS) / ICMP(type=11) / udp(HIS, THERE, 1232, 53), "map-t-in")
    assert got[ICMPv6TimeExceeded].code == 0
    error = IP(src=THERE, dst=HIS) / ICMP(type=3, code=4, nexthopmtu=1400) / udp(HIS, THERE, 1232, 53)
    assert back(box, error, "map-t-in")[ICMPv6PacketTooBig].mtu == 1420
    box.tx_outside(IP(src=THERE, dst=HIS) / ICMP(type=3, code=3) / udp(HIS, THERE, 1023, 53), "drop-no-softwire")


def test_errors_from_inside(box):
    """Of a CE from his IPv4 address; of a router, which has none, from one of the box (V13; RFC 7915 section 5.2)."""
    packet = udp(THERE, HIS, 53, 1232)
    there = back(box, packet, "map-t-in")
    for source, seen in ((CE, HIS), ("2001:db8:2::7", BOX_OUTSIDE)):
        box.tx_inside(IPv6(src=source, dst=embedded(THERE)) / ICMPv6DestUnreach(code=4) / there, "map-t-out")
        error = box.rx_outside()
        assert (error.src, error.dst, error[ICMP].type, error[ICMP].code) == (seen, THERE, 3, 3)
        quoted = IP(bytes(error[ICMP].payload))
        assert (quoted.src, quoted.dst, quoted.ttl) == (THERE, HIS, packet.ttl - 1)
        assert bytes(quoted.payload) == bytes(packet.payload)
    box.tx_inside(IPv6(src=CE, dst=embedded(THERE)) / ICMPv6PacketTooBig(mtu=1400) / there, "map-t-out")
    error = box.rx_outside()
    assert (error[ICMP].type, error[ICMP].code, error[ICMP].nexthopmtu) == (3, 4, 1380)


def test_bad_errors(box):
    """About what nobody was sent, such as a port of the CE's neighbour."""
    neighbours = IPv6(to_ce(udp(THERE, HIS, 53, 1236), CE))
    box.tx_inside(IPv6(src=CE, dst=embedded(THERE)) / ICMPv6DestUnreach(code=4) / neighbours, "drop-softwire-source")
    there = IPv6(to_ce(udp(THERE, HIS, 53, 1232), CE))
    error = IPv6(src=CE, dst=embedded(THERE)) / ICMPv6DestUnreach(code=4, cksum=1) / there
    box.tx_inside(error, "drop-icmp-checksum")
    box.tx_inside(IPv6(src=CE, dst=embedded(THERE)) / ICMPv6DestUnreach(code=4) / Raw(bytes(40)), "drop-icmp-quote")
    box.tx_inside(IPv6(src=CE, dst=embedded(THERE)) / ICMPv6DestUnreach(code=4) /
                  IPv6(src="2001:db8:f000::1", dst=CE) / UDP(sport=53, dport=1232) / Raw(b"data"), "drop-softwire-source")


def test_hairpin(box):
    """From CE to CE by the box, and the error about it back; and between MAP-T and MAP-E."""
    packet = udp(HIS, WHOLE, 1232, 80)
    box.tx_inside(from_ce(CE, packet), "map-t-hairpin")
    got = box.rx_inside()
    assert got.original == to_ce(packet, WHOLE_CE)
    box.tx_inside(IPv6(src=WHOLE_CE, dst=got.src) / ICMPv6DestUnreach(code=4) / got, "map-t-hairpin")
    error = box.rx_inside()
    assert (error.src, error.dst, error[ICMPv6DestUnreach].code) == (embedded(WHOLE), CE, 4)
    assert (error[ICMPv6DestUnreach].payload.src, error[ICMPv6DestUnreach].payload.dst) == (CE, embedded(WHOLE))

    packet = udp(HIS, TUNNELLED, 1232, 80)
    box.tx_inside(from_ce(CE, packet), "softwire-hairpin")
    got = box.rx_inside()
    assert (got.src, got.dst, got[IP].src, got[IP].ttl) == (BR, TUNNELLED_CE, HIS, packet.ttl - 1)
    assert bytes(got[IP].payload) == bytes(packet.payload)
    packet = udp(TUNNELLED, HIS, 80, 1232)
    box.tx_inside(tunnel(TUNNELLED_CE, packet), "map-t-hairpin")
    assert box.rx_inside().original == to_ce(packet, CE)


def test_nobody_to_hairpin_to(box):
    """What goes wrong behind the translation is told in IPv6, from what stands for the box, so that the CE can tell it on
    in IPv4."""
    box.tx_inside(from_ce(CE, udp(HIS, TOLD, 1232, 1023)), "drop-no-softwire")
    error = box.rx_inside()
    assert (error.src, error.dst) == (embedded(BOX_OUTSIDE), CE)
    assert (error[ICMPv6DestUnreach].type, error[ICMPv6DestUnreach].code) == (1, 0)


def test_hop_limit(box):
    """One hop, either way."""
    box.tx_inside(from_ce(CE, udp(HIS, THERE, 1232, 53, ttl=1)), "drop-ttl")
    error = box.rx_inside()
    assert (error.src, error.dst, error[ICMPv6TimeExceeded].code) == (embedded(BOX_OUTSIDE), CE, 0)
    box.tx_outside(udp(THERE, HIS, 53, 1232, ttl=1), "drop-ttl")
    assert box.rx_outside()[ICMP].type == 11


def test_box_itself(box):
    """An outside address of the box answers to pings."""
    box.tx_inside(from_ce(CE, ping(HIS, BOX_OUTSIDE, 2256)), "echo")
    assert box.rx_inside().original == to_ce(ping(BOX_OUTSIDE, HIS, 2256, kind=0, ttl=65), CE)
    box.tx_inside(from_ce(CE, udp(HIS, BOX_OUTSIDE, 1232, 53)), "drop-local")


def test_protocols_without_ports(box):
    """Every protocol is translated, if the CE has an address to himself (X5, Q2; RFC 7915 sections 4.5 and 5.5)."""
    packet = IP(src=THERE, dst=WHOLE, proto=ESP) / Raw(b"\0\0\0\1" * 4)
    assert back(box, packet, "map-t-in").original == bytes(
        IPv6(src=embedded(THERE), dst=WHOLE_CE, nh=ESP, hlim=63) / packet.payload)
    packet = IP(src=WHOLE, dst=THERE, proto=ESP) / Raw(b"\0\0\0\1" * 4)
    box.tx_inside(IPv6(src=WHOLE_CE, dst=embedded(THERE), nh=ESP) / packet.payload, "map-t-out")
    got = box.rx_outside()
    assert (got.src, got.dst, got.proto, bytes(got.payload)) == (WHOLE, THERE, ESP, bytes(packet.payload))
    box.tx_outside(IP(src=THERE, dst=HIS, proto=ESP) / Raw(b"\0\0\0\1" * 4), "drop-no-softwire")
    assert box.rx_outside()[ICMP].code == 1
    box.tx_inside(IPv6(src=CE, dst=embedded(THERE), nh=ESP) / packet.payload, "drop-softwire-source")
    assert box.rx_inside(quoted=False)[ICMPv6DestUnreach].code == 5


def test_udp_without_checksum(box):
    """It is given one (F6; RFC 7915 section 4.5)."""
    packet = IP(src=THERE, dst=HIS) / UDP(sport=53, dport=1232, chksum=0) / Raw(b"data")
    assert back(box, packet, "map-t-in").original == to_ce(udp(THERE, HIS, 53, 1232), CE)


def test_sizes(fresh):
    """20 bytes more in IPv6: with DF the sender is told, without it IPv6 fragments are made (K6, K7; RFC 7599 section
    10.1)."""
    box = fresh(**CONFIG)
    packet = udp(THERE, HIS, 53, 1232, data=bytes(1472), flags="DF")
    box.tx_outside(packet, "drop-too-big")
    error = box.rx_outside(quoted=False)
    assert (error[ICMP].type, error[ICMP].code, error[ICMP].nexthopmtu) == (3, 4, 1480)
    assert len(back(box, udp(THERE, HIS, 53, 1232, data=bytes(1452), flags="DF"), "map-t-in")) == 1500
    for size, pieces in ((1472, [1280, 296]), (1232, [1280])):
        box.tx_outside(udp(THERE, HIS, 53, 1232, data=bytes(size)), "map-t-in")
        assert [len(box.rx_inside(quoted=False)) for _ in pieces] == pieces
    # what fits 1260 bytes need not have been made for an MTU (RFC 7915 section 5.1)
    assert sent_on(box, CE, udp(HIS, THERE, 1232, 53, data=bytes(1232))).flags == ""
    assert sent_on(box, CE, udp(HIS, THERE, 1232, 53, data=bytes(1233))).flags == "DF"


def test_lowest_ipv6_mtu(fresh):
    box = fresh(**mapping_rules([rule_t("example", **EXAMPLE, **{"homeport:lowest-ipv6-mtu": 1500})],
                                routes=[("2001:db8::/40", "2001:db8:2::2")]))
    assert len(back(box, udp(THERE, HIS, 53, 1232, data=bytes(1452)), "map-t-in")) == 1500


def test_narrow_outside(fresh):
    """A CE in front of a narrow Internet: told what fits in IPv6, or what it sent is fragmented (V4)."""
    box = fresh(**mapping_rules([rule_t("example", **EXAMPLE)], outside={"ietf-ip:ipv4": {"mtu": 1200}},
                                routes=[("2001:db8::/40", "2001:db8:2::2")]))
    box.tx_inside(from_ce(CE, udp(HIS, THERE, 1232, 53, data=bytes(1400))), "drop-too-big")
    error = box.rx_inside(quoted=False)
    assert (error.src, error.dst, error[ICMPv6PacketTooBig].mtu) == (embedded(BOX_OUTSIDE), CE, 1280)
    box.tx_inside(from_ce(CE, udp(HIS, THERE, 1232, 53, data=bytes(1232))), "map-t-out")
    one, other = box.rx_outside(quoted=False), box.rx_outside(quoted=False)
    assert (one.id, one.flags, one.frag, other.flags, other.frag) == (other.id, "MF", 0, "", (len(one) - 20) // 8)
    assert len(one) + len(other) == 1260 + 20 and len(one) <= 1200


def test_identification(box):
    """What may be fragmented later has an identification of its own, whoever sends it (F8; RFC 7915 section 5.1)."""
    seen = {sent_on(box, ce, udp(HIS, THERE, port, 53)).id
            for ce, port in ((CE, 1232), ("2001:db8:12:3500:0:c633:6312:35", 1236)) for _ in range(8)}
    assert len(seen) == 16


def test_routing_header(box):
    """Not followed to its end (RFC 7915 section 5.1)."""
    packet = from_ce(CE, udp(HIS, THERE, 1232, 53))
    routed = IPv6(src=packet.src, dst=packet.dst) / IPv6ExtHdrRouting(type=3, segleft=1, addresses=[CE]) / packet.payload
    box.tx_inside(routed, "drop-source-route")
    assert box.rx_inside(quoted=False)[ICMPv6ParamProblem].ptr == 43


def test_any_relay(fresh):
    """Two border relays with the same rules take packets in turn: nothing is remembered."""
    one, other = fresh(**CONFIG), fresh(**CONFIG)
    for n in range(6):
        sent_on((one, other)[n % 2], CE, udp(HIS, THERE, 1232 + n % 4, 53))
        packet = udp(THERE, HIS, 53, 1232 + n % 4)
        assert back((other, one)[n % 2], packet, "map-t-in").original == to_ce(packet, CE)


def test_ipv6_server_under_the_dmr(box):
    """A server with IPv6 alone that has an address under the DMR is reached without translation (K10, V10)."""
    packet = IPv6(src=CE, dst=embedded("198.18.9.9")) / UDP(sport=1232, dport=53) / Raw(b"data")
    box.tx_inside(packet, "routed-ipv6")
    assert box.rx_outside().dst == embedded("198.18.9.9")


def test_nat64_as_relay(fresh):
    """A CE whose DMR is the Pref64 of a NAT64 (K8; RFC 7599 section 12.4)."""
    ce = "2001:db8:112:3400:0:c633:6412:34"
    box = fresh(**nat64(prefixes=[(DMR, [])]))
    box.tx_inside(from_ce(ce, udp(TOLD, THERE, 1232, 53)), "nat64-out")
    got = box.rx_outside()
    answer = udp(THERE, got.src, 53, got[UDP].sport)
    box.tx_outside(answer, "nat64-in")
    assert box.rx_inside().original == to_ce(udp(THERE, TOLD, 53, 1232), ce)


def test_reload(fresh):
    """Rules come and go; one that becomes MAP-E has tunnels from then on."""
    routes = [("2001:db8::/40", "2001:db8:2::2")]
    box = fresh(**mapping_rules([rule_t("example", **EXAMPLE)], routes=routes))
    sent_on(box, CE, udp(HIS, THERE, 1232, 53))
    box.reload(config(**mapping_rules([rule("example", **EXAMPLE)], routes=routes)))
    assert bytes(out(box, tunnel(CE, udp(HIS, THERE, 1232, 53)))) == one_hop_later(udp(HIS, THERE, 1232, 53))
    box.tx_inside(from_ce(CE, udp(HIS, THERE, 1232, 53)), "routed-ipv6")
    box.rx_outside()
    box.reload(config(**mapping_rules([rule_t("example", **EXAMPLE)], routes=routes)))
    sent_on(box, CE, udp(HIS, THERE, 1232, 53))


@pytest.mark.parametrize("dmr, allowed", [
    ("2001:db8:fffe::/97", "prefix lengths 32, 40, 48, 56, 64 and 96"),
    ("2001:db8:fffe::/65", "prefix lengths 32, 40, 48, 56, 64 and 96"),
    ("2001:db8:fffe:0:100::/96", "bits 64 to 71 are zero"),
    ("64:ff9b::/96", "a prefix of the operator's own"),
    ("2001:db8:1::/64", "a prefix that is on no link"),
    ("2001:db8:100::/40", "a prefix apart from them")])
def test_dmr_form(tmp_path, dmr, allowed):
    """The prefix has a form of RFC 6052, of 96 bits at most (K3)."""
    assert allowed in check_config(tmp_path, config(**mapping_rules([rule_t(dmr=dmr)])))
