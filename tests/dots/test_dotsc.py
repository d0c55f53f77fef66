"""homeport-dotsc against a Call Home DOTS server, over real sockets and real certificates."""
import os
import pathlib
import subprocess

import pytest
from conftest import DOTSC, HOME, UPSTREAM

BOTH = pytest.mark.parametrize("transport", ["dtls", "tls"])
ATTACK = "--source 203.0.113.7/32 --source-port 1500 --target 198.51.100.10/32 --protocol 17"
SIGNAL, HOME_CALL = "ietf-dots-signal-channel:", "ietf-dots-call-home:"


def scope(event):
    (entry,) = event["body"][SIGNAL + "mitigation-scope"]["scope"]
    return entry


@BOTH
def test_life_of_a_mitigation(client, server, transport):
    """CH-01, CH-02, CH-16, MR-24, MR-25, MR-26, MR-41: PUT, refresh, GET, DELETE, and what they do
    to the ACL."""
    upstream = client()
    home = server(upstream.port, transport)
    up = upstream.wait("up", transport=transport)
    assert up["peer"]["name"] == HOME
    config = upstream.wait("reply", command="config")
    assert config["automatic"] and config["code"] == "2.05" and config["max-age"] == 2**32 - 1
    idle = config["body"][SIGNAL + "signal-config"]["idle-config"]
    assert idle["heartbeat-interval"] == {"max-value": 240, "min-value": 15, "current-value": 30}
    assert idle["ack-timeout"]["current-value-decimal"] == "2.00"

    upstream.say(f"mitigate {ATTACK}")
    reply = upstream.wait("reply", command="mitigate")
    assert reply["code"] == "2.01"
    assert scope(reply) == {"mid": reply["mid"], "lifetime": 3600}
    rule = home.wait("acl-add")
    assert rule["subscriber"] == "100.64.0.1" and rule["target"] == "198.51.100.10/32"
    assert rule["protocol"] == 17 and rule["lower-port"] == 0 and rule["upper-port"] == 65535
    # both ends read the same clock: the rule was there before the reply was
    assert reply["first-sent"] <= rule["time"] and reply["first-sent"] <= reply["received"]

    upstream.say("refresh --lifetime 600")
    again = upstream.wait("reply", command="refresh")
    assert again["code"] == "2.04" and again["mid"] == reply["mid"]
    assert scope(again)["lifetime"] == 600

    home.say(f"hit {rule['slot']} 3 1000")
    upstream.say("get")
    status = upstream.wait("reply", command="get")
    assert status["code"] == "2.05"
    entry = scope(status)
    assert entry[HOME_CALL + "source-prefix"] == ["203.0.113.7/32"]
    assert entry[HOME_CALL + "source-port-range"] == [{"lower-port": 1500}]
    assert entry["target-prefix"] == ["198.51.100.10/32"]
    assert "100.64" not in str(status)  # OB-08

    upstream.say("withdraw")
    assert upstream.wait("reply", command="withdraw")["code"] == "2.02"
    assert home.wait("acl-remove")["slot"] == rule["slot"]
    upstream.say("get")
    gone = upstream.wait("reply", command="get")
    assert gone["code"] == "4.04" and gone["diagnostic"] == "no such mitigation"
    assert upstream.end() == 4  # the class of the last reply
    home.say("quit")
    assert home.end() == 0


def listening(pid):
    """Sockets of a process that anybody could reach: TCP that listens, UDP without a peer."""
    inodes = {os.readlink(f) for f in pathlib.Path(f"/proc/{pid}/fd").iterdir()}
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in pathlib.Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            _, local, remote, state, *_, inode = line.split()[:10]
            if f"socket:[{inode}]" in inodes and (
                    state == "0A" or table[:3] == "udp" and remote.endswith(":0000")):
                yield table, local


@BOTH
def test_the_server_does_not_listen(client, server, transport):
    """CH-01: it dials, and nobody can dial it."""
    upstream = client()
    home = server(upstream.port, transport)
    upstream.wait("up")
    assert not list(listening(home.process.pid))
    assert len(list(listening(upstream.process.pid))) == 2


def test_efficacy(client, server):
    """MR-45: an efficacy update says how the attack is, under an empty If-Match."""
    upstream = client()
    server(upstream.port, "dtls")
    upstream.say(f"mitigate {ATTACK}")
    assert upstream.wait("reply", command="mitigate")["code"] == "2.01"
    for status in (1, 2):
        upstream.say(f"refresh --attack-status {status}")
        assert upstream.wait("reply", command="refresh")["code"] == "2.04"
    upstream.say("refresh --attack-status 3")
    assert "attack-status" in upstream.wait("error", command="refresh")["text"]


@BOTH
def test_observing(client, server, transport):
    """OB-02, OB-04, OB-06: a registration, what is counted, the end."""
    upstream = client()
    home = server(upstream.port, transport)
    upstream.say(f"mitigate {ATTACK}")
    rule = home.wait("acl-add")
    upstream.say("observe")
    first = upstream.wait("reply", command="observe")
    assert first["code"] == "2.05" and "observe" in first
    assert scope(first)["status"] == "attack-mitigation-in-progress"
    home.say(f"hit {rule['slot']} 1000 1400")
    told = upstream.wait("notification")
    while scope(told)["status"] != "attack-successfully-mitigated":
        told = upstream.wait("notification")
    assert scope(told)["pkts-dropped"] == "1000" and scope(told)["bytes-dropped"] == "1400000"
    assert told["confirmable"] is False
    upstream.say("observe --cancel")
    assert "observe" not in upstream.wait("reply", command="observe")
    upstream.say("withdraw")
    upstream.wait("reply", command="withdraw", code="2.02")
    assert upstream.end() == 0
    assert not [e for e in upstream.rest() if e["event"] == "notification"]


@BOTH
def test_heartbeats(client, server, transport):
    """CH-18, CH-19: both ways, 2.04 and empty, and the status tells what was heard."""
    upstream = client()
    home = server(upstream.port, transport, "--held-clock")
    upstream.say("heartbeat --status false")
    reply = upstream.wait("reply", command="heartbeat")
    assert reply["code"] == "2.04" and "body" not in reply
    home.say("advance 31")
    assert upstream.wait("heartbeat")["peer-hb-status"] is True
    home.say("advance 31")
    upstream.wait("heartbeat")
    home.say("advance 31")
    assert upstream.wait("heartbeat")["peer-hb-status"] is False
    home.say("show")
    (session,) = home.wait("show")["sessions"]
    assert session["heartbeats-heard"] == 1 and session["heartbeats-sent"] == 3


def test_the_lifetime_ends(client, server):
    """MR-43: with the time of the server's clock."""
    upstream = client()
    home = server(upstream.port, "dtls", "--held-clock")
    upstream.say(f"mitigate {ATTACK} --lifetime 60")
    home.wait("acl-add")
    upstream.wait("reply", code="2.01")
    home.say("advance 59")
    home.wait("advanced")
    upstream.say("get")
    assert scope(upstream.wait("reply", command="get"))["lifetime"] == 1
    home.say("advance 2")
    home.wait("advanced")
    home.wait("acl-remove")
    upstream.say("get")
    upstream.wait("reply", command="get", code="4.04")


def test_sources_that_are_refused(client, server):
    """MR-12, V25: a foreign address, a shared one without ports, a port nobody holds."""
    upstream = client()
    home = server(upstream.port, "dtls")
    for source, why in (("8.8.8.8/32", "not an address of this network"),
                        ("203.0.113.7/32", "shared by several subscribers"),
                        ("203.0.113.7/32 --source-port 9", "nobody holds it with these ports"),
                        ("192.168.0.1/32", "an internal address")):
        upstream.say(f"mitigate --source {source} --target 198.51.100.10/32")
        reply = upstream.wait("reply", command="mitigate")
        assert reply["code"] == "4.00" and why in reply["diagnostic"]
    upstream.say("wait 0")
    assert upstream.end() == 4
    home.say("quit")
    assert not [e for e in home.rest() if e["event"] == "acl-add"]


def test_what_the_client_does_not_send(client, server):
    """MR-01, MR-11: sources outside --domain, and what a server must refuse, do not leave."""
    upstream = client("--domain", "203.0.113.0/29")
    home = server(upstream.port, "dtls")
    upstream.wait("reply", command="config")
    for arguments, why in (
            ("--source 203.0.113.9/32 --target 198.51.100.10/32", "not within this domain"),
            ("--target 198.51.100.10/32", "source-prefix is missing"),
            ("--source 203.0.113.7/32", "target-prefix is missing"),
            ("--source 127.0.0.1/32 --target 198.51.100.10/32", "loopback"),
            ("--source 203.0.113.7/32 --target 198.51.100.10/32 --lifetime 0", "lifetime 0"),
            ("--source 203.0.113.7/33 --target 198.51.100.10/32", "--source 203.0.113.7/33"),
            ("--sauce 203.0.113.7/32", "--sauce")):
        upstream.say("mitigate " + arguments)
        assert why in upstream.wait("error", command="mitigate")["text"]
    upstream.say("refresh --mid 7")
    assert "mid 7 has not been requested" in upstream.wait("error")["text"]
    upstream.say("nonsense")
    assert "no such command" in upstream.wait("error")["text"]
    assert upstream.end() == 2
    home.say("show")
    (session,) = home.wait("show")["sessions"]
    assert session["requests"] == 1  # the configuration


def test_unchecked(client, server):
    """--unchecked sends it all the same, and the server answers (MR-02, MR-21, MR-22, ER-02)."""
    upstream = client("--unchecked")
    server(upstream.port, "dtls")
    for line, code in (
            ("mitigate --target 198.51.100.10/32", "4.00"),
            ("mitigate --raw-body a101a1029affffffff", "4.00"),
            ("mitigate --raw-body a0", "4.00"),
            ("heartbeat --raw-body a11831a0", "4.00"),
            ("send POST mitigate/cuid=x/mid=1 --raw-body a0", "4.05"),
            ("send PUT mitigate/cuid=x/mid=1 --raw-body a0 --content-format 60", "4.15"),
            ("send PUT mitigate/cuid=x/mid=y --raw-body a0", "4.00"),
            ("send GET nowhere", "4.04"),
            ("send PUT config/sid=1 --raw-body a1181ea0 --confirmable", "4.00"),
            ("send DELETE config", "2.02")):
        upstream.say(line)
        reply = upstream.wait("reply", command=line.split()[0])
        assert reply["code"] == code, line
        assert ("diagnostic" in reply) == (code[0] == "4"), line  # ER-01
    assert upstream.end() == 0


def test_one_command(client, server):
    """A single command on the command line: the exit status is its answer."""
    words = ("mitigate " + ATTACK).split()
    upstream = client(command=words)
    home = server(upstream.port, "dtls")
    home.wait("acl-add")
    assert upstream.end() == 0
    (reply,) = [e for e in upstream.rest() if e["event"] == "reply" and not e.get("automatic")]
    assert reply["code"] == "2.01"


def test_a_script_in_a_file(client, server, tmp_path):
    script = tmp_path / "script"
    script.write_text(f"# a comment\n\nwait up\nmitigate {ATTACK} --mid 9\nget --mid 8")
    upstream = client(command=("--script", script))
    server(upstream.port, "tls")
    assert upstream.end() == 4
    codes = [e["code"] for e in upstream.rest() if e["event"] == "reply"]
    assert codes == ["2.05", "2.01", "4.04"]


def test_nobody_dials_in(start, authority):
    alone = start(DOTSC, "--listen", "127.0.0.1:0", *authority.options(UPSTREAM), "--timeout", 1,
                  "get", "--all")
    assert alone.end() == 3
    assert [e["event"] for e in alone.rest()] == ["listening", "listening", "timeout"]


@pytest.mark.parametrize("words, status, text", [
    (["--help"], 0, None),
    (["--version"], 0, None),
    ([], 2, "are needed"),
    (["--listen", "nowhere"], 2, "--listen nowhere"),
    (["--transport", "quic"], 2, "--transport quic"),
    (["--timeout", "0"], 2, "--timeout 0"),
    (["--domain", "x"], 2, "--domain x"),
    (["--listen", "127.0.0.1", "--cert", "x", "--key", "x", "--ca", "x"], 2, "a command or --script"),
    (["--listen", "127.0.0.1", "--cert", "/nowhere.pem", "--key", "/nowhere.pem", "--ca",
      "/nowhere.pem", "config"], 1, "/nowhere.pem"),
])
def test_usage(words, status, text):
    done = subprocess.run([DOTSC, *words], capture_output=True, text=True)
    assert done.returncode == status
    assert text is None or text in done.stderr
    if words == ["--help"]:
        for command in ("mitigate", "refresh", "withdraw", "get", "observe", "config", "heartbeat",
                        "wait", "send"):
            assert f"\n  {command} " in done.stdout


@BOTH
def test_a_session_that_is_lost(client, server, transport):
    """CH-23, and mitigations survive their session (RFC 9132 section 7.2): the client dies, another
    one with its certificate comes back on the port, and goes on where the first was."""
    upstream = client(transport=transport)
    home = server(upstream.port, transport, "--held-clock")
    upstream.say(f"mitigate {ATTACK} --mid 1")
    home.wait("acl-add")
    upstream.wait("reply", command="mitigate", code="2.01")
    upstream.kill()
    if transport == "tls":  # the connection has ended; the next try, at once, found nobody
        home.wait_log("next attempt in 3")
    again = client(port=upstream.port, transport=transport)
    # over DTLS it is the silence of 15 heartbeats that tells; time stands still again once the
    # server dials, or its handshake would run out of it
    for _ in range(17):
        home.say("advance 30")
        home.wait("advanced")
        home.say("show")
        state = home.wait("show")
        if state["sessions"][0]["state"] != ("up" if transport == "dtls" else "waiting"):
            break
    again.wait("up")
    home.wait_log("session lost")
    again.say(f"mitigate {ATTACK} --mid 1")
    assert again.wait("reply", command="mitigate")["code"] == "2.04"
    (mitigation,) = state["mitigations"]
    assert mitigation["mid"] == 1 and mitigation["subscribers"] == ["100.64.0.1"]


@BOTH
def test_a_list_in_blocks(client, server, transport):
    """SZ-02: fifty mitigations do not fit one message; the client fetches block by block."""
    upstream = client()
    server(upstream.port, transport)
    mids = []
    for i in range(50):
        upstream.say(f"mitigate --source 203.0.113.7/32 --source-port 1500 --target 198.51.100.{i}/32")
        mids.append(upstream.wait("reply", command="mitigate", code="2.01")["mid"])
    upstream.say("get --all")
    reply = upstream.wait("reply", command="get")
    assert reply["code"] == "2.05"
    entries = reply["body"][SIGNAL + "mitigation-scope"]["scope"]
    assert [e["mid"] for e in entries] == mids
    upstream.say("observe --all")
    assert len(upstream.wait("reply", command="observe")["body"][SIGNAL + "mitigation-scope"]["scope"]) == 50
    told = upstream.wait("notification", command="observe")
    assert len(told["body"][SIGNAL + "mitigation-scope"]["scope"]) == 50
    upstream.say("observe --all --cancel")
    upstream.wait("reply", command="observe")
    assert upstream.end() == 0


@BOTH
def test_session_configuration(client, server, transport):
    """CF-02, CF-04, CF-06: agreed, in force, and reset."""
    upstream = client()
    home = server(upstream.port, transport, "--held-clock")
    upstream.wait("reply", command="config")
    upstream.say("config --sid 3 --set idle.heartbeat-interval=60 --set ack-timeout=3.5")
    assert upstream.wait("reply", command="config")["code"] == "2.01"
    upstream.say("config --sid 3")
    config = upstream.wait("reply", command="config")["body"][SIGNAL + "signal-config"]
    assert config["idle-config"]["heartbeat-interval"]["current-value"] == 60
    assert config["mitigating-config"]["heartbeat-interval"]["current-value"] == 30
    assert config["mitigating-config"]["ack-timeout"]["current-value-decimal"] == "3.50"
    home.say("advance 59")
    home.wait("advanced")
    home.say("show")
    assert home.wait("show")["sessions"][0]["heartbeats-sent"] == 0
    home.say("advance 2")
    home.wait("advanced")
    upstream.wait("heartbeat")
    upstream.say("config --sid 4 --set heartbeat-interval=5")
    refused = upstream.wait("reply", command="config")
    assert refused["code"] == "4.22" and "Allowed: 15 to 240" in refused["diagnostic"]
    upstream.say("config --reset")
    assert upstream.wait("reply", command="config")["code"] == "2.02"
    upstream.say("config --sid 3")
    assert upstream.wait("reply", command="config")["code"] == "4.04"


@BOTH
def test_redirection(client, server, start, authority, transport):
    """CH-26, CH-28: the server goes to the other client, whose name it verifies, with what it was
    asked for, and the request is NON with alt-ch-client."""
    authority.issue("alternate.example")
    upstream = client()
    home = server(upstream.port, transport)
    upstream.wait("up")
    upstream.say(f"mitigate {ATTACK} --mid 1 --cuid same")
    upstream.wait("reply", command="mitigate", code="2.01")
    alternate = start(
        DOTSC, "--listen", f"127.0.0.2:{upstream.port}", *authority.options("alternate.example"),
        "--timeout", 60, "--script", "-")
    alternate.wait("listening")
    upstream.say("redirect --to alternate.example --record 127.0.0.2 --ttl 600")
    assert upstream.wait("reply", command="redirect")["code"] == "2.01"
    upstream.wait("down")
    alternate.wait("up", transport=transport)
    alternate.say(f"mitigate {ATTACK} --mid 1 --cuid same")
    assert alternate.wait("reply", command="mitigate")["code"] == "2.04"
    home.say("show")
    (session,) = home.wait("show")["sessions"]
    assert session["peer-name"] == "alternate.example" and session["mitigations"] == 1
    alternate.say(f"redirect --to {UPSTREAM} --record 127.0.0.1")
    assert alternate.wait("reply", command="redirect")["code"] == "4.00"
