# SPDX-License-Identifier: BSD-3-Clause
"""What the stateless profiles share: tunables, flows by hosts and ports, and what is to become of the packets.

A profile is a module with

    SAMPLE      the configuration of config/ that it goes with
    CHANGES     leaves of the sample's NAT policies that it replaces ({} if none)
    VERDICTS    {stream: verdict}: what Homeport counts for each packet of that stream, as docs/counters.md has it

and a Profile. A burst (--limit) is told exactly by it; a verdict that depends on how many came before is told by
expect(). TRex's port 0 is inside, its port 1 outside.
"""
import argparse
import collections
import ipaddress
import os
import sys

from trex.stl.api import (IP, STLPktBuilder, STLStream, STLTXCont, STLTXSingleBurst, STLVM, UDP, CTRexVmInsFixHwCs,
                          Ether)

FCS = 4
MIX = (("small", 64, 7), ("middle", 594, 4), ("large", 1518, 1))  # name, bytes of a frame, share


def address(text, offset=0):
    """An address so many after another."""
    return str(ipaddress.ip_address(text) + offset)


class Profile:
    """Base of all profiles."""

    def parser(self):
        """The tunables; a profile adds its own."""
        module = sys.modules[type(self).__module__]
        parser = argparse.ArgumentParser(prog=os.path.basename(module.__file__), description=module.__doc__,
                                         formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("--clients", default="100.64.1.0", help="the first inside host (%(default)s)")
        parser.add_argument("--hosts", type=int, default=1024, help="inside hosts (%(default)s)")
        parser.add_argument("--ports-per-host", type=int, default=63, help="flows of each host (%(default)s)")
        parser.add_argument("--first-port", type=int, default=20000, help="the first port of a host (%(default)s)")
        parser.add_argument("--server", default="198.18.0.1", help="outside host (%(default)s)")
        parser.add_argument("--size", type=int, default=64, help="bytes of a frame with its checksum (%(default)s)")
        parser.add_argument("--pps", type=float, default=1000.0, help="packets a second at -m 1 (%(default)s)")
        parser.add_argument("--limit", type=int, default=0, help="packets of each stream; 0: no end (%(default)s)")
        return parser

    def arguments(self, tunables):
        return self.parser().parse_args(tunables)

    def streams(self, direction, args):
        """The streams of a port: 0 is inside, 1 outside."""
        raise NotImplementedError

    def expect(self, _args, sent):
        """The verdicts of so many packets of each stream, {stream: packets}."""
        verdicts = sys.modules[type(self).__module__].VERDICTS
        expected = collections.Counter()
        for name, packets in sent.items():
            expected[verdicts[name]] += packets
        return expected

    def get_streams(self, direction=0, tunables=(), **_):
        return self.streams(direction, self.arguments(tunables))


def padded(packet, size):
    """A packet with as many bytes of payload as make the frame so large."""
    return packet / (b"h" * max(0, size - FCS - len(packet)))


def mode(args, share=1.0):
    """As long a burst as the tunables say, or no end; `share` of the packets a second."""
    if args.limit:
        return STLTXSingleBurst(pps=args.pps * share, total_pkts=args.limit)
    return STLTXCont(pps=args.pps * share)


def stream(name, packet, args, vm=None, delay=0.0, share=1.0, size=None):
    """A stream of one packet and what varies in it, which begins after `delay` seconds."""
    return STLStream(name=name, packet=STLPktBuilder(pkt=padded(packet, size or args.size), vm=vm),
                     mode=mode(args, share), isg=delay * 1e6)


def mix(packet, args, vm, prefix=""):
    """IMIX: three sizes of one packet."""
    total = sum(share for _, _, share in MIX)
    return [stream(prefix + name, packet, args, vm, share=share / total, size=size) for name, size, share in MIX]


def flows(args, l4="UDP", ip="src", port="sport"):
    """Every host with each of its ports, one packet after the other: all hosts, then all with the next port."""
    vm = STLVM()
    vm.tuple_var(name="flow", ip_min=args.clients, ip_max=address(args.clients, args.hosts - 1),
                 port_min=args.first_port, port_max=args.first_port + args.ports_per_host - 1,
                 limit_flows=args.hosts * args.ports_per_host)
    vm.write(fv_name="flow.ip", pkt_offset=f"IP.{ip}")
    vm.write(fv_name="flow.port", pkt_offset=f"{l4}.{port}")
    return fixed(vm, l4)


def flows6(args, ip="src", port="sport", at=12):
    """As flows(), for IPv6: the hosts differ in the 32 bits from byte `at`."""
    return fixed(flows6_vm(args, ip, port, at), l3="IPv6")


def flows6_vm(args, ip="src", port="sport", at=12):
    """The same with checksums as they are, for what is in a tunnel: UDP without one."""
    first = int(ipaddress.ip_address(args.clients)) >> 8 * (12 - at) & 0xffffffff
    vm = STLVM()
    vm.tuple_var(name="flow", ip_min=first, ip_max=first + args.hosts - 1, port_min=args.first_port,
                 port_max=args.first_port + args.ports_per_host - 1, limit_flows=args.hosts * args.ports_per_host)
    vm.write(fv_name="flow.ip", pkt_offset=f"IPv6.{ip}", offset_fixup=at)
    vm.write(fv_name="flow.port", pkt_offset=f"UDP.{port}")
    return vm


def fixed(vm, l4="UDP", l3="IP"):
    """With both checksums put right after what varies has been written."""
    kinds = {"UDP": CTRexVmInsFixHwCs.L4_TYPE_UDP, "TCP": CTRexVmInsFixHwCs.L4_TYPE_TCP}
    vm.fix_chksum_hw(l3_offset=l3, l4_offset=l4, l4_type=kinds[l4])
    return vm


def udp(args, dport=5001):
    """A datagram from the first inside host to the server."""
    return Ether() / IP(src=args.clients, dst=args.server) / UDP(sport=args.first_port, dport=dport)
