# SPDX-License-Identifier: BSD-3-Clause
"""What networks and machines do to a Call Home session, and mitigations through it all: none is lost, none is
there twice, none outlives its lifetime (RFC 9132 sections 4.4.1, 4.7 and 7.2; RFC 9066 section 5.2.1).

Between the box and the upstream is a cable that does what it is told (cable.py). The lab is one for all cases; box and
upstream are each case's own.
"""
import json
import signal
import subprocess
import time

import lab
import pytest
from story import PYTHON, Lines

BOTH = pytest.mark.parametrize("transport", ["dtls", "tls"])
MOVED = "192.168.255.5"  # where the upstream goes
PORTS = {"attacker": 5555, "neighbour": 6666}
PATIENCE = 150  # a handshake that fails is tried again after a minute


class Line:
    """The cable, the upstream, the box and its subscribers."""

    def __init__(self, world):
        self.lab = world
        self.pki = world.make_pki()
        self.cable = world.start("wire", PYTHON, lab.ROOT / "tests/netns/cable.py", "box", "upstream",
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.done = json.loads(self.cable.stdout.readline())
        world.ip("upstream", "addr", "add", f"{MOVED}/29", "dev", "mgmt")
        world.ip("box", "addr", "add", "192.168.255.6/29", "dev", "mgmt")

    def faults(self, **what):
        """From now on; returns what the cable has done since the last time."""
        self.cable.stdin.write(json.dumps(what) + "\n")
        self.cable.stdin.flush()
        before, self.done = self.done, json.loads(self.cable.stdout.readline())
        return {name: count - before[name] for name, count in self.done.items()}

    def upstream(self, address=lab.UPSTREAM):
        self.client = self.lab.start(
            "upstream", lab.DOTSC, "--listen", address, "--cert", self.pki / "upstream.pem", "--key",
            self.pki / "upstream.key", "--ca", self.pki / "ca.pem", "--timeout", 5, "--script", "-",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.events = Lines(self.client)
        for _ in range(2):  # DTLS and TLS
            self.events.wait("the upstream listens", lambda e: e["event"] == "listening")

    def box(self, transports, *words):
        config = self.lab.config(transports=transports)
        dots = config["homeport:homeport"]["dots"]
        dots["state-file"] = "state.db"
        dots["server"]["upstream"][0]["retry-interval"] = 60
        self.config = config
        self.lab.start_box(config, *words)

    def up(self):
        return self.events.wait("the session", lambda e: e["event"] == "up", PATIENCE)["transport"]

    def kill(self, process):
        process.kill()
        process.wait()
        process.stdout.close()
        self.lab.processes.remove(process)

    def begin(self, transports, *words):
        self.upstream()
        self.box(transports, *words)
        return self.up()

    def sources(self):
        """A packet of each subscriber towards the victim, and the outside ports behind which they are."""
        for host, port in PORTS.items():
            self.lab.exec(host, PYTHON, "-c", f"""
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", {port}))
s.sendto(b"x", ("{lab.VICTIM}", 7777))
""")

        def mapped():
            table = self.lab.homeport("show", "mappings")["ietf-nat:nat"]["instances"]["instance"]
            found = {e["internal-src-port"]["start-port-number"]:
                     e["external-src-port"]["start-port-number"]
                     for e in table[0]["mapping-table"].get("mapping-entry", [])}
            return len(found) == len(PORTS) and {h: found[p] for h, p in PORTS.items()}
        return lab.wait_for("the mappings", mapped)

    def say(self, command):
        self.client.stdin.write(command + "\n")
        self.client.stdin.flush()
        return self.events.wait(command, lambda e: e["event"] in ("reply", "timeout", "error") and
                                not e.get("automatic"))

    def insist(self, command):
        """Gives the command again and again until there is an answer to it, as an operator would."""
        while True:
            reply = self.say(command)
            if reply["event"] == "reply":
                return reply

    def mitigate(self, mid, port, lifetime=600):
        return self.insist(
            f"mitigate --source {lab.POOL} --source-port {port} --target {lab.VICTIM}/32 "
            f"--protocol 17 --mid {mid} --lifetime {lifetime}")

    def ruled(self):
        """Whom the box has rules for; two rules for one are two entries."""
        return sorted(acl["aces"]["ace"][0]["matches"]["ipv4"]["source-ipv4-network"]
                      for acl in self.lab.acls())

    def known(self):
        """The mids that the upstream sees."""
        reply = self.insist("get --all")
        if reply["code"] == "4.04":
            return []
        scope = reply["body"]["ietf-dots-signal-channel:mitigation-scope"]["scope"]
        return sorted(s["mid"] for s in scope)

    def audit(self):
        shown = self.lab.homeport("show", "audit")["homeport:homeport"]["dots"]["audit"]
        return sorted((int(record["mid"]), record["outcome"]) for record in shown)

    def state(self):
        shown = self.lab.homeport("show", "dots")["homeport:homeport"]["dots"]["server"]
        return shown["upstream"][0]["state"]

    def advance(self, seconds):
        self.lab.homeport("test", "advance", str(seconds))

    def end(self):
        assert self.lab.stop_box() == 0
        self.client.stdin.close()


ATTACKER, NEIGHBOUR = f"{lab.ATTACKER}/32", f"{lab.NEIGHBOUR}/32"


@pytest.fixture(scope="module")
def cable():
    with lab.Lab() as made:
        yield Line(made.build(wire=True))


@pytest.fixture
def line(cable):
    yield cable
    cable.faults()
    for process in [p for p in (cable.lab.box, cable.client) if p in cable.lab.processes]:
        cable.kill(process)
    (cable.lab.folder / "state.db").unlink(missing_ok=True)


@pytest.mark.parametrize("faults, counted", [
    ({"loss": 30}, ["lost"]),
    ({"delay": 0.5}, ["carried"]),
    ({"reorder": 40, "double": 30}, ["late", "doubled"]),
], ids=["loss", "delay", "reorder"])
@BOTH
def test_a_bad_line(line, transport, faults, counted):
    """From the first packet on. What is asked for again because an answer was lost is one mitigation;
    the one that is withdrawn and the one whose time is over end, and the third stays."""
    line.faults(**faults)
    assert line.begin([transport]) == transport
    port = line.sources()
    assert line.mitigate(1, port["attacker"])["code"] in ("2.01", "2.04")
    assert line.mitigate(2, port["neighbour"])["code"] in ("2.01", "2.04")
    assert line.ruled() == [ATTACKER, NEIGHBOUR]
    assert line.mitigate(1, port["attacker"])["code"] == "2.04"
    assert line.insist("withdraw --mid 1")["code"] == "2.02"
    assert line.ruled() == [NEIGHBOUR]
    assert line.mitigate(3, port["attacker"], lifetime=3)["code"] in ("2.01", "2.04")
    lab.wait_for("its end", lambda: line.ruled() == [NEIGHBOUR])
    assert line.known() == [2]
    # a request that arrives again after its end begins again: at most the record is there twice
    assert set(line.audit()) == {(1, "withdrawn"), (2, "open"), (3, "expired")}
    done = line.faults()
    assert all(done[count] for count in counted), done
    line.end()


def test_udp_is_swallowed(line):
    """DTLS never answers, so it is TLS (RFC 9132 section 4.3)."""
    line.faults(swallow="udp")
    assert line.begin(["dtls", "tls"]) == "tls"
    port = line.sources()
    assert line.mitigate(1, port["attacker"])["code"] == "2.01"
    assert line.ruled() == [ATTACKER]
    assert line.faults()["swallowed"] > 0
    line.end()


def silence(line):
    """Time goes on until the box gives the session up."""
    for _ in range(20):
        line.advance(30)
        if line.state()["status"] != "up":
            return
    raise lab.Failed("the box held on to the session")


def come_back(line):
    """Time goes on until there is a session again."""
    def dialled():
        line.advance(1)
        return line.state()["status"] == "up"
    lab.wait_for("the box is back", dialled)
    return line.up()


def test_udp_is_swallowed_in_the_middle(line):
    """The session falls silent, comes back over TLS, and finds its mitigations."""
    assert line.begin(["dtls", "tls"], "--test-clock") == "dtls"
    port = line.sources()
    line.mitigate(1, port["attacker"], lifetime=3600)
    line.mitigate(2, port["neighbour"], lifetime=400)
    line.faults(swallow="udp")
    silence(line)
    assert line.ruled() == [ATTACKER]  # nobody could withdraw the other, and its time is over
    assert come_back(line) == "tls"
    assert line.mitigate(1, port["attacker"], lifetime=3600)["code"] == "2.04"
    assert line.ruled() == [ATTACKER] and line.known() == [1]
    line.end()


@BOTH
def test_nothing_arrives(line, transport):
    """A lifetime ends at its time, session or not."""
    assert line.begin([transport], "--test-clock") == transport
    port = line.sources()
    line.mitigate(1, port["attacker"], lifetime=60)
    line.faults(swallow="all")
    line.advance(59)
    assert line.ruled() == [ATTACKER]
    line.advance(2)
    assert line.ruled() == []
    assert line.audit() == [(1, "expired")]
    line.end()


@BOTH
def test_upstream_restarts(line, transport):
    """It is killed, and another process with its certificate asks again."""
    assert line.begin([transport], "--test-clock") == transport
    port = line.sources()
    line.mitigate(1, port["attacker"], lifetime=3600)
    line.kill(line.client)
    lab.wait_for("it is missed", lambda: line.advance(30) or line.state()["status"] != "up")
    assert line.ruled() == [ATTACKER]
    line.upstream()
    assert come_back(line) == transport
    assert line.mitigate(1, port["attacker"], lifetime=100)["code"] == "2.04"
    assert line.ruled() == [ATTACKER] and line.known() == [1]
    line.advance(101)
    assert line.ruled() == []
    line.end()


@BOTH
def test_upstream_moves(line, transport):
    """The upstream goes to another address while an attack is on, and the operator follows."""
    assert line.begin([transport], "--test-clock") == transport
    port = line.sources()
    line.mitigate(1, port["attacker"], lifetime=3600)
    line.kill(line.client)
    line.upstream(MOVED)
    upstream, = line.config["homeport:homeport"]["dots"]["server"]["upstream"]
    upstream["address"] = MOVED
    (line.lab.folder / "homeport.json").write_text(json.dumps(line.config))
    line.lab.box.send_signal(signal.SIGHUP)
    lab.wait_for("the reload", lambda: MOVED in str(line.lab.homeport("show", "config")))
    assert come_back(line) == transport
    assert line.ruled() == [ATTACKER] and line.known() == [1]
    assert line.mitigate(1, port["attacker"], lifetime=100)["code"] == "2.04"
    line.advance(101)
    assert line.ruled() == []
    assert line.audit() == [(1, "expired")]
    line.end()


@BOTH
def test_box_is_killed(line, transport):
    """kill -9 in the middle: the next process has the rules again before it is ready, and what ended while
    there was none is not among them."""
    assert line.begin([transport]) == transport
    port = line.sources()
    line.mitigate(1, port["attacker"], lifetime=3600)
    line.mitigate(2, port["neighbour"], lifetime=4)
    until = time.time() + 4  # the lifetime is wall time over restarts
    line.kill(line.lab.box)
    line.box([transport])
    assert ATTACKER in line.ruled()
    assert line.up() == transport
    assert line.mitigate(1, port["attacker"], lifetime=3600)["code"] == "2.04"
    line.kill(line.lab.box)
    lab.wait_for("the second one's time is over", lambda: time.time() > until)
    line.box([transport])
    assert line.ruled() == [ATTACKER]
    assert line.up() == transport
    assert line.known() == [1]
    assert line.insist("withdraw --mid 1")["code"] == "2.02"
    assert line.ruled() == []
    assert line.audit() == [(1, "withdrawn"), (2, "expired")]
    line.end()
