#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A storm of short connections on ordinary sockets, from many source addresses, and the server that answers it.

usage: storm.py serve ADDRESS PORT SIZE
       storm.py connect ADDRESS PORT FIRST-SOURCE SOURCES RATE CONNECTIONS

Both speak HTTP/1.1, so that the server serves wrk and h2load too. The storm opens RATE connections a second, each from
the next source address; each asks once and is closed when the answer is whole. It prints one JSON object.
"""
import ipaddress
import json
import resource
import selectors
import socket
import sys
import time

IP_BIND_ADDRESS_NO_PORT = 24
PATIENCE = 5.0  # seconds for one connection
REQUEST = b"GET / HTTP/1.1\r\nHost: storm\r\n\r\n"


def serve(address, port, size):
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"h" * size
    listener = socket.create_server((address, port), backlog=4096)
    listener.setblocking(False)
    chooser = selectors.DefaultSelector()
    chooser.register(listener, selectors.EVENT_READ)
    print(json.dumps({"event": "ready"}), flush=True)
    while True:
        for key, _ in chooser.select():
            if key.fileobj is listener:
                connection, _ = listener.accept()
                chooser.register(connection, selectors.EVENT_READ)
                continue
            try:
                asked = key.fileobj.recv(65536)
                if asked:
                    key.fileobj.settimeout(PATIENCE)
                    key.fileobj.sendall(answer * asked.count(b"\r\n\r\n"))
                    continue
            except OSError:
                pass
            chooser.unregister(key.fileobj)
            key.fileobj.close()


class Connection:
    def __init__(self, source, target):
        self.begun, self.got, self.asked = time.monotonic(), b"", False
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        self.socket.bind((source, 0))
        self.socket.connect_ex(target)

    def go_on(self):
        """True when the answer is whole; raises OSError when there will be none."""
        if not self.asked:
            self.socket.send(REQUEST)
            self.asked = True
            return False
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("closed before the answer was whole")
        self.got += data
        head, found, body = self.got.partition(b"\r\n\r\n")
        return bool(found) and len(body) >= int(head.rpartition(b" ")[2])


class Storm:
    def __init__(self):
        self.chooser = selectors.DefaultSelector()
        self.open, self.times, self.opened, self.failed = set(), [], 0, 0

    def begin(self, source, target):
        self.opened += 1
        try:
            connection = Connection(source, target)
        except OSError:
            self.failed += 1
            return
        self.open.add(connection)
        self.chooser.register(connection.socket, selectors.EVENT_WRITE, connection)

    def close(self, connection, failed):
        self.open.discard(connection)
        self.chooser.unregister(connection.socket)
        connection.socket.close()
        if failed:
            self.failed += 1
        else:
            self.times.append(time.monotonic() - connection.begun)

    def wait(self, seconds):
        for key, _ in self.chooser.select(seconds):
            connection, asked = key.data, key.data.asked
            try:
                whole = connection.go_on()
            except OSError:
                self.close(connection, failed=True)
                continue
            if whole:
                self.close(connection, failed=False)
            elif not asked:
                self.chooser.modify(connection.socket, selectors.EVENT_READ, connection)

    def give_up(self):
        now = time.monotonic()
        for connection in [c for c in self.open if now - c.begun > PATIENCE]:
            self.close(connection, failed=True)


def connect(address, port, first, sources, rate, total):
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    storm, begun = Storm(), time.monotonic()
    first = ipaddress.ip_address(first)
    while storm.opened < total or storm.open:
        due = min(total, int((time.monotonic() - begun) * rate))
        while storm.opened < due:
            storm.begin(str(first + storm.opened % sources), (address, port))
        storm.wait(0.001)
        storm.give_up()
    times = sorted(storm.times) or [0.0]
    print(json.dumps({"connections": storm.opened, "answered": len(storm.times), "failed": storm.failed,
                      "seconds": round(time.monotonic() - begun, 3), "median-ms": round(times[len(times) // 2] * 1e3, 2),
                      "p99-ms": round(times[len(times) * 99 // 100] * 1e3, 2)}))


def main(words):
    try:
        if words[0] == "serve":
            serve(words[1], int(words[2]), int(words[3]))
        elif words[0] == "connect":
            connect(words[1], int(words[2]), words[3], int(words[4]), float(words[5]), int(words[6]))
        else:
            sys.exit(__doc__)
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main(sys.argv[1:] or [""])
