"""What the operator of a box sees and does: homeportd itself, on devices that carry nothing, with a static
mapping for a subscriber, homeport for the operator, and homeport-dotsc for the upstream."""
import signal
import time

import pytest
from conftest import PATIENCE

ATTACK = "--source 203.0.113.1/32 --source-port 8080 --target 198.51.100.10/32 --protocol 17"
SUBSCRIBER = "100.64.0.2/32"


def scope(event):
    (entry,) = event["body"]["ietf-dots-signal-channel:mitigation-scope"]["scope"]
    return entry


def test_consent(client, box, authority):
    """MR-33, MR-35, MR-36: nothing stops before the operator agrees; who is refused is told why."""
    upstream = client()
    box.join(upstream, authority, consent="ask")
    box.start()
    upstream.say(f"mitigate {ATTACK} --mid 7")
    reply = upstream.wait("reply", command="mitigate")
    assert reply["code"] == "2.01"
    assert scope(reply)["status"] == "attack-mitigation-in-progress"
    ((asked, why),) = box.mitigations("consent")
    assert asked["mid"] == 7 and why["phase"] == "asked"
    assert why["subscriber"][0]["address"] == SUBSCRIBER
    assert why["consent"]["packets"] == "0" and "until" in why["consent"]
    assert box.rules() == ["count"]
    table = box.run("show", "consent")
    assert SUBSCRIBER in table.stdout and "198.51.100.10/32" in table.stdout
    upstream.say("observe")
    upstream.wait("reply", command="observe")
    assert box.run("dots", "approve", "7").returncode == 0
    assert box.rules() == ["block"]
    assert box.mitigations("consent") == []
    upstream.say(f"mitigate {ATTACK.replace('.10/32', '.11/32')} --mid 8")
    upstream.wait("reply", command="mitigate", code="2.01")
    upstream.say("observe")
    upstream.wait("reply", command="observe")
    assert box.run("dots", "reject", "8", "--upstream", "isp").returncode == 0
    told = upstream.wait("notification", mid=8)
    while scope(told)["status"] != "attack-mitigation-withdrawn":
        told = upstream.wait("notification", mid=8)
    assert scope(told)["conflict-information"] == {
        "conflict-cause": "request-rejected-legitimate-traffic"}
    upstream.say(f"mitigate {ATTACK.replace('.10/32', '.11/32')} --mid 9")
    assert upstream.wait("reply", command="mitigate")["code"] == "4.09"
    assert [m["phase"] for _, m in box.mitigations()] == ["in-force", "rejected"]
    for words, text in ((("approve", "7"), "does not wait"), (("reject", "99"), "no such"),
                        (("approve", "8x"), "8x"), (("approve", "7", "--upstream", "x"), "no such")):
        done = box.run("dots", *words)
        assert done.returncode in (1, 2) and text in done.stderr, words
    assert upstream.end() == 4


def test_accepted_traffic(client, box, authority):
    """MR-32: what the operator calls legitimate is never stopped, from the next reload on."""
    upstream = client()
    box.join(upstream, authority)
    box.start()
    upstream.say(f"mitigate {ATTACK} --mid 1")
    upstream.wait("reply", command="mitigate", code="2.01")
    upstream.say("observe")
    upstream.wait("reply", command="observe")
    box.server["accept"] = [{"name": "resolver", "target-prefix": ["198.51.100.0/24"],
                             "protocol": 17, "lower-port": 53}]
    box.write()
    box.process.send_signal(signal.SIGHUP)
    told = upstream.wait("notification")
    while scope(told)["status"] != "attack-mitigation-withdrawn":
        told = upstream.wait("notification")
    assert box.rules() == []
    upstream.say(f"mitigate {ATTACK} --mid 2 --target-port 53")
    refused = upstream.wait("reply", command="mitigate")
    assert refused["code"] == "4.09"
    assert scope(refused) == {"conflict-information": {
        "conflict-cause": "request-rejected-legitimate-traffic"}}
    upstream.say("withdraw --mid 1")
    upstream.wait("reply", command="withdraw")
    upstream.say(f"mitigate {ATTACK} --mid 3 --target-port 443")
    assert upstream.wait("reply", command="mitigate")["code"] == "2.01"


@pytest.mark.parametrize("action, leaves", [
    ("rate-limit", {"rate": 1000}), ("quarantine", {})], ids=["rate-limit", "quarantine"])
def test_actions(client, box, authority, action, leaves):
    """What an upstream's rules do is the operator's choice."""
    upstream = client()
    box.join(upstream, authority, action=action, **leaves)
    box.server["quarantine-allow"] = ["192.0.2.53/32"]
    box.start()
    upstream.say(f"mitigate {ATTACK} --mid 1")
    upstream.wait("reply", command="mitigate", code="2.01")
    assert box.rules() == [action]
    (acl,) = box.ask("show", "acls")["ietf-access-control-list:acls"]["acl"]
    target = acl["aces"]["ace"][0]["matches"]["ipv4"]["destination-ipv4-network"]
    assert target == ("0.0.0.0/0" if action == "quarantine" else "198.51.100.10/32")
    upstream.say("withdraw")
    upstream.wait("reply", command="withdraw")
    assert box.rules() == []


def test_action_by_class(client, box, authority):
    """What is done depends on what a request names, also after a reload, which goes by the new classes, and
    for the operator on what he says, also after a restart."""
    upstream = client()
    box.join(upstream, authority, **{"class": [
        {"name": "dns", "protocol": [17], "lower-port": 53, "action": "rate-limit", "rate": 800},
        {"name": "victim", "target-prefix": ["198.51.100.10/32"], "action": "quarantine"}]})
    box.homeport["dots"]["state-file"] = "state.db"
    box.start()
    upstream.say(f"mitigate {ATTACK} --mid 1 --target-port 53")
    upstream.wait("reply", command="mitigate", code="2.01")
    assert box.rules() == ["rate-limit"]
    upstream.say(f"mitigate {ATTACK} --mid 2 --target-port 80")
    upstream.wait("reply", command="mitigate", code="2.01")
    assert box.rules() == ["quarantine"]  # in the place of mid 1, which it overlaps
    upstream.say(f"mitigate {ATTACK.replace('.10/32', '.11/32')} --mid 3")
    upstream.wait("reply", command="mitigate", code="2.01")
    assert sorted(box.rules()) == ["block", "quarantine"]
    box.upstream["class"] = []
    box.reload()
    assert box.rules() == ["block", "block"]
    report = ("dots", "mitigate", "--source", "203.0.113.1", "--source-port", "8080", "--protocol", "udp",
              "--target", "198.51.100.9/32")
    for words, text in ((("--action", "count"), "--action count"), (("--action", "rate-limit"), "goes with"),
                        (("--rate", "100"), "goes with"), (("--rate", "63"), "--rate 63")):
        refused = box.run(*report, *words)
        assert refused.returncode == 2 and text in refused.stderr, (words, refused.stderr)
    box.ask(*report, "--action", "rate-limit", "--rate", "64")
    box.stop()
    box.start()
    assert sorted(box.rules()) == ["block", "block", "rate-limit"]
    trail = box.ask("show", "audit")["homeport:homeport"]["dots"]["audit"]
    assert [r["action"] for r in trail] == ["rate-limit", "block", "quarantine", "rate-limit"]


def test_rules_are_bounded(client, box, authority):
    """One upstream has no more rules in force than it may."""
    upstream = client()
    box.join(upstream, authority, **{"max-rules": 2})
    box.start()
    ports = " ".join(f"--target-port {p}" for p in (53, 80, 443))
    upstream.say(f"mitigate {ATTACK} {ports}")
    refused = upstream.wait("reply", command="mitigate")
    assert refused["code"] == "5.03" and "more than 2 rules" in refused["diagnostic"]
    assert box.rules() == []
    for code, port in (("2.01", 53), ("2.01", 80), ("5.03", 443)):
        upstream.say(f"mitigate {ATTACK.replace('.10/32', f'.{port % 100}/32')} --target-port {port}")
        assert upstream.wait("reply", command="mitigate")["code"] == code
    assert box.rules() == ["block", "block"]


def test_an_upstream_is_suspended(client, box, authority):
    """An operator takes all mitigations of an upstream out of force and puts them back; the upstream, the
    trail and the hook are told, and who asks meanwhile is refused, with a record of it."""
    upstream = client()
    box.join(upstream, authority, **{"max-packet-rate": 100000, "max-affected-subscribers": 10})
    box.homeport["dots"]["state-file"] = "state.db"
    hook = box.folder / "hook"
    hook.write_text(f"#!/bin/sh\nprintf '%s|' \"$@\" >> {box.folder}/heard; echo >> {box.folder}/heard\n")
    hook.chmod(0o755)
    box.homeport["dots"]["hook"] = "hook"
    box.start()
    upstream.say(f"mitigate {ATTACK} --mid 1")
    upstream.wait("reply", command="mitigate", code="2.01")
    upstream.say("observe")
    upstream.wait("reply", command="observe")
    assert box.run("dots", "suspend", "isp").returncode == 0
    assert box.rules() == ["count"]
    told = upstream.wait("notification")
    while scope(told)["status"] != "attack-exceeded-capability":
        told = upstream.wait("notification")
    upstream.say(f"mitigate {ATTACK.replace('.10/32', '.11/32')} --mid 2")
    assert upstream.wait("reply", command="mitigate")["code"] == "5.03"
    (isp,) = box.ask("show", "dots")["homeport:homeport"]["dots"]["server"]["upstream"]
    assert "suspended" in isp["state"] and isp["state"]["packets-per-second"] == "0"
    assert "warning: isp: all mitigations are suspended since" in box.run("show", "dots").stdout
    assert "already suspended" in box.run("dots", "suspend", "isp").stderr
    assert "there is none" in box.run("dots", "resume", "nobody").stderr
    assert box.run("dots", "resume", "isp").returncode == 0
    assert box.rules() == ["block"]
    trail = box.ask("show", "audit")["homeport:homeport"]["dots"]["audit"]
    assert [(r["outcome"], r.get("reason")) for r in trail] == [
        ("resumed", "by an operator"), ("refused", "5.03 all mitigations of this upstream are suspended"),
        ("suspended", "by an operator"), ("open", None)]
    assert trail[1]["mid"] == 2 and trail[1]["cuid"] == upstream_cuid(trail[3:])
    assert "5.03 all mitigations" in box.run("show", "audit").stdout
    wait_for(lambda: "resumed|isp||||||by an operator|" in (box.folder / "heard").read_text())


def test_going_on_for_a_while(client, box, authority):
    """MR-42: a withdrawn mitigation goes on with status 5, and ends with 6."""
    upstream = client()
    box.join(upstream, authority, **{"terminating-time": 120})
    box.start("--test-clock")
    upstream.say(f"mitigate {ATTACK} --mid 1")
    upstream.wait("reply", command="mitigate", code="2.01")
    upstream.say("observe")
    upstream.wait("reply", command="observe")
    upstream.say("withdraw")
    assert upstream.wait("reply", command="withdraw")["code"] == "2.02"
    assert box.rules() == ["block"]
    assert box.run("test", "advance", "5").returncode == 0
    told = upstream.wait("notification")
    assert scope(told)["status"] == "dots-client-withdrawn-mitigation"
    assert box.run("test", "advance", "110").returncode == 0
    assert box.rules() == ["block"]
    assert box.run("test", "advance", "6").returncode == 0
    assert box.rules() == []
    assert box.run("test", "advance", "4").returncode == 0
    while scope(told)["status"] != "attack-mitigation-terminated":
        told = upstream.wait("notification")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["ended", "killed"])
def test_a_restart(client, box, authority, how):
    """Mitigations go on over a restart, and the audit trail tells of both runs; what was asked once is
    there once."""
    upstream = client()
    box.join(upstream, authority)
    box.homeport["dots"]["state-file"] = "state.db"
    box.start()
    upstream.say(f"mitigate {ATTACK} --mid 1")
    upstream.wait("reply", command="mitigate", code="2.01")
    upstream.say(f"mitigate {ATTACK.replace('.10/32', '.11/32')} --mid 2")
    upstream.wait("reply", command="mitigate", code="2.01")
    upstream.say("withdraw --mid 2")
    upstream.wait("reply", command="withdraw")
    assert box.stop(how) == (0 if how == signal.SIGTERM else -signal.SIGKILL)
    box.start()
    ((scoped, what),) = box.mitigations()
    assert scoped["mid"] == 1 and what["phase"] == "in-force"
    assert what["subscriber"][0]["address"] == SUBSCRIBER
    assert box.rules() == ["block"]
    upstream.wait("up")
    upstream.say("refresh --mid 1")
    assert upstream.wait("reply", command="refresh")["code"] == "2.04"
    assert box.rules() == ["block"]
    shown = box.ask("show", "audit")
    trail = shown["homeport:homeport"]["dots"]["audit"]
    assert [(r["mid"], r["outcome"], r["rules"]) for r in trail] == [
        (2, "withdrawn", 1), (1, "open", 1)]
    assert trail[0]["subscriber"] == [
        {"nat-instance": 1, "address": SUBSCRIBER, "external-address": "203.0.113.1",
         "lower-port": 8080, "upper-port": 8080}]
    assert {s["mid"]: s["target-prefix"] for s in
            shown["ietf-dots-signal-channel:dots-signal"]["scope"]} == {
        1: ["198.51.100.10/32"], 2: ["198.51.100.11/32"]}
    assert "198.51.100.11/32" in box.run("show", "audit").stdout
    assert (box.folder / "state.db").stat().st_mode & 0o77 == 0


def test_an_abuse_report(client, box, authority):
    """The operator's own mitigation goes the way of a request, and survives a restart; he may also end
    one of an upstream's, who is told."""
    upstream = client()
    box.join(upstream, authority)
    box.homeport["dots"]["state-file"] = "state.db"
    hook = box.folder / "hook"
    hook.write_text(f"#!/bin/sh\nprintf '%s ' \"$@\" >> {box.folder}/heard; echo >> {box.folder}/heard\n")
    hook.chmod(0o755)
    box.homeport["dots"]["hook"] = "hook"
    box.start()
    done = box.ask("dots", "mitigate", "--source", "203.0.113.1", "--source-port", "8080",
                   "--protocol", "udp", "--target", "198.51.100.9/32", "--lifetime", "600")
    (scoped,) = done["ietf-dots-signal-channel:dots-signal"]["scope"]
    assert scoped["cuid"] == "operator" and scoped["lifetime"] == 600
    (what,) = done["homeport:homeport"]["dots"]["mitigation"]
    assert what["upstream"] == "operator" and what["subscriber"][0]["address"] == SUBSCRIBER
    assert box.rules() == ["block"]
    for words, text in (
            (("--source", "203.0.113.1", "--source-port", "9000", "--target", "198.51.100.9"), "nobody holds it"),
            (("--source", "192.0.2.1", "--target", "198.51.100.9/32"), "not an address of this"),
            (("--source", "203.0.113.1", "--source-port", "8080", "--target", "127.0.0.1"), "127.0.0.1"),
            (("--source", "203.0.113.1", "--source-port", "9-8", "--target", "198.51.100.9"), "9-8"),
            (("--source", "203.0.113.1", "--target", "198.51.100.9", "--at", "yesterday"), "yesterday")):
        refused = box.run("dots", "mitigate", *words)
        assert refused.returncode in (1, 2) and text in refused.stderr, (words, refused.stderr)
    upstream.say(f"mitigate {ATTACK} --mid 5")
    upstream.wait("reply", command="mitigate", code="2.01")
    upstream.say("observe")
    upstream.wait("reply", command="observe")
    assert box.run("dots", "withdraw", "5", "--upstream", "isp").returncode == 0
    told = upstream.wait("notification")
    while scope(told)["status"] != "attack-mitigation-withdrawn":
        told = upstream.wait("notification")
    box.stop()
    box.start()
    ((scoped, _),) = box.mitigations()
    assert box.run("dots", "withdraw", str(scoped["mid"])).returncode == 0
    assert box.rules() == []
    trail = box.ask("show", "audit")["homeport:homeport"]["dots"]["audit"]
    ended = [(r["upstream"], r["outcome"]) for r in trail if r["outcome"] != "refused"]
    assert ended == [("isp", "cancelled"), ("operator", "cancelled")]
    refused = [(r["upstream"], r["reason"]) for r in trail if r["outcome"] == "refused"]
    assert len(refused) == 3 and refused[-1] == (
        "operator", "source-prefix 203.0.113.1/32: nobody holds it with these ports")
    wait_for(lambda: len((box.folder / "heard").read_text().splitlines()) == 4)
    lines = sorted((box.folder / "heard").read_text().splitlines())
    assert f"began isp {upstream_cuid(trail)} 5 203.0.113.1/32 198.51.100.10/32 {SUBSCRIBER}  " in lines
    assert f"ended operator operator {scoped['mid']} 203.0.113.1/32 198.51.100.9/32 {SUBSCRIBER} cancelled " in lines


def upstream_cuid(trail):
    return next(r["cuid"] for r in trail if r["upstream"] == "isp")


def wait_for(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_hook_that_cannot_be(box, authority):
    class Nobody:
        port = 4647

    box.join(Nobody, authority)
    box.homeport["dots"]["hook"] = "missing"
    assert "dots/hook: " in box.check() and "Allowed: a program" in box.check()


def test_a_state_file_that_cannot_be(box, authority):
    class Nobody:
        port = 4647

    box.join(Nobody, authority)
    box.homeport["dots"]["state-file"] = "missing/state.db"
    with pytest.raises(AssertionError, match="state-file: .*No such file"):
        box.start()
    assert box.process.wait(PATIENCE) == 1


WRONG = [
    ({"consent-timeout": 0}, "consent-timeout"),
    ({"terminating-time": 301}, "terminating-time"),
    ({"probe-interval": 299}, "probe-interval"),
    ({"config-lifetime": 59}, "config-lifetime"),
    ({"retry-interval": 59}, "retry-interval"),
    ({"action": "rate-limit"}, "with action rate-limit. Allowed: 64"),
    ({"rate": 1000}, "with action block"),
    ({"action": "redirect"}, "action"),
    ({"name": "operator"}, "operator's own"),
]


@pytest.mark.parametrize("leaves, text", WRONG, ids=[t for _, t in WRONG])
def test_upstreams_that_are_refused(box, authority, leaves, text):
    class Nobody:
        port = 4647

    box.join(Nobody, authority, **leaves)
    assert text in box.check()


WRONG_ACCEPTS = [
    ({}, "everything would be legitimate. Allowed"),
    ({"target-prefix": ["198.51.100.0/24"], "lower-port": 53}, "has no ports. Allowed"),
    ({"target-prefix": ["198.51.100.0/24"], "protocol": 6, "lower-port": 53, "upper-port": 52},
     "upper-port is below lower-port"),
]


@pytest.mark.parametrize("entry, text", WRONG_ACCEPTS, ids=[t[:12] for _, t in WRONG_ACCEPTS])
def test_legitimate_traffic_that_is_refused(box, authority, entry, text):
    class Nobody:
        port = 4647

    box.join(Nobody, authority)
    box.server["accept"] = [{"name": "wrong", **entry}]
    assert text in box.check()
