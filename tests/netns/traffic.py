#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Traffic between hosts: floods, transfers, and what arrives of them, told as JSON lines on stdout.

usage: traffic.py udp-flood ADDRESS PORT SOURCE-PORT PACKETS-A-SECOND
       traffic.py udp-sink PORT
       traffic.py tcp-send ADDRESS PORT BYTES-A-SECOND
       traffic.py tcp-sink PORT

A sink prints a line each 100 ms: {"at": monotonic seconds, "packets" or "bytes": total so far, ...}. The
monotonic clock is the same in all namespaces of a machine, so lines of several hosts can be compared.
"""
import json
import selectors
import socket
import struct
import sys
import time

SO_TIMESTAMPNS = 35
INTERVAL = 0.1


def say(**fields):
    print(json.dumps(fields), flush=True)


def realtime_offset():
    """What to take from a wall-clock time to have a monotonic one."""
    return time.time() - time.monotonic()


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def peer_of(source):
    """Address and port of who has sent to a socket of both families."""
    return source[0].removeprefix("::ffff:"), source[1]


def udp_flood(address, port, source_port, rate):
    """Sends datagrams from one source port, in small bursts, until it is ended."""
    sender = socket.socket(family_of(address), socket.SOCK_DGRAM)
    sender.bind(("", source_port))
    sender.connect((address, port))
    payload = b"x" * 64
    start, sent = time.monotonic(), 0
    while True:
        due = int((time.monotonic() - start) * rate)
        while sent < due:
            try:
                sender.send(payload)
            except OSError:
                pass  # an ICMP error about an earlier one, or a full queue
            sent += 1
        time.sleep(0.0001)


def udp_sink(port):
    """Counts datagrams; `last` is when the kernel took in the newest, `source` where it came from."""
    receiver = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    receiver.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    receiver.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    receiver.bind(("", port))
    receiver.settimeout(INTERVAL)
    packets, last, source, told = 0, None, None, 0.0
    offset = realtime_offset()
    while True:
        try:
            _, ancillary, _, source = receiver.recvmsg(2048, 64)
            packets += 1
            seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
            last = seconds + nanoseconds / 1e9 - offset
        except socket.timeout:
            pass
        now = time.monotonic()
        if now - told >= INTERVAL:
            told = now
            say(at=now, packets=packets, last=last, source=source and peer_of(source))


def tcp_send(address, port, rate):
    """Sends at a steady rate; ends with an error if the connection breaks."""
    sender = socket.create_connection((address, port), timeout=30)
    chunk = b"x" * 16384
    start, sent = time.monotonic(), 0
    while True:
        if sent < (time.monotonic() - start) * rate:
            sender.sendall(chunk)
            sent += len(chunk)
        else:
            time.sleep(0.005)


def tcp_sink(port):
    """Counts the bytes of each connection, by its source address and port."""
    listener = socket.create_server(("", port), backlog=64, family=socket.AF_INET6, dualstack_ipv6=True)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    received, told = {}, 0.0
    while True:
        for key, _ in selector.select(INTERVAL):
            if key.fileobj is listener:
                connection, peer = listener.accept()
                name = "{}:{}".format(*peer_of(peer))
                selector.register(connection, selectors.EVENT_READ, name)
                received[name] = 0
                continue
            try:
                data = key.fileobj.recv(1 << 16)
            except OSError:
                data = b""
            if data:
                received[key.data] += len(data)
            else:
                selector.unregister(key.fileobj)
                key.fileobj.close()
        now = time.monotonic()
        if now - told >= INTERVAL:
            told = now
            say(at=now, bytes=sum(received.values()), connections=received)


def main(words):
    try:
        if words[0] == "udp-flood":
            udp_flood(words[1], int(words[2]), int(words[3]), int(words[4]))
        elif words[0] == "udp-sink":
            udp_sink(int(words[1]))
        elif words[0] == "tcp-send":
            tcp_send(words[1], int(words[2]), int(words[3]))
        elif words[0] == "tcp-sink":
            tcp_sink(int(words[1]))
        else:
            sys.exit(__doc__)
    except (KeyboardInterrupt, BrokenPipeError):
        pass


if __name__ == "__main__":
    main(sys.argv[1:] or [""])
