# SPDX-License-Identifier: BSD-3-Clause
"""Instructions a packet, counted by callgrind: what does not depend on what else the machine does. They are compared
with those that instructions.json keeps for the build that is released (gcc, optimisation 3, link-time optimisation),
and may not grow by more than GROWTH. Both stand in instructions.txt of the build folder, which scripts/test shows.
Write them anew with HOMEPORT_INSTRUCTIONS=write."""
import json
import os
import pathlib
import re
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("HOMEPORT_BUILD", HERE.parents[1] / "build"))
KEPT = HERE / "instructions.json"
TOLD = BUILD / "instructions.txt"
WORKS = ("nat44-eim-pba", "nat64", "ds-lite", "lw4o6", "map-e", "map-t", "ipv6")
PACKETS = 4032  # 63 bursts, four of each of 1,008 flows
GROWTH = 1.05


def is_released():
    """Whether the build is made like the one that the figures are of."""
    commands = json.loads((BUILD / "compile_commands.json").read_text())
    words = next(c["command"] for c in commands if c["file"].endswith("lib/worker/pipeline.c")).split()
    return ("-O3" in words and any(w.startswith("-flto") for w in words) and
            not any(w.startswith(("clang", "-fsanitize")) for w in words))


def count(work, folder):
    """Instructions a packet, from inside and from outside."""
    out = folder / f"{work}.callgrind"
    words = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--toggle-collect=carry_out",
             "--toggle-collect=carry_in", BUILD / "tests/perf/bench-pipeline", "--memory", "256", "--sessions", "1008",
             "--runs", "1", "--packets", str(PACKETS), "--works", work]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = subprocess.run(["callgrind_annotate", "--inclusive=yes", "--threshold=100", out], check=True,
                          capture_output=True, text=True).stdout
    counts = {}
    for way in ("out", "in"):
        found = re.search(rf"^\s*([\d,]+).*:carry_{way}\b", told, re.MULTILINE)
        assert found, told[:2000]
        counts[way] = round(int(found[1].replace(",", "")) / PACKETS, 1)
    return counts


def test_instructions(tmp_path):
    if not is_released():
        pytest.skip("the figures are of a build with gcc, -O3 and -flto, without sanitizers")
    kept = json.loads(KEPT.read_text())
    counts = {work: count(work, tmp_path) for work in WORKS}
    if os.environ.get("HOMEPORT_INSTRUCTIONS") == "write":
        KEPT.write_text(json.dumps(counts, indent=1) + "\n")
        return
    lines = [f"{work:<14} {way:<4} {counts[work][way]:>7} instructions a packet, {kept[work][way]} before"
             for work in WORKS for way in ("out", "in")]
    TOLD.write_text("\n".join(lines) + "\n")
    grown = [line for line, (work, way) in zip(lines, [(w, d) for w in WORKS for d in ("out", "in")])
             if counts[work][way] > kept[work][way] * GROWTH]
    assert not grown, "\n".join(grown)
