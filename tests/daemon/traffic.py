# SPDX-License-Identifier: BSD-3-Clause
"""Frames for the box of base.py, in and out of capture files."""
from scapy.all import ICMP, IP, TCP, UDP, Ether, rdpcap, wrpcap

VICTIM = "198.51.100.10"
INNER = Ether(src="02:00:00:00:00:02", dst="02:00:00:00:00:01")


def write(folder, *packets):
    """in.pcap: what comes from inside."""
    wrpcap(str(folder / "in.pcap"), [INNER / p for p in packets], linktype=1)


def of_three_hosts():
    """A packet of each protocol, by three subscribers."""
    return (IP(src="100.64.0.10", dst=VICTIM) / UDP(sport=5555, dport=7777) / b"attack",
            IP(src="100.64.0.11", dst=VICTIM) / TCP(sport=6000, dport=80, flags="S"),
            IP(src="100.64.0.12", dst=VICTIM) / ICMP(id=7, seq=1) / b"ping")


def read(folder, side):
    """The IP packets that left by an interface."""
    return [p[IP] for p in rdpcap(str(folder / f"{side}.pcap")) if IP in p]
