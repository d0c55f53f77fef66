# SPDX-License-Identifier: BSD-3-Clause
"""homeportd as a process: how it starts, tells that it is ready, and ends."""
import os
import signal
import socket

import pytest

import traffic
from base import GONE, INSIDE, OUTSIDE, PLATFORM, base, changed
from conftest import PATIENCE


@pytest.fixture
def quiet(daemon):
    """A folder with an input file without packets."""
    traffic.write(daemon.folder)
    return daemon


@pytest.mark.parametrize("words", [
    [], ["-c"], ["--nonsense"], ["-c", "x", "more"], ["-c", "x", "--log-level", "loud"], ["--check"]])
def test_usage(daemon, words):
    done = daemon.run(*words)
    assert (done.returncode, done.stdout) == (2, "") and "homeportd" in done.stderr


def test_help_and_version(daemon):
    assert daemon.run("--help").stdout.startswith("usage: homeportd -c FILE")
    assert daemon.run("--version").stdout.startswith("homeportd ")


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("workers", [1, 3])
def test_it_ends_in_good_order(quiet, by, workers):
    quiet.start(changed({f"{PLATFORM}/workers": workers}))
    assert quiet.socket.is_socket()
    assert quiet.stop(by) == 0
    assert not quiet.socket.exists()


def test_systemd_is_told(quiet):
    """sd_notify(3): READY=1 when packets flow, RELOADING=1 around a reload, STOPPING=1 at the end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(quiet.folder / "notify"))
        heard.settimeout(PATIENCE)
        quiet.start(base(), NOTIFY_SOCKET=str(quiet.folder / "notify"))
        told = heard.recv(4096).decode()
        assert "READY=1" in told.splitlines() and "1 worker" in told
        quiet.reload(base())
        assert "RELOADING=1" in heard.recv(4096).decode()
        assert "READY=1" in heard.recv(4096).decode()
        assert quiet.stop() == 0
        assert "STOPPING=1" in heard.recv(4096).decode()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a view of /sys of its own")
def test_too_few_huge_pages(quiet):
    """A machine without huge pages is told about once, and carries packets all the same."""
    hide = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /sys/kernel/mm/hugepages && exec "$@"', "sh"]
    quiet.start(changed({f"{PLATFORM}/huge-pages": True}), under=hide)
    assert "0 MiB of huge pages are free" in quiet.wait_log("huge pages")
    assert "of ordinary memory" in quiet.wait_log("eal")
    assert quiet.homeport("show", "counters").returncode == 0
    assert quiet.stop() == 0


NOT_STARTED = {
    "a device that does not exist": ({f"{OUTSIDE}/homeport:device": "net_nothing0"}, 1, "net_nothing0"),
    "a file that is not there": (
        {f"{INSIDE}/homeport:device": "net_pcap0,rx_pcap=FOLDER/none.pcap"}, 1, "net_pcap0"),
    "an option that DPDK does not know": ({f"{PLATFORM}/eal-option": ["--nonsense"]}, 1, "DPDK does not start"),
    "a socket in a folder that is not there": (
        {"homeport:homeport/management/socket": "FOLDER/none/homeport.sock"}, 3, "none/homeport.sock"),
}


@pytest.mark.parametrize("case", NOT_STARTED.values(), ids=NOT_STARTED.keys())
def test_what_does_not_start_leaves_nothing(quiet, case):
    changes, code, told = case
    quiet.write(changed(changes))
    done = quiet.run("-c", quiet.file)
    assert done.returncode == code and "ready" not in done.stdout
    assert told in done.stderr
    assert not quiet.socket.exists()


def test_a_second_daemon_on_the_socket_is_refused(quiet):
    quiet.start(base())
    done = quiet.run("-c", quiet.file)
    assert done.returncode == 3 and "another daemon listens there" in done.stderr
    # and the first one goes on
    assert quiet.homeport("show", "counters").returncode == 0
    assert quiet.stop() == 0


def test_a_socket_left_by_a_crash_is_taken_over(quiet):
    quiet.start(base())
    quiet.process.kill()
    quiet.process.wait()
    assert quiet.socket.exists()
    quiet.start(base())
    assert quiet.stop() == 0


def test_the_socket_is_for_owner_and_group_only(quiet):
    quiet.start(base())
    assert os.stat(quiet.socket).st_mode & 0o777 == 0o660
    assert quiet.stop() == 0


def test_until_idle(daemon):
    """What comes from a file is translated into another, and the daemon ends by itself."""
    traffic.write(daemon.folder, *traffic.of_three_hosts())
    daemon.write(changed({"homeport:homeport/dots": GONE}))
    done = daemon.run("-c", daemon.file, "--until-idle")
    assert (done.returncode, done.stdout) == (0, "ready\n")
    sent, left = traffic.of_three_hosts(), traffic.read(daemon.folder, "outside")
    assert len(left) == len(sent)
    for before, after in zip(sent, left):
        assert after.src.startswith("203.0.113.") and after.dst == before.dst
        assert after.ttl == before.ttl - 1
        assert bytes(after.payload.payload) == bytes(before.payload.payload)
    assert traffic.read(daemon.folder, "inside") == []
