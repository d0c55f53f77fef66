# SPDX-License-Identifier: BSD-3-Clause
"""The far end of a cable to the box: a raw socket on a device in another network namespace."""
import contextlib
import ctypes
import select
import socket
import struct
import time

ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_AUXDATA = 8
PACKET_IGNORE_OUTGOING = 23
SO_RCVBUFFORCE = 33
TP_STATUS_VLAN_VALID = 0x10
CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


def _enter(namespace):
    if _libc.setns(namespace.fileno(), CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


@contextlib.contextmanager
def inside_namespace(name):
    """Makes this thread one of the namespace's for a while; a socket opened there stays there."""
    with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{name}") as away:
        _enter(away)
        try:
            yield
        finally:
            _enter(home)


class Wire:
    def __init__(self, namespace, device):
        with inside_namespace(namespace):
            # no protocol yet: not a frame of another device may slip in before it is bound
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        with inside_namespace(namespace):
            self.socket.bind((device, ETH_P_ALL))

    def send(self, frame):
        self.socket.send(frame)

    def receive(self, timeout):
        """The next frame, or None if none comes in time. 0: only what is there already."""
        end = time.monotonic() + timeout
        while True:
            ready, _, _ = select.select([self.socket], [], [], max(0.0, end - time.monotonic()))
            if ready:
                return self._take()
            if time.monotonic() >= end:
                return None

    def drain(self):
        """All frames that are there."""
        frames = []
        while (frame := self.receive(0)) is not None:
            frames.append(frame)
        return frames

    def close(self):
        self.socket.close()

    def _take(self):
        frame, ancillary, _, _ = self.socket.recvmsg(65536, 256)
        for level, kind, data in ancillary:
            if level == SOL_PACKET and kind == PACKET_AUXDATA:
                status, _, _, _, _, tag, tpid = struct.unpack("=IIIHHHH", data[:20])
                # the kernel takes the tag out; a reader of frames wants it where it was
                if status & TP_STATUS_VLAN_VALID:
                    frame = frame[:12] + struct.pack("!HH", tpid or 0x8100, tag) + frame[12:]
        return frame
