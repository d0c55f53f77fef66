"""Our Call Home DOTS server against a client made of full libcoap, which shares no code with it, and
tshark reading along with the keys: what we send is what others understand."""
import json
import pathlib
import socket
import struct
import subprocess
import threading

import pytest
from conftest import BUILD, UPSTREAM

BOTH = pytest.mark.parametrize("transport", ["dtls", "tls"])
ROWS = json.loads((pathlib.Path(__file__).parent / "vectors/index.json").read_text())
VECTOR = {row["name"]: row["hex"] for row in ROWS}
SO_RCVBUFFORCE = 33  # <asm-generic/socket.h>
PUT = VECTOR["01-ch-mitigate-put"]
# the port block of the vector, and somebody else's
EXTRA = ["192.0.2.77:40000-40255=100.64.0.77"]


class Capture:
    """Every packet of one port on the loopback interface, as a pcap file. The socket is bound before
    anything is sent, so nothing is missed."""

    def __init__(self, port):
        self.port = port
        self.frames = []
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
        self.socket.bind(("lo", 0))
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        end = b"the end of the capture"
        while end not in (got := self.socket.recvfrom(65535))[0]:
            frame, (_, _, kind, *_) = got
            ports = struct.unpack(">HH", frame[34:38])  # Ethernet 14, IPv4 without options 20
            if kind != socket.PACKET_OUTGOING and self.port in ports:
                self.frames.append(frame)

    def write(self, path):
        marker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        marker.sendto(b"the end of the capture", ("127.0.0.1", 9))
        self.thread.join(60)
        assert not self.thread.is_alive()
        with path.open("wb") as file:
            file.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
            for number, frame in enumerate(self.frames):
                file.write(struct.pack("<IIII", number, 0, len(frame), len(frame)) + frame)


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def tshark(path, keys, port, *words):
    done = subprocess.run(
        ["tshark", "-r", path, "-o", f"tls.keylog_file:{keys}", "-d", f"udp.port=={port},dtls",
         "-d", f"tcp.port=={port},tls", "-d", f"dtls.port=={port},coap",
         "-d", f"tls.port=={port},coap", *words],
        capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@BOTH
def test_a_stock_libcoap_client(start, server, authority, transport, tmp_path):
    """PUT, refresh, GET, Observe, DELETE, /hb both ways and /config."""
    port, keys, file = free_port(), tmp_path / "keys", tmp_path / "exchange.pcap"
    capture = Capture(port)
    upstream = start(BUILD / "tests/dots/coappeer", transport, port,
                     *authority.options(UPSTREAM)[1::2], keys)
    upstream.wait("listening")
    home = server(port, transport, "--held-clock", *EXTRA)
    upstream.wait("up")
    mine = "mitigate/cuid=dz6pHjaADkaFTbjr0JGBpw/mid=56"

    def ask(line):
        upstream.say(line)
        return upstream.wait("reply")

    config = ask("GET CON config")
    assert config["code"] == "2.05" and config["content-format"] == 271
    assert transport == "tls" or config["type"] == "ACK"
    # figure 20 of RFC 9132, but for the probing-rate: that has 15 where the default is 5
    assert config["payload"] == VECTOR["15-config-205"].replace(
        "1832a318221418230518240f", "1832a3182214182305182405")
    created = ask(f"PUT NON {mine} {PUT}")
    assert created["code"] == "2.01" and created["payload"] == VECTOR["04-reply-201"]
    assert home.wait("acl-add")["subscriber"] == "100.64.0.77"
    refreshed = ask(f"PUT NON {mine} {PUT}")
    assert refreshed["code"] == "2.04" and refreshed["payload"] == VECTOR["04-reply-201"]
    assert ask(f"PUT CON {mine} {PUT}")["code"] == "2.04"
    status = ask(f"GET NON {mine}")
    assert status["code"] == "2.05"
    source = b"192.0.2.77/32".hex()
    assert source in status["payload"] and b"100.64".hex() not in status["payload"]

    first = ask(f"OBSERVE NON {mine}")
    assert first["code"] == "2.05" and "observe" in first
    last = first["observe"]
    for _ in range(8):  # libcoap's own server sends each sixth as CON
        home.say("advance 6")
        told = upstream.wait("notification")
        assert told["code"] == "2.05" and told["observe"] > last
        assert transport == "tls" or told["type"] == "NON"
        last = told["observe"]
    assert "observe" not in ask(f"CANCEL NON {mine}")

    assert ask("PUT NON hb " + VECTOR["09-hb-true"])["code"] == "2.04"
    home.say("advance 31")
    assert upstream.wait("heartbeat")["payload"] == VECTOR["09-hb-true"]
    home.say("show")
    assert home.wait("show")["sessions"][0]["heartbeats-heard"] == 1

    gone = ask(f"DELETE NON {mine}")
    assert gone["code"] == "2.02" and gone["payload"] == ""
    home.wait("acl-remove")
    unknown = ask(f"GET CON {mine}")
    assert unknown["code"] == "4.04"
    assert bytes.fromhex(unknown["payload"]) == b"no such mitigation"
    upstream.say("quit")
    assert upstream.end() == 0, upstream.log

    capture.write(file)
    reads(file, keys, port, transport)


def reads(file, keys, port, transport):
    """tshark decrypts all of it and finds nothing to complain about."""
    fields = ["-e", "coap.code", "-e", "coap.opt.uri_path_recon", "-e", "coap.opt.ctype"]
    lines = tshark(file, keys, port, "-Y", "coap", "-T", "fields", "-E", "separator=|", *fields)
    text = "\n".join(lines)
    assert text.count("/.well-known/dots/mitigate/cuid=dz6pHjaADkaFTbjr0JGBpw/mid=56") >= 8
    assert "/.well-known/dots/config" in text and "/.well-known/dots/hb" in text
    assert "application/dots+cbor" in text or "271" in text
    # 2.01, 2.02, 2.04, 2.05 and 4.04 have the numbers 65, 66, 68, 69 and 132
    codes = {line.split("|")[0] for line in lines}
    assert {"65", "66", "68", "69", "132"} <= {c for field in codes for c in field.split(",")}
    # tshark 4.0 takes the options of a CSM (7.01, number 225) for those of a request
    wrong = tshark(
        file, keys, port, "-Y",
        "(_ws.malformed || coap && _ws.expert.severity >= 6291456) && !(coap.code == 225)",
        "-T", "fields", "-e", "frame.number", "-e", "_ws.expert.message")
    assert not wrong, wrong
