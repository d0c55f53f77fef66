# SPDX-License-Identifier: BSD-3-Clause
"""The kernel's stack behind the box's own addresses (DESIGN section 6, homeport:host-device)."""
import signal
import subprocess

import lab
import pytest
from conftest import accounts_balance
from story import Lines

PYTHON = "/usr/bin/python3"
BOX_INSIDE6 = "2001:db8:64::1"
ATTACKER6 = "2001:db8:64::10"
TABLE = "4647000"  # and the interface's number

# sends 100,000 bytes to each that connects
SERVE = """
import json, socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
s = socket.socket(family)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind((sys.argv[1], 7777))
s.listen()
print(json.dumps("listening"), flush=True)
while True:
    c, peer = s.accept()
    c.sendall(b"x" * 100000)
    c.close()
    print(json.dumps(peer[0]), flush=True)
"""
FETCH = """
import socket, sys
s = socket.create_connection((sys.argv[1], 7777), float(sys.argv[2]))
n = 0
while chunk := s.recv(65536):
    n += len(chunk)
print(n)
"""


def with_host(world, workers=1, **platform):
    """A configuration in which the inside interface has a device in the kernel."""
    config = world.config(workers=workers, dots=False)
    inside = config["ietf-interfaces:interfaces"]["interface"][0]
    inside["homeport:host-device"] = "hp-inside"
    inside["ietf-ip:ipv6"] = {"address": [{"ip": BOX_INSIDE6, "prefix-length": 64}]}
    config["homeport:homeport"]["platform"].update(platform)
    return config


def serve(world, address):
    server = world.start("box", PYTHON, "-c", SERVE, address, stdout=subprocess.PIPE)
    lines = Lines(server)
    lines.wait("the server listens", lambda line: line == "listening")
    return server, lines


def fetch(world, host, address, seconds=30):
    return world.exec(host, PYTHON, "-c", FETCH, address, str(seconds), check=False)


def rules(world):
    return [line for family in ("-4", "-6")
            for line in world.ip("box", family, "rule").stdout.splitlines() if "4647" in line]


@pytest.mark.parametrize("workers", [1, 3])
def test_both_families(world, workers):
    """TCP between a subscriber and a process on the box, by IPv4 and IPv6."""
    world.ip("attacker", "addr", "add", f"{ATTACKER6}/64", "dev", "eth0", "nodad")
    world.start_box(with_host(world, workers))
    for address, peer in ((lab.BOX_INSIDE, lab.ATTACKER), (BOX_INSIDE6, ATTACKER6)):
        server, lines = serve(world, address)
        assert fetch(world, "attacker", address).stdout == "100000\n"
        lines.wait("the peer's own address", lambda line: line == peer)
        world.stop(server)
        server.stdout.close()
    host = world.counters()["host"]
    assert int(host["delivered"]) == world.verdicts()["punted"]
    assert (host["refused"], host["unroutable"]) == ("0", "0") and int(host["sent"]) > 0
    lab.wait_for("received = sum of verdicts", lambda: accounts_balance(world))
    assert world.stop_box() == 0


def test_the_box_asks_for_neighbours(world):
    """A process on the box reaches hosts that have never spoken, by ARP and neighbour discovery."""
    world.ip("attacker", "addr", "add", f"{ATTACKER6}/64", "dev", "eth0", "nodad")
    world.start_box(with_host(world))
    for source, target in ((lab.BOX_INSIDE, lab.ATTACKER), (BOX_INSIDE6, ATTACKER6)):
        world.exec("box", "ping", "-c", "1", "-W", "30", "-I", source, target)
    assert world.stop_box() == 0


def test_only_by_its_own_interface(world):
    """The inside address is not to be had from outside, nor one of an interface without a device."""
    world.start_box(with_host(world))
    server, _ = serve(world, lab.BOX_INSIDE)
    world.ip("victim", "route", "add", f"{lab.BOX_INSIDE}/32", "via", lab.BOX_OUTSIDE)
    assert fetch(world, "victim", lab.BOX_INSIDE, 0.5).returncode
    assert fetch(world, "victim", lab.BOX_OUTSIDE, 0.5).returncode
    assert world.verdicts()["drop-local"] >= 2 and "punted" not in world.verdicts()
    world.stop(server)
    server.stdout.close()
    assert world.stop_box() == 0


def test_the_kernel_is_left_as_it_was(world):
    """Device, table and rules go with the daemon; one that died leaves rules, which the next finds."""
    before = world.ip("box", "route").stdout
    world.start_box(with_host(world))
    assert len(rules(world)) == 2
    assert world.ip("box", "route").stdout == before  # the management network's
    world.box.send_signal(signal.SIGKILL)
    world.stop_box()
    assert len(rules(world)) == 2
    world.start_box(with_host(world))
    assert len(rules(world)) == 2
    assert world.stop_box() == 0
    assert rules(world) == []
    assert "hp-inside" not in world.ip("box", "link").stdout


def test_reload(world):
    """A device comes and goes with a reload, and stays where nothing about its interface changes."""
    bare = world.config(dots=False)
    world.start_box(bare)

    def reload(config, what, condition):
        file = world.folder / "homeport.json"
        file.write_text(lab.json.dumps(config))
        # one that comes while the last is not finished is not taken
        lab.wait_for(what, lambda: world.box.send_signal(signal.SIGHUP) or condition())

    def link():
        return [line for line in world.ip("box", "-o", "link").stdout.splitlines()
                if "hp-inside" in line]

    reload(with_host(world), "the device", lambda: len(rules(world)) == 2)
    was = link()
    again = with_host(world)
    again["ietf-nat:nat"]["instances"]["instance"][0]["policy"][0]["homeport:hairpinning"] = False
    server, _ = serve(world, lab.BOX_INSIDE)
    reload(again, "the reload", lambda: "hairpinning" in str(world.homeport("show", "config")))
    assert link() == was
    assert fetch(world, "attacker", lab.BOX_INSIDE).stdout == "100000\n"
    world.stop(server)
    server.stdout.close()
    reload(bare, "no device", lambda: not link() and not rules(world))
    assert world.stop_box() == 0


def test_flood(world):
    """Beyond host-packet-rate packets to the box are dropped, and others pass all the same. The clock
    stands still, so the allowance of one second is all there is."""
    world.start_box(with_host(world, **{"host-packet-rate": 100}), "--test-clock")

    def flooded():
        """Another burst, as a busy machine's kernel may lose much of one before the box has read it."""
        world.exec("attacker", PYTHON, "-c", f"""
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(500):
    try:
        s.sendto(b"flood", ("{lab.BOX_INSIDE}", 9))
    except OSError:
        pass
""")
        return world.verdicts().get("drop-punt-limit", 0) > 1000

    lab.wait_for("the flood is dropped", flooded)
    assert world.verdicts()["punted"] == 100
    server = world.start("victim", PYTHON, "-c", SERVE, lab.VICTIM, stdout=subprocess.PIPE)
    Lines(server).wait("the server listens", lambda line: line == "listening")
    assert fetch(world, "neighbour", lab.VICTIM).stdout == "100000\n"
    world.stop(server)
    server.stdout.close()
    assert world.stop_box() == 0


def test_needs_privileges(world):
    """Without CAP_NET_ADMIN a box that names a host device does not start, and says why."""
    file = world.folder / "homeport.json"
    config = with_host(world)
    for interface in config["ietf-interfaces:interfaces"]["interface"]:
        interface["homeport:device"] = f"net_null_{interface['name']}"
    file.write_text(lab.json.dumps(config))
    done = world.exec("box", "capsh", "--drop=cap_net_admin", "--", "-c",
                      f"{lab.HOMEPORTD} -c {file}", check=False,
                      env={**lab.os.environ, "HOMEPORT_YANG": str(lab.ROOT / "yang")})
    assert done.returncode == 1
    assert "homeport:host-device: cannot make hp-inside" in done.stderr
    assert "CAP_NET_ADMIN" in done.stderr
