# SPDX-License-Identifier: BSD-3-Clause
"""Pages that are made from the sources are up to date."""
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = pathlib.Path(os.environ.get("HOMEPORT_BUILD", ROOT / "build"))


def output(*words):
    return subprocess.run([str(w) for w in words], check=True, capture_output=True, text=True).stdout


def test_counters_page():
    """`build/docs/counters-page >docs/counters.md` makes it."""
    assert (ROOT / "docs/counters.md").read_text() == output(BUILD / "docs/counters-page")


def test_tree_of_the_own_module():
    """`yanglint -f tree -p yang yang/homeport@*.yang` is what yang/README.md shows."""
    module, = (ROOT / "yang").glob("homeport@*.yang")
    tree = output("yanglint", "-f", "tree", "-p", ROOT / "yang", module)
    shown = re.search(r"```\n(module: homeport\n.*?)```", (ROOT / "yang/README.md").read_text(), re.S)
    assert shown and shown[1].strip() == tree.strip()


def test_help_of_the_programs():
    """Every option and command that --help names is in the documentation, and the other way round."""
    pages = "".join(p.read_text() for p in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))])
    for program in ("homeportd/homeportd", "homeport/homeport"):
        text = output(BUILD / "app" / program, "--help")
        for option in re.findall(r"(--[a-z][a-z-]+)", text):
            assert option in pages, f"{program} {option}"
