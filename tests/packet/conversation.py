# SPDX-License-Identifier: BSD-3-Clause
"""One TCP or UDP flow, or a series of pings, between an inside and an outside endpoint, as cases want to tell
it: packet by packet, each checked for what must have changed on the way."""
from scapy.all import ICMP, IP, TCP, UDP

from box import REFUSALS


class Conversation:
    """`send` goes out, `answer` comes back. The first packet out shows the outside endpoint; from then on it
    must stay the same."""

    def __init__(self, box, host=None, remote=None):
        self.box = box
        self.host = host or box.host()
        self.remote = remote or box.remote()
        self.outside = None

    def outward(self, **fields):
        raise NotImplementedError

    def inward(self, **fields):
        raise NotImplementedError

    def send(self, verdict="nat44-out", **fields):
        if verdict in REFUSALS:
            return self.box.refused(self.outward(**fields), verdict)
        self.box.tx_inside(self.outward(**fields), verdict)
        if verdict != "nat44-out":
            return None
        p = self.box.rx_outside()
        assert p.dst == self.remote
        endpoint = (p.src, self.port_of(p, "s"))
        assert self.outside in (None, endpoint), f"{endpoint}, was {self.outside}"
        self.outside = endpoint
        return p

    def answer(self, verdict="nat44-in", **fields):
        self.box.tx_outside(self.inward(**fields), verdict)
        if verdict != "nat44-in":
            return None
        p = self.box.rx_inside()
        assert (p.src, p.dst, self.port_of(p, "d")) == (self.remote, self.host, self.inside_port)
        return p


class Ported(Conversation):
    layer = None

    def __init__(self, box, sport=1000, dport=80, **more):
        super().__init__(box, **more)
        self.inside_port = sport
        self.dport = dport

    def outward(self, data=b"", **fields):
        return (IP(src=self.host, dst=self.remote) /
                self.layer(sport=self.inside_port, dport=self.dport, **fields) / data)

    def inward(self, data=b"", **fields):
        return (IP(src=self.remote, dst=self.outside[0]) /
                self.layer(sport=self.dport, dport=self.outside[1], **fields) / data)

    @staticmethod
    def port_of(p, which):
        return p.sport if which == "s" else p.dport


class Udp(Ported):
    layer = UDP


class Tcp(Ported):
    layer = TCP

    def send(self, flags, **more):
        return super().send(flags=flags, **more)

    def answer(self, flags, **more):
        return super().answer(flags=flags, **more)

    def open(self):
        self.send("S")
        self.answer("SA")
        self.send("A")
        return self

    def close(self):
        """Both ends, in good order."""
        self.send("FA")
        self.answer("FA")
        self.send("A")


class Ping(Conversation):
    def __init__(self, box, ident=77, **more):
        super().__init__(box, **more)
        self.inside_port = ident

    def outward(self, seq=1, data=b"ping", **fields):
        return IP(src=self.host, dst=self.remote) / ICMP(type=8, id=self.inside_port, seq=seq, **fields) / data

    def inward(self, seq=1, data=b"ping", **fields):
        return (IP(src=self.remote, dst=self.outside[0]) /
                ICMP(type=0, id=self.outside[1], seq=seq, **fields) / data)

    @staticmethod
    def port_of(p, _):
        return p[ICMP].id
