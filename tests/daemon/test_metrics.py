# SPDX-License-Identifier: BSD-3-Clause
"""management/metrics: what curl gets, read by the parser of the Prometheus client library."""
import calendar
import socket
import subprocess
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

import traffic
from base import GONE, PLATFORM, base, changed

METRICS = "homeport:homeport/management/metrics"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def listening(port, **more):
    return changed({METRICS: {"address": "127.0.0.1", "port": port}, **more})


def curl(port, *words, path="/metrics"):
    return subprocess.run(["curl", "-sS", "--max-time", "60", *words, f"http://127.0.0.1:{port}{path}"],
                          capture_output=True, text=True)


def families(port):
    done = curl(port, "-f")
    assert done.returncode == 0, done.stderr
    return {f.name: f for f in text_string_to_metric_families(done.stdout)}


def values(family, *labels):
    return {tuple(s.labels[name] for name in labels): s.value for s in family.samples}


@pytest.fixture
def box(daemon):
    """A box that has carried three packets, on a held clock."""
    daemon.port = free_port()
    traffic.write(daemon.folder, *traffic.of_three_hosts())
    daemon.start(listening(daemon.port), "--test-clock")
    daemon.wait_for("the packets", lambda: received(daemon.port) == 3)
    return daemon


def received(port):
    return families(port)["homeport_received_packets"].samples[0].value


def test_packets(box):
    """Received packets are the sum of the verdicts, and of those of the interfaces."""
    page = families(box.port)
    by_verdict = values(page["homeport_packets"], "verdict", "kind")
    assert by_verdict["nat44-out", "forward"] == 3 and sum(by_verdict.values()) == 3
    assert values(page["homeport_interface_received_packets"], "interface") == {("inside",): 3, ("outside",): 0}
    assert values(page["homeport_worker_mappings"], "worker") == {("0",): 3}
    assert values(page["homeport_worker_handed_over_packets"], "worker") == {("0",): 0}
    assert 0 <= values(page["homeport_worker_busy_milliseconds"], "worker")["0",] \
        <= values(page["homeport_worker_time_milliseconds"], "worker")["0",]
    pool = ("1", "1", "1")
    labels = ("instance", "policy", "pool")
    assert values(page["homeport_pool_addresses"], *labels) == {pool: 16}
    assert values(page["homeport_pool_ports_used"], *labels)[pool] > 0


def test_names_and_kinds(box):
    """Every family has its help and a kind, and counters alone are called totals."""
    text = curl(box.port).stdout
    for family in text_string_to_metric_families(text):
        assert family.documentation and family.type in ("counter", "gauge")
        name = family.name + ("_total" if family.type == "counter" else "")
        assert f"# TYPE {name} {family.type}\n" in text
        assert {s.name for s in family.samples} <= {name}


def test_upstreams_and_certificates(box):
    page = families(box.port)
    assert values(page["homeport_dots_session_up"], "upstream") == {("isp",): 0}
    assert page["homeport_homes_ready"].samples == []  # homes are not served here
    ends = values(page["homeport_certificate_end_timestamp_seconds"], "upstream", "certificate")
    shown = subprocess.run(["openssl", "x509", "-noout", "-enddate", "-in", box.folder / "pki/box.pem"],
                           capture_output=True, text=True, check=True).stdout
    date = time.strptime(shown.strip(), "notAfter=%b %d %H:%M:%S %Y GMT")
    assert ends["isp", "box"] == calendar.timegm(date) and ends.keys() == {("isp", "box"), ("isp", "authority")}


def test_what_else_is_asked(box):
    head = curl(box.port, "-I").stdout
    assert " 200 " in head and "text/plain; version=0.0.4" in head
    code = ("-o", "/dev/null", "-w", "%{http_code}")
    assert curl(box.port, *code, path="/").stdout == "404"
    assert curl(box.port, *code, "-d", "x" * 100000).stdout == "405"
    assert curl(box.port, *code, "-X", "DELETE").stdout == "405"


def test_many_idle_connections(box):
    """They take up all there may be; once they are gone, others are answered."""
    idle = [socket.create_connection(("127.0.0.1", box.port)) for _ in range(40)]
    for connection in idle:
        connection.close()
    assert received(box.port) == 3


def test_reload(box):
    other = free_port()
    box.reload(listening(other))
    box.wait_for("the other port", lambda: curl(other).returncode == 0)
    assert curl(box.port).returncode == 7  # nobody listens any more
    box.reload(changed({METRICS: GONE}, listening(other)))
    box.wait_for("its end", lambda: curl(other).returncode == 7)
    box.reload(listening(box.port))
    box.wait_for("the first again", lambda: curl(box.port).returncode == 0)
    box.reload(listening(box.port, **{f"{PLATFORM}/workers": 2}))
    box.wait_log("restart")
    assert received(box.port) == 3
    assert box.stop() == 0


def test_a_port_that_is_taken(daemon):
    traffic.write(daemon.folder)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        daemon.write(listening(taken.getsockname()[1]))
        done = daemon.run("-c", daemon.file)
    assert done.returncode == 1
    assert "/homeport:homeport/management/metrics: cannot listen on 127.0.0.1 port" in done.stderr


def test_ipv6(daemon):
    port = free_port()
    traffic.write(daemon.folder)
    daemon.start(changed({METRICS: {"address": "::1", "port": port}}))
    done = subprocess.run(["curl", "-sSf", f"http://[::1]:{port}/metrics"], capture_output=True, text=True)
    assert "homeport_received_packets_total 0\n" in done.stdout
    assert daemon.stop() == 0


@pytest.mark.parametrize("metrics, told", [
    ({"address": "100.64.0.1"}, "management/metrics/address: 100.64.0.1 is an address of interface inside, which has "
     "no homeport:host-device. Allowed: "),
    ({"address": "127.0.0.1", "port": 0}, "metrics/port"),
    ({"port": 9647}, "metrics"),
])
def test_refused(daemon, metrics, told):
    traffic.write(daemon.folder)
    daemon.write(changed({METRICS: metrics}))
    done = daemon.run("-c", daemon.file, "--check")
    assert done.returncode == 1 and told in done.stderr
