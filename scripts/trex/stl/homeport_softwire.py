# SPDX-License-Identifier: BSD-3-Clause
"""What the profiles of A+P softwires share: one number in each packet, a subscriber's, that is written to its IPv4
address, the PSID of its port, and its IPv6 address, so that all three agree.

    number = (address & 0xffff) << psid-len | PSID          port:  offset bits | PSID | the rest
"""
import ipaddress

import homeport_stl as kit
from scapy.layers.inet6 import IPv6


class Softwire(kit.Profile):
    """`vary_b4` writes the number to the IPv6 address of the subscriber; FAR is what stands for the other end."""

    FAR = ("--aftr", "2001:db8:ffff::1", "the border relay")

    def parser(self):
        parser = super().parser()
        parser.add_argument("--subs", type=int, default=self.SUBS, help="subscribers (%(default)s)")
        parser.add_argument("--pub", default=self.PUB, help="outside address of the first (%(default)s)")
        parser.add_argument("--psid", type=int, default=self.PSID, help="PSID of the first (%(default)s)")
        parser.add_argument("--psid-len", type=int, default=self.PSID_LEN, help="bits (%(default)s)")
        parser.add_argument("--psid-offset", type=int, default=self.PSID_OFFSET, help="bits before it (%(default)s)")
        parser.add_argument("--b4", default=self.B4, help="IPv6 address of the first (%(default)s)")
        option, default, text = self.FAR
        parser.add_argument(option, default=default, help=f"{text} (%(default)s)")
        parser.set_defaults(size=128)
        return parser

    @staticmethod
    def first(args):
        """The number of the first subscriber."""
        return (int(ipaddress.ip_address(args.pub)) & 0xffff) << args.psid_len | args.psid

    def numbers(self, args):
        vm = kit.STLVM()
        vm.var(name="number", min_value=self.first(args), max_value=self.first(args) + args.subs - 1, size=4, op="inc")
        return vm

    @staticmethod
    def vary_port(vm, args, port):
        low = 16 - args.psid_offset - args.psid_len
        if args.psid_len:
            vm.write_mask(fv_name="number", pkt_offset=f"UDP.{port}", pkt_cast_size=2,
                          mask=((1 << args.psid_len) - 1) << low, shift=low)

    def vary_inner(self, vm, args, address, port):
        """Address and PSID of what the tunnel carries; its IPv4 header checksum. UDP has none."""
        vm.write_mask(fv_name="number", pkt_offset=f"IP.{address}", pkt_cast_size=2, mask=0xffff, shift=-args.psid_len,
                      offset_fixup=2)
        self.vary_port(vm, args, port)
        vm.fix_chksum(offset="IP")

    def vary_b4(self, vm, args):
        raise NotImplementedError

    @staticmethod
    def port(args):
        """A port of PSID 0: one beyond the system ports where there are offset bits to say so."""
        return 1 << 16 - args.psid_offset if args.psid_offset else 0

    def streams(self, direction, args):
        vm = self.numbers(args)
        if direction:
            inner = kit.IP(src=args.server, dst=args.pub) / kit.UDP(sport=53, dport=self.port(args) + 7, chksum=0)
            self.vary_inner(vm, args, "dst", "dport")
            return [kit.stream("in", kit.Ether() / inner, args, vm)]
        inner = kit.IP(src=args.pub, dst=args.server) / kit.UDP(sport=self.port(args) + 7, dport=53, chksum=0)
        self.vary_inner(vm, args, "src", "sport")
        self.vary_b4(vm, args)
        return [kit.stream("out", kit.Ether() / IPv6(src=args.b4, dst=args.aftr, nh=4) / inner, args, vm)]
