# SPDX-License-Identifier: BSD-3-Clause
"""Rates over a grid of hosts, with 63 ports each, as FD.io CSIT lays it out: what is lossless (NDR), what loses half a
percent (PDR), connections a second, and a run that only routes beside each.

Every cell has a box of its own: no state is left from the one before. Stateless cells open all their flows first.
"""
import json
import pathlib

import lab
import place
import profiles
import report
import sample
import svg

PORTS = 63
SHARING = 1022  # hosts of an outside address
GRIDS = {"csit": (1024, 4096, 16384, 65536, 262144), "small": (64, 256)}
# name: profile, whether the box only routes
WORK = {"routed": ("stl/nat44_out", True), "nat44": ("stl/nat44_out", False),
        "deterministic": ("stl/nat44_deterministic", False), "tcp connections": ("astf/nat44_cps_tcp", False),
        "udp flows": ("astf/nat44_cps_udp", False), "tcp throughput": ("astf/nat44_tput_tcp", False)}


def _pool(hosts):
    """As many outside addresses as hosts / SHARING, a power of two."""
    length = 32
    while (1 << 32 - length) * SHARING < hosts:
        length -= 1
    return length


def _box(bed, head, hosts, control, workers):
    """The configuration of a cell: the sample with prefixes and tables for so many hosts."""
    changes = dict(head.changes)
    tables = {"workers": workers, "max-subscribers": hosts, "max-mappings": max(65536, 2 * hosts * PORTS),
              "max-port-sets": hosts, "max-sessions": max(65536, 2 * hosts * PORTS)}
    if head.name == "stl/nat44_deterministic":
        inside = 32
        while (1 << 32 - inside) - 2 < hosts:
            inside -= 1
        changes["subscriber-match"] = [{"match-id": 1, "subnet": f"100.64.0.0/{inside}"}]
        changes["external-ip-address-pool"] = [{"pool-id": 1, "external-ip-pool": f"203.0.113.0/{_pool(hosts)}"}]
    elif not control:
        # port sets of 64 are those 63 ports and one
        changes["port-set"] = {"port-set-size": 64, "port-set-timeout": 120}
        changes["external-ip-address-pool"] = [{"pool-id": 1, "external-ip-pool": f"20.0.0.0/{_pool(hosts)}"}]
    whole = sample.load(head.sample)
    for instance in whole["ietf-nat:nat"]["instances"]["instance"]:
        instance.pop("mapping-table", None)
    return bed.bed(whole, changes=changes, control=control, platform=tables)


def cell(name, hosts, options):
    """One figure of the grid: what drive.py's search found."""
    profile, control = WORK[name]
    head = profiles.find(profile)
    tunables = ["--hosts", str(hosts)]
    if head.name == "stl/nat44_deterministic":
        hosts -= hosts // 512  # two addresses of each prefix are no hosts
        tunables = ["--hosts", str(hosts), "--sharing", str(min(hosts, SHARING))]
    with place.Place(options.nics) as bed:
        bed.start_box(_box(bed, head, hosts, control, options.workers))
        bed.start_trex(head.stateful)
        found = bed.drive("search", head.path, "--duration", options.duration, "--flows", hosts * PORTS, "--ceiling",
                          options.mult * 1e6, "--", *tunables)
        drops = {n: c for n, c in bed.verdicts().items() if n.startswith("drop-")}
    return {"work": name, "hosts": hosts, "sessions": hosts * PORTS, **found, "drops": drops}


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
