# SPDX-License-Identifier: BSD-3-Clause
"""Every way in which a configuration can be wrong: what is changed in base.py's, and what is said about it.

One line is one case. test_refusals.py looks that every message of lib/conf/check*.c is said by some case, so a new
check needs its line here.
"""
import pathlib

from base import base, GONE, INSIDE, INSTANCE, OUTSIDE, PLATFORM, POLICY, ROUTES, SERVER, STATIC, UPSTREAM

IFACES = "/ietf-interfaces:interfaces"
IN = f"{IFACES}/interface[name='inside']"
OUT = f"{IFACES}/interface[name='outside']"
NAT = "/ietf-nat:nat/instances/instance[id='1']"
ONE = f"{NAT}/policy[id='1']"
ENTRY = f"{NAT}/mapping-table/mapping-entry[index='1']"
BOX = "/homeport:homeport"
ISP = f"{BOX}/dots/server/upstream[name='isp']"
END = f"{IFACES}/interface[name='aftr']"
ROUTE = "route[destination-prefix="


# without what a pre-shared key takes the place of
NO_CERTIFICATE = {f"{UPSTREAM}/{leaf}": GONE for leaf in ("certificate", "private-key", "ca", "peer-name")}


# few enough inside hosts for fixed ports
FEW = {f"{POLICY}/subscriber-match/0/subnet": "100.64.0.0/26"}


# the base as a NAT64; the prefixes of its policy
NAT64 = {f"{INSTANCE}/type": "ietf-nat:nat64", f"{INSTANCE}/mapping-table": GONE,
         f"{POLICY}/subscriber-match/0/subnet": "2001:db8:100::/40"}


def prefixes(*given):
    return NAT64 | {f"{POLICY}/nat64-prefixes": [
        {"nat64-prefix": p, "destination-ipv4-prefix": [{"ipv4-prefix": n} for n in networks]} for p, *networks in given]}


def prefix(text):
    return f"{ONE}/nat64-prefixes[nat64-prefix='{text}']"


def aftr(changes=None, instance=None, policy=None):
    """Changes that make the instance one of DS-Lite, and others on top."""
    end = {"name": "aftr", "type": "homeport:dslite-aftr", "ietf-dslite:ipv6-address": "2001:db8:ffff::1"}
    for leaf, value in (changes or {}).items():
        end.pop(leaf, None) if value is GONE else end.update({leaf: value})
    return {f"{INSTANCE}/per-interface-binding": "dslite", "interfaces/interface/+": end,
            f"{INSTANCE}/mapping-table": GONE, f"{POLICY}/subscriber-match/0/subnet": "2001:db8:1000::/36",
            f"{POLICY}/subscriber-mask-v6": 56,
            **{f"{INSTANCE}/{leaf}": value for leaf, value in (instance or {}).items()},
            **{f"{POLICY}/{leaf}": value for leaf, value in (policy or {}).items()}}


def forward(inside="192.168.1.5/32", b4=None, index=1, port=8080):
    """A static mapping of a host, which may be behind a B4."""
    behind = {"ietf-dslite:b4-ipv6-address": {"address": b4}} if b4 else {}
    return {"index": index, "type": "static", "transport-protocol": 6, "internal-src-address": inside,
            "internal-src-port": {"start-port-number": 80}, "external-src-address": "203.0.113.1/32",
            "external-src-port": {"start-port-number": port}, **behind}


def forwards(*entries):
    """Changes that make the instance one of DS-Lite with static mappings."""
    return aftr(instance={"mapping-table": {"mapping-entry": list(entries)}})


BEHIND = f"{ENTRY}/ietf-dslite:b4-ipv6-address/address"
RENAMING = {f"{POLICY}/dst-nat-enable": True}
DESTINATION = f"{NAT}/mapping-table/mapping-entry[index='2']"


def destination(inside="198.51.100.1/32", outside="198.51.101.1/32", index=2, **more):
    """One more entry of the mapping table, of a destination by another name."""
    return {"index": index, "type": "static", "internal-dst-address": inside, "external-dst-address": outside, **more}


def pool(inside="198.51.102.0/24", outside="198.51.103.0/24"):
    return {"pool-id": 7, "dst-in-ip-pool": inside, "dst-out-ip-pool": outside}


def another(device, **leaves):
    """One more interface."""
    return {"name": "more", "type": "iana-if-type:ethernetCsmacd", "homeport:device": device,
            "homeport:realm": "internal", **leaves}


BR = "2001:db8:ffff::1"
RELAYS = "ietf-softwire-br:br-instances"
LW = f"/{RELAYS}/binding/bind-instance[name='lw']"
RULE = f"/{RELAYS}/algorithm/algo-instance[name='rule']"


def binding(info="2001:db8:100::1", ipv4="198.51.100.1", length=6, psid=4, br=BR, offset=0):
    return {"binding-ipv6info": info, "binding-ipv4-addr": ipv4, "br-ipv6-addr": br,
            "port-set": {"psid-offset": offset, "psid-len": length, "psid": psid}}


def extra(b4="2001:db8:100::1", ipv4="198.51.100.1", length=6, psid=4, br=BR, offset=0):
    return {"b4": b4, "ipv4": ipv4, "psid-offset": offset, "psid-len": length, "psid": psid, "br": br}


def lw(*bindings, extras=(), name="lw", **leaves):
    """An instance with a binding table."""
    return {"name": name, "softwire-num-max": 100, "softwire-payload-mtu": 1460, "softwire-path-mru": 1500,
            "binding-table": {"binding-entry": list(bindings)},
            "homeport:extra-binding": list(extras), **{leaf.replace("_", "-"): value for leaf, value in leaves.items()}}


def relays(*instances):
    return {RELAYS: {"binding": {"bind-instance": list(instances)}}}


def rules(*instances):
    return {RELAYS: {"algorithm": {"algo-instance": list(instances)}}}


def rule_t(*words, dmr="2001:db8:fffe::/64", **leaves):
    """A rule of MAP-T."""
    whole = rule(*words, **leaves)
    del whole["br-ipv6-addr"]
    return {**whole, "dmr-ipv6-prefix": dmr}


def rule(name="rule", prefix6="2001:db8:100::/40", prefix4="198.51.100.0/24", ea=16, length=8, psid=0, br=BR, **leaves):
    return {"name": name, "ea-len": ea, "rule-ipv6-prefix": prefix6, "rule-ipv4-prefix": prefix4, "forwarding": True,
            "br-ipv6-addr": br, "port-set": {"psid-len": length, "psid": psid}, **leaves}


# What the YANG modules do not allow: the place, and for a wrong value the values that are right.
SCHEMA = [
    ({f"{INSIDE}/mtu9": 1}, f"{IN} (line 24): ", "mtu9"),
    ({"homeport:nonsense": {}}, "nonsense"),
    ({f"{INSIDE}/homeport:realm": "elsewhere"}, "realm", "internal, external, both"),
    ({f"{INSIDE}/homeport:vlan": 4095}, "vlan", "1 to 4094"),
    ({f"{INSIDE}/homeport:vlan": "seven"}, "vlan"),
    ({f"{INSIDE}/homeport:mac-address": "02:00:00"}, "mac-address"),
    ({f"{INSIDE}/name": GONE}, "name"),
    ({f"{OUTSIDE}/name": "inside"}, "inside"),
    ({f"{INSIDE}/ipv4/address/0/prefix-length": 33}, "prefix-length", "0 to 32"),
    ({f"{INSIDE}/ipv4/address/0/ip": "100.64.0.256"}, "/ip"),
    ({f"{INSIDE}/enabled": "yes"}, "enabled"),
    ({f"{ROUTES}/0/destination-prefix": "0.0.0.0"}, "destination-prefix"),
    ({f"{POLICY}/external-ip-address-pool/0/external-ip-pool": "203.0.113.0/33"}, "external-ip-pool"),
    ({f"{POLICY}/port-set/port-set-size": -1}, "port-set-size", "0 to 65535"),
    ({f"{POLICY}/timers/udp-timeout": 1 << 32}, "udp-timeout", "0 to 4294967295"),
    ({f"{POLICY}/homeport:max-port-sets": 256}, "max-port-sets", "1 to 255"),
    ({f"{POLICY}/homeport:portless-protocols": [132, 51]}, "portless-protocols", "2 to 5, 7 to 16, 18 to 32, 34 to 50"),
    ({f"{POLICY}/homeport:lowest-ipv6-mtu": 1279}, "lowest-ipv6-mtu", "1280 to 9000"),
    ({f"{POLICY}/nat64-prefixes": [{"nat64-prefix": "64:ff9b::/96", "stateless-enable": True}]}, "stateless-enable"),
    ({f"{POLICY}/homeport:mss-limit": 87}, "mss-limit", "88 to 65495"),
    ({f"{POLICY}/fragment-behavior": "reassemble"}, "fragment-behavior", "drop-all, in-order, out-of-order"),
    ({f"{POLICY}/fragment-behavior": "in-order", f"{POLICY}/fragments-limit": 9}, "fragments-limit"),
    ({f"{PLATFORM}/fragments": {"max-datagrams": 255}}, "max-datagrams", "256 to 10000000"),
    ({f"{PLATFORM}/fragments": {"max-waiting": 63}}, "max-waiting", "64 to 10000000"),
    ({f"{PLATFORM}/reassembly": {"source-length": 65}}, "source-length", "16 to 64"),
    ({f"{PLATFORM}/reassembly": {"timeout": 121}}, "timeout", "1 to 120"),
    ({f"{PLATFORM}/fragments": {"max-each": 1}}, "max-each", "2 to 255"),
    ({f"{PLATFORM}/workers": 0}, "workers", "1 to 64"),
    ({f"{PLATFORM}/memory": 63}, "memory", "64 to 4194304"),
    ({f"{PLATFORM}/packet-buffers": 1}, "packet-buffers", "2048 to 16777215"),
    ({f"{ROUTES}/0/next-hop": {}}, "next-hop"),
    ({f"{INSTANCE}/type": "ietf-nat:basic-nat"}, f"{NAT}/type"),
    ({f"{POLICY}/port-set": {}}, "port-set-size", "0 to 65535"),
    ({f"{STATIC}/internal-src-port": {"start-port-number": 90, "end-port-number": 80}},
     f"{ENTRY}/internal-src-port/end-port-number: The end-port-number must be greater than or equal"),
    ({f"{UPSTREAM}/certificate": GONE}, "certificate"),
    ({f"{UPSTREAM}/psk-file": "pki/psk", f"{UPSTREAM}/psk-identity": "box"}, "certificate", "psk"),
    ({**NO_CERTIFICATE, f"{UPSTREAM}/psk-file": "pki/psk"}, "psk-identity"),
    ({**NO_CERTIFICATE, f"{UPSTREAM}/psk-file": "pki/psk", f"{UPSTREAM}/psk-identity": "a:b"}, "psk-identity"),
    (NO_CERTIFICATE, "credentials"),
    ({f"{UPSTREAM}/port": 0}, "port", "1 to 65535"),
    ({f"{UPSTREAM}/transport": ["dtls", "sctp"]}, "transport", "dtls, tls"),
    ({RELAYS: {"binding": {"bind-instance": [lw()]}, "algorithm": {"algo-instance": [rule()]}}}, 'cases "binding" and "algo"'),
    (relays({**lw(), "softwire-num-max": 0}), "softwire-num-max", "1 to 4294967295"),
    (relays(lw(binding(length=16))), "psid-len", "0 to 15"),
    (relays(lw(extras=[extra(length=17)])), "psid-len", "0 to 16"),
    (relays(lw(extras=[{**extra(), "br": "fe80::1%x"}])), "br"),
    (rules({k: v for k, v in rule().items() if k != "br-ipv6-addr"}), "br-ipv6-addr"),
    (rules({**rule(), "dmr-ipv6-prefix": "2001:db8:ffff::/64"}), 'cases "encapsulation" and "translation"'),
    (rules({**rule_t(), "homeport:lowest-ipv6-mtu": 1279}), "lowest-ipv6-mtu", "1280 to 9000"),
    (rules({k: v for k, v in rule().items() if k != "forwarding"}), "forwarding"),
    ({f"{UPSTREAM}/heartbeat-interval": 14}, "heartbeat-interval", "15 to 240"),
    ({f"{UPSTREAM}/consent": "maybe"}, "consent"),
    ({f"{UPSTREAM}/max-affected-subscribers": 0}, "max-affected-subscribers"),
    ({f"{UPSTREAM}/class": [{"name": "a"}]}, "action"),
    ({f"{SERVER}/scrubber": {}}, "next-hop-address"),
    ({f"{SERVER}/inspect": {"max-copy-rate": 99}}, "max-copy-rate", "0, 100 to 100000"),
    ({f"{SERVER}/inspect": {"capture-port": {"interface": "inside"}}}, "link-layer-address"),
    ({f"{UPSTREAM}/class": [{"name": "a", "action": "count"}]}, "action"),
    ({f"{UPSTREAM}/class": [{"name": "a", "action": "block", "upper-port": 5}]}, "upper-port"),
    ({"homeport:homeport/dots/max-rules": 15}, "max-rules", "16 to 1000000"),
    ({"homeport:homeport/management/socket": "/tmp/" + "s" * 120}, "socket", "1 to 107 characters"),
]

# What only lib/conf/check*.c, or the daemon itself, sees: all of it stands in the answer.
SEMANTIC = [
    # interfaces
    ({f"{INSIDE}/type": "iana-if-type:softwareLoopback"},
     f"{IN}/type: iana-if-type:softwareLoopback. Allowed: iana-if-type:ethernetCsmacd"),
    ({f"{INSIDE}/name": "i" * 64}, "/name: 64 characters. Allowed: 1 to 63"),
    ({f"{INSIDE}/homeport:realm": GONE},
     f"{IN}/homeport:realm: missing. Allowed: internal, external, both",
     f"{IFACES}: no interface has homeport:realm internal. Allowed: at least one internal"),
    ({f"{OUTSIDE}/homeport:realm": "internal"}, f"{IFACES}: no interface has homeport:realm external. Allowed: "),
    ({f"{INSIDE}/homeport:device": GONE}, f"{IN}/homeport:device: missing. Allowed: a PCI address or a DPDK"),
    ({"interfaces/interface/+": another("net_null0"), "interfaces/interface/2/name": "less",
      f"{INSIDE}/homeport:device": "net_null0"},
     "[name='less']/homeport:device: interface inside has the same device and the same VLAN (0). Allowed: one"),
    ({"interfaces/interface/+": another("net_null0", **{"homeport:vlan": 7}), f"{INSIDE}/homeport:vlan": 7,
      f"{INSIDE}/homeport:device": "net_null0"},
     "[name='more']/homeport:vlan: interface inside has the same device and the same VLAN (7). Allowed: one"),
    ({f"{INSIDE}/homeport:host-device": "hp0", f"{OUTSIDE}/homeport:host-device": "hp0"},
     f"{OUT}/homeport:host-device: hp0 is that of interface inside. Allowed: a name for each interface"),
    ({"interfaces/interface/+": another("net_null0", **{"homeport:host-device": "hp0"})},
     "[name='more']/homeport:host-device: hp0, but the interface has no address. Allowed: on an interface"),
    ({f"{INSIDE}/homeport:mac-address": "01:00:00:00:00:01"},
     f"{IN}/homeport:mac-address: 01:00:00:00:00:01. Allowed: a unicast address of six bytes"),
    ({f"{INSIDE}/ipv4/neighbor/0/link-layer-address": "00:00:00:00:00:00"},
     "neighbor[ip='100.64.0.2']/link-layer-address: 00:00:00:00:00:00. Allowed: a unicast address"),
    ({f"{INSIDE}/ipv4/address/+": {"ip": "127.0.0.1", "prefix-length": 8}},
     "address[ip='127.0.0.1']/ip: 127.0.0.1/8. Allowed: a unicast address that is not its network's first or"),
    ({f"{OUTSIDE}/ipv4/address/+": {"ip": "198.51.100.255", "prefix-length": 24}},
     "address[ip='198.51.100.255']/ip: 198.51.100.255/24. Allowed: a unicast address that is not its network's"),
    ({f"{OUTSIDE}/ipv6/address/0/ip": "ff02::1"}, "/ip: ff02::1/64. Allowed: a unicast address"),
    ({f"{INSIDE}/ietf-ip:ipv6": {"mtu": 70000}}, f"{IN}/ietf-ip:ipv6/mtu: 70000. Allowed: 1280 to 9600"),
    ({f"{OUTSIDE}/ipv4/address/+": {"ip": "100.64.3.1", "prefix-length": 24}},
     "/ip: 100.64.3.1/24 overlaps 100.64.0.0/10 of interface inside. Allowed: a network on one interface only"),
    ({f"{INSIDE}/ipv4/neighbor/0/ip": "10.1.1.1"},
     "/ip: 10.1.1.1 is in no network of the interface. Allowed: an address of one of them"),
    ({f"{INSIDE}/ipv4/neighbor/0/ip": "100.64.0.1"},
     "/ip: 100.64.0.1 is the box's own. Allowed: another station's"),
    ({f"{INSIDE}/ipv4/mtu": 575}, f"{IN}/ietf-ip:ipv4/mtu: 575. Allowed: 576 to 9600"),
    ({f"{INSIDE}/ipv4/mtu": 9601}, f"{IN}/ietf-ip:ipv4/mtu: 9601. Allowed: 576 to 9600"),
    ({f"{INSIDE}/ipv4/enabled": False},
     f"{IN}/ietf-ip:ipv4/enabled: false. Allowed: true; to have no IPv4 leave the container out"),
    ({f"{INSIDE}/ipv4/forwarding": False},
     f"{IN}/ietf-ip:ipv4/forwarding: false. Allowed: true; to stop an interface set enabled to false"),
    ({"interfaces/interface": [
        another(f"net_null{n}", name=f"n{n}") for n in range(33)]}, f"{IFACES}: 33 devices. Allowed: up to 32"),
    ({"interfaces/interface": [another("net_null0", name=f"n{n}", **{"homeport:vlan": 1 + n}) for n in range(65)]},
     f"{IFACES}: 65 interfaces. Allowed: up to 64"),
    # routes
    ({f"{ROUTES}/0/next-hop": {"outgoing-interface": "outside"}}, "/next-hop: no next-hop-address. Allowed: the address of a neighbour, or"),
    ({f"{ROUTES}/0/next-hop/next-hop-address": "192.0.2.1"},
     "/next-hop/next-hop-address: 192.0.2.1 is the box's own. Allowed: a neighbour's"),
    ({f"{ROUTES}/0/next-hop/next-hop-address": "172.16.0.1"},
     "/next-hop/next-hop-address: 172.16.0.1 is in no network of any interface. Allowed: an address of one of"),
    ({f"{ROUTES}/0/next-hop/outgoing-interface": "inside"},
     "/next-hop/next-hop-address: 192.0.2.254 is in no network of interface inside. Allowed: an address of one"),
    ({f"{ROUTES}/1/destination-prefix": "127.0.0.0/8"},
     "/destination-prefix: 127.0.0.0/8. Allowed: a unicast network that is neither loopback"),
    ({"routing/control-plane-protocols/control-plane-protocol/+": {
        "type": "ietf-routing:static", "name": "more", "static-routes": {"ietf-ipv4-unicast-routing:ipv4": {
            "route": [{"destination-prefix": "0.0.0.0/0", "next-hop": {"special-next-hop": "blackhole"}}]}}}},
     "/destination-prefix: 0.0.0.0/0 stands twice. Allowed: one route for each destination"),
    ({f"{ROUTES}/1/next-hop/special-next-hop": "unreachable"},
     "/next-hop/special-next-hop: unreachable. Allowed: blackhole"),
    # the translator
    ({f"{INSTANCE}/type": GONE}, f"{NAT}/type: missing. Allowed: ietf-nat:napt44, ietf-nat:nat64"),
    ({f"{INSTANCE}/policy": GONE}, f"{NAT}/policy: missing. Allowed: at least one policy"),
    ({f"{INSTANCE}/policy": [
        {"id": n, "external-ip-address-pool": [{"pool-id": 1, "external-ip-pool": f"203.0.113.{n}/32"}],
         "subscriber-match": [{"match-id": 1, "subnet": f"100.64.0.{n}/32"}], "port-allocation-type": "port-range-allocation", "port-set": {"port-set-size": 64}}
        for n in range(1, 127)], f"{INSTANCE}/mapping-table": GONE},
     "/ietf-nat:nat/instances: 126 policies. Allowed: up to 125"),
    ({f"{POLICY}/external-ip-address-pool": GONE},
     f"{ONE}/external-ip-address-pool: missing. Allowed: at least one pool"),
    ({f"{POLICY}/subscriber-match": GONE},
     f"{ONE}/subscriber-match: missing. Allowed: at least one prefix of inside addresses"),
    ({f"{POLICY}/external-ip-address-pool/0/external-ip-pool": "203.0.0.0/15"},
     "[pool-id='1']/external-ip-pool: 203.0.0.0/15. Allowed: prefix lengths 16 to 32"),
    ({f"{POLICY}/external-ip-address-pool/0/external-ip-pool": "224.0.113.0/28"},
     "[pool-id='1']/external-ip-pool: 224.0.113.0/28. Allowed: unicast addresses"),
    ({f"{POLICY}/external-ip-address-pool/+": {"pool-id": 2, "external-ip-pool": "203.0.113.8/29"}},
     "[pool-id='2']/external-ip-pool: 203.0.113.8/29 overlaps another pool. Allowed: an address in one pool"),
    ({f"{POLICY}/external-ip-address-pool/+": {"pool-id": 2, "external-ip-pool": "192.0.2.0/28"}},
     "[pool-id='2']/external-ip-pool: 192.0.2.0/28 has an address of an interface in it. Allowed: addresses"),
    ({f"{POLICY}/external-ip-address-pool/0/external-ip-pool": "203.0.113.9/28"},
     "203.0.113.9/28 has bits set behind its length. Allowed: 203.0.113.0/28"),
    ({f"{POLICY}/subscriber-match/+": {"match-id": 2, "subnet": "2001:db8::/32"}},
     "[match-id='2']/subnet: 2001:db8::/32. Allowed: IPv4 prefixes"),
    ({f"{POLICY}/subscriber-match/+": {"match-id": 2, "subnet": "100.64.0.0/10"}},
     "[match-id='2']/subnet: 100.64.0.0/10 stands twice. Allowed: a prefix in one policy only"),
    ({f"{POLICY}/subscriber-match/+": {"match-id": 2, "subnet": "203.0.113.4/30"}},
     "[match-id='2']/subnet: 203.0.113.4/30 overlaps an external pool. Allowed: inside addresses"),
    # NAT64
    (NAT64 | {f"{POLICY}/subscriber-match/0/subnet": "100.64.0.0/10"}, "[match-id='1']/subnet: 100.64.0.0/10. Allowed: IPv6 prefixes"),
    (prefixes(["64:ff9b::/97"]), f"{prefix('64:ff9b::/97')}/nat64-prefix: 64:ff9b::/97. Allowed: prefix lengths 32, 40, 48, 56, 64 and 96"),
    (prefixes(["2001:db8:64::/72"]), "2001:db8:64::/72. Allowed: prefix lengths 32, 40"),
    (prefixes(["2001:db8:64:0:100::/96"]), "2001:db8:64:0:100::/96. Allowed: bits 64 to 71 are zero"),
    (prefixes(["64:ff9b::/64"]), "64:ff9b::/64 overlaps the well-known prefix. Allowed: 64:ff9b::/96 itself"),
    (prefixes(["fe80::/64"]), "fe80::/64. Allowed: unicast prefixes"),
    (prefixes(["::/96"]), "::/96. Allowed: unicast prefixes"),
    (prefixes(["2001:db8::/32"]), "2001:db8::/32 overlaps the network of interface outside. Allowed: a prefix that is on no link"),
    (prefixes(["2001:db8:64::/96"], ["2001:db8:64::/48"]), "/nat64-prefix: 2001:db8:64::/48 overlaps another nat64-prefix. Allowed: the same"),
    (prefixes(["2001:db8:100::/96"]), "[match-id='1']/subnet: 2001:db8:100::/40 overlaps a nat64-prefix. Allowed: prefixes of hosts"),
    (prefixes(["64:ff9b::/96"], ["2001:db8:64::/96"]),
     f"{prefix('2001:db8:64::/96')}/destination-ipv4-prefix: missing. Allowed: one prefix of a policy without destinations"),
    (prefixes(["64:ff9b::/96", "198.51.100.0/24"], ["2001:db8:64::/96", "198.51.100.0/24"]),
     "/ipv4-prefix: 198.51.100.0/24 stands with two prefixes. Allowed: with one"),
    (NAT64 | {"routing/control-plane-protocols/control-plane-protocol/0/static-routes/ietf-ipv6-unicast-routing:ipv6": {
        "route": [{"destination-prefix": "64:ff9b::/96", "next-hop": {"special-next-hop": "blackhole"}}]}},
     "/destination-prefix: 64:ff9b::/96 is a nat64-prefix. Allowed: other destinations"),
    (NAT64 | {f"{POLICY}/subscriber-mask-v6": 0}, f"{ONE}/subscriber-mask-v6: 0. Allowed: 1 to 128"),
    (NAT64 | {f"{POLICY}/homeport:portless-protocols": [47]},
     f"{ONE}/homeport:portless-protocols: set. Allowed: with type ietf-nat:napt44 alone"),
    (NAT64 | {f"{INSTANCE}/nat-pass-through": [{"id": 1, "prefix": "198.51.100.0/24"}]},
     f"{NAT}/nat-pass-through: set. Allowed: with type ietf-nat:napt44 alone"),
    ({f"{INSTANCE}/type": "ietf-nat:nat64", f"{POLICY}/subscriber-match/0/subnet": "2001:db8:100::/40"},
     f"{ENTRY}/internal-src-address: 100.64.0.9/32. Allowed: an IPv6 address with length 128"),
    (NAT64 | {f"{INSTANCE}/mapping-table": {"mapping-entry": [forward("2001:db8:100:7::/64")]}},
     f"{ENTRY}/internal-src-address: 2001:db8:100:7::/64. Allowed: an IPv6 address with length 128"),
    (NAT64 | {f"{INSTANCE}/mapping-table": {"mapping-entry": [forward("2001:db8:200::1/128")]}},
     f"{ENTRY}/internal-src-address: 2001:db8:200::1/128 is no subscriber's. Allowed: addresses in a subscriber-match"),
    (NAT64 | {f"{INSTANCE}/mapping-table": {"mapping-entry": [
        forward("2001:db8:100::1/128"), forward("2001:db8:100::1/128", index=2, port=8081)]}},
     "[index='2']/internal-src-address: mapping-entry 1 has the same inside port. Allowed: a port in one entry"),
    ({f"{POLICY}/subscriber-mask-v6": 64}, f"{ONE}/subscriber-mask-v6: set. Allowed: where inside sources are IPv6"),
    (prefixes(["64:ff9b::/96"]) | {f"{POLICY}/homeport:stray-segments": "reset"},
     f"{ONE}/homeport:stray-segments: reset. Allowed: drop, with type ietf-nat:nat64"),
    ({f"{POLICY}/homeport:lowest-ipv6-mtu": 1400}, f"{ONE}/homeport:lowest-ipv6-mtu: set. Allowed: with type ietf-nat:nat64"),
    ({f"{POLICY}/nat64-prefixes": [{"nat64-prefix": "64:ff9b::/96"}]},
     f"{ONE}/nat64-prefixes: set. Allowed: with type ietf-nat:nat64 alone"),
    ({f"{POLICY}/transport-protocols/+": {"protocol-id": 47}}, f"{ONE}/transport-protocols: 47. Allowed: 1, 6, 17"),
    ({f"{INSTANCE}/per-interface-binding": "layer-2"}, f"{NAT}/per-interface-binding: layer-2. Allowed: disabled"),
    ({f"{POLICY}/port-set/port-set-size": 100},
     f"{ONE}/port-set/port-set-size: 100. Allowed: a power of two from 64 to 4096"),
    ({f"{POLICY}/mapping-type": "edm", f"{POLICY}/filtering-type": "eif"},
     f"{ONE}/filtering-type: eif. Allowed with mapping-type edm: edf"),
    ({f"{POLICY}/mapping-type": "edm", f"{POLICY}/filtering-type": "edf",
      f"{POLICY}/homeport:protocol-filtering": [{"protocol-id": 6, "filtering-type": "eif"}]},
     "[protocol-id='6']/filtering-type: eif. Allowed with mapping-type edm: edf"),
    ({f"{POLICY}/homeport:protocol-filtering": [{"protocol-id": 47, "filtering-type": "adf"}]},
     "[protocol-id='47']/protocol-id: 47. Allowed: 1, 6, 17"),
    ({f"{POLICY}/timers/udp-timeout": 119}, f"{ONE}/timers/udp-timeout: 119. Allowed: 120 to 31536000 seconds"),
    ({f"{POLICY}/timers/tcp-idle-timeout": 7439},
     f"{ONE}/timers/tcp-idle-timeout: 7439. Allowed: 7440 to 31536000 seconds"),
    ({f"{POLICY}/timers/tcp-trans-open-timeout": 3},
     f"{ONE}/timers/tcp-trans-open-timeout: 3. Allowed: 4 to 31536000 seconds"),
    ({f"{POLICY}/timers/tcp-trans-close-timeout": 3},
     f"{ONE}/timers/tcp-trans-close-timeout: 3. Allowed: 4 to 31536000 seconds"),
    ({f"{POLICY}/timers/icmp-timeout": 59}, f"{ONE}/timers/icmp-timeout: 59. Allowed: 60 to 31536000 seconds"),
    ({f"{POLICY}/timers/fragment-min-timeout": 1}, f"{ONE}/timers/fragment-min-timeout: 1. Allowed: 2 to 255 seconds"),
    ({f"{POLICY}/timers/fragment-min-timeout": 256},
     f"{ONE}/timers/fragment-min-timeout: 256. Allowed: 2 to 255 seconds"),
    ({f"{PLATFORM}/reassembly": {"max-waiting": 1025}, f"{PLATFORM}/packet-buffers": 4097},
     f"{BOX}/platform/reassembly/max-waiting: 1025. Allowed: up to 1024, a quarter of packet-buffers"),
    ({f"{PLATFORM}/fragments": {"max-waiting": 2049}, f"{PLATFORM}/packet-buffers": 4097},
     f"{BOX}/platform/fragments/max-waiting: 2049. Allowed: up to 2048, half of packet-buffers"),
    ({f"{POLICY}/timers/hold-down-timeout": 31536001},
     f"{ONE}/timers/hold-down-timeout: 31536001. Allowed: 0 to 31536000 seconds"),
    ({f"{POLICY}/port-set/port-set-timeout": 0},
     f"{ONE}/port-set/port-set-timeout: 0. Allowed: 1 to 31536000 seconds"),
    ({f"{POLICY}/timers/per-port-timeout/0/protocol": 1},
     "[port-number='53']/protocol: 1. Allowed: 6, 17, or none for both"),
    ({f"{POLICY}/timers/per-port-timeout/0/port-number": 1024},
     "[port-number='1024']/port-number: 1024. Allowed: 0 to 1023"),
    ({f"{POLICY}/timers/per-port-timeout/0/timeout": 301},
     "[port-number='53']/timeout: 301. Allowed: 1 to 300 seconds"),
    ({f"{POLICY}/port-quota/0/quota-type": 47}, "[quota-type='47']/quota-type: 47. Allowed: 0 (all), 1, 6, 17"),
    ({f"{POLICY}/port-quota/0/port-limit": 0}, "[quota-type='0']/port-limit: 0. Allowed: 1 to 65535"),
    ({f"{POLICY}/port-quota/0/port-limit": GONE}, "[quota-type='0']/port-limit: missing. Allowed: 1 to 65535"),
    ({f"{POLICY}/external-realm/external-interface": "inside"},
     f"{ONE}/external-realm/external-interface: inside has homeport:realm internal. Allowed: an interface that"),
    ({f"{POLICY}/homeport:port-set-size": 64},
     f"{ONE}/homeport:port-set-size: given. Allowed: nothing, with port-allocation-type port-range-allocation"),
    ({f"{POLICY}/address-allocation-type": "arbitrary", f"{POLICY}/homeport:soft-pairing": True},
     f"{ONE}/homeport:soft-pairing: true with address-allocation-type arbitrary. Allowed: with paired"),
    ({f"{POLICY}/homeport:reserved-ports": [{"lower": 2000, "upper": 1999}]},
     "/upper: 1999. Allowed: 2000 to 65535"),
    ({f"{POLICY}/homeport:reserved-ports": [{"lower": 1024, "upper": 65500}]},
     f"{ONE}/homeport:reserved-ports: only 35 ports are left to hand out. Allowed: so much that 64 are left"),
    ({f"{POLICY}/homeport:mapping-burst": 10},
     f"{ONE}/homeport:mapping-burst: 10. Allowed: with homeport:mapping-rate"),
    ({f"{POLICY}/timers/hold-down-max": 1, f"{PLATFORM}/workers": 2},
     f"{ONE}/timers/hold-down-max: 1. Allowed: 2, one for each worker, or more"),
    ({f"{POLICY}/homeport:port-set-active-timeout": 59},
     f"{ONE}/homeport:port-set-active-timeout: 59. Allowed: 60 to 31536000 seconds"),
    ({f"{POLICY}/timers/tcp-in-syn-timeout": 5},
     f"{ONE}/timers/tcp-in-syn-timeout: 5. Allowed: 6 to 31536000 seconds"),
    # fixed ports
    ({f"{POLICY}/homeport:deterministic": {}},
     f"{ONE}/homeport:deterministic/algorithm: 4194302 inside hosts on 16 outside addresses have 0 ports each."),
    ({**FEW, f"{POLICY}/homeport:deterministic": {"algorithm": "cryptographic"}},
     f"{ONE}/homeport:deterministic/key: missing. Allowed: 32 bytes with algorithm cryptographic"),
    ({**FEW, f"{POLICY}/homeport:deterministic": {"algorithm": "round-robin"}},
     f"{ONE}/address-allocation-type: missing. Allowed: roundrobin with the algorithm round-robin"),
    ({**FEW, f"{POLICY}/homeport:deterministic": {}, f"{POLICY}/port-allocation-type": "port-preservation",
      f"{POLICY}/port-set": GONE, f"{POLICY}/homeport:port-set-size": 64},
     f"{ONE}/port-allocation-type: port-preservation. Allowed with deterministic NAT: random"),
    ({**FEW, f"{POLICY}/homeport:deterministic": {"max-ports": 64}},
     f"{ONE}/homeport:deterministic/max-ports: 64. Allowed: 12902, the fixed ports of a host"),
    ({f"{POLICY}/subscriber-match/0/subnet": "100.64.0.0/18", f"{POLICY}/homeport:deterministic": {
        "dynamic-factor": 1}}, f"{ONE}/homeport:deterministic/dynamic-factor: 1, which leaves 62 ports on each"),
    ({**FEW, f"{POLICY}/subscriber-match/+": {"match-id": 2, "subnet": "100.64.0.8/29"},
      f"{POLICY}/homeport:deterministic": {}},
     "[match-id='2']/subnet: overlaps another. Allowed with deterministic NAT: prefixes that have no host in"),
    # destinations that are left alone
    ({f"{INSTANCE}/nat-pass-through": [{"id": 1, "prefix": "224.0.0.0/4"}]},
     "nat-pass-through[id='1']/prefix: 224.0.0.0/4. Allowed: IPv4 prefixes of unicast addresses"),
    ({f"{INSTANCE}/nat-pass-through": [{"id": 1, "prefix": "203.0.113.1/32"}]},
     "nat-pass-through[id='1']/prefix: 203.0.113.1/32 has an outside address in it. Allowed: destinations"),
    ({f"{INSTANCE}/nat-pass-through": [{"id": 1, "prefix": "198.51.100.0/24", "port": 0}]},
     "nat-pass-through[id='1']/port: 0. Allowed: 1 to 65535, or none for all traffic"),
    ({f"{INSTANCE}/nat-pass-through": [{"id": n, "prefix": f"198.51.100.{n}/32"} for n in range(65)]},
     f"{NAT}/nat-pass-through: 65 entries. Allowed: up to 64"),
    # limits and notifications
    ({f"{INSTANCE}/mapping-limits": {"limit-per-protocol": [{"protocol-id": 47, "limit": 1}]}},
     "limit-per-protocol[protocol-id='47']/protocol-id: 47. Allowed: 1, 6, 17"),
    ({f"{INSTANCE}/mapping-limits": {"limit-per-protocol": [{"protocol-id": 6}]}},
     "limit-per-protocol[protocol-id='6']/limit: missing. Allowed: 0 to 4294967295"),
    ({f"{POLICY}/notify-pool-usage": {"pool-id": 9, "low-threshold": 0, "high-threshold": 80}},
     f"{ONE}/notify-pool-usage/pool-id: 9. Allowed: the pool-id of an external-ip-address-pool of the policy"),
    # static mappings
    ({f"{STATIC}/type": "dynamic-explicit"}, f"{ENTRY}/type: dynamic-explicit. Allowed: static"),
    ({f"{STATIC}/index": 2147483648}, "/index: 2147483648. Allowed: 0 to 2147483647"),
    ({f"{STATIC}/lifetime": 60}, f"{ENTRY}/lifetime: set. Allowed: none, a static mapping does not end"),
    ({f"{STATIC}/internal-src-address": GONE}, f"{ENTRY}/internal-src-address: missing. Allowed: an IPv4 address"),
    ({f"{STATIC}/external-src-address": "203.0.113.0/30"},
     f"{ENTRY}/external-src-address: 203.0.113.0/30. Allowed: an IPv4 address with length 32"),
    ({f"{STATIC}/external-src-address": "192.0.2.1/32"},
     f"{ENTRY}/external-src-address: 192.0.2.1/32 is an interface's. Allowed: an address that no interface has"),
    ({f"{STATIC}/internal-src-port": GONE}, f"{ENTRY}/internal-src-port: missing. Allowed: ports on both sides"),
    ({f"{STATIC}/internal-src-port": {"start-port-number": 0}},
     f"{ENTRY}/internal-src-port: 0 to 0. Allowed: 1 to 65535, rising"),
    ({f"{STATIC}/internal-src-port": {"start-port-number": 80, "end-port-number": 89}},
     f"{ENTRY}/external-src-port: 1 ports for 10 inside. Allowed: as many on both sides"),
    ({f"{STATIC}/internal-src-address": "240.0.0.1/32"},
     f"{ENTRY}/internal-src-address: 240.0.0.1/32. Allowed: unicast addresses"),
    ({f"{STATIC}/external-src-address": "203.0.113.129/32", "nat/instances/instance/+": {
        "id": 2, "type": "ietf-nat:napt44", "policy": [{
            "id": 1, "external-ip-address-pool": [{"pool-id": 1, "external-ip-pool": "203.0.113.128/28"}],
            "subscriber-match": [{"match-id": 1, "subnet": "10.0.0.0/8"}]}]}},
     f"{ENTRY}/external-src-address: 203.0.113.129/32 is in a pool of another instance. Allowed: addresses of pools"),
    ({f"{STATIC}/transport-protocol": 47}, f"{ENTRY}/transport-protocol: 47. Allowed: 1, 6, 17"),
    ({f"{STATIC}/internal-src-port": GONE, f"{STATIC}/external-src-port": GONE},
     f"{ENTRY}/external-src-address: 203.0.113.1/32 is in a pool. Allowed: without ports the address is"),
    ({f"{INSTANCE}/mapping-table/mapping-entry/+": {
        "index": 2, "type": "static", "transport-protocol": 6,
        "internal-src-address": "100.64.0.8/32", "internal-src-port": {"start-port-number": 80},
        "external-src-address": "203.0.113.1/32", "external-src-port": {"start-port-number": 8080}}},
     "[index='2']/external-src-address: mapping-entry 1 has the same outside port. Allowed: a port in one entry"),
    ({f"{INSTANCE}/mapping-table/mapping-entry/+": {
        "index": 2, "type": "static", "transport-protocol": 6,
        "internal-src-address": "100.64.0.9/32", "internal-src-port": {"start-port-number": 80},
        "external-src-address": "203.0.113.1/32", "external-src-port": {"start-port-number": 8081}}},
     "[index='2']/internal-src-address: mapping-entry 1 has the same inside port. Allowed: a port in one entry"),
    # DS-Lite
    (aftr({"homeport:realm": "internal"}), f"{END}/realm: set. Allowed: on interfaces with a device, which"),
    (aftr({"ietf-dslite:ipv6-address": GONE}), f"{END}/ietf-dslite:ipv6-address: missing. Allowed: the address that"),
    (aftr({"ietf-dslite:ipv6-address": "fe80::1"}), f"{END}/ietf-dslite:ipv6-address: fe80::1. Allowed: a unicast"),
    (aftr({"ietf-dslite:ipv6-address": "2001:db8:0:1::1"}),
     f"{END}/ietf-dslite:ipv6-address: 2001:db8:0:1::1 is that of interface outside. Allowed: an address that no"),
    ({**aftr(), "interfaces/interface/+": [], "interfaces/interface": [
        *base()["ietf-interfaces:interfaces"]["interface"],
        *({"name": n, "type": "homeport:dslite-aftr", "ietf-dslite:ipv6-address": "2001:db8:ffff::1"} for n in "ab")]},
     f"{IFACES}/interface[name='b']/ietf-dslite:ipv6-address: 2001:db8:ffff::1 stands twice. Allowed: an address of"),
    ({**aftr(), "interfaces/interface/+": [], "interfaces/interface": [
        *base()["ietf-interfaces:interfaces"]["interface"],
        *({"name": f"a{n}", "type": "homeport:dslite-aftr", "ietf-dslite:ipv6-address": f"2001:db8:ffff::{n}"}
          for n in range(1, 66))]}, f"{IFACES}: 65 AFTRs. Allowed: up to 64"),
    (aftr({"ietf-dslite:ipv4-address": "127.0.0.1"}), f"{END}/ietf-dslite:ipv4-address: 127.0.0.1. Allowed: a unicast"),
    (aftr({"ietf-dslite:tunnel-mtu": 1279}), f"{END}/ietf-dslite:tunnel-mtu: 1279. Allowed: 1280 to 9600"),
    (aftr({"homeport:inner-source": ["224.0.0.0/8"]}), f"{END}/homeport:inner-source: 224.0.0.0/8. Allowed: unicast"),
    (aftr({"homeport:nat-instance": 2}), f"{END}/homeport:nat-instance: 2. Allowed: the id of an enabled NAT instance"),
    (aftr(instance={"per-interface-binding": "disabled"}, policy={"subscriber-match/0/subnet": "100.64.0.0/10",
                                                                  "subscriber-mask-v6": 56}),
     f"{END}/homeport:nat-instance: missing, and 0 NAT instances have per-interface-binding dslite. Allowed: the id"),
    (aftr(instance={"per-interface-binding": "layer-2"}), f"{NAT}/per-interface-binding: layer-2. Allowed: disabled"),
    (aftr(policy={"subscriber-match/0/subnet": "100.64.0.0/10"}), "/subnet: 100.64.0.0/10. Allowed: IPv6 prefixes"),
    (aftr(policy={"subscriber-mask-v6": 32}),
     "/subnet: 2001:db8:1000::/36. Allowed: prefixes no longer than subscriber-mask-v6, 32"),
    (aftr(policy={"subscriber-mask-v6": 8}), f"{ONE}/subscriber-mask-v6: 8. Allowed: 16 to 128, how long"),
    (aftr(policy={"homeport:deterministic": {}}), f"{ONE}/homeport:deterministic: set. Allowed: where inside sources"),
    (aftr(policy={"ietf-dslite:max-softwires-per-subscriber": 0}),
     f"{ONE}/ietf-dslite:max-softwires-per-subscriber: 0. Allowed: 1 to 255"),
    (aftr(policy={"ietf-dslite:b4-address-change-limit": 4294967295}),
     f"{ONE}/ietf-dslite:b4-address-change-limit: 4294967295. Allowed: 0 to 21474836 seconds"),
    (aftr(policy={"ietf-dslite:mss-clamping": {"enable": True}}),
     f"{ONE}/ietf-dslite:mss-clamping/mss-value: 0. Allowed with enable: 88 to 65495"),
    (aftr(policy={"ietf-dslite:mss-clamping": {"mss-value": 1400}}),
     f"{ONE}/ietf-dslite:mss-clamping/enable: missing. Allowed beside mss-value: true or false"),
    (aftr(policy={"ietf-dslite:mss-clamping": {"enable": True, "mss-value": 1400}, "homeport:mss-limit": 1400}),
     f"{ONE}/homeport:mss-limit: set, as is ietf-dslite:mss-clamping. Allowed: one of them"),
    (aftr(policy={"homeport:portless-protocols": [132]}), f"{ONE}/homeport:portless-protocols: set. Allowed: where per"),
    (aftr(instance={"nat-pass-through": [{"id": 1, "prefix": "198.51.100.0/24"}]}),
     f"{NAT}/nat-pass-through: set. Allowed: where per-interface-binding is disabled"),
    (forwards(forward()), f"{BEHIND}: missing. Allowed: the IPv6 address of the B4 that the host is behind"),
    (forwards(forward(b4="2001:db8:1000::1%eth0")),
     f"{BEHIND}: 2001:db8:1000::1%eth0. Allowed: the IPv6 address of the B4 that the host is behind"),
    (forwards(forward(b4="2001:db8:2000::1")),
     f"{BEHIND}: 2001:db8:2000::1 is no subscriber's. Allowed: addresses in a subscriber-match of the instance"),
    (forwards(forward("100.64.0.9/32", "2001:db8:1000::1")),
     f"{ENTRY}/internal-src-address: 100.64.0.9/32. Allowed: addresses that hosts behind the B4s of an AFTR"),
    (forwards(forward(b4="2001:db8:1000::1"), forward("192.168.1.6/32", "2001:db8:1000::2", 2, 8081)),
     "[index='2']/ietf-dslite:b4-ipv6-address/address: 2001:db8:1000::2 is one B4 too many of its subscriber. Allowed: as"),
    (forwards(forward(b4="2001:db8:1000::1"), forward(b4="2001:db8:1000::1", index=2, port=8081)),
     "[index='2']/internal-src-address: mapping-entry 1 has the same inside port. Allowed: a port in one entry"),
    (aftr() | {f"{INSTANCE}/mapping-table": {"mapping-entry": [forward("100.64.0.9/32", "2001:db8:1000::1")]},
               f"{INSTANCE}/per-interface-binding": "disabled", f"{INSTANCE}/type": "ietf-nat:napt44",
               "nat/instances/instance/+": {"id": 2, "type": "ietf-nat:napt44", "per-interface-binding": "dslite",
                                            "policy": []}},
     f"{BEHIND}: 2001:db8:1000::1. Allowed: where per-interface-binding is dslite, for entries of sources"),
    (aftr() | {"nat/instances/instance/+": {
        "id": 2, "type": "ietf-nat:napt44", "policy": [{
            "id": 1, "external-ip-address-pool": [{"pool-id": 1, "external-ip-pool": "203.0.113.128/28"}],
            "subscriber-match": [{"match-id": 1, "subnet": "100.96.0.0/11"}],
            "ietf-dslite:state-migrate": False}]}},
     "/policy[id='1']/state-migrate: set. Allowed: where per-interface-binding is dslite"),
    # border relays with a table
    (relays(lw(binding(psid=64))), f"{LW}/binding-table/binding-entry[binding-ipv6info='2001:db8:100::1']"
     "/port-set/psid: 64. Allowed: 0 to 63"),
    (relays(lw(extras=[extra(psid=64)])), "/psid: 64. Allowed: 0 to 63"),
    (relays(lw(binding(offset=11))), "port-set/psid-len: 6, with psid-offset 11. Allowed: 16 bits together"),
    (relays(lw(binding(), extras=[extra("2001:db8:100::2")])),
     f"{LW}/homeport:extra-binding[b4='2001:db8:100::2'][ipv4='198.51.100.1'][psid-offset='0'][psid-len='6'][psid='4']"
     "/psid: 4 of 198.51.100.1 is that of 2001:db8:100::1. Allowed: a port set in one binding only"),
    (relays(lw(binding(), binding("2001:db8:100::2", length=7, psid=20))),
     "/port-set/psid-len: 7, with psid-offset 0, but 198.51.100.1 of 2001:db8:100::1 is divided by 6 and 0. Allowed: one"),
    (relays(lw({k: v for k, v in binding().items() if k != "br-ipv6-addr"})),
     "/br-ipv6-addr: missing. Allowed: the address that the box has in this softwire"),
    (relays(lw({k: v for k, v in binding().items() if k != "binding-ipv4-addr"})),
     "/binding-ipv4-addr: missing. Allowed: a unicast address"),
    (relays(lw(binding("fe80::1%eth0"))), "/binding-ipv6info: ::. Allowed: a global unicast address without a zone"),
    (relays(lw(binding("ff02::1"))), "/binding-ipv6info: ff02::1. Allowed: a global unicast address without a zone"),
    (relays(lw(binding(ipv4="127.0.0.1"))), "/binding-ipv4-addr: 127.0.0.1. Allowed: a unicast address"),
    (relays(lw(binding(ipv4="203.0.113.5"))),
     f"{LW}/binding-table: 203.0.113.5/32 has an address of the box, a pool or a static mapping. Allowed: addresses"),
    (relays(lw(binding(br="2001:db8:0:1::1"))),
     f"{LW}/binding-table: 2001:db8:0:1::1. Allowed: a global unicast address that no interface and no AFTR has"),
    (relays(lw(binding()), lw(binding(), name="other")),
     "bind-instance[name='other']/binding-table: 198.51.100.1/32 has an address of instance lw. Allowed: an IPv4 address in",
     f"{BR} is a BR address of instance lw. Allowed: one that no other instance has"),
    (relays({**lw(binding(), binding("2001:db8:100::2", psid=5)), "softwire-num-max": 1}),
     f"{LW}/softwire-num-max: 1, and there are 2 bindings. Allowed: as many or more"),
    (relays({**lw(), "softwire-payload-mtu": 1239}), f"{LW}/softwire-payload-mtu: 1239. Allowed: 1240 to 9560"),
    (relays({**lw(), "softwire-path-mru": 1279}), f"{LW}/softwire-path-mru: 1279. Allowed: 1280 to 65535"),
    (relays(lw(name="n" * 64)), "/name: 64 characters. Allowed: 1 to 63"),
    (relays(lw(*[binding(f"2001:db8:100::{n + 1:x}", psid=n, br=f"2001:db8:ffff::{n + 1:x}", length=8) for n in range(65)])),
     f"{LW}/binding-table: bindings with more than 64 different BR addresses. Allowed: up to 64"),
    (relays(lw(*[binding(f"2001:db8:100::{n:x}", psid=64 + n) for n in range(1, 23)])),
     f"{LW}/binding-table: 2 more faults of bindings. Allowed: none"),
    (relays({**lw(), "homeport:table-file": "/nowhere/table.csv"}),
     f"{LW}/homeport:table-file: /nowhere/table.csv: No such file or directory"),
    (relays({**lw(), "homeport:table-file": str(pathlib.Path(__file__).with_name("faults.csv"))}), f"{LW}/homeport:table-file: 2 more faults. Allowed: none"),
    # border relays with rules
    (rules(rule(ea=25)), f"{RULE}/ea-len: 25. Allowed: 0 to 24"),
    (rules(rule(ea=24, prefix6="2001:db8:100:1:1::/108", length=15)),
     f"{RULE}/ea-len: 24, behind a prefix of 108 bits. Allowed: 128 bits together"),
    (rules(rule(length=7)), f"{RULE}/port-set/psid-len: 7, but ea-len leaves 8 bits for it. Allowed: 8"),
    (rules(rule(ea=6, length=2)), f"{RULE}/port-set/psid-len: 2, but subscribers have IPv4 prefixes of 30 bits. Allowed: 0"),
    (rules({**rule(), "port-set": {"psid-offset": 9, "psid-len": 8, "psid": 0}}),
     f"{RULE}/port-set/psid-len: 8, with psid-offset 9. Allowed: 16 bits together"),
    (rules(rule(ea=0, prefix4="198.51.100.7/32", length=4, psid=16)), f"{RULE}/port-set/psid: 16. Allowed: 0 to 15"),
    (rules(rule(br="fe80::1%x")), f"{RULE}/br-ipv6-addr: missing. Allowed: the address of this border relay, without a zone, or dmr-ipv6-prefix for MAP-T"),
    (rules({**rule(), "homeport:lowest-ipv6-mtu": 1400}), f"{RULE}/homeport:lowest-ipv6-mtu: set. Allowed: with dmr-ipv6-prefix alone"),
    (rules(rule_t(dmr="2001:db8:fffe::/72")), f"{RULE}/dmr-ipv6-prefix: 2001:db8:fffe::/72. Allowed: prefix lengths 32, 40"),
    (rules(rule_t(dmr="2001:db8:fffe:0:ff00::/96")), f"{RULE}/dmr-ipv6-prefix: 2001:db8:fffe:0:ff00::/96. Allowed: bits 64 to 71"),
    (rules(rule_t(dmr="64:ff9b::/96")), f"{RULE}/dmr-ipv6-prefix: 64:ff9b::/96. Allowed: a prefix of the operator's own, since"),
    (rules(rule_t(dmr="fe80::/64")), f"{RULE}/dmr-ipv6-prefix: fe80::/64. Allowed: unicast prefixes"),
    (rules(rule_t(dmr="2001:db8:0:1::/64")), f"{RULE}/dmr-ipv6-prefix: 2001:db8:0:1::/64 overlaps the network of interface"),
    (rules(rule_t(dmr="2001:db8::/32")), f"{RULE}/dmr-ipv6-prefix: 2001:db8::/32 has the subscribers of rule rule. Allowed: a prefix apart"),
    (rules(rule_t(), rule("other", "2001:db8:200::/40", "198.51.101.0/24", br="2001:db8:fffe::1")),
     f"{RULE}/dmr-ipv6-prefix: 2001:db8:fffe::/64 overlaps a nat64-prefix, or has the address of an AFTR or BR. Allowed: "),
    (rules(rule_t("other", "2001:db8:200::/40", "198.51.101.0/24"), rule_t(dmr="2001:db8:fffe::/96")),
     f"{RULE}/dmr-ipv6-prefix: 2001:db8:fffe::/96 overlaps 2001:db8:fffe::/64 of rule other. Allowed: the same, or one apart"),
    (rules(rule_t(prefix6="2001:db8:100:0:0:1:2:0/112", ea=2, length=0)),
     f"{RULE}/rule-ipv6-prefix: 112 bits, and subscribers have IPv4 prefixes. Allowed: up to 104 bits"),
    (rules(rule(br="2001:db8:0:1::1")), f"{RULE}/br-ipv6-addr: 2001:db8:0:1::1. Allowed: a global unicast address that no"),
    (rules(rule(prefix6="ff00::/40")), f"{RULE}/rule-ipv6-prefix: ff00::/40. Allowed: a prefix of unicast addresses"),
    (rules(rule(prefix4="224.0.0.0/24")), f"{RULE}/rule-ipv4-prefix: 224.0.0.0/24. Allowed: a prefix of unicast addresses"),
    (rules(rule(prefix4="192.0.2.0/24")),
     f"{RULE}/rule-ipv4-prefix: 192.0.2.0/24 has an address of the box, a pool or a static mapping. Allowed: addresses"),
    (rules(rule(name="n" * 64)), "/name: 64 characters. Allowed: 1 to 63"),
    (rules(rule(), rule("other", prefix4="198.51.101.0/24")),
     "/rule-ipv6-prefix: 2001:db8:100::/40 is that of rule rule. Allowed: a prefix in one rule only"),
    (rules(rule(), rule("other", prefix6="2001:db8:200::/40")),
     "/rule-ipv4-prefix: 198.51.100.0/24 is that of rule rule. Allowed: a prefix in one rule only"),
    (rules(*[rule(f"{n}", f"2001:db8:{n:x}::/48", f"10.{n // 256}.{n % 256}.0/24") for n in range(16385)]),
     "/ietf-softwire-br:br-instances: 16385 instances. Allowed: up to 16384"),
    # destinations by another name
    ({f"{INSTANCE}/mapping-table/mapping-entry/+": destination()},
     f"{DESTINATION}/internal-dst-address: given. Allowed: in an instance that has a policy with dst-nat-enable"),
    ({**RENAMING, f"{INSTANCE}/mapping-table/mapping-entry/+": destination(**{
        "internal-src-address": "100.64.0.8/32"})},
     f"{DESTINATION}/internal-src-address: given. Allowed: an entry has leaves of the source or of the destination"),
    ({**RENAMING, f"{INSTANCE}/mapping-table/mapping-entry/+": destination(**{
        "transport-protocol": 1, "internal-dst-port": {"start-port-number": 7},
        "external-dst-port": {"start-port-number": 7}})},
     f"{DESTINATION}/internal-dst-port: given. Allowed with protocol 1: none, a query's identifier is its"),
    ({**RENAMING, f"{INSTANCE}/mapping-table/mapping-entry/+": destination(outside="198.51.101.0/30")},
     f"{DESTINATION}/external-dst-address: 198.51.101.0/30. Allowed: an IPv4 address with length 32"),
    ({**RENAMING, f"{INSTANCE}/mapping-table/mapping-entry/+": destination(**{
        "transport-protocol": 6, "internal-dst-port": {"start-port-number": 7}})},
     f"{DESTINATION}/external-dst-port: missing. Allowed: ports on both sides, or on none"),
    *(({**RENAMING, f"{INSTANCE}/mapping-table/mapping-entry/+": destination(inside=f"{address}/32")},
       f"{DESTINATION}/internal-dst-address: {address}/32. Allowed: unicast addresses that no interface, pool or static")
      for address in ("203.0.113.2", "192.0.2.1", "224.0.0.1")),
    ({**RENAMING, f"{INSTANCE}/mapping-table/mapping-entry/+": destination(outside="100.64.0.1/32")},
     f"{DESTINATION}/external-dst-address: 100.64.0.1/32. Allowed: unicast addresses that no interface has"),
    ({**RENAMING, f"{INSTANCE}/mapping-table/mapping-entry/+": destination(),
      f"{INSTANCE}/mapping-table/mapping-entry/2": destination(outside="198.51.101.2/32", index=3)},
     "[index='3']/internal-dst-address: mapping-entry 2 has the same destination inside. Allowed: a destination in one"),
    ({**RENAMING, f"{INSTANCE}/mapping-table/mapping-entry/+": destination(),
      f"{INSTANCE}/mapping-table/mapping-entry/2": destination(inside="198.51.100.2/32", index=3, **{
          "transport-protocol": 6})},
     "[index='3']/external-dst-address: mapping-entry 2 has the same destination outside. Allowed: a destination in"),
    ({**RENAMING, f"{INSTANCE}/mapping-table/mapping-entry/+": destination(),
      f"{INSTANCE}/mapping-table/mapping-entry/2": destination("198.51.100.2/32", "198.51.100.1/32", 3)},
     "[index='3']/external-dst-address: mapping-entry 2 has the same destination inside. Allowed: a destination that"),
    ({**RENAMING, f"{INSTANCE}/mapping-table/mapping-entry": [
        destination(f"198.51.{100 + n // 256}.{n % 256}/32", f"198.52.{100 + n // 256}.{n % 256}/32", n)
        for n in range(1025)]},
     f"{NAT}/mapping-table: 1025 destinations, and pools of them. Allowed: up to 1024"),
    ({**NAT64, **RENAMING}, f"{ONE}/dst-nat-enable: true. Allowed: where inside sources are IPv4"),
    (aftr(policy={"dst-nat-enable": True}), f"{ONE}/dst-nat-enable: true. Allowed: where inside sources are IPv4"),
    ({f"{POLICY}/dst-ip-address-pool": [pool()]},
     f"{ONE}/dst-ip-address-pool[pool-id='7']/pool-id: given. Allowed: with dst-nat-enable in the policy"),
    ({**RENAMING, f"{POLICY}/dst-ip-address-pool": [{"pool-id": 7, "dst-out-ip-pool": "198.51.103.0/24"}]},
     f"{ONE}/dst-ip-address-pool[pool-id='7']/dst-in-ip-pool: missing. Allowed: a prefix of destinations"),
    ({**RENAMING, f"{POLICY}/dst-ip-address-pool": [pool("172.16.0.0/12", "10.16.0.0/12")]},
     "[pool-id='7']/dst-in-ip-pool: 172.16.0.0/12. Allowed: prefix lengths 16 to 32"),
    ({**RENAMING, f"{POLICY}/dst-ip-address-pool": [pool(outside="198.51.103.0/25")]},
     "[pool-id='7']/dst-out-ip-pool: 198.51.103.0/25. Allowed: prefix length 24, that of dst-in-ip-pool"),
    ({**RENAMING, f"{POLICY}/dst-ip-address-pool": [pool()],
      f"{INSTANCE}/mapping-table/mapping-entry/+": destination("198.51.102.9/32")},
     f"{ONE}/dst-ip-address-pool[pool-id='7']/dst-in-ip-pool: mapping-entry 2 has the same destination inside."),
    # the box and its upstreams
    ({"homeport:homeport/management/metrics": {"address": "100.64.0.1"}},
     f"{BOX}/management/metrics/address: 100.64.0.1 is an address of interface inside, which has no homeport:host-device."
     " Allowed: an address of an interface that has one, or of the kernel's"),
    ({f"{PLATFORM}/eal-option": ["--lcores=0@0"]},
     f"{BOX}/platform/eal-option: --lcores=0@0 is set by other leaves. Allowed: options of DPDK that neither"),
    ({f"{PLATFORM}/eal-option": ["-m64"]}, f"{BOX}/platform/eal-option: -m64 is set by other leaves. Allowed: "),
    ({f"{PLATFORM}/eal-option": ["--allow=0000:00:01.0"]}, "--allow=0000:00:01.0 is set by other leaves. Allowed: "),
    ({f"{PLATFORM}/fragments/max-waiting": 2048},
     f"{BOX}/platform/fragments/max-waiting: 2048. Allowed: up to 2047, half of packet-buffers"),
    ({f"{PLATFORM}/memory": 64}, f"{BOX}/platform/memory: 64 MiB. Allowed: "),
    ({f"{UPSTREAM}/peer-name": GONE}, f"{ISP}/peer-name: missing, and 127.0.0.1 is no name. Allowed: the DNS"),
    ({f"{UPSTREAM}/domain-prefix/+": "198.51.100.0/24"},
     f"{ISP}/domain-prefix: 198.51.100.0/24 has no address of a pool, static mapping or softwire. Allowed: "),
    ({"homeport:homeport/dots/server/accept": [{"name": "all"}]},
     "accept[name='all']/target-prefix: missing, as is subscriber-prefix: everything would be legitimate. Allowed"),
    ({"homeport:homeport/dots/server/accept": [
        {"name": "ping", "target-prefix": ["192.0.2.9/32"], "protocol": 1, "lower-port": 7}]},
     "accept[name='ping']/lower-port: 7, but the protocol has no ports. Allowed: with protocol 6, 17, 33 or 132"),
    ({f"{UPSTREAM}/name": "operator"},
     "upstream[name='operator']/name: operator is the name of the operator's own mitigations. Allowed: any other"),
    ({f"{UPSTREAM}/action": "rate-limit"},
     f"{ISP}/rate: 0, with action rate-limit. Allowed: 64 or more kbit/s with rate-limit"),
    ({f"{UPSTREAM}/action": "redirect"},
     f"{ISP}/action: redirect, but there is no scrubber. Allowed: with dots/server/scrubber"),
    ({f"{UPSTREAM}/class": [{"name": "a", "action": "redirect"}]},
     f"{ISP}/class[name='a']/action: redirect, but there is no scrubber. Allowed: with dots/server/scrubber"),
    ({f"{SERVER}/inspect": {"action": "inspect"}},
     f"{BOX}/dots/server/inspect/action: inspect, of what has been inspected. Allowed: any other; to go on"),
    ({f"{SERVER}/inspect": {"action": "rate-limit"}},
     f"{BOX}/dots/server/inspect/rate: 0, with action rate-limit. Allowed: 64 or more kbit/s with rate-limit"),
    ({f"{SERVER}/inspect": {"capture-port": {"interface": "ids", "link-layer-address": "02:00:00:00:00:09"}}},
     f"{BOX}/dots/server/inspect/capture-port/interface: ids is no interface that is enabled. Allowed: the name"),
    ({f"{SERVER}/inspect": {"capture-port": {"interface": "inside", "link-layer-address": "01:00:00:00:00:09"}}},
     f"{BOX}/dots/server/inspect/capture-port/link-layer-address: 01:00:00:00:00:09. Allowed: a unicast address"),
    ({f"{SERVER}/scrubber": {"next-hop-address": "203.0.113.99"}},
     f"{BOX}/dots/server/scrubber/next-hop-address: 203.0.113.99 is in no network of any interface. Allowed: "),
    ({f"{SERVER}/scrubber": {"ipv6-next-hop-address": "2001:db8:77::99"}},
     f"{BOX}/dots/server/scrubber/ipv6-next-hop-address: 2001:db8:77::99 is in no network of any interface. Allowed: "),
    ({f"{SERVER}/scrubber": {"next-hop-address": "192.0.2.1"}},
     f"{BOX}/dots/server/scrubber/next-hop-address: 192.0.2.1 is the box's own. Allowed: a neighbour's"),
    ({f"{UPSTREAM}/class": [{"name": "a", "action": "rate-limit"}]},
     f"{ISP}/class[name='a']/rate: 0, with action rate-limit. Allowed: 64 or more kbit/s with rate-limit"),
    ({f"{UPSTREAM}/class": [{"name": "a", "action": "block", "protocol": [6, 1], "lower-port": 7}]},
     f"{ISP}/class[name='a']/lower-port: 7, but protocol 1 has no ports. Allowed: with protocols 6, 17, 33 and"),
    ({"homeport:homeport/dots/hook": "/nowhere/hook"},
     f"{BOX}/dots/hook: /nowhere/hook: No such file or directory. Allowed: a program that can be run"),
    ({f"{UPSTREAM}/certificate": "pki/none.pem"}, f"{ISP}: ", "pki/none.pem"),
    ({f"{UPSTREAM}/private-key": "pki/upstream.key"}, f"{ISP}: ", "key"),
    ({**NO_CERTIFICATE, f"{UPSTREAM}/psk-file": "pki/none.psk", f"{UPSTREAM}/psk-identity": "box"},
     f"{ISP}: pre-shared keys ", "pki/none.psk: No such file"),
    ({**NO_CERTIFICATE, f"{UPSTREAM}/psk-file": "pki/ca.key", f"{UPSTREAM}/psk-identity": "box"},
     f"{ISP}: pre-shared keys ", "line 1: no colon. Allowed: IDENTITY:KEY"),
]

# Files that are no configuration at all.
TEXTS = [
    ("", "/"),
    ("{", "/"),
    ("[]", "/"),
    ('{"ietf-interfaces:interfaces": {"interface": [], "interface": []}}', "/"),
    ("{} trailing", "/"),
    ("{\x00}", "holds a zero byte"),
]

# Several faults in one file are told at one time.
SEVERAL = (
    {f"{INSIDE}/ipv4/mtu": 100, f"{ROUTES}/0/next-hop/next-hop-address": "192.0.2.1",
     f"{POLICY}/port-set/port-set-size": 63, f"{STATIC}/lifetime": 1, f"{PLATFORM}/memory": 64,
     f"{UPSTREAM}/certificate": "pki/none.pem"},
    f"{IN}/ietf-ip:ipv4/mtu: 100. ", "192.0.2.1 is the box's own. ", f"{ONE}/port-set/port-set-size: 63. ",
    f"{ENTRY}/lifetime: set. ")
