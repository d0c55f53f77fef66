# SPDX-License-Identifier: BSD-3-Clause
"""The Call Home story under load: many subscribers at work, a few of them flood a victim, and its network reports
what it sees over DOTS Call Home. TRex plays the subscribers, the servers and the victim; what the victim sees is
counted in front of it, and not in the box.
"""
import json
import subprocess
import time

import lab
import profiles
import report
import sample
from story import Lines

BACKGROUND, ATTACK = "astf/nat44_mixed", "stl/attack"
VICTIM = "198.18.255.10"
ATTACKERS = ["100.64.9.1", "100.64.9.2", "100.64.9.3"]
# the attackers are among the subscribers at work
CLIENTS = ["--clients", "100.64.9.0", "--hosts", "256"]
UPSTREAM = "127.0.0.1"  # in the box's namespace


def _start_upstream(bed):
    pki = bed.make_pki()
    process = bed.start("box", lab.DOTSC, "--listen", UPSTREAM, "--cert", pki / "upstream.pem", "--key",
                        pki / "upstream.key", "--ca", pki / "ca.pem", "--script", "-", stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE)
    events = Lines(process)
    events.wait("the upstream listens", lambda e: e["event"] == "listening")
    return process, events


def _start_box(bed, workers):
    whole = sample.load(profiles.find(ATTACK).sample)
    upstream, = whole["homeport:homeport"]["dots"]["server"]["upstream"]
    upstream["address"] = UPSTREAM
    bed.start_box(bed.bed(whole, platform={"workers": workers}))


class _Load:
    """TRex under drive.py's hand, which answers a line with a line."""

    def __init__(self, bed, mult):
        self.bed = bed
        background, attack = profiles.find(BACKGROUND), profiles.find(ATTACK)
        self.process = bed.start_drive("both", background.path, attack.path, "--mult", mult, "--", *CLIENTS,
                                       stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self._read()

    def _read(self):
        line = self.process.stdout.readline()
        if not line:
            raise lab.Failed("drive.py has ended: " + self.bed.trex_log()[-2000:])
        return json.loads(line)

    def ask(self):
        print("stats", file=self.process.stdin, flush=True)
        return self._read()

    def end(self):
        self.process.stdin.close()
        return self._read()


def _rates(bed, load, seconds):
    """Attack packets a second by source at the victim, and connections a second that were answered."""
    seen, told, begin = bed.seen(), load.ask(), time.monotonic()
    time.sleep(seconds)
    seen_after, told_after, span = bed.seen(), load.ask(), time.monotonic() - begin

    def accepted(answer):
        server = answer["traffic"]["server"]
        return server.get("tcps_accepts", 0) + server.get("udps_accepts", 0)

    return ({source: (n - seen.get(source, 0)) / span for source, n in seen_after.items()},
            (accepted(told_after) - accepted(told)) / span)


def tell(bed, options):
    result = report.Report("Call Home under load", attackers=ATTACKERS, victim=VICTIM)
    bed.watch(VICTIM)
    upstream, events = _start_upstream(bed)
    _start_box(bed, options.workers)
    events.wait("the Call Home session", lambda e: e["event"] == "up")
    bed.start_trex(stateful=True)
    load = _Load(bed, options.mult)
    lab.wait_for("the attack reaches the victim", lambda: len(bed.seen()) == len(ATTACKERS))
    before, work_before = _rates(bed, load, options.duration / 2)
    for address, port in sorted(before):
        print(f"mitigate --source {address} --source-port {port} --target {VICTIM}/32 --protocol udp --lifetime 3600",
              file=upstream.stdin, flush=True)
        reply = events.wait("a reply", lambda e: e["event"] in ("reply", "timeout", "error") and
                            e.get("command") == "mitigate")
        result.true(f"report of {address}:{port}", reply.get("code") == "2.01", reply.get("code"))
    lab.wait_for("every attacker has a rule", lambda: len(bed.acls()) == len(ATTACKERS))
    time.sleep(0.5)  # what was on its way has arrived
    after, work_after = _rates(bed, load, options.duration / 2)
    end = load.ask()
    arrived = sum(bed.seen().values())
    load.end()
    upstream.stdin.close()
    result.true("attack packets a second before", min(before.values()) > 0, round(sum(before.values())))
    result.true("attack packets a second after", sum(after.values()) == 0, round(sum(after.values())))
    result.true("one rule for each attacker, and no other",
                all(any(a in json.dumps(acl) for a in ATTACKERS) for acl in bed.acls()), len(bed.acls()))
    # TRex's server knows no connection of the attack's and counts its packets as errors: all that arrived, no other
    result.same("attack packets in all, at TRex and on the wire", end["traffic"]["server"].pop("err_no_template", 0),
                arrived)
    end["errors"].get("server", {}).pop("err_no_template", None)
    wrong, _ = report.errors(end)
    result.true("errors of the background", not wrong, " ".join(wrong) or 0)
    result.figures["background connections a second before"] = round(work_before)
    result.figures["background connections a second after"] = round(work_after)
    result.figures["attack packets dropped by the box"] = bed.verdicts().get("drop-acl", 0)
    result.what["generator"] = end
    return result
