# SPDX-License-Identifier: BSD-3-Clause
"""Hosts in network namespaces around one homeportd, for the tests and the demo.

    attacker ─┐                                   ┌─ victim
              ├─ access ── inside [box] outside ── internet
    neighbour ┘    (bridge)      │    (bridge)    └─ other
                               mgmt
                                 └── upstream

Subscribers have addresses of 100.64.0.0/10, the Internet hosts of 198.51.100.0/24; the pool is
203.0.113.7 alone, so that the subscribers share it. Everything made here is removed by Lab.close(): the
processes by the very handles they were started with, the namespaces by name.
"""
import itertools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("HOMEPORT_BUILD", ROOT / "build"))
HOMEPORTD = BUILD / "app/homeportd/homeportd"
HOMEPORT = BUILD / "app/homeport/homeport"
DOTSC = BUILD / "app/homeport-dotsc/homeport-dotsc"

POOL = "203.0.113.7"
BOX_INSIDE = "100.64.0.1"
BOX_OUTSIDE = "198.51.100.1"
ATTACKER = "100.64.0.10"
NEIGHBOUR = "100.64.0.11"
VICTIM = "198.51.100.10"
OTHER = "198.51.100.20"
BOX_MGMT = "192.168.255.1"
UPSTREAM = "192.168.255.2"
UPSTREAM_NAME = "upstream.example.net"

DEADLINE = 60.0  # for anything that must happen; generous, for machines with other work
_number = itertools.count()


class Failed(Exception):
    """Something that had to be seen was not."""


def wait_for(what, condition, deadline=DEADLINE):
    """Polls until condition() is true and returns its value; raises Failed after the deadline."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"not seen within {deadline:.0f} s: {what}")
        time.sleep(0.02)


def run(*words, check=True, **options):
    return subprocess.run([str(w) for w in words], check=check, capture_output=True, text=True,
                          **options)


class Lab:
    def __init__(self):
        self.prefix = f"hp{os.getpid()}x{next(_number)}"
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="homeport-lab-"))
        self.namespaces = []
        self.processes = []
        self.links = 0
        self.box = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # namespaces and links

    def name(self, host):
        return f"{self.prefix}-{host}"

    def add_host(self, host):
        run("ip", "netns", "add", self.name(host))
        self.namespaces.append(host)
        self.ip(host, "link", "set", "lo", "up")
        for scope in ("all", "default"):
            self.sysctl(host, f"net.ipv6.conf.{scope}.autoconf", 0)
            self.sysctl(host, f"net.ipv6.conf.{scope}.accept_ra", 0)

    def sysctl(self, host, name, value):
        self.exec(host, "sysctl", "-qw", f"{name}={value}")

    def ip(self, host, *words):
        return run("ip", "-n", self.name(host), *words)

    def exec(self, host, *words, check=True, **options):
        return run("ip", "netns", "exec", self.name(host), *words, check=check, **options)

    def link(self, host, device, peer, peer_device, kernel=True):
        """A cable between two hosts. What homeportd carries must have true checksums and true sizes."""
        self.links += 1
        ends = [(host, device, f"hpa{os.getpid() % 100000}-{self.links}"),
                (peer, peer_device, f"hpb{os.getpid() % 100000}-{self.links}")]
        run("ip", "link", "add", ends[0][2], "type", "veth", "peer", "name", ends[1][2])
        for owner, name, temporary in ends:
            run("ip", "link", "set", temporary, "netns", self.name(owner), "name", name)
            self.exec(owner, "ethtool", "-K", name, "rx", "off", "tx", "off", "sg", "off", "tso",
                      "off", "gso", "off", "gro", "off")
            if owner == "box" and not kernel:
                # the kernel hears what homeportd carries too, and is not to answer
                self.sysctl(owner, f"net.ipv6.conf.{name}.disable_ipv6", 1)
                self.sysctl(owner, f"net.ipv4.conf.{name}.rp_filter", 1)
                self.sysctl(owner, f"net.ipv4.conf.{name}.arp_ignore", 1)
            self.ip(owner, "link", "set", name, "up")

    def add_bridge(self, host):
        self.add_host(host)
        self.ip(host, "link", "add", "bridge", "type", "bridge")
        self.ip(host, "link", "set", "bridge", "up")

    def plug(self, bridge, host, device, kernel=True):
        port = f"to-{host}"[:15]
        self.link(host, device, bridge, port, kernel)
        self.ip(bridge, "link", "set", port, "master", "bridge")

    def subscriber(self, host, address):
        self.add_host(host)
        self.plug("access", host, "eth0")
        self.ip(host, "addr", "add", f"{address}/10", "dev", "eth0")
        self.ip(host, "route", "add", "default", "via", BOX_INSIDE)

    def internet_host(self, host, address):
        self.add_host(host)
        self.plug("internet", host, "eth0")
        self.ip(host, "addr", "add", f"{address}/24", "dev", "eth0")
        self.ip(host, "route", "add", "203.0.113.0/24", "via", BOX_OUTSIDE)

    def build(self, wire=False):
        """The hosts of the picture; with `wire` a host of that name between box and upstream, which
        carries nothing by itself (cable.py)."""
        self.add_host("box")
        self.add_bridge("access")
        self.add_bridge("internet")
        self.plug("access", "box", "inside", kernel=False)
        self.plug("internet", "box", "outside", kernel=False)
        self.subscriber("attacker", ATTACKER)
        self.subscriber("neighbour", NEIGHBOUR)
        self.internet_host("victim", VICTIM)
        self.internet_host("other", OTHER)
        self.add_host("upstream")
        if wire:
            self.add_host("wire")
            self.link("box", "mgmt", "wire", "box")
            self.link("wire", "upstream", "upstream", "mgmt")
        else:
            self.link("box", "mgmt", "upstream", "mgmt")
        self.ip("box", "addr", "add", f"{BOX_MGMT}/30", "dev", "mgmt")
        self.ip("upstream", "addr", "add", f"{UPSTREAM}/30", "dev", "mgmt")
        return self

    # processes

    def start(self, host, *words, **options):
        process = subprocess.Popen(
            ["ip", "netns", "exec", self.name(host)] + [str(w) for w in words], text=True, **options)
        self.processes.append(process)
        return process

    def stop(self, process, deadline=DEADLINE):
        """Ends a process in good order and returns its exit code."""
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(deadline)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise Failed(f"{process.args[4]} did not end within {deadline:.0f} s of SIGTERM")
        self.processes.remove(process)
        return code

    # the box

    def config(self, workers=1, transports=("dtls",), pool=POOL + "/32", dots=True, queues=1, **more):
        """A configuration of the box; `more` replaces parts: mtu_inside, mtu_outside, policy."""
        qpairs = f",qpairs={queues}" if queues > 1 else ""
        config = {
            "ietf-interfaces:interfaces": {"interface": [
                self._iface("inside", "internal", BOX_INSIDE, 10, qpairs,
                            more.get("mtu_inside", 1500)),
                self._iface("outside", "external", BOX_OUTSIDE, 24, qpairs,
                            more.get("mtu_outside", 1500))]},
            "ietf-nat:nat": {"instances": {"instance": [{
                "id": 1, "name": "cgn", "type": "ietf-nat:napt44",
                "policy": [{
                    "id": 1,
                    "external-ip-address-pool": [{"pool-id": 1, "external-ip-pool": pool}],
                    "subscriber-match": [{"match-id": 1, "subnet": "100.64.0.0/10"}],
                    "port-allocation-type": "port-range-allocation",
                    "port-set": {"port-set-size": 512},
                    **more.get("policy", {})}]}]}},
            "homeport:homeport": {
                "platform": {"workers": workers, "huge-pages": False, "idle-sleep": 50,
                             "max-mappings": 65536, "max-sessions": 65536,
                             "max-subscribers": 1024},
                "management": {"socket": str(self.folder / "homeport.sock")}},
        }
        if dots:
            config["homeport:homeport"]["dots"] = {"server": {"upstream": [{
                "name": "isp", "address": UPSTREAM, "transport": list(transports),
                "certificate": "pki/box.pem", "private-key": "pki/box.key", "ca": "pki/ca.pem",
                "peer-name": UPSTREAM_NAME, "domain-prefix": ["203.0.113.0/24"]}]}}
        return config

    @staticmethod
    def _iface(name, realm, address, length, qpairs, mtu):
        return {"name": name, "type": "iana-if-type:ethernetCsmacd", "homeport:realm": realm,
                "homeport:device": f"net_af_packet_{name},iface={name}{qpairs}",
                "ietf-ip:ipv4": {"mtu": mtu,
                                 "address": [{"ip": address, "prefix-length": length}]}}

    def start_box(self, config, *words):
        file = self.folder / "homeport.json"
        file.write_text(json.dumps(config, indent=1))
        self.box_log = open(self.folder / "homeportd.log", "a+")
        self.box = self.start("box", HOMEPORTD, "-c", file, *words, stdout=subprocess.PIPE,
                              stderr=self.box_log,
                              env={**os.environ, "HOMEPORT_YANG": str(ROOT / "yang")})
        if self.box.stdout.readline() != "ready\n":
            raise Failed("homeportd did not start: " + self.log_text())
        return self.box

    def reload(self, config):
        before = self.log_text().count("\n")
        (self.folder / "homeport.json").write_text(json.dumps(config, indent=1))
        self.box.send_signal(signal.SIGHUP)
        wait_for("the configuration is loaded",
                 lambda: "in force" in "\n".join(self.log_text().split("\n")[before:]))

    def log_text(self):
        return (self.folder / "homeportd.log").read_text()

    def stop_box(self):
        code = self.stop(self.box)
        self.box.stdout.close()
        self.box_log.close()
        self.box = None
        return code

    def homeport(self, *words, check=True):
        """Asks the box; returns the answer's JSON, or the finished process with check=False."""
        done = run(HOMEPORT, "-s", self.folder / "homeport.sock", "-j", *words, check=False)
        if not check:
            return done
        if done.returncode not in (0, 3, 4):
            raise Failed(f"homeport {' '.join(words)}: {done.stderr}")
        return json.loads(done.stdout)

    def counters(self):
        return self.homeport("show", "counters")["homeport:homeport"]["statistics"]

    def verdicts(self):
        """The verdicts that happened, by name."""
        return {v["name"]: int(v["packets"]) for v in self.counters()["verdict"]
                if int(v["packets"])}

    def acls(self):
        return self.homeport("show", "acls")["ietf-access-control-list:acls"]["acl"]

    def make_pki(self):
        """A CA, the upstream's certificate and the box's, in folder/pki."""
        run(ROOT / "scripts/make-pki", self.folder / "pki", UPSTREAM_NAME, "cgn.example.net")
        return self.folder / "pki"

    def close(self):
        for process in list(self.processes):
            if process.poll() is None:
                process.kill()
            process.wait()
        for host in self.namespaces:
            run("ip", "netns", "del", self.name(host), check=False)
        shutil.rmtree(self.folder, ignore_errors=True)
