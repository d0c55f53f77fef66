# SPDX-License-Identifier: BSD-3-Clause
"""rfc.md is true: every case it names ran and passed, here or as a unit test, and a rule without a case is
one that may be left."""
import pytest

import rules

# Verdicts that no traffic brings about at will in a running box, and the unit tests that do
LIMITS = {
    "drop-buffer": ("tests/unit/worker/test_limits.c", "buffers"),
    "drop-log-full": ("tests/unit/worker/test_limits.c", "log_full"),
    "drop-ring": ("tests/unit/worker/test_limits.c", "ring"),
    "drop-transmit": ("tests/unit/worker/test_limits.c", "transmit_queue"),
}
COMPLETE = "UTICDPXFNVBQWMKH"  # letters all of whose rules have a row
ROWS = rules.table()
NAMED = [(rule, file, name) for rule, text in ROWS for file, name in rules.cases(text)]
NAMED += [(verdict, file, name) for verdict, (file, name) in LIMITS.items()]
PACKET_CASES = sorted({(f, n) for _, f, n in NAMED if f.endswith(".py")})
UNIT_FILES = sorted({f for _, f, _ in NAMED if f.endswith(".c")})


def test_table():
    """One row a rule, of rules that there are; a sentence instead of a case only for SHOULD and MAY, and for what is
    not built yet."""
    levels, later = rules.levels(), rules.later()
    names = [rule for rule, _ in ROWS]
    assert len(names) == len(set(names)), "a rule has two rows"
    assert not set(names) - set(levels), "no such rule"
    without = [rule for rule, text in ROWS if not rules.cases(text)]
    assert later <= set(without), "built, so it is no longer one for later"
    assert not [rule for rule in without if levels[rule] not in "SO" and rule not in later], "rules that need a case"
    assert not [rule for rule in levels if rule[0] in COMPLETE and rule not in names], "rules without a row"
    assert not [rule for rule, text in ROWS if not rules.cases(text) and len(text.split()) < 3]


def test_packet_cases():
    """Only true of a run of the whole folder."""
    wrong = {f"{f}: {n}": rules.outcome(f, n) for f, n in PACKET_CASES if rules.outcome(f, n) != "passed"}
    assert not wrong


def test_verdicts():
    """Every verdict there is has been earned by some packet of this run. Only true of the whole folder."""
    names = rules.verdicts()
    assert len(names) == len(set(names)) and not set(LIMITS) - set(names)
    assert not [name for name in names if name not in rules.earned and name not in LIMITS]


def test_workers(pytestconfig):
    """Every worker has carried packets. Only true of the whole folder."""
    sums = rules.carried[pytestconfig.getoption("workers") or 3]
    assert all(sums), sums


@pytest.mark.parametrize("file", UNIT_FILES)
def test_unit_cases(file):
    good, ended, output = rules.run_unit(file)
    assert good, output
    assert not [n for _, f, n in NAMED if f == file and not ended.get(n)], output
