# SPDX-License-Identifier: BSD-3-Clause
"""What an instance may have, what it has, and what it tells of: mapping-limits, statistics, capabilities and
notifications of RFC 8512."""
import copy
import json
import subprocess

import pytest
from scapy.all import ICMP, IP, TCP, UDP

from config import config, merge, static_mapping
from lab import ROOT

NAT = ROOT / "yang/ietf-nat@2019-01-10.yang"
LAYERS = {1: lambda n: ICMP(id=n), 6: lambda n: TCP(sport=n, dport=9, flags="S"),
          17: lambda n: UDP(sport=n, dport=9)}


def send(box, host, protocol=17, port=1000):
    return box.out(IP(src=host, dst="198.18.0.9") / LAYERS[protocol](port))


def refused(box, verdict, host, protocol=17, port=1000):
    box.advance(1)  # for an ICMP error to be allowed
    box.tx_inside(IP(src=host, dst="198.18.0.9") / LAYERS[protocol](port), verdict)
    p = box.rx_inside()
    assert (p[ICMP].type, p[ICMP].code, p.dst) == (3, 1, host)  # RFC 6888 REQ-11b


def instances(box):
    return box.ask("show", "instances")["ietf-nat:nat"]["instances"]["instance"]


def notifications(box):
    """What has been raised since the start; a second later all is noticed."""
    box.advance(1)
    box.counters()
    box.counters()
    return [n["event"] for n in box.ask("show", "notifications")["homeport:homeport"]["notification"]]


def valid(kind, data, folder, *modules):
    file = folder / "data.json"
    file.write_text(json.dumps(data))
    subprocess.run(["yanglint", "-t", kind, "-p", ROOT / "yang", "-F", "ietf-nat:napt44", NAT, *modules, file],
                   check=True)


def second(box_config, policies=1):
    """A second instance, whose subscribers are 100.70.0.0/16."""
    instance = copy.deepcopy(box_config["ietf-nat:nat"]["instances"]["instance"][0])
    instance = merge(instance, {"id": 2, "name": "other"})
    instance["policy"][0]["external-ip-address-pool"] = [{"pool-id": 1, "external-ip-pool": "203.0.113.64/28"}]
    instance["policy"][0]["subscriber-match"] = [{"match-id": 1, "subnet": "100.70.0.0/16"}]
    box_config["ietf-nat:nat"]["instances"]["instance"].append(instance)
    return box_config


@pytest.mark.parametrize("workers", [1, 3])
def test_subscribers(fresh, workers):
    """limit-subscribers: more are refused, those that are there go on and may have more mappings (RFC 6888
    REQ-11d); when one has gone, another may come."""
    box = fresh(workers=workers, instance={"mapping-limits": {"limit-subscribers": 3}})
    hosts = [box.host() for _ in range(4)]
    for host in hosts[:3]:
        send(box, host)
    refused(box, "drop-subscriber-limit", hosts[3])
    for host in hosts[:3]:
        send(box, host)
        send(box, host, 6, 1001)
    box.advance(301)
    box.advance(121)
    for host in hosts[:3]:
        send(box, host, 17, 1002)
    refused(box, "drop-subscriber-limit", hosts[3])
    box.advance(301)
    box.advance(121)
    send(box, hosts[3])


@pytest.mark.parametrize("workers", [1, 3])
def test_mappings(fresh, workers):
    """limit-port-mappings counts all protocols, limit-per-protocol one; existing mappings stay."""
    box = fresh(workers=workers, instance={"mapping-limits": {
        "limit-port-mappings": 6, "limit-per-protocol": [{"protocol-id": 6, "limit": 2}]}})
    hosts = [box.host() for _ in range(6)]
    for host in hosts[:2]:
        send(box, host, 6)
    refused(box, "drop-mapping-limit", hosts[2], 6)
    for host in hosts[:4]:
        send(box, host, 17)
    refused(box, "drop-mapping-limit", hosts[4], 17)
    refused(box, "drop-mapping-limit", hosts[0], 1)
    for host in hosts[:4]:
        send(box, host, 17)
    box.advance(301)
    send(box, hosts[4], 17)


def test_static_mappings_count(fresh):
    """What an outside packet opens is a mapping like others."""
    box = fresh(instance={"mapping-limits": {"limit-port-mappings": 1}},
                statics=[static_mapping(1, "100.66.0.1", "203.0.113.100")])
    box.back(IP(src="198.18.0.9", dst="203.0.113.100") / UDP(sport=9, dport=5))
    box.tx_outside(IP(src="198.18.0.9", dst="203.0.113.100") / UDP(sport=9, dport=6), "drop-mapping-limit")


def test_limits_are_the_instance_s(fresh):
    """Another instance is not concerned."""
    box = fresh()
    limited = second(config(instance={"mapping-limits": {"limit-subscribers": 0}}))
    limited["ietf-nat:nat"]["instances"]["instance"][1].pop("mapping-limits")
    box.reload(limited)
    refused(box, "drop-subscriber-limit", "100.69.0.1")
    assert int(send(box, "100.70.0.1").src.split(".")[3]) >= 64


@pytest.mark.parametrize("workers", [1, 3])
def test_statistics(fresh, tmp_path, workers):
    """Gauges say what is there, for each instance and pool, and go down again."""
    box = fresh(workers=workers)
    box.reload(second(config(workers=workers, pool=["203.0.113.0/30", "203.0.113.32/32"])))
    for n in range(3):
        for protocol, count in ((17, 3), (6, 2), (1, 1)):
            for port in range(count):
                send(box, f"100.69.0.{n}", protocol, 1000 + port)
    send(box, "100.70.0.1")
    first, other = instances(box)
    mappings = first["statistics"]["mappings-statistics"]
    assert mappings["total-active-subscribers"] == 3 and mappings["total-port-mappings"] == 18
    totals = {p["protocol-id"]: p["total"] for p in mappings["total-per-protocol"]}
    assert (totals[1], totals[6], totals[17]) == (3, 6, 9)
    pools = first["statistics"]["pools-stats"]
    used = {s["external-address"] for s in box.subscribers() if s["nat-instance"] == 1}
    assert pools["addresses-allocated"] == len(used) and pools["addresses-free"] == 5 - len(used)
    assert pools["ports-stats"] == {"ports-allocated": 3 * 64, "ports-free": (5 * 1008 - 3) * 64}
    each = pools["per-pool-stats"]
    assert [p["pool-id"] for p in each] == [1, 2]
    assert sum(p["pool-stats"]["addresses-allocated"] for p in each) == len(used)
    assert sum(p["port-stats"]["ports-allocated"] for p in each) == 3 * 64
    assert each[1]["port-stats"]["ports-allocated"] + each[1]["port-stats"]["ports-free"] == 1008 * 64
    mappings = other["statistics"]["mappings-statistics"]
    assert (mappings["total-active-subscribers"], mappings["total-port-mappings"]) == (1, 1)
    valid("get", box.ask("show", "instances"), tmp_path)
    box.advance(301)
    box.advance(121)
    pools = instances(box)[0]["statistics"]["pools-stats"]
    assert (pools["addresses-allocated"], pools["ports-stats"]["ports-allocated"]) == (0, 0)


def test_capabilities(fresh):
    """What is said to be supported is accepted in a configuration, and works elsewhere in these tests."""
    box = fresh()
    capabilities = instances(box)[0]["capabilities"]
    assert capabilities["nat-flavor"] == ["ietf-nat:napt44", "ietf-nat:nat64", "ietf-nat:dst-nat"]
    policies = [{}]
    if capabilities["address-dependent-mapping-support"]:
        policies.append({"mapping-type": "adm", "filtering-type": "adf"})
    if capabilities["address-and-port-dependent-mapping-support"]:
        policies.append({"mapping-type": "edm", "filtering-type": "edf"})
    if capabilities["address-roundrobin-support"]:
        policies.append({"address-allocation-type": "roundrobin"})
    policies.append({"fragment-behavior": capabilities["fragment-behavior"]})
    for policy in policies:
        box.reload(config(policy={**policy, "transport-protocols": [
            {"protocol-id": p["protocol-id"]} for p in capabilities["transport-protocols"]]}))
        send(box, box.host())


def test_pool_events(fresh, tmp_path):
    """A pool that fills past the high threshold, or empties below the low one, is told of; not more often than
    notify-interval says (C11c, D9)."""
    box = fresh(workers=1, pool="203.0.113.1/32", policy={
        "port-set": {"port-set-size": 4096}, "homeport:max-port-sets": 1,
        "notify-pool-usage": {"pool-id": 1, "low-threshold": 20, "high-threshold": 60, "notify-interval": 600}})
    low, high = ({"ietf-nat:nat-pool-event": {"id": 1, "policy-id": 1, "pool-id": 1,
                                              "notify-pool-threshold": n}} for n in (20, 60))
    for _ in range(8):
        send(box, box.host())
    assert notifications(box) == []
    send(box, box.host())
    assert notifications(box) == [high]
    box.advance(301)
    box.advance(121)
    assert not box.subscribers()
    assert notifications(box) == [high]  # the interval has not passed
    box.advance(200)
    assert notifications(box) == [high, low]
    assert "has reached 60 %" in box.log_text() and "has fallen below 20 %" in box.log_text()
    shown = box.ask("show", "notifications")
    for entry in shown["homeport:homeport"]["notification"]:
        valid("notif", entry["event"], tmp_path, instance_data(box, tmp_path))
    file = tmp_path / "shown.json"
    file.write_text(json.dumps(shown))
    own, = (ROOT / "yang").glob("homeport@*.yang")
    subprocess.run(["yanglint", "-t", "get", "-p", ROOT / "yang", "-F", "ietf-nat:napt44", NAT, own, file],
                   check=True)


def instance_data(box, folder):
    """What the leafrefs of a notification point to, for yanglint's -O."""
    data = {"ietf-nat:nat": box.ask("show", "config")["ietf-nat:nat"]}
    file = folder / "operational.json"
    file.write_text(json.dumps(data))
    return f"-O{file}"


def test_instance_events(fresh):
    """Subscribers by number, mappings and addresses by percent."""
    box = fresh(workers=1, pool="203.0.113.0/30", instance={
        "mapping-limits": {"limit-port-mappings": 10},
        "notification-limits": {"notify-subscribers-limit": 2, "notify-ports-usage": 50,
                                "notify-addresses-usage": 75, "notify-interval": 1}})
    events = [{"ietf-nat:nat-instance-event": {"id": 1, leaf: value}} for leaf, value in (
        ("notify-subscribers-threshold", 2), ("notify-addresses-threshold", 75),
        ("notify-ports-threshold", 50))]
    send(box, box.host())
    assert notifications(box) == []
    send(box, box.host())
    assert notifications(box) == events[:1]
    send(box, box.host())
    assert notifications(box) == events[:2]
    host = box.host()
    for port in (1, 2):
        send(box, host, 6, 3000 + port)
    assert notifications(box) == events[:3]
    # only what falls and rises again is told again
    assert notifications(box) == events[:3]
