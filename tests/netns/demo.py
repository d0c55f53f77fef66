#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Homeport's main job in one run, on network namespaces: no NIC, no huge pages.

usage: scripts/demo [--transport dtls|tls] [--workers N] [--stay] [--without-mitigation]

  --transport           what carries the report (dtls)
  --workers             threads that carry packets (1)
  --stay                at the end leave the lab up and open a shell in it
  --without-mitigation  never send the report: the demo must then fail, which shows that it looks

Exit code 0 if all of it was seen, 1 if not.
"""
import argparse
import os
import sys

import lab
from story import FLOOD_RATE, FLOOD_SOURCE_PORT, Story

STEP = 0


def step(text):
    global STEP
    STEP += 1
    print(f"\n{STEP:2}. {text}", flush=True)


def note(text):
    print(f"      {text}", flush=True)


def must(condition, text):
    if not condition:
        raise lab.Failed(text)
    note(f"ok: {text}")


def rate(value):
    return f"{value / 1024:.0f} KiB/s"


def show_transfers(transfers):
    for name, value in sorted(transfers.items()):
        note(f"transfer {name}: {rate(value)}")


def all_flow(transfers):
    """Every transfer has at least half of what its sender gives."""
    return len(transfers) == 3 and all(v > 0.5 * (1 << 20) for v in transfers.values())


def show(world, *words):
    text = lab.run(lab.HOMEPORT, "-s", world.folder / "homeport.sock", *words).stdout
    note(f"$ homeport {' '.join(words)}")
    for line in text.splitlines():
        note("  " + line)


def attack(story):
    step("Both subscribers share the outside address " + lab.POOL + ". The attacker transfers data to "
         "the other\n    Internet host; its neighbour does so with the other host and the victim.")
    story.start_transfers()
    step(f"The attacker floods the victim: UDP from its port {FLOOD_SOURCE_PORT}, {FLOOD_RATE} packets "
         "a second.")
    story.start_flood()
    packets, transfers = story.watch()
    note(f"at the victim: {packets:.0f} attack packets a second")
    show_transfers(transfers)
    must(packets > 100, "the attack reaches the victim")
    must(all_flow(transfers), "the transfers flow")
    return packets


def mitigate(story, world, without):
    address, port = story.attack_source()
    step(f"The victim's network sees {address}:{port}/udp. Who is that?")
    show(world, "lookup", address, str(port), "udp")
    found = world.homeport("lookup", address, str(port), "udp")
    holder = found["homeport:homeport"]["resolve"]["answer"]["holder"]
    must([h["subscriber"] for h in holder] == [f"{lab.ATTACKER}/32"],
         f"the box names one subscriber: {lab.ATTACKER}")
    if without:
        step("The report is not sent. What follows must fail.")
        packets, _ = story.watch()
        must(packets == 0, "the attack has stopped")
    step("The upstream network reports the outside address and port over DOTS Call Home.")
    reply = story.report(address, port)
    note(f"reply {reply['code']} after {(reply['received'] - reply['first-sent']) / 1e6:.2f} ms")
    reaction = story.reaction(reply)
    if reaction > 0:
        told = f"{reaction:.2f} ms after the report"
    else:
        told = "before the next packet was due"
    note(f"the last attack packet arrived at the victim {abs(reaction):.2f} ms "
         f"{'after' if reaction > 0 else 'before'} the PUT left the upstream")
    return told


def after(story, world):
    step("What has become of the attack, and of everybody else's traffic?")
    packets, transfers = story.watch()
    note(f"at the victim: {packets:.0f} attack packets a second")
    show_transfers(transfers)
    must(packets == 0, "not one attack packet reaches the victim")
    must(all_flow(transfers), "all three transfers flow on, the attacker's own among them")
    show(world, "show", "acls")
    acls = world.acls()
    must(len(acls) == 1, "there is one rule, for one subscriber")
    status = story.ask("get")
    scope = status["body"]["ietf-dots-signal-channel:mitigation-scope"]["scope"][0]
    note(f"the upstream reads: status {scope['status']}, pkts-dropped {scope['pkts-dropped']}, "
         f"bytes-dropped {scope['bytes-dropped']}")
    must(int(scope["pkts-dropped"]) > 0, "the upstream is told what was dropped")
    must(lab.ATTACKER not in str(status), "and nothing of the inside address")


def withdraw(story, world):
    step("The upstream withdraws its report.")
    reply = story.ask("withdraw")
    note(f"reply {reply['code']}")
    before = story.flood_sink.last["packets"]
    lab.wait_for("the traffic returns", lambda: story.flood_sink.last["packets"] > before + 100)
    packets, transfers = story.watch()
    note(f"at the victim: {packets:.0f} packets a second")
    show_transfers(transfers)
    must(packets > 100, "the traffic is back")
    must(not world.acls(), "there is no rule left")


def tell(options, world):
    step("Hosts in network namespaces: two subscribers, the box, a victim, another Internet host, and\n"
         "    the upstream network that will report the attack.")
    world.build()
    story = Story(world, options.transport, note)
    step("The box starts: NAT44 on DPDK over AF_PACKET, no NIC, no huge pages.")
    story.begin(options.workers)
    before = attack(story)
    reaction = mitigate(story, world, options.without_mitigation)
    after(story, world)
    withdraw(story, world)
    if options.stay:
        stay(world)
    story.end()
    step(f"Done. {before:.0f} attack packets a second became none {reaction}; everybody\n"
         "    else kept working.")


def stay(world):
    step("The lab is up. Hosts are namespaces; leave the shell to end it.")
    for host in world.namespaces:
        note(f"ip netns exec {world.name(host)} ...")
    note(f"{lab.HOMEPORT} -s {world.folder}/homeport.sock show counters")
    environment = {**os.environ, "HOMEPORT_SOCKET": str(world.folder / "homeport.sock"),
                   "PATH": f"{lab.HOMEPORT.parent}:{os.environ['PATH']}"}
    os.spawnve(os.P_WAIT, "/bin/bash", ["bash"], environment)


def main():
    parser = argparse.ArgumentParser(prog="scripts/demo", add_help=False)
    parser.add_argument("--transport", choices=("dtls", "tls"), default="dtls")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--stay", action="store_true")
    parser.add_argument("--without-mitigation", action="store_true")
    parser.add_argument("-h", "--help", action="store_true")
    options = parser.parse_args()
    if options.help:
        print(__doc__)
        return 0
    with lab.Lab() as world:
        try:
            tell(options, world)
        except lab.Failed as failure:
            print(f"\nFAILED: {failure}", flush=True)
            if (world.folder / "homeportd.log").exists():
                print(world.log_text())
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
