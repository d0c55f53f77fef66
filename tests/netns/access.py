# SPDX-License-Identifier: BSD-3-Clause
"""The ways in which the lab's subscribers reach the box, and the Internet hosts behind it.

Each changes a configuration of the box, and the two subscribers' hosts before and after it has started. Those with
softwires have IPv4 by a TUN device of b4.py, all with the same private address, and, where the box does not
translate, translate in their own namespace to the ports that are theirs.
"""
import ipaddress
import subprocess

import lab

PYTHON = "/usr/bin/python3"
B4 = str(lab.ROOT / "tests/netns/b4.py")

INSIDE6 = "2001:db8:0:2::/63"
BOX6, ATTACKER6, NEIGHBOUR6 = "2001:db8:0:2::1", "2001:db8:0:2::10", "2001:db8:0:2::11"
HOSTS6 = {"attacker": ATTACKER6, "neighbour": NEIGHBOUR6}
BOX_OUTSIDE6, VICTIM6, OTHER6 = "2001:db8:0:1::1", "2001:db8:0:1::10", "2001:db8:0:1::20"
PREF64 = "2001:db8:64::/96"
CONCENTRATOR = "2001:db8:ffff::1"  # the AFTR or border relay
AT_HOME = "192.168.1.10"
ROUTER = "192.0.0.2"  # of a home that translates
TUNNEL = 40  # bytes of outer header


def interfaces(config):
    return {i["name"]: i for i in config["ietf-interfaces:interfaces"]["interface"]}


def policy_of(config):
    return config["ietf-nat:nat"]["instances"]["instance"][0]["policy"][0]


def by_pref64(address):
    """What an IPv4 host is called behind a NAT64 (RFC 6052)."""
    return str(ipaddress.ip_network(PREF64)[int(ipaddress.ip_address(address))])


class Nat44:
    """Subscribers have IPv4 addresses of their own."""
    victim, other = lab.VICTIM, lab.OTHER  # as subscribers know them
    source = lab.POOL                      # as the outside knows the attacker
    holder = f"{lab.ATTACKER}/32"          # as the operator knows him
    inside = lab.ATTACKER                  # where the box says he is
    attack_size = 28 + 64                  # bytes of a packet of the attack, as they are counted
    target = f"{lab.VICTIM}/32"            # the victim in a report

    def rule(self):
        """What a rule that stops his UDP to the victim matches."""
        return {"ipv4": {"source-ipv4-network": self.holder, "destination-ipv4-network": self.target, "protocol": 17}}

    def configure(self, config):
        pass

    def attach(self, world):
        """Before the box starts."""

    def connect(self, world):
        """When it runs."""


class OverIpv6(Nat44):
    """Subscribers have IPv6 addresses alone."""
    hosts6 = HOSTS6
    holder, inside = f"{ATTACKER6}/128", ATTACKER6

    def rule(self):
        return {"homeport-acl:subscriber": self.holder,
                "ipv4": {"destination-ipv4-network": self.target, "protocol": 17}}

    def configure(self, config):
        inside = interfaces(config)["inside"]
        mtu = inside.pop("ietf-ip:ipv4")["mtu"]
        inside["ietf-ip:ipv6"] = {"mtu": mtu, "address": [{"ip": BOX6, "prefix-length": 64}]}

    def attach(self, world):
        for host, address in self.hosts6.items():
            world.ip(host, "addr", "flush", "dev", "eth0", "scope", "global")
            world.ip(host, "addr", "add", f"{address}/64", "dev", "eth0", "nodad")

    def connect(self, world):
        for host in self.hosts6:
            world.ip(host, "-6", "route", "add", "default", "via", BOX6)


class Ipv6(OverIpv6):
    """Nothing is translated: the Internet has IPv6 too."""
    victim, other, source = VICTIM6, OTHER6, ATTACKER6
    target = f"{VICTIM6}/128"
    inside, attack_size = None, 48 + 64

    def rule(self):
        return {"ipv6": {"source-ipv6-network": self.holder, "destination-ipv6-network": self.target, "protocol": 17}}

    def configure(self, config):
        super().configure(config)
        interfaces(config)["outside"]["ietf-ip:ipv6"] = {
            "address": [{"ip": BOX_OUTSIDE6, "prefix-length": 64}]}
        del config["ietf-nat:nat"]
        for upstream in config["homeport:homeport"].get("dots", {"server": {}})["server"].get("upstream", []):
            upstream["domain-prefix"] = [INSIDE6]
        config["homeport:homeport"]["ipv6"] = {"subscriber-network": [
            {"prefix": INSIDE6, "subscriber-length": 128}]}

    def attach(self, world):
        super().attach(world)
        for host, address in (("victim", VICTIM6), ("other", OTHER6)):
            world.ip(host, "addr", "add", f"{address}/64", "dev", "eth0", "nodad")
            world.ip(host, "-6", "route", "add", INSIDE6, "via", BOX_OUTSIDE6)


class Nat64(OverIpv6):
    victim, other = by_pref64(lab.VICTIM), by_pref64(lab.OTHER)

    def configure(self, config):
        super().configure(config)
        config["ietf-nat:nat"]["instances"]["instance"][0]["type"] = "ietf-nat:nat64"
        policy_of(config).update({
            "subscriber-match": [{"match-id": 1, "subnet": INSIDE6}], "subscriber-mask-v6": 128,
            "nat64-prefixes": [{"nat64-prefix": PREF64}]})


class Softwires(OverIpv6):
    """IPv4 in IPv6, between a home and the box."""
    growth = TUNNEL

    def end(self, host):
        """The home's end of its tunnel."""
        return HOSTS6[host]

    def home(self, host):
        """The rules of the home's own router, as nft reads them."""
        return ""

    def configure(self, config):
        super().configure(config)
        # a fragment that the kernel has lost is not to be waited for when a test ends
        config["homeport:homeport"]["platform"]["reassembly"] = {"timeout": 2}

    def make_tunnel(self, world, host):
        """Makes the device that takes the home's IPv4 packets."""
        tunnel = world.start(host, PYTHON, B4, "tunnel", self.end(host), CONCENTRATOR, stdout=subprocess.PIPE)
        if tunnel.stdout.readline() != "ready\n":
            raise lab.Failed("no tunnel")
        tunnel.stdout.close()

    def connect(self, world):
        super().connect(world)
        for host in self.hosts6:
            self.make_tunnel(world, host)
            world.ip(host, "addr", "add", f"{AT_HOME}/32", "dev", "tunnel")
            world.ip(host, "link", "set", "tunnel", "up", "mtu", 1500 - self.growth)
            world.ip(host, "route", "add", "default", "dev", "tunnel", "src", AT_HOME)
            if self.home(host):
                world.exec(host, "nft", "-f", "-", input=self.home(host))


class DsLite(Softwires):
    inside = AT_HOME

    def configure(self, config):
        super().configure(config)
        config["ietf-interfaces:interfaces"]["interface"].append({
            "name": "aftr", "type": "homeport:dslite-aftr", "ietf-dslite:ipv6-address": CONCENTRATOR})
        config["ietf-nat:nat"]["instances"]["instance"][0]["per-interface-binding"] = "dslite"
        policy_of(config).update({
            "subscriber-match": [{"match-id": 1, "subnet": INSIDE6}], "subscriber-mask-v6": 128})


class SharedAddress(Softwires):
    """The home translates to its ports of an address that it shares (A+P)."""
    inside = None

    def ranges(self, host):
        """The home's ports: pairs of first and last."""
        raise NotImplementedError

    def home(self, host):
        """Ports that are the home's stay as they are; for others the ranges are used by turns."""
        ranges = [f"{first}-{last}" for first, last in self.ranges(host)]
        chains = [f"chain range{n} {{\n meta l4proto {{ tcp, udp, icmp }} snat to {lab.POOL}:{range_}\n}}"
                  for n, range_ in enumerate(ranges)]
        turns = ", ".join(f"{n} : goto range{n}" for n in range(len(ranges)))
        return "\n".join(["table ip home {", *chains, f"""
            chain out {{
                type nat hook postrouting priority srcnat
                oifname tunnel meta l4proto {{ tcp, udp }} th sport {{ {", ".join(ranges)} }} snat to {lab.POOL}
                oifname tunnel numgen inc mod {len(ranges)} vmap {{ {turns} }}
            }}
            chain back {{
                type nat hook prerouting priority dstnat
                iifname tunnel dnat to {AT_HOME}
            }}
        }}"""])


class Lw4o6(SharedAddress):
    psid = {"attacker": 4, "neighbour": 5}
    length = 6

    def ranges(self, host):
        size = 65536 >> self.length
        return [(self.psid[host] * size, (self.psid[host] + 1) * size - 1)]

    def configure(self, config):
        super().configure(config)
        del config["ietf-nat:nat"]
        config["ietf-softwire-br:br-instances"] = {"binding": {"bind-instance": [{
            "name": "lw", "softwire-num-max": 100, "softwire-payload-mtu": 1460, "softwire-path-mru": 1500,
            "binding-table": {"binding-entry": [
                {"binding-ipv6info": HOSTS6[host], "binding-ipv4-addr": lab.POOL, "br-ipv6-addr": CONCENTRATOR,
                 "port-set": {"psid-offset": 0, "psid-len": self.length, "psid": psid}}
                for host, psid in self.psid.items()]}}]}}


class Lw4o6BesideNat44(Lw4o6):
    """The neighbour has IPv4 as without softwires, by another outside address."""
    hosts6, psid = {"attacker": ATTACKER6}, {"attacker": 4}
    pool = "203.0.113.8"

    def configure(self, config):
        inside, nat = interfaces(config)["inside"], config["ietf-nat:nat"]
        with_ipv4 = inside["ietf-ip:ipv4"]
        super().configure(config)
        inside["ietf-ip:ipv4"], config["ietf-nat:nat"] = with_ipv4, nat
        policy_of(config)["external-ip-address-pool"] = [{"pool-id": 1, "external-ip-pool": f"{self.pool}/32"}]


class MapE(SharedAddress):
    """The rule leaves 12 EA bits: the last eight of the address, and a PSID of four, each of 63 ranges of 64 ports."""
    psid = {"attacker": 3, "neighbour": 4}
    offset, length = 6, 4
    rule6, rule4 = ipaddress.ip_network("2001:db8:100::/44"), ipaddress.ip_network("203.0.113.0/24")
    ea = 12

    def prefix(self, host):
        ea = (int(ipaddress.ip_address(lab.POOL)) & 0xff) << self.length | self.psid[host]
        length = self.rule6.prefixlen + self.ea
        return ipaddress.ip_network((int(self.rule6.network_address) | ea << (128 - length), length))

    @property
    def holder(self):
        return str(self.prefix("attacker"))

    def end(self, host):
        """RFC 7597 section 6."""
        return str(self.prefix(host)[int(ipaddress.ip_address(lab.POOL)) << 16 | self.psid[host]])

    def ranges(self, host):
        size = 65536 >> self.offset >> self.length
        starts = (a << (16 - self.offset) | self.psid[host] * size for a in range(1, 1 << self.offset))
        return [(start, start + size - 1) for start in starts]

    def configure(self, config):
        super().configure(config)
        del config["ietf-nat:nat"]
        config["ietf-softwire-br:br-instances"] = {"algorithm": {"algo-instance": [{
            "name": "rule", "enable": True, "ea-len": self.ea, "rule-ipv6-prefix": str(self.rule6),
            "rule-ipv4-prefix": str(self.rule4), "forwarding": True, "br-ipv6-addr": CONCENTRATOR,
            "port-set": {"psid-offset": self.offset, "psid-len": self.length, "psid": 0}}]}}
        config["ietf-routing:routing"] = {"control-plane-protocols": {"control-plane-protocol": [{
            "type": "ietf-routing:static", "name": "static", "static-routes": {
                "ietf-ipv6-unicast-routing:ipv6": {"route": [
                    {"destination-prefix": str(self.prefix(host)),
                     "next-hop": {"next-hop-address": address}} for host, address in HOSTS6.items()]}}}]}}

    def attach(self, world):
        super().attach(world)
        for host in HOSTS6:
            world.ip(host, "addr", "add", f"{self.end(host)}/128", "dev", "lo", "nodad")


class MapT(MapE):
    """The home's own router translates once more, to IPv6 (tayga, which maps one address to one): it forwards then."""
    dmr = "2001:db8:fffe::/64"
    growth = 0  # the device has the packets of both families

    def configure(self, config):
        super().configure(config)
        rule = config["ietf-softwire-br:br-instances"]["algorithm"]["algo-instance"][0]
        del rule["br-ipv6-addr"]
        rule["dmr-ipv6-prefix"] = self.dmr
        # or large pings would reach the home's translator in fragments, which it does not take
        rule["homeport:lowest-ipv6-mtu"] = 1500

    def attach(self, world):
        OverIpv6.attach(self, world)

    def make_tunnel(self, world, host):
        folder = world.folder / f"tayga-{host}"
        folder.mkdir()
        file = folder / "tayga.conf"
        file.write_text(f"tun-device tunnel\nipv4-addr {ROUTER}\nipv6-addr {self.prefix(host)[1]}\nprefix {self.dmr}\n"
                        f"map {lab.POOL} {self.end(host)}\ndata-dir {folder}\n")
        world.exec(host, "tayga", "-c", file, "--mktun")
        world.start(host, "tayga", "-c", file, "-d", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        world.sysctl(host, "net.ipv6.conf.all.forwarding", 1)

    def connect(self, world):
        super().connect(world)
        for host in HOSTS6:
            world.ip(host, "-6", "route", "add", str(self.prefix(host)), "dev", "tunnel")
            world.ip(host, "route", "change", "default", "dev", "tunnel", "src", AT_HOME, "mtu", 1480)


def start(world, access, **more):
    """Starts a box whose subscribers reach it in this way; returns its configuration."""
    access.attach(world)
    config = world.config(**more)
    access.configure(config)
    world.start_box(config)
    access.connect(world)
    return config
