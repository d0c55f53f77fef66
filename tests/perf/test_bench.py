# SPDX-License-Identifier: BSD-3-Clause
"""scripts/bench runs, and its file says what others read from it. Nothing is asserted about speed."""
import json
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
FORWARDING = {"nat44-eim-pba", "nat44-deterministic", "nat64", "ds-lite", "lw4o6", "ipv6"}
WORKS = FORWARDING | {"map-e", "map-t", "new-mappings", "expiry", "mitigations", "fragments", "fragment-flood",
                      "new-blocks", "tcp-open", "tcp-data", "tcp-close", "tcp-expiry", "nat64-new", "ds-lite-new",
                      "binding-add", "binding-change"}
SCALES = (1008, 64512)
RULES = (1, 1000, 10000)


def test_quick(tmp_path):
    file = tmp_path / "bench.json"
    done = subprocess.run([ROOT / "scripts/bench", "--quick", "--small-pages", "--json", file],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads(file.read_text())
    assert {"rows", "latency", "floor", "machine"} <= result.keys()
    for row in result["rows"]:
        assert row["work"] in WORKS and row["direction"] in ("out", "in") and row["frame"] in ("64", "imix")
        assert row["runs"] >= 1 and row["mpps"] > 0 and row["of"] and isinstance(row["clocks_per_packet"], float)
        # the table has it, too
        assert f"{row['clocks_per_packet']:.1f}" in done.stdout
    rows = {(r["work"], r["direction"], r["scale"]) for r in result["rows"] if r["frame"] == "64"}
    mixed = {(r["work"], r["direction"], r["scale"]) for r in result["rows"] if r["frame"] == "imix"}
    assert {(w, d, n) for w in FORWARDING for d in ("out", "in") for n in SCALES} <= rows
    assert {(w, d, n) for w in ("map-e", "map-t") for d in ("out", "in") for n in RULES} <= rows
    assert {(w, d, 64512) for w in FORWARDING - {"nat44-deterministic"} for d in ("out", "in")} <= mixed
    assert {(w, "out", n) for w in ("binding-add", "binding-change") for n in SCALES} <= rows
    assert {(w, "out", n) for w in ("nat64-new", "ds-lite-new") for n in SCALES[1:]} <= rows
    assert {(w, "out", n) for w in ("new-mappings", "expiry", "tcp-open", "tcp-close") for n in SCALES} <= rows
    bursts = {(r["work"], r["direction"], r["scale"]) for r in result["latency"]}
    assert {(w, d, n) for w in FORWARDING for d in ("out", "in") for n in SCALES} <= bursts
    assert {("map-e", d, n) for d in ("out", "in") for n in RULES} <= bursts
    for row in result["latency"]:
        assert 0 < row["null"] < row["p50"] <= row["p90"] <= row["p99"] <= row["p99.9"] <= row["max"]
        assert row["packets"] == 64 and row["bursts"] >= 1 and row["interrupted"] >= 0
        assert re.search(rf"^{row['work']} +{row['direction']} +{row['scale']} +{row['p50']} ", done.stdout, re.M)
    tables = result["tables"]
    assert tables["mappings"] == tables["tcp_connections"] == tables["size"] == SCALES[-1]
    assert all(1 <= size < 4096 for size in tables["bytes"].values())
    assert result["floor"]["macswap"]["mpps"] > 0 and result["daemon"]["mpps"] > 0
    assert {"cpu", "cpus", "tsc_hz", "huge_pages", "kernel"} <= result["machine"].keys()


def test_usage():
    assert "usage: scripts/bench" in subprocess.run(
        [ROOT / "scripts/bench", "--help"], check=True, capture_output=True, text=True).stdout
    assert subprocess.run([ROOT / "scripts/bench", "--nonsense"], capture_output=True).returncode == 2
