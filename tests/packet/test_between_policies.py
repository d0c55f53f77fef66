# SPDX-License-Identifier: BSD-3-Clause
"""What policies and relays say of traffic between subscribers of different services of one box, and what is about none
of their ports."""
import pytest
from scapy.all import ICMP, IP, UDP, ICMPv6DestUnreach, IPv6, Raw

from between import ESP, HOMES, STATEFUL, WHOLE44, everything, lw4o6, map_et
from box import check_config
from config import BOX_OUTSIDE, config
from softwires import BR, cut6
from test_between import cross
from test_fragments import cut
from test_softwire_counters import Traffic, shown

WORKERS = [1, 3]
CONFIG = everything(lw4o6())
OFF = {"homeport:hairpinning": False}


@pytest.fixture(params=STATEFUL)
def pair(box, request):
    """A home that has NAT and one that has lw4o6."""
    return HOMES[request.param](box).open(box, "udp"), HOMES["lw4o6"](box)


@pytest.mark.parametrize("parts, others", [
    (everything(lw4o6(first={"enable-hairpinning": False})), "lw4o6-2"),
    (everything(lw4o6(), policy=OFF), None)], ids=["relay", "policy"])
def test_hairpinning_off(fresh, parts, others):
    """Either service may forbid it, and does both ways; it is not asked about others (W4, RFC 7596 section 6.2)."""
    box = fresh(workers=3, **parts)
    for kind in STATEFUL:
        a, b = HOMES[kind](box).open(box, "udp"), HOMES["lw4o6"](box)
        for src, dst in ((a, b), (b, a)):
            box.tx_inside(src.wrap(src.packet("udp", dst.outside)), "drop-hairpinning")
        for c in [HOMES[others](box)] if others else []:
            cross(box, a, c, a.packet("udp", c.outside))
            cross(box, c, a, c.packet("udp", a.outside))


@pytest.mark.parametrize("kind", STATEFUL)
def test_filtering(fresh, kind):
    """A mapping that lets in those alone that its host has written to knows subscribers of the box no better (RFC 4787
    REQ-8)."""
    box = fresh(workers=3, **everything(lw4o6(), policy={"filtering-type": "edf"}))
    a, b = HOMES[kind](box).open(box, "udp"), HOMES["lw4o6"](box)
    packet = b.packet("udp", a.outside)
    box.tx_inside(b.wrap(packet), "drop-filtered")
    cross(box, a, b, a.packet("udp", b.outside))
    cross(box, b, a, packet)


@pytest.mark.parametrize("kind", STATEFUL)
def test_policy_without_fragments(fresh, kind):
    """A policy that drops fragments drops those of other subscribers too."""
    box = fresh(**everything(lw4o6(), policy={"fragment-behavior": "drop-all"}))
    a, b = HOMES[kind](box).open(box, "udp"), HOMES["lw4o6"](box)
    box.tx_inside(b.pieces(b.packet("udp", a.outside, data=bytes(600)), 304), "drop-fragment")


def test_errors_about_tunnels(box, pair):
    """What a router says about the tunnel of the one is told to the other (W7, RFC 2473 section 8.3)."""
    a, b = pair
    sent = a.packet("udp", b.outside)
    box.tx_inside(a.wrap(sent), b.hairpin)
    box.tx_inside(IPv6(src="2001:db8:100::9", dst=b.br) / ICMPv6DestUnreach(code=3) / Raw(bytes(box.rx_inside())),
                  "softwire-relayed")
    p = a.unwrap(box.rx_inside(quoted=False))
    assert (p.src, p.dst, p[ICMP].type, p[ICMP].code) == (BOX_OUTSIDE, a.own, 3, 1)
    quoted = p[ICMP].payload
    assert (quoted.src, quoted.sport, quoted.dst, quoted.dport) == (a.own, a.port, *b.outside)


def test_errors_without_an_address_inside(fresh):
    """An interface that has IPv6 alone does not keep the box from telling how large packets may be."""
    parts = everything(lw4o6())
    box = fresh(workers=3, **parts)
    whole = config(workers=3, **parts)
    del whole["ietf-interfaces:interfaces"]["interface"][0]["ietf-ip:ipv4"]
    routes = whole["ietf-routing:routing"]["control-plane-protocols"]["control-plane-protocol"][0]["static-routes"]
    del routes["ietf-ipv4-unicast-routing:ipv4"]["route"][0]
    box.reload(whole)
    for kind in ("nat64", "ds-lite"):
        a, b = HOMES[kind](box).open(box, "udp"), HOMES["lw4o6"](box)
        sent = b.packet("udp", a.outside, data=bytes(1472), flags="")
        sent.flags = "DF"
        box.tx_inside(cut6(b.wrap(sent), 1232), None)
        assert box.settle() == {"reassembled": 1, "drop-too-big": 1}
        p = b.unwrap(box.rx_inside(quoted=False))
        assert (p.src, p.dst, p[ICMP].code) == (BOX_OUTSIDE, b.own, 4)


def test_whole_addresses(box):
    """Hosts that have an address to themselves, by a static mapping here and by a binding there: any port, pings, and
    protocols without ports with the errors about them."""
    for host, outside in WHOLE44.items():
        a, b = HOMES["nat44"](box), HOMES["lw4o6-whole"](box)
        a.own, a.outside = host, (outside, 5)
        p = cross(box, b, a, IP(src=b.own, dst=outside) / UDP(sport=7, dport=5))
        assert (p.src, p.sport, p.dport) == (b.own, 7, 5)
        p = cross(box, b, a, IP(src=b.own, dst=outside) / ICMP(id=77))
        assert p[ICMP].id == 77
        for src, dst in ((a, b), (b, a)):
            there = dst.outside[0]
            sent = IP(src=src.own, dst=there, proto=ESP) / Raw(bytes(range(64)))
            got = cross(box, src, dst, sent)
            assert got.src == src.outside[0] and bytes(got.payload) == bytes(sent.payload)
            error = cross(box, dst, src, IP(src=dst.own, dst=got.src) / ICMP(type=3, code=2) / got)
            assert (error.src, error[ICMP].code) == (there, 2)
            assert (error[ICMP].payload.src, error[ICMP].payload.dst) == (src.own, there)
            for piece in cut(sent, 32):
                assert cross(box, src, dst, piece).frag == piece.frag
    box.tx_inside(b.wrap(IP(src=b.own, dst="203.0.113.1", proto=ESP) / Raw(bytes(64))), "drop-protocol")


def test_counters(fresh, tmp_path):
    """At a border relay what comes from or goes to a subscriber with NAT counts as what stays in the box (RFC 8676)."""
    box = fresh(**everything(lw4o6()))
    a, b = HOMES["nat44"](box).open(box, "udp"), HOMES["lw4o6"](box)
    there, back = a.packet("udp", b.outside, data=b"there"), b.packet("udp", a.outside, data=b"and back")
    cross(box, a, b, there)
    cross(box, b, a, back)
    lw = next(i for i in shown(box, "binding", tmp_path) if i["name"] == "lw")
    lw["traffic-stat"].pop("active-softwire-num")
    traffic = Traffic(lw["traffic-stat"])
    traffic.had("sent-ipv6", b.wrap(there))
    traffic.had("rcvd-ipv6", b.wrap(back))
    traffic.had("hairpin-ipv4", back)
    traffic.had_nothing_else()


@pytest.mark.parametrize("relays, leaf", [(lw4o6(), "bind-instance[name='lw']/binding-table"),
                                          (map_et(), "algo-instance[name='e']/br-ipv6-addr")], ids=["lw4o6", "map-e"])
def test_relay_and_aftr(tmp_path, relays, leaf):
    """What comes to one address of the box is of one kind."""
    whole = config(**everything(relays))
    next(i for i in whole["ietf-interfaces:interfaces"]["interface"] if i["name"] == "aftr")[
        "ietf-dslite:ipv6-address"] = BR
    said = check_config(tmp_path, whole)
    assert f"{leaf}: {BR}. Allowed: a global unicast address that no interface and no AFTR has\n" in said
