# SPDX-License-Identifier: BSD-3-Clause
"""rfc.md is true: every case it names ran and passed, here or as a unit test, and a rule without a case is
one that may be left."""
import pytest

import rules

ROWS = rules.table()
NAMED = [(rule, file, name) for rule, text in ROWS for file, name in rules.cases(text)]
PACKET_CASES = sorted({(f, n) for _, f, n in NAMED if f.endswith(".py")})
UNIT_FILES = sorted({f for _, f, _ in NAMED if f.endswith(".c")})


def test_table():
    """One row a rule, of rules that there are; a sentence instead of a case only for SHOULD and MAY."""
    levels = rules.levels()
    names = [rule for rule, _ in ROWS]
    assert len(names) == len(set(names)), "a rule has two rows"
    assert not set(names) - set(levels), "no such rule"
    without = [rule for rule, text in ROWS if not rules.cases(text)]
    assert not [rule for rule in without if levels[rule] not in "SO"], "rules that need a case"
    assert not [rule for rule, text in ROWS if not rules.cases(text) and len(text.split()) < 3]


def test_packet_cases():
    """Only true of a run of the whole folder."""
    wrong = {f"{f}: {n}": rules.outcome(f, n) for f, n in PACKET_CASES if rules.outcome(f, n) != "passed"}
    assert not wrong


@pytest.mark.parametrize("file", UNIT_FILES)
def test_unit_cases(file):
    good, ended, output = rules.run_unit(file)
    assert good, output
    assert not [n for _, f, n in NAMED if f == file and not ended.get(n)], output
