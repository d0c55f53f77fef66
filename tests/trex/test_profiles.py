# SPDX-License-Identifier: BSD-3-Clause
"""The profiles of scripts/trex without TRex: they load, and Homeport treats their packets as they say it will.

Proves nothing about TRex; see standin.py.
"""
import ast
import collections

import pytest
from scapy.all import ICMP, IP

import render
import sample

# where packets of a verdict come out
WAY = {"nat44-out": "outside", "nat44-in": "inside", "nat44-hairpin": "inside", "nat64-out": "outside",
       "ds-lite-out": "outside", "softwire-out": "outside", "softwire-in": "inside", "map-t-out": "outside",
       "map-t-in": "inside"}
ROUTED = ("routed-ipv6",)  # on the other side
# few packets, and as many of a profile as show what it is about
TUNABLES = {
    "nat44_deterministic": ["--hosts", "8", "--limit", "504"],
    "nat44_open": ["--hosts", "1", "--limit", "2300"],
}
PACKETS = 96


@pytest.fixture(scope="module", params=render.stateless())
def rendered(request):
    return render.Rendered(request.param, TUNABLES.get(request.param, ["--hosts", "16"]), PACKETS)


@pytest.fixture(scope="module")
def ran(rendered, tmp_path_factory):
    return render.Run(tmp_path_factory.mktemp("run"), rendered)


def test_verdicts(rendered, ran):
    """Every packet meets the end that the profile says."""
    assert ran.verdicts == rendered.expected()


def test_packets(rendered, ran):
    """As many come out as pass, on their side, translated, and with right checksums."""
    passed = collections.Counter()
    for verdict, packets in rendered.expected().items():
        if verdict in WAY:
            passed[WAY[verdict]] += packets
        elif verdict in ROUTED:
            for side, other in (("inside", "outside"), ("outside", "inside")):
                passed[other] += sum(len(phase[side]) for phase in rendered.phases.values())
    pools = sample.pools(ran.config)
    for side in render.SIDES:
        # what the box itself has to say to its hosts is none of the profile's packets
        out = [f for f in ran.out[side] if not (IP in f and ICMP in f and f[IP].src == sample.BOX_INSIDE)]
        assert len(out) == passed[side]
        for frame in ran.out[side]:
            assert not render.faults(frame), frame.show(dump=True)
        if side == "outside":
            assert all(any(frame[IP].src in map(str, pool) for pool in pools) for frame in out
                       if IP in frame and pools)


@pytest.mark.parametrize("name", render.stateful())
def test_clients(name, tmp_path):
    """What the clients of a stateful profile say first is translated, every packet of it."""
    clients = render.RenderedClients(name, ["--hosts", "16"], connections=8)
    ran = render.Run(tmp_path, clients)
    frames = len(clients.phases[0]["inside"])
    assert ran.verdicts == {clients.module.VERDICTS[0]: frames}
    assert len(ran.out["outside"]) == frames and not ran.out["inside"]
    assert not any(render.faults(frame) for frame in ran.out["outside"])


def test_usage(rendered):
    """-t --help tells every tunable, and what the profile is for."""
    text = rendered.profile.parser().format_help()
    assert rendered.module.__doc__.splitlines()[0] in text
    assert "--hosts" in text and "--limit" in text and "--pps" in text


def test_head(rendered):
    """What tells the runner about a profile is plain data, to be read without TRex."""
    tree = ast.parse((render.KIT / "stl" / f"{rendered.module.__name__}.py").read_text())
    plain = {node.targets[0].id: ast.literal_eval(node.value) for node in tree.body
             if isinstance(node, ast.Assign) and node.targets[0].id in ("SAMPLE", "CHANGES")}
    assert set(plain) == {"SAMPLE", "CHANGES"} and (sample.CONFIG / plain["SAMPLE"]).exists()
