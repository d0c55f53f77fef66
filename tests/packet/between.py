# SPDX-License-Identifier: BSD-3-Clause
"""Homes of every service of one box, each seen as an IPv4 host with one port: what stands between it and the box, a B4
or a translator, is done here, so that cases are told in IPv4.

    home = nat64(box)
    home.open("udp")                                # home.outside is its outside address and port then
    box.tx_inside(home.wrap(home.packet("udp", there.outside)), there.hairpin)
    packet = there.unwrap(box.rx_inside())
"""
import copy
import ipaddress

from scapy.all import (ICMP, IP, TCP, UDP, ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6PacketTooBig,
                       ICMPv6TimeExceeded, IPv6, Raw)

from config import BOX_INSIDE, BOX_INSIDE6, PREF64, TAP_DEVICES, config, dslite, ipv6, merge, nat64, static_mapping
from softwires import BR, BR2, DMR, b4, cut6, embedded, entry, instance, join6, rule, rule_t
from test_fragments import cut, join

AFTR, AFTR2 = "2001:db8:ffff::a1", "2001:db8:ffff::a2"
PREF64_2 = "2001:db8:65::/96"
DMR2 = "2001:db8:fffd::/96"
ESP = 50
# of hosts that have a whole outside address by a static mapping
WHOLE44 = {f"100.65.100.{n}": f"203.0.113.{100 + n}" for n in range(1, 5)}
SHARED, SHARED2, WHOLE = "198.51.100.1", "198.51.100.2", "198.51.100.3"
PORTS = {"udp": lambda s, d, flags: UDP(sport=s, dport=d), "tcp": lambda s, d, flags: TCP(sport=s, dport=d, flags=flags)}


class Home:
    """`own` and `port` are what it calls itself; `out` and `hairpin` the verdicts of its packets to the outside, and of
    others' packets to it."""

    def __init__(self, own, port, out, hairpin, outside=None):
        self.own, self.port, self.out, self.hairpin, self.outside = own, port, out, hairpin, outside

    def packet(self, protocol, there, data=b"hello", flags="S", **fields):
        return IP(src=self.own, dst=there[0], **fields) / PORTS[protocol](self.port, there[1], flags) / Raw(data)

    def open(self, box, protocol):
        """Finds out by which address and port the outside knows it."""
        box.tx_inside(self.wrap(self.packet(protocol, (box.remote(), 9))), self.out)
        p = box.rx_outside()
        assert self.outside in (None, (p.src, p.sport))
        self.outside = (p.src, p.sport)
        return self

    def wrap(self, packet):
        return packet

    def unwrap(self, packet):
        assert packet.version == 4
        return packet

    def pieces(self, packet, *sizes):
        """What it sends if its packet is in fragments."""
        return [self.wrap(p) for p in cut(packet, *sizes)]

    def join(self, pieces):
        """The packet that has come to it in these fragments."""
        return join([self.unwrap(p) for p in pieces])


class Tunnelled(Home):
    def __init__(self, b4, br, *more, **fields):
        super().__init__(*more, **fields)
        self.b4, self.br = b4, br

    def wrap(self, packet):
        return IPv6(src=self.b4, dst=self.br) / packet

    def unwrap(self, packet):
        assert (packet.src, packet.dst, packet.nh, packet.hlim) == (self.br, self.b4, 4, 64), packet.summary()
        return IP(packet.original[40:])


class Translated(Home):
    """An IPv6 host, with a CLAT or CE that translates (RFC 7915)."""

    # (type, code) of errors
    ERRORS = {(3, 1): (1, 0), (3, 3): (1, 4), (11, 0): (3, 0), (3, 4): (2, 0)}

    def __init__(self, host, prefix, *more, **fields):
        super().__init__(*more, **fields)
        self.host, self.prefix = host, ipaddress.ip_network(prefix)

    def address6(self, address):
        return self.host if address == self.own else embedded(address, str(self.prefix))

    def address4(self, address):
        if address == self.host:
            return self.own
        if address == BOX_INSIDE6:
            return BOX_INSIDE
        assert ipaddress.ip_address(address) in self.prefix, address
        shift = {64: 24, 96: 0}[self.prefix.prefixlen]
        return str(ipaddress.ip_address(int(ipaddress.ip_address(address)) >> shift & 0xffffffff))

    def wrap(self, packet):
        packet = IP(bytes(packet))
        upper = packet.payload.copy()
        if ICMP not in packet:
            del upper.chksum
        elif upper.type in (0, 8):
            upper = {0: ICMPv6EchoReply, 8: ICMPv6EchoRequest}[upper.type](id=upper.id, seq=upper.seq,
                                                                           data=bytes(upper.payload))
        else:
            kind, code = self.ERRORS[upper.type, upper.code]
            upper = ({1: ICMPv6DestUnreach(code=code), 2: ICMPv6PacketTooBig(mtu=(upper.nexthopmtu or 0) + 20),
                      3: ICMPv6TimeExceeded(code=code)}[kind] / self.wrap(IP(bytes(upper.payload))))
        return IPv6(src=self.address6(packet.src), dst=self.address6(packet.dst), hlim=packet.ttl) / upper

    def unwrap(self, packet):
        assert packet.version == 6, packet.summary()
        packet = IPv6(bytes(packet))
        upper = packet.payload.copy()
        if isinstance(upper, ICMPv6EchoRequest):  # or a reply, which scapy derives from it
            upper = ICMP(type=8 if upper.type == 128 else 0, id=upper.id, seq=upper.seq) / upper.data
        elif isinstance(upper, (ICMPv6DestUnreach, ICMPv6PacketTooBig, ICMPv6TimeExceeded)):
            kind, code = next(v4 for v4, v6 in self.ERRORS.items() if v6 == (upper.type, upper.code))
            mtu = upper.mtu - 20 if isinstance(upper, ICMPv6PacketTooBig) else 0
            upper = ICMP(type=kind, code=code, nexthopmtu=mtu) / self.unwrap(IPv6(bytes(upper.payload)))
        else:
            del upper.chksum
        got = IP(src=self.address4(packet.src), dst=self.address4(packet.dst), ttl=packet.hlim) / upper
        return IP(bytes(got))

    def pieces(self, packet, *sizes):
        return cut6(self.wrap(packet), *sizes)

    def join(self, pieces):
        p = pieces[0]
        return self.unwrap(IPv6(src=p.src, dst=p.dst, hlim=p.hlim, nh=p.payload.nh) / Raw(join6(pieces)))


class Numbers:
    """Numbers that no other case has."""

    def __init__(self):
        self.last = {}

    def next(self, name):
        self.last[name] = self.last.get(name, 0) + 1
        return self.last[name]


numbers = Numbers()


# subscribers of the NAT instances
SUBNETS = {"nat44": "100.65.0.0/16", "nat44-2": "100.70.0.0/16", "nat64": "2001:db8:110::/44",
           "nat64-2": "2001:db8:120::/44", "ds-lite": "2001:db8:130::/44", "ds-lite-2": "2001:db8:150::/44"}


def _host(name):
    """A subscriber, with a /56 if that is IPv6, that no other case has."""
    net = ipaddress.ip_network(SUBNETS[name])
    return str(net.network_address + 16 + numbers.next(name) * (1 if net.version == 4 else 1 << 72))


def _nat44(name):
    return lambda _: Home(_host(name), 700, "nat44-out", "nat44-hairpin")


def _nat64(name, prefix):
    return lambda _: Translated(_host(name), prefix, "192.0.0.1", 700, "nat64-out", "nat64-hairpin")


def _dslite(name, aftr):
    return lambda _: Tunnelled(_host(name), aftr, "192.168.1.10", 700, "ds-lite-out", "ds-lite-hairpin")


def _softwired(kind, end, own, port, *verdicts):
    return kind(*end, own, port, *verdicts, outside=(own, port))


SOFTWIRE, MAPT = ("softwire-out", "softwire-hairpin"), ("map-t-out", "map-t-hairpin")


def _lw4o6(address, br, first):
    """B4s that have the port sets of an address one after the other."""
    def make(_):
        n = numbers.next(address) % 4 + 1
        return _softwired(Tunnelled, (b4(first + n), br), address, 1024 * n + 6, *SOFTWIRE)
    return make


def ce(prefix, address, psid=0):
    """The address of a CE whose EA bits end at bit 56 (RFC 7597 section 6)."""
    return str(ipaddress.ip_network(prefix).network_address + (int(ipaddress.ip_address(address)) << 16 | psid) +
               ((int(ipaddress.ip_address(address)) & 15) << 76 | psid << 72))


def _map(kind, prefix, network, br, verdicts):
    """CEs of rules with four bits each of address and PSID."""
    def make(_):
        n = numbers.next(prefix) % 4 + 1
        own = str(ipaddress.ip_network(network)[n])
        return _softwired(kind, (ce(prefix, own, n), br), own, 1024 + 64 * n + 6, *verdicts)
    return make


HOMES = {
    "nat44": _nat44("nat44"), "nat44-2": _nat44("nat44-2"),
    "nat64": _nat64("nat64", PREF64), "nat64-2": _nat64("nat64-2", PREF64_2),
    "ds-lite": _dslite("ds-lite", AFTR), "ds-lite-2": _dslite("ds-lite-2", AFTR2),
    "lw4o6": _lw4o6(SHARED, BR, 0), "lw4o6-2": _lw4o6(SHARED2, BR2, 16),
    "map-e": _map(Tunnelled, "2001:db8:141::/48", "198.51.101.0/28", BR, SOFTWIRE),
    "map-e-2": _map(Tunnelled, "2001:db8:142::/48", "198.51.102.0/28", BR2, SOFTWIRE),
    "map-t": _map(Translated, "2001:db8:143::/48", "198.51.103.0/28", DMR, MAPT),
    "map-t-2": _map(Translated, "2001:db8:144::/48", "198.51.104.0/28", DMR2, MAPT),
    # who has an address to himself
    "lw4o6-whole": lambda _: _softwired(Tunnelled, (b4(0x40), BR), WHOLE, 80, *SOFTWIRE),
    "map-e-whole": lambda _: _softwired(Tunnelled, ("2001:db8:145:3000:0:c633:6903:0", BR), "198.51.105.3", 80, *SOFTWIRE),
    "map-t-whole": lambda _: _softwired(Translated, ("2001:db8:146:3000:0:c633:6a03:0", DMR), "198.51.106.3", 80, *MAPT)}
STATEFUL = ["nat44", "nat64", "ds-lite"]
STATELESS = ["lw4o6", "map-e", "map-t"]


def _nat(number, name, parts, policy=None, **more):
    """One of several NAT instances of a box: that of these arguments of config(), with another pool."""
    one = copy.deepcopy(config(**parts)["ietf-nat:nat"]["instances"]["instance"][0])
    one["policy"][0] = merge(one["policy"][0], {
        "external-ip-address-pool": [{"pool-id": 1, "external-ip-pool": f"203.0.113.{16 * (number - 1)}/28"}],
        "subscriber-match": [{"match-id": 1, "subnet": SUBNETS[name]}], **(policy or {})})
    return merge(one, {"id": number, "name": name, **more})


def _aftr(name, address, number):
    return {"name": name, "type": "homeport:dslite-aftr", "ietf-dslite:ipv6-address": address,
            "homeport:nat-instance": number}


STATICS = [static_mapping(n, inside, outside) for n, (inside, outside) in enumerate(WHOLE44.items(), 1)]
BINDINGS = [entry(b4(n), SHARED, length=6, psid=n) for n in range(1, 6)] + [entry(b4(0x40), WHOLE)]
BINDINGS2 = [entry(b4(16 + n), SHARED2, length=6, psid=n, br=BR2) for n in range(1, 6)]
RULES = [
    rule("e", "2001:db8:141::/48", "198.51.101.0/28", ea=8, length=4),
    rule("e2", "2001:db8:142::/48", "198.51.102.0/28", ea=8, length=4, br=BR2),
    rule_t("t", "2001:db8:143::/48", "198.51.103.0/28", ea=8, length=4),
    rule_t("t2", "2001:db8:144::/48", "198.51.104.0/28", ea=8, length=4, dmr=DMR2),
    rule("e-whole", "2001:db8:145::/48", "198.51.105.0/28", ea=4, length=0),
    rule_t("t-whole", "2001:db8:146::/48", "198.51.106.0/28", ea=4, length=0)]


def lw4o6(first=None, second=None):
    """Border relays for homes of lw4o6; changes of the two instances."""
    return {"binding": {"bind-instance": [instance(BINDINGS, **(first or {})),
                                          instance(BINDINGS2, name="lw2", **(second or {}))]}}


def map_et():
    """Border relays for homes of MAP-E and MAP-T."""
    return {"algorithm": {"algo-instance": RULES}}


def everything(relays, policy=None, more=None, **parts):
    """Arguments of config() for a box with all services, each twice. `policy` is of all NAT policies."""
    numbered = [
        _nat(1, "nat44", {}, {"homeport:portless-protocols": [ESP], **(policy or {})},
             **{"mapping-table": {"mapping-entry": STATICS}}),
        _nat(2, "nat44-2", {}, policy), _nat(3, "nat64", nat64(), policy),
        _nat(4, "nat64-2", nat64([(PREF64_2, [])]), policy),
        _nat(5, "ds-lite", dslite(), policy), _nat(6, "ds-lite-2", dslite(), policy)]
    return {**ipv6(more=merge({"ietf-nat:nat": {"instances": {"instance": numbered}},
                               "ietf-softwire-br:br-instances": relays}, more)),
            "aftrs": [_aftr("aftr", AFTR, 5), _aftr("aftr2", AFTR2, 6)], "devices": TAP_DEVICES,
            "platform": {"packet-buffers": 16383}, **parts}
