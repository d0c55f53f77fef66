# SPDX-License-Identifier: BSD-3-Clause
"""The stand-in against TRex's own API: a profile makes the same of both.

Only where TREX_DIR names a TRex (its Python files are enough); without one nothing here can be told.
"""
import json
import os
import subprocess

import pytest

import render

pytestmark = pytest.mark.skipif("TREX_DIR" not in os.environ, reason="no TRex here: TREX_DIR is not set")
TUNABLES = ["--hosts", "4", "--limit", "100"]


def describe(folder, name):
    done = subprocess.run(["/usr/bin/python3", render.KIT / "drive.py", "describe", render.KIT / folder / f"{name}.py",
                           "--", *TUNABLES], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", render.stateless())
def test_streams(name):
    profile = render.module(name).register()
    for direction, real in enumerate(describe("stl", name)):
        ours = profile.get_streams(direction=direction, tunables=TUNABLES)
        assert [s["name"] for s in real] == [s.name for s in ours]
        for one, other in zip(real, ours):
            # each scapy has defaults of its own for the addresses of frames, which the ports replace
            assert bytes.fromhex(one["packet"])[12:] == bytes(other.packet.pkt)[12:]
            assert one["isg"] == other.isg
            assert one["mode"]["rate"]["value"] == pytest.approx(other.mode.pps)
            assert one["mode"]["total_pkts"] == other.mode.total_pkts


@pytest.mark.parametrize("name", render.stateful())
def test_templates(name):
    real = describe("astf", name)
    ours = render.module(name).register().get_profile(tunables=TUNABLES)
    assert [t["client_template"]["port"] for t in real["templates"]] == [t.client.port for t in ours.templates]
    assert [t["client_template"]["cps"] for t in real["templates"]] == [t.client.cps for t in ours.templates]
    programs = [[c["name"] for c in p["commands"]] for p in real["program_list"]]
    for one, other in zip(real["templates"], ours.templates):
        for side, program in (("client_template", other.client.program), ("server_template", other.server.program)):
            steps = [verb for verb, _ in program.steps if verb != "label"]
            assert len(programs[one[side]["program_index"]]) >= len(steps)
