# SPDX-License-Identifier: BSD-3-Clause
"""scripts/plot makes of a file of scripts/bench a page and drawings in which each figure stands."""
import json
import pathlib
import subprocess
import xml.etree.ElementTree as tree

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SVG = "{http://www.w3.org/2000/svg}"
PERCENTILES = ("p50", "p90", "p99", "p99.9", "max")


def packets(work, direction, scale, clocks, frame="64"):
    return {"work": work, "direction": direction, "frame": frame, "scale": scale, "of": "packet",
            "clocks_per_packet": clocks, "low": clocks - 1, "high": clocks + 2.5, "mpps": 2600 / clocks, "runs": 9,
            "null": 16}


def bursts(work, direction, scale, *clocks):
    return {"work": work, "direction": direction, "scale": scale, "packets": 64, "bursts": 15000, "interrupted": 2,
            "null": 54, **dict(zip(PERCENTILES, clocks))}


RESULT = {
    "rows": [packets("nat44-eim-pba", "in", 1008, 71.5), packets("nat44-eim-pba", "out", 64512, 77),
             packets("nat44-eim-pba", "out", 1008, 63.4), packets("nat44-eim-pba", "in", 64512, 80),
             packets("map-e", "out", 1, 233), packets("map-e", "in", 1, 137),
             packets("nat44-eim-pba", "out", 64512, 70, "imix"), packets("expiry", "out", 1008, 118)],
    "latency": [bursts("nat44-eim-pba", "out", 1008, 4160, 4420, 5200, 26000, 260000),
                bursts("nat44-eim-pba", "in", 1008, 4680, 4940, 5720, 26000, 130000)],
    "machine": {"cpu": "A <CPU>", "cpus": 2, "tsc_hz": 2600000000, "huge_pages": True, "kernel": "6.1",
                "load_before": 0.25, "date": "2026-11-26", "first": True},
}


@pytest.fixture(name="made", scope="module")
def fixture_made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plot")
    (folder / "bench.json").write_text(json.dumps(RESULT))
    subprocess.run([ROOT / "scripts/plot", folder / "bench.json", folder], check=True)
    return folder


def test_tables(made):
    text = (made / "benchmark.md").read_text()
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    assert lines == [
        "| work | direction | scale | clocks | low | high | Mpps | aim | VPP |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| NAT44, port blocks | out | 1,008 | 63.4 | 62.4 | 65.9 | 41.0 | 65 | 119 |",
        "| NAT44, port blocks | out | 64,512 | 77.0 | 76.0 | 79.5 | 33.8 | 80 | 207 |",
        "| NAT44, port blocks | in | 1,008 | 71.5 | 70.5 | 74.0 | 36.4 | 65 | 121 |",
        "| NAT44, port blocks | in | 64,512 | 80.0 | 79.0 | 82.5 | 32.5 | 80 | 206 |",
        "| MAP-E | out | 1 | 233.0 | 232.0 | 235.5 | 11.2 | 90 | 144 |",
        "| MAP-E | in | 1 | 137.0 | 136.0 | 139.5 | 19.0 | 90 | 196 |",
        "| work | direction | scale | p50 | p90 | p99 | p99.9 | max | bursts |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| NAT44, port blocks | out | 1,008 | 1.6 | 1.7 | 2.0 | 10.0 | 100.0 | 15,000 |",
        "| NAT44, port blocks | in | 1,008 | 1.8 | 1.9 | 2.2 | 10.0 | 50.0 | 15,000 |",
    ]
    assert "A <CPU>, 2 CPUs" in text and "left out, 4 of 30,004" in text


def places(drawing, name):
    """The corners of the line of a series, from left to right."""
    group, = [g for g in drawing.iter(f"{SVG}g") if g.get("class") == name]
    line = group.find(f"{SVG}polyline").get("points").split()
    assert len(line) == len(group.findall(f"{SVG}circle"))
    return [tuple(map(float, corner.split(","))) for corner in line]


def test_packets(made):
    drawing = tree.parse(made / "benchmark-packets.svg").getroot()
    series = {g.get("class") for g in drawing.iter(f"{SVG}g")}
    assert series == {"legend", *(f"{w} {d}" for w in ("nat44-eim-pba", "map-e") for d in ("out", "in"))}
    few, many = places(drawing, "nat44-eim-pba out")
    # more clocks stand higher
    assert few[0] < many[0] and few[1] > many[1]
    assert len(places(drawing, "map-e in")) == 1
    marks = [e.get("class") for e in drawing.iter() if e.get("class") and e.tag != f"{SVG}g"]
    assert marks.count("nat44-eim-pba aim") == 2 and marks.count("map-e aim") == 1
    assert marks.count("nat44-eim-pba vpp out") == marks.count("nat44-eim-pba vpp in") == 2
    assert marks.count("map-e vpp out") == 1


def test_bursts(made):
    drawing = tree.parse(made / "benchmark-bursts.svg").getroot()
    out, back = (places(drawing, f"nat44-eim-pba {d} 1008") for d in ("out", "in"))
    assert len(out) == len(back) == len(PERCENTILES)
    assert out[0][1] > back[0][1] and out[4][1] < back[4][1] and out[3] == back[3]


@pytest.mark.parametrize("name", ["benchmark-packets.svg", "benchmark-bursts.svg"])
def test_background(made, name):
    """The drawing has paper of its own, so that it reads on a dark page, and nothing stands beyond it."""
    drawing = tree.parse(made / name).getroot()
    width, height = int(drawing.get("width")), int(drawing.get("height"))
    paper = drawing.find(f"{SVG}rect")
    assert (int(paper.get("width")), int(paper.get("height"))) == (width, height) and paper.get("fill") == "#ffffff"
    for corner in drawing.iter(f"{SVG}circle"):
        assert 0 < float(corner.get("cx")) < width and 0 < float(corner.get("cy")) < height


def test_page(tmp_path):
    """The page in docs/ is what scripts/plot makes of the file beside it."""
    docs = ROOT / "docs"
    subprocess.run([ROOT / "scripts/plot", docs / "benchmark.json", tmp_path], check=True)
    for name in ("benchmark.md", "benchmark-packets.svg", "benchmark-bursts.svg"):
        assert (tmp_path / name).read_text() == (docs / name).read_text()


def test_usage():
    assert "usage: scripts/plot" in subprocess.run(
        [ROOT / "scripts/plot", "--help"], check=True, capture_output=True, text=True).stdout
    assert subprocess.run([ROOT / "scripts/plot"], capture_output=True).returncode == 2
