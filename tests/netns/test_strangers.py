# SPDX-License-Identifier: BSD-3-Clause
"""Strangers at the box's door for homes (RFC 9066 section 8, RFC 6347 section 4.2.1): whatever they do, a
good home gets its session and keeps it."""
import subprocess

import lab
import pytest
from story import PYTHON, Lines
from test_homes import BOX_NAME, Homes

CONNECTIONS = 900
LEAST = 20000  # spoofed ClientHellos, at the least

# ClientHellos from addresses of this network that nobody has, as fast as a quarter of the host-packet-rate,
# until standard input ends and LEAST have gone
HELLOS = """
import json, select, socket, struct, sys, time
least, box, mac = int(sys.argv[1]), socket.inet_aton(sys.argv[2]), bytes.fromhex(sys.argv[3])
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind(("eth0", 0))
body = b"\\xfe\\xfd" + bytes(range(32)) + b"\\0\\0" + b"\\0\\2\\xc0\\x2b" + b"\\1\\0"
hello = b"\\1" + struct.pack(">I", len(body))[1:] + b"\\0\\0" + b"\\0\\0\\0" + struct.pack(
    ">I", len(body))[1:] + body
record = b"\\x16\\xfe\\xfd" + bytes(8) + struct.pack(">H", len(hello)) + hello

def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff

sent = 0
print(json.dumps("begins"), flush=True)
while sent < least or not select.select([sys.stdin], [], [], 0)[0]:
    for _ in range(100):
        source = bytes([100, 64 + sent % 60, 1 + sent // 250 % 250, 1 + sent % 250])
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 28 + len(record), 0, 0, 64, 17, 0, source, box)
        ip = ip[:10] + struct.pack(">H", checksum(ip)) + ip[12:]
        udp = struct.pack(">HHHH", 1024 + sent % 60000, 4647, 8 + len(record), 0)
        wire.send(mac + b"\\2\\0\\0\\0\\0\\1" + b"\\x08\\0" + ip + udp + record)
        sent += 1
    time.sleep(0.02)
print(json.dumps(sent), flush=True)
"""

# connections that say nothing, or half of something, held until standard input ends
SILENT = """
import json, socket, sys
held = []
for i in range(int(sys.argv[1])):
    c = socket.create_connection((sys.argv[2], 4647))
    if i % 2:
        c.sendall(b"\\x16\\x03\\x01\\x02\\x00\\x01\\x00\\x01\\xfc\\x03\\x03")
    held.append(c)
print(json.dumps(len(held)), flush=True)
sys.stdin.read()
"""


def stranger(world, *words):
    return world.start("neighbour", PYTHON, "-c", *words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def ready(box):
    """The home has its session; one that a busy machine has kept waiting too long dials again after a minute."""
    lab.wait_for("the home has a session", lambda: box.state("attacker")["status"] == "ready", 150)


def device_address(world):
    """The MAC address behind which the neighbour sees the box."""
    world.exec("neighbour", "ping", "-c", "1", lab.BOX_INSIDE)
    shown = world.ip("neighbour", "neigh", "show", lab.BOX_INSIDE).stdout.split()
    return shown[shown.index("lladdr") + 1].replace(":", "")


@pytest.mark.parametrize("transport", ["dtls", "tls"])
def test_spoofed_hellos(world, transport):
    """Each is answered with a cookie, or not at all, and forgotten."""
    box = Homes(world, transport=transport)
    flood = stranger(world, HELLOS, LEAST, lab.BOX_INSIDE, device_address(world))
    lines = Lines(flood)
    lines.wait("the flood", lambda line: line == "begins")
    home = box.dial("attacker")
    ready(box)
    mid = box.mitigate(box.open_port("attacker"))
    home.wait("the home's rule", lambda line: line.get("event") == "acl-add")
    flood.stdin.close()
    sent = lines.wait("its end", lambda line: isinstance(line, int))
    assert sent >= LEAST
    # the device's own queue may have lost some on a busy machine
    lab.wait_for("they arrive", lambda: int(world.counters()["host"]["delivered"]) > LEAST / 20)
    counters = box.counters()
    assert counters["ready"] == 1 and counters["failed"] == "0"
    assert box.ask(f"withdraw --mid {mid}")["code"] == "2.02"
    box.end()


@pytest.mark.parametrize("transport", ["dtls", "tls"])
def test_more_hellos_than_may_pass(world, transport):
    """A flood many times as strong as host-packet-rate: a home comes in by the share of the homes."""
    box = Homes(world, transport=transport, rate=100)
    flood = stranger(world, HELLOS, LEAST, lab.BOX_INSIDE, device_address(world))
    lines = Lines(flood)
    lines.wait("the flood", lambda line: line == "begins")
    lab.wait_for("most of it is dropped", lambda: world.verdicts().get("drop-punt-limit", 0)
                 > 10 * world.verdicts().get("punted", LEAST))
    home = box.dial("attacker")
    ready(box)
    box.mitigate(box.open_port("attacker"))
    home.wait("the home's rule", lambda line: line.get("event") == "acl-add")
    flood.stdin.close()
    lines.wait("its end", lambda line: isinstance(line, int))
    counters = box.counters()
    assert counters["ready"] == 1 and counters["failed"] == "0"
    box.end()


@pytest.mark.parametrize("transport", ["dtls", "tls"])
def test_half_open_handshakes(world, transport):
    """Hundreds of connections that say nothing, or half of a hello, keep nobody out."""
    box = Homes(world, transport=transport)
    silent = stranger(world, SILENT, CONNECTIONS, lab.BOX_INSIDE)
    Lines(silent).wait("the connections", lambda line: line == CONNECTIONS)
    lab.wait_for("they are seen", lambda: box.counters()["half-open"] > CONNECTIONS / 2)
    box.dial("attacker")
    ready(box)
    silent.stdin.close()
    box.end()


def test_wrong_certificates(world):
    """A certificate of the right authority for the wrong side, and the authority's own; and then the
    home's own is as good as ever, since another source failed."""
    box = Homes(world)
    for file in ("upstream", "ca"):
        for version in ("-tls1_3", "-dtls1_2"):
            before = int(box.counters()["failed"])
            world.exec("neighbour", "openssl", "s_client", "-connect", f"{lab.BOX_INSIDE}:4647",
                       version, "-cert", box.pki / f"{file}.pem", "-key", box.pki / f"{file}.key",
                       check=False, input="", timeout=60)
            lab.wait_for("it fails", lambda: int(box.counters()["failed"]) > before)
    assert "its key usages lack clientAuth" in world.log_text()
    assert box.counters()["ready"] == 0
    box.dial("attacker")
    ready(box)
    box.end()
