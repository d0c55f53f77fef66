# SPDX-License-Identifier: BSD-3-Clause
"""Real homes with MAP-T (RFC 7599) that share an address. An independent translator is their routers' CE (tayga)."""
import access
import lab
import pytest
from test_hosts import iperf3, many_flows, moved
from test_softwires import homes, hops, opened, own_port, ping


@pytest.fixture(scope="module", params=[1, 3], ids=["1-worker", "3-workers"])
def box(request):
    with homes(access.MapT(), request.param) as made:
        lab.wait_for("the CE translates", lambda: "1 received" in made.exec(
            "attacker", "ping", "-c", "1", "-W", "1", lab.VICTIM, check=False).stdout)
        yield made


def test_tcp(box):
    """Both ways."""
    assert moved(iperf3(box, "attacker", "-n", "8M"), 8)
    assert moved(iperf3(box, "attacker", "-n", "8M", "-R"), 8)


def test_many_flows(box):
    many_flows(box, 24, 1 << 19)


def test_ping(box):
    """Out, and in by an identifier of each home."""
    for size in (56, 1400):
        ping(box, "attacker", "-s", str(size), lab.VICTIM)
    for host in access.HOSTS6:
        ping(box, "victim", "-e", str(own_port(box, host)), lab.POOL)


def test_path_mtu(box):
    """What is 20 bytes too large for the way to the home is told so (RFC 7915 section 4)."""
    words = ("-M", "do", "-s", "1472", "-c", "1", "-e", str(own_port(box, "attacker")), lab.POOL)
    assert "mtu = 1480" in box.exec("victim", "ping", *words, check=False).stdout
    box.ip("victim", "route", "flush", "cache")


def test_traceroute(box):
    """The home's router is a hop for each family, of which the second has no IPv4 address; the box is the next."""
    way = [("1", access.ROUTER), ("2", "*"), ("3", lab.BOX_OUTSIDE), ("4", lab.VICTIM)]
    for method in ("-I", "-U"):
        lab.wait_for(f"all hops by traceroute {method}", lambda: hops(box, "neighbour", lab.VICTIM, method) == way)


def test_traceroute_from_outside(box):
    """The box; the home's router, which has no IPv4 address, so that it seems to be the box (RFC 6791); and the home."""
    port = opened(box, "attacker")
    way = [(str(n), lab.BOX_OUTSIDE) for n in (1, 2, 3)] + [("4", lab.POOL)]
    lab.wait_for("all hops", lambda: hops(box, "victim", lab.POOL, "-U", "-p", port) == way)
