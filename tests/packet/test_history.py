# SPDX-License-Identifier: BSD-3-Clause
"""Who had which ports, over restarts and crashes: resolve/history-file."""
import json
import os
import stat

from scapy.all import IP, UDP

from config import config
from lab import HOMEPORTD, ROOT, run

FILE = {"homeport:homeport": {"resolve": {"history-file": "history.db"}}}
# one address of which four blocks of 4096 may be given out, so that what rests is missed at once
SMALL = {"workers": 1, "pool": "203.0.113.1/32",
         "policy": {"port-set": {"port-set-size": 4096}, "homeport:max-port-sets": 1}}
BLOCKS = 15


def packet(host, remote="198.18.0.9"):
    return IP(src=host, dst=remote) / UDP(sport=1000, dport=2000)


def crash(box):
    """Ends the daemon without a word."""
    box.control.close()
    box.box.kill()
    box.box.wait()
    box.processes.remove(box.box)
    box.box.stdout.close()


def restart(box, **parts):
    return box.start_daemon(config(**parts))


def ports_given(box, count):
    """The first ports of the blocks that so many new subscribers are given."""
    given = []
    for _ in range(count):
        given.append(box.out(packet(box.host()))[UDP].sport & ~4095)
    return given


def lookup(box, port, *words):
    answer = box.ask("lookup", "203.0.113.1", port, "udp", *words)
    return answer["homeport:homeport"]["resolve"]["answer"]["holder"]


def test_restart_lets_ports_rest(fresh):
    """After a clean restart no port comes back that was in use less than the hold-down time ago, and all
    do after it (RFC 6888 REQ-8)."""
    box = fresh(**SMALL, more=FILE)
    before = ports_given(box, 3)
    box.stop_daemon()
    restart(box, **SMALL, more=FILE)
    after = ports_given(box, BLOCKS - 3)
    assert not set(before) & set(after)
    box.refused(packet(box.host()), "drop-pool")
    box.advance(121)
    assert sorted(ports_given(box, 3)) == sorted(before)


def test_crash_lets_ports_rest(fresh):
    """The same after kill -9: what was committed a second ago is known (RFC 6888 REQ-8)."""
    box = fresh(**SMALL, more=FILE)
    before = ports_given(box, 3)
    box.advance(2)
    box.counters()
    crash(box)
    restart(box, **SMALL, more=FILE)
    after = ports_given(box, BLOCKS - 3)
    assert not set(before) & set(after)
    box.refused(packet(box.host()), "drop-pool")
    box.advance(121)
    assert sorted(ports_given(box, 3)) == sorted(before)


def test_blocks_given_back_rest_over_a_restart(fresh):
    """A block that was resting when the box ended rests on, and not longer than it would have."""
    box = fresh(**SMALL, more=FILE)
    before, = ports_given(box, 1)
    box.advance(301)  # the mapping ends,
    box.advance(121)  # and the block is given back
    assert not box.subscribers()
    box.stop_daemon()
    # the new run begins at the true time, before the held clock's: the rest is then 120 s from there
    restart(box, **SMALL, more=FILE)
    assert before not in ports_given(box, BLOCKS - 1)
    box.advance(121)
    assert ports_given(box, 1) == [before]


def test_no_file_no_memory(fresh):
    """Without the file a box knows nothing; hold-down-at-start makes it wait instead (RFC 6888 REQ-8)."""
    box = fresh(**SMALL)
    ports_given(box, 3)
    box.stop_daemon()
    restart(box, **SMALL)
    assert len(set(ports_given(box, BLOCKS))) == BLOCKS
    box.stop_daemon()
    waiting = {**SMALL, "policy": {**SMALL["policy"], "homeport:hold-down-at-start": True}}
    restart(box, **waiting)
    host = box.host()
    box.refused(packet(host), "drop-hold-down")
    box.advance(118)
    box.refused(packet(host), "drop-hold-down")
    box.advance(3)
    box.out(packet(host))


def test_a_new_pool_over_old_addresses_rests(fresh):
    """A reload that grows a pool ends what was in it; the ports are not handed on at once (RFC 6888 REQ-8)."""
    box = fresh(**SMALL)
    before = ports_given(box, 3)
    policy = {**SMALL["policy"], "port-set": {"port-set-size": 2048}}
    box.reload(config(workers=1, pool=SMALL["pool"], policy=policy))
    after = [box.out(packet(box.host()))[UDP].sport for _ in range(24)]
    assert not {p & ~4095 for p in after} & set(before)


def test_lookup_after_restart(fresh):
    """The past is answered from the file, also beyond what memory holds."""
    box = fresh(**SMALL, more=FILE)
    host = box.host()
    port = box.out(packet(host))[UDP].sport
    held, = lookup(box, port)
    box.stop_daemon()
    small = {"homeport:homeport": {"resolve": {**FILE["homeport:homeport"]["resolve"], "history-size": 0}}}
    for more in (FILE, small):
        restart(box, **SMALL, more=more)
        then, = lookup(box, port, "--at", held["from"], "--tolerance", "1")
        assert then["subscriber"] == held["subscriber"] == f"{host}/32"
        assert then["nat-instance"] == 1 and then["from"] == held["from"] and then["until"]
        assert then["lower-port"] == then["upper-port"] == port
        # while its ports rest it answers for the present as well
        assert lookup(box, port) == [then]
        box.stop_daemon()
    restart(box, **SMALL, more=small)


def test_only_owner_may_read(fresh):
    """Who had which port is nobody else's business."""
    box = fresh(**SMALL, more=FILE)
    for name in ("history.db", "history.db-wal"):
        assert stat.S_IMODE(os.stat(box.folder / name).st_mode) == 0o600


def test_bad_file(fresh):
    """A file that is none of ours ends the start with the reason."""
    box = fresh(**SMALL)
    box.stop_daemon()
    (box.folder / "history.db").write_bytes(b"no database at all, but some text\n" * 40)
    bad = config(**SMALL, more=FILE)
    bad["homeport:homeport"]["management"] = {"socket": str(box.folder / "homeport.sock")}
    (box.folder / "bad.json").write_text(json.dumps(bad))
    done = run("ip", "netns", "exec", box.name("box"), HOMEPORTD, "-c", box.folder / "bad.json", check=False,
               env={**os.environ, "HOMEPORT_YANG": str(ROOT / "yang")})
    assert done.returncode == 3 and "history-file" in done.stderr and "not a database" in done.stderr
    restart(box, **SMALL)
