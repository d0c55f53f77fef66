# SPDX-License-Identifier: BSD-3-Clause
"""Real hosts with real TCP stacks behind and in front of the box."""
import json
import os
import re
import subprocess

import lab
from story import Lines

PYTHON = "/usr/bin/python3"
PACKETS = str(lab.ROOT / "tests/netns/packets.py")
TRAFFIC = str(lab.ROOT / "tests/netns/traffic.py")


def iperf3(box, client, *words, at=lab.VICTIM):
    """A transfer of a given size between a subscriber and the victim; returns iperf3's report."""
    server = box.start("victim", "iperf3", "-s", "-1", "--forceflush", stdout=subprocess.PIPE)
    lab.wait_for("iperf3 listens", lambda: "listening" in server.stdout.readline())
    done = box.exec(client, "iperf3", "-c", at, "-J", *words, check=False, timeout=120)
    box.stop(server)
    server.stdout.close()
    report = json.loads(done.stdout)
    assert "error" not in report, report["error"]
    return report["end"]


class Sniffer:
    """Packets that arrive at a host."""

    def __init__(self, box, host, count, what):
        self.box = box
        self.process = box.start(host, PYTHON, PACKETS, "sniff", "eth0", count, what,
                                 stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == "sniffing\n"
        self.lines = Lines(self.process)
        self.what = what

    def read(self):
        return self.lines.wait(f"a packet for {self.what}", lambda _: True)

    def close(self):
        self.box.stop(self.process)


def send(box, host, *packets):
    box.exec(host, PYTHON, PACKETS, "send", "eth0", *[json.dumps(p) for p in packets])


def moved(end, megabytes):
    """iperf3 stops counting when all is sent: the kernels' buffers at both ends may still hold half of 20 MiB."""
    return (end["sum_sent"]["bytes"] >= megabytes << 20
            and end["sum_received"]["bytes"] > (megabytes << 20) // 4)


def test_tcp_out(box):
    """20 MiB from a subscriber over one connection."""
    assert moved(iperf3(box, "attacker", "-n", "20M"), 20)


def test_tcp_in(box):
    """The same towards the subscriber."""
    assert moved(iperf3(box, "attacker", "-n", "20M", "-R"), 20)


def test_nothing_is_changed_but_addresses(box):
    """What a web server sends arrives to the byte."""
    content = os.urandom(8 << 20)
    (box.folder / "www").mkdir()
    (box.folder / "www/file").write_bytes(content)
    server = box.start("other", PYTHON, "-u", "-m", "http.server", "80", "--directory",
                       box.folder / "www", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert "Serving" in server.stdout.readline()
    done = subprocess.run(["ip", "netns", "exec", box.name("neighbour"), PYTHON, "-c",
                           "import sys, urllib.request as u; sys.stdout.buffer.write("
                           f"u.urlopen('http://{lab.OTHER}/file', timeout=60).read())"],
                          check=True, capture_output=True)
    assert done.stdout == content
    server.kill()
    server.stdout.close()


def many_flows(box, flows, size, at=lab.VICTIM):
    """Connections of one home side by side, each with so many bytes to the victim and back at one time."""
    server = box.start("victim", PYTHON, TRAFFIC, "tcp-echo", 9300, stdout=subprocess.PIPE)
    assert json.loads(server.stdout.readline()) == {"event": "listening"}
    done = box.exec("neighbour", PYTHON, TRAFFIC, "tcp-flows", at, 9300, flows, size, timeout=120)
    box.stop(server)
    server.stdout.close()
    assert json.loads(done.stdout) == {"flows": flows, "intact": flows}


def test_many_flows(box):
    many_flows(box, 48, 1 << 20)


def test_ping(box):
    """ICMP echo through the box (RFC 5508 REQ-1) and to its own addresses."""
    for target in (lab.VICTIM, lab.OTHER, lab.BOX_INSIDE):
        out = box.exec("attacker", "ping", "-c", "3", "-i", "0.2", target).stdout
        assert "3 received" in out
    assert "3 received" in box.exec("victim", "ping", "-c", "3", "-i", "0.2", lab.BOX_OUTSIDE).stdout


def hops(box, method):
    """What traceroute says: number and address of each hop."""
    out = box.exec("neighbour", "traceroute", "-n", "-q", "1", "-m", "5", method, lab.VICTIM).stdout
    return re.findall(r"^ *(\d+) +(\S+)", out, re.M)


def test_traceroute(box):
    """The box is one hop, by its inside address, and the host behind it answers (RFC 5508 REQ-4, 10). A probe may
    be lost on a busy machine, or be one more than a host answers in a second; then it is tried again."""
    for method in ("-I", "-U"):
        lab.wait_for(f"both hops by traceroute {method}",
                     lambda: hops(box, method) == [("1", lab.BOX_INSIDE), ("2", lab.VICTIM)])


def test_dns(box):
    """A resolver on the Internet is asked over UDP and over TCP."""
    server = box.start("other", "dnsmasq", "--no-daemon", "--no-resolv", "--no-hosts", "--port=53",
                       "--log-queries", "--address=/www.example.test/192.0.2.5",
                       stderr=subprocess.PIPE)
    lab.wait_for("dnsmasq listens", lambda: "started" in server.stderr.readline())
    for how in ("+notcp", "+tcp"):
        out = box.exec("attacker", "dig", "+short", how, f"@{lab.OTHER}", "www.example.test").stdout
        assert out == "192.0.2.5\n"
    server.kill()
    server.stderr.close()


def test_endpoint_independent_mapping(box):
    """One inside port has one outside port, whatever the destination (RFC 4787 REQ-1), and one more
    stranger reaches it there (REQ-8, endpoint-independent filtering)."""
    victim = Sniffer(box, "victim", 1, "udp dst port 9000")
    other = Sniffer(box, "other", 2, "udp dst port 9000 or udp dst port 9001")
    send(box, "attacker", {"dst": lab.VICTIM, "sport": 6000, "dport": 9000},
         {"dst": lab.OTHER, "sport": 6000, "dport": 9000},
         {"dst": lab.OTHER, "sport": 6000, "dport": 9001})
    seen = [victim.read(), other.read(), other.read()]
    assert all(p["src"] == lab.POOL and p["checksums"] and p["ttl"] == 63 for p in seen)
    ports = {p["sport"] for p in seen}
    assert len(ports) == 1
    inside = Sniffer(box, "attacker", 1, "udp dst port 6000")
    send(box, "victim", {"dst": lab.POOL, "sport": 1234, "dport": ports.pop()})
    back = inside.read()
    assert back["src"] == lab.VICTIM and back["sport"] == 1234 and back["checksums"]
    for sniffer in (victim, other, inside):
        sniffer.close()


def test_neighbours_have_different_ports(box):
    """Two subscribers with the same source port share the address, never the port (RFC 4787 REQ-3)."""
    victim = Sniffer(box, "victim", 2, "udp dst port 9100")
    for host in ("attacker", "neighbour"):
        send(box, host, {"dst": lab.VICTIM, "sport": 6100, "dport": 9100})
    seen = [victim.read(), victim.read()]
    assert {p["src"] for p in seen} == {lab.POOL}
    assert len({p["sport"] for p in seen}) == 2
    victim.close()


def test_hairpinning(box):
    """A subscriber reaches another by its outside address and port, and is seen there by its own (RFC
    4787 REQ-9)."""
    victim = Sniffer(box, "victim", 2, "udp dst port 9200")
    send(box, "neighbour", {"dst": lab.VICTIM, "sport": 6201, "dport": 9200})
    outside_b = victim.read()["sport"]
    send(box, "attacker", {"dst": lab.VICTIM, "sport": 6200, "dport": 9200})
    outside_a = victim.read()["sport"]
    inside = Sniffer(box, "neighbour", 1, "udp dst port 6201")
    send(box, "attacker", {"dst": lab.POOL, "sport": 6200, "dport": outside_b})
    seen = inside.read()
    assert seen == {"src": lab.POOL, "dst": lab.NEIGHBOUR, "ttl": 63, "checksums": True,
                    "proto": "udp", "sport": outside_a, "dport": 6201}
    for sniffer in (victim, inside):
        sniffer.close()


def test_path_mtu_discovery(world):
    """The way out takes 1400 bytes: a TCP transfer from a host that believes in 1500 gets through, because
    the box tells (RFC 4787 REQ-13, RFC 1191)."""
    world.start_box(world.config(dots=False, mtu_outside=1400))
    assert moved(iperf3(world, "attacker", "-n", "20M"), 20)
    route = world.exec("attacker", "ip", "route", "get", lab.VICTIM).stdout
    assert "mtu 1400" in route
    assert world.verdicts()["drop-too-big"] > 0
    assert world.stop_box() == 0
