# SPDX-License-Identifier: BSD-3-Clause
"""Frames and IP headers: what the box answers as a station, and what it refuses before anything else looks at
it. Each refusal has its own counter (digest F15)."""
import pytest
from scapy.all import (ARP, GRE, ICMP, IP, TCP, UDP, Dot1Q, Ether, ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6ND_NA,
                       ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, ICMPv6NDOptDstLLAddr, IPOption_NOP, IPOption_RR, IPv6, Raw)

from config import BOX_INSIDE, BOX_INSIDE6, BOX_OUTSIDE, BOX_OUTSIDE6, GATEWAY_INSIDE, GATEWAY_OUTSIDE, MAC, ipv6

OUTSIDE = MAC["outside"]
BOX = MAC["box outside"]
GATEWAY6 = "2001:db8:1::2"
SOMEBODY = "198.51.100.77"
CONFIG = {"routes": [("198.51.200.0/24", "blackhole")]}


def to_box(payload, dst=BOX, src=OUTSIDE, **fields):
    return Ether(dst=dst, src=src, **fields) / payload


def udp(**fields):
    fields = {"src": "100.64.9.9", "dst": SOMEBODY, **fields}
    return IP(**fields) / UDP(sport=1000, dport=2000) / "data"


def test_arp(box):
    """The box has its own addresses and, outside, those of its pools (RFC 826); who only tells is learned
    from."""
    for target in (BOX_OUTSIDE, "203.0.113.5"):
        box.tx_outside(to_box(ARP(op=1, hwsrc=OUTSIDE, psrc=GATEWAY_OUTSIDE, pdst=target), dst="ff:ff:ff:ff:ff:ff"),
                       "arp")
        answer = box.rx_frame("outside")
        assert (answer.dst, answer.src) == (OUTSIDE, BOX)
        arp = answer[ARP]
        assert (arp.op, arp.hwsrc, arp.psrc, arp.hwdst, arp.pdst) == (2, BOX, target, OUTSIDE, GATEWAY_OUTSIDE)
    # neither a stranger's address nor, inside, one of the pool; an announcement is not answered
    for target in ("192.0.2.77", "203.0.113.77"):
        box.tx_outside(to_box(ARP(op=1, hwsrc=OUTSIDE, psrc=GATEWAY_OUTSIDE, pdst=target), dst="ff:ff:ff:ff:ff:ff"),
                       "arp")
    box.tx_inside(Ether(dst="ff:ff:ff:ff:ff:ff", src=MAC["inside"]) /
                  ARP(op=1, hwsrc=MAC["inside"], psrc=GATEWAY_INSIDE, pdst="203.0.113.5"), "arp")
    box.tx_outside(to_box(ARP(op=1, hwsrc=OUTSIDE, psrc=BOX_OUTSIDE, pdst=BOX_OUTSIDE)), "arp")


def test_arp_malformed(box):
    whole = bytes(ARP(op=1, hwsrc=OUTSIDE, psrc=GATEWAY_OUTSIDE, pdst=BOX_OUTSIDE))
    for data in (whole[:27], whole[:4], b"", b"\0\2" + whole[2:], whole[:4] + b"\x08" + whole[5:],
                 whole[:8] + b"\xff" * 6 + whole[14:]):
        box.tx_outside(to_box(Raw(data), type=0x806), "drop-frame-short")


def test_neighbour_discovery(box):
    """A solicitation for the box's own IPv6 address is answered (RFC 4861 section 7.2.4), also one that only
    asks whether the address is in use; others are not."""
    group = "ff02::1:ff00:1"
    solicitation = (IPv6(src=GATEWAY6, dst=group, hlim=255) / ICMPv6ND_NS(tgt=BOX_OUTSIDE6) /
                    ICMPv6NDOptSrcLLAddr(lladdr=OUTSIDE))
    box.tx_outside(to_box(solicitation, dst="33:33:ff:00:00:01"), "neighbour-discovery")
    answer = box.rx_outside()
    assert (answer.dst, answer.src, answer.hlim) == (GATEWAY6, BOX_OUTSIDE6, 255)
    told = answer[ICMPv6ND_NA]
    assert (told.tgt, told.R, told.S, told.O) == (BOX_OUTSIDE6, 1, 1, 1)
    assert answer[ICMPv6NDOptDstLLAddr].lladdr == BOX
    duplicate = IPv6(src="::", dst=group, hlim=255) / ICMPv6ND_NS(tgt=BOX_OUTSIDE6)
    box.tx_outside(to_box(duplicate, dst="33:33:ff:00:00:01"), "neighbour-discovery")
    answer = box.rx_frame("outside")
    assert answer.dst == "33:33:00:00:00:01" and answer[IPv6].dst == "ff02::1" and not answer[ICMPv6ND_NA].S
    other = solicitation.copy()
    other[ICMPv6ND_NS].tgt = "2001:db8:1::77"
    del other[ICMPv6ND_NS].cksum
    box.tx_outside(to_box(other, dst="33:33:ff:00:00:77"), "neighbour-discovery")


def test_neighbour_discovery_malformed(box):
    """A hop limit other than 255, a wrong checksum or an option of length 0 is none (RFC 4861 section
    7.1.1)."""
    good = (IPv6(src=GATEWAY6, dst=BOX_OUTSIDE6, hlim=255) / ICMPv6ND_NS(tgt=BOX_OUTSIDE6) /
            ICMPv6NDOptSrcLLAddr(lladdr=OUTSIDE))
    far, wrong, empty = good.copy(), good.copy(), good.copy()
    far.hlim = 254
    wrong[ICMPv6ND_NS].cksum = 1
    empty[ICMPv6NDOptSrcLLAddr].len = 0
    for packet in (far, wrong, empty):
        box.tx_outside(to_box(packet), "drop-local")


def test_echo(box):
    """An echo request to the box is answered (RFC 792, RFC 4443), with the data it brought."""
    box.tx_outside(IP(src=SOMEBODY, dst=BOX_OUTSIDE, ttl=3) / ICMP(id=7, seq=9) / "echo data", "echo")
    p = box.rx_outside()
    assert (p.src, p.dst, p.ttl, p[ICMP].type, p[ICMP].id, p[ICMP].seq) == (BOX_OUTSIDE, SOMEBODY, 64, 0, 7, 9)
    assert bytes(p[ICMP].payload) == b"echo data"
    box.tx_inside(IP(src="100.64.9.9", dst=BOX_INSIDE) / ICMP(id=7), "echo")
    assert box.rx_inside().dst == "100.64.9.9"
    box.tx_outside(to_box(IPv6(src=GATEWAY6, dst=BOX_OUTSIDE6) / ICMPv6EchoRequest(id=5, data=b"echo data")), "echo")
    p = box.rx_outside()
    assert p[ICMPv6EchoReply].id == 5 and p[ICMPv6EchoReply].data == b"echo data" and p.dst == GATEWAY6


def test_own_addresses_have_no_services(box):
    box.tx_outside(IP(src=SOMEBODY, dst=BOX_OUTSIDE) / UDP(sport=1, dport=2), "drop-local")
    box.tx_outside(IP(src=SOMEBODY, dst=BOX_OUTSIDE) / TCP(sport=1, dport=2), "drop-local")
    box.tx_outside(IP(src=SOMEBODY, dst=BOX_OUTSIDE) / ICMP(type=0), "drop-local")
    box.tx_outside(to_box(IPv6(src=GATEWAY6, dst=BOX_OUTSIDE6) / UDP(sport=1, dport=2)), "drop-local")


def test_frames(box):
    """Frames that are cut short, for another station, VLAN or protocol."""
    packet = bytes(udp())
    box.tx_inside(to_box(Raw(packet[:19]), dst=MAC["box inside"], type=0x800), "drop-frame-short")
    box.tx_inside(to_box(Raw(b""), dst=MAC["box inside"], type=0x800), "drop-frame-short")
    box.tx_outside(to_box(Raw(bytes(IPv6())[:39]), type=0x86dd), "drop-frame-short")
    box.tx_outside(to_box(Raw(bytes(IPv6())[:39] + b"\0"), type=0x86dd), "drop-ip-source")
    box.tx_inside(to_box(udp(), dst="02:00:00:00:00:99"), "drop-mac")
    box.tx_inside(to_box(udp(), dst="ff:ff:ff:ff:ff:ff"), "drop-multicast")
    box.tx_inside(to_box(Raw(b"hello"), dst=MAC["box inside"], type=0x88cc), "drop-ethertype")
    box.tx_inside(to_box(Dot1Q(vlan=7) / udp(), dst=MAC["box inside"]), "drop-vlan")
    box.tx_outside(to_box(IPv6(src=GATEWAY6, dst="2001:db8:2::1") / UDP()), "drop-no-route")
    assert box.rx_outside().dst == GATEWAY6
    box.tx_inside(to_box(IPv6(src="2001:db8:2::1", dst=GATEWAY6) / UDP(), dst=MAC["box inside"]), "drop-ipv6")
    box.tx_outside(to_box(IPv6(src=GATEWAY6, dst="ff02::5") / UDP()), "drop-multicast")
    box.tx_outside(to_box(Raw(b"\x40" + bytes(39)), type=0x86dd), "drop-ip-header")


def broken_headers():
    """IPv4 headers that contradict themselves or their frame; the checksum is right."""
    yield "version 6", udp(version=6), "drop-ip-header"
    yield "header length 16", udp(ihl=4), "drop-ip-header"
    yield "header longer than the datagram", udp(ihl=15, len=32), "drop-ip-header"
    yield "header longer than the frame", IP(src="100.64.9.9", dst=SOMEBODY, ihl=15, len=60), "drop-ip-header"
    yield "length less than the header", udp(len=19), "drop-ip-header"
    yield "length more than the frame", udp(len=33), "drop-ip-header"
    yield "checksum", udp(chksum=1), "drop-ip-checksum"
    yield "checksum behind options", IP(src="100.64.9.9", dst=SOMEBODY, chksum=1, options=[IPOption_RR()]) / UDP(), \
        "drop-ip-checksum"
    for source in ("0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.5", "240.0.0.1", "255.255.255.255"):
        yield f"from {source}", udp(src=source), "drop-ip-source"
    yield "to itself", udp(src=SOMEBODY), "drop-land"
    for target in ("0.0.0.0", "0.1.2.3", "127.0.0.1"):
        yield f"to {target}", udp(dst=target), "drop-ip-destination"
    for target in ("224.0.0.1", "239.1.2.3", "255.255.255.255", "250.0.0.1", "100.64.0.255", "100.64.0.0",
                   "192.0.2.255", "192.0.2.0"):
        yield f"to {target}", udp(dst=target), "drop-multicast"
    yield "UDP header cut", IP(src="100.64.9.9", dst=SOMEBODY, proto=17) / Raw(b"1234567"), "drop-l4-short"
    yield "TCP header cut", IP(src="100.64.9.9", dst=SOMEBODY, proto=6) / Raw(bytes(range(19))), "drop-l4-short"
    yield "ICMP header cut", IP(src="100.64.9.9", dst=SOMEBODY, proto=1) / Raw(b"\10\0\0\0\0\0\0"), "drop-l4-short"
    yield "datagram cut inside padding", IP(src="100.64.9.9", dst=SOMEBODY, len=27, proto=17) / UDP() / "xxxx", \
        "drop-l4-short"
    yield "options to the end", IP(src="100.64.9.9", dst=SOMEBODY, proto=17, options=[IPOption_NOP()] * 8), \
        "drop-l4-short"
    yield "UDP from port 0", IP(src="100.64.9.9", dst=SOMEBODY) / UDP(sport=0, dport=1), "drop-port-zero"
    yield "UDP to port 0", IP(src="100.64.9.9", dst=SOMEBODY) / UDP(sport=1, dport=0), "drop-port-zero"
    yield "TCP from port 0", IP(src="100.64.9.9", dst=SOMEBODY) / TCP(sport=0, dport=1), "drop-port-zero"
    yield "GRE", IP(src="100.64.9.9", dst=SOMEBODY) / GRE(), "drop-protocol"


@pytest.mark.parametrize("packet, verdict", [pytest.param(p, v, id=i) for i, p, v in broken_headers()])
def test_ip_header(box, packet, verdict):
    """Each thing that can be wrong with a header."""
    box.tx_inside(packet, verdict)


def test_source_port_zero(box):
    """Port 0 opens nothing and reaches nobody (RFC 4787 section 4.2.1 leaves it open)."""
    host, remote = box.host(), box.remote()
    before = len(box.mappings())
    box.tx_inside(IP(src=host, dst=remote) / UDP(sport=0, dport=53), "drop-port-zero")
    assert len(box.mappings()) == before
    box.tx_outside(IP(src=remote, dst="203.0.113.1") / UDP(sport=0, dport=5000), "drop-port-zero")
    box.tx_outside(IP(src=remote, dst="203.0.113.1") / TCP(sport=5000, dport=0), "drop-port-zero")


def test_padding_is_not_data(box):
    """What follows the datagram in its frame is no part of it."""
    frame = to_box(udp(src=box.host()), dst=MAC["box inside"])
    box.tx_inside(Raw(bytes(frame) + b"\xa5" * 14).load)
    assert bytes(box.rx_outside()[UDP].payload)[:4] == b"data"


def test_options(box):
    """IPv4 options go through as they are."""
    p = box.out(IP(src=box.host(), dst=box.remote(), options=[IPOption_RR(routers=["0.0.0.0"] * 3)]) /
                UDP(sport=1, dport=2) / "data")
    assert isinstance(p.options[0], IPOption_RR) and p[UDP].load == b"data"


@pytest.mark.parametrize("bits", [64, 128, 256, 512])
def test_vector_widths(fresh, bits):
    """Routes are found however many at a time a processor may look up, in bursts with and without what is ended
    before."""
    box = fresh(platform={"eal-option": [f"--force-max-simd-bitwidth={bits}"]}, **CONFIG)
    host, remotes = box.host(), [box.remote() for _ in range(40)]
    sent = [udp(src=host, dst=remote) for remote in remotes]
    box.tx_inside(sent)
    assert sorted(box.rx_outside().dst for _ in sent) == sorted(remotes)
    sent[::3] = [udp(src=host, dst="198.51.200.9") for _ in sent[::3]]
    sent[1::3] = [IP(src=host, dst=SOMEBODY, proto=17) / b"short" for _ in sent[1::3]]
    box.tx_inside(sent, {"drop-blackhole": 14, "drop-l4-short": 13, "nat44-out": 13})
    assert sorted(box.rx_outside().dst for _ in remotes[2::3]) == sorted(remotes[2::3])


def test_no_way(box):
    """Discarded by a route; from outside to what is neither the box's nor a pool's; an inside source that no
    policy serves."""
    box.tx_inside(udp(src=box.host(), dst="198.51.200.9"), "drop-blackhole")
    box.tx_outside(udp(src=SOMEBODY, dst="198.51.100.9"), "drop-realm")
    box.tx_outside(udp(src=SOMEBODY, dst="100.64.9.9"), "drop-realm")
    box.tx_inside(udp(src="10.1.1.1"), "drop-policy")


def test_spoofed(box):
    """From outside nobody has an address of the box, of its pools or of subscribers; from inside nobody has one
    of its pools (RFC 2827)."""
    p = box.out(udp(src=box.host()))
    for source in (BOX_OUTSIDE, BOX_INSIDE, "203.0.113.5", "100.64.9.9", "100.127.255.255"):
        if source != p.src:
            box.tx_outside(IP(src=source, dst=p.src) / UDP(sport=7, dport=p[UDP].sport), "drop-spoofed")
    box.tx_outside(IP(src="100.64.9.9", dst=BOX_OUTSIDE) / ICMP(), "drop-spoofed")
    # the same first bytes, and nothing else in common
    for source in ("203.0.112.1", "100.128.0.1", "192.0.3.1"):
        box.tx_outside(IP(src=source, dst=p.src) / UDP(sport=7, dport=p[UDP].sport))
        assert box.rx_inside().src == source
    box.tx_inside(udp(src="203.0.113.5"), "drop-spoofed")


def test_no_route(fresh):
    """Without a route the sender is told: network unreachable (RFC 1812 section 5.2.7.1)."""
    box = fresh(more={"ietf-routing:routing": None}, inside={"ietf-ip:ipv4": {
        "address": [{"ip": BOX_INSIDE, "prefix-length": 10}]}})
    sent = udp(src=GATEWAY_INSIDE)
    box.tx_inside(sent, "drop-no-route")
    p = box.rx_inside()
    assert (p.src, p.dst, p[ICMP].type, p[ICMP].code) == (BOX_INSIDE, GATEWAY_INSIDE, 3, 0)
    assert bytes(p[ICMP].payload) == bytes(sent)


def test_routed_inside(box):
    """Between inside networks packets are routed, not translated, and lose one hop."""
    sent = udp(src=box.host(), dst=box.host(), ttl=9)
    box.tx_inside(sent, "routed")
    p = box.rx_inside()
    assert (p.src, p.dst, p.ttl, p[UDP].sport) == (sent.src, sent.dst, 8, 1000)


def test_first_question(fresh):
    """The gateways are asked for at the start, and told the address that the device itself has (RFC 826)."""
    box = fresh(inside={"homeport:mac-address": None, "ietf-ip:ipv4": {"neighbor": None}})
    own = box.ip("box", "-br", "link", "show", "inside").stdout.split()[2]
    asked = box.rx_frame("inside")
    assert (asked[ARP].pdst, asked.src, asked[ARP].hwsrc) == (GATEWAY_INSIDE, own, own)
    box.tx_inside(Ether(dst=own, src=MAC["inside"]) /
                  ARP(op=2, hwsrc=MAC["inside"], psrc=GATEWAY_INSIDE, hwdst=own, pdst=BOX_INSIDE), "arp")


def test_neighbour_asked_for(box):
    """A packet whose next hop is not known waits for the answer; without one it is dropped after three
    requests (RFC 1122 section 2.3.2)."""
    known, silent = "100.64.0.77", "100.64.0.78"
    remote = box.remote()
    for host, answers in ((known, True), (silent, False)):
        p = box.out(udp(src=host, dst=remote))
        box.tx_outside(IP(src=remote, dst=p.src) / UDP(sport=2000, dport=p[UDP].sport) / "back", None)
        asked = box.rx_frame("inside")
        assert asked.dst == "ff:ff:ff:ff:ff:ff" and (asked[ARP].psrc, asked[ARP].pdst) == (BOX_INSIDE, host)
        if answers:
            box.tx_inside(Ether(dst=MAC["box inside"], src="02:00:00:00:00:77") /
                          ARP(op=2, hwsrc="02:00:00:00:00:77", psrc=host, hwdst=MAC["box inside"], pdst=BOX_INSIDE),
                          {"arp": 1, "nat44-in": 1})
            got = box.rx_frame("inside")
            assert got.dst == "02:00:00:00:00:77" and got[IP].dst == host
            continue
        for _ in range(2):
            box.advance(1)
            assert box.rx_frame("inside")[ARP].pdst == silent
        box.advance(1)
        assert box.settle() == {"drop-neighbour": 1}


def test_vlan_interfaces(fresh):
    """Two interfaces on one device, told apart by VLAN; what leaves has the tag of its interface."""
    box = fresh(outside={"homeport:vlan": 7})
    host = box.host()
    box.tx_inside(udp(src=host), "nat44-out")
    got = box.rx_frame("outside")
    assert got[Dot1Q].vlan == 7 and got[IP].dst == SOMEBODY
    box.tx_outside(to_box(Dot1Q(vlan=7) / IP(src=SOMEBODY, dst=got[IP].src) / UDP(sport=2000, dport=got[UDP].sport)))
    assert box.rx_inside().dst == host
    box.tx_outside(IP(src=SOMEBODY, dst=got[IP].src) / UDP(sport=2000, dport=got[UDP].sport), "drop-vlan")
    box.tx_outside(to_box(Dot1Q(vlan=8) / IP(src=SOMEBODY, dst=got[IP].src) / UDP()), "drop-vlan")


def test_homes_have_a_share_of_their_own(fresh, tmp_path):
    """What strangers send to the box's own addresses takes nothing from homes, over IPv6 as over IPv4; all homes
    together have as much (RFC 9066 section 8)."""
    keys = tmp_path / "homes.psk"
    keys.write_text("".join(f"{name}:{number:032x}\n" for number, name in enumerate(("one", "two"))))
    keys.chmod(0o600)
    homes = [{"name": "one", "psk-identity": "one", "subscriber": "2001:db8:100:100::/56"},
             {"name": "two", "psk-identity": "two", "subscriber": "100.65.0.77/32"}]
    box = fresh(kernel6=True, **ipv6(inside={"homeport:host-device": "hp-inside"},
                       more={"homeport:homeport": {"dots": {"client": {"psk-file": str(keys), "home": homes}}}}),
                platform={"host-packet-rate": 10})
    box.advance(1)

    def sent_by(source):
        if ":" in source:
            return IPv6(src=source, dst=BOX_INSIDE6) / ICMPv6EchoReply()
        return IP(src=source, dst=BOX_INSIDE) / ICMP(type=0, id=1)
    box.tx_inside([sent_by("2001:db8:100:200::1")] * 15 + [sent_by("100.65.0.78")] * 5,
                  {"punted": 10, "drop-punt-limit": 10})
    box.tx_inside([sent_by("2001:db8:100:1ff::1")] * 4, "punted")
    box.tx_inside([sent_by("100.65.0.77")] * 4, "punted")
    box.tx_inside([sent_by("2001:db8:100:100::1")] * 4, {"punted": 2, "drop-punt-limit": 2})


def test_kernel_behind_own_addresses(fresh):
    """With a host device what the box does not answer itself goes to the kernel, so many packets a second and no
    more, and the kernel's answers come out by the interface."""
    box = fresh(outside={"homeport:host-device": "hp-outside", "ietf-ip:ipv6": None},
                platform={"host-packet-rate": 10})
    box.advance(1)
    probe = IP(src=GATEWAY_OUTSIDE, dst=BOX_OUTSIDE) / UDP(sport=7, dport=9)
    box.tx_outside(probe, "punted")
    p = box.rx_outside()
    assert (p.src, p.dst, p[ICMP].type, p[ICMP].code) == (BOX_OUTSIDE, GATEWAY_OUTSIDE, 3, 3)
    # what the kernel keeps silent about: no answers to take
    unwanted = IP(src=GATEWAY_OUTSIDE, dst=BOX_OUTSIDE) / ICMP(type=0, id=1)
    box.tx_outside([unwanted] * 20, {"punted": 9, "drop-punt-limit": 11})
