# SPDX-License-Identifier: BSD-3-Clause
"""Real IPv6 hosts behind a NAT64, one of them with IPv4 of its own behind a CLAT (464XLAT, RFC 6877: tayga)."""
import re
import subprocess

import lab
import pytest
from access import ATTACKER6, BOX6, HOSTS6, Nat64, by_pref64, start
from test_hosts import iperf3, many_flows, moved

PYTHON = "/usr/bin/python3"
CLAT = "2001:db8:0:3::/64"


class WithClat(Nat64):
    def configure(self, config):
        super().configure(config)
        config["ietf-routing:routing"] = {"control-plane-protocols": {"control-plane-protocol": [{
            "type": "ietf-routing:static", "name": "static", "static-routes": {
                "ietf-ipv6-unicast-routing:ipv6": {"route": [
                    {"destination-prefix": CLAT, "next-hop": {"next-hop-address": ATTACKER6}}]}}}]}}


@pytest.fixture(scope="module", params=[1, 3], ids=["1-worker", "3-workers"])
def box(request):
    """The subscribers have IPv6 alone; at the end every packet must be accounted for."""
    with lab.Lab() as made:
        made.build()
        start(made, WithClat(), workers=request.param, dots=False)
        yield made
        counters = made.counters()
        assert int(counters["received"]) == sum(int(v["packets"]) for v in counters["verdict"])
        assert made.stop_box() == 0
        assert ": error: " not in made.log_text()


@pytest.mark.parametrize("mtu", [1280, 1500])
def test_tcp(box, mtu):
    """Both ways, with segments as large as fit, and with the least that IPv6 has. Towards the host its segments are 20
    bytes too large for IPv6 until the sender hears so (RFC 7915 section 4)."""
    box.ip("attacker", "link", "set", "eth0", "mtu", mtu)
    assert moved(iperf3(box, "attacker", "-n", "32M", at=Nat64.victim), 32)
    assert moved(iperf3(box, "attacker", "-n", "32M", "-R", at=Nat64.victim), 32)
    box.ip("attacker", "link", "set", "eth0", "mtu", 1500)


def test_many_flows(box):
    many_flows(box, 24, 1 << 20, at=Nat64.victim)


def test_ping(box):
    for target, size in ((Nat64.victim, 56), (Nat64.victim, 1400), (BOX6, 56)):
        assert "3 received" in box.exec("attacker", "ping", "-6", "-c", "3", "-i", "0.2", "-s", str(size), target).stdout


def test_traceroute(box):
    """The box is one hop by its own address, the victim the next by the address that stands for it."""
    def hops(method):
        out = box.exec("neighbour", "traceroute", "-6", "-n", "-q", "1", "-m", "5", method, Nat64.victim).stdout
        return re.findall(r"^ *(\d+) +(\S+)", out, re.M)

    for method in ("-I", "-U"):
        lab.wait_for(f"both hops by traceroute {method}", lambda: hops(method) == [("1", BOX6), ("2", Nat64.victim)])


WAIT = """
import socket, sys
s = socket.socket(socket.AF_INET%s, socket.SOCK_DGRAM)
s.bind(("", %d))
%s
print("ready", flush=True)
data, source = s.recvfrom(2000)
print(source[0], source[1], data.decode(), flush=True)
"""


def listen(box, host, family, port, first=""):
    process = box.start(host, PYTHON, "-c", WAIT % (family, port, first), stdout=subprocess.PIPE)
    assert process.stdout.readline() == "ready\n"
    return process


def heard(box, process):
    line = process.stdout.readline().split()
    process.stdout.close()
    process.wait()
    box.processes.remove(process)
    return line


def test_hairpin(box):
    """Two hosts find each other by the outside address, and see each other by it (RFC 6146 section 3.8)."""
    victim = listen(box, "victim", "", 9200)
    neighbour = listen(box, "neighbour", "6", 6201, f's.sendto(b"hello", ("{Nat64.victim}", 9200))')
    address, port, _ = heard(box, victim)
    assert address == lab.POOL
    box.exec("attacker", PYTHON, "-c", "import socket; s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); "
             f's.bind(("", 6200)); s.sendto(b"neighbour", ("{by_pref64(lab.POOL)}", {port}))')
    source, _, data = heard(box, neighbour)
    assert (source, data) == (by_pref64(lab.POOL), "neighbour")


def outside_port(box, host, protocol):
    """The outside port, or identifier, of the last mapping that a host has of a protocol."""
    answer = box.homeport("show", "mappings")["ietf-nat:nat"]["instances"]["instance"]
    return [m["external-src-port"]["start-port-number"] for i in answer for m in i["mapping-table"]["mapping-entry"]
            if m["internal-src-address"] == f"{HOSTS6[host]}/128" and m["transport-protocol"] == protocol][-1]


def test_ping_from_outside(box):
    """A host that has pinged can be pinged by the identifier that it has outside (RFC 5508 REQ-1)."""
    box.exec("attacker", "ping", "-6", "-c", "1", "-e", "4711", Nat64.victim)
    for size in (56, 1400):
        assert "2 received" in box.exec("victim", "ping", "-c", "2", "-i", "0.2", "-s", str(size), "-e",
                                        outside_port(box, "attacker", 1), lab.POOL).stdout


def test_traceroute_from_outside(box):
    """The box is one hop, and the host, whose ICMPv6 error is translated, the next (RFC 7915 section 5.2)."""
    victim = listen(box, "victim", "", 9201)
    box.exec("neighbour", PYTHON, "-c", "import socket; s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); "
             f's.bind(("", 6202)); s.sendto(b"hello", ("{Nat64.victim}", 9201))')
    _, port, _ = heard(box, victim)

    def hops():
        out = box.exec("victim", "traceroute", "-n", "-q", "1", "-m", "5", "-U", "-p", port, lab.POOL).stdout
        return re.findall(r"^ *(\d+) +(\S+)", out, re.M)

    lab.wait_for("both hops", lambda: hops() == [("1", lab.BOX_OUTSIDE), ("2", lab.POOL)])


def test_464xlat(box):
    """A host with a CLAT has IPv4 without any IPv4 network behind it: TCP, and ping."""
    folder = box.folder / "tayga"
    folder.mkdir()
    (folder / "tayga.conf").write_text(
        f"tun-device clat\nipv4-addr 192.0.0.2\nipv6-addr 2001:db8:0:3::2\nprefix 2001:db8:64::/96\n"
        f"map 192.0.0.1 2001:db8:0:3::1\ndata-dir {folder}\n")
    box.exec("attacker", "tayga", "-c", folder / "tayga.conf", "--mktun")
    box.ip("attacker", "link", "set", "clat", "up")
    box.ip("attacker", "addr", "add", "192.0.0.1/32", "dev", "clat")
    box.ip("attacker", "route", "add", "default", "dev", "clat", "src", "192.0.0.1", "mtu", "1460")
    box.ip("attacker", "-6", "route", "add", CLAT, "dev", "clat")
    box.sysctl("attacker", "net.ipv6.conf.all.forwarding", 1)
    box.sysctl("attacker", "net.ipv4.ip_forward", 1)
    tayga = box.start("attacker", "tayga", "-c", folder / "tayga.conf", "-d", stdout=subprocess.DEVNULL,
                      stderr=subprocess.DEVNULL)
    lab.wait_for("the CLAT translates", lambda: "1 received" in box.exec(
        "attacker", "ping", "-c", "1", "-W", "1", lab.VICTIM, check=False).stdout)
    assert moved(iperf3(box, "attacker", "-n", "32M"), 32)
    assert moved(iperf3(box, "attacker", "-n", "32M", "-R"), 32)
    box.stop(tayga)
    box.exec("attacker", "tayga", "-c", folder / "tayga.conf", "--rmtun")
    box.sysctl("attacker", "net.ipv6.conf.all.forwarding", 0)
