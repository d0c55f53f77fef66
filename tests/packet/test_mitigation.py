# SPDX-License-Identifier: BSD-3-Clause
"""What mitigations do to packets: `homeport dots mitigate` as an operator gives it."""
import pytest
from scapy.all import ICMP, IP, UDP, Dot1Q, Ether, Raw, fragment, rdpcap

from config import BOX_OUTSIDE, MAC, TAP_DEVICES, config, merge, static_mapping
from test_dccp import DCCP, PROTOCOLS, REQUEST, Flow

SCRUBBER, SCRUBBER_MAC = "192.0.2.253", "02:00:00:00:00:13"
OTHER_MAC = "02:00:00:00:00:14"
PASSED = "198.51.100.0/24"  # is not translated
ALLOWED = "198.51.102.0/24"  # in quarantine too
WHOLE = ("100.65.0.99", "198.51.101.9")
ESP = 50


def scrubber(address=SCRUBBER):
    return {"homeport:homeport": {"dots": {"server": {"scrubber": {"next-hop-address": address}}}}}


CONFIG = {
    "more": merge(scrubber(), {"homeport:homeport": {"dots": {"server": {"quarantine-allow": [ALLOWED]}}}}),
    "statics": [static_mapping(1, *WHOLE)],
    "policy": {"homeport:portless-protocols": [ESP], "transport-protocols": PROTOCOLS},
    "instance": {"nat-pass-through": [{"id": 1, "prefix": PASSED}]},
    "outside": {"ietf-ip:ipv4": {"neighbor": [
        {"ip": "192.0.2.254", "link-layer-address": MAC["outside"]},
        {"ip": SCRUBBER, "link-layer-address": SCRUBBER_MAC}]}}}
WORKERS = [1, 3]


def udp(host, remote, size=10, port=4000, **fields):
    return IP(src=host, dst=remote, **fields) / UDP(sport=port, dport=80) / Raw(bytes(size))


def mitigate(box, host, target, action, *words, port=4000):
    """Has an operator act against a host by an outside port; returns the outside address and port."""
    outside = box.out(udp(host, box.remote(), port=port))
    box.ask("dots", "mitigate", "--source", f"{outside.src}/32", "--source-port", outside[UDP].sport,
            "--target", target, "--action", action, *words)
    return outside.src, outside[UDP].sport


def scrubbed(box):
    """The next packet that came for the scrubber."""
    got = box.rx_frame("outside")
    assert (got.src, got.dst) == (MAC["box outside"], SCRUBBER_MAC)
    return got[IP]


def acl(box, action):
    """Packets that the newest rule with an action has matched."""
    acls = box.ask("show", "acls")["ietf-access-control-list:acls"]["acl"]
    return [int(e["statistics"]["matched-packets"]) for a in acls for e in a["aces"]["ace"]
            if e["name"] == action][-1]


def test_block_by_port(box):
    """A mitigation with ports is about those of the target alone, of the protocol alone: UDP and DCCP."""
    host, target = box.host(), box.remote()
    mitigate(box, host, f"{target}/32", "block", "--protocol", "udp", "--target-port", "80-82")
    for port, verdict in ((79, "nat44-out"), (80, "drop-acl"), (82, "drop-acl"), (83, "nat44-out")):
        box.tx_inside(IP(src=host, dst=target) / UDP(sport=4000, dport=port), verdict)
        if verdict == "nat44-out":
            assert box.rx_outside()[UDP].dport == port
    flow, other = Flow(box, host, target, dport=80), Flow(box, host, target, dport=81)
    flow.send(REQUEST)
    address, port = flow.outside
    box.ask("dots", "mitigate", "--source", f"{address}/32", "--source-port", port, "--target", f"{target}/32",
            "--protocol", DCCP, "--target-port", 80)
    flow.send(REQUEST, "drop-acl")
    other.send(REQUEST)
    Flow(box, host, dport=80).send(REQUEST)
    Flow(box, box.host(), target).send(REQUEST)


def test_block_what_is_not_translated(box):
    """A subscriber is stopped on the ways that keep his address as well; his neighbours are not, nor is he
    elsewhere."""
    host = box.host()
    mitigate(box, host, "198.51.100.7/32", "block")
    box.tx_inside(udp(host, "198.51.100.7"), "drop-acl")
    assert acl(box, "block") == 1
    for source, remote in ((host, "198.51.100.8"), (box.host(), "198.51.100.7")):
        box.tx_inside(udp(source, remote), "pass-through")
        assert box.rx_outside().src == source


def test_rate_limit(box):
    """What is within the rate passes, translated or not; what is beyond is dropped and counted, until there is rate
    again. Only what goes to the target counts."""
    for verdict, target in (("nat44-out", box.remote()), ("pass-through", "198.51.100.20")):
        host = box.host()
        mitigate(box, host, f"{target}/32", "rate-limit", "--rate", 64)
        for _ in range(8):  # of 8000 bytes a second
            box.tx_inside(udp(host, target, 972), verdict)
            assert box.rx_outside().len == 1000
        box.tx_inside([udp(host, target)] * 3, "drop-acl-rate")
        assert acl(box, "rate-limit") == 3
        box.out(udp(host, box.remote(), 1000))
        box.tx_inside(udp(box.host(), target), verdict)
        box.rx_outside()
        box.advance(1)
        box.tx_inside(udp(host, target, 972), verdict)
        box.rx_outside()
        assert acl(box, "rate-limit") == 3


def test_quarantine(box):
    """Whatever the subscriber sends, wherever, is dropped, but what goes to quarantine-allow; what others send is
    not."""
    host, target = box.host(), box.remote()
    mitigate(box, host, f"{target}/32", "quarantine")
    box.tx_inside([udp(host, target), udp(host, box.remote()), udp(host, "198.51.100.7"),
                   IP(src=host, dst=box.remote()) / ICMP(id=9), udp(host, "198.51.103.1")], "drop-quarantine")
    assert acl(box, "quarantine") == 5
    box.out(udp(host, "198.51.102.0"))
    answer = box.out(udp(host, "198.51.102.255"))
    assert box.back(IP(src=answer.dst, dst=answer.src) / UDP(sport=80, dport=answer[UDP].sport)).dst == host
    box.out(udp(box.host(), target))


def test_redirect(box):
    """The scrubber gets what goes to the target, translated, by a mapping and without; answers and all else go
    their way, and nobody else's packets go there."""
    host, other, target = box.host(), box.host(), box.remote()
    outside = mitigate(box, host, f"{target}/32", "redirect")
    for packet in (udp(host, target), IP(src=host, dst=target) / UDP(sport=4001, dport=80), udp(host, target)):
        box.tx_inside(packet, "redirected")
        got = scrubbed(box)
        assert (got.dst, got.src, got.ttl) == (target, outside[0], packet.ttl - 1)
        assert got[UDP].sport == outside[1] or packet[UDP].sport != 4000
    box.out(udp(host, box.remote()))
    box.out(udp(other, target))
    assert box.back(IP(src=target, dst=outside[0]) / UDP(sport=80, dport=outside[1])).dst == host
    assert acl(box, "redirect") == 3
    box.advance(2)
    mine = [(s, m) for s, m in zip(*lists(box)) if m["action"] == "redirect"][-1]
    # what the scrubber drops of it is not ours to tell (RFC 9132 section 4.4.2)
    assert mine[0]["status"] == "attack-successfully-mitigated" and mine[0]["pkts-dropped"] == "0"
    assert mine[1]["packets"] == "3"


def lists(box):
    shown = box.ask("show", "mitigations")
    return (shown["ietf-dots-signal-channel:dots-signal"]["scope"], shown["homeport:homeport"]["dots"]["mitigation"])


def test_redirect_fragments(fresh):
    """Every fragment goes there."""
    box = fresh(devices=TAP_DEVICES, **CONFIG)
    host, target = box.host(), box.remote()
    mitigate(box, host, f"{target}/32", "redirect")
    pieces = fragment(udp(host, target, 1000, id=7), 400)
    box.tx_inside(pieces, {"redirected": len(pieces)})
    assert {scrubbed(box).frag for _ in pieces} == {p.frag for p in pieces}


def test_redirect_what_is_not_translated(box):
    """So do packets that keep their addresses, and protocols without ports."""
    host = box.host()
    mitigate(box, host, PASSED, "redirect")
    box.tx_inside(udp(host, "198.51.100.7"), "redirected")
    assert scrubbed(box).src == host
    inside, outside = WHOLE
    target = box.remote()
    box.ask("dots", "mitigate", "--source", f"{outside}/32", "--target", f"{target}/32", "--action", "redirect")
    box.tx_inside(IP(src=inside, dst=target, proto=ESP) / Raw(b"secret"), "redirected")
    assert scrubbed(box).src == outside


def test_no_way_back_to_the_box(box):
    """What goes to an outside address of the box could not come back from the scrubber; it is dropped."""
    host, victim = box.host(), box.host()
    seen = box.out(udp(victim, box.remote()))
    mitigate(box, host, f"{seen.src}/32", "redirect")
    box.tx_inside(IP(src=host, dst=seen.src) / UDP(sport=4000, dport=seen[UDP].sport), "drop-acl")
    assert acl(box, "redirect") == 1


def test_several_rules(box):
    """A rule that drops wins over one that redirects, wherever it stands."""
    host, target = box.host(), box.remote()
    # three reports about three ports: one about the same would take another's place
    for port, action in enumerate(("block", "redirect", "block"), 5000):
        mitigate(box, host, f"{target}/32", action, port=port)
        box.tx_inside(udp(host, target), "drop-acl")


def test_mtu_of_the_scrubber(fresh):
    """The interface that the scrubber is on decides how large a packet may be. Without a scrubber, after a
    reload, nothing goes anywhere."""
    box = fresh(**CONFIG)
    host, target = box.host(), box.remote()
    mitigate(box, host, f"{target}/32", "redirect")
    tagged = config(**{**CONFIG, "more": scrubber("192.0.3.253")})
    tagged["ietf-interfaces:interfaces"]["interface"].append(
        {"name": "scrubber", "type": "iana-if-type:ethernetCsmacd", "homeport:vlan": 9,
         "homeport:device": "net_af_packet_outside,iface=outside", "homeport:realm": "external",
         "homeport:mac-address": MAC["box outside"],
         "ietf-ip:ipv4": {"mtu": 1000, "address": [{"ip": "192.0.3.1", "prefix-length": 24}],
                          "neighbor": [{"ip": "192.0.3.253", "link-layer-address": OTHER_MAC}]}})
    box.reload(tagged)
    box.tx_inside(udp(host, target, 1200, flags="DF"), "drop-too-big")
    error = box.rx_inside()
    assert (error[ICMP].type, error[ICMP].code, error[ICMP].nexthopmtu) == (3, 4, 1000)
    box.tx_inside(udp(host, target, 1200, id=9), "redirected")
    for _ in range(2):
        got = box.rx_frame("outside")
        assert (got.dst, got[Dot1Q].vlan, got[IP].dst) == (OTHER_MAC, 9, target)
    gone = config(**{**CONFIG, "more": None})
    box.reload(gone)
    box.tx_inside(udp(host, target), "drop-acl")


def test_neighbour_of_the_scrubber(fresh):
    """A scrubber whose link-layer address is not known is asked for it, and the packet waits."""
    box = fresh(**{**CONFIG, "outside": None})
    asked = box.rx_frame("outside")
    host, target = box.host(), box.remote()
    mitigate(box, host, f"{target}/32", "redirect")
    box.tx_inside(udp(host, target), None)
    assert asked.type == 0x806 and asked.pdst == SCRUBBER and asked.psrc == BOX_OUTSIDE
    answer = Ether(src=SCRUBBER_MAC, dst=MAC["box outside"]) / asked.payload.__class__(
        op=2, hwsrc=SCRUBBER_MAC, psrc=SCRUBBER, hwdst=MAC["box outside"], pdst=BOX_OUTSIDE)
    box.tx_outside(answer, None)
    assert box.settle() == {"arp": 1, "redirected": 1}
    assert scrubbed(box).dst == target


def test_without_a_scrubber(fresh):
    """There is nothing to redirect to, and the operator is told."""
    box = fresh()
    host = box.host()
    with pytest.raises(Exception, match="there is no scrubber"):
        mitigate(box, host, "198.18.9.9/32", "redirect")


def test_a_report_of_the_past(fresh):
    """An abuse report says when: it is about who had the port then, not about who has it now, or nobody."""
    box = fresh(policy={"port-set": {"port-set-size": 64, "port-set-timeout": 60}})
    host, target = box.host(), box.remote()
    outside = box.out(udp(host, target))
    answer = box.ask("lookup", outside.src, outside[UDP].sport, "udp")["homeport:homeport"]["resolve"]["answer"]
    held, = answer["holder"]
    report = ("--source", f"{outside.src}/32", "--source-port", outside[UDP].sport, "--target", f"{target}/32")
    # the mapping, its port block and the rest of its ports end one behind the other
    for _ in range(3):
        box.advance(400)
    with pytest.raises(Exception, match="nobody holds it"):
        box.ask("dots", "mitigate", *report)
    with pytest.raises(Exception, match="nobody holds it"):
        box.ask("dots", "mitigate", *report, "--at", "2020-01-01T00:00:00Z")
    box.ask("dots", "mitigate", *report, "--at", held["from"], "--tolerance", "1")
    assert judged(box)["subscriber"][0]["address"] == f"{host}/32"
    box.tx_inside(udp(host, target), "drop-acl")


# ------------------------------------------------------------------ inspect

def inspection(**leaves):
    """The configuration of a box that inspects; a reading of its windows takes two seconds."""
    return {"more": {"homeport:homeport": {"dots": {"server": {"inspect": {
        "packets-per-second": 10, "window": 2, "time": 20, **leaves}}}}}}


def judged(box):
    """What is known of the newest mitigation."""
    return lists(box)[1][-1]


def test_inspection_confirms(fresh, tmp_path):
    """What is inspected passes, and is copied to a file; when it is found to be an attack it is dropped."""
    box = fresh(workers=3, **inspection(**{"capture-file": str(tmp_path / "seen.pcap"), "flows": 100}))
    host, target = box.host(), box.remote()
    outside = mitigate(box, host, f"{target}/32", "inspect")
    assert (judged(box)["phase"], judged(box)["consent"]["judgement"]) == ("asked", "watching")
    sent = [udp(host, target, size=i) for i in range(30)]
    box.tx_inside(sent, "nat44-out")
    assert {box.rx_outside().src for _ in sent} == {outside[0]}
    box.out(udp(host, box.remote()))
    assert acl(box, "inspect") == 30
    counters = box.counters()
    assert (counters["copies"], counters["copies-missed"]) == ("30", "0")
    # the inside source: whoever looks at them wants to know who it is
    assert [bytes(p) for p in rdpcap(str(tmp_path / "seen.pcap"))] == [bytes(p) for p in sent]
    assert (tmp_path / "seen.pcap").stat().st_mode & 0o77 == 0
    box.advance(3)
    what = judged(box)
    assert (what["phase"], what["action"], what["consent"]["judgement"]) == ("in-force", "block", "attack")
    assert what["consent"]["flows"] == 1
    box.tx_inside(udp(host, target), "drop-acl")


def test_inspection_by_flows(fresh):
    """Few packets to many ports are an attack too, if flows matter."""
    box = fresh(**inspection(**{"packets-per-second": 1000, "flows": 20}))
    host, target = box.host(), box.remote()
    mitigate(box, host, f"{target}/32", "inspect")
    for count, phase in ((19, "asked"), (20, "in-force")):
        sent = [IP(src=host, dst=target) / UDP(sport=4000, dport=100 + i) for i in range(count)]
        box.tx_inside(sent, "nat44-out")
        for _ in sent:
            box.rx_outside()
        box.advance(3)
        assert judged(box)["phase"] == phase and judged(box)["consent"]["flows"] == count


def test_inspection_clears(fresh):
    """What is no attack is rejected when the time is over, and passes; the upstream would be told cause 4."""
    box = fresh(**inspection())
    host, target = box.host(), box.remote()
    mitigate(box, host, f"{target}/32", "inspect")
    box.out(udp(host, target))
    box.advance(15)
    assert judged(box)["phase"] == "asked"
    box.advance(6)
    assert (judged(box)["phase"], judged(box)["consent"]["judgement"]) == ("rejected", "clear")
    box.out(udp(host, target))
    assert box.ask("show", "acls")["ietf-access-control-list:acls"]["acl"] == []


def test_inspection_by_a_port(fresh):
    """Copies leave by the capture port, each in a frame to who looks at them, as far as they fit; what is beyond
    the rate is missed, and nothing else."""
    port = {"interface": "inside", "link-layer-address": OTHER_MAC}
    box = fresh(workers=2, **inspection(**{"packets-per-second": 100000, "capture-port": port,
                                           "max-copy-rate": 100}))
    host, target = box.host(), box.remote()
    mitigate(box, host, f"{target}/32", "inspect")
    packet = udp(host, target)
    box.tx_inside(packet, "nat44-out")
    assert box.rx_outside().dst == target
    copy = box.rx_frame("inside")
    assert (copy.src, copy.dst, bytes(copy.payload)[:38]) == (MAC["box inside"], OTHER_MAC, bytes(packet))
    for _ in range(3):
        box.tx_inside([packet] * 50, "nat44-out")
        assert all(box.rx_outside().dst == target for _ in range(50))
    counters = box.counters()
    assert int(counters["copies"]) == 100 and int(counters["copies-missed"]) == 51
    for _ in range(99):
        assert box.rx_frame("inside").dst == OTHER_MAC
