# SPDX-License-Identifier: BSD-3-Clause
"""A generator's counters held against the box's: a list of checks, as a table and as JSON."""
import json


class Report:
    def __init__(self, title, **what):
        self.title, self.what, self.checks, self.figures = title, what, [], {}

    def same(self, name, generator, box):
        """Two figures that must be the same."""
        self.checks.append({"check": name, "generator": generator, "box": box, "ok": generator == box})

    def true(self, name, ok, told=None):
        self.checks.append({"check": name, "generator": told, "box": None, "ok": bool(ok)})

    @property
    def passed(self):
        return bool(self.checks) and all(c["ok"] for c in self.checks)

    def table(self):
        rows = [("", "generator", "box", "")]
        rows += [(c["check"], _text(c["generator"]), _text(c["box"]), "ok" if c["ok"] else "FAILED")
                 for c in self.checks]
        told = {c["check"] for c in self.checks}
        rows += [(name, "", _text(value), "") for name, value in self.figures.items() if name not in told]
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
        return "\n".join([self.title, *lines, "passed" if self.passed else "FAILED"])

    def json(self):
        return {"title": self.title, **self.what, "passed": self.passed, "checks": self.checks,
                "figures": self.figures}


def _text(value):
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def write(path, value):
    with open(path, "w") as file:
        json.dump(value, file, indent=1)
        file.write("\n")


def hold(report, told, verdicts, counters):
    """What every run must satisfy: the generator's packets are the box's, and each of them has met an end."""
    ports = told["ports"]
    report.same("packets sent", sum(p["opackets"] for p in ports.values()), int(counters["received"]))
    report.same("packets with a verdict", int(counters["received"]), sum(verdicts.values()))
    passed = sum(n for name, n in verdicts.items() if not name.startswith("drop-"))
    received = sum(p["ipackets"] for p in ports.values())
    report.same("packets back", received, passed + int(counters["icmp-errors-sent"]))
    report.true("errors of the ports", not sum(p["oerrors"] + p["ierrors"] for p in ports.values()))
    report.figures.update({name: n for name, n in sorted(verdicts.items())})


def hold_stateless(report, told, verdicts):
    if told["expected"] is not None:
        for name in sorted(set(told["expected"]) | set(verdicts)):
            report.same(name, told["expected"].get(name, 0), verdicts.get(name, 0))


# What TRex counts when it has waited too long, as it does on a machine with too little time for it. A packet that is
# really lost shows in "packets back".
LATE = {"tcps_rexmttimeo", "tcps_rexmttimeo_syn", "tcps_sndrexmitpack", "tcps_sndrexmitbyte", "tcps_rcvduppack",
        "tcps_rcvdupbyte", "tcps_rcvpartduppack", "tcps_rcvpartdupbyte", "tcps_rcvdupack", "tcps_badsyn",
        "tcps_sack_rcv_blocks", "tcps_sack_send_blocks"}


def errors(told):
    """The errors of both ends, those that are errors and those that are of the generator's own being late."""
    names = sorted({name for end in told["errors"].values() for name in end})
    return [n for n in names if n not in LATE], [n for n in names if n in LATE]


def hold_stateful(report, told, verdicts, mappings, control=False):
    """`mappings`: that the box has at the end, None if it makes none or is none of ours."""
    client, server = told["traffic"]["client"], told["traffic"]["server"]
    opened = client.get("tcps_connattempt", 0) + client.get("udps_connects", 0)
    allowed = {"routed"} if control else set(told["allowed"])
    if told["latency"]:
        # an ICMP probe has one identifier for good: one mapping; a NAT that changes it stops the probes from outside
        allowed.add("drop-no-mapping")
        probes = {port: (stats["m_tx_pkt_ok"], stats["m_pkt_ok"]) for port, stats in told["latency"].items()}
        report.same("ICMP probes from inside", probes["0"][0], probes["1"][1])
        report.figures["ICMP probes from outside"] = f"{probes['1'][0]} sent, {probes['0'][1]} arrived"
    unexpected = sorted(set(verdicts) - allowed)
    report.true("verdicts as the profile says", not unexpected, " ".join(unexpected) or None)
    for name in ("err_l3_cs", "err_l4_cs"):
        report.true(f"{name} at both ends", not client.get(name, 0) + server.get(name, 0))
    if not told["refused"]:
        wrong, late = errors(told)
        report.true("errors at both ends", not wrong, " ".join(wrong) or None)
        if late:
            report.figures["sent again by TRex"] = " ".join(late)
        report.same("connections accepted", opened, server.get("tcps_accepts", 0) + server.get("udps_accepts", 0))
    if mappings is not None and not control:
        # none has ended yet, and no two have had one port
        report.same("connections opened, and mappings made", opened - verdicts.get("drop-quota", 0),
                    mappings - bool(told["latency"]))
