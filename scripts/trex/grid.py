# SPDX-License-Identifier: BSD-3-Clause
"""Rates over a grid of hosts, with 63 ports each, as FD.io CSIT lays it out: what is lossless (NDR), what loses half a
percent (PDR), connections a second, and a run that only routes beside each.

Every cell has a box of its own: no state is left from the one before. Stateless cells open all their flows first.
"""
import json
import pathlib

import drive
import lab
import place
import profiles
import report
import sample
import svg

PORTS = 63
PLACES = 65536 - 1024     # ports of an outside address
SHARING = 1022            # hosts of an outside address
PACKETS, CONNECTIONS = 1e6, 2e4  # a second, where searches begin at --mult 1
GRIDS = {"csit": (1024, 4096, 16384, 65536, 262144), "small": (64, 256)}
# name: profile, whether the box only routes
WORK = {"routed": ("stl/nat44_out", True), "nat44": ("stl/nat44_out", False),
        "deterministic": ("stl/nat44_deterministic", False), "tcp connections": ("astf/nat44_cps_tcp", False),
        "udp flows": ("astf/nat44_cps_udp", False), "tcp throughput": ("astf/nat44_tput_tcp", False)}


def _prefix(first, addresses):
    """A prefix with room for so many addresses."""
    return f"{first}/{32 - (addresses - 1).bit_length()}"


def _pool(first, addresses):
    return [{"pool-id": 1, "external-ip-pool": _prefix(first, addresses)}]


def _sharing(hosts):
    """Hosts of an outside address when the pool is the smallest prefix that gives each PORTS ports or more."""
    addresses = 1 << (-(-hosts // SHARING) - 1).bit_length()
    return -(-hosts // addresses)


def _box(bed, head, hosts, sessions, options, control):
    """The configuration of a cell: the sample with prefixes and tables for so many hosts."""
    changes = dict(head.changes)
    if head.name == "stl/nat44_deterministic":
        changes["subscriber-match"] = [{"match-id": 1, "subnet": _prefix("100.64.0.0", hosts + 2)}]
        changes["external-ip-address-pool"] = _pool("203.0.113.0", -(-hosts // SHARING))
    elif head.stateful:
        # a mapping outlives its connection: there is room for all that a search opens
        sessions = int(2 * drive.STEPS * options.duration * _ceiling(head, options))
        changes.update({"port-set": {"port-set-size": 4096}, "port-quota": None, "homeport:max-port-sets": 15,
                        "external-ip-address-pool": _pool("20.0.0.0", 1 + (hosts + sessions // 4096) // 15)})
    elif not control:
        # port sets of 64 are those 63 ports and one
        changes.update({"port-set": {"port-set-size": 64},
                        "external-ip-address-pool": _pool("20.0.0.0", -(-hosts // 1008))})
    tables = {"workers": options.workers, "max-subscribers": max(1024, hosts), "max-mappings": max(65536, 2 * sessions),
              "max-sessions": max(65536, 2 * sessions), "max-port-sets": max(1024, 2 * hosts + sessions // 1024)}
    whole = sample.load(head.sample)
    for instance in whole["ietf-nat:nat"]["instances"]["instance"]:
        instance.pop("mapping-table", None)
    return bed.bed(whole, changes=changes, control=control, platform=tables)


def _ceiling(head, options):
    """Where a search begins: packets, or connections, a second."""
    return options.mult * (CONNECTIONS if head.stateful else PACKETS)


def cell(name, hosts, options):
    """One figure of the grid: what drive.py's search found."""
    profile, control = WORK[name]
    head = profiles.find(profile)
    tunables, sessions = ["--hosts", str(hosts)], hosts * PORTS
    if head.name == "stl/nat44_deterministic":
        # two addresses of the prefix are no hosts; the rest have all ports of the outside addresses
        hosts -= 2
        tunables = ["--hosts", str(hosts), "--sharing", str(_sharing(hosts))]
        sessions = hosts * (PLACES // _sharing(hosts))
    with place.Place(options.nics) as bed:
        bed.start_box(_box(bed, head, hosts, sessions, options, control))
        bed.start_trex(head.stateful)
        found = bed.drive("search", head.path, "--duration", options.duration, "--flows", sessions, "--ceiling",
                          _ceiling(head, options), "--", *tunables)
        drops = {n: c for n, c in bed.verdicts().items() if n.startswith("drop-")}
    return {"work": name, "hosts": hosts, "sessions": sessions, **found, "drops": drops}


def table(rows):
    lines = [f"{'work':16} {'hosts':>8} {'sessions':>10} {'NDR':>12} {'PDR':>12}  per second"]
    lines += [f"{r['work']:16} {r['hosts']:8} {r['sessions']:10} {r['ndr']:12.0f} {r['pdr']:12.0f}  {r['unit']}"
              for r in rows]
    return "\n".join(lines)


def run(options):
    rows = []
    for hosts in GRIDS[options.grid]:
        for name in WORK:
            try:
                rows.append(cell(name, hosts, options))
            except lab.Failed as failure:
                print(f"{name}, {hosts} hosts: {failure}")
                return 1
            print(json.dumps(rows[-1]), flush=True)
    print(table(rows))
    if options.json:
        report.write(options.json, {"grid": options.grid, "rows": rows})
    if options.plots:
        for unit in sorted({r["unit"] for r in rows}):
            chosen = [r for r in rows if r["unit"] == unit]
            lines = {name: [(r["sessions"], r["ndr"]) for r in chosen if r["work"] == name] for name in WORK}
            path = pathlib.Path(options.plots) / f"{unit.replace(' ', '-')}.svg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(svg.plot(f"{unit} without loss", "sessions", unit,
                                     {name: points for name, points in lines.items() if points}))
    return 0
