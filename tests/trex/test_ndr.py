# SPDX-License-Identifier: BSD-3-Clause
"""The plug-ins and the reset command for TRex's own benchmark tools, with a box that is only told of."""
import importlib
import json
import os
import subprocess
import sys

import pytest

import render

NDR = render.KIT / "ndr"
sys.path.insert(0, str(NDR))


@pytest.fixture
def box(tmp_path, monkeypatch):
    """What `homeport` answers, and a file that is there once the box has been started again."""
    answer, restarted = tmp_path / "counters.json", tmp_path / "restarted"

    def tell(**verdicts):
        answer.write_text(json.dumps({"homeport:homeport": {"statistics": {"verdict": [
            {"name": name.replace("_", "-"), "packets": str(packets)} for name, packets in verdicts.items()]}}}))

    tool = tmp_path / "homeport"
    tool.write_text(f"#!/bin/sh\ncat {answer}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("HOMEPORT", str(tool))
    monkeypatch.setenv("HOMEPORT_RESTART", f"touch {restarted}")
    tell.restarted = restarted
    return tell


@pytest.mark.parametrize("name, first, results, told", [
    ("stl_plugin", (True,), {}, False),
    ("astf_plugin", (), {"error_flag": False, "errors": {"client": {}}}, (False, False)),
    ("astf_plugin", (), {"error_flag": True, "errors": {"client": {"x": "y"}}}, (False, True))])
def test_plugin(box, capsys, name, first, results, told):
    """Sessions are forgotten before an iteration; its drops are told after it, and no older ones."""
    plugin = importlib.import_module(name).register()
    box(drop_quota=5, nat44_out=10)
    plugin.pre_iteration(*first, run_results=None)
    assert box.restarted.exists()
    box(drop_quota=12, nat44_out=90)
    assert plugin.post_iteration(*first, run_results=results) == told
    assert capsys.readouterr().out == "homeport: 7 packets drop-quota\n"


def test_reset(box):
    box(nat44_out=1)
    subprocess.run([NDR / "reset"], check=True, env=os.environ)
    assert box.restarted.exists()
