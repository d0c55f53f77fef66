# SPDX-License-Identifier: BSD-3-Clause
"""Subscribers' homes as Call Home DOTS servers of the box, over its packet ports: upstream, box, home.

The homes are tests/dots/testserver, which is lib/dots with a table for a resolver: what it would close is
printed as it comes and goes.
"""
import itertools
import json
import os
import re
import signal
import subprocess
import time

import lab
import pytest
from story import Lines

TESTSERVER = lab.BUILD / "tests/dots/testserver"
BOX_NAME = "cgn.example.net"
HOMES = {"attacker": lab.ATTACKER, "neighbour": lab.NEIGHBOUR}
FLOOD_PORT = 5555
BOX_INSIDE6 = "2001:db8:64::1"


class Homes:
    """The box with an upstream and two homes."""

    def __init__(self, world, relay="home-then-box", transport="dtls", rate=20000, networks=(), warning=None,
                 management=None, **client):
        self.lab = world
        self.mids = itertools.count(1)
        self.homes = {}
        names = [f"{name}.example.net" for name in HOMES]
        subprocess.run([lab.ROOT / "scripts/make-pki", world.folder / "pki", lab.UPSTREAM_NAME,
                        BOX_NAME, *names], check=True)
        self.pki = world.folder / "pki"
        self.config = world.config()
        (world.folder / "homes.psk").write_text("".join(f"{name}:{n:032x}\n" for n, name in enumerate(HOMES)))
        (world.folder / "homes.psk").chmod(0o600)
        inside = self.config["ietf-interfaces:interfaces"]["interface"][0]
        inside["homeport:host-device"] = "hp-inside"
        self.config["homeport:homeport"]["platform"]["host-packet-rate"] = rate
        self.config["homeport:homeport"]["management"].update(management or {})
        dots = self.config["homeport:homeport"]["dots"]
        if networks:
            self.config["homeport:homeport"]["ipv6"] = {"subscriber-network": networks}
            dots["server"]["upstream"][0]["domain-prefix"] += [n["prefix"] for n in networks]
        if warning:
            dots["certificate-warning"] = warning
        dots["server"]["upstream"][0]["relay"] = relay
        dots["client"] = {
            "certificate": "pki/homes.pem", "private-key": "pki/homes.key", "ca": "pki/ca.pem",
            "listener": [{"address": lab.BOX_INSIDE, "port": 4647}], "confirm-time": 2,
            "home": [{"name": name, "certificate-name": f"{name}.example.net",
                      "subscriber": f"{address}/32"} for name, address in HOMES.items()],
            **client}
        dots["client"] = {leaf: value for leaf, value in dots["client"].items() if value}
        if any(":" in listener["address"] for listener in dots["client"]["listener"]):
            inside["ietf-ip:ipv6"] = {"address": [{"ip": BOX_INSIDE6, "prefix-length": 64}]}
        self.client = world.start(
            "upstream", lab.DOTSC, "--listen", lab.UPSTREAM, "--cert", self.pki / "upstream.pem",
            "--key", self.pki / "upstream.key", "--ca", self.pki / "ca.pem", "--script", "-",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.events = Lines(self.client)
        self.events.wait("the upstream listens", lambda e: e["event"] == "listening")
        self.transport = transport
        world.start_box(self.config)
        self.events.wait("the session comes up", lambda e: e["event"] == "up")

    def dial(self, name, transport=None, certificate=None, where=None, host=lab.BOX_INSIDE, files=None, address=None):
        """Starts a home; returns the lines that it prints. `files` are its credentials, if no certificate, `address`
        is its own as the box knows it."""
        number = list(HOMES).index(certificate or name) + 1
        process = self.lab.start(
            where or name, TESTSERVER, "--upstream",
            f"name=box,host={host},port=4647,peer={BOX_NAME},"
            f"transport={transport or self.transport},retry-interval=60",
            *(files or ["--cert", self.pki / f"home-{number}.pem", "--key", self.pki / f"home-{number}.key",
                        "--ca", self.pki / "ca.pem"]), f"{address or HOMES[name]}=192.168.1.10",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.homes[name] = process
        return Lines(process)

    def state(self, name):
        home, = self.lab.homeport("show", "dots", name)["homeport:homeport"]["dots"]["client"]["home"]
        return home["state"]

    def wait_ready(self, name):
        lab.wait_for(f"{name} has a session", lambda: self.state(name)["status"] == "ready")

    def counters(self):
        return self.lab.homeport("show", "dots")["homeport:homeport"]["dots"]["client"]["state"]

    def open_port(self, name):
        """One packet towards the victim: the outside port behind it."""
        self.lab.exec(name, "/usr/bin/python3", "-c", f"""
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", {FLOOD_PORT}))
s.sendto(b"x", ("{lab.VICTIM}", 7777))
""")

        def mapping():
            table = self.lab.homeport("show", "mappings")["ietf-nat:nat"]["instances"]["instance"]
            for entry in table[0]["mapping-table"].get("mapping-entry", []):
                if entry["internal-src-address"] == f"{HOMES[name]}/32":
                    return entry["external-src-port"]["start-port-number"]
            return None
        return lab.wait_for("the mapping", mapping)

    def ask(self, command):
        self.client.stdin.write(command + "\n")
        self.client.stdin.flush()
        return self.events.wait(command, lambda e: e["event"] in ("reply", "error", "timeout")
                                and not e.get("automatic"))

    def mitigate(self, port, *more):
        reply = self.ask(" ".join([
            f"mitigate --source {lab.POOL} --source-port {port} --target {lab.VICTIM}/32",
            "--protocol 17 --lifetime 600", *more]))
        assert reply["code"] == "2.01", reply
        return reply["mid"]

    def kill(self, name):
        self.homes[name].send_signal(signal.SIGKILL)
        self.homes[name].wait()

    def end(self):
        assert self.lab.stop_box() == 0
        assert "error" not in self.lab.log_text()


@pytest.mark.parametrize("transport", ["dtls", "tls"])
def test_home_confirms(world, transport):
    """NA-01, OB-08: the home closes the target to its own address and port; the box has no rule, and the
    upstream sees what it asked for. The withdrawal reaches the home."""
    box = Homes(world, transport=transport)
    home = box.dial("attacker")
    box.wait_ready("attacker")
    port = box.open_port("attacker")
    mid = box.mitigate(port)
    rule = home.wait("the home's rule", lambda line: line.get("event") == "acl-add")
    assert rule["subscriber"] == "192.168.1.10" and rule["target"] == f"{lab.VICTIM}/32"
    lab.wait_for("it is confirmed", lambda: box.state("attacker")["confirmed"] == 1)
    assert world.acls() == []
    scope, = world.homeport("show", "mitigations")["ietf-dots-signal-channel:dots-signal"]["scope"]
    assert scope["ietf-dots-call-home:source-prefix"] == [f"{lab.POOL}/32"]
    assert box.ask(f"withdraw --mid {mid}")["code"] == "2.02"
    home.wait("the rule is gone", lambda line: line.get("event") == "acl-remove")
    assert box.state("attacker")["transport"] == transport
    box.end()


@pytest.mark.parametrize("transport", ["dtls", "tls"])
def test_home_over_ipv6(world, transport):
    """The listener has an IPv6 address; the home, which may come from anywhere, has one too. What it is asked is about
    the subscriber's IPv4 address."""
    box = Homes(world, transport=transport, listener=[{"address": BOX_INSIDE6, "port": 4647}],
                home=[{"name": "attacker", "certificate-name": "attacker.example.net",
                       "subscriber": f"{lab.ATTACKER}/32", "any-source": True}])
    world.ip("attacker", "addr", "add", "2001:db8:64::10/64", "dev", "eth0", "nodad")
    home = box.dial("attacker", host=BOX_INSIDE6)
    box.wait_ready("attacker")
    assert box.state("attacker")["peer-address"] == "2001:db8:64::10"
    mid = box.mitigate(box.open_port("attacker"))
    home.wait("the home's rule", lambda line: line.get("event") == "acl-add")
    lab.wait_for("it is confirmed", lambda: box.state("attacker")["confirmed"] == 1)
    assert world.acls() == []
    assert box.ask(f"withdraw --mid {mid}")["code"] == "2.02"
    home.wait("the rule is gone", lambda line: line.get("event") == "acl-remove")
    box.end()


@pytest.mark.parametrize("transport", ["dtls", "tls"])
def test_home_of_a_prefix(world, transport):
    """CH-05, NA-01: the home of an IPv6 prefix dials from an address in it, and is asked about that address; who has its
    certificate at another address is refused."""
    box = Homes(world, transport=transport, listener=[{"address": BOX_INSIDE6, "port": 4647}],
                home=[{"name": "attacker", "certificate-name": "attacker.example.net",
                       "subscriber": "2001:db8:64::10/124"}],
                networks=[{"prefix": "2001:db8:64::/64", "subscriber-length": 124}])
    for host, address in (("attacker", "2001:db8:64::10"), ("neighbour", "2001:db8:64::20")):
        world.ip(host, "addr", "add", f"{address}/64", "dev", "eth0", "nodad")
    box.dial("attacker", where="neighbour", host=BOX_INSIDE6)
    lab.wait_for("it is refused", lambda: int(box.counters()["misplaced"]) > 0)
    assert box.counters()["ready"] == 0
    box.kill("attacker")
    home = box.dial("attacker", host=BOX_INSIDE6, address="2001:db8:64::10")
    box.wait_ready("attacker")
    assert box.state("attacker")["peer-address"] == "2001:db8:64::10"
    reply = box.ask("mitigate --source 2001:db8:64::10/128 --target 2001:db8:ffff::1/128 --protocol 17 --lifetime 600")
    assert reply["code"] == "2.01", reply
    rule = home.wait("the home's rule", lambda line: line.get("event") == "acl-add")
    assert rule["target"] == "2001:db8:ffff::1/128"
    lab.wait_for("it is confirmed", lambda: box.state("attacker")["confirmed"] == 1)
    assert world.acls() == []
    box.end()


def test_certificate_that_ends_soon(world):
    """A home's certificate that is about to end shows in show dots, in the log and in the metrics."""
    box = Homes(world, warning=60, management={"metrics": {"address": "127.0.0.1", "port": 9647}})
    world.ip("box", "link", "set", "lo", "up")
    box.dial("attacker")
    box.wait_ready("attacker")
    said, = box.state("attacker")["warning"]
    assert said.startswith("the certificate of a home expires on ")
    # once a day, and when the configuration asks for it
    box.config["homeport:homeport"]["dots"]["certificate-warning"] = 61
    (world.folder / "homeport.json").write_text(json.dumps(box.config))
    world.box.send_signal(signal.SIGHUP)
    lab.wait_for("a line of the log", lambda: f"attacker: {said}" in world.log_text())
    shown = world.exec("box", "/usr/bin/python3", "-c", "import urllib.request as u\n"
                       "print(u.urlopen('http://127.0.0.1:9647/metrics').read().decode())").stdout
    ends = re.search(r'^homeport_certificate_end_timestamp_seconds\{upstream="",certificate="peer"\} (\S+)', shown, re.M)
    assert 0 < float(ends.group(1)) - time.time() < 31 * 86400
    box.end()


@pytest.mark.parametrize("transport", ["dtls", "tls"])
def test_home_with_a_key(world, transport):
    """CH-08: a pre-shared key says whose home it is; one of another home does not pass at this address."""
    box = Homes(world, transport=transport, **{
        "certificate": None, "private-key": None, "ca": None, "psk-file": "homes.psk",
        "home": [{"name": name, "psk-identity": name, "subscriber": f"{address}/32"}
                 for name, address in HOMES.items()]})

    def key(name):
        return ["--psk-identity", name, "--psk-file", world.folder / "homes.psk"]
    home = box.dial("attacker", files=key("attacker"))
    box.wait_ready("attacker")
    assert box.state("attacker")["cipher"] in ("ECDHE-PSK-CHACHA20-POLY1305", "TLS_AES_128_GCM_SHA256")
    box.mitigate(box.open_port("attacker"))
    home.wait("the home's rule", lambda line: line.get("event") == "acl-add")
    lab.wait_for("it is confirmed", lambda: box.state("attacker")["confirmed"] == 1)
    assert world.acls() == []
    box.dial("neighbour", files=key("attacker"))
    lab.wait_for("it is refused", lambda: int(box.counters()["misplaced"]) > 0)
    assert box.counters()["ready"] == 1 and "certificate-expires" not in box.counters()
    box.end()


def test_home_that_does_not_read(world):
    """A home that takes nothing from its socket any more keeps nobody waiting: the box steps in, another home is
    served, and once it reads again it carries out what it was asked."""
    box = Homes(world, transport="tls")
    slow, good = box.dial("attacker"), box.dial("neighbour")
    box.wait_ready("attacker")
    box.wait_ready("neighbour")
    box.homes["attacker"].send_signal(signal.SIGSTOP)
    box.mitigate(box.open_port("attacker"))
    lab.wait_for("the box's rule", lambda: len(world.acls()) == 1)
    box.mitigate(box.open_port("neighbour"))
    good.wait("the other home's rule", lambda line: line.get("event") == "acl-add")
    assert len(world.acls()) == 1 and box.counters()["stepped-in"] == "1"
    box.homes["attacker"].send_signal(signal.SIGCONT)
    slow.wait("the home's rule", lambda line: line.get("event") == "acl-add")
    lab.wait_for("it is confirmed", lambda: box.state("attacker")["confirmed"] == 1)
    assert len(world.acls()) == 1  # it stays until the mitigation ends
    box.end()


def test_box_steps_in(world):
    """A home that is killed in the middle, and one that was never there."""
    box = Homes(world)
    home = box.dial("attacker", transport="tls")
    box.wait_ready("attacker")
    box.mitigate(box.open_port("attacker"))
    home.wait("the home's rule", lambda line: line.get("event") == "acl-add")
    assert world.acls() == []
    box.kill("attacker")
    lab.wait_for("the box's rule", lambda: len(world.acls()) == 1)
    assert box.counters()["stepped-in"] == "1"
    box.mitigate(box.open_port("neighbour"))
    assert len(world.acls()) == 2
    box.end()


def test_strangers(world):
    """CH-05, CH-11: somebody else's certificate at a subscriber's address, none at all, and the
    drop-list."""
    box = Homes(world, **{"drop-list": {"failures": 3, "window": 3600, "duration": 3600}})
    box.dial("attacker", certificate="neighbour")
    lab.wait_for("it is refused", lambda: int(box.counters()["misplaced"]) > 0)
    assert box.counters()["ready"] == 0
    for _ in range(3):
        world.exec("neighbour", "openssl", "s_client", "-connect", f"{lab.BOX_INSIDE}:4647",
                   "-tls1_2", check=False, input="", timeout=60)
    lab.wait_for("the failures", lambda: int(box.counters()["failed"]) >= 3)
    listed = world.homeport("show", "dots")["homeport:homeport"]["dots"]["client"]["drop-list"]
    assert [s["prefix"] for s in listed["source"]] == [f"{lab.NEIGHBOUR}/32"]
    box.dial("neighbour")
    lab.wait_for("it is turned away", lambda: int(box.counters()["not-admitted"]) > 0)
    assert box.counters()["ready"] == 0
    assert re.search(r"NOT-LISTENED-TO.*\n" + re.escape(lab.NEIGHBOUR),
                     lab.run(lab.HOMEPORT, "-s", world.folder / "homeport.sock", "show",
                             "dots").stdout)
    assert world.stop_box() == 0


def test_reload(world):
    """Homes come and go with a reload; the others keep their sessions, and so does everybody when the
    certificate is another."""
    box = Homes(world)
    box.dial("attacker")
    box.dial("neighbour")
    box.wait_ready("attacker")
    box.wait_ready("neighbour")
    subprocess.run([lab.ROOT / "scripts/make-pki", world.folder / "other", lab.UPSTREAM_NAME,
                    BOX_NAME], check=True)
    client = box.config["homeport:homeport"]["dots"]["client"]
    del client["home"][1]
    client.update({"certificate": "other/homes.pem", "private-key": "other/homes.key"})
    (world.folder / "homeport.json").write_text(json.dumps(box.config))
    world.box.send_signal(signal.SIGHUP)
    lab.wait_for("one home", lambda: box.counters()["configured"] == 1)
    assert box.state("attacker")["sessions"] == "1"
    assert box.counters()["ready"] == 1
    assert world.homeport("show", "dots", "neighbour", check=False).returncode == 1
    box.end()


def test_shown_is_valid(world):
    """What is shown of homes is instance data of homeport.yang."""
    box = Homes(world)
    box.dial("attacker")
    box.wait_ready("attacker")
    for words in ((), ("attacker",)):
        file = world.folder / "shown.json"
        file.write_text(json.dumps(world.homeport("show", "dots", *words)))
        done = subprocess.run(
            ["yanglint", "-t", "get", "-p", lab.ROOT / "yang",
             *sorted((lab.ROOT / "yang").glob("homeport@*.yang")), file],
            capture_output=True, text=True, env={**os.environ})
        assert done.returncode == 0, done.stderr
    box.end()
