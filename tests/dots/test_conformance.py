"""conformance.md is true: each case that it names is there, was run, and passed.

Cases of this folder have been run by this very run of pytest, those of tests/unit/dots are run here,
program by program. Those elsewhere (tests/netns, tests/fuzz) are seen to exist only: they are run by
suites of their own, which not every machine can.
"""
import os
import pathlib
import re
import subprocess

import pytest

from conftest import BUILD, outcomes

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]
UNIT = ROOT / "tests/unit/dots"
VECTORS = HERE / "vectors/index.json"


def source(name):
    if "/" in name:
        return ROOT / name
    if name.endswith(".py"):
        return HERE / name
    return UNIT / (name if name.endswith(".c") else f"test_{name}.c")


def functions(text):
    """Those that a list names, [""] for a file as a whole. Numbers of vectors and parameters stand in
    brackets; what begins with _ is a part of a name."""
    names = re.sub(r"\([^)]*\)|\[[^]]*\]", "", text).split(",")
    return ["" if name.strip() == "all" else name.strip() for name in names]


def cases():
    """(rule, file, case) of each row; one that says why there is no case has none."""
    found = []
    for rule, text in re.findall(r"(?m)^\| ([A-Z]{2}-\d+) \| (.+) \|$",
                                 (HERE / "conformance.md").read_text()):
        parts = [part.partition(": ") for part in text.split("; ")]
        if not re.fullmatch(r"[\w./]+", parts[0][0]):
            continue
        found += [(rule, source(name), case) for name, _, names in parts for case in functions(names)]
    return found


CASES = cases()
PROGRAMS = sorted({file for _, file, _ in CASES if file.parent == UNIT})


def is_meant(case, name):
    """A case of a program may have been run once for each transport: name/dtls, name/tls."""
    return case in name if case.startswith("_") else name.split("/")[0] == case


def wrong(file, ended):
    """The cases of a file that have not passed."""
    missing = []
    for rule, named, case in CASES:
        if named != file:
            continue
        meant = [r for name, r in ended.items() if not case or is_meant(case, name)]
        if not meant or set(meant) != {"passed"}:
            missing.append((rule, case, meant or "not run"))
    return missing


def test_every_case_exists():
    assert len({rule for rule, _, _ in CASES}) > 80
    for rule, file, case in CASES:
        assert case in file.read_text(), (rule, file.name, case)


def run_unit(file):
    """Runs the program of a file; tells how each of its cases ended."""
    program = BUILD / "tests/unit/dots" / file.stem.replace("test_", "test_dots_", 1)
    done = subprocess.run([program], capture_output=True, text=True, timeout=600,
                          env={**os.environ, "CMOCKA_MESSAGE_OUTPUT": "TAP", "VECTORS": str(VECTORS)})
    ended = {name: {"ok": "passed", "not ok": "failed"}[r] for r, name in
             re.findall(r"(?m)^(ok|not ok) \d+ - (.+)$", done.stdout)}
    return ended, done.stdout + done.stderr


@pytest.mark.parametrize("file", PROGRAMS, ids=lambda file: file.stem)
def test_unit_cases(file):
    ended, output = run_unit(file)
    assert not wrong(file, ended), output


def test_cases_of_this_folder(request):
    """Comes last (conftest.py)."""
    option = request.config.option
    if option.keyword or option.markexpr or any(pathlib.Path(a).suffix or "::" in a
                                                for a in request.config.args):
        pytest.skip("only some of the tests are run")
    for file in sorted({file for _, file, _ in CASES if file.parent == HERE}):
        assert not wrong(file, outcomes(file.name)), file.name
