# SPDX-License-Identifier: BSD-3-Clause
"""The box as TRex's benchmark tools see it: its counters, and a way to make it forget.

HOMEPORT is the command that asks the box (homeport; "ssh box homeport" where it is elsewhere), HOMEPORT_RESTART the one
that starts it again (systemctl restart homeportd): a box that starts anew has no session.
"""
import json
import os
import shlex
import subprocess
import time

DEADLINE = 60.0


def _ask(*words):
    command = shlex.split(os.environ.get("HOMEPORT", "homeport"))
    return subprocess.run([*command, "-j", *words], capture_output=True, text=True)


def verdicts():
    """What became of the packets so far, {name: packets}."""
    answer = _ask("show", "counters")
    if answer.returncode:
        raise RuntimeError(answer.stderr)
    counters = json.loads(answer.stdout)["homeport:homeport"]["statistics"]
    return {v["name"]: int(v["packets"]) for v in counters["verdict"] if int(v["packets"])}


def reset():
    """Ends all sessions; returns when the box carries packets again."""
    subprocess.run(os.environ.get("HOMEPORT_RESTART", "systemctl restart homeportd"), shell=True, check=True)
    end = time.monotonic() + DEADLINE
    while _ask("show", "counters").returncode:
        if time.monotonic() > end:
            raise RuntimeError(f"the box does not answer {DEADLINE:.0f} s after its restart")
        time.sleep(0.2)


class Drops:
    """Forgets sessions before an iteration, and tells what the box dropped in it, by reason."""

    def begin(self):
        reset()
        self.before = verdicts()

    def end(self):
        drops = {name: n - self.before.get(name, 0) for name, n in verdicts().items() if name.startswith("drop-")}
        for name, packets in sorted(drops.items()):
            if packets:
                print(f"homeport: {packets} packets {name}")
