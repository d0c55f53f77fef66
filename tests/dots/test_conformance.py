"""Each case that conformance.md names is there."""
import pathlib
import re

HERE = pathlib.Path(__file__).parent
UNIT = HERE.parent / "unit/dots"


def source(name):
    if name.startswith("tests/"):
        return HERE.parent.parent / name
    if name.endswith(".py"):
        return HERE / name
    return UNIT / (name if name.endswith(".c") else f"test_{name}.c")


def test_every_case_exists():
    rows = re.findall(r"(?m)^\| ([A-Z]{2}-\d+) \| (.+) \|$", (HERE / "conformance.md").read_text())
    assert len(rows) > 60
    for rule, cases in rows:
        for case in cases.split("; "):
            name, _, functions = case.partition(": ")
            text = source(name).read_text()
            # numbers of vectors and parameters of tests stand in brackets
            for function in re.sub(r"\([^)]*\)|\[[^]]*\]", "", functions).split(","):
                function = function.strip()
                assert function in ("", "all") or function.lstrip("_") in text, (rule, case)
