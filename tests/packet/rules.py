# SPDX-License-Identifier: BSD-3-Clause
"""rfc.md and levels.txt: which case shows which rule, and what became of the cases in this run."""
import collections
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("HOMEPORT_BUILD", ROOT / "build"))
HERE = pathlib.Path(__file__).parent

_outcomes = collections.defaultdict(set)
earned = set()  # names of verdicts that packets of this run have had
carried = {}  # by how many workers a box had: the packets of each, over this run


def note(report):
    """Remembers how a case ended; one that fails while it is set up or cleaned up has failed too."""
    if report.when == "call" or not report.passed:
        file, name = re.match(r"(?:[^:]*/)?([^/:]+)::(\w+)", report.nodeid).groups()
        _outcomes[file, name].add(report.outcome)


def note_workers(shown):
    """Remembers what the workers of a box have carried, as the box shows it."""
    sums = carried.setdefault(len(shown), [0] * len(shown))
    for worker in shown:
        sums[worker["number"]] += int(worker["received"]) + int(worker["taken-over"])


def outcome(file, name):
    """What became of a case of these tests in this run: "passed", or what else."""
    seen = _outcomes.get((file, name), {"not run"})
    return "passed" if seen == {"passed"} else " and ".join(sorted(seen))


def verdicts():
    """The names of all verdicts."""
    return re.findall(r'VERDICT\(V_\w+,\s*"([^"]+)"', (ROOT / "lib/net/verdict.h").read_text())


def levels():
    return dict(re.findall(r"\b([A-Z]\d+):([MSO-])", (HERE / "levels.txt").read_text()))


def later():
    """The rules of services that are not built yet."""
    return {rule for names in re.findall(r"(?m)^later [^:]+: ([A-Z0-9 ]+)$", (HERE / "levels.txt").read_text())
            for rule in names.split()}


def table():
    """The rows of rfc.md: rule, text of the second cell."""
    return re.findall(r"(?m)^\| *([A-Z]\d+) *\| *([^|\n]*?) *\|", (HERE / "rfc.md").read_text())


def cases(text):
    """The cases that a cell names, as pairs of file and name; none if it is a sentence."""
    found = []
    for part in text.split(";"):
        match = re.fullmatch(r" *`?([\w/]+\.(?:py|c))`?: *([\w, ]+?) *", part)
        if not match:
            return []
        found += [(match[1], name.strip()) for name in match[2].split(",")]
    return found


def run_unit(file):
    """Runs the program of a C unit test, tests/unit/LIB/test_NAME.c, and tells how each of its cases ended."""
    lib, name = re.fullmatch(r"tests/unit/(\w+)/test_(\w+)\.c", file).groups()
    program, = (BUILD / "tests/unit").glob(f"**/test_{lib}_{name}")
    done = subprocess.run([program], capture_output=True, text=True, timeout=600,
                          env={**os.environ, "CMOCKA_MESSAGE_OUTPUT": "TAP"})
    ended = dict((n, r == "ok") for r, n in re.findall(r"(?m)^(ok|not ok) \d+ - (\w+)$", done.stdout))
    return done.returncode == 0, ended, done.stdout + done.stderr
