# SPDX-License-Identifier: BSD-3-Clause
"""What is wrong is refused, by --check and by starting, with the place and what is allowed; and a box that has been
refused has done nothing yet. The cases stand in refused.py."""
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

import refused
from base import base, changed
from conftest import ROOT

SAID = []  # what has been said of each semantic case, for the last test


def refuse(daemon, configuration, told):
    """--check and a start both refuse the configuration, in the same words, and leave nothing behind."""
    daemon.write(configuration)
    before = sorted(daemon.folder.iterdir())
    with ThreadPoolExecutor() as both:
        checked, started = both.map(lambda words: daemon.run("-c", daemon.file, *words), (["--check"], []))
    for done in (checked, started):
        assert (done.returncode, done.stdout) == (1, "")
        for text in told:
            assert text in done.stderr
    assert checked.stderr == started.stderr
    # neither a socket nor a capture file: no device was opened
    assert sorted(daemon.folder.iterdir()) == before
    return checked.stderr


def place(case):
    """A name for a case: its first change."""
    path, value = next(iter(case[0].items()))
    return f"{path}={value if isinstance(value, (str, int)) else '...'}"[-60:]


def test_the_base_is_right(daemon):
    """What the cases change is without fault itself."""
    daemon.write(base())
    done = daemon.run("-c", daemon.file, "--check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("case", refused.SCHEMA, ids=place)
def test_schema(daemon, case):
    changes, *told = case
    said = refuse(daemon, changed(changes), told)
    # one fault of the schema, with its path or at least its line
    assert re.fullmatch(r"homeportd: /.*: .+\n", said)


@pytest.mark.parametrize("case", refused.SEMANTIC, ids=place)
def test_semantic(daemon, case):
    changes, *told = case
    said = refuse(daemon, changed(changes), told)
    SAID.append(said)
    assert all(line.startswith("homeportd: /") for line in said.splitlines())


@pytest.mark.parametrize("text, told", refused.TEXTS)
def test_no_configuration(daemon, text, told):
    refuse(daemon, text, [told])


def test_no_file(daemon):
    done = daemon.run("-c", daemon.file, "--check")
    assert done.returncode == 1 and "No such file or directory" in done.stderr


def test_several_faults_are_told_together(daemon):
    changes, *told = refused.SEVERAL
    said = refuse(daemon, changed(changes), told)
    assert len(said.splitlines()) == len(told)


def messages():
    """The messages of lib/conf/check*.c as patterns, with where they stand."""
    for file in sorted((ROOT / "lib/conf").glob("check*.c")):
        text = file.read_text()
        for found in re.finditer(r"(?:judge_(?:fault|text)|binding_fault)\((.*?)\);", text, re.S):
            strings = re.findall(r'(?:"(?:[^"\\]|\\.)*"\s*)+', found[1])
            # the last text that stands alone and has a sentence in it is the format
            whole = ["".join(re.findall(r'"((?:[^"\\]|\\.)*)"', s)) for s in strings]
            form = next((w for w in whole if "Allowed" in w), None)
            if form:
                line = text[:found.start()].count("\n") + 1
                pattern = re.sub(r"%(?:zu|[sudl]+)", ".*", re.escape(form).replace(r"\%", "%"))
                yield f"{file.relative_to(ROOT)}:{line}", pattern


def test_every_check_has_a_case():
    """A check that no line of refused.py fails is named here."""
    if len(SAID) < len(refused.SEMANTIC):
        pytest.skip("not all cases were run")
    said = "".join(SAID)
    found = list(messages())
    assert len(found) > 30
    assert [where for where, pattern in found if not re.search(pattern, said)] == []
