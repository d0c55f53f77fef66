# SPDX-License-Identifier: BSD-3-Clause
"""Configurations for packet tests: two interfaces, static neighbours, one NAT policy.

    subscribers 100.64.0.0/10 -- 100.64.0.2 -- inside [box] outside -- 192.0.2.254 -- everybody else
                                  100.64.0.1/24           192.0.2.1/24

and with IPv6 on both sides

    2001:db8:100::/40 -- 2001:db8:2::2 -- inside [box] outside -- 2001:db8:1::2 -- everybody else
                                   2001:db8:2::1/64   2001:db8:1::1/64
"""
import copy

BOX_INSIDE = "100.64.0.1"
GATEWAY_INSIDE = "100.64.0.2"
BOX_OUTSIDE = "192.0.2.1"
GATEWAY_OUTSIDE = "192.0.2.254"
BOX_INSIDE6 = "2001:db8:2::1"
GATEWAY_INSIDE6 = "2001:db8:2::2"
BOX_OUTSIDE6 = "2001:db8:1::1"
GATEWAY_OUTSIDE6 = "2001:db8:1::2"
INSIDE6 = "2001:db8:100::/40"
POOL = "203.0.113.0/28"
PREF64 = "2001:db8:64::/96"
BLOCK = 64      # ports of a block
MAX_BLOCKS = 4  # of a subscriber

# The kernel puts fragments together before net_af_packet sees them; a TAP device takes them as they are.
TAPS = {"inside": "tap-inside", "outside": "tap-outside"}
TAP_DEVICES = [f"net_tap_{side},iface={tap}" for side, tap in TAPS.items()]

MAC = {"box inside": "02:00:00:00:00:01", "inside": "02:00:00:00:00:02",
       "box outside": "02:00:00:00:00:11", "outside": "02:00:00:00:00:12"}


def merge(base, changes):
    """A copy of base in which the members of `changes` replace its own, objects member by member; None takes
    a member away."""
    result = copy.deepcopy(base)
    for name, value in (changes or {}).items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict) and isinstance(result.get(name), dict):
            result[name] = merge(result[name], value)
        else:
            result[name] = copy.deepcopy(value)
    return result


def _interface(name, realm, address, gateway, device):
    return {"name": name, "type": "iana-if-type:ethernetCsmacd", "homeport:device": device,
            "homeport:realm": realm, "homeport:mac-address": MAC[f"box {name}"],
            "ietf-ip:ipv4": {
                "address": [{"ip": address, "prefix-length": 24}],
                "neighbor": [{"ip": gateway, "link-layer-address": MAC[name]}]}}


def static_mapping(index, inside, outside, protocol=None, inside_ports=None, outside_ports=None, end="src"):
    """An entry of the mapping table, of sources or with end="dst" of destinations. Ports are a number or a pair
    (first, last); without any, it is the whole address."""
    entry = {"index": index, "type": "static", f"internal-{end}-address": f"{inside}/32",
             f"external-{end}-address": f"{outside}/32"}
    if protocol is not None:
        entry["transport-protocol"] = protocol
    for name, ports in ((f"internal-{end}-port", inside_ports), (f"external-{end}-port", outside_ports)):
        if ports is None:
            continue
        first, last = ports if isinstance(ports, tuple) else (ports, None)
        entry[name] = {"start-port-number": first}
        if last is not None:
            entry[name]["end-port-number"] = last
    return entry


def interface6(name, address, gateway, **more):
    """What to merge into an interface so that it has IPv6 and a static neighbour."""
    return {"ietf-ip:ipv6": {"address": [{"ip": address, "prefix-length": 64}],
                             "neighbor": [{"ip": gateway, "link-layer-address": MAC[name]}], **more}}


def _route(prefix, hop):
    special = hop in ("blackhole", "unreachable", "prohibit", "receive")
    return {"destination-prefix": prefix, "next-hop": {"special-next-hop" if special else "next-hop-address": hop}}


def ipv6(inside=None, outside=None, routes=None, more=None):
    """Arguments of config() for a box with IPv6 on both sides and subscribers with a /56 each; what is given comes on
    top."""
    networks = {"homeport:homeport": {"ipv6": {"subscriber-network": [
        {"prefix": INSIDE6, "subscriber-length": 56}]}}}
    return {
        "inside": merge(interface6("inside", BOX_INSIDE6, GATEWAY_INSIDE6), inside),
        "outside": merge(interface6("outside", BOX_OUTSIDE6, GATEWAY_OUTSIDE6), outside),
        "routes6": [(INSIDE6, GATEWAY_INSIDE6), ("::/0", GATEWAY_OUTSIDE6)] + (routes or []),
        "more": merge(networks, more)}


def nat64(prefixes=None, policy=None, inside=None, outside=None, **more):
    """Arguments of config() for a NAT64 whose subscribers are /56 prefixes of INSIDE6. `prefixes` are pairs of a prefix
    and the IPv4 networks that it is for."""
    prefixes = [(PREF64, [])] if prefixes is None else prefixes
    return merge(ipv6(inside, outside), {
        "instance": {"type": "ietf-nat:nat64"},
        "policy": merge({
            "subscriber-match": [{"match-id": 1, "subnet": INSIDE6}],
            "subscriber-mask-v6": 56,
            "nat64-prefixes": [{"nat64-prefix": p, **({"destination-ipv4-prefix": [{"ipv4-prefix": n} for n in networks]}
                                                      if networks else {})} for p, networks in prefixes]}, policy),
        **more})


AFTR = "2001:db8:ffff::1"


def dslite(policy=None, aftr=None, instance=None, **more):
    """Arguments of config() for an AFTR on an ipv6() box, whose B4s are in INSIDE6, a /56 each."""
    whole = ipv6()
    for name in ("inside", "outside"):
        whole[name] = merge(whole[name], more.pop(name, None))
    end = merge({"name": "aftr", "type": "homeport:dslite-aftr", "ietf-dslite:ipv6-address": AFTR}, aftr)
    return {**whole, "aftrs": [end],
            "instance": merge({"per-interface-binding": "dslite"}, instance),
            "policy": merge({"subscriber-match": [{"match-id": 1, "subnet": INSIDE6}], "subscriber-mask-v6": 56},
                            policy), **more}


default_workers = 1  # of config()


def config(workers=None, queues=1, pool=POOL, policy=None, instance=None, statics=None, platform=None,
           inside=None, outside=None, routes=None, routes6=None, more=None, devices=None, aftrs=()):
    """A configuration as a dict. `pool` is a prefix or a list; `policy`, `instance`, `platform`, `inside`,
    `outside` (the interfaces) and `more` (the whole file) are merged over what stands here; `statics` are
    entries of static_mapping(), `routes` further pairs of prefix and next hop, `routes6` those of IPv6, `devices` other
    devices than the two veth of a Box, `aftrs` interfaces that are ends of softwires."""
    workers = workers or default_workers
    qpairs = f",qpairs={queues}" if queues > 1 else ""
    devices = devices or [f"net_af_packet_{n},iface={n}{qpairs}" for n in ("inside", "outside")]
    pools = [pool] if isinstance(pool, str) else pool
    routes = [("100.64.0.0/10", GATEWAY_INSIDE), ("0.0.0.0/0", GATEWAY_OUTSIDE)] + (routes or [])
    whole_policy = merge({
        "id": 1,
        "external-ip-address-pool": [{"pool-id": i + 1, "external-ip-pool": p}
                                     for i, p in enumerate(pools)],
        "subscriber-match": [{"match-id": 1, "subnet": "100.64.0.0/10"}],
        "port-allocation-type": "port-range-allocation",
        "port-set": {"port-set-size": BLOCK},
        "homeport:max-port-sets": MAX_BLOCKS,
    }, policy)
    whole_instance = {"id": 1, "name": "cgn", "type": "ietf-nat:napt44", "policy": [whole_policy]}
    if statics:
        whole_instance["mapping-table"] = {"mapping-entry": statics}
    whole = {
        "ietf-interfaces:interfaces": {"interface": [
            merge(_interface("inside", "internal", BOX_INSIDE, GATEWAY_INSIDE, devices[0]), inside),
            merge(_interface("outside", "external", BOX_OUTSIDE, GATEWAY_OUTSIDE, devices[1]),
                  merge({"ietf-ip:ipv6": {"address": [{"ip": BOX_OUTSIDE6, "prefix-length": 64}]}},
                        outside)), *aftrs]},
        "ietf-routing:routing": {"control-plane-protocols": {"control-plane-protocol": [{
            "type": "ietf-routing:static", "name": "static", "static-routes": {
                "ietf-ipv4-unicast-routing:ipv4": {"route": [_route(*pair) for pair in routes]},
                **({"ietf-ipv6-unicast-routing:ipv6": {"route": [_route(*pair) for pair in routes6]}}
                   if routes6 else {})}}]}},
        "ietf-nat:nat": {"instances": {"instance": [merge(whole_instance, instance)]}},
        "homeport:homeport": {
            # with many workers each has as much room as one alone, and they sleep on one core no less than it
            "platform": merge({"workers": workers, "huge-pages": False, "idle-sleep": 50 * workers,
                               "max-mappings": 16384 * workers, "max-sessions": 16384 * workers,
                               "max-subscribers": 4096 * workers, "max-port-sets": 4096 * workers,
                               "packet-buffers": 4095}, platform)}}
    return merge(whole, more)
