# SPDX-License-Identifier: BSD-3-Clause
"""HTTP through NAT64: IPv6 hosts of one /64, one subscriber by the sample, and IPv4 servers behind --pref64 (RFC 6052).

TRex's client and server addresses are the last 32 bits of the IPv6 ones; its server's end is IPv4 all the same.
TRex takes no notice of "packet too big": --mss leaves room for the larger header.
"""
import nat44_http

SAMPLE = "nat64.json"
CHANGES = {}
VERDICTS = ("nat64-out", "nat64-in")
REFUSED = False


class Nat64Http(nat44_http.Http):
    def parser(self):
        parser = super().parser()
        parser.set_defaults(server="198.51.100.1", cps=20.0, mss=1440)
        parser.add_argument("--prefix", default="2001:db8:1000::", help="of the clients, a /96 (%(default)s)")
        parser.add_argument("--pref64", default="2001:db8:64::", help="of the servers, a /96 (%(default)s)")
        return parser

    def info(self, args):
        info = super().info(args)
        info.ipv6.src_msb = args.prefix
        info.ipv6.dst_msb = args.pref64
        info.ipv6.enable = 1
        return info

    def server_info(self, args):
        return super().info(args)


def register():
    return Nat64Http()
