# SPDX-License-Identifier: BSD-3-Clause
"""A profile's packets as files, and what a homeportd makes of them.

Each port's packets are a pcap, read by the box's net_pcap device of that side. The box takes a burst from either file
in turn, so that an order between the two is made with frames for another station: streams that start later come after
as many of them in the other file as there are packets before, and a burst more.
"""
import collections
import importlib
import ipaddress
import json
import os
import pathlib
import subprocess
import sys

from scapy.all import IP, TCP, UDP, Ether, IPv6, PcapReader, PcapWriter, Raw

ROOT = pathlib.Path(__file__).resolve().parents[2]
KIT = ROOT / "scripts/trex"
sys.path[:0] = [str(KIT), str(KIT / "stl"), str(KIT / "astf"), str(ROOT / "tests/netns"), str(ROOT / "tests/packet")]
import checksums  # noqa: E402
import lab  # noqa: E402
import sample  # noqa: E402
import standin  # noqa: E402

standin.install()

BURST = 64  # at least what the box takes from a device at one time
SIDES = ("inside", "outside")
FIRST_PORT = 1025  # of a client of a stateful profile
FILLER = bytes(Ether(dst="02:00:00:00:00:ff", src="02:00:00:00:00:fe", type=0x88b5) / Raw(bytes(46)))  # drop-mac


def stateless():
    """The names of all stateless profiles."""
    return sorted(f.stem for f in (KIT / "stl").glob("*.py") if not f.stem.startswith("homeport_"))


def stateful():
    return sorted(f.stem for f in (KIT / "astf").glob("*.py") if not f.stem.startswith("homeport_"))


def module(name):
    return importlib.import_module(name)


def to_port(frame, side):
    """A frame with the addresses that TRex's port would give it."""
    data = bytearray(frame)
    for at, mac in ((0, sample.MAC[f"box {side}"]), (6, sample.MAC[side])):
        data[at:at + 6] = bytes.fromhex(mac.replace(":", ""))
    return bytes(data)


class Rendered:
    """The packets of a profile: {phase: {side: [(time, frame)]}}, and how many of each stream."""

    def __init__(self, name, tunables, packets):
        self.module, self.sent = module(name), {}
        self.profile = self.module.register()
        self.args = self.profile.arguments(tunables)
        self.phases = collections.defaultdict(lambda: {side: [] for side in SIDES})
        for direction, side in enumerate(SIDES):
            for stream in self.profile.get_streams(direction=direction, tunables=tunables):
                self._render(stream, side, packets)

    def _render(self, stream, side, packets):
        count = stream.mode.total_pkts or packets
        frames = stream.packet.vm.packets(stream.packet.pkt)
        phase = round(stream.isg / 1e5)
        for i in range(count):
            at = stream.isg / 1e6 + i / stream.mode.pps
            self.phases[phase][side].append((at, to_port(next(frames), side)))
        assert stream.name not in self.sent, f"two streams named {stream.name}"
        self.sent[stream.name] = count

    def expected(self):
        return +self.profile.expect(self.args, self.sent)

    def frames(self):
        """{side: frames}, with what keeps the order between both, and how many that is."""
        files, fillers = {side: [] for side in SIDES}, 0
        for phase in sorted(self.phases):
            for side in SIDES:
                files[side] += [frame for _, frame in sorted(self.phases[phase][side], key=lambda p: p[0])]
            longest = max(map(len, files.values())) + BURST
            for side in SIDES:
                fillers += longest - len(files[side])
                files[side] += [FILLER] * (longest - len(files[side]))
        return files, fillers


class RenderedClients(Rendered):
    """The clients' half of the first connections of a stateful profile; the servers' half follows from what the box
    makes of it, which no file can know."""

    def __init__(self, name, tunables, connections):
        self.module = module(name)
        self.profile = self.module.register()
        self.args = self.profile.arguments(tunables)
        made = self.profile.get_profile(tunables=tunables)
        frames = [frame for t in made.templates for n in range(connections)
                  for frame in self._connection(t.client, n, made.client_info)]
        self.phases = {0: {"inside": list(enumerate(frames)), "outside": []}}

    @staticmethod
    def _connection(client, n, info):
        address = ipaddress.ip_address
        source = address(client.ip_gen.client.first) + n
        target = address(client.ip_gen.server.first) + n
        assert source <= address(client.ip_gen.client.last) and target <= address(client.ip_gen.server.last)
        if info.ipv6_enabled():
            head = IPv6(src=info.wide(info.ipv6.src_msb, source), dst=info.wide(info.ipv6.dst_msb, target))
        else:
            head = IP(src=str(source), dst=str(target))
        head = Ether() / head
        sent = [what["data"] for verb, what in client.program.steps if verb == "send"]
        port = FIRST_PORT + n
        if not client.program.stream:
            return [to_port(bytes(head / UDP(sport=port, dport=client.port) / data), "inside") for data in sent]
        segments = [TCP(sport=port, dport=client.port, flags="S", seq=1)]
        segments += [TCP(sport=port, dport=client.port, flags="PA", seq=2, ack=1) / data for data in sent]
        return [to_port(bytes(head / segment), "inside") for segment in segments]


def write_pcap(path, frames):
    with PcapWriter(str(path), linktype=1) as writer:
        writer.write_header(None)
        for frame in frames:
            writer.write_packet(frame)


class Run:
    """A homeportd over a profile's packets: its verdicts, and what came out on each side."""

    def __init__(self, folder, rendered):
        self.folder = pathlib.Path(folder)
        files, fillers = rendered.frames()
        devices = {}
        for side in SIDES:
            write_pcap(self.folder / f"{side}.pcap", files[side])
            devices[side] = f"net_pcap_{side},rx_pcap={self.folder}/{side}.pcap,tx_pcap={self.folder}/{side}-out.pcap"
        changes, where = rendered.module.CHANGES, self.folder / "homeport.json"
        self.socket = self.folder / "homeport.sock"
        self.config = sample.bed(sample.load(rendered.module.SAMPLE), devices, self.socket, changes)
        self.config["homeport:homeport"].pop("dots", None)  # reports are another matter
        where.write_text(json.dumps(self.config, indent=1))
        self._run(where, sum(map(len, files.values())))
        self.verdicts["drop-mac"] -= fillers
        self.verdicts = +self.verdicts
        self.out = {}
        for side in SIDES:
            with PcapReader(str(self.folder / f"{side}-out.pcap")) as reader:
                self.out[side] = list(reader)

    def _run(self, where, total):
        with open(self.folder / "homeportd.log", "w") as log:
            box = subprocess.Popen([lab.HOMEPORTD, "-c", where, "--test-clock"], stdout=subprocess.PIPE, stderr=log,
                                   text=True, env={**os.environ, "HOMEPORT_YANG": str(ROOT / "yang")})
            try:
                assert box.stdout.readline() == "ready\n", (self.folder / "homeportd.log").read_text()
                lab.wait_for("every packet has its verdict", lambda: self._has_ended(total))
            except lab.Failed as failure:
                raise lab.Failed(f"{failure}: {total} sent, {dict(+self.verdicts)}") from None
            finally:
                box.terminate()
                box.stdout.close()
                assert box.wait(lab.DEADLINE) == 0

    def _has_ended(self, total):
        answer = json.loads(lab.run(lab.HOMEPORT, "-s", self.socket, "-j", "show", "counters").stdout)
        counters = answer["homeport:homeport"]["statistics"]
        self.verdicts = collections.Counter({v["name"]: int(v["packets"]) for v in counters["verdict"]})
        return int(counters["received"]) == total == sum(self.verdicts.values())


def faults(frame):
    """What is wrong with the checksums of a frame that came out."""
    return checksums.faults(bytes(frame.payload))
