# SPDX-License-Identifier: BSD-3-Clause
"""SIGHUP loads the file again: a wrong one changes nothing and says why, a right one keeps who has a mapping."""
import pytest

import refused
import traffic
from base import GONE, INSIDE, INSTANCE, OUTSIDE, PLATFORM, POLICY, STATIC, base, changed

DYNAMIC = 3  # mappings of traffic.of_three_hosts()


@pytest.fixture
def running(daemon):
    """A box with a mapping of each protocol, on a held clock."""
    traffic.write(daemon.folder, *traffic.of_three_hosts())
    daemon.start(base(), "--test-clock")
    daemon.wait_for("the mappings", lambda: len(dynamic(daemon)) == DYNAMIC)
    return daemon


def entries(daemon):
    instances = daemon.ask("show", "mappings")["ietf-nat:nat"]["instances"]["instance"]
    return [e for i in instances for e in i["mapping-table"].get("mapping-entry", [])]


def dynamic(daemon):
    return [e for e in entries(daemon) if e["type"] == "dynamic-implicit"]


BROKEN = {
    "a fault of the schema": refused.SCHEMA[2],
    "a fault of a check": next(c for c in refused.SEMANTIC if f"{POLICY}/port-set/port-set-size" in c[0]),
    "credentials that are not there": refused.SEMANTIC[-2],
    **{f"another {leaf}": ({f"{PLATFORM}/{leaf}": value}, "/homeport:homeport/platform: ", "restart")
       for leaf, value in (("workers", 2), ("max-mappings", 8192), ("memory", 4096), ("idle-sleep", 10),
                           ("icmp-error-rate", 1), ("eal-option", ["--no-telemetry"]))},
    "another table of rules": ({"homeport:homeport/dots/max-rules": 64}, "/dots/max-rules: ", "restart"),
    "another socket": ({"homeport:homeport/management/socket": "FOLDER/other.sock"}, "/socket: ", "restart"),
    "another device": ({f"{OUTSIDE}/homeport:device": "net_null7"},
                       "interface[name='outside']/homeport:device: ", "restart"),
}


@pytest.mark.parametrize("case", BROKEN.values(), ids=BROKEN.keys())
def test_a_wrong_file_changes_nothing(running, case):
    changes, *told = case
    before = running.ask("show", "config"), entries(running)
    running.reload(changed(changes))
    line = running.wait_log(told[0])
    assert all(text in line for text in told)
    assert (running.ask("show", "config"), entries(running)) == before
    assert running.stop() == 0


@pytest.mark.parametrize("text", ["", "{", "{}"])
def test_a_file_that_is_no_configuration_changes_nothing(running, text):
    before = running.ask("show", "config"), entries(running)
    running.reload(text)
    running.wait_log(": error: conf: /")
    assert (running.ask("show", "config"), entries(running)) == before
    assert running.stop() == 0


def test_a_missing_file_changes_nothing(running):
    before = running.ask("show", "config")
    running.file.unlink()
    running.process.send_signal(1)
    running.wait_log("No such file or directory")
    assert running.ask("show", "config") == before


def test_a_right_file_keeps_the_mappings(running):
    """RFC 6888 section 4: who is in the middle of something stays there."""
    before = dynamic(running)
    running.reload(changed({
        f"{INSIDE}/ipv4/mtu": 1400, f"{POLICY}/port-quota": GONE, f"{POLICY}/timers/udp-timeout": 400,
        f"{INSTANCE}/mapping-table/mapping-entry/+": {
            "index": 2, "type": "static", "transport-protocol": 17,
            "internal-src-address": "100.64.0.9/32", "internal-src-port": {"start-port-number": 53},
            "external-src-address": "203.0.113.2/32", "external-src-port": {"start-port-number": 53}}}))
    running.wait_log("is in force")
    running.homeport("test", "advance", 1)
    kept = {e["index"]: e for e in dynamic(running)}
    for entry in before:
        assert {**kept[entry["index"]], "lifetime": 0} == {**entry, "lifetime": 0}
    assert [e["index"] for e in entries(running) if e["type"] == "static"] == [1, 2]
    interface = running.ask("show", "interfaces")["ietf-interfaces:interfaces"]["interface"][0]
    assert interface["ietf-ip:ipv4"]["mtu"] == 1400
    assert running.stop() == 0


def test_another_pool_ends_the_mappings(running):
    running.reload(changed({f"{POLICY}/external-ip-address-pool/0/external-ip-pool": "198.51.100.64/28",
                            f"{STATIC}/external-src-address": "198.51.100.65/32",
                            "homeport:homeport/dots": GONE}))
    running.wait_log("is in force")
    running.homeport("test", "advance", 1)
    assert dynamic(running) == []
    assert running.stop() == 0


def test_wrong_and_then_right(running):
    """A refused file is not in the way of the next one."""
    running.reload("{")
    running.wait_log(": error: conf: /")
    running.reload(changed({f"{INSIDE}/ipv4/mtu": 1300}))
    running.wait_log("is in force")
    assert len(dynamic(running)) == DYNAMIC
    assert running.stop() == 0
