# SPDX-License-Identifier: BSD-3-Clause
"""A stand-in for those names of TRex's Python API that the profiles of scripts/trex use.

What it proves is that the profiles load and build the packets they claim, and no more: TRex is not here, and nothing
is said about how it behaves. test_real.py loads the same profiles with TRex's own API where there is one.

STLVM does what TRex's field engine does, one packet after the other, for the instructions below. A name or an
argument that is not here is an error, so a profile cannot use what has not been compared with the real one.
"""
import ipaddress
import random
import struct
import sys
import types

from scapy.all import IP, TCP, UDP, Ether, IPv6, NoPayload, in4_chksum, in6_chksum

# Where things are in a packet


def _layer_start(packet, name):
    """Where a layer begins: "IP", or "IP:1" for the second of that name."""
    name, _, number = name.partition(":")
    left, start = int(number or 0), 0
    layer = packet
    while not isinstance(layer, NoPayload):
        if type(layer).__name__ == name:
            if not left:
                return layer, start
            left -= 1
        start += len(layer) - len(layer.payload)
        layer = layer.payload
    raise ValueError(f"no layer {name} in {packet.summary()}")


def _offset(packet, where):
    """Where a field begins: a number of bytes, or "layer.field"."""
    if isinstance(where, int):
        return where
    layer_name, _, field_name = where.rpartition(".")
    layer, start = _layer_start(packet, layer_name)
    bits = 0
    for field in layer.fields_desc:
        if field.name == field_name:
            return start + bits // 8
        bits += int(field.i2len(layer, layer.getfieldval(field.name)) * 8 if field.sz == 0 else field.sz * 8)
    raise ValueError(f"no field {where}")


def _number(value):
    return int(ipaddress.ip_address(value)) if isinstance(value, str) else value


def _sum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


# Stateless


class CTRexVmInsFixHwCs:
    L4_TYPE_UDP = 11
    L4_TYPE_TCP = 13
    L4_TYPE_IP = 17


class STLVM:
    """Instructions, each a function of (packet, values, bytes) run for each packet in turn."""

    def __init__(self):
        self.variables = {}  # name: (iterator of values, size)
        self.instructions = []

    def var(self, name, min_value, max_value, size, op, step=1):
        low, high = _number(min_value), _number(max_value)
        assert size in (1, 2, 4, 8) and op in ("inc", "dec", "random") and low <= high < 1 << 8 * size
        values = {"inc": range(low, high + 1, step), "dec": range(high, low - 1, -step)}

        def run():
            chance = random.Random(name)
            while True:
                if op == "random":
                    yield chance.randint(low, high)
                else:
                    yield from values[op]

        self.variables[name] = (run(), size)

    def tuple_var(self, name, ip_min, ip_max, port_min, port_max, limit_flows=0):
        assert port_min <= port_max <= 0xffff
        hosts = range(_number(ip_min), _number(ip_max) + 1)
        ports = port_max - port_min + 1
        limit = min(limit_flows or len(hosts) * ports, len(hosts) * ports)

        def run(which):
            while True:
                for i in range(limit):
                    yield hosts[i % len(hosts)] if which == "ip" else port_min + i // len(hosts)

        self.variables[f"{name}.ip"] = (run("ip"), 4)
        self.variables[f"{name}.port"] = (run("port"), 2)

    def write(self, fv_name, pkt_offset, offset_fixup=0, add_val=0):
        size = self.variables[fv_name][1]

        def run(packet, values, data):
            at = _offset(packet, pkt_offset) + offset_fixup
            data[at:at + size] = ((values[fv_name] + add_val) & ((1 << 8 * size) - 1)).to_bytes(size, "big")

        self.instructions.append(run)

    def write_mask(self, fv_name, pkt_offset, pkt_cast_size, mask, shift=0, offset_fixup=0, add_val=0):
        """The bits of `mask` of (value + add_val) << shift, >> where shift is below 0."""
        assert pkt_cast_size in (1, 2, 4) and mask < 1 << 8 * pkt_cast_size

        def run(packet, values, data):
            at = _offset(packet, pkt_offset) + offset_fixup
            value = values[fv_name] + add_val & 0xffffffff
            value = (value << shift if shift > 0 else value >> -shift) & mask
            old = int.from_bytes(data[at:at + pkt_cast_size], "big")
            data[at:at + pkt_cast_size] = (old & ~mask | value).to_bytes(pkt_cast_size, "big")

        self.instructions.append(run)

    def fix_chksum(self, offset="IP"):
        def run(packet, _, data):
            _, at = _layer_start(packet, offset)
            end = at + (data[at] & 15) * 4
            data[at + 10:at + 12] = b"\0\0"
            data[at + 10:at + 12] = _sum(bytes(data[at:end])).to_bytes(2, "big")

        self.instructions.append(run)

    def fix_chksum_hw(self, l3_offset, l4_offset, l4_type):
        assert l4_type in (CTRexVmInsFixHwCs.L4_TYPE_UDP, CTRexVmInsFixHwCs.L4_TYPE_TCP)
        if l3_offset == "IP":
            self.fix_chksum(l3_offset)

        def run(packet, _, data):
            _, l3 = _layer_start(packet, l3_offset)
            _, l4 = _layer_start(packet, l4_offset)
            protocol = 17 if l4_type == CTRexVmInsFixHwCs.L4_TYPE_UDP else 6
            place = l4 + (6 if protocol == 17 else 16)
            data[place:place + 2] = b"\0\0"
            chksum, header = (in4_chksum, IP) if l3_offset == "IP" else (in6_chksum, IPv6)
            total = chksum(protocol, header(bytes(data[l3:])), bytes(data[l4:]))
            data[place:place + 2] = (total or 0xffff).to_bytes(2, "big")

        self.instructions.append(run)

    def packets(self, packet):
        """The bytes of the packets, one after the other, without end."""
        base = bytes(packet)
        packet = type(packet)(base)
        while True:
            data = bytearray(base)
            values = {name: next(run) for name, (run, _) in self.variables.items()}
            for instruction in self.instructions:
                instruction(packet, values, data)
            yield bytes(data)


class STLPktBuilder:
    def __init__(self, pkt, vm=None):
        self.pkt, self.vm = pkt, vm or STLVM()


class STLTXCont:
    def __init__(self, pps):
        self.pps, self.total_pkts = pps, None


class STLTXSingleBurst:
    def __init__(self, pps, total_pkts):
        assert total_pkts > 0
        self.pps, self.total_pkts = pps, total_pkts


class STLStream:
    def __init__(self, name, packet, mode, isg=0.0):
        self.name, self.packet, self.mode, self.isg = name, packet, mode, isg


# Advanced stateful


class ASTFProgram:
    """What one end of a connection does: a list of ("send", bytes), ("recv", bytes or messages) and the like."""

    def __init__(self, stream=True):
        self.stream, self.steps = stream, []

    def send(self, buf, size=0, fill=None):
        self._step("send", stream=True, data=self._filled(buf, size, fill))

    def send_msg(self, buf, size=0, fill=None):
        self._step("send", stream=False, data=self._filled(buf, size, fill))

    @staticmethod
    def _filled(buf, size, fill):
        return buf + (fill or b"\0") * max(0, size - len(buf))

    def recv(self, bytes, clear=False):
        self._step("recv", stream=True, count=bytes, clear=clear)

    def recv_msg(self, pkts, clear=False):
        self._step("recv", stream=False, count=pkts, clear=clear)

    def delay(self, usec):
        assert 50 <= usec
        self._step("delay", usec=usec)

    def set_var(self, var_id, val):
        self._step("set_var", name=var_id, val=val)

    def set_label(self, label):
        self._step("label", name=label)

    def jmp_nz(self, var_id, label):
        assert any(step == ("label", {"name": label}) for step in self.steps)
        self._step("jmp_nz", name=var_id, label=label)

    def set_keepalive_msg(self, msec):
        self._step("keepalive", stream=False, msec=msec)

    def _step(self, verb, stream=None, **what):
        assert stream in (None, self.stream), f"{verb} on the wrong kind of program"
        self.steps.append((verb, what))


class ASTFIPGenGlobal:
    def __init__(self, ip_offset="1.0.0.0"):
        ipaddress.ip_address(ip_offset)


class ASTFIPGenDist:
    def __init__(self, ip_range, distribution="seq"):
        assert distribution in ("seq", "rand") and _number(ip_range[0]) <= _number(ip_range[1])
        self.first, self.last = ip_range


class ASTFIPGen:
    def __init__(self, dist_client, dist_server, glob):
        assert isinstance(glob, ASTFIPGenGlobal)
        self.client, self.server = dist_client, dist_server


class _Section(types.SimpleNamespace):
    """Parameters of which only those of TRex may be set."""

    def __init__(self, names):
        object.__setattr__(self, "names", names)

    def __setattr__(self, name, value):
        assert name in self.names, f"no parameter {name}"
        object.__setattr__(self, name, value)


class ASTFGlobalInfo:
    def __init__(self):
        self.tcp = _Section(("mss", "initwnd", "rxbufsize", "txbufsize", "do_rfc1323", "keepinit", "keepidle",
                             "keepintvl", "delay_ack_msec", "no_delay"))
        self.ip = _Section(("tos", "ttl", "dont_use_inbound_mac"))
        self.ipv6 = _Section(("src_msb", "dst_msb", "enable"))
        self.scheduler = _Section(("rampup_sec",))

    def ipv6_enabled(self):
        return getattr(self.ipv6, "enable", 0) == 1

    @staticmethod
    def wide(msb, low):
        """An IPv6 address: its last 32 bits are the IPv4 one."""
        return str(ipaddress.IPv6Address(int(ipaddress.IPv6Address(msb)) & ~0xffffffff | int(low)))


class ASTFAssociationRule:
    def __init__(self, port=80):
        self.port = port


class ASTFTCPClientTemplate:
    def __init__(self, ip_gen, program=None, port=80, cps=1, limit=None, cont=None):
        assert cps >= 0.5 and 0 < port <= 65535
        self.ip_gen, self.program, self.port, self.cps, self.limit, self.cont = ip_gen, program, port, cps, limit, cont


class ASTFTCPServerTemplate:
    def __init__(self, program=None, assoc=None):
        self.program, self.assoc = program, assoc


class ASTFTemplate:
    def __init__(self, client_template, server_template, tg_name=None):
        client, server = client_template, server_template
        assert client.program.stream == server.program.stream and client.port == server.assoc.port
        self.client, self.server, self.tg_name = client, server, tg_name


class ASTFProfile:
    def __init__(self, default_ip_gen, default_c_glob_info=None, default_s_glob_info=None, templates=None):
        self.ip_gen, self.templates = default_ip_gen, templates if isinstance(templates, list) else [templates]
        self.client_info, self.server_info = default_c_glob_info, default_s_glob_info
        ports = [(t.server.assoc.port, t.server.program.stream) for t in self.templates]
        assert len(ports) == len(set(ports)), "two templates of one server port"


STL = (STLVM, STLPktBuilder, STLTXCont, STLTXSingleBurst, STLStream, CTRexVmInsFixHwCs, Ether, IP, TCP, UDP)
ASTF = (ASTFProgram, ASTFIPGenGlobal, ASTFIPGenDist, ASTFIPGen, ASTFGlobalInfo, ASTFAssociationRule,
        ASTFTCPClientTemplate, ASTFTCPServerTemplate, ASTFTemplate, ASTFProfile)


def install():
    """Puts the stand-in where profiles import TRex's API from."""
    for name in ("trex", "trex.stl", "trex.stl.api", "trex.astf", "trex.astf.api"):
        sys.modules[name] = types.ModuleType(name)
    for module, names in (("trex.stl.api", STL), ("trex.astf.api", ASTF)):
        for thing in names:
            setattr(sys.modules[module], thing.__name__, thing)
