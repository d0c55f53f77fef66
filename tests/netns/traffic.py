#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Traffic between hosts: floods, transfers, and what arrives of them, told as JSON lines on stdout.

usage: traffic.py udp-flood ADDRESS PORT SOURCE-PORT PACKETS-A-SECOND
       traffic.py udp-sink PORT
       traffic.py tcp-send ADDRESS PORT BYTES-A-SECOND
       traffic.py tcp-sink PORT
       traffic.py tcp-echo PORT
       traffic.py tcp-flows ADDRESS PORT FLOWS BYTES

A sink prints a line each 100 ms: {"at": monotonic seconds, "packets" or "bytes": total so far, ...}. The
monotonic clock is the same in all namespaces of a machine, so lines of several hosts can be compared.
"""
import asyncio
import json
import random
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


async def echo(reader, writer):
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.close()


async def tcp_echo(port):
    """Sends back all that arrives; says when it listens."""
    server = await asyncio.start_server(echo, sock=socket.create_server(
        ("", port), backlog=512, family=socket.AF_INET6, dualstack_ipv6=True))
    say(event="listening")
    await server.serve_forever()


async def tcp_flow(number, address, port, size):
    """Whether what one connection sends, while it reads, comes back to the byte."""
    reader, writer = await asyncio.open_connection(address, port)
    content = random.Random(number).randbytes(size)

    async def send():
        writer.write(content)
        await writer.drain()
        writer.write_eof()

    _, back = await asyncio.gather(send(), reader.read())
    writer.close()
    return back == content


async def tcp_flows(address, port, flows, size):
    """Connections side by side, each of which ends when all its bytes are back."""
    intact = await asyncio.gather(*(tcp_flow(n, address, port, size) for n in range(flows)))
    say(flows=flows, intact=sum(intact))


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
        elif words[0] == "tcp-echo":
            asyncio.run(tcp_echo(int(words[1])))
        elif words[0] == "tcp-flows":
            asyncio.run(tcp_flows(words[1], int(words[2]), int(words[3]), int(words[4])))
        else:
            sys.exit(__doc__)
    except (KeyboardInterrupt, BrokenPipeError):
        pass


if __name__ == "__main__":
    main(sys.argv[1:] or [""])
