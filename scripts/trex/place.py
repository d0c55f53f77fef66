# SPDX-License-Identifier: BSD-3-Clause
"""The place where a generator and a box stand: network namespaces of their own, or NICs.

    trex -- vt0 ---- inside [box] outside ---- vt1 -- trex
                              mgmt
                               └── upstream           (the Call Home story)

In namespaces everything is removed at the end, and nothing that was there before is touched. On NICs the box has the
devices that are named, and TRex the configuration that is named.
"""
import json
import os
import pathlib
import signal
import subprocess

import lab
import sample

KIT = pathlib.Path(__file__).resolve().parent
PORTS = {"inside": "vt0", "outside": "vt1"}  # of the generator
FRAMES = "blocksz=131072,framesz=2048,framecnt=8192,qdisc_bypass=1"
WATCHED = """table netdev watch {
 set seen { type ipv4_addr . inet_service; flags dynamic; size 65535; counter; }
 chain in {
  type filter hook ingress device "vt1" priority 0;
  ip daddr %s update @seen { ip saddr . udp sport counter }
 }
}
"""


class NoTrex(Exception):
    """There is no TRex to run; the text says what was looked for."""


def trex_folder():
    folder = pathlib.Path(os.environ.get("TREX_DIR", "/opt/trex"))
    if not (folder / "t-rex-64").exists():
        raise NoTrex(f"no TRex in {folder}; TREX_DIR names its folder")
    return folder


class Place(lab.Lab):
    """`nics`: {"inside": device of the box, "outside": device of the box, "trex": a TRex configuration file}."""

    def __init__(self, nics=None):
        super().__init__()
        self.nics = nics
        self.trex = None
        if nics:
            self.devices = {side: nics[side] for side in ("inside", "outside")}
            return
        self.add_host("box")
        self.add_host("trex")
        for host in ("box", "trex"):
            self.sysctl(host, "net.ipv6.conf.all.disable_ipv6", 1)
            self.sysctl(host, "net.ipv6.conf.default.disable_ipv6", 1)
        for side, port in PORTS.items():
            self.link("box", side, "trex", port, kernel=False)
        self.devices = {side: f"net_af_packet_{side},iface={side},{FRAMES}" for side in PORTS}

    def start(self, host, *words, **options):
        if self.nics is None:
            return super().start(host, *words, **options)
        process = subprocess.Popen([str(w) for w in words], text=True, **options)
        self.processes.append(process)
        return process

    # the box

    def bed(self, whole, **parts):
        """The box's configuration for this place: arguments of sample.bed()."""
        return sample.bed(whole, self.devices, self.folder / "homeport.sock", macs=self.nics is None, **parts)

    def mappings(self):
        return sum(int(worker["mappings"]) for worker in self.counters()["worker"])

    # a Linux kernel in the place of the box

    def start_kernel_nat(self, clients):
        """The kernel of the box's namespace routes and masquerades: the control beside a run."""
        outside = {"box": "192.0.2.1/24", "hop": "192.0.2.254"}
        for side, address, hop in (("inside", f"{sample.BOX_INSIDE}/30", sample.PORT_INSIDE),
                                   ("outside", outside["box"], outside["hop"])):
            self.ip("box", "link", "set", side, "address", sample.MAC[f"box {side}"])
            self.ip("box", "addr", "add", address, "dev", side)
            self.ip("box", "neigh", "replace", hop, "lladdr", sample.MAC[side], "dev", side)
        self.ip("box", "route", "add", clients, "via", sample.PORT_INSIDE)
        self.ip("box", "route", "add", "default", "via", outside["hop"])
        self.sysctl("box", "net.ipv4.ip_forward", 1)
        rules = "table ip nat {\n chain post {\n type nat hook postrouting priority 100;\n" \
                " oifname \"outside\" masquerade\n }\n}\n"
        self.exec("box", "nft", "-f", "-", input=rules)

    # TRex

    def start_trex(self, stateful):
        folder = trex_folder()
        config = self.nics["trex"] if self.nics else self._veth_config()
        words = ["./t-rex-64", "--cfg", config, "-i", "--no-scapy-server"]
        words += ["--astf"] if stateful else []
        words += [] if self.nics else ["--software"]
        with open(self.folder / "trex.log", "w") as log:
            # a group of its own: TRex's start script waits for TRex and hears no signal meanwhile
            self.trex = self.start("trex", *words, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   start_new_session=True)

    def _veth_config(self):
        """cfg/veth.yaml with a name of its own, so that it runs beside others."""
        config = self.folder / "trex.yaml"
        text = (KIT / "cfg/veth.yaml").read_text()
        config.write_text(text.replace("prefix: homeport", f"prefix: {self.prefix}"))
        return config

    def drive(self, *words, **options):
        """drive.py beside TRex: its answer."""
        process = self.start_drive(*words, **options)
        answer, complaint = process.communicate()
        self.processes.remove(process)
        if process.returncode:
            raise lab.Failed(f"drive.py: {complaint[-2000:]}\n{self.trex_log()[-2000:]}")
        return json.loads(answer)

    def start_drive(self, *words, stderr=subprocess.PIPE, **options):
        return self.start("trex", "/usr/bin/python3", KIT / "drive.py", *words, stdout=subprocess.PIPE, stderr=stderr,
                          **options)

    def trex_log(self):
        return (self.folder / "trex.log").read_text()

    # what a victim sees

    def watch(self, victim):
        """Counts what arrives at TRex's port 1 for an address, by source address and port."""
        self.exec("trex", "nft", "-f", "-", input=WATCHED % victim)

    def seen(self):
        """{(address, port): packets} of the watched address."""
        answer = json.loads(self.exec("trex", "nft", "-j", "list", "set", "netdev", "watch", "seen").stdout)
        found, = [e["set"] for e in answer["nftables"] if "set" in e]
        elements = [e["elem"] for e in found.get("elem", [])]
        return {tuple(e["val"]["concat"]): e["counter"]["packets"] for e in elements}

    def close(self):
        if self.trex and self.trex.poll() is None:
            os.killpg(self.trex.pid, signal.SIGTERM)
            try:
                self.trex.wait(lab.DEADLINE)
            except subprocess.TimeoutExpired:
                os.killpg(self.trex.pid, signal.SIGKILL)
        super().close()
