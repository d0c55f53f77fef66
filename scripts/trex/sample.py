# SPDX-License-Identifier: BSD-3-Clause
"""A sample configuration of config/ as it stands in a test bed.

    clients -- [port 0] -- inside [box] outside -- [port 1] -- servers
                        172.31.255.0/30         as in the sample

A generator answers no ARP for the hosts it plays. So its two ports are next hops with static neighbours, and the
prefixes of the subscribers are routed to its port 0; the rest is as the sample says.
"""
import copy
import ipaddress
import json
import pathlib

CONFIG = pathlib.Path(__file__).resolve().parents[2] / "config"
MAC = {"box inside": "02:00:00:00:00:01", "inside": "02:00:00:00:00:02",
       "box outside": "02:00:00:00:00:11", "outside": "02:00:00:00:00:12"}
BOX_INSIDE, PORT_INSIDE = "172.31.255.1", "172.31.255.2"
AF_PACKET_MTU = 1500  # the most that DPDK's driver takes
CLIENTS = "100.64.0.0/10"  # of the control run, which has no policy to tell


def _static_routes(whole):
    protocols = whole.setdefault("ietf-routing:routing", {}).setdefault("control-plane-protocols", {}).setdefault(
        "control-plane-protocol", [{"type": "ietf-routing:static", "name": "static", "static-routes": {}}])
    return protocols[0]["static-routes"]


def _routes(whole):
    return [route for family in _static_routes(whole).values() for route in family["route"]]


def _policies(whole):
    instances = whole.get("ietf-nat:nat", {}).get("instances", {}).get("instance", [])
    return [policy for instance in instances for policy in instance["policy"]]


def _ports(whole):
    """The interfaces that have a device, and the side each is on."""
    for interface in whole["ietf-interfaces:interfaces"]["interface"]:
        if "homeport:device" in interface:
            yield interface, "inside" if interface["homeport:realm"] == "internal" else "outside"


def _subscribers(whole):
    """The IPv4 prefixes of the subscribers."""
    found = [m["subnet"] for p in _policies(whole) for m in p.get("subscriber-match", []) if ":" not in m["subnet"]]
    return found or [CLIENTS]


def _add_neighbours(interface, side, routes):
    """Every next hop on the interface's link is the generator's port."""
    for family in ("ietf-ip:ipv4", "ietf-ip:ipv6"):
        links = [ipaddress.ip_interface(f"{a['ip']}/{a['prefix-length']}").network
                 for a in interface.get(family, {}).get("address", [])]
        hops = {r["next-hop"].get("next-hop-address") for r in routes} - {None}
        near = sorted(h for h in hops if any(ipaddress.ip_address(h) in link for link in links))
        if near:
            interface[family]["neighbor"] = [{"ip": hop, "link-layer-address": MAC[side]} for hop in near]


def load(name):
    return json.loads((CONFIG / name).read_text())


def bed(whole, devices, socket, changes=None, platform=None, control=False, macs=True):
    """The configuration of the box. `devices`: {"inside": device, "outside": device}; `changes`: leaves of the NAT
    policies, None takes one away; `platform`: leaves of the platform; `control`: both sides are inside, so that the box routes and
    translates nothing; without `macs` the box keeps those of its devices."""
    whole = copy.deepcopy(whole)
    for policy in _policies(whole):
        policy.update(copy.deepcopy(changes or {}))
        for leaf in [leaf for leaf, value in policy.items() if value is None]:
            del policy[leaf]
    subscribers = _subscribers(whole)
    inside4 = False
    for interface, side in _ports(whole):
        interface["homeport:device"] = devices[side]
        for family in ("ietf-ip:ipv4", "ietf-ip:ipv6"):
            if "net_af_packet" in devices[side] and interface.get(family, {}).get("mtu", 0) > AF_PACKET_MTU:
                interface[family]["mtu"] = AF_PACKET_MTU
        if macs:
            interface["homeport:mac-address"] = MAC[f"box {side}"]
        if side == "inside" and "ietf-ip:ipv4" in interface:
            interface["ietf-ip:ipv4"]["address"] = [{"ip": BOX_INSIDE, "prefix-length": 30}]
            inside4 = True
    if inside4:
        routes = _static_routes(whole).setdefault("ietf-ipv4-unicast-routing:ipv4", {"route": []})["route"]
        routes += [{"destination-prefix": p, "next-hop": {"next-hop-address": PORT_INSIDE}} for p in subscribers]
    for interface, side in _ports(whole):
        _add_neighbours(interface, side, _routes(whole))
        if control:
            interface["homeport:realm"] = "internal"
    if control:
        # a box has to have an outside
        whole["ietf-interfaces:interfaces"]["interface"].append({
            "name": "nothing", "type": "iana-if-type:ethernetCsmacd", "homeport:device": "net_null_nothing,no-rx=1",
            "homeport:realm": "external"})
        whole.pop("ietf-nat:nat", None)
        whole.pop("ietf-softwire-br:br-instances", None)
        whole["homeport:homeport"].pop("dots", None)
    own = whole["homeport:homeport"]
    own["management"] = {"socket": str(socket)}
    own["platform"] = {**own.get("platform", {}), "huge-pages": False, **(platform or {})}
    return whole


def pools(whole):
    """The outside prefixes of the NAT policies."""
    return [ipaddress.ip_network(pool["external-ip-pool"])
            for policy in _policies(whole) for pool in policy["external-ip-address-pool"]]
