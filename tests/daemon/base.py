# SPDX-License-Identifier: BSD-3-Clause
"""One configuration with something of everything, and how to change a place in it."""
import copy

INSIDE = "interfaces/interface/0"
OUTSIDE = "interfaces/interface/1"
ROUTES = "routing/control-plane-protocols/control-plane-protocol/0/static-routes/ipv4/route"
INSTANCE = "nat/instances/instance/0"
POLICY = f"{INSTANCE}/policy/0"
STATIC = f"{INSTANCE}/mapping-table/mapping-entry/0"
PLATFORM = "homeport:homeport/platform"
SERVER = "homeport:homeport/dots/server"
UPSTREAM = f"{SERVER}/upstream/0"
GONE = object()  # in the place of a value: the member is taken away


def base():
    return {
        "ietf-interfaces:interfaces": {"interface": [
            {"name": "inside", "type": "iana-if-type:ethernetCsmacd",
             "homeport:device": "net_pcap0,rx_pcap=FOLDER/in.pcap,tx_pcap=FOLDER/inside.pcap",
             "homeport:realm": "internal", "homeport:mac-address": "02:00:00:00:00:01",
             "ietf-ip:ipv4": {
                 "address": [{"ip": "100.64.0.1", "prefix-length": 10}],
                 "neighbor": [{"ip": "100.64.0.2", "link-layer-address": "02:00:00:00:00:02"}]}},
            {"name": "outside", "type": "iana-if-type:ethernetCsmacd",
             "homeport:device": "net_pcap1,tx_pcap=FOLDER/outside.pcap",
             "homeport:realm": "external", "homeport:mac-address": "02:00:00:00:00:11",
             "ietf-ip:ipv4": {
                 "address": [{"ip": "192.0.2.1", "prefix-length": 24}],
                 "neighbor": [{"ip": "192.0.2.254", "link-layer-address": "02:00:00:00:00:12"}]},
             "ietf-ip:ipv6": {"address": [{"ip": "2001:db8:0:1::1", "prefix-length": 64}]}}]},
        "ietf-routing:routing": {"control-plane-protocols": {"control-plane-protocol": [
            {"type": "ietf-routing:static", "name": "static", "static-routes": {
                "ietf-ipv4-unicast-routing:ipv4": {"route": [
                    {"destination-prefix": "0.0.0.0/0", "next-hop": {"next-hop-address": "192.0.2.254"}},
                    {"destination-prefix": "10.0.0.0/8", "next-hop": {"special-next-hop": "blackhole"}}]}}}]}},
        "ietf-nat:nat": {"instances": {"instance": [{
            "id": 1, "name": "cgn", "type": "ietf-nat:napt44",
            "policy": [{
                "id": 1,
                "external-ip-address-pool": [{"pool-id": 1, "external-ip-pool": "203.0.113.0/28"}],
                "subscriber-match": [{"match-id": 1, "subnet": "100.64.0.0/10"}],
                "transport-protocols": [{"protocol-id": p} for p in (1, 6, 17)],
                "port-allocation-type": "port-range-allocation",
                "port-set": {"port-set-size": 64},
                "port-quota": [{"quota-type": 0, "port-limit": 200}],
                "timers": {"per-port-timeout": [{"port-number": 53, "protocol": 17, "timeout": 10}]}}],
            "mapping-table": {"mapping-entry": [{
                "index": 1, "type": "static", "transport-protocol": 6,
                "internal-src-address": "100.64.0.9/32", "internal-src-port": {"start-port-number": 80},
                "external-src-address": "203.0.113.1/32",
                "external-src-port": {"start-port-number": 8080}}]}}]}},
        "homeport:homeport": {
            "platform": {"workers": 1, "huge-pages": False, "idle-sleep": 100, "packet-buffers": 4095, "max-mappings": 4096,
                         "max-sessions": 4096, "max-subscribers": 256, "max-port-sets": 256},
            "management": {"socket": "FOLDER/homeport.sock"},
            "dots": {"server": {"upstream": [{
                "name": "isp", "address": "127.0.0.1", "port": 4649, "certificate": "pki/box.pem",
                "private-key": "pki/box.key", "ca": "pki/ca.pem", "peer-name": "upstream.example.net",
                "domain-prefix": ["203.0.113.0/28"]}]}}}}


def _key(place, step):
    """The member of an object that a step names, with its module or without."""
    if isinstance(place, list):
        return len(place) if step == "+" else int(step)
    return next((key for key in place if step in (key, key.split(":")[-1])), step)


def changed(changes, configuration=None):
    """The configuration with other values at some paths: `+` in a list is behind its last element."""
    made = copy.deepcopy(configuration or base())
    for path, value in changes.items():
        *way, last = path.split("/")
        place = made
        for step in way:
            key = _key(place, step)
            if isinstance(place, dict) and key not in place:
                place[key] = {}
            place = place[key]
        key = _key(place, last)
        if value is GONE:
            del place[key]
        elif isinstance(place, list) and key == len(place):
            place.append(value)
        else:
            place[key] = value
    return made
