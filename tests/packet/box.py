# SPDX-License-Identifier: BSD-3-Clause
"""A homeportd between two raw wires.

A Box sends frames into the daemon, takes out what comes, moves its clock, and reads its counters, all by its
public interface. It knows at any time how many packets the daemon must have received, so it can wait until
each has met its end: that nothing arrives is then seen by looking, not by waiting.
"""
import collections
import ipaddress
import itertools
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

from scapy.all import ICMP, IP, TCP, UDP, Ether, IPv6, PcapReader, PcapWriter, conf

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "netns"))
import lab  # noqa: E402

import checksums  # noqa: E402
import rules  # noqa: E402
from config import MAC, TAPS, config  # noqa: E402
from control import Control  # noqa: E402
from wire import Wire  # noqa: E402

conf.verb = 0
# what is behind ports is data, whatever protocol scapy knows one of them by
TCP.payload_guess, UDP.payload_guess = [], []
# what has no room or no right to one more mapping or session: its sender is told
REFUSALS = {f"drop-{reason}" for reason in (
    "mapping-rate", "quota", "block-limit", "pool", "hold-down", "subscriber-memory", "mapping-memory",
    "session-memory", "session-limit", "block-memory", "log-full")}
CHUNK = 64  # packets on their way at one time: less than any queue holds


def frame(packet, side):
    """The bytes of a frame; an IP packet goes from the next hop on that side to the box."""
    if not isinstance(packet, (Ether, bytes)):
        packet = Ether(src=MAC[side], dst=MAC[f"box {side}"]) / packet
    return bytes(packet)


class Box(lab.Lab):
    def __init__(self):
        super().__init__()
        self.add_host("box")
        self.add_host("wire")
        for host in ("box", "wire"):
            self.sysctl(host, "net.ipv6.conf.default.disable_ipv6", 1)
        # with a host device, the kernel is to hear a packet from the box alone
        self.sysctl("box", "net.ipv4.conf.all.rp_filter", 1)
        self.sysctl("box", "net.ipv4.conf.all.arp_ignore", 1)
        self.wires = {}
        for side in ("inside", "outside"):
            self.link("box", side, "wire", side)
            self.wires[side] = Wire(self.name("wire"), side)
        self.control = None

    # the daemon

    def start_daemon(self, configuration, *words):
        configuration.setdefault("homeport:homeport", {})["management"] = {
            "socket": str(self.folder / "homeport.sock")}
        self.wait_for_links()
        self.start_box(configuration, "--test-clock", *words)
        if "net_tap" in str(configuration):
            self.use_taps()
        self.control = Control(self.folder / "homeport.sock", lab.DEADLINE)
        self.sent = 0
        self.known = collections.Counter()
        self.hosts = itertools.count(int(ipaddress.ip_address("100.65.0.1")))
        self.remotes = itertools.count(int(ipaddress.ip_address("198.18.0.1")))
        self.hosts6 = itertools.count(int(ipaddress.ip_address("2001:db8:100:100::10")), 1 << 72)
        self.remotes6 = itertools.count(int(ipaddress.ip_address("2001:db8:f000::1")))
        return self

    def use_taps(self):
        """The daemon has made TAP devices: what would be on its cables is on their kernel side."""
        for side, tap in TAPS.items():
            self.wires[side].close()
            self.wires[side] = Wire(self.name("box"), tap)
            lab.wait_for(f"link {tap}", lambda: "LOWER_UP" in self.ip("box", "link", "show", tap).stdout)

    def wait_for_links(self):
        for side in self.wires:
            lab.wait_for(f"link {side}", lambda: "LOWER_UP" in self.ip("wire", "link", "show", side).stdout)

    def stop_daemon(self):
        """Ends the daemon in good order; it must have nothing to complain about."""
        self.check()
        rules.note_workers(self.counters()["worker"])
        self.control.close()
        self.control = None
        assert self.stop_box() == 0, self.log_text()
        assert ": error: " not in self.log_text(), self.log_text()

    def reload(self, configuration, meanwhile=lambda: None):
        """Loads another configuration, and calls `meanwhile` again and again until it is in force; a second later
        every worker has it in use."""
        configuration["homeport:homeport"]["management"] = {
            "socket": str(self.folder / "homeport.sock")}
        before = self.log_text().count("\n")
        (self.folder / "homeport.json").write_text(json.dumps(configuration, indent=1))
        self.box.send_signal(signal.SIGHUP)

        def loaded():
            meanwhile()
            return "in force" in "\n".join(self.log_text().split("\n")[before:])

        lab.wait_for("the configuration is loaded", loaded)
        self.advance(1)  # a worker takes a configuration in use before it sees the clock move

    def close(self):
        for wire in self.wires.values():
            wire.close()
        if self.control:
            self.control.close()
        super().close()

    # what cases do not share

    def host(self):
        """An inside address that no other case has."""
        return str(ipaddress.ip_address(next(self.hosts)))

    def remote(self):
        """An outside host that no other case has."""
        return str(ipaddress.ip_address(next(self.remotes)))

    def host6(self):
        """An inside IPv6 address in a /56 that no other case has."""
        return str(ipaddress.ip_address(next(self.hosts6)))

    def remote6(self):
        """An outside IPv6 host that no other case has."""
        return str(ipaddress.ip_address(next(self.remotes6)))

    # questions

    def ask(self, *words):
        return self.control.ask(*words)

    def counters(self):
        return self.ask("show", "counters")["homeport:homeport"]["statistics"]

    def mappings(self):
        answer = self.ask("show", "mappings")["ietf-nat:nat"]["instances"]["instance"]
        return [m for i in answer for m in i.get("mapping-table", {}).get("mapping-entry", [])]

    def subscribers(self):
        answer = self.ask("show", "subscribers")["homeport:homeport"]
        return answer.get("subscriber", [])

    def advance(self, seconds):
        """Moves the clock; returns when all that was due is done."""
        self.ask("test", "advance", seconds)
        self.counters()  # what was due may have left a part of its work to the control thread's next turn

    def settle(self):
        """Waits until every packet sent has its verdict. Returns those new since the last time."""
        end = time.monotonic() + lab.DEADLINE
        while True:
            counters = self.counters()
            now = collections.Counter({v["name"]: int(v["packets"]) for v in counters["verdict"]})
            if int(counters["received"]) == self.sent == sum(now.values()):
                break
            assert time.monotonic() < end, f"{self.sent} sent, {counters}, {self.log_text()}"
            time.sleep(0.0005)
        fresh = now - self.known
        self.known = now
        rules.earned.update(fresh)
        return dict(fresh)

    # packets

    def tx(self, side, packets, verdicts):
        """Sends one packet or a list, and waits until each has earned its verdict: one for all, or a dict of
        how many there must be of each. None waits only until the box has them; then settle() tells."""
        packets = packets if isinstance(packets, list) else [packets]
        if isinstance(verdicts, str):
            verdicts = {verdicts: len(packets)}
        got = collections.Counter()
        for start in range(0, len(packets), CHUNK):
            for packet in packets[start:start + CHUNK]:
                self.wires[side].send(frame(packet, side))
                self.sent += 1
            if verdicts is not None:
                got.update(self.settle())
            else:
                lab.wait_for("the box has received all that was sent",
                             lambda: int(self.counters()["received"]) == self.sent)
        assert verdicts is None or got == verdicts, f"verdicts {dict(got)}, not {verdicts}"

    def tx_inside(self, packets, verdicts="nat44-out"):
        self.tx("inside", packets, verdicts)

    def tx_outside(self, packets, verdicts="nat44-in"):
        self.tx("outside", packets, verdicts)

    def rx_frame(self, side):
        """The next frame that the box sends by a side, as scapy's Ether; its checksums are right."""
        data = self.wires[side].receive(lab.DEADLINE)
        assert data is not None, f"nothing arrives {side}"
        return Ether(data)

    def rx(self, side, quoted=True):
        """The next IP packet, for the next hop on that side. Every checksum in it is recomputed; quoted=False
        leaves out the transport checksum of the packet that an ICMP error quotes."""
        got = self.rx_frame(side)
        assert got.src == MAC[f"box {side}"] and got.dst == MAC[side], got.summary()
        assert IP in got or IPv6 in got, got.summary()
        packet = got.payload
        wrong = checksums.faults(packet.original, quoted)
        assert not wrong, f"{', '.join(wrong)}: {packet.show(dump=True)}"
        return packet

    def rx_inside(self, quoted=True):
        return self.rx("inside", quoted)

    def rx_outside(self, quoted=True):
        return self.rx("outside", quoted)

    def nothing(self):
        """Nothing has come out that was not taken."""
        self.settle()
        for side, wire in self.wires.items():
            frames = wire.drain()
            assert not frames, f"{side}: " + "; ".join(Ether(f).summary() for f in frames)

    def out(self, packet):
        """Sends from inside what must come out outside, and returns what comes."""
        self.tx_inside(packet, "nat44-out")
        return self.rx_outside()

    def back(self, packet):
        """Sends from outside what must come out inside, and returns what comes."""
        self.tx_outside(packet, "nat44-in")
        return self.rx_inside()

    def hairpin(self, packet):
        """Sends from inside what must come back inside."""
        self.tx_inside(packet, "nat44-hairpin")
        return self.rx_inside()

    def refused(self, packet, verdict):
        """Sends from inside what finds no port: it is dropped, and its sender told so (RFC 6888 REQ-11)."""
        self.tx_inside(packet, verdict)
        error = self.rx_inside()
        assert (error[ICMP].type, error[ICMP].code) == (3, 1) and error.dst == packet.src
        assert bytes(error[ICMP].payload)[:28] == bytes(packet)[:28]

    # the frame of a case

    def begin(self):
        """Forgets what an earlier case that failed has left."""
        for wire in self.wires.values():
            wire.drain()
        if self.box.poll() is not None:
            raise lab.Failed("homeportd has ended: " + self.log_text())
        self.settle()

    def check(self):
        """At the end of a case: every packet has its verdict, and none came that nobody took."""
        self.nothing()


def environment():
    return {**os.environ, "HOMEPORT_YANG": str(lab.ROOT / "yang")}


def run_pcap(folder, inside=(), outside=(), words=(), **parts):
    """Runs a homeportd over packets in files until it is idle. Which of the two files is read first is not
    defined. Returns what came out, as lists of IP packets with right checksums."""
    folder = pathlib.Path(folder)
    names = {}
    for side, packets in (("inside", inside), ("outside", outside)):
        names[side] = (folder / f"{side}-in.pcap", folder / f"{side}-out.pcap")
        with PcapWriter(str(names[side][0]), linktype=1) as writer:
            writer.write_header(None)
            for packet in packets:
                writer.write_packet(frame(packet, side))
    configuration = config(devices=[f"net_pcap_{side},rx_pcap={i},tx_pcap={o}"
                                    for side, (i, o) in names.items()], **parts)
    configuration["homeport:homeport"]["management"] = {"socket": str(folder / "homeport.sock")}
    file = folder / "homeport.json"
    file.write_text(json.dumps(configuration, indent=1))
    done = subprocess.run([lab.HOMEPORTD, "-c", file, "--until-idle", *words], capture_output=True, text=True,
                          timeout=lab.DEADLINE, env=environment())
    assert done.returncode == 0 and done.stdout == "ready\n", done.stderr
    result = {}
    for side, (_, output) in names.items():
        with PcapReader(str(output)) as reader:
            result[side] = [f.payload for f in reader]
        for packet in result[side]:
            assert not checksums.faults(packet.original), packet.show(dump=True)
    return result



def check_config(folder, configuration):
    """What homeportd --check says against a configuration; empty if it has nothing to say."""
    file = pathlib.Path(folder) / "homeport.json"
    file.write_text(json.dumps(configuration, indent=1))
    done = subprocess.run([lab.HOMEPORTD, "-c", file, "--check"], capture_output=True, text=True,
                          timeout=lab.DEADLINE, env=environment())
    assert done.returncode in (0, 1) and (done.returncode == 1) == bool(done.stderr), done.stderr
    return done.stderr
