#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Single packets of a host, made and read with scapy.

usage: packets.py send DEVICE JSON...        each {"dst", "sport", "dport", "proto", ...}
       packets.py sniff DEVICE COUNT FILTER  prints `sniffing`, then COUNT packets as JSON lines

What is sniffed tells whether its checksums are right, recomputed from the bytes.
"""
import json
import sys

from scapy.all import ICMP, IP, TCP, UDP, AsyncSniffer, Ether, conf, send

conf.verb = 0
LAYERS = {"udp": UDP, "tcp": TCP, "icmp": ICMP}


def make(fields):
    proto = fields.get("proto", "udp")
    if proto == "icmp":
        l4 = ICMP(type=fields.get("type", 8), id=fields["id"], seq=fields.get("seq", 1))
    elif proto == "tcp":
        l4 = TCP(sport=fields["sport"], dport=fields["dport"], flags=fields.get("flags", "S"))
    else:
        l4 = UDP(sport=fields["sport"], dport=fields["dport"])
    return IP(dst=fields["dst"], ttl=fields.get("ttl", 64)) / l4 / fields.get("data", "x" * 18)


def checksums_right(packet):
    again = packet.copy()
    del again[IP].chksum
    for layer in LAYERS.values():
        if layer in again:
            del again[layer].chksum
    again = IP(bytes(again))
    return bytes(again) == bytes(packet)[:packet.len]


def describe(frame):
    packet = frame[IP]
    told = {"src": packet.src, "dst": packet.dst, "ttl": packet.ttl,
            "checksums": checksums_right(packet)}
    for name, layer in LAYERS.items():
        if layer in packet:
            told["proto"] = name
            if name == "icmp":
                told.update(id=packet[ICMP].id, type=packet[ICMP].type)
            else:
                told.update(sport=packet.sport, dport=packet.dport)
            break
    return told


def main(words):
    if words[0] == "send":
        conf.iface = words[1]
        for text in words[2:]:
            send(make(json.loads(text)))
    elif words[0] == "sniff":
        sniffer = AsyncSniffer(
            iface=words[1], filter=words[3], count=int(words[2]), lfilter=lambda f: Ether in f,
            started_callback=lambda: print("sniffing", flush=True),
            prn=lambda f: print(json.dumps(describe(f)), flush=True))
        sniffer.start()
        sniffer.join()
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:] or [""])
