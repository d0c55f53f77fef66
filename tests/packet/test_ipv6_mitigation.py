# SPDX-License-Identifier: BSD-3-Clause
"""Mitigations against IPv6 sources (RFC 9066 section 5.3.1): the subscriber is the one whose prefix the source is in,
and all that prefix sends to the target is meant, from any of its addresses."""
import ipaddress

import pytest
from scapy.all import (TCP, UDP, Dot1Q, ICMPv6DestUnreach, ICMPv6EchoRequest, ICMPv6PacketTooBig, IPv6,
                       IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, Raw, rdpcap)

from box import check_config
from config import BOX_INSIDE6, BOX_OUTSIDE6, GATEWAY_OUTSIDE6, MAC, config, ipv6
from control import Refused

WORKERS = [1, 3]
SCRUBBER, SCRUBBER_MAC = "2001:db8:1::53", "02:00:00:00:00:13"


def scrubber(address=SCRUBBER, leaf="ipv6-next-hop-address"):
    return {"homeport:homeport": {"dots": {"server": {"scrubber": {leaf: address}}}}}


NEIGHBOURS = {"ietf-ip:ipv6": {"neighbor": [
    {"ip": GATEWAY_OUTSIDE6, "link-layer-address": MAC["outside"]},
    {"ip": SCRUBBER, "link-layer-address": SCRUBBER_MAC}]},
    "ietf-ip:ipv4": {"neighbor": [
        {"ip": "192.0.2.254", "link-layer-address": MAC["outside"]},
        {"ip": "192.0.2.253", "link-layer-address": SCRUBBER_MAC}]}}
CONFIG = ipv6(outside=NEIGHBOURS, more=scrubber())


def udp(src, dst, dport=2000, **fields):
    return IPv6(src=src, dst=dst, **fields) / UDP(sport=1000, dport=dport) / "data"


def passes(box, packet):
    box.tx_inside(packet, "routed-ipv6")
    box.rx_outside()


def home_of(host):
    return ipaddress.ip_network(f"{host}/56", strict=False)


@pytest.fixture
def mitigate(box):
    """Begins a mitigation. Those that are left end with the case."""

    def begin(source, target, *words):
        answer = box.ask("dots", "mitigate", "--source", source, "--target", target, *words)
        entry, = answer["ietf-dots-signal-channel:dots-signal"]["scope"]
        return str(entry["mid"])

    yield begin
    left = box.ask("show", "mitigations")["ietf-dots-signal-channel:dots-signal"].get("scope", [])
    for entry in left:
        box.ask("dots", "withdraw", entry["mid"])


def acls(box):
    return box.ask("show", "acls")["ietf-access-control-list:acls"]["acl"]


def test_lookup(box):
    """The subscriber of an address, by its prefix; what is no subscriber's is not ours."""
    host = box.host6()
    holder, = box.ask("lookup", host, "1000", "udp")["homeport:homeport"]["resolve"]["answer"]["holder"]
    assert holder == {"service": "ipv6", "subscriber": str(home_of(host)), "external-address": host,
                      "lower-port": 1000, "upper-port": 1000}
    with pytest.raises(Refused, match="no outside address of this box"):
        box.ask("lookup", box.remote6(), "1000", "udp")


def test_block(box, mitigate):
    """All addresses of the home, towards the target alone, and until it is withdrawn."""
    host, target, other = box.host6(), box.remote6(), box.remote6()
    neighbour, cousin = box.host6(), str(home_of(host)[-1])
    passes(box, udp(host, target))
    mitigate(f"{host}/128", f"{target}/128", "--protocol", "udp", "--target-port", "2000")
    box.tx_inside([udp(host, target), udp(cousin, target)], "drop-acl")
    for packet in (udp(host, target, 2001), udp(host, other), udp(neighbour, target),
                   IPv6(src=host, dst=target) / TCP(dport=2000)):
        passes(box, packet)
    rule, = acls(box)
    match = rule["aces"]["ace"][0]["matches"]
    assert match["ipv6"] == {"source-ipv6-network": str(home_of(host)), "destination-ipv6-network": f"{target}/128",
                             "protocol": 17}
    assert rule["aces"]["ace"][0]["statistics"]["matched-packets"] == "2"


def test_withdraw(box, mitigate):
    host, target = box.host6(), box.remote6()
    mid = mitigate(f"{host}/128", f"{target}/128")
    box.tx_inside(udp(host, target), "drop-acl")
    box.ask("dots", "withdraw", mid)
    passes(box, udp(host, target))
    assert not acls(box)
    mitigate(f"{host}/128", f"{target}/128")  # and once more
    box.tx_inside(udp(host, target), "drop-acl")


def test_behind_extension_headers(box, mitigate):
    """Ports are found behind extension headers."""
    host, target = box.host6(), box.remote6()
    mitigate(f"{host}/128", f"{target}/128", "--protocol", "udp", "--target-port", "2000")
    for header in (IPv6ExtHdrDestOpt(), IPv6ExtHdrFragment(id=5)):
        box.tx_inside(IPv6(src=host, dst=target) / header / UDP(sport=1, dport=2000) / "data", "drop-acl")
        passes(box, IPv6(src=host, dst=target) / header / UDP(sport=1, dport=2001) / "data")


def test_fragments(box, mitigate):
    """A first fragment has its ports. One that follows passes for one with any port, and if its protocol is hidden,
    with any protocol: a datagram whose first fragment is dropped is lost anyway, and a flood of what follows is one
    too."""
    host, target, other = box.host6(), box.remote6(), box.remote6()
    mitigate(f"{host}/128", f"{target}/128", "--protocol", "udp", "--target-port", "2000")

    def part(dst, dport, offset, nh=17):
        return IPv6(src=host, dst=dst) / IPv6ExtHdrFragment(id=9, nh=nh, offset=offset, m=1) / Raw(
            (bytes(UDP(sport=1, dport=dport, len=1000)) if not offset else b"") + bytes(16))

    box.tx_inside([part(target, 2000, 0), part(target, 0, 3), part(target, 0, 3, nh=60)], "drop-acl")
    passes(box, part(target, 2001, 0))
    passes(box, part(target, 0, 3, nh=6))
    passes(box, part(other, 0, 3))


def test_icmp(box, mitigate):
    """ICMPv6 is a protocol like others."""
    host, target = box.host6(), box.remote6()
    mitigate(f"{host}/128", f"{target}/128", "--protocol", "icmpv6")
    box.tx_inside([IPv6(src=host, dst=target) / ICMPv6EchoRequest(),
                   IPv6(src=host, dst=target) / ICMPv6DestUnreach() / udp(target, host)], "drop-acl")
    passes(box, udp(host, target))


def test_rate_limit(box, mitigate):
    host, target = box.host6(), box.remote6()
    mitigate(f"{host}/128", f"{target}/128", "--action", "rate-limit", "--rate", "64")
    big = udp(host, target) / Raw(bytes(1000))
    for _ in range(7):  # of 8000 bytes a second
        passes(box, big)
    box.tx_inside(big, "drop-acl-rate")
    box.advance(1)
    passes(box, big)


def redirected(box, packet):
    """Sends a packet that goes to the scrubber; returns it as it came there."""
    box.tx_inside(packet, "redirected")
    frame = box.rx_frame("outside")
    assert (frame.src, frame.dst) == (MAC["box outside"], SCRUBBER_MAC)
    return frame[IPv6]


def test_redirect(box, mitigate):
    """The scrubber gets what the home sends to the target, as it is but for its hop limit; answers and all else go
    their way."""
    host, target = box.host6(), box.remote6()
    mitigate(f"{host}/128", f"{target}/128", "--action", "redirect")
    for packet in (udp(host, target, hlim=9), IPv6(src=host, dst=target) / TCP(dport=443),
                   IPv6(src=host, dst=target) / IPv6ExtHdrFragment(id=7, offset=10) / Raw(bytes(64))):
        got = redirected(box, packet)
        assert (got.src, got.dst, got.hlim) == (host, target, packet.hlim - 1)
        assert bytes(got.payload) == bytes(IPv6(bytes(packet)).payload)
    passes(box, udp(host, box.remote6()))
    passes(box, udp(box.host6(), target))
    box.tx_outside(udp(target, host), "routed-ipv6")
    assert box.rx_inside()[IPv6].dst == host
    box.tx_inside(udp(host, target, hlim=1), "drop-ttl")
    box.rx_inside()


def test_redirect_to_another_home(box, mitigate):
    """The scrubber could not send it back here: its source is a home's, which nobody outside may have."""
    host, victim = box.host6(), box.host6()
    mitigate(f"{host}/128", f"{victim}/128", "--action", "redirect")
    box.tx_inside(udp(host, victim), "drop-acl")


def test_redirect_what_is_too_large(fresh):
    """The interface that the scrubber is on decides how large a packet may be. Without a scrubber of its IP version,
    after a reload, nothing goes anywhere, and no operator may ask for it."""
    box = fresh(**CONFIG)
    host, target = box.host6(), box.remote6()
    report = ("dots", "mitigate", "--source", f"{host}/128", "--target", f"{target}/128", "--action", "redirect")
    box.ask(*report)
    tagged = config(**ipv6(outside=NEIGHBOURS, more=scrubber("2001:db8:0:9::53")))
    tagged["ietf-interfaces:interfaces"]["interface"].append(
        {"name": "scrubber", "type": "iana-if-type:ethernetCsmacd", "homeport:vlan": 9,
         "homeport:device": "net_af_packet_outside,iface=outside", "homeport:realm": "external",
         "homeport:mac-address": MAC["box outside"],
         "ietf-ip:ipv6": {"mtu": 1280, "address": [{"ip": "2001:db8:0:9::1", "prefix-length": 64}],
                          "neighbor": [{"ip": "2001:db8:0:9::53", "link-layer-address": SCRUBBER_MAC}]}})
    box.reload(tagged)
    box.tx_inside(udp(host, target) / Raw(bytes(1300)), "drop-too-big")
    assert box.rx_inside()[ICMPv6PacketTooBig].mtu == 1280
    box.tx_inside(udp(host, target) / Raw(bytes(1000)), "redirected")
    frame = box.rx_frame("outside")
    assert (frame.dst, frame[Dot1Q].vlan, frame[IPv6].dst) == (SCRUBBER_MAC, 9, target)
    box.reload(config(**ipv6(outside=NEIGHBOURS, more=scrubber("192.0.2.253", "next-hop-address"))))
    box.tx_inside(udp(host, target), "drop-acl")
    with pytest.raises(Refused, match="no scrubber for these sources"):
        box.ask(*report)


def test_inspect(fresh, tmp_path):
    """Nothing is stopped before the detector has seen an attack; the capture file has the packets as they came."""
    file = tmp_path / "copies.pcap"
    box = fresh(**ipv6(more={"homeport:homeport": {"dots": {"server": {"inspect": {
        "packets-per-second": 3, "window": 2, "time": 20, "capture-file": str(file)}}}}}))
    host, target = box.host6(), box.remote6()
    box.ask("dots", "mitigate", "--source", f"{host}/128", "--target", f"{target}/128", "--action", "inspect")
    sent = [udp(host, target, dport=2000 + n) for n in range(8)]
    for packet in sent:
        passes(box, packet)
    passes(box, udp(host, box.remote6()))
    box.advance(2)
    box.tx_inside(udp(host, target), "drop-acl")
    assert [bytes(p) for p in rdpcap(str(file))] == [bytes(p) for p in sent]


def test_quarantine(box, mitigate):
    """All IPv6 of the home."""
    host, target = box.host6(), box.remote6()
    mitigate(f"{host}/128", f"{target}/128", "--action", "quarantine")
    box.tx_inside([udp(host, target), udp(host, box.remote6())], "drop-quarantine")


def test_between_homes(box, mitigate):
    """A victim inside is protected like one outside."""
    host, victim = box.host6(), box.host6()
    mitigate(f"{host}/128", f"{victim}/128")
    box.tx_inside(udp(host, victim), "drop-acl")


def test_several_homes(box, mitigate):
    """A source wider than a home is all homes in it, up to what one request may hit."""
    host = "2001:db8:1ff:1000::1"
    target = box.remote6()
    mitigate("2001:db8:1ff:1000::/54", f"{target}/128")
    assert sorted(r["aces"]["ace"][0]["matches"]["ipv6"]["source-ipv6-network"] for r in acls(box)) == [
        f"2001:db8:1ff:1{n}00::/56" for n in range(4)]
    box.tx_inside([udp(host, target), udp("2001:db8:1ff:13ff::1", target)], "drop-acl")
    passes(box, udp("2001:db8:1ff:1400::1", target))
    with pytest.raises(Refused, match="more than 16 subscribers"):
        mitigate("2001:db8:1ff::/48", f"{target}/128")
    with pytest.raises(Refused, match="more than 16 subscribers"):
        mitigate("2001:db8::/32", f"{target}/128")


def test_what_names_nobody_is_refused(box, mitigate):
    """A foreign source; a source and a target of different IP versions (RFC 9066 section 5.3.1)."""
    host, target = box.host6(), box.remote6()
    for source, said in ((target, "not an address of this network"), ("fd00::1", "internal address"),
                         ("ff02::1", "multicast")):
        with pytest.raises(Refused, match=said):
            mitigate(f"{source}/128", f"{target}/128")
    with pytest.raises(Refused, match="IPv4 but no source-prefix is"):
        mitigate(f"{host}/128", "198.51.100.1/32")


def test_validation(fresh):
    """Sources are taken as the interface says (RFC 3704): those from inside, those routed to that very interface, or
    any but the box's own."""
    host, foreign, target = "2001:db8:100:100::1", "2001:db8:f000::1", "2001:db8:f000::2"
    for mode, verdict in (("inside", "drop-spoofed"), ("none", "routed-ipv6"), ("interface", "drop-spoofed")):
        box = fresh(**ipv6(inside={"homeport:source-validation": mode}))
        passes(box, udp(host, target))
        box.tx_inside(udp(foreign, target), verdict)
        if mode == "none":
            assert box.rx_outside().src == foreign
        box.tx_inside([udp(BOX_INSIDE6, target), udp(BOX_OUTSIDE6, target)], "drop-spoofed")


def test_networks(tmp_path):
    """Networks are disjoint, and a subscriber's prefix is no wider than his network."""
    networks = [{"prefix": "2001:db8:100::/40", "subscriber-length": 32},
                {"prefix": "2001:db8:140::/48", "subscriber-length": 56}]
    said = check_config(tmp_path, config(more={"homeport:homeport": {"ipv6": {"subscriber-network": networks}}}))
    assert "subscriber-length: 32. Allowed: 40 to 128" in said
    assert "2001:db8:140::/48 overlaps 2001:db8:100::/40" in said
