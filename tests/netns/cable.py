# SPDX-License-Identifier: BSD-3-Clause
"""A bad cable: carries frames between two devices of its namespace, and loses, delays, reorders and doubles IPv4
packets as it is told. It stands in for `tc netem`, which not every kernel has, and says what it did.

usage: cable.py DEVICE DEVICE

Reads one JSON object a line on standard input, the faults from then on:

    loss     percent of packets: so many of each hundred in each direction, at places picked by chance
    delay    seconds that each packet takes
    reorder  percent of packets that are held back for LATE, so that later ones overtake them
    double   percent of packets that arrive twice
    swallow  "udp", "tcp" or "all": nothing of it arrives

and answers each with what has happened up to then: carried, lost, late, doubled, swallowed.
"""
import heapq
import itertools
import json
import random
import select
import socket
import sys
import time

LATE = 0.05
IPV4, PROTOCOLS = b"\x08\x00", {"tcp": 6, "udp": 17}
chance = random.Random(4647)


class Direction:
    def __init__(self, source, destination):
        self.source = source
        self.destination = destination
        self.places = []

    def lost(self, percent):
        """Whether this packet is among those of its hundred that do not arrive."""
        if not self.places:
            self.places = [n < percent for n in range(100)]
            chance.shuffle(self.places)
        return self.places.pop()


def opened(device):
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
    made.bind((device, 0))
    return made


def main():
    ends = [opened(device) for device in sys.argv[1:3]]
    ways = {ends[0]: Direction(*ends), ends[1]: Direction(*reversed(ends))}
    faults, done = {}, dict.fromkeys(("carried", "lost", "late", "doubled", "swallowed"), 0)
    under_way, number = [], itertools.count()
    print(json.dumps(done), flush=True)

    def take(way, frame):
        if frame[12:14] == IPV4:
            swallow = faults.get("swallow")
            if swallow and (swallow == "all" or frame[23] == PROTOCOLS[swallow]):
                done["swallowed"] += 1
                return
            if faults.get("loss") and way.lost(faults["loss"]):
                done["lost"] += 1
                return
            wait = faults.get("delay", 0)
            if chance.random() * 100 < faults.get("reorder", 0):
                done["late"] += 1
                wait += LATE
            if chance.random() * 100 < faults.get("double", 0):
                done["doubled"] += 1
                heapq.heappush(under_way, (time.monotonic() + wait, next(number), way, frame))
        else:
            wait = 0
        done["carried"] += 1
        heapq.heappush(under_way, (time.monotonic() + wait, next(number), way, frame))

    while True:
        wait = max(0, under_way[0][0] - time.monotonic()) if under_way else None
        for ready in select.select([sys.stdin, *ends], [], [], wait)[0]:
            if ready is sys.stdin:
                line = sys.stdin.readline()
                if not line:
                    return
                faults = json.loads(line)
                for way in ways.values():
                    way.places = []
                print(json.dumps(done), flush=True)
                continue
            frame, (_, _, kind, *_) = ready.recvfrom(65535)
            if kind != socket.PACKET_OUTGOING:
                take(ways[ready], frame)
        while under_way and under_way[0][0] <= time.monotonic():
            _, _, way, frame = heapq.heappop(under_way)
            way.destination.send(frame)


main()
