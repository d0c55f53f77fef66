# SPDX-License-Identifier: BSD-3-Clause
"""DS-Lite: an AFTR between softwires and NAT44 (RFC 6333, RFC 6908, RFC 7785, RFC 8513)."""
import ipaddress
import itertools
import random

from scapy.all import (ICMP, IP, TCP, UDP, Ether, ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest,
                       ICMPv6PacketTooBig, ICMPv6TimeExceeded, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, Raw, rdpcap)

from config import AFTR, BOX_INSIDE6, GATEWAY_INSIDE6, MAC, TAP_DEVICES, config, dslite
from yanglint import yanglint

WORKERS = [1, 3]
CONFIG = dslite()
HOST = "192.168.1.10"  # in every home
DATA = bytes(range(256)) * 6


def other_address(b4, number):
    """Another address of the same home."""
    return str(ipaddress.ip_address(int(ipaddress.ip_address(b4)) + number))


def softwire(b4, packet, **fields):
    return IPv6(src=b4, dst=AFTR, **fields) / packet


def opened(p):
    """What is in a softwire packet of the box, whose outer header is as it should be."""
    assert (p.src, p.nh, p.hlim) == (AFTR, 4, 64), p.summary()
    inner = IP(p.original[40:])
    assert inner.len == p.plen == len(p.original) - 40
    return inner


class Home:
    """One UDP flow of a host behind a B4."""

    def __init__(self, box, b4=None, host=HOST, sport=1000, dport=2000):
        self.box, self.b4, self.host = box, b4 or box.host6(), host
        self.sport, self.dport, self.remote = sport, dport, box.remote()
        self.outside = None

    def packet(self, data=b"", **fields):
        return IP(src=self.host, dst=self.remote, **fields) / UDP(sport=self.sport, dport=self.dport) / data

    def send(self, verdict="ds-lite-out", data=b"", **fields):
        self.box.tx_inside(softwire(self.b4, self.packet(data, **fields)), verdict)
        if verdict != "ds-lite-out":
            return None
        p = self.box.rx_outside()
        assert p.dst == self.remote and p[UDP].dport == self.dport
        assert self.outside in (None, (p.src, p[UDP].sport))
        self.outside = (p.src, p[UDP].sport)
        return p

    def reply(self, data=b"", **fields):
        return (IP(src=self.remote, dst=self.outside[0], **fields) /
                UDP(sport=self.dport, dport=self.outside[1]) / data)

    def answer(self, data=b"", to=None, **fields):
        self.box.tx_outside(self.reply(data, **fields), "ds-lite-in")
        p = self.box.rx_inside()
        inner = opened(p)
        assert p.dst == (to or self.b4)
        assert (inner.src, inner.dst, inner[UDP].dport) == (self.remote, self.host, self.sport)
        return p


def test_softwires(box):
    """The same inner address and port behind two B4s are two subscribers (RFC 6333 section 6.6, RFC 7785 section 4
    point 2)."""
    homes = [Home(box) for _ in range(4)]
    for home in homes:
        home.remote = homes[0].remote
        home.send()
    assert len({home.outside for home in homes}) == 4
    for home in homes:
        inner = opened(home.answer(b"to you"))
        assert inner[UDP].payload.load == b"to you" and inner.ttl == 63


def test_subscriber_is_the_prefix(box):
    """Hosts behind one B4 are one subscriber, with one outside address (RFC 6888 REQ-2, RFC 7785)."""
    b4 = box.host6()
    homes = [Home(box, b4, host) for host in ("192.168.1.10", "10.1.1.1", "172.31.255.254", "192.0.0.2")]
    for home in homes:
        home.send()
    assert len({home.outside[0] for home in homes}) == 1
    prefix = str(ipaddress.ip_network((b4, 56), strict=False))
    assert len([s for s in box.subscribers() if s["address"] == prefix]) == 1


def test_protocols(box):
    """TCP, ICMP queries and UDP without checksum come out of softwires and back (RFC 6333 section 8)."""
    b4, remote = box.host6(), box.remote()
    box.tx_inside(softwire(b4, IP(src=HOST, dst=remote) / TCP(sport=5, dport=80, flags="S")), "ds-lite-out")
    p = box.rx_outside()
    box.tx_outside(IP(src=remote, dst=p.src) / TCP(sport=80, dport=p[TCP].sport, flags="SA"), "ds-lite-in")
    assert opened(box.rx_inside())[TCP].flags == "SA"
    box.tx_inside(softwire(b4, IP(src=HOST, dst=remote) / ICMP(id=7) / b"ping"), "ds-lite-out")
    p = box.rx_outside()
    box.tx_outside(IP(src=remote, dst=p.src) / ICMP(type=0, id=p[ICMP].id) / b"ping", "ds-lite-in")
    assert opened(box.rx_inside())[ICMP].id == 7
    box.tx_inside(softwire(b4, IP(src=HOST, dst=remote) / UDP(sport=5, dport=6, chksum=0)), "ds-lite-out")
    assert box.rx_outside()[UDP].chksum == 0


def test_destination_options(box):
    """A B4 may put options before what it tunnels, as Linux does (RFC 2473 section 4.1.1)."""
    home = Home(box)
    options = IPv6ExtHdrDestOpt(nh=4, options=[])
    box.tx_inside(IPv6(src=home.b4, dst=AFTR) / options / home.packet(), "ds-lite-out")
    box.rx_outside()


def test_b4_changes_address(fresh):
    """Old flows follow a B4 that has another address of its prefix; one that changes it again too soon is not heard
    (RFC 7785 section 4 points 1 and 3, RFC 6333 section 6.6)."""
    for workers in WORKERS:
        box = fresh(workers=workers, **dslite(policy={"timers": {"udp-timeout": 7200}}))
        home = Home(box)
        first = home.b4
        home.send()
        hosts = [Home(box, first, f"192.168.1.{n}") for n in range(20, 24)]
        for other in hosts:
            other.send()
        home.b4 = other_address(first, 1)
        home.send()
        home.answer()
        for other in hosts:  # though they have not been heard themselves
            other.answer(to=home.b4)
        # and back, or on: within half an hour neither
        for number in (0, 2):
            Home(box, other_address(first, number)).send("drop-b4-change")
        home.answer()
        box.advance(1801)
        home.send()
        box.advance(200)
        home.b4 = other_address(first, 2)
        home.send()
        home.answer()


def test_change_is_notified(fresh):
    """Who changes the address of its B4 too soon is told of, at most once in each notify-interval (RFC 8513)."""
    box = fresh(**dslite(policy={"timers": {"udp-timeout": 7200}},
                         instance={"notification-limits": {"notify-interval": 60}}))
    home = Home(box)
    home.send()
    home.b4 = other_address(home.b4, 1)
    home.send()
    for number in (2, 3):
        Home(box, other_address(home.b4, number)).send("drop-b4-change")

    def events():
        return [n["event"] for n in box.ask("show", "notifications")["homeport:homeport"]["notification"]]

    def event(number):
        return {"ietf-dslite:b4-address-change-limit-policy-violation": {
            "id": 1, "policy-id": 1, "address": other_address(home.b4, number)}}

    assert events() == [event(2)]
    box.advance(61)
    Home(box, other_address(home.b4, 3)).send("drop-b4-change")
    assert events() == [event(2), event(3)]
    assert "has changed its address too soon" in box.log_text()


def test_softwire_limit(fresh):
    """As many softwires as the policy says, each with hosts of its own (RFC 7785 section 4 point 1)."""
    box = fresh(**dslite(policy={"ietf-dslite:max-softwires-per-subscriber": 2}))
    first = Home(box)
    second = Home(box, other_address(first.b4, 1))
    first.send()
    second.send()
    assert first.outside != second.outside and first.outside[0] == second.outside[0]
    Home(box, other_address(first.b4, 2)).send("drop-softwire-limit")
    first.answer()
    second.answer()
    box.advance(301)  # their mappings end, and with them the softwires
    Home(box, other_address(first.b4, 2)).send()


def test_without_migration(fresh):
    """With state-migrate off a B4 with another address is another softwire, which it may not have (RFC 8513)."""
    box = fresh(**dslite(policy={"ietf-dslite:state-migrate": False}))
    home = Home(box)
    home.send()
    Home(box, other_address(home.b4, 1)).send("drop-softwire-limit")
    home.answer()
    box.advance(301)
    Home(box, other_address(home.b4, 1)).send()


def test_state(fresh, tmp_path):
    """How many softwires are in use, and since when a B4 has another address, as valid data (RFC 8513 section 2)."""
    box = fresh(workers=3, **CONFIG)

    def show(what):
        answer = box.ask("show", what)
        done = yanglint(answer, tmp_path / f"{what}.json")
        assert done.returncode == 0, done.stderr
        return answer["ietf-nat:nat"]["instances"]["instance"][0]

    def softwires():
        return show("instances")["statistics"]["mappings-statistics"]["ietf-dslite:active-softwires"]

    homes = [Home(box) for _ in range(4)]
    assert softwires() == 0
    for home in homes:
        home.send()
    assert softwires() == 4
    homes[0].b4 = other_address(homes[0].b4, 1)
    homes[0].send()
    assert softwires() == 4
    moved = {entry["ietf-dslite:b4-ipv6-address"]["address"]: "last-address-change" in entry["ietf-dslite:b4-ipv6-address"]
             for entry in show("mappings")["mapping-table"]["mapping-entry"]}
    assert moved == {home.b4: home is homes[0] for home in homes}
    box.advance(301)
    box.advance(1)
    assert softwires() == 0


def test_inner_sources(box):
    """Only private addresses and 192.0.0.0/29 come out of softwires (RFC 6333 section 11)."""
    b4 = box.host6()
    for address in ("10.255.255.255", "172.16.0.1", "192.168.255.1", "192.0.0.3"):
        Home(box, b4, address).send()
    for address in ("203.0.113.1", "198.51.100.1", "100.64.0.9", "192.0.0.8", "172.32.0.1", "9.255.255.255"):
        Home(box, b4, address).send("drop-inner-source")


def test_configured_inner_sources(fresh):
    """Others may be configured in their place (RFC 6333 section 11)."""
    box = fresh(**dslite(aftr={"homeport:inner-source": ["100.64.0.0/16"]}))
    Home(box, host="100.64.1.1").send()
    Home(box, host="192.168.1.10").send("drop-inner-source")


def test_b4_prefixes(box):
    """B4s are served from configured prefixes alone (RFC 6333 section 11, RFC 6908 section 2.12)."""
    stranger = GATEWAY_INSIDE6
    Home(box, stranger).send("drop-policy")
    assert not [s for s in box.subscribers() if s["address"].startswith("2001:db8:2")]


def test_traceroute(box):
    """The AFTR shows as 192.0.0.1, and takes one from the inner time to live alone (RFC 6333 section 6.5, RFC 2473
    section 6.3)."""
    home = Home(box)
    box.tx_inside(softwire(home.b4, home.packet(DATA[:1000], ttl=1), hlim=3), "drop-ttl")
    p = box.rx_inside()
    error = opened(p)
    assert p.dst == home.b4 and (error.src, error.dst) == ("192.0.0.1", HOST)
    assert (error[ICMP].type, error[ICMP].code) == (11, 0)
    quoted = bytes(error[ICMP].payload)
    assert quoted[:28] == bytes(home.packet(DATA[:1000], ttl=1))[:28] and error.len <= 576
    # the hop limit of the softwire is nothing that the inner packet knows of
    box.tx_inside(softwire(home.b4, home.packet(ttl=9), hlim=1), "ds-lite-out")
    p = box.rx_outside()
    assert p.ttl == 8
    home.outside = (p.src, p[UDP].sport)
    assert opened(home.answer(ttl=200)).ttl == 199


def test_padding_is_not_tunnelled(box):
    """What a short frame is padded with stays outside the softwire."""
    home = Home(box)
    home.send()
    box.tx_outside(bytes(box_frame(home.reply())) + bytes(18), "ds-lite-in")
    opened(box.rx_inside())
    box.tx_inside(bytes(box_frame(softwire(home.b4, home.packet()), "inside")) + bytes(30), "ds-lite-out")
    assert box.rx_outside().len == 28


def box_frame(packet, side="outside"):
    from box import frame
    return frame(packet, side)


def test_malformed(box):
    """What is no IPv4 packet, or longer than its softwire packet, is dropped."""
    home = Home(box)
    inner = bytes(home.packet(b"x" * 20))
    box.tx_inside(softwire(home.b4, Raw(inner[:-1]), nh=4), "drop-tunnel-inside")
    box.tx_inside(softwire(home.b4, Raw(b"\x65" + inner[1:]), nh=4), "drop-tunnel-inside")
    box.tx_inside(softwire(home.b4, Raw(inner[:19]), nh=4), "drop-tunnel-inside")
    box.tx_inside(softwire(home.b4, Raw(inner[:10] + b"\0\0" + inner[12:]), nh=4), "drop-ip-checksum")
    box.tx_inside(softwire(home.b4, UDP(sport=1, dport=2)), "drop-tunnel-protocol")
    box.tx_outside(IPv6(src=box.remote6(), dst=AFTR) / home.packet(), "drop-realm")


def test_echo(box):
    """The AFTR answers who asks whether it is there."""
    b4 = box.host6()
    box.tx_inside(IPv6(src=b4, dst=AFTR) / ICMPv6EchoRequest(id=3, data=b"there?"), "echo")
    p = box.rx_inside()
    assert (p.src, p.dst) == (AFTR, b4) and p[ICMPv6EchoReply].id == 3


def test_dscp_and_congestion(box):
    """The DSCP is one inside and outside (RFC 6908 section 2.10), and so are congestion marks (RFC 6040)."""
    home = Home(box)
    p = home.send(tos=0)
    box.tx_inside(softwire(home.b4, home.packet(tos=0x01), tc=46 << 2 | 3), "ds-lite-out")
    assert box.rx_outside().tos == 46 << 2 | 3
    box.tx_inside(softwire(home.b4, home.packet(tos=0), tc=46 << 2), "ds-lite-out")
    assert box.rx_outside().tos == 46 << 2
    box.tx_inside(softwire(home.b4, home.packet(tos=0), tc=3), "drop-tunnel-congestion")
    p = home.answer(tos=10 << 2 | 1)
    assert p.tc == 10 << 2 | 1 and opened(p).tos == 10 << 2 | 1


def test_dscp_apart(fresh):
    """Without v6-v4-dscp-preservation each header keeps its own DSCP (RFC 2983, RFC 8513)."""
    box = fresh(**dslite(aftr={"ietf-dslite:v6-v4-dscp-preservation": False}))
    home = Home(box)
    box.tx_inside(softwire(home.b4, home.packet(tos=8 << 2), tc=46 << 2), "ds-lite-out")
    p = box.rx_outside()
    assert p.tos == 8 << 2
    home.outside = (p.src, p[UDP].sport)
    p = home.answer(tos=10 << 2 | 2)
    assert p.tc == 2 and opened(p).tos == 10 << 2 | 2


def join6(pieces):
    """The packet that these fragments make."""
    pieces = sorted(pieces, key=lambda p: p[IPv6ExtHdrFragment].offset)
    assert len({p[IPv6ExtHdrFragment].id for p in pieces}) == 1
    payload = b""
    for p in pieces:
        header = p[IPv6ExtHdrFragment]
        assert header.offset * 8 == len(payload) and header.m == (p is not pieces[-1]) and header.nh == 4
        payload += p.original[48:]
    return IP(payload)


def test_fragments_after_encapsulation(box):
    """A packet of 1500 bytes that may be fragmented goes in two fragments of its softwire; the inner packet is whole
    (RFC 6333 section 5.3, RFC 2473 section 7.2)."""
    home = Home(box)
    home.send()
    for flags, size in ((0, 1472), (0, 1433)):
        reply = home.reply(b"x" * size, flags=flags, id=7)
        box.tx_outside(reply, "ds-lite-in")
        pieces = [box.rx_inside() for _ in range(2)]
        assert all(40 + p.plen <= 1500 and p.dst == home.b4 and p.src == AFTR for p in pieces)
        inner = join6(pieces)
        assert inner.len == 28 + size and inner.frag == 0 and inner.dst == HOST
        assert inner[UDP].payload.load == b"x" * size
    home.answer(b"x" * 1432)


def test_too_big(box):
    """One that may not be is answered with the MTU of the softwire (RFC 2473 section 7.2)."""
    home = Home(box)
    home.send()
    reply = home.reply(b"x" * 1433, flags="DF")
    box.tx_outside(reply, "drop-too-big")
    error = box.rx_outside()
    assert (error[ICMP].type, error[ICMP].code, error[ICMP].nexthopmtu) == (3, 4, 1460)
    assert error.dst == home.remote
    home.answer(b"x" * 1432, flags="DF")


def test_tunnel_mtu(fresh):
    """tunnel-mtu is that of softwires, and fragments may be had despite DF (RFC 6908, RFC 8513)."""
    box = fresh(**dslite(aftr={"ietf-dslite:tunnel-mtu": 1300}))
    home = Home(box)
    home.send()
    box.tx_outside(home.reply(b"x" * 1300, flags="DF"), "drop-too-big")
    assert box.rx_outside()[ICMP].nexthopmtu == 1260
    box.tx_outside(home.reply(b"x" * 1300), "ds-lite-in")
    assert max(40 + p.plen for p in (box.rx_inside(), box.rx_inside())) <= 1300
    box = fresh(**dslite(aftr={"homeport:fragment-despite-df": True, "homeport:tunnel-hop-limit": 9}))
    home = Home(box)
    home.send()
    box.tx_outside(home.reply(b"x" * 1472, flags="DF"), "ds-lite-in")
    pieces = [box.rx_inside(), box.rx_inside()]
    assert join6(pieces).flags == "DF" and {p.hlim for p in pieces} == {9}


def cut6(packet, step, ident):
    """The fragments of an IPv6 packet, so many bytes in each."""
    packet = IPv6(bytes(packet))
    payload = bytes(packet.payload)
    return [IPv6(src=packet.src, dst=packet.dst, tc=packet.tc) /
            IPv6ExtHdrFragment(nh=packet.nh, id=ident, offset=at // 8, m=at + step < len(payload)) /
            Raw(payload[at:at + step]) for at in range(0, len(payload), step)]


def test_fragments_before_decapsulation(box):
    """Fragments of softwire packets are put together first, whatever their size and order (RFC 6333 section 5.3)."""
    home = Home(box)
    draw = random.Random(1)
    for ident, (size, step) in enumerate(itertools.product((1472, 600, 1232), (1232, 504, 160))):
        pieces = cut6(softwire(home.b4, home.packet(b"y" * size)), step, ident)
        draw.shuffle(pieces)
        box.tx_inside(pieces, None)
        wanted = {"ds-lite-out": 1}
        if len(pieces) > 1:
            wanted["reassembled"] = len(pieces) - 1
        assert box.settle() == wanted
        assert box.rx_outside()[UDP].payload.load == b"y" * size
    # one that is a whole packet by itself (RFC 6946)
    whole = IPv6(src=home.b4, dst=AFTR) / IPv6ExtHdrFragment(nh=4, id=9) / home.packet()
    box.tx_inside(whole, "ds-lite-out")
    box.rx_outside()


def test_overlapping_fragments(box):
    """Overlapping fragments of a softwire packet end it, and what comes of it later (RFC 5722)."""
    home = Home(box)
    pieces = cut6(softwire(home.b4, home.packet(b"z" * 600)), 200, 1)
    evil = IPv6(src=home.b4, dst=AFTR) / IPv6ExtHdrFragment(nh=4, id=1, offset=24, m=1) / Raw(bytes(16))
    box.tx_inside([pieces[0], evil, pieces[1], pieces[2]], None)
    if len(pieces) > 3:
        box.tx_inside(pieces[3:], None)
    assert box.settle() == {"drop-fragment-broken": len(pieces) + 1}


def test_late_fragments(fresh):
    """A packet has sixty seconds to arrive; the sender of its first fragment is told (RFC 8200 section 4.5)."""
    box = fresh(**dslite())
    home = Home(box)
    first, *rest = cut6(softwire(home.b4, home.packet(b"z" * 600)), 400, 1)
    box.tx_inside(first, None)
    box.advance(61)
    assert box.settle() == {"drop-fragment-timeout": 1}
    p = box.rx_inside()
    assert p.dst == home.b4 and p[ICMPv6TimeExceeded].code == 1
    box.tx_inside(rest, None)
    box.advance(61)
    assert box.settle() == {"drop-fragment-timeout": len(rest)}


def test_reassembly_is_notified(fresh):
    """Before there is no room for fragments any more, the operator hears of it (RFC 6333 section 6.3)."""
    box = fresh(workers=1, **dslite(platform={"reassembly": {"max-waiting": 64, "notify-usage": 50}}))

    def events():
        return [n["event"] for n in box.ask("show", "notifications")["homeport:homeport"]["notification"]]

    def begin(count):
        for n in range(count):
            first, *_ = cut6(softwire(box.host6(), Home(box).packet(b"z" * 600)), 400, n)
            box.tx_inside(first, None)

    begin(31)
    box.advance(2)
    assert events() == []
    begin(1)
    box.advance(2)
    assert events() == [{"homeport:reassembly-event": {"usage": 50}}]
    begin(10)
    box.advance(20)
    assert len(events()) == 1
    box.advance(61)
    assert box.settle() == {"drop-fragment-timeout": 42}
    begin(32)
    box.advance(2)
    assert len(events()) == 2
    box.advance(61)
    box.settle()
    for _ in range(74):
        assert box.rx_inside()[ICMPv6TimeExceeded].code == 1


def test_inner_fragments(fresh):
    """IPv4 fragments in softwires and to them go by their datagram's ports, each in a softwire packet of its own
    (RFC 6333 section 6.3)."""
    from test_fragments import cut, join
    for workers in WORKERS:
        box = fresh(workers=workers, **{**dslite(platform={"packet-buffers": 16383}), "devices": TAP_DEVICES})
        home = Home(box)
        home.send()
        for order in itertools.permutations(range(3)):
            pieces = cut(home.packet(DATA, id=5), 400, 8)
            box.tx_inside([softwire(home.b4, pieces[i]) for i in order], None)
            assert box.settle() == {"ds-lite-out": 3}
            p = join([box.rx_outside() for _ in pieces])
            assert (p.src, p[UDP].sport) == home.outside and p[UDP].payload.load == DATA
            pieces = cut(home.reply(DATA, id=5), 16, 400)
            box.tx_outside([pieces[i] for i in order], None)
            assert box.settle() == {"ds-lite-in": 3}
            p = join([opened(box.rx_inside()) for _ in pieces])
            assert p.dst == HOST and p[UDP].payload.load == DATA


def test_errors_about_softwires(box):
    """ICMPv6 errors from inside the tunnel are told as ICMPv4 to whom they concern (RFC 2473 section 8.3)."""
    home = Home(box)
    home.send()
    sent = home.answer(b"w" * 900, flags="DF")
    router = GATEWAY_INSIDE6
    for error, code, mtu in ((ICMPv6DestUnreach(code=3), 1, 0), (ICMPv6TimeExceeded(code=0), 1, 0),
                             (ICMPv6PacketTooBig(mtu=1400), 4, 1360)):
        box.tx_inside(IPv6(src=router, dst=AFTR) / error / sent, "ds-lite-out")
        p = box.rx_outside(quoted=False)
        assert (p.src, p.dst) == (home.outside[0], home.remote)
        assert (p[ICMP].type, p[ICMP].code) == (3, code) and p[ICMP].nexthopmtu == mtu
        quoted = IP(bytes(p[ICMP].payload))
        assert (quoted.src, quoted.dst, quoted[UDP].dport) == (home.remote, *home.outside)
    # too big is no news to who has not asked
    sent = home.answer(b"w" * 900)
    box.tx_inside(IPv6(src=router, dst=AFTR) / ICMPv6PacketTooBig(mtu=1400) / sent, "drop-icmp-type")
    # about what nobody has been sent
    strange = IPv6(src=AFTR, dst=other_address(home.b4, 5)) / home.packet(DATA[:900])
    box.tx_inside(IPv6(src=router, dst=AFTR) / ICMPv6DestUnreach(code=3) / strange, "drop-no-mapping")
    strange = IPv6(src=BOX_INSIDE6, dst=home.b4) / home.packet(DATA[:900])
    box.tx_inside(IPv6(src=router, dst=AFTR) / ICMPv6DestUnreach(code=3) / strange, "drop-icmp-quote")


def test_errors_in_softwires(box):
    """ICMP errors of hosts and routers behind a B4, and to them (RFC 5508 REQ-4 and REQ-5)."""
    home = Home(box)
    home.send()
    got = opened(home.answer(b"nobody wants it"))
    for sender in (HOST, "192.168.1.1"):
        box.tx_inside(softwire(home.b4, IP(src=sender, dst=home.remote) / ICMP(type=3, code=3) / got), "ds-lite-out")
        p = box.rx_outside()
        assert (p.src, p[ICMP].code) == (home.outside[0], 3)
        assert IP(bytes(p[ICMP].payload)).dst == home.outside[0]
    router = box.remote()
    sent = home.send(data=b"far")
    box.tx_outside(IP(src=router, dst=home.outside[0]) / ICMP(type=11, code=0) / sent, "ds-lite-in")
    inner = opened(box.rx_inside())
    assert (inner.src, inner.dst, inner[ICMP].type) == (router, HOST, 11)
    quoted = IP(bytes(inner[ICMP].payload))
    assert (quoted.src, quoted[UDP].sport) == (HOST, 1000)


def test_hairpin(box):
    """One home reaches another by its outside address (RFC 4787 REQ-9)."""
    one, other = Home(box), Home(box)
    one.send()
    other.send()
    box.tx_inside(softwire(one.b4, IP(src=HOST, dst=other.outside[0]) /
                           UDP(sport=1000, dport=other.outside[1]) / b"hello"), "ds-lite-hairpin")
    p = box.rx_inside()
    inner = opened(p)
    assert p.dst == other.b4 and inner.dst == HOST and inner.ttl == 63
    assert (inner.src, inner[UDP].sport) == one.outside and inner[UDP].dport == 1000
    # too big for the other's softwire: told by the softwire of the one
    box.tx_inside(cut6(softwire(one.b4, IP(src=HOST, dst=other.outside[0], flags="DF") /
                                UDP(sport=1000, dport=other.outside[1]) / (b"x" * 1472)), 1232, 1), None)
    assert box.settle() == {"reassembled": 1, "drop-too-big": 1}
    p = box.rx_inside()
    error = opened(p)
    assert p.dst == one.b4 and (error[ICMP].code, error[ICMP].nexthopmtu) == (4, 1460)


def test_port_limits(fresh):
    """Quotas are per subscriber, whichever hosts it has, and no system ports are given out (RFC 6908 section 2.11,
    RFC 6333 section 11)."""
    box = fresh(**dslite(policy={"port-quota": [{"quota-type": 17, "port-limit": 4}]}))
    b4 = box.host6()
    for n in range(4):
        home = Home(box, b4, f"192.168.1.{n + 1}", sport=n + 1)
        home.send()
        assert home.outside[1] >= 1024
    home = Home(box, b4, "192.168.1.9")
    home.send("drop-quota")
    error = opened(box.rx_inside())  # RFC 6888 REQ-11
    assert (error.src, error.dst, error[ICMP].type, error[ICMP].code) == ("192.0.0.1", "192.168.1.9", 3, 1)
    Home(box).send()


def test_mss(fresh):
    """Segments are kept so small that softwires need no fragments (RFC 8513)."""
    box = fresh(**dslite(policy={"ietf-dslite:mss-clamping": {"enable": True, "mss-value": 1420}}))
    b4, remote = box.host6(), box.remote()
    syn = TCP(sport=5, dport=80, flags="S", options=[("MSS", 1460)])
    box.tx_inside(softwire(b4, IP(src=HOST, dst=remote) / syn), "ds-lite-out")
    p = box.rx_outside()
    assert p[TCP].options == [("MSS", 1420)]
    answer = TCP(sport=80, dport=p[TCP].sport, flags="SA", options=[("MSS", 1460)])
    box.tx_outside(IP(src=remote, dst=p.src) / answer, "ds-lite-in")
    assert opened(box.rx_inside())[TCP].options == [("MSS", 1420)]


def test_pools_by_prefix(fresh):
    """Pools may be per B4 prefix (RFC 6333 sections 8.1 and 8.2)."""
    parts = dslite()
    more = config(**dslite(policy={
        "id": 2, "external-ip-address-pool": [{"pool-id": 2, "external-ip-pool": "203.0.113.32/28"}],
        "subscriber-match": [{"match-id": 1, "subnet": "2001:db8:180::/41"}]}))
    second = more["ietf-nat:nat"]["instances"]["instance"][0]["policy"][0]
    first = config(**parts)["ietf-nat:nat"]["instances"]["instance"][0]["policy"][0]
    first["subscriber-match"][0]["subnet"] = "2001:db8:100::/41"
    parts["instance"]["policy"] = [first, second]
    box = fresh(**parts)
    one, other = Home(box, "2001:db8:100:100::1"), Home(box, "2001:db8:180:100::1")
    one.send()
    other.send()
    pools = [ipaddress.ip_network(p) for p in ("203.0.113.0/28", "203.0.113.32/28")]
    assert ipaddress.ip_address(one.outside[0]) in pools[0] and ipaddress.ip_address(other.outside[0]) in pools[1]


def test_reload_keeps_softwires(fresh):
    """A B4 keeps its flows over a reload."""
    box = fresh(**dslite())
    home = Home(box)
    home.send()
    box.reload(config(**dslite(policy={"timers": {"udp-timeout": 200}})))
    home.send()
    home.answer()


def test_lookup(box):
    """Who is behind an outside port: the subscriber's prefix and the inner address (RFC 6333 section 11, RFC 6908
    section 2.3)."""
    home = Home(box)
    home.send()
    answer = box.ask("lookup", home.outside[0], home.outside[1], "udp")["homeport:homeport"]["resolve"]["answer"]
    holder, = answer["holder"]
    assert holder["subscriber"] == str(ipaddress.ip_network((home.b4, 56), strict=False))
    assert (holder["internal-address"], holder["internal-port"]) == (HOST, 1000)
    assert (holder["service"], holder["b4-address"]) == ("ds-lite", home.b4)
    mapping, = [m for m in box.mappings() if m["ietf-dslite:b4-ipv6-address"]["address"] == home.b4]
    assert mapping["internal-src-address"] == f"{HOST}/32"


def test_aftr_leaves(fresh):
    """Of an AFTR that is no more the softwires are those of another of its instance, until there is none."""
    whole, other = dslite(), "2001:db8:ffff::2"
    first = whole.pop("aftrs")[0]
    second = {**first, "name": "aftr-2", "ietf-dslite:ipv6-address": other}
    for workers in WORKERS:
        box = fresh(workers=workers, aftrs=[first, second], **whole)
        home = Home(box)
        box.tx_inside(IPv6(src=home.b4, dst=other) / home.packet(), "ds-lite-out")
        p = box.rx_outside()
        home.outside = (p.src, p[UDP].sport)
        box.tx_outside(home.reply(), "ds-lite-in")
        assert box.rx_inside().src == other
        box.reload(config(workers=workers, aftrs=[first], **whole))
        home.answer()
        box.reload(config(workers=workers, **whole))
        box.tx_outside(home.reply(), "drop-no-route")
        box.reload(config(workers=workers, aftrs=[first], **whole))
        home.answer()


def test_mitigation(fresh):
    """A report of an outside port stops the one home behind it, whichever host of it and wherever its B4 is seen, towards
    the target alone and until it is withdrawn (RFC 9066 section 5.3.1)."""
    for workers in WORKERS:
        box = fresh(workers=workers, **dslite())
        home, neighbour = Home(box), Home(box)
        neighbour.remote = home.remote
        home.send()
        neighbour.send()
        answer = box.ask("dots", "mitigate", "--source", f"{home.outside[0]}/32", "--source-port", home.outside[1],
                         "--target", f"{home.remote}/32", "--protocol", "udp")
        entry, = answer["ietf-dots-signal-channel:dots-signal"]["scope"]
        home.send("drop-acl")
        cousin = Home(box, home.b4, "10.0.0.7", sport=4000)
        cousin.remote = home.remote
        cousin.send("drop-acl")
        cousin.remote = box.remote()
        cousin.send()
        home.answer()
        neighbour.send()
        # in fragments, and from another address of the same B4
        box.tx_inside(cut6(softwire(home.b4, home.packet(b"f" * 600)), 304, 1), None)
        assert box.settle() == {"reassembled": 2, "drop-acl": 1}
        home.b4 = other_address(home.b4, 1)
        home.send("drop-acl")
        box.ask("dots", "withdraw", entry["mid"])
        home.send()


def test_scrubber_and_inspection(fresh, tmp_path):
    """The scrubber gets what goes to the target, translated; a copy shows the host behind the B4 by its own address (RFC
    9066 section 8)."""
    file = tmp_path / "copies.pcap"
    box = fresh(**dslite(
        outside={"ietf-ip:ipv4": {"neighbor": [{"ip": "192.0.2.254", "link-layer-address": MAC["outside"]},
                                               {"ip": "192.0.2.253", "link-layer-address": "02:00:00:00:00:13"}]}},
        more={"homeport:homeport": {"dots": {"server": {
            "scrubber": {"next-hop-address": "192.0.2.253"},
            "inspect": {"packets-per-second": 1000, "capture-file": str(file)}}}}}))
    for action, home in (("redirect", Home(box)), ("inspect", Home(box))):
        home.send()
        box.ask("dots", "mitigate", "--source", f"{home.outside[0]}/32", "--source-port", home.outside[1],
                "--target", f"{home.remote}/32", "--action", action)
        if action == "redirect":
            home.send("redirected")
            frame = box.rx_frame("outside")
            assert frame.dst == "02:00:00:00:00:13" and (frame[IP].src, frame[UDP].sport) == home.outside
        else:
            home.send(data=b"what they look at", ttl=9)
            box.counters()  # whoever answers that has written what it was shown before
            copy, = rdpcap(str(file))
            assert bytes(copy) == bytes(home.packet(b"what they look at", ttl=9))


def spoilt(draw, packet):
    """The packet as a frame from inside, with some bytes changed but those of its addresses, or its end cut off."""
    packet = bytearray(packet)
    places = [*range(1, 8), *range(40, min(len(packet), 120))]
    for _ in range(draw.choice((1, 1, 2, 5))):
        packet[draw.choice(places)] = draw.choice((0, 1, 4, 44, 58, 60, 0x45, 0xff, draw.randrange(256)))
    if draw.random() < .2:
        del packet[draw.randrange(40, len(packet)):]
    return bytes(Ether(src=MAC["inside"], dst=MAC["box inside"], type=0x86dd) / Raw(bytes(packet)))


def test_noise(fresh):
    """Whatever comes to the AFTR, each packet meets one end, and flows go on: softwire packets, fragments of them, and
    errors inside and about softwires."""
    draw = random.Random(2473)
    for workers in WORKERS:
        box = fresh(workers=workers, **dslite(platform={"icmp-error-rate": 1}))
        home = Home(box)
        home.send()
        sent = home.answer(b"q" * 200)
        whole = softwire(home.b4, home.packet(b"q" * 300))
        error = IP(src=HOST, dst=home.remote) / ICMP(type=3, code=3) / opened(sent)
        shapes = [bytes(p) for p in (
            whole, *cut6(whole, 104, 7), softwire(home.b4, error),
            IPv6(src=GATEWAY_INSIDE6, dst=AFTR) / ICMPv6PacketTooBig(mtu=1300) / sent,
            IPv6(src=home.b4, dst=AFTR) / IPv6ExtHdrDestOpt(nh=4, options=[]) / home.packet(b"q" * 30))]
        for _ in range(12):
            box.tx_inside([spoilt(draw, draw.choice(shapes)) for _ in range(50)], None)
        box.advance(61)  # fragments wait no longer
        verdicts = box.settle()
        assert verdicts["ds-lite-out"] and len(verdicts) > 10, verdicts
        for wire in box.wires.values():
            wire.drain()
        home.send()
        home.answer()
