# SPDX-License-Identifier: BSD-3-Clause
"""From an upstream report to one silenced attacker, end to end (RFC 9066, the founding draft)."""
import pytest

import access
import lab
from story import FLOOD_SOURCE_PORT, TRANSFER_RATE, Story
from yanglint import yanglint


@pytest.fixture(params=[("dtls", 1, access.Nat44), ("tls", 1, access.Nat44), ("dtls", 3, access.Nat44),
                        ("tls", 3, access.Nat44), ("dtls", 3, access.Ipv6), ("dtls", 3, access.Nat64),
                        ("dtls", 3, access.DsLite), ("dtls", 3, access.Lw4o6), ("dtls", 1, access.MapE)],
                ids=["dtls-1-worker", "tls-1-worker", "dtls-3-workers", "tls-3-workers", "ipv6", "nat64", "ds-lite",
                     "lw4o6", "map-e"])
def story(request, world):
    transport, workers, way = request.param
    told = Story(world, transport, way=way())
    told.begin(workers)
    return told


def flowing(transfers):
    return len(transfers) == 3 and all(v > TRANSFER_RATE / 2 for v in transfers.values())


def test_one_attacker_is_silenced(story):
    world, way = story.lab, story.access
    story.start_transfers()
    story.start_flood()
    packets, transfers = story.watch()
    assert packets > 100 and flowing(transfers)

    address, port = story.attack_source()
    found = world.homeport("lookup", address, str(port), "udp")
    holder, = found["homeport:homeport"]["resolve"]["answer"]["holder"]
    assert holder["subscriber"] == way.holder
    assert (holder.get("internal-address"), holder.get("internal-port")) == (
        way.inside, way.inside and FLOOD_SOURCE_PORT)

    # the report: one subscriber, one rule, and silence at the victim
    reply = story.report(address, port)
    story.reaction(reply)
    packets, transfers = story.watch()
    assert packets == 0
    assert flowing(transfers)
    rule, = world.acls()
    assert rule["aces"]["ace"][0]["matches"] == way.rule()
    valid = yanglint(world.homeport("show", "acls"), world.folder / "acls.json")
    assert valid.returncode == 0, valid.stderr
    rules = lab.run(lab.HOMEPORT, "-s", world.folder / "homeport.sock", "show", "acls").stdout
    assert f" {way.holder} " in rules and f" {way.target} " in rules

    # the upstream is told what was dropped, by the outside address alone (RFC 9066 section 9)
    status = story.ask("get")
    scope, = status["body"]["ietf-dots-signal-channel:mitigation-scope"]["scope"]
    assert int(scope["pkts-dropped"]) > 0
    assert int(scope["bytes-dropped"]) == way.attack_size * int(scope["pkts-dropped"])
    if not way.holder.startswith(way.source):
        assert way.holder not in str(status) and (not way.inside or way.inside not in str(status))
    prefix, = scope["ietf-dots-call-home:source-prefix"]
    assert prefix.startswith(way.source + "/")

    # withdrawn: the traffic returns, nothing is left
    assert story.ask("withdraw")["code"] == "2.02"
    before = story.flood_sink.last["packets"]
    lab.wait_for("the traffic returns", lambda: story.flood_sink.last["packets"] > before + 100)
    assert world.acls() == []
    story.end()


def test_what_names_nobody_is_refused(world):
    """An outside address without ports, a foreign address, a port nobody holds: 4.00 with a diagnostic that
    says which, and no ACL."""
    story = Story(world)
    story.begin()
    target = ("--target", f"{lab.VICTIM}/32", "--protocol", "udp")
    world.exec("attacker", "ping", "-c", "1", lab.VICTIM)
    held = world.homeport("show", "subscribers")["homeport:homeport"]["subscriber"]
    assert [s["address"] for s in held] == [f"{lab.ATTACKER}/32"]
    free = next(p for p in range(1024, 65536, 512) if world.homeport(
        "lookup", lab.POOL, str(p), "udp", check=False).returncode == 3)
    for words, said in (
            (("--source", lab.POOL), "port"),
            (("--source", "203.0.113.99", "--source-port", "5000"), "203.0.113.99"),
            (("--source", lab.POOL, "--source-port", str(free)), "nobody holds it")):
        reply = story.ask("mitigate", *words, *target)
        assert reply["code"] == "4.00"
        assert said in reply["diagnostic"]
        assert world.acls() == []
    reply = story.ask("get", "--all")
    assert reply["code"] == "4.04"
    world.stop_box()


def test_lifetime_ends_a_mitigation(world):
    """At the end of its lifetime a mitigation is gone and the traffic returns (RFC 9132 section 4.4.1)."""
    story = Story(world)
    story.begin()
    story.start_transfers()
    story.start_flood()
    address, port = story.attack_source()
    reply = story.ask("mitigate", "--source", address, "--source-port", port, "--target",
                      f"{lab.VICTIM}/32", "--protocol", "udp", "--lifetime", 4)
    assert reply["code"] == "2.01"
    assert len(world.acls()) == 1
    lab.wait_for("the mitigation ends", lambda: not world.acls())
    before = story.flood_sink.last["packets"]
    lab.wait_for("the traffic returns", lambda: story.flood_sink.last["packets"] > before + 100)
    story.end()
