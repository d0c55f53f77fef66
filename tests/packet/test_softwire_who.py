# SPDX-License-Identifier: BSD-3-Clause
"""Who is behind an A+P address, now and before, and stopping him alone (RFC 9066 section 5.3.2, RFC 8676)."""
import pytest
from scapy.all import IP, UDP, rdpcap

from config import MAC, config, merge
from control import Refused
from softwires import BINDINGS, SHARED, WHOLE, b4, back, entry, from_ce, lw4o6, mapping_rules, out, rule, rule_t, tunnel, udp

THERE = "198.18.7.7"
CE, HIS = "2001:db8:112:3400:0:c633:6412:34", "198.51.100.18"
NEIGHBOUR = "2001:db8:112:3500:0:c633:6412:35"


def lookup(box, address, port, *words):
    answer = box.ask("lookup", address, port, "udp", *words)["homeport:homeport"]["resolve"]["answer"]
    return [(h["service"], h["subscriber"], h.get("softwire-instance")) for h in answer["holder"]]


def test_lookup(fresh):
    box = fresh(**lw4o6())
    assert lookup(box, SHARED, 1030) == [("lw4o6", f"{b4(1)}/128", "lw")]
    assert lookup(box, WHOLE, 7) == [("lw4o6", f"{b4(0x100)}/128", "lw")]
    assert lookup(box, SHARED, 1023) == []
    box = fresh(**mapping_rules([rule()]))
    assert lookup(box, HIS, 1232) == [("map-e", "2001:db8:112:3400::/56", "rule")]
    assert lookup(box, HIS, 1023) == []
    box = fresh(**mapping_rules([rule_t(), rule_t("prefix", "2001:db8:200::/48", "198.51.101.0/24", ea=4, length=0)]))
    assert lookup(box, HIS, 1232) == [("map-t", "2001:db8:112:3400::/56", "rule")]
    assert lookup(box, "198.51.101.18", 7) == [("map-t", "2001:db8:200:1000::/52", "prefix")]


@pytest.mark.parametrize("parts, address", [
    (lw4o6(), SHARED), (mapping_rules([rule()]), HIS), (mapping_rules([rule_t()]), HIS)], ids=["lw4o6", "map-e", "map-t"])
def test_without_a_port(fresh, parts, address):
    """An address that several share names none of them (RFC 9066 section 5.3.2)."""
    box = fresh(**parts)
    with pytest.raises(Refused, match="ambiguous"):
        box.ask("dots", "mitigate", "--source", f"{address}/32", "--target", f"{THERE}/32")


@pytest.mark.parametrize("parts, attacker, neighbour, form, verdict", [
    (lw4o6(), (b4(1), udp(SHARED, THERE, 1030, 80)), (b4(2), udp(SHARED, THERE, 2050, 80)), tunnel, "softwire-out"),
    (mapping_rules([rule()]), (CE, udp(HIS, THERE, 1232, 80)), (NEIGHBOUR, udp(HIS, THERE, 1236, 80)), tunnel,
     "softwire-out"),
    (mapping_rules([rule_t()]), (CE, udp(HIS, THERE, 1232, 80)), (NEIGHBOUR, udp(HIS, THERE, 1236, 80)), from_ce,
     "map-t-out")], ids=["lw4o6", "map-e", "map-t"])
def test_mitigation(fresh, parts, attacker, neighbour, form, verdict):
    """A report of address and port stops one subscriber towards the target, and nobody else, until it is withdrawn; a
    reload keeps it (W12)."""
    box = fresh(**parts)
    source, packet = attacker
    assert out(box, form(source, packet), verdict).dst == THERE
    box.ask("dots", "mitigate", "--source", f"{packet.src}/32", "--source-port", packet[UDP].sport,
            "--target", f"{THERE}/32")
    for _ in range(2):
        box.tx_inside(form(source, packet), "drop-acl")
        assert out(box, form(*neighbour), verdict).dst == THERE
        other = packet.copy()
        other.dst = "198.18.9.9"
        del other.chksum, other[UDP].chksum
        assert out(box, form(source, other), verdict).dst == "198.18.9.9"
        box.reload(config(**parts))


@pytest.mark.parametrize("parts, source, packet, form, verdict", [
    (lw4o6(), b4(1), udp(SHARED, THERE, 1030, 80), tunnel, "softwire-out"),
    (mapping_rules([rule()]), CE, udp(HIS, THERE, 1232, 80), tunnel, "softwire-out"),
    (mapping_rules([rule_t()]), CE, udp(HIS, THERE, 1232, 80), from_ce, "map-t-out")], ids=["lw4o6", "map-e", "map-t"])
def test_scrubber_and_inspection(fresh, tmp_path, parts, source, packet, form, verdict):
    """The scrubber gets what goes to the target out of the softwire, with the shared address; a copy shows the same (RFC
    9066 section 8)."""
    file = tmp_path / "copies.pcap"
    report = ("dots", "mitigate", "--source", f"{packet.src}/32", "--source-port", packet[UDP].sport,
              "--target", f"{THERE}/32", "--action")
    box = fresh(**merge(parts, {
        "outside": {"ietf-ip:ipv4": {"neighbor": [
            {"ip": "192.0.2.254", "link-layer-address": MAC["outside"]},
            {"ip": "192.0.2.253", "link-layer-address": "02:00:00:00:00:13"}]}},
        "more": {"homeport:homeport": {"dots": {"server": {
            "scrubber": {"next-hop-address": "192.0.2.253"},
            "inspect": {"packets-per-second": 1000, "capture-file": str(file)}}}}}}))
    box.ask(*report, "inspect")
    assert out(box, form(source, packet), verdict).dst == THERE
    box.counters()  # whoever answers that has written what it was shown before
    copy, = rdpcap(str(file))
    assert (copy[IP].src, copy[IP].dst, copy[UDP].sport) == (packet.src, THERE, packet[UDP].sport)
    box.ask(*report, "redirect")
    box.tx_inside(form(source, packet), "redirected")
    frame = box.rx_frame("outside")
    assert frame.dst == "02:00:00:00:00:13"
    assert (frame[IP].src, frame[IP].dst, frame[UDP].sport) == (packet.src, THERE, packet[UDP].sport)


def test_table_of_the_past(fresh):
    """A port set goes to another B4: lookups of the past find who had it then (W10)."""
    box = fresh(**lw4o6())
    box.advance(100)
    moved = [entry("2001:db8:100:77::1", SHARED, length=6, psid=1), *BINDINGS[1:]]
    before = box.ask("lookup", SHARED, 1030, "udp")["homeport:homeport"]["resolve"]["answer"]["holder"][0]["from"]
    box.reload(config(**lw4o6(bindings=moved)))
    assert back(box, udp(THERE, SHARED, 53, 1030)).dst == "2001:db8:100:77::1"
    assert lookup(box, SHARED, 1030) == [("lw4o6", "2001:db8:100:77::1/128", "lw")]
    assert lookup(box, SHARED, 1030, "--at", before[:19] + "Z", "--tolerance", 1) == [("lw4o6", f"{b4(1)}/128", None)]
    # who was not moved has not begun anew
    since = box.ask("lookup", SHARED, 2050, "udp")["homeport:homeport"]["resolve"]["answer"]["holder"][0]["from"]
    assert since == before


def test_reload_under_traffic(fresh):
    """Not a packet of the bindings that stay is lost while others come and go (W12)."""
    box = fresh(**lw4o6())
    stream = [udp(THERE, SHARED, 53, 2048 + 1024 * (n % 8)) for n in range(64)]
    rounds = 0

    def send():
        nonlocal rounds
        rounds += 1
        box.tx_outside(stream, "softwire-in")
        assert sorted(box.rx_inside().dst for _ in stream) == sorted(b4(2 + n % 8) for n in range(64))

    for others in range(3):
        more = [entry(b4(0x200 + n), f"198.51.100.{16 + n}") for n in range(others * 50)]
        box.reload(config(**lw4o6(bindings=[*BINDINGS[1:], *more])), send)
        assert lookup(box, SHARED, 1030) == [("lw4o6", f"{b4(1)}/128", None)]  # of the past
        box.reload(config(**lw4o6(bindings=[*BINDINGS, *more[::2]])), send)
        assert lookup(box, SHARED, 1030) == [("lw4o6", f"{b4(1)}/128", "lw")]
    assert rounds >= 6


def test_reload(fresh):
    """Bindings come, go and change hands by a reload; all others stay (W12)."""
    box = fresh(**lw4o6())
    box.reload(config(**lw4o6(bindings=[*BINDINGS[2:], entry(b4(0x60), SHARED, length=6, psid=60)])))
    box.tx_outside(udp(THERE, SHARED, 53, 1030), "drop-no-softwire")
    box.rx_outside()
    assert back(box, udp(THERE, SHARED, 53, 60 << 10)).dst == b4(0x60)
    assert back(box, udp(THERE, SHARED, 53, 3 << 10)).dst == b4(3)
