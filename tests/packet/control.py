# SPDX-License-Identifier: BSD-3-Clause
"""The control socket of a homeportd (lib/ctl/proto.h): what the homeport command does, without a process
for each question."""
import json
import socket
import struct


class Refused(Exception):
    """The box said no."""


class Control:
    def __init__(self, path, timeout):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(str(path))

    def close(self):
        self.socket.close()

    def ask(self, *words):
        """The JSON value that answers a command, or None if the answer is empty."""
        request = b"".join(str(w).encode() + b"\0" for w in words)
        self.socket.sendall(struct.pack("!I", len(request)) + request)
        text = b""
        while True:
            kind, _, length = struct.unpack("!cB2xI", self._take(8))
            part = self._take(length)
            if kind == b"e":
                raise Refused(part.decode())
            if kind == b"z":
                return json.loads(text) if text else None
            text += part

    def _take(self, length):
        data = b""
        while len(data) < length:
            more = self.socket.recv(length - len(data))
            if not more:
                raise Refused("homeportd closed the connection")
            data += more
        return data
