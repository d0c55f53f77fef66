# SPDX-License-Identifier: BSD-3-Clause
"""scripts/trex/run without a TRex, what its reports and searches say, and scripts/load."""
import importlib.util
import os
import subprocess
import xml.etree.ElementTree as xml

import pytest

import render
import report
import svg


def run(script, *words, **environment):
    return subprocess.run([render.ROOT / "scripts" / script, *words], capture_output=True, text=True,
                          env={**os.environ, **environment})


def drive():
    """drive.py as a module: what of it needs no TRex."""
    spec = importlib.util.spec_from_file_location("drive", render.KIT / "drive.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_trex(tmp_path):
    """Without a TRex a run is skipped, and says so in one line."""
    done = run("trex/run", "stl/nat44_out", TREX_DIR=str(tmp_path))
    assert done.returncode == 77 and done.stdout.count("\n") == 1 and str(tmp_path) in done.stdout


@pytest.mark.parametrize("words", [(), ("stl/none",), ("stl/imix", "--grid", "small"), ("stl/imix", "--inside", "0:3")])
def test_usage(words):
    assert run("trex/run", *words).returncode == 2


def test_list():
    told = run("trex/run", "--list").stdout.split("\n")
    names = [f"stl/{n}" for n in render.stateless()] + [f"astf/{n}" for n in render.stateful()]
    assert [line.split()[0] for line in told if line] == names


PORTS = {"0": {"opackets": 10, "ipackets": 4, "oerrors": 0, "ierrors": 0},
         "1": {"opackets": 5, "ipackets": 9, "oerrors": 0, "ierrors": 0}}


@pytest.mark.parametrize("verdicts, passes", [
    ({"nat44-out": 9, "nat44-in": 4, "drop-quota": 2}, True),
    ({"nat44-out": 9, "nat44-in": 4, "drop-quota": 1}, False),  # a packet without a verdict
    ({"nat44-out": 8, "nat44-in": 4, "drop-quota": 3}, False)])  # forwarded by the box, and not seen
def test_report(verdicts, passes):
    """Sent is what was forwarded and the sum of the drops, or the report says no."""
    one = report.Report("one")
    report.hold(one, {"ports": PORTS}, verdicts, {"received": "15", "icmp-errors-sent": "0"})
    report.hold_stateless(one, {"expected": verdicts}, verdicts)
    assert one.passed == passes and one.json()["passed"] == passes
    assert one.table().endswith("passed" if passes else "FAILED")


@pytest.mark.parametrize("errors, accepted, passes", [
    ({}, 7, True),
    ({"client": {"tcps_rexmttimeo": "retransmit timeouts"}}, 7, True),  # TRex was late, nothing is lost
    ({"client": {"err_l4_cs": "bad checksum"}}, 7, False),
    ({}, 6, False)])
def test_stateful_report(errors, accepted, passes):
    one = report.Report("one")
    traffic = {"client": {"tcps_connattempt": 7}, "server": {"tcps_accepts": accepted}}
    report.hold_stateful(one, {"traffic": traffic, "errors": errors, "latency": {}, "allowed": ["nat44-out"],
                               "refused": False}, {"nat44-out": 9}, 7)
    assert one.passed == passes


def test_search():
    """The highest rates with no loss, and with half a percent."""
    found = drive().search(1000.0, lambda rate: 0.0 if rate <= 300 else 0.004 if rate <= 600 else 0.5)
    assert 280 <= found["ndr"] <= 300 and 580 <= found["pdr"] <= 600
    assert drive().search(1000.0, lambda rate: 0.0)["ndr"] == 1000.0


def test_plot():
    root = xml.fromstring(svg.plot("a < b", "sessions", "packets", {"one": [(64, 10.0), (4096, 20.0)], "two": [(64, 1)]}))
    assert len(root.findall("{http://www.w3.org/2000/svg}polyline")) == 2


def test_load():
    """Connections by ordinary sockets, each with a mapping of its own, and no packet that was not expected."""
    done = run("load", "storm", "--rate", "100", "--duration", "1", "--hosts", "16")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("passed")
