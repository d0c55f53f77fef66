# SPDX-License-Identifier: BSD-3-Clause
"""The story that the product is for, told once for the demo and the end-to-end tests.

One subscriber of two who share an outside address floods a victim, while both have transfers with other
hosts. The victim's network reports the outside address and port over DOTS Call Home; the box finds the one
subscriber and stops what it sends to the victim. Everything that counts is read at the hosts, not in the
box.
"""
import json
import queue
import threading
import time

import access
import lab
from lab import Failed, wait_for

TRAFFIC = str(lab.ROOT / "tests/netns/traffic.py")
PYTHON = "/usr/bin/python3"
FLOOD_PORT = 7777
FLOOD_SOURCE_PORT = 5555
FLOOD_RATE = 4000       # packets a second: enough to see, little enough for a machine with two cores
TRANSFER_PORT = 8080
TRANSFER_RATE = 1 << 20  # bytes a second
WATCH = 2.0              # seconds over which rates are read


class Lines:
    """JSON lines that a process prints, read as they come."""

    def __init__(self, process):
        self.process = process
        self.all = []
        self.fresh = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            value = json.loads(line)
            self.all.append(value)
            self.fresh.put(value)

    @property
    def last(self):
        return self.all[-1] if self.all else None

    def wait(self, what, accept, deadline=lab.DEADLINE):
        """The next line not yet waited for that is accepted."""
        end = time.monotonic() + deadline
        while True:
            try:
                value = self.fresh.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise Failed(f"not seen within {deadline:.0f} s: {what}") from None
            if accept(value):
                return value


class Story:
    def __init__(self, world, transport="dtls", say=lambda text: None, way=None):
        self.lab = world
        self.access = way or access.Nat44()
        self.transport = transport
        self.say = say
        self.figures = {}

    def traffic(self, host, *words):
        import subprocess
        return self.lab.start(host, PYTHON, TRAFFIC, *words, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL)

    # the parts of the story

    def begin(self, workers=1, queues=1):
        import subprocess
        pki = self.lab.make_pki()
        self.client = self.lab.start(
            "upstream", lab.DOTSC, "--listen", lab.UPSTREAM, "--cert", pki / "upstream.pem",
            "--key", pki / "upstream.key", "--ca", pki / "ca.pem", "--script", "-",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.events = Lines(self.client)
        self.events.wait("the upstream listens", lambda e: e["event"] == "listening")
        access.start(self.lab, self.access, workers=workers, queues=queues, transports=(self.transport,))
        self.say("the box is up; it dials out to the upstream")
        up = self.events.wait("the Call Home session", lambda e: e["event"] == "up")
        self.say(f"Call Home session: {up['peer']['version']}, {up['peer']['cipher']}, the box is "
                 f"{up['peer']['name']}")

    def start_transfers(self):
        """The attacker holds a transfer with the other host, the neighbour with both."""
        self.sinks = {host: Lines(self.traffic(host, "tcp-sink", TRANSFER_PORT))
                      for host in ("victim", "other")}
        for sink in self.sinks.values():
            sink.wait("a sink is ready", lambda _: True)
        self.senders = [
            self.traffic("attacker", "tcp-send", self.access.other, TRANSFER_PORT, TRANSFER_RATE),
            self.traffic("neighbour", "tcp-send", self.access.other, TRANSFER_PORT, TRANSFER_RATE),
            self.traffic("neighbour", "tcp-send", self.access.victim, TRANSFER_PORT, TRANSFER_RATE)]
        for host, count in (("victim", 1), ("other", 2)):
            wait_for(f"{count} transfers arrive at {host}", lambda h=host, c=count: len(
                [b for b in (self.sinks[h].last or {}).get("connections", {}).values() if b]) == c)

    def start_flood(self):
        self.flood_sink = Lines(self.traffic("victim", "udp-sink", FLOOD_PORT))
        self.flood_sink.wait("the victim watches", lambda _: True)
        self.flood = self.traffic("attacker", "udp-flood", self.access.victim, FLOOD_PORT,
                                  FLOOD_SOURCE_PORT, FLOOD_RATE)
        wait_for("the flood reaches the victim",
                 lambda: (self.flood_sink.last or {}).get("packets", 0) > 100)

    def transfers(self):
        """Bytes so far of each transfer, as the receiving hosts count them."""
        return {f"{peer} -> {host}": count for host, sink in self.sinks.items()
                for peer, count in sink.last["connections"].items()}

    def watch(self):
        """Rates at the hosts over WATCH seconds: attack packets a second, bytes a second of each
        transfer."""
        first, before = self.flood_sink.last, self.transfers()
        wait_for("time passes at the victim",
                 lambda: self.flood_sink.last["at"] >= first["at"] + WATCH)
        last, after = self.flood_sink.last, self.transfers()
        span = last["at"] - first["at"]
        return ((last["packets"] - first["packets"]) / span,
                {name: (after[name] - before[name]) / span for name in after})

    def attack_source(self):
        """The outside address and port that the victim sees."""
        address, port = self.flood_sink.last["source"]
        if address != self.access.source:
            raise Failed(f"the attack comes from {address}, not from {self.access.source}")
        return address, port

    def ask(self, *words):
        """Gives the upstream's client a command and returns the reply to it."""
        self.client.stdin.write(" ".join(str(w) for w in words) + "\n")
        self.client.stdin.flush()
        return self.events.wait(
            f"a reply to {words[0]}",
            lambda e: e["event"] in ("reply", "timeout", "error") and e.get("command") == words[0])

    def report(self, address, port):
        reply = self.ask("mitigate", "--source", address, "--source-port", port, "--target",
                         self.access.target, "--protocol", "udp", "--lifetime", 3600)
        if reply.get("code") != "2.01":
            raise Failed(f"the report was answered by {reply}")
        return reply

    def reaction(self, reply):
        """Milliseconds from the PUT leaving the upstream to the last attack packet at the victim."""
        wait_for("the attack stops", lambda: self.flood_sink.last["last"] is not None and
                 self.flood_sink.last["at"] - self.flood_sink.last["last"] > 1.0)
        return (self.flood_sink.last["last"] - reply["first-sent"] / 1e9) * 1e3

    def end(self):
        for sender in self.senders + [self.flood]:
            sender.kill()
        code = self.lab.stop_box()
        if code:
            raise Failed(f"homeportd ended with {code}")
        self.client.stdin.close()
