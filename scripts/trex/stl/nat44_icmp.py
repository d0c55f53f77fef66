# SPDX-License-Identifier: BSD-3-Clause
"""ICMP: echo requests from inside, and errors in either direction about the connections of a static mapping.

TRex cannot put the checksum of ICMP right, so what varies in a request varies twice: once up, once down, which leaves
the checksum as it is. The errors are about TCP segments of the sample's static mapping, 100.64.0.2 port 80 as --pub
port 8080, whose connection the stream "open" opens: "packet too big" for what the box has sent outside, and "port
unreachable" for what it has sent inside (RFC 5508 section 4).
"""
import homeport_stl as kit
from scapy.layers.inet import ICMP
from trex.stl.api import TCP

SAMPLE = "nat44.json"
CHANGES = {}
VERDICTS = {"echo": "nat44-out", "unreachable": "nat44-out", "open": "nat44-in", "too-big": "nat44-in"}
STATIC = "100.64.0.2"


class Icmp(kit.Profile):
    def parser(self):
        parser = super().parser()
        parser.add_argument("--pub", default="203.0.113.1", help="outside address (%(default)s)")
        parser.add_argument("--mtu", type=int, default=1400, help="the MTU that is told (%(default)s)")
        parser.add_argument("--delay", type=float, default=0.5, help="seconds before errors begin (%(default)s)")
        return parser

    def streams(self, direction, args):
        return self.outside(args) if direction else self.inside(args)

    @staticmethod
    def inside(args):
        echo = (kit.Ether() / kit.IP(src=args.clients, dst=args.server) / ICMP(id=1, seq=1) / b"\xff\xff")
        vm = kit.STLVM()
        last = min(args.ports_per_host, 65534)
        vm.var(name="host", min_value=args.clients, max_value=kit.address(args.clients, args.hosts - 1), size=4,
               op="inc")
        vm.var(name="id", min_value=1, max_value=last, size=2, op="inc")
        vm.var(name="balance", min_value=65535 - last + 1, max_value=65535, size=2, op="dec")
        vm.write(fv_name="host", pkt_offset="IP.src")
        vm.write(fv_name="id", pkt_offset="ICMP.id")
        vm.write(fv_name="balance", pkt_offset=len(echo) - 2)
        vm.fix_chksum()
        quoted = kit.IP(src=args.server, dst=STATIC) / TCP(sport=args.first_port, dport=80, flags="A", seq=2)
        error = kit.Ether() / kit.IP(src=STATIC, dst=args.server) / ICMP(type=3, code=3) / quoted
        return [kit.stream("echo", echo, args, vm, share=0.5),
                kit.stream("unreachable", error, args, delay=args.delay, share=0.5, size=1)]

    @staticmethod
    def outside(args):
        syn = (kit.Ether() / kit.IP(src=args.server, dst=args.pub) /
               TCP(sport=args.first_port, dport=8080, flags="S", seq=1))
        quoted = kit.IP(src=args.pub, dst=args.server) / TCP(sport=8080, dport=args.first_port, flags="A", seq=2)
        error = (kit.Ether() / kit.IP(src=args.server, dst=args.pub) /
                 ICMP(type=3, code=4, nexthopmtu=args.mtu) / quoted)
        return [kit.stream("open", syn, args, share=0.5),
                kit.stream("too-big", error, args, delay=args.delay / 2, share=0.5, size=1)]


def register():
    return Icmp()
