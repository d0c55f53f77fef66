# SPDX-License-Identifier: BSD-3-Clause
"""Datagrams in two fragments, from inside: the second comes a little after its first.

Not over net_af_packet, whose kernel side puts datagrams together before the box sees them: NICs, net_tap, net_pcap.
"""
import homeport_stl as kit

SAMPLE = "nat44.json"
CHANGES = {"fragment-behavior": "out-of-order"}
VERDICTS = {"first": "nat44-out", "second": "nat44-out"}
BYTES = 512  # of the first one's IP payload


class Fragments(kit.Profile):
    def parser(self):
        parser = super().parser()
        parser.set_defaults(size=594)
        return parser

    def streams(self, direction, args):
        if direction:
            return []
        rest = max(8, args.size - kit.FCS - 34)
        first = (kit.Ether() / kit.IP(src=args.clients, dst=args.server, flags="MF", id=1) /
                 kit.UDP(sport=args.first_port, dport=5001, len=BYTES + rest, chksum=0) / (b"h" * (BYTES - 8)))
        second = (kit.Ether() / kit.IP(src=args.clients, dst=args.server, frag=BYTES // 8, id=1, proto=17) /
                  (b"h" * rest))
        gap = 0.5 / args.pps
        return [kit.stream("first", first, args, self.datagrams(args), size=1),
                kit.stream("second", second, args, self.datagrams(args), delay=gap, size=1)]

    @staticmethod
    def datagrams(args):
        """All hosts, each time with an identification that has not been."""
        vm = kit.STLVM()
        vm.var(name="host", min_value=args.clients, max_value=kit.address(args.clients, args.hosts - 1), size=4,
               op="inc")
        vm.var(name="id", min_value=1, max_value=65535, size=2, op="inc")
        vm.write(fv_name="host", pkt_offset="IP.src")
        vm.write(fv_name="id", pkt_offset="IP.id")
        vm.fix_chksum()
        return vm


def register():
    return Fragments()
