#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Small programs on ordinary sockets: hosts that find each other, and that listen to ICMP errors.

usage: peers.py reflect PORT            tells every TCP and UDP client where it is seen; ends with its input
       peers.py meet PORT               tells two UDP clients where the other one is seen, and ends
       peers.py punch ADDRESS PORT      by such a meeting, exchanges datagrams with the other client
       peers.py serve ADDRESS PORT OWN  finds out by a reflector where OWN is seen, and echoes one connection
       peers.py known ADDRESS PORT OWN... finds out by a reflector where each UDP port OWN is seen
       peers.py errors ADDRESS PORT...  sends a datagram to each port; tells the ICMP error about it

Each prints JSON lines.
"""
import json
import select
import selectors
import socket
import struct
import sys

DEADLINE = 30
IP_RECVERR, MSG_ERRQUEUE = 11, 0x2000


def say(**fields):
    print(json.dumps(fields), flush=True)


def udp(port=0):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("", port))
    s.settimeout(DEADLINE)
    return s


def tcp(port=0):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    s.bind(("", port))
    s.settimeout(DEADLINE)
    return s


def reflect(port):
    chooser = selectors.DefaultSelector()
    datagrams, listener = udp(port), tcp(port)
    listener.listen()
    for f in (datagrams, listener, sys.stdin):
        chooser.register(f, selectors.EVENT_READ)
    say(event="ready")
    while True:
        for key, _ in chooser.select():
            if key.fileobj is sys.stdin:
                return
            if key.fileobj is datagrams:
                _, peer = datagrams.recvfrom(100)
                datagrams.sendto(json.dumps(peer).encode(), peer)
            else:
                connection, peer = listener.accept()
                connection.sendall(json.dumps(peer).encode())
                connection.close()


def meet(port):
    s = udp(port)
    say(event="ready")
    seen = []
    while len(seen) < 2:
        _, peer = s.recvfrom(100)
        if peer not in seen:
            seen.append(peer)
    for peer, other in (seen, reversed(seen)):
        s.sendto(json.dumps(other).encode(), peer)


def punch(address, port):
    s = udp()
    s.sendto(b"here", (address, port))
    other = heard = None
    # the other one may have been told first, and knock before the meeting place has answered
    while not (other and heard):
        word, peer = s.recvfrom(100)
        if peer == (address, port):
            other = tuple(json.loads(word))
            s.sendto(b"knock", other)
        else:
            heard = peer
    say(event="met", other=other, heard_from=heard)


def serve(address, port, own):
    probe = tcp(own)
    probe.connect((address, port))
    seen = json.loads(probe.recv(100))
    listener = tcp(own)
    listener.listen()
    say(event="seen", address=seen[0], port=seen[1])
    connection, peer = listener.accept()
    total = 0
    while data := connection.recv(65536):
        connection.sendall(data)
        total += len(data)
    say(event="served", peer=peer[0], port=peer[1], bytes=total)


def known(address, port, *owns):
    for own in owns:
        s = udp(own)
        s.sendto(b"where", (address, port))
        say(own=own, seen=json.loads(s.recv(100)))


def error_of(s):
    """The ICMP error that the kernel has queued for a socket: type, code, and who sent it."""
    waiting = select.poll()
    waiting.register(s, 0)  # an error is told in any case
    if not waiting.poll(DEADLINE * 1000):
        return None
    s.setblocking(False)
    _, ancillary, _, _ = s.recvmsg(2048, 512, MSG_ERRQUEUE)
    data, = [data for _, kind, data in ancillary if kind == IP_RECVERR]
    _, _, kind, code, *_ = struct.unpack("=IBBBBII", data[:16])
    return {"type": kind, "code": code, "from": socket.inet_ntoa(data[20:24])}


def errors(address, *ports):
    for port in ports:
        s = udp()
        s.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        s.connect((address, port))
        s.send(b"x" * 30)
        say(port=port, error=error_of(s))


def main(words):
    commands = {"reflect": reflect, "meet": meet, "punch": punch, "serve": serve, "known": known,
                "errors": errors}
    if not words or words[0] not in commands:
        sys.exit(__doc__)
    commands[words[0]](*[int(w) if w.isdigit() else w for w in words[1:]])


if __name__ == "__main__":
    main(sys.argv[1:])
