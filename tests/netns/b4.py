# SPDX-License-Identifier: BSD-3-Clause
"""The end of a softwire in a home's router, a B4 (RFC 6333, RFC 7596) or MAP-E CE (RFC 7597): IPv4 packets that are
routed to a TUN device go to the box in IPv6 ones, and come back so. It stands in for `ip -6 tunnel`, which not
every kernel has. What is larger than the link the kernel sends in fragments of the IPv6 packet (RFC 2473 section
7.2), and it puts together what comes in such.

usage: b4.py DEVICE ADDRESS BOX

Makes the device, prints `ready`, and ends by a signal.
"""
import fcntl
import os
import select
import socket
import struct
import sys

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
IPV4_IN_IPV6 = 4
IPV6_TCLASS = 67
LARGEST = 65535


def tun(device):
    made = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(made, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TUN | IFF_NO_PI))
    return made


def softwire(address, box):
    made = socket.socket(socket.AF_INET6, socket.SOCK_RAW, IPV4_IN_IPV6)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    made.bind((address, 0))
    made.connect((box, 0))
    return made


def main(device, address, box):
    inner, outer = tun(device), softwire(address, box)
    print("ready", flush=True)
    while True:
        for ready in select.select([inner, outer], [], [])[0]:
            try:
                if ready is inner:
                    packet = os.read(inner, LARGEST)
                    # DSCP and congestion marks are those of the packet (RFC 6040)
                    traffic_class = (socket.IPPROTO_IPV6, IPV6_TCLASS, struct.pack("i", packet[1]))
                    if packet[0] >> 4 == 4:
                        outer.sendmsg([packet], [traffic_class])
                else:
                    os.write(inner, outer.recv(LARGEST))
            except OSError:
                pass  # the device is down, or an ICMPv6 error has come: the packet is lost


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
