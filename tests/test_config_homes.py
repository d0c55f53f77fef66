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
    (add_home(subscriber="100.64.0.0/24"), HOME + "/subscriber: 100.64.0.0/24. Allowed: one IPv4 address"),
    (add_home(subscriber="192.0.2.1/32"), HOME + "/subscriber: 192.0.2.1/32 is served by no NAT policy. "
     "Allowed: "),
    (add_home(subscriber="100.64.0.10/32"), HOME + "/subscriber: 100.64.0.10/32 has home home-1. "
     "Allowed: one home for each subscriber"),
    (add_home(**{"certificate-name": "HOME-1.example.net"}), "certificate-name: "),
]


@pytest.mark.parametrize("change, expected", CASES, ids=[str(n) for n in range(len(CASES))])
def test_refused(change, expected, tmp_path):
    config = copy.deepcopy(SAMPLE)
    keys = change(config)
    if keys:
        (tmp_path / "homes.psk").write_text(keys)
        (tmp_path / "homes.psk").chmod(0o600)
    file = tmp_path / "homeport.json"
    file.write_text(json.dumps(config))
    subprocess.run([ROOT / "scripts/make-pki", tmp_path / "pki"], check=True)
    done = subprocess.run([HOMEPORTD, "-c", file, "--check"], capture_output=True, text=True,
                          env={**os.environ, "HOMEPORT_YANG": str(ROOT / "yang")})
    assert done.returncode == 1
    assert expected in done.stderr
