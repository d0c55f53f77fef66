# SPDX-License-Identifier: BSD-3-Clause
"""Real homes behind softwires: DS-Lite (RFC 6333), lw4o6 (RFC 7596) and MAP-E (RFC 7597)."""
import contextlib
import re

import access
import lab
import pytest
from conftest import accounts_balance
from test_hosts import iperf3, many_flows, moved
from test_hosts64 import heard, listen
from test_programs import hairpin_tcp, reflector  # noqa: F401 (a fixture)

PYTHON = "/usr/bin/python3"
FIRST_HOP = {access.DsLite: "192.0.0.1", access.Lw4o6: lab.BOX_OUTSIDE, access.MapE: lab.BOX_OUTSIDE}


@contextlib.contextmanager
def homes(service, workers):
    """Around a box that is up; at the end every packet must be accounted for."""
    with lab.Lab() as made:
        made.build()
        made.access, made.workers = service, workers
        access.start(made, service, workers=workers, dots=False)
        yield made
        lab.wait_for("received = sum of verdicts", lambda: accounts_balance(made))
        assert made.stop_box() == 0
        assert ": error: " not in made.log_text()


@pytest.fixture(scope="module", ids=["ds-lite-1-worker", "ds-lite-3-workers", "lw4o6-3-workers", "map-e-1-worker"], params=[
    (access.DsLite, 1), (access.DsLite, 3), (access.Lw4o6, 3), (access.MapE, 1)])
def box(request):
    service, workers = request.param
    with homes(service(), workers) as made:
        yield made


def own_port(box, host):
    """One that the home's router leaves as it is: of its ports, if it has some."""
    if isinstance(box.access, access.SharedAddress):
        return box.access.ranges(host)[0][0]
    return 6200


@pytest.fixture
def links(box):
    """Makes links and tunnels of the subscribers, and the box's idea of them, as large as it is told."""
    def set_sizes(link, tunnel):
        config = box.config(workers=box.workers, dots=False, mtu_inside=link)
        box.access.configure(config)
        box.reload(config)
        for host in access.HOSTS6:
            box.ip(host, "link", "set", "eth0", "mtu", link)
            box.ip(host, "link", "set", "tunnel", "mtu", tunnel)
        box.ip("victim", "route", "flush", "cache")

    yield set_sizes
    set_sizes(1500, 1500 - access.TUNNEL)


@pytest.mark.parametrize("link, tunnel", [(1280, 1240), (1420, 1380), (1500, 1460), (1280, 1500), (1500, 1500)])
def test_tcp(box, links, link, tunnel):
    """Both ways, with what the link leaves beside the outer header, and with what it does not: the home sends fragments
    of tunnel packets then, and the box tells the victim what fits (RFC 2473 section 7.2)."""
    links(link, tunnel)
    assert moved(iperf3(box, "attacker", "-n", "4M"), 4)
    assert moved(iperf3(box, "attacker", "-n", "4M", "-R"), 4)
    if tunnel > link - access.TUNNEL:
        told = box.exec("victim", "ip", "route", "get", lab.POOL).stdout
        assert f"mtu {link - access.TUNNEL} " in told


def test_many_flows(box):
    many_flows(box, 24, 1 << 19)


def ping(box, host, *words):
    out = box.exec(host, "ping", "-c", "3", "-w", "30", "-i", "0.2", *words, check=False).stdout
    assert "3 received" in out, out


def test_ping(box):
    """Small, as large as fits, and in fragments, of which packet sockets make one up to 2048 bytes."""
    for size in (56, 1400, 1900):
        ping(box, "attacker", "-s", str(size), lab.VICTIM)


def test_ping_from_outside(box):
    """A home that has identifiers of its own is reached by them; behind an AFTR nobody has, until he asks."""
    for host in access.HOSTS6:
        words = ("-e", str(own_port(box, host)), "-s", "1600", lab.POOL)
        if isinstance(box.access, access.SharedAddress):
            ping(box, "victim", *words)
        else:
            dropped = box.verdicts().get("drop-no-mapping", 0)
            box.exec("victim", "ping", "-c", "1", "-W", "1", *words, check=False)
            assert box.verdicts()["drop-no-mapping"] > dropped


def hops(box, host, target, *words):
    out = box.exec(host, "traceroute", "-n", "-q", "1", "-m", "5", *words, target).stdout
    return re.findall(r"^ *(\d+) +(\S+)", out, re.M)


def test_traceroute(box):
    """The tunnel is one hop, and the victim the next."""
    way = [("1", FIRST_HOP[type(box.access)]), ("2", lab.VICTIM)]
    for method in ("-I", "-U", "-T"):
        lab.wait_for(f"both hops by traceroute {method}", lambda: hops(box, "neighbour", lab.VICTIM, method) == way)


def opened(box, host):
    """The outside port of one that a home has sent from."""
    victim = listen(box, "victim", "", 9200)
    box.exec(host, PYTHON, "-c", "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
             f's.bind(("", {own_port(box, host)})); s.sendto(b"hello", ("{lab.VICTIM}", 9200))')
    address, port, _ = heard(box, victim)
    assert address == lab.POOL
    return port


def test_traceroute_from_outside(box):
    port = opened(box, "attacker")
    lab.wait_for("both hops", lambda: hops(box, "victim", lab.POOL, "-U", "-p", port) == [
        ("1", lab.BOX_OUTSIDE), ("2", lab.POOL)])


def test_hairpin(box, reflector):  # noqa: F811
    """TCP between two homes that know each other by the address that they share."""
    hairpin_tcp(box, own_port(box, "neighbour"))


@pytest.mark.parametrize("box", [(access.Lw4o6BesideNat44, 3)], indirect=True, ids=["lw4o6-beside-nat44"])
def test_between_services(box, reflector):  # noqa: F811
    """TCP between a home behind a softwire and one whose addresses the box translates; either may serve."""
    hairpin_tcp(box, 7000)
    hairpin_tcp(box, own_port(box, "attacker"), "attacker", "neighbour", box.access.pool)
    assert all(box.verdicts()[verdict] > 100 for verdict in ("nat44-hairpin", "softwire-hairpin"))
