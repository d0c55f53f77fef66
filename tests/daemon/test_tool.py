# SPDX-License-Identifier: BSD-3-Clause
"""homeport: every command as a table and as JSON of the models, and how it exits."""
import json
import re
import socket
import struct
import subprocess
import threading

import pytest

import traffic
from base import UPSTREAM, base, changed
from conftest import BUILD, HOMEPORT, PATIENCE, Daemon
from yanglint import yanglint

DOTSC = BUILD / "app/homeport-dotsc/homeport-dotsc"
COMMANDS = ["interfaces", "mappings", "bindings", "subscribers", "acls", "counters", "workers", "dots", "mitigations", "config"]
ATTACKER = "100.64.0.10"


class Upstream:
    """An upstream network's client, which reads commands."""

    def __init__(self, pki):
        self.process = subprocess.Popen(
            [DOTSC, "--listen", "127.0.0.1:0", "--cert", pki / "upstream.pem", "--key", pki / "upstream.key",
             "--ca", pki / "ca.pem", "--script", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = self.wait("listening")["port"]

    def wait(self, event, **members):
        for line in self.process.stdout:
            told = json.loads(line)
            if told["event"] == event and members.items() <= told.items():
                return told
        raise AssertionError(f"the upstream ended before {event}")

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.wait("reply", command=command.split()[0])

    def close(self):
        self.process.kill()
        self.process.communicate()


@pytest.fixture(scope="module")
def box(tmp_path_factory, pki):
    """A box with mappings, a session with its upstream, and a mitigation; its clock stands still."""
    made, upstream = Daemon(tmp_path_factory.mktemp("box"), pki), Upstream(pki)
    try:
        traffic.write(made.folder, *traffic.of_three_hosts())
        made.start(changed({f"{UPSTREAM}/port": upstream.port}), "--test-clock")
        upstream.wait("up")
        made.attack = made.wait_for("the mapping of the attacker", lambda: attack(made))
        address, port = made.attack
        reply = upstream.ask(f"mitigate --source {address} --source-port {port} --target {traffic.VICTIM}/32 "
                             "--protocol udp --lifetime 3600")
        assert reply["code"] == "2.01", reply
        yield made
    finally:
        made.close()
        upstream.close()


def attack(box):
    """The outside address and port of the attacker's mapping, or None."""
    for instance in box.ask("show", "mappings")["ietf-nat:nat"]["instances"]["instance"]:
        for entry in instance["mapping-table"].get("mapping-entry", []):
            if entry["internal-src-address"] == f"{ATTACKER}/32":
                return (entry["external-src-address"].split("/")[0],
                        str(entry["external-src-port"]["start-port-number"]))
    return None


@pytest.mark.parametrize("what", COMMANDS)
def test_json_is_of_the_models(box, tmp_path, what):
    """RFC 7951, in full paths from the root of the modules."""
    done = yanglint(box.ask("show", what), tmp_path / "data.json")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words", [("udp",), ("17", "--at", "1000000000"), ("udp", "--tolerance", "60")])
def test_lookup_is_of_the_model(box, tmp_path, words):
    done = yanglint(box.ask("lookup", *box.attack, *words), tmp_path / "data.json")
    assert done.returncode == 0, done.stderr


def test_a_wrong_answer_would_be_seen(box, tmp_path):
    """yanglint is no rubber stamp: a leaf of another type, or one that no model has, is refused."""
    for path in ("received", "nonsense"):
        data = box.ask("show", "counters")
        data["homeport:homeport"]["statistics"][path] = "x"
        assert yanglint(data, tmp_path / "data.json").returncode


def rows(text):
    """The rows of a table by the names of its columns."""
    head, *lines = text.splitlines()
    starts = [found.start() for found in re.finditer(r"\S+", head)]
    return [{head[a:b].strip(): line[a:b].strip() for a, b in zip(starts, starts[1:] + [None])}
            for line in lines if line]


TABLES = {
    "interfaces": {"INTERFACE": "inside", "REALM": "internal", "STATE": "up", "MAC": "02:00:00:00:00:01",
                   "ADDRESSES": "100.64.0.1/10", "IN": "3"},
    "mappings": {"INSTANCE": "1", "TYPE": "dynamic-implicit", "PROTOCOL": "udp", "INTERNAL": f"{ATTACKER}:5555"},
    "subscribers": {"INSTANCE": "1", "SUBSCRIBER": f"{ATTACKER}/32", "UDP": "1", "TCP": "0", "MITIGATED": "yes"},
    "acls": {"SOURCE": f"{ATTACKER}/32", "TARGET": f"{traffic.VICTIM}/32", "PROTOCOL": "udp", "PACKETS": "0"},
    "dots": {"UPSTREAM": "isp", "STATUS": "up", "TRANSPORT": "dtls", "NAME": "upstream.example.net",
             "MITIGATIONS": "1"},
    "mitigations": {"TARGET": f"{traffic.VICTIM}/32", "STOPPED": f"{ATTACKER}/32", "PACKETS": "0"},
}


@pytest.mark.parametrize("what", TABLES)
def test_table(box, what):
    """The same as words in columns, some row of which says this."""
    done = box.homeport("show", what)
    assert done.returncode == 0 and done.stderr == ""
    assert any(TABLES[what].items() <= row.items() for row in rows(done.stdout)), done.stdout


def test_counters_in_a_table(box):
    text = box.homeport("show", "counters").stdout
    assert re.search(r"^received +3$", text, re.M) or re.search(r"^received .* 3$", text, re.M)
    assert re.search(r"^nat44-out +forward +3$", text, re.M)
    assert "drop-" not in text  # what never happened is not shown
    assert rows(text.split("\n\n")[1])[0]["MAPPINGS"] == "3"


def test_workers_in_a_table(box):
    text, summary = box.homeport("show", "workers").stdout.split("\n\n")
    row, = rows(text)
    assert (row["RECEIVED"], row["TAKEN-OVER"], row["STEERED"], row["MAPPINGS"]) == ("3", "0", "0%", "3")
    assert int(row["PORT-SETS"]) > 0 and re.fullmatch(r"\d+%", row["BUSY"])
    assert summary.startswith("imbalance: 0%")  # of one


def test_config_is_what_was_given(box):
    shown = json.loads(box.homeport("show", "config").stdout)
    given = json.loads(box.file.read_text())
    assert shown["ietf-routing:routing"] == given["ietf-routing:routing"]
    assert shown == box.ask("show", "config")


def test_lookup(box):
    """0: this is who it was; with the port before the PROTOCOL as name or as number."""
    for protocol in ("udp", "17"):
        done = box.homeport("lookup", *box.attack, protocol)
        assert done.returncode == 0
        row, = rows(done.stdout)
        assert (row["SUBSCRIBER"], row["INTERNAL"], row["PORT"]) == (f"{ATTACKER}/32", ATTACKER, "5555")


def test_lookup_of_nobody(box):
    """3: a port that nobody holds, and an address that is not the box's, which is said."""
    free = next(p for p in range(1024, 65536, 64)
                if box.homeport("lookup", "203.0.113.9", p, "udp").returncode == 3)
    assert box.homeport("lookup", "203.0.113.9", free, "udp").stdout == "nobody\n"
    done = box.homeport("lookup", "198.51.100.1", 1, "udp")
    assert done.returncode == 3 and "no outside address of this box" in done.stderr


@pytest.mark.parametrize("words, told", [
    ([], "which command"), (["shaw"], "unknown command"), (["show"], "unknown command"),
    (["show", "nothing"], "unknown command"), (["show", "acls", "all"], "wrong number of words"),
    (["lookup", "203.0.113.1"], "wrong number of words"), (["--nonsense"], "unknown option"),
    (["lookup", "nowhere", "1", "udp"], "address: nowhere. Allowed: "),
    (["lookup", "203.0.113.1", "65536", "udp"], "port: 65536. Allowed: 0 to 65535"),
    (["lookup", "203.0.113.1", "1", "carrot"], "protocol: carrot. Allowed: icmp, icmpv6, tcp, udp, 1 to 255"),
    (["lookup", "203.0.113.1", "1", "udp", "--at", "noon"], "--at noon. Allowed: "),
    (["lookup", "203.0.113.1", "1", "udp", "--tolerance", "86401"], "--tolerance 86401. Allowed: "),
    (["test", "advance", "-1"], "seconds: -1. Allowed: 0 to 1000000000"),
])
def test_usage(box, words, told):
    done = box.homeport(*words)
    assert (done.returncode, done.stdout) == (2, "") and told in done.stderr


def test_help_names_every_command():
    text = subprocess.run([HOMEPORT, "--help"], capture_output=True, text=True, check=True).stdout
    assert all(f"show {what}" in text for what in COMMANDS) and "lookup ADDRESS PORT PROTOCOL" in text


def test_options_may_come_last_and_socket_from_the_environment(box):
    done = subprocess.run([HOMEPORT, "show", "dots", "-j"], capture_output=True, text=True,
                          env={"HOMEPORT_SOCKET": str(box.socket)})
    assert done.returncode == 0 and "homeport:homeport" in json.loads(done.stdout)


def test_nobody_listens(tmp_path):
    for path in (tmp_path / "none.sock", tmp_path / ("s" * 200)):
        done = subprocess.run([HOMEPORT, "-s", path, "show", "counters"], capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (1, "")
        assert str(path) in done.stderr


def test_advance(box):
    """A held clock moves as told, and what was due is done when the command returns."""
    left = {e["index"]: e["lifetime"] for i in box.ask("show", "mappings")["ietf-nat:nat"]["instances"]["instance"]
            for e in i["mapping-table"]["mapping-entry"] if "lifetime" in e}
    assert box.homeport("test", "advance", 7).returncode == 0
    for instance in box.ask("show", "mappings")["ietf-nat:nat"]["instances"]["instance"]:
        for entry in instance["mapping-table"]["mapping-entry"]:
            if "lifetime" in entry:
                assert entry["lifetime"] == left[entry["index"]] - 7


def test_advance_is_refused_while_the_clock_runs(daemon):
    traffic.write(daemon.folder)
    daemon.start(base())
    done = daemon.homeport("test", "advance", 1)
    assert done.returncode == 1 and "started without --test-clock" in done.stderr
    assert daemon.stop() == 0


# A daemon that says anything

def frame(kind, code=0, data=b""):
    return struct.pack("!cBxxI", kind, code, len(data)) + data


HOLDERS = json.dumps({"homeport:homeport": {"resolve": {"answer": {"ambiguous": True, "holder": [
    {"service": "nat44", "subscriber": f"100.64.0.{n}/32"} for n in (1, 2)]}}}}).encode()


@pytest.mark.parametrize("reply, code, out, err", [
    (frame(b"d", 0, HOLDERS) + frame(b"z", 4), 4, "100.64.0.2/32", ""),
    (frame(b"d", 0, HOLDERS[:20]) + frame(b"d", 0, HOLDERS[20:]) + frame(b"z"), 0, "100.64.0.1/32", ""),
    (frame(b"e", 3, b"not mine"), 3, "", "not mine"),
    (frame(b"d", 0, HOLDERS[:20]) + frame(b"e", 1, b"the worker sleeps"), 1, "", "the worker sleeps"),
    (frame(b"d", 0, b"{nonsense") + frame(b"z"), 1, "", "no JSON"),
    (frame(b"d", 0, HOLDERS), 1, "", "closed the connection"),
    (frame(b"d", 0, HOLDERS)[:50], 1, "", "closed the connection"),
    (b"", 1, "", "closed the connection"),
])
def test_replies(tmp_path, reply, code, out, err):
    """The exit code is the reply's; a broken reply is a failure. 4: several may have been it."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()

        def serve():
            connection, _ = listener.accept()
            with connection:
                length, = struct.unpack("!I", connection.recv(4, socket.MSG_WAITALL))
                assert connection.recv(length, socket.MSG_WAITALL) == b"lookup\0" b"1.2.3.4\0" b"5\0udp\0"
                connection.sendall(reply)

        server = threading.Thread(target=serve, daemon=True)
        server.start()
        done = subprocess.run([HOMEPORT, "-s", tmp_path / "s", "lookup", "1.2.3.4", "5", "udp"],
                              capture_output=True, text=True, timeout=PATIENCE)
        server.join(PATIENCE)
    assert done.returncode == code
    assert out in done.stdout and err in done.stderr
    assert bool(done.stderr) == bool(err)
