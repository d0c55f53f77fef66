#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Drives a TRex by its own Python API, and says what came of it as one JSON object on stdout.

usage: TREX_DIR=... drive.py describe PROFILE [-- TUNABLES]
       TREX_DIR=... drive.py run PROFILE [--mult M] [--duration S] [--latency PPS] [-- TUNABLES]
       TREX_DIR=... drive.py search PROFILE [--ceiling RATE] [--flows N] [--duration S] [-- TUNABLES]
       TREX_DIR=... drive.py both STATEFUL STATELESS [--mult M] [-- TUNABLES OF THE FIRST]

search finds the highest rate without loss, and that with half a percent; `both` runs two profiles at one time, answers
each line on stdin with the counters, and ends with its input. A program of its own since TRex brings its own scapy, and since it runs where TRex does: in its namespace. `describe`
needs no TRex that runs, only the files in TREX_DIR.
"""
import argparse
import contextlib
import json
import os
import pathlib
import sys
import time
import warnings

TREX_DIR = pathlib.Path(os.environ.get("TREX_DIR", "/opt/trex"))
DEADLINE = 60.0
PARTIAL = 0.005  # the loss that a PDR allows
STEPS = 7         # of a search

warnings.filterwarnings("ignore")
sys.dont_write_bytecode = True
sys.path.insert(0, str(TREX_DIR / "automation/trex_control_plane/interactive"))
os.environ.setdefault("TREX_EXT_LIBS", str(TREX_DIR / "external_libs"))


def is_stateful(profile):
    return profile.parent.name == "astf"


def load_stateless(profile, tunables):
    """The streams of both directions."""
    from trex.stl.api import STLProfile
    return [STLProfile.load_py(str(profile), direction=d, port_id=d, tunables=tunables).get_streams() for d in (0, 1)]


def describe(options):
    """What TRex would be given."""
    if is_stateful(options.profile):
        from trex.astf.api import ASTFProfile
        return ASTFProfile.load_py(str(options.profile), tunables=options.tunables).to_json()
    return [[{"name": s.name, "packet": s.pkt.hex(), "isg": s.fields["isg"], "mode": s.fields["mode"],
              "instructions": [i["type"] for i in s.fields["vm"]["instructions"]]} for s in streams]
            for streams in load_stateless(options.profile, options.tunables)]


def profile_of(options):
    """The profile's own object and tunables: it has been imported by now."""
    module = sys.modules[options.profile.stem]
    profile = module.register()
    return profile, profile.arguments(options.tunables)


@contextlib.contextmanager
def connected(client):
    end = time.monotonic() + DEADLINE
    while True:
        try:
            client.connect()
            break
        except Exception:  # TRex is not up yet; its exceptions are of many kinds
            if time.monotonic() > end:
                raise
            time.sleep(0.5)
    try:
        client.reset()
        yield client
    finally:
        client.disconnect()


def ports_of(stats):
    return {str(port): {k: stats[port][k] for k in ("opackets", "ipackets", "oerrors", "ierrors")} for port in (0, 1)}


def run_stateless(options):
    from trex.stl.api import STLClient
    streams = load_stateless(options.profile, options.tunables)
    profile, args = profile_of(options)
    with connected(STLClient()) as client:
        used = [port for port in (0, 1) if streams[port]]
        for port in used:
            client.add_streams(streams[port], ports=[port])
        client.clear_stats()
        client.start(ports=used, mult=str(options.mult), duration=-1 if args.limit else options.duration)
        client.wait_on_traffic(ports=used, timeout=DEADLINE + options.duration)
        time.sleep(1)  # what is still on its way: TRex's own counters are read once a second
        stats = client.get_stats()
        # a burst may be cut short by --duration; only a whole one is told exactly
        sent = {s.name: args.limit for port in used for s in streams[port]} if args.limit else {}
        return {"ports": ports_of(stats), "expected": dict(profile.expect(args, sent)) if sent else None}


def run_stateful(options):
    from trex.astf.api import ASTFClient
    with connected(ASTFClient()) as client:
        client.load_profile(str(options.profile), tunables={"tunables": options.tunables})
        module = sys.modules[options.profile.stem]
        client.clear_stats()
        client.start(mult=options.mult, duration=options.duration, latency_pps=options.latency)
        client.wait_on_traffic(timeout=DEADLINE + 4 * options.duration)
        time.sleep(1)
        stats = client.get_stats()
        failed, errors = client.is_traffic_stats_error(stats["traffic"])
        latency = {str(port): v["stats"]
                   for port, v in stats.get("latency", {}).items() if isinstance(v, dict) and "stats" in v}
        return {"ports": ports_of(stats), "traffic": {side: stats["traffic"][side] for side in ("client", "server")},
                "errors": errors if failed else {}, "latency": latency, "allowed": list(module.VERDICTS),
                "refused": module.REFUSED}


def search(ceiling, loss_at):
    """By halving: the highest rate with no loss, and the highest with PARTIAL."""
    tried = {}

    def highest(most):
        low, high = 0.0, ceiling
        for step in range(STEPS):
            rate = (low + high) / 2 if step else ceiling
            if rate not in tried:
                tried[rate] = loss_at(rate)
            if tried[rate] <= most:
                low = rate
                if rate == high:
                    break
            else:
                high = rate
        return low

    ndr, pdr = highest(0), highest(PARTIAL)
    return {"ndr": ndr, "pdr": max(ndr, pdr), "trials": sorted(tried.items())}


def search_stateless(options):
    from trex.stl.api import STLClient
    streams = load_stateless(options.profile, options.tunables)
    used = [port for port in (0, 1) if streams[port]]
    with connected(STLClient()) as client:
        for port in used:
            client.add_streams(streams[port], ports=[port])

        def loss_at(rate):
            client.clear_stats()
            client.start(ports=used, mult=f"{rate}pps", duration=options.duration)
            client.wait_on_traffic(ports=used, timeout=DEADLINE + options.duration)
            time.sleep(1)
            ports = ports_of(client.get_stats())
            sent = sum(p["opackets"] for p in ports.values())
            return 1 - sum(p["ipackets"] for p in ports.values()) / sent if sent else 1.0

        # all flows are there before anything is measured
        first = min(options.ceiling, 20000)
        client.start(ports=used, mult=f"{first}pps", duration=max(1, options.flows / first))
        client.wait_on_traffic(ports=used, timeout=DEADLINE + options.flows / first)
        return {**search(options.ceiling, loss_at), "unit": "packets"}


def search_stateful(options):
    from trex.astf.api import ASTFClient
    with connected(ASTFClient()) as client:
        client.load_profile(str(options.profile), tunables={"tunables": options.tunables})
        _, args = profile_of(options)

        def loss_at(rate):
            client.clear_stats()
            client.start(mult=max(rate / args.cps, 0.01), duration=options.duration)
            client.wait_on_traffic(timeout=DEADLINE + 4 * options.duration)
            traffic = client.get_stats()["traffic"]
            opened = sum(traffic["client"].get(name, 0) for name in ("tcps_connattempt", "udps_connects"))
            # connections that TRex could not open in time say nothing good of the box
            late = opened < 0.9 * rate * options.duration
            return 1.0 if late or client.is_traffic_stats_error(traffic)[0] else 0.0

        return {**search(options.ceiling, loss_at), "unit": "connections"}


def run_both(options):
    from trex.astf.api import ASTFClient
    with connected(ASTFClient()) as client:
        streams = load_stateless(options.second, [])[0]
        client.load_profile(str(options.profile), tunables={"tunables": options.tunables})
        client.clear_stats()
        client.start(mult=options.mult, duration=-1)
        client.add_streams(streams, ports=[0])
        client.start_stl(ports=[0])

        def counters():
            stats = client.get_stats()
            failed, errors = client.is_traffic_stats_error(stats["traffic"])
            return {"ports": ports_of(stats), "errors": errors if failed else {},
                    "traffic": {side: stats["traffic"][side] for side in ("client", "server")}}

        print(json.dumps({"started": True}), file=options.out, flush=True)
        for _ in sys.stdin:
            print(json.dumps(counters()), file=options.out, flush=True)
        client.stop_stl(ports=[0])
        client.stop()
        return counters()


def main(words):
    tunables = []
    if "--" in words:
        words, tunables = words[:words.index("--")], words[words.index("--") + 1:]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=("describe", "run", "search", "both"))
    parser.add_argument("profile", type=lambda p: pathlib.Path(p).resolve())
    parser.add_argument("second", nargs="?", type=lambda p: pathlib.Path(p).resolve())
    parser.add_argument("--mult", type=float, default=1)
    parser.add_argument("--duration", type=float, default=10)
    parser.add_argument("--latency", type=int, default=0)
    parser.add_argument("--ceiling", type=float, default=1e6)
    parser.add_argument("--flows", type=int, default=0)
    options = parser.parse_args(words)
    options.tunables, options.out = tunables, sys.stdout
    verbs = {"run": (run_stateless, run_stateful), "search": (search_stateless, search_stateful),
             "describe": (describe, describe), "both": (run_both, run_both)}
    with contextlib.redirect_stdout(sys.stderr):  # TRex's library talks
        answer = verbs[options.verb][is_stateful(options.profile)](options)
    print(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1:])
