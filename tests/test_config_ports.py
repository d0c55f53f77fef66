# SPDX-License-Identifier: BSD-3-Clause
"""Faults in how a policy gives out addresses and ports are named with their path and what is allowed."""
import json
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = pathlib.Path(os.environ.get("HOMEPORT_BUILD", ROOT / "build"))
HOMEPORTD = BUILD / "app/homeportd/homeportd"
POLICY = "/ietf-nat:nat/instances/instance[id='1']/policy[id='1']"

# leaves of the policy that replace those of config/nat44.json (None: taken away), and what --check says of them
CASES = [
    ({"port-set": {"port-set-size": 100}},
     "/port-set/port-set-size: 100. Allowed: a power of two from 64 to 4096"),
    ({"homeport:port-set-size": 64},
     "/homeport:port-set-size: given. Allowed: nothing, with port-allocation-type port-range-allocation"),
    ({"port-allocation-type": "random", "port-set": None, "homeport:port-set-size": 63},
     "/homeport:port-set-size: 63. Allowed: a power of two from 64 to 4096"),
    ({"homeport:port-set-active-timeout": 59},
     "/homeport:port-set-active-timeout: 59. Allowed: 60 to 31536000 seconds"),
    ({"homeport:soft-pairing": True, "address-allocation-type": "arbitrary"},
     "/homeport:soft-pairing: true with address-allocation-type arbitrary. Allowed: with paired"),
    ({"homeport:reserved-ports": [{"lower": 2000, "upper": 1999}]}, "/upper: 1999. Allowed: 2000 to 65535"),
    ({"homeport:reserved-ports": [{"lower": 1024, "upper": 65472}]},
     "/homeport:reserved-ports: only 63 ports are left to hand out."),
    ({"homeport:mapping-burst": 5}, "/homeport:mapping-burst: 5. Allowed: with homeport:mapping-rate"),
    ({"timers": {"hold-down-max": 0}}, "/timers/hold-down-max: 0. Allowed: 1, one for each worker, or more"),
    ({"port-quota": [{"quota-type": 6, "port-limit": 0}]}, "/port-limit: 0. Allowed: 1 to 65535"),
    ({"homeport:deterministic": {}},
     "/homeport:deterministic/algorithm: 4194302 inside hosts on 24 outside addresses have 0 ports each."),
]
# the same with few enough inside hosts for deterministic NAT
FEW = {"subscriber-match": [{"match-id": 1, "subnet": "100.64.0.0/26"}]}
CASES += [({**FEW, **changes}, said) for changes, said in [
    ({"homeport:deterministic": {"algorithm": "cryptographic"}},
     "/homeport:deterministic/key: missing. Allowed: 32 bytes with algorithm cryptographic, nothing with others"),
    ({"homeport:deterministic": {"key": "00" * 32}}, "/homeport:deterministic/key: given. Allowed: 32 bytes"),
    ({"homeport:deterministic": {"algorithm": "round-robin"}},
     "/address-allocation-type: paired. Allowed: roundrobin with the algorithm round-robin, and only with it"),
    ({"homeport:deterministic": {}, "port-allocation-type": "port-preservation", "port-set": None},
     "/port-allocation-type: port-preservation. Allowed with deterministic NAT: random, port-range-allocation"),
    ({"homeport:deterministic": {"max-ports": 64}}, "/homeport:deterministic/max-ports: 64. Allowed: 16128,"),
    ({"homeport:deterministic": {"dynamic-factor": 0, "max-ports": 30000}},
     "/homeport:deterministic/max-ports: 30000. Allowed: 21504, the fixed ports of a host, to 21504"),
    ({"homeport:deterministic": {"dynamic-factor": 1}, "subscriber-match": [
        {"match-id": 1, "subnet": "100.64.0.0/18"}]},
     "/homeport:deterministic/dynamic-factor: 1, which leaves 94 ports on each address."),
    ({"homeport:deterministic": {}, "subscriber-match": [
        {"match-id": 1, "subnet": "100.64.0.0/26"}, {"match-id": 2, "subnet": "100.64.0.8/29"}]},
     "/subnet: overlaps another. Allowed with deterministic NAT: prefixes that have no host in common"),
]]


@pytest.mark.parametrize("changes, said", CASES, ids=[said.split(":")[0] + said.split(":")[-1] for _, said in CASES])
def test_refused(tmp_path, changes, said):
    whole = json.loads((ROOT / "config/nat44.json").read_text())
    policy = whole["ietf-nat:nat"]["instances"]["instance"][0]["policy"][0]
    for name, value in changes.items():
        policy.pop(name, None) if value is None else policy.update({name: value})
    file = tmp_path / "homeport.json"
    file.write_text(json.dumps(whole))
    done = subprocess.run([HOMEPORTD, "-c", file, "--check"], capture_output=True, text=True,
                          env={**os.environ, "HOMEPORT_YANG": str(ROOT / "yang")})
    assert done.returncode == 1 and POLICY in done.stderr and said in done.stderr, done.stderr
