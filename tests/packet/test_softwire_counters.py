# SPDX-License-Identifier: BSD-3-Clause
"""What border relays have carried, as RFC 8676 counts it, and what is in force: `show bindings`."""
import re

import lab
from config import config
from softwires import (BR, BR2, DMR, SHARED, WHOLE, b4, back, entry, extra, from_ce, instance, lw4o6,
                       mapping_rules, out, ping, rule, rule_t, tunnel, udp)
from test_softwire_fragments import cut6
from yanglint import yanglint

THERE = "198.18.7.7"
CE, HIS = "2001:db8:112:3400:0:c633:6412:34", "198.51.100.18"
TABLE = "b4,ipv4,psid-offset,psid-len,psid,br\n2001:db8:101::/64,198.51.101.2,0,0,0,2001:db8:ffff::2\n"


def shown(box, kind, tmp_path):
    """The instances, which must be instance data of the model."""
    answer = box.ask("show", "bindings")
    done = yanglint(answer, tmp_path / "bindings.json")
    assert done.returncode == 0, done.stderr
    return answer["ietf-softwire-br:br-instances"][kind][f"{'bind' if kind == 'binding' else 'algo'}-instance"]


def text(box):
    return lab.run(lab.HOMEPORT, "-s", box.folder / "homeport.sock", "show", "bindings").stdout


class Traffic:
    """What has been counted, less what a test has accounted for."""

    def __init__(self, stat):
        self.left = {name: int(value) for name, value in stat.items() if "-time" not in name}

    def had(self, leaf, *packets):
        fragments = {"dropped-ipv4-fragments": "dropped-ipv4-fragment-bytes",
                     "ipv6-fragments-reassembled": "ipv6-fragments-bytes-reassembled"}
        name = leaf if leaf in fragments else f"{leaf}-packets"
        assert self.left.pop(name) == len(packets), name
        assert self.left.pop(fragments.get(leaf, f"{leaf}-bytes")) == sum(len(p) for p in packets), leaf

    def had_nothing_else(self):
        assert not [name for name, value in self.left.items() if value]


def test_traffic(fresh, tmp_path):
    """Each packet counts in and out, with its outer header where it has one; errors of the box, too."""
    box = fresh(**lw4o6(**{"icmp-policy": {"icmpv4-errors": {"allow-incoming-icmpv4": False}}}))
    inner, answer, between = (udp(SHARED, THERE, 1030, 53), udp(THERE, SHARED, 53, 1030, data=b"answer"),
                              udp(SHARED, WHOLE, 1030, 7, data=b"between"))
    large, nobody, echo = (udp(SHARED, THERE, 1030, 53, data=bytes(1200)), udp(THERE, SHARED, 53, 1),
                           ping(THERE, SHARED, 1030))
    out(box, tunnel(b4(1), inner))
    to_b4 = back(box, answer)
    box.tx_inside(tunnel(b4(1), between), "softwire-hairpin")
    hairpinned = box.rx_inside()
    pieces = cut6(tunnel(b4(1), large), 512, 512)
    box.tx_inside(pieces, None)
    box.settle()
    box.rx_outside()
    box.tx_inside(tunnel(b4(2), inner), "drop-softwire-source")
    error6 = box.rx_inside()
    box.tx_outside(nobody, "drop-no-softwire")
    error4 = box.rx_outside()
    box.tx_outside(echo, "drop-icmp-policy")
    lw, = shown(box, "binding", tmp_path)
    assert lw["name"] == "lw" and lw["traffic-stat"].pop("active-softwire-num") == 12
    traffic = Traffic(lw["traffic-stat"])
    traffic.had("rcvd-ipv6", *(tunnel(b4(1), p) for p in (inner, between, large, inner)))
    traffic.had("sent-ipv4", inner, large)
    traffic.had("rcvd-ipv4", answer, nobody, echo)
    traffic.had("sent-ipv6", to_b4, hairpinned)
    traffic.had("hairpin-ipv4", between)
    traffic.had("ipv6-fragments-reassembled", *pieces)
    traffic.had("dropped-ipv6", tunnel(b4(2), inner))
    traffic.had("out-icmpv6-error", error6)
    traffic.had("dropped-ipv4", nobody, echo)
    traffic.had("out-icmpv4-error", error4)
    traffic.had("dropped-icmpv4", echo)
    traffic.had_nothing_else()
    assert re.search(r"^lw +12 +4 +2 +3 +2 +1 +2 +1$", text(box), re.M)


def test_counters_outlive_a_reload(fresh, tmp_path):
    """As long as the instance keeps its name; the time says since when."""
    box = fresh(**lw4o6())
    out(box, tunnel(b4(1), udp(SHARED, THERE, 1030, 53)))
    before, = shown(box, "binding", tmp_path)
    box.reload(config(**lw4o6(bindings=[entry(b4(1), SHARED, length=6, psid=1)])))
    after, = shown(box, "binding", tmp_path)
    assert after["traffic-stat"].pop("active-softwire-num") == 1
    del before["traffic-stat"]["active-softwire-num"]
    assert after["traffic-stat"] == before["traffic-stat"]
    box.reload(config(**lw4o6([instance(name="other")])))
    other, = shown(box, "binding", tmp_path)
    assert other["traffic-stat"]["sent-ipv4-packets"] == "0"


def test_bindings(fresh, tmp_path):
    """Of several instances, wherever the bindings come from."""
    file = tmp_path / "table.csv"
    file.write_text(TABLE)
    box = fresh(**lw4o6([
        instance([entry(b4(1), SHARED, length=6, psid=1)], **{
            "homeport:extra-binding": [extra(b4(1), SHARED, length=6, psid=2)]}),
        instance([], name="file", **{"homeport:table-file": str(file)})]))
    instances = {i["name"]: i["homeport:extra-binding"] for i in shown(box, "binding", tmp_path)}
    assert sorted(instances["lw"], key=lambda b: b["psid"]) == [
        extra(b4(1), SHARED, length=6, psid=1), extra(b4(1), SHARED, length=6, psid=2)]
    # the address that RFC 7596 section 5.1 makes of the prefix
    assert instances["file"] == [extra("2001:db8:101::c633:6502:0", "198.51.101.2", br=BR2)]
    assert re.search(rf"^lw +{b4(1)} +{SHARED} +0 +6 +2 +{BR}$", text(box), re.M)
    assert re.search(rf"^file +\S+ +198.51.101.2 +0 +0 +0 +{BR2}$", text(box), re.M)


def test_more_than_one_slice(fresh, tmp_path):
    box = fresh(**lw4o6(bindings=[entry(f"2001:db8:100::{n + 1:x}", f"198.51.101.{n % 200}", length=6, psid=n // 200)
                                  for n in range(1500)]))
    lw, = shown(box, "binding", tmp_path)
    assert len({b["b4"] for b in lw["homeport:extra-binding"]}) == len(lw["homeport:extra-binding"]) == 1500


def test_rules(fresh, tmp_path):
    """MAP-E and MAP-T: each rule, and what it has carried."""
    second = rule_t("second", "2001:db8:200::/40", "198.51.101.0/24")
    box = fresh(**mapping_rules([rule(), second]))
    inner = udp(HIS, THERE, 1232, 80)
    out(box, tunnel(CE, inner))
    first, other = shown(box, "algorithm", tmp_path)
    traffic = Traffic(first.pop("traffic-stat"))
    traffic.had("rcvd-ipv6", tunnel(CE, inner))
    traffic.had("sent-ipv4", inner)
    traffic.had_nothing_else()
    Traffic(other.pop("traffic-stat")).had_nothing_else()
    assert (first, other) == (rule(), second)
    assert re.search(rf"^second +2001:db8:200::/40 +198.51.101.0/24 +16 +6 +8 +0 +- +{DMR}$", text(box), re.M)


def test_rule_refuses(fresh, tmp_path):
    """A port that is not the subscriber's counts for his rule, and so does the error, with its own length."""
    box = fresh(**mapping_rules([rule_t()]))
    spoofed = from_ce(CE, udp(HIS, THERE, 208, 53))
    box.tx_inside(spoofed, "drop-softwire-source")
    error6 = box.rx_inside()
    assert len(error6) != len(spoofed)
    only, = shown(box, "algorithm", tmp_path)
    traffic = Traffic(only["traffic-stat"])
    traffic.had("rcvd-ipv6", spoofed)
    traffic.had("dropped-ipv6", spoofed)
    traffic.had("out-icmpv6-error", error6)
    traffic.had_nothing_else()


def test_without_border_relays(box, tmp_path):
    assert shown(box, "binding", tmp_path) == []
