# SPDX-License-Identifier: BSD-3-Clause
"""Deterministic NAT in both directions, the outside ports computed and not learned.

The hosts of an inside prefix share the outside addresses: C hosts an address have (65536 - 1024) / C ports each, in
sequence (RFC 7422). Here every host opens as many flows as it has ports, so that all are in use; the way back, which
starts --delay seconds later, writes to every port of these hosts. A burst takes --limit = hosts x ports.
The first and last address of the prefix are no hosts: a /22 behind one address has 1022, with 63 ports each.
"""
import homeport_stl as kit

SAMPLE = "nat44-deterministic.json"
CHANGES = {}
VERDICTS = {"out": "nat44-out", "in": "nat44-in"}
SYSTEM_PORTS = 1024


def ports_of_host(hosts_an_address):
    """RFC 7422 with no port left over for blocks: how many ports a host has."""
    return (65536 - SYSTEM_PORTS) // hosts_an_address


class Deterministic(kit.Profile):
    def parser(self):
        parser = super().parser()
        parser.set_defaults(clients="100.64.0.1", hosts=1022)
        parser.add_argument("--sharing", type=int, default=1022, help="hosts of an outside address (%(default)s)")
        parser.add_argument("--pub", default="203.0.113.0", help="the first outside address (%(default)s)")
        parser.add_argument("--delay", type=float, default=1.0, help="seconds before the way back (%(default)s)")
        return parser

    def streams(self, direction, args):
        args.ports_per_host = ports_of_host(args.sharing)
        if not direction:
            return [kit.stream("out", kit.udp(args), args, kit.flows(args))]
        addresses = -(-args.hosts // args.sharing)
        hosts_each = min(args.hosts, args.sharing)
        packet = (kit.Ether() / kit.IP(src=args.server, dst=args.pub) / kit.UDP(sport=5001, dport=SYSTEM_PORTS))
        vm = kit.STLVM()
        vm.tuple_var(name="port", ip_min=args.pub, ip_max=kit.address(args.pub, addresses - 1),
                     port_min=SYSTEM_PORTS, port_max=SYSTEM_PORTS + hosts_each * args.ports_per_host - 1,
                     limit_flows=addresses * hosts_each * args.ports_per_host)
        vm.write(fv_name="port.ip", pkt_offset="IP.dst")
        vm.write(fv_name="port.port", pkt_offset="UDP.dport")
        return [kit.stream("in", packet, args, kit.fixed(vm), delay=args.delay)]


def register():
    return Deterministic()
