# SPDX-License-Identifier: BSD-3-Clause
"""Binding tables in files (homeport:table-file): read as strictly as the configuration, each fault with its line."""
import pytest

from base import base
from refused import lw, relays

HEADER = "b4,ipv4,psid-offset,psid-len,psid,br"
RIGHT = "2001:db8:100::1,198.51.100.1,0,6,4,2001:db8:ffff::1"
COLUMNS = HEADER.split(",")


def check(daemon, content, **leaves):
    """What --check says of a table with this content, without the path that all of it begins with."""
    table = daemon.folder / "table.csv"
    table.write_bytes(content if isinstance(content, bytes) else content.encode())
    daemon.write({**base(), **relays({**lw(), "homeport:table-file": "table.csv", **leaves})})
    done = daemon.run("-c", daemon.file, "--check")
    begin = "homeportd: /ietf-softwire-br:br-instances/binding/bind-instance[name='lw']/homeport:table-file: "
    assert (done.returncode, done.stdout) == (1 if done.stderr else 0, "")
    lines = done.stderr.splitlines()
    assert all(line.startswith(begin) for line in lines), done.stderr
    return [line[len(begin):].replace(f"{table}", "FILE") for line in lines]


def line(**fields):
    """A right line with other fields."""
    values = dict(zip(COLUMNS, RIGHT.split(",")), **{k.replace("_", "-"): v for k, v in fields.items()})
    return ",".join(values[c] for c in COLUMNS)


def text(*lines):
    return "".join(f"{one}\n" for one in [HEADER, *lines])


def test_right(daemon):
    assert check(daemon, text(RIGHT, line(b4="2001:db8:101::/64", psid="5"), line(ipv4="198.51.100.2", psid_len="0", psid="0"),
                              line(ipv4="198.51.100.3", psid_len="16", psid="65535"))) == []
    assert check(daemon, text()) == []


@pytest.mark.parametrize("wrong, told", [
    (RIGHT + ",", "not 6 fields. Allowed: b4,ipv4,psid-offset,psid-len,psid,br"),
    (RIGHT.rsplit(",", 1)[0], "not 6 fields. Allowed: b4,ipv4,psid-offset,psid-len,psid,br"),
    ("", "not 6 fields. Allowed: b4,ipv4,psid-offset,psid-len,psid,br"),
    (line(b4="198.51.100.9"), "b4 198.51.100.9. Allowed: an IPv6 address, or a prefix without bits behind its length"),
    (line(b4="2001:db8::1/64"), "b4 2001:db8::1/64. Allowed: an IPv6 address, or a prefix without bits behind its length"),
    (line(b4="fe80::1%x"), "b4 fe80::1%x. Allowed: an IPv6 address, or a prefix without bits behind its length"),
    (line(b4="ff02::1", psid="5"), "b4 ff02::1. Allowed: a global unicast address without a zone, or a prefix"),
    (line(ipv4="198.51.100"), "ipv4 198.51.100. Allowed: an IPv4 address"),
    (line(ipv4=" 198.51.100.1"), "ipv4  198.51.100.1. Allowed: an IPv4 address"),
    (line(ipv4="0.0.0.0"), "ipv4 missing. Allowed: a unicast address"),
    (line(psid_offset="17"), "psid-offset 17. Allowed: 0 to 16"),
    (line(psid_offset="11", ipv4="198.51.100.2"), "psid-len 6, with psid-offset 11. Allowed: 16 bits together"),
    (line(psid_len="x"), "psid-len x. Allowed: 0 to 16"),
    (line(psid=""), "psid is empty. Allowed: 0 to 65535"),
    (line(psid="-1"), "psid -1. Allowed: 0 to 65535"),
    (line(psid="65536"), "psid 65536. Allowed: 0 to 65535"),
    (line(psid="64"), "psid 64. Allowed: 0 to 63"),
    (line(psid="4\r"), "psid 4?. Allowed: 0 to 65535"),
    (line(br="198.51.100.9"), "br 198.51.100.9. Allowed: an IPv6 address"),
    (line(psid_len="7"), "psid-len 7, with psid-offset 0, but 198.51.100.1 of 2001:db8:100::1 is divided by 6 and 0. "
                         "Allowed: one division of an address"),
    (line(b4="2001:db8:100::2"), "psid 4 of 198.51.100.1 is that of 2001:db8:100::1. Allowed: a port set in one binding only"),
])
def test_wrong_line(daemon, wrong, told):
    """The line is the third of the file."""
    assert check(daemon, text(RIGHT, wrong)) == [f"FILE line 3: {told}"]


def test_other_sources(daemon):
    """What the configuration has already may not stand in the file again."""
    entry = {"binding-ipv6info": "2001:db8:100::9", "binding-ipv4-addr": "198.51.100.1", "br-ipv6-addr": "2001:db8:ffff::1",
             "port-set": {"psid-len": 6, "psid": 4}}
    said, = check(daemon, text(RIGHT), **{"binding-table": {"binding-entry": [entry]}})
    assert said == ("FILE line 2: psid 4 of 198.51.100.1 is that of 2001:db8:100::9. Allowed: a port set in one binding only")


@pytest.mark.parametrize("content, told", [
    ("", "line 1: missing. Allowed: " + HEADER),
    (RIGHT + "\n", f"line 1: {RIGHT}. Allowed: {HEADER}"),
    (text()[:-1], "line 1: the last line does not end"),
    (text() + RIGHT, "line 2: the last line does not end"),
    (text().encode() + b"\0\n", ": holds a zero byte, so it is no text"),
])
def test_no_table(daemon, content, told):
    said, = check(daemon, content)
    assert said == f"FILE{' ' if told[0] == 'l' else ''}{told}"


def test_many_faults(daemon):
    """The first twenty are told, and how many more there are."""
    said = check(daemon, text(*["x"] * 25))
    assert len(said) == 21 and said[0].startswith("FILE line 2: ") and said[20] == "5 more faults. Allowed: none"


def test_too_many(daemon):
    daemon.write({**base(), **relays({**lw(), "softwire-num-max": 1, "homeport:table-file": "table.csv"})})
    (daemon.folder / "table.csv").write_text(text(RIGHT, line(psid="5")))
    done = daemon.run("-c", daemon.file, "--check")
    assert "softwire-num-max: 1, and there are 2 bindings. Allowed: as many or more" in done.stderr


def test_a_folder(daemon):
    daemon.write({**base(), **relays({**lw(), "homeport:table-file": "."})})
    done = daemon.run("-c", daemon.file, "--check")
    assert "no regular file" in done.stderr
