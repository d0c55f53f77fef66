# SPDX-License-Identifier: BSD-3-Clause
"""What is refused of homes, with its path and what is allowed."""
import copy
import json
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = pathlib.Path(os.environ.get("HOMEPORT_BUILD", ROOT / "build"))
HOMEPORTD = BUILD / "app/homeportd/homeportd"
SAMPLE = json.loads((ROOT / "config/nat44-homes.json").read_text())
CLIENT = "/homeport:homeport/dots/client"
HOME = CLIENT + "/home[name='other']"


def client(config):
    return config["homeport:homeport"]["dots"]["client"]


def add_home(**leaves):
    def change(config):
        home = {"name": "other", "certificate-name": "other.example.net",
                "subscriber": "100.64.0.11/32", **leaves}
        client(config)["home"].append({leaf: value for leaf, value in home.items() if value})
    return change


def sample(name):
    return json.loads((ROOT / "config" / f"{name}.json").read_text())


def all_services(config, softwires):
    """Subscribers of every service besides: native 2001:db8:100::/40 (/56), NAT64 2001:db8:1000::/36 (/64), DS-Lite
    2001:db8:2000::/36 (/56), and either B4s of lw4o6 or MAP-E 2001:db8:8000::/40 (/56)."""
    config["ietf-interfaces:interfaces"]["interface"].append(
        {"name": "aftr", "type": "homeport:dslite-aftr", "ietf-dslite:ipv6-address": "2001:db8:fffe::1"})
    for number, name in enumerate(["nat64", "ds-lite"]):
        instance, = sample(name)["ietf-nat:nat"]["instances"]["instance"]
        policy, = instance["policy"]
        instance["id"] = number + 2
        del policy["external-realm"]
        policy["external-ip-address-pool"][0]["external-ip-pool"] = f"203.0.113.{64 + 16 * number}/28"
        config["ietf-nat:nat"]["instances"]["instance"].append(instance)
    relays = sample(softwires)["ietf-softwire-br:br-instances"]
    config["ietf-softwire-br:br-instances"] = relays
    if softwires == "lw4o6":
        instance, = relays["binding"]["bind-instance"]
        for number, entry in enumerate(instance["binding-table"]["binding-entry"]):
            entry["binding-ipv4-addr"] = f"192.0.3.{number}"
        instance["homeport:extra-binding"][0]["ipv4"] = "192.0.3.0"
    else:
        instance, = relays["algorithm"]["algo-instance"]
        instance.update({"rule-ipv6-prefix": "2001:db8:8000::/40", "rule-ipv4-prefix": "192.0.3.0/24"})
    config["homeport:homeport"]["ipv6"] = {
        "subscriber-network": [{"prefix": "2001:db8:100::/40", "subscriber-length": 56}]}


def among_all(subscriber, disabled=(), softwires="lw4o6"):
    def change(config):
        all_services(config, softwires)
        for instance in config["ietf-nat:nat"]["instances"]["instance"]:
            if instance["id"] in disabled:
                instance["enable"] = False
        add_home(subscriber=subscriber)(config)
    return change


def two_homes(first, second):
    def change(config):
        among_all(second)(config)
        client(config)["home"][0]["subscriber"] = first
    return change


def no_host_device(config):
    del config["ietf-interfaces:interfaces"]["interface"][0]["homeport:host-device"]


def two_host_devices(config):
    config["ietf-interfaces:interfaces"]["interface"][1]["homeport:host-device"] = "hp-inside"


def no_client(config):
    del config["homeport:homeport"]["dots"]["client"]


def on_all_addresses(config):
    client(config)["listener"].append({"address": "0.0.0.0", "port": 4647, "transport": ["tls"]})


def wrong_certificate(config):
    client(config)["certificate"] = "pki/none.pem"


def psk_for_homes(text, **leaves):
    """Keys for the sample's home and whatever else; the text is the file of keys."""
    def change(config):
        c = client(config)
        for leaf in ("certificate", "private-key", "ca"):
            del c[leaf]
        c["psk-file"] = "homes.psk"
        c["home"] = [{"name": "other", "subscriber": "100.64.0.11/32", **leaves}]
        return text
    return change


def psk_and_certificate(config):
    client(config)["psk-file"] = "homes.psk"


KEY = "000102030405060708090a0b0c0d0e0f"
CASES = [
    (psk_and_certificate, "psk"),
    (psk_for_homes(f"home-2:{KEY}\n", **{"psk-identity": "home-1"}), HOME + "/psk-identity: home-1 has no "
     "key in "),
    (psk_for_homes(f"home-1:{KEY[2:]}\n", **{"psk-identity": "home-1"}), CLIENT + ": pre-shared keys "),
    (psk_for_homes(f"home-1:{KEY}\n", **{"certificate-name": "home-1.example.net"}), HOME +
     "/certificate-name: home-1.example.net, but the box has pre-shared keys for homes. Allowed: "),
    (psk_for_homes(f"home-1:{KEY}\n", **{"psk-identity": "home 1"}), "psk-identity"),
    (add_home(**{"certificate-name": None, "psk-identity": "home-1"}), HOME + "/psk-identity: home-1, but "
     "the box has a certificate for homes. Allowed: "),
    (no_host_device, CLIENT + "/listener[address='100.64.0.1'][port='4647']/address: 100.64.0.1 is an "
     "address of interface inside, which has no homeport:host-device. Allowed: "),
    (two_host_devices, "/ietf-interfaces:interfaces/interface[name='outside']/homeport:host-device: "
     "hp-inside is that of interface inside. Allowed: "),
    (no_client, "/homeport:homeport/dots/server/upstream[name='isp']/relay: home-then-box, but there "
     "are no homes. Allowed: box"),
    (on_all_addresses, CLIENT + "/listener[address='0.0.0.0'][port='4647']/port: 4647 is that of a "
     "listener on all addresses. Allowed: "),
    (wrong_certificate, CLIENT + ": "),
    (add_home(subscriber="100.64.0.0/24"), HOME + "/subscriber: 100.64.0.0/24. Allowed: a prefix of 32 bits"),
    (add_home(subscriber="192.0.2.1/32"), HOME + "/subscriber: 192.0.2.1/32 is served by no NAT policy. "
     "Allowed: an inside address that a subscriber-match of an enabled instance covers"),
    (add_home(subscriber="2001:db8:1::/56"), HOME + "/subscriber: 2001:db8:1::/56 is no subscriber's. Allowed: "),
    # who is served by an instance that is off is not served
    (among_all("2001:db8:1000::/64", disabled=[2]), HOME + "/subscriber: 2001:db8:1000::/64 is no subscriber's. "
     "Allowed: the prefix of a subscriber of an enabled NAT64 or DS-Lite instance, of a subscriber-network or of a "
     "mapping rule, or a B4's address"),
    (among_all("100.64.0.11/32", disabled=[1]), HOME + "/subscriber: 100.64.0.11/32 is served by no NAT policy. "),
    # a prefix that is not of the length that subscribers have there
    (among_all("2001:db8:1000::/56"), HOME + "/subscriber: 2001:db8:1000::/56. Allowed: a prefix of 64 bits"),
    (among_all("2001:db8:2000::/64"), HOME + "/subscriber: 2001:db8:2000::/64. Allowed: a prefix of 56 bits"),
    (among_all("2001:db8:8000::/48", softwires="map-e"), HOME + "/subscriber: 2001:db8:8000::/48. Allowed: a prefix of 56 bits"),
    (among_all("2001:db8:100::1/120"), HOME + "/subscriber: 2001:db8:100::/120. Allowed: a prefix of 56 bits"),
    (among_all("2001:db8:100::2/128"), HOME + "/subscriber: 2001:db8:100::2/128. Allowed: a prefix of 56 bits"),
    (two_homes("2001:db8:100:100::/56", "2001:db8:100:100::/56"), HOME + "/subscriber: 2001:db8:100:100::/56 has "
     "home home-1. Allowed: one home for each subscriber"),
    (add_home(subscriber="100.64.0.10/32"), HOME + "/subscriber: 100.64.0.10/32 has home home-1. "
     "Allowed: one home for each subscriber"),
    (add_home(**{"certificate-name": "HOME-1.example.net"}), "certificate-name: "),
]


def check(change, folder):
    config = copy.deepcopy(SAMPLE)
    keys = change(config)
    if keys:
        (folder / "homes.psk").write_text(keys)
        (folder / "homes.psk").chmod(0o600)
    file = folder / "homeport.json"
    file.write_text(json.dumps(config))
    subprocess.run([ROOT / "scripts/make-pki", folder / "pki"], check=True)
    return subprocess.run([HOMEPORTD, "-c", file, "--check"], capture_output=True, text=True,
                          env={**os.environ, "HOMEPORT_YANG": str(ROOT / "yang")})


@pytest.mark.parametrize("change, expected", CASES, ids=[str(n) for n in range(len(CASES))])
def test_refused(change, expected, tmp_path):
    done = check(change, tmp_path)
    assert done.returncode == 1
    assert expected in done.stderr


@pytest.mark.parametrize("change", [
    among_all("2001:db8:100:100::/56"), among_all("2001:db8:1000:1::/64"), among_all("2001:db8:2000:100::/56"),
    among_all("2001:db8:8000:100::/56", softwires="map-e"), among_all("2001:db8:8000:100::/56", softwires="map-t"),
    among_all("2001:db8:100::1/128"), among_all("100.64.0.11/32"),
    # a subscriber of native IPv6, and the B4 in his prefix, whose home is another box
    two_homes("2001:db8:100::/56", "2001:db8:100::1/128")],
    ids=["native", "nat64", "ds-lite", "map-e", "map-t", "lw4o6", "nat44", "two homes in one prefix"])
def test_taken(change, tmp_path):
    """Homes of every service."""
    done = check(change, tmp_path)
    assert done.stderr == "" and done.returncode == 0
