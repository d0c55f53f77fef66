# SPDX-License-Identifier: BSD-3-Clause
"""The modules of RFC 9132 and RFC 9066, which describe messages and hold no data of ours: they are well formed, and the
codec's table of attributes says what they say."""
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
SIGNAL = "ietf-dots-signal-channel@2021-09-02"
CALL_HOME = "ietf-dots-call-home@2021-12-09"
# path-only attributes of CBOR (RFC 9132 table 5), and the objects that are cases of a choice in the module
NOT_IN_THE_MODULE = {"cdid", "cuid", "sid"}
CASES = {"mitigation-scope", "signal-config", "redirected-signal", "heartbeat"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The modules, with the two leafrefs that libyang 2.1 cannot follow out of a structure turned into strings."""
    folder = tmp_path_factory.mktemp("yang")
    for module in (ROOT / "yang").glob("*.yang"):
        shutil.copy(module, folder)
    path = folder / f"{SIGNAL}.yang"
    text, count = re.subn(r"type leafref \{\s*path [^;]*;\s*\}", "type string;", path.read_text())
    assert count == 2
    path.write_text(text)
    return folder


def tree(folder, *modules):
    words = ["yanglint", "-Q", "-f", "tree", "-p", folder, *(folder / f"{m}.yang" for m in modules)]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def nodes(text):
    """Names in a tree with what they are: list keys, type, or nothing for a container."""
    found = re.findall(r"\+--(?:rw)? ([a-z-]+)[?*]? *(\[[a-z -]+\]|[a-z0-9:-]*)$", text, re.M)
    assert found
    return dict(found)


def table():
    """JSON names of the codec's table without their module, by CBOR key."""
    keys = dict(re.findall(r"(KEY_[A-Z_]+) = (\d+),", (ROOT / "lib/dots/schema.h").read_text()))
    rows = re.findall(r'\{(KEY_[A-Z_]+),.*?(SIGNAL |HOME )?"([a-z-]+)"\}', (ROOT / "lib/dots/schema.c").read_text())
    assert len(rows) == len(keys)
    return {int(keys[key]): (module.strip(), name) for key, module, name in rows}


def test_attributes_are_those_of_the_modules(folder):
    text = tree(folder, SIGNAL, CALL_HOME).split("module: ietf-dots-call-home")[0]
    assert {f":({case})" in text for case in CASES} == {True}
    assert nodes(text).keys() == {name for _, name in table().values()} - NOT_IN_THE_MODULE - CASES


def test_what_call_home_adds(folder):
    """RFC 9066 section 6: three lists of sources and where else to call, keys 0x8000 to 0x8007 (table 1)."""
    before = nodes(tree(folder, SIGNAL))
    after = nodes(tree(folder, SIGNAL, CALL_HOME).split("module: ietf-dots-call-home")[0])
    added = {name: kind for name, kind in after.items() if name not in before}
    assert added == {
        "source-prefix": "inet:ip-prefix", "source-port-range": "[lower-port]", "source-icmp-type-range": "[lower-type]",
        "lower-type": "uint8", "upper-type": "uint8",
        "alt-ch-client": "inet:domain-name", "alt-ch-client-record": "inet:ip-address", "ttl": "uint32"}
    ours = {name: key for key, (_, name) in table().items() if key >= 0x8000}
    assert ours == {name: 0x8000 + i for i, name in enumerate(added)}


def test_draft_and_rfc_name_the_same_sources(folder):
    """What `show mitigations -j` speaks is the draft's module; its names are those of RFC 9066."""
    draft = nodes(tree(folder, "ietf-dots-call-home@2018-04-01"))
    assert draft == {
        "source-prefix": "inet:ip-prefix", "source-port-range": "[lower-port upper-port]",
        "source-icmp-type-range": "[lower-type upper-type]", "lower-port": "inet:port-number",
        "upper-port": "inet:port-number", "lower-type": "uint8", "upper-type": "uint8"}
