# SPDX-License-Identifier: BSD-3-Clause
"""Peers that mean no good, on plain sockets: an upstream over TLS that says what it likes (CoAP of RFC 8323 made by
hand), a home that does, a ClientHello with any pre-shared keys, and a path between two good peers that doubles, swaps, replays and invents datagrams."""
import hashlib
import hmac
import io
import random
import socket
import struct
import ssl
import threading

PUT, GET, DELETE, CSM, RELEASE = 0x03, 0x01, 0x04, 0xe1, 0xe4
PATIENCE = 60


def extended(value):
    """Nibble and further bytes of a length or delta (RFC 7252 section 3.1)."""
    if value < 13:
        return value, b""
    if value < 269:
        return 13, bytes([value - 13])
    return 14, (value - 269).to_bytes(2, "big")


def option(delta, value):
    (high, more), (low, length) = extended(delta), extended(len(value))
    return bytes([high << 4 | low]) + more + length + value


def path(*segments):
    """Uri-Path after /.well-known/dots, and Content-Format application/dots+cbor."""
    names = (".well-known", "dots") + segments
    return b"".join(option(0 if i else 11, n.encode()) for i, n in enumerate(names)) + option(
        1, b"\x01\x0f")


def frame(code, options=b"", payload=b"", token=b"t"):
    """A message of RFC 8323 section 3.2."""
    body = options + (b"\xff" + payload if payload else b"")
    if len(body) < 65805:
        nibble, more = (extended(len(body)) if len(body) < 269 else
                        (14, (len(body) - 269).to_bytes(2, "big")))
    else:
        nibble, more = 15, (len(body) - 65805).to_bytes(4, "big")
    return bytes([nibble << 4 | len(token)]) + more + bytes([code]) + token + body


def put(cuid, mid, body):
    return frame(PUT, path("mitigate", f"cuid={cuid}", f"mid={mid}"), body)


def _vector(data, size):
    """Length and data (RFC 8446 section 3.4)."""
    return len(data).to_bytes(size, "big") + data


def _expand(secret, label, context=b""):
    """HKDF-Expand-Label for one hash (RFC 8446 section 7.1)."""
    info = struct.pack("!H", 32) + _vector(b"tls13 " + label, 1) + _vector(context, 1)
    return hmac.digest(secret, info + b"\x01", "sha256")


def psk_hello(keys):
    """A record with a ClientHello of TLS 1.3 that names each identity of [(identity, key)], with binders that the keys
    make (RFC 8446 section 4.2.11.2)."""
    identities = _vector(b"".join(_vector(i, 2) + bytes(4) for i, _ in keys), 2)
    binders = 2 + 33 * len(keys)
    share = _vector(struct.pack("!H", 29) + _vector(random.randbytes(32), 2), 2)
    extensions = b"".join(struct.pack("!H", kind) + _vector(body, 2) for kind, body in (
        (43, _vector(b"\x03\x04", 1)), (10, _vector(b"\x00\x1d", 2)), (51, share), (45, _vector(b"\x01", 1))))
    extensions += struct.pack("!HH", 41, len(identities) + binders) + identities
    body = (b"\x03\x03" + random.randbytes(32) + b"\x00" + _vector(b"\x13\x01", 2) + b"\x01\x00"
            + struct.pack("!H", len(extensions) + binders) + extensions)
    hello = b"\x01" + (len(body) + binders).to_bytes(3, "big") + body
    made = b""
    for _, key in keys:
        early = hmac.digest(bytes(32), key, "sha256")
        finished = _expand(_expand(early, b"ext binder", hashlib.sha256().digest()), b"finished")
        made += _vector(hmac.digest(finished, hashlib.sha256(hello).digest(), "sha256"), 1)
    return b"\x16\x03\x01" + _vector(hello + _vector(made, 2), 2)


def psk_answer(port, keys):
    """What a server on a port says to such a hello: which identity it has chosen, or its alert as a text."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(psk_hello(keys))
        stream = connection.makefile("rb")
        kind, _, length = struct.unpack("!BHH", stream.read(5))
        record = stream.read(length)
    if kind == 21:
        return f"alert {record[1]}"
    at = 4 + 2 + 32
    at += 1 + record[at] + 3 + 2
    while record[at:at + 2] != b"\x00\x29":
        at += 4 + int.from_bytes(record[at + 2:at + 4], "big")
    return int.from_bytes(record[at + 4:at + 6], "big")


class Upstream:
    """Waits for servers that dial in, and gives each connection to `act(tls)`; what came of it is in `heard`."""

    def __init__(self, certificate, key, ca, act):
        self.act = act
        self.heard = b""
        self.acted = threading.Event()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.context.load_verify_locations(ca)
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            connection.settimeout(PATIENCE)
            try:
                with self.context.wrap_socket(connection, server_side=True) as tls:
                    self.act(tls)
                    self.acted.set()
                    while got := tls.recv(65536):
                        self.heard += got
            except OSError:
                pass  # the other end had enough
            self.acted.set()

    def close(self):
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()


def _number(stream, nibble):
    if nibble < 13:
        return nibble
    return stream.read(1)[0] + 13 if nibble == 13 else int.from_bytes(stream.read(2), "big") + 269


class Request:
    """One that the other end has sent: the method, its token, and the path after /.well-known/dots."""

    def __init__(self, code, token, body):
        self.code, self.token, self.path = code, token, []
        stream, kind = io.BytesIO(body), 0
        while (head := stream.read(1)) and head != b"\xff":
            kind += _number(stream, head[0] >> 4)
            value = stream.read(_number(stream, head[0] & 15))
            if kind == 11:
                self.path.append(value.decode())
        self.path = self.path[2:]

    def __str__(self):
        return f"{self.code} {'/'.join(self.path)}"


def well(request):
    """What a good home says: it has no configuration to offer, and does all that it is asked."""
    if request.path[0] == "config":
        return frame(0x84, token=request.token)
    if request.path[0] == "mitigate" and request.code == GET:
        return frame(0x45, option(6, b"\x01"), token=request.token)
    return frame({PUT: 0x41 if request.path[0] == "mitigate" else 0x44, DELETE: 0x42}[request.code], token=request.token)


class Home:
    """A Call Home DOTS server that dials in over TLS, says `words`, and answers each request by `answer(request)`, or
    reads none if that is None; with `slowly` a byte at a time. What came is in `asked`, and whatever went wrong in
    `why`."""

    def __init__(self, port, certificate, key, ca, answer=well, words=frame(CSM, token=b""), slowly=False):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(ca)
        if certificate:
            context.load_cert_chain(certificate, key)
        self.answer, self.slowly, self.asked, self.why = answer, slowly, [], None
        self.tls = context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE),
                                       server_hostname="box.example")
        self.say(words)
        # from now on the stream is the thread's: OpenSSL's are not for two at once
        if answer:
            threading.Thread(target=self._serve, daemon=True).start()

    def say(self, words):
        step = 1 if self.slowly else len(words)
        for at in range(0, len(words), step or 1):
            self.tls.sendall(words[at:at + step])

    def _read(self, length):
        data = b""
        while len(data) < length:
            if not (got := self.tls.recv(length - len(data))):
                raise OSError("closed")
            data += got
        return data

    def _serve(self):
        try:
            while True:
                head = self._read(1)[0]
                length = head >> 4
                if length >= 13:
                    more = {13: 1, 14: 2, 15: 4}[length]
                    length = int.from_bytes(self._read(more), "big") + {13: 13, 14: 269, 15: 65805}[length]
                code = self._read(1)[0]
                token = self._read(head & 15)
                body = self._read(length)
                if 0 < code < 0x20:
                    request = Request(code, token, body)
                    self.asked.append(str(request))
                    if said := self.answer(request):
                        self.say(said)
        except OSError as error:
            self.why = error

    def close(self):
        self.tls.close()


class Path:
    """Carries datagrams between a server that dials `port` here and the client behind it: `bend(datagrams)` makes of
    each what is sent on, in order. All that went towards the server is kept."""

    def __init__(self, port):
        self.towards = ("127.0.0.1", port)
        self.front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.front.bind(("127.0.0.1", 0))
        self.port = self.front.getsockname()[1]
        self.back = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.back.connect(self.towards)
        self.server = None
        self.to_server, self.to_client = [], []
        self.bend = lambda datagram: [datagram]
        for carry in (self._forth, self._back):
            threading.Thread(target=carry, daemon=True).start()

    def _forth(self):
        while True:
            try:
                datagram, self.server = self.front.recvfrom(65535)
                self.to_client.append(datagram)
                for piece in self.bend(datagram):
                    self.back.send(piece)
            except OSError:
                return

    def _back(self):
        while True:
            try:
                datagram = self.back.recv(65535)
                self.to_server.append(datagram)
                for piece in self.bend(datagram):
                    self.front.sendto(piece, self.server)
            except OSError:
                return

    def close(self):
        for end in (self.front, self.back):
            end.close()


class Bending:
    """Doubles, swaps with the one before, and adds what nobody sent; a seed makes it the same each time."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.before = []

    def __call__(self, datagram):
        flipped = bytearray(datagram)
        flipped[self.chance.randrange(len(flipped))] ^= 1 << self.chance.randrange(8)
        self.before = (self.before + [datagram])[-8:]
        return [self.chance.choice(self.before), datagram, datagram, bytes(flipped),
                self.chance.randbytes(self.chance.randrange(1, 200)), datagram[:13]]
