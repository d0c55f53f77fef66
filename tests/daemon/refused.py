# SPDX-License-Identifier: BSD-3-Clause
"""Every way in which a configuration can be wrong: what is changed in base.py's, and what is said about it.

One line is one case. test_refusals.py looks that every message of lib/conf/check*.c is said by some case, so a new
check needs its line here.
"""
from base import GONE, INSIDE, INSTANCE, OUTSIDE, PLATFORM, POLICY, ROUTES, STATIC, UPSTREAM

IFACES = "/ietf-interfaces:interfaces"
IN = f"{IFACES}/interface[name='inside']"
OUT = f"{IFACES}/interface[name='outside']"
NAT = "/ietf-nat:nat/instances/instance[id='1']"
ONE = f"{NAT}/policy[id='1']"
ENTRY = f"{NAT}/mapping-table/mapping-entry[index='1']"
BOX = "/homeport:homeport"
ISP = f"{BOX}/dots/server/upstream[name='isp']"
ROUTE = "route[destination-prefix="


def another(device, **leaves):
    """One more interface."""
    return {"name": "more", "type": "iana-if-type:ethernetCsmacd", "homeport:device": device,
            "homeport:realm": "internal", **leaves}


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
    ({f"{PLATFORM}/workers": 0}, "workers", "1 to 64"),
    ({f"{PLATFORM}/memory": 63}, "memory", "64 to 4194304"),
    ({f"{PLATFORM}/packet-buffers": 1}, "packet-buffers", "2048 to 16777215"),
    ({f"{ROUTES}/0/next-hop": {}}, "next-hop"),
    ({f"{INSTANCE}/type": "ietf-nat:basic-nat"}, f"{NAT}/type"),
    ({f"{POLICY}/port-set": {}}, "port-set-size", "0 to 65535"),
    ({f"{STATIC}/internal-src-port": {"start-port-number": 90, "end-port-number": 80}},
     f"{ENTRY}/internal-src-port/end-port-number: The end-port-number must be greater than or equal"),
    ({f"{UPSTREAM}/certificate": GONE}, "certificate"),
    ({f"{UPSTREAM}/port": 0}, "port", "1 to 65535"),
    ({f"{UPSTREAM}/transport": ["dtls", "sctp"]}, "transport", "dtls, tls"),
    ({f"{UPSTREAM}/heartbeat-interval": 14}, "heartbeat-interval", "15 to 240"),
    ({f"{UPSTREAM}/consent": "maybe"}, "consent"),
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
    ({f"{OUTSIDE}/ipv4/address/+": {"ip": "100.64.3.1", "prefix-length": 24}},
     "/ip: 100.64.3.1/24 overlaps 100.64.0.0/10 of interface inside. Allowed: a network on one interface only"),
    ({f"{INSIDE}/ipv4/neighbor/0/ip": "10.1.1.1"},
     "/ip: 10.1.1.1 is in no network of the interface. Allowed: an address of one of them"),
    ({f"{INSIDE}/ipv4/neighbor/0/ip": "100.64.0.1"},
     "/ip: 100.64.0.1 is the box's own. Allowed: another station's"),
    ({f"{INSIDE}/ipv4/mtu": 575}, f"{IN}/ietf-ip:ipv4/mtu: 575. Allowed: 576 to 9600"),
    ({f"{INSIDE}/ipv4/mtu": 9601}, f"{IN}/ietf-ip:ipv4/mtu: 9601. Allowed: 576 to 9600"),
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
     "/destination-prefix: 127.0.0.0/8. Allowed: a unicast network that is not loopback"),
    ({"routing/control-plane-protocols/control-plane-protocol/+": {
        "type": "ietf-routing:static", "name": "more", "static-routes": {"ietf-ipv4-unicast-routing:ipv4": {
            "route": [{"destination-prefix": "0.0.0.0/0", "next-hop": {"special-next-hop": "blackhole"}}]}}}},
     "/destination-prefix: 0.0.0.0/0 stands twice. Allowed: one route for each destination"),
    ({f"{ROUTES}/1/next-hop/special-next-hop": "unreachable"},
     "/next-hop/special-next-hop: unreachable. Allowed: blackhole"),
    # the translator
    ({f"{INSTANCE}/type": GONE}, f"{NAT}/type: missing. Allowed: ietf-nat:napt44"),
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
     f"{ONE}/homeport:port-set-size: 64. Allowed: nothing, with port-allocation-type port-range-allocation"),
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
    # destinations that are left alone
    ({f"{INSTANCE}/nat-pass-through": [{"id": 1, "prefix": "224.0.0.0/4"}]},
     "nat-pass-through[id='1']/prefix: 224.0.0.0/4. Allowed: IPv4 prefixes of unicast addresses"),
    ({f"{INSTANCE}/nat-pass-through": [{"id": 1, "prefix": "203.0.113.1/32"}]},
     "nat-pass-through[id='1']/prefix: 203.0.113.1/32 has an outside address in it. Allowed: destinations"),
    ({f"{INSTANCE}/nat-pass-through": [{"id": 1, "prefix": "198.51.100.0/24", "port": 0}]},
     "nat-pass-through[id='1']/port: 0. Allowed: 1 to 65535, or none for all traffic"),
    ({f"{INSTANCE}/nat-pass-through": [{"id": n, "prefix": f"198.51.100.{n}/32"} for n in range(65)]},
     f"{NAT}/nat-pass-through: 65 entries. Allowed: up to 64"),
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
    # the box and its upstreams
    ({f"{PLATFORM}/eal-option": ["--lcores=0@0"]},
     f"{BOX}/platform/eal-option: --lcores=0@0 is set by other leaves. Allowed: options of DPDK that neither"),
    ({f"{PLATFORM}/memory": 64}, f"{BOX}/platform/memory: 64 MiB. Allowed: "),
    ({f"{UPSTREAM}/peer-name": GONE}, f"{ISP}/peer-name: missing, and 127.0.0.1 is no name. Allowed: the DNS"),
    ({f"{UPSTREAM}/domain-prefix/+": "198.51.100.0/24"},
     f"{ISP}/domain-prefix: 198.51.100.0/24 has no address of a pool or static mapping. Allowed: prefixes"),
    ({"homeport:homeport/dots/server/accept": [{"name": "all"}]},
     "accept[name='all']/target-prefix: missing, as is subscriber-prefix: everything would be legitimate. Allowed"),
    ({"homeport:homeport/dots/server/accept": [
        {"name": "ping", "target-prefix": ["192.0.2.9/32"], "protocol": 1, "lower-port": 7}]},
     "accept[name='ping']/lower-port: 7, but the protocol has no ports. Allowed: with protocol 6, 17, 33 or 132"),
    ({f"{UPSTREAM}/certificate": "pki/none.pem"}, f"{ISP}: ", "pki/none.pem"),
    ({f"{UPSTREAM}/private-key": "pki/upstream.key"}, f"{ISP}: ", "key"),
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
