# SPDX-License-Identifier: BSD-3-Clause
"""HTTP through NAT44: one GET a connection, an answer of --size bytes."""
import homeport_astf as kit

SAMPLE = "nat44.json"
CHANGES = {}
VERDICTS = ("nat44-out", "nat44-in")
REFUSED = False
REQUEST = b"GET / HTTP/1.1\r\nHost: www.example.net\r\nUser-Agent: homeport\r\nAccept: */*\r\n\r\n"


def answer(size):
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nContent-Type: text/plain\r\n\r\n" % size + b"h" * size


class Http(kit.Profile):
    def parser(self):
        parser = super().parser()
        parser.set_defaults(size=32768)
        return parser

    def templates(self, args):
        return [kit.template(args, 80, *kit.exchange(True, REQUEST, answer(args.size)))]


def register():
    return Http()
