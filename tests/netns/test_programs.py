# SPDX-License-Identifier: BSD-3-Clause
"""Programs that people use, on stock hosts, through the box."""
import json
import os
import pathlib
import re
import subprocess

import pytest

import lab
from story import Lines

PYTHON = "/usr/bin/python3"
PEERS = str(lab.ROOT / "tests/netns/peers.py")
REFLECTOR = 3500
SECOND = "198.51.100.11"  # of the victim, which is the STUN server

FTP = """listen=YES
background=NO
anonymous_enable=YES
anon_root={root}
no_anon_password=YES
pasv_enable=YES
seccomp_sandbox=NO
xferlog_enable=NO
"""
# what nftables can reject with, and the code of an ICMP unreachable that it makes (RFC 792, RFC 1812)
REJECTS = {"net-unreachable": 0, "host-unreachable": 1, "prot-unreachable": 2, "port-unreachable": 3,
           "net-prohibited": 9, "host-prohibited": 10, "admin-prohibited": 13}


def start(box, host, *words):
    process = box.start(host, PYTHON, PEERS, *words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    return process, Lines(process)


@pytest.fixture
def reflector(box):
    process, lines = start(box, "victim", "reflect", REFLECTOR)
    lines.wait("the reflector is ready", lambda _: True)
    yield
    process.stdin.close()
    box.stop(process)
    process.stdout.close()


def ask(box, host, *words):
    done = box.exec(host, PYTHON, PEERS, *words, timeout=lab.DEADLINE)
    return [json.loads(line) for line in done.stdout.splitlines()]


def finish(box, process):
    assert process.wait(lab.DEADLINE) == 0
    box.processes.remove(process)
    process.stdin.close()
    process.stdout.close()


def test_passive_ftp(box, tmp_path):
    """A file by FTP from vsftpd: the client opens the second connection too, so nobody has to help."""
    root = pathlib.Path("/srv") / f"{box.prefix}-ftp"
    root.mkdir(parents=True)
    try:
        content = os.urandom(4 << 20)
        (root / "file").write_bytes(content)
        conf = tmp_path / "vsftpd.conf"
        conf.write_text(FTP.format(root=root))
        server = box.start("victim", "vsftpd", conf)
        lab.wait_for("vsftpd listens", lambda: ":21 " in box.exec("victim", "ss", "-Hltn").stdout)
        script = ("import ftplib, sys; f = ftplib.FTP(); f.connect(sys.argv[1], 21, 60); f.login(); "
                  "f.retrbinary('RETR file', sys.stdout.buffer.write); f.quit()")
        done = subprocess.run(["ip", "netns", "exec", box.name("attacker"), PYTHON, "-c", script, lab.VICTIM],
                              capture_output=True, timeout=lab.DEADLINE)
        assert done.returncode == 0, done.stderr
        assert done.stdout == content
        server.kill()
        server.wait()
        box.processes.remove(server)
    finally:
        (root / "file").unlink(missing_ok=True)
        root.rmdir()


def test_hundreds_of_flows(box):
    """iperf3 with 128 connections, in both directions at once: 256 flows of one subscriber."""
    server = box.start("victim", "iperf3", "-s", "-1", "--forceflush", stdout=subprocess.PIPE)
    lab.wait_for("iperf3 listens", lambda: "listening" in server.stdout.readline())
    done = box.exec("neighbour", "iperf3", "-c", lab.VICTIM, "-J", "-P", "128", "-l", "4K", "-n", "4M",
                    "--bidir", check=False, timeout=120)
    box.stop(server)
    server.stdout.close()
    report = json.loads(done.stdout)
    assert "error" not in report, report["error"]
    # a transfer begins when all are connected, and ends when there was enough, by whichever of them
    assert len(report["end"]["streams"]) == 256
    for way in ("sum_sent", "sum_sent_bidir_reverse"):
        assert report["end"][way]["bytes"] >= 4 << 20


def test_hole_punching(box):
    """Two subscribers who learn each other's outside endpoint from a third party talk directly: what one sends
    to it arrives, from the endpoint that the other was told (RFC 4787 REQ-1, REQ-8, REQ-9)."""
    meeting, told = start(box, "other", "meet", 3600)
    told.wait("the meeting place is ready", lambda _: True)
    peers = [start(box, host, "punch", lab.OTHER, 3600) for host in ("attacker", "neighbour")]
    met = [lines.wait("the peers meet", lambda m: m["event"] == "met") for _, lines in peers]
    for result in met:
        assert result["heard_from"] == result["other"]
        assert result["other"][0] == lab.POOL
    assert met[0]["other"] != met[1]["other"]
    for process, _ in [*peers, (meeting, told)]:
        finish(box, process)


def hairpin_tcp(box, own, host="neighbour", client="attacker", peer=lab.POOL):
    """A subscriber serves TCP on an outside endpoint that it has asked for, and another one, behind the address `peer`,
    uses it."""
    server, lines = start(box, host, "serve", lab.VICTIM, REFLECTOR, own)
    seen = lines.wait("the server is known", lambda m: m["event"] == "seen")
    script = ("import socket, sys, threading; s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 30)\n"
              "data = bytes(range(256)) * 4096; got = b''\n"
              "t = threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR))); t.start()\n"
              "while more := s.recv(65536): got += more\n"
              "t.join(); print(got == data)")
    done = box.exec(client, PYTHON, "-c", script, seen["address"], seen["port"], timeout=lab.DEADLINE)
    assert done.stdout == "True\n"
    served = lines.wait("the connection has ended", lambda m: m["event"] == "served")
    assert served["peer"] == peer and served["bytes"] == 1 << 20
    finish(box, server)


def test_hairpinned_tcp(box, reflector):
    hairpin_tcp(box, 7000)


def test_stun(box):
    """An independent STUN client finds what RFC 4787 asks for: mapping and filtering by the endpoint alone."""
    box.ip("victim", "addr", "add", f"{SECOND}/24", "dev", "eth0")
    server = box.start("victim", "turnserver", "-n", "--stun-only", "-L", lab.VICTIM, "-L", SECOND, "--no-tls",
                       "--no-dtls", "--no-cli", "--pidfile", box.folder / "turn.pid", "--log-file", "stdout",
                       "--simple-log", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    lab.wait_for("turnserver listens", lambda: box.exec("victim", "ss", "-Hlun").stdout.count(":3478") >= 2)
    out = box.exec("attacker", "turnutils_natdiscovery", "-m", "-f", lab.VICTIM, timeout=120).stdout
    assert re.search("NAT with Endpoint Independent Mapping", out), out
    assert re.search("NAT with Endpoint Independent Filtering", out), out
    box.stop(server)
    box.ip("victim", "addr", "del", f"{SECOND}/24", "dev", "eth0")


def reject(box, host, side, first):
    """Lets a host's kernel reject UDP to ports from `first` on, each in another way."""
    rules = [f"udp dport {first + i} reject with icmp type {kind}" for i, kind in enumerate(REJECTS)]
    box.sysctl(host, "net.ipv4.icmp_ratelimit", 0)
    box.exec(host, "nft", "-f", "-", input="\n".join([
        f"table ip {side} {{", "chain in {", "type filter hook input priority 0", *rules, "}", "}", ""]))


def test_unreachables_from_outside(box):
    """Every kind of ICMP unreachable that a Linux host can send reaches the socket that it is about (RFC 5508
    REQ-4)."""
    reject(box, "victim", "outside", 9000)
    ports = [9000 + i for i in range(len(REJECTS))]
    told = ask(box, "attacker", "errors", lab.VICTIM, *ports)
    assert [(t["port"], t["error"]["type"], t["error"]["code"], t["error"]["from"]) for t in told] == [
        (port, 3, code, lab.VICTIM) for port, code in zip(ports, REJECTS.values())]
    box.exec("victim", "nft", "delete", "table", "ip", "outside")


def test_unreachables_from_inside(box, reflector):
    """The same from a subscriber, whom the other side knows by its outside address (RFC 5508 REQ-5)."""
    owns = [9000 + i for i in range(len(REJECTS))]
    seen = [k["seen"] for k in ask(box, "attacker", "known", lab.VICTIM, REFLECTOR, *owns)]
    reject(box, "attacker", "inside", 9000)
    told = ask(box, "other", "errors", lab.POOL, *[port for _, port in seen])
    assert [(t["port"], t["error"]["type"], t["error"]["code"], t["error"]["from"]) for t in told] == [
        (port, 3, code, lab.POOL) for (_, port), code in zip(seen, REJECTS.values())]
    box.exec("attacker", "nft", "delete", "table", "ip", "inside")


def test_unreachables_between_subscribers(box, reflector):
    """And between two subscribers (RFC 5508 REQ-7)."""
    owns = [9000 + i for i in range(len(REJECTS))]
    seen = [k["seen"] for k in ask(box, "attacker", "known", lab.VICTIM, REFLECTOR, *owns)]
    reject(box, "attacker", "inside", 9000)
    told = ask(box, "neighbour", "errors", lab.POOL, *[port for _, port in seen])
    assert [(t["port"], t["error"]["type"], t["error"]["code"], t["error"]["from"]) for t in told] == [
        (port, 3, code, lab.POOL) for (_, port), code in zip(seen, REJECTS.values())]
    box.exec("attacker", "nft", "delete", "table", "ip", "inside")
