# SPDX-License-Identifier: BSD-3-Clause
"""What a hostile upstream does to a Call Home DOTS server: it costs that upstream its session or gets it an
error, and a good upstream of the same server is served as before (RFC 9132 section 11, RFC 8323
section 5)."""
import socket

import pytest
from conftest import HOLDERS, HOME, TESTSERVER, UPSTREAM
from hostile import CSM, GET, RELEASE, Bending, Path, Upstream, frame, path, put
from test_libcoap import EXTRA, PUT

ATTACK = "--source 203.0.113.7/32 --source-port 1500 --target 198.51.100.10/32 --protocol 17"
BAD = "bad.example"
BODY = bytes.fromhex(PUT)
FLOOD = 2000


@pytest.fixture
def hostile(authority):
    """Starts hostile upstreams with a certificate that is in order."""
    running = []
    authority.issue(BAD)
    certificate, key, ca = authority.options(BAD)[1::2]

    def starter(act, **files):
        running.append(Upstream(files.get("certificate", certificate), files.get("key", key), ca, act))
        return running[-1]

    yield starter
    for upstream in running:
        upstream.close()


@pytest.fixture
def beside(start, client, authority):
    """A server with a good upstream and, on a port, a bad one. The good one is served before and after."""
    def starter(port, *, transport="tls", bad=BAD, more="", **good):
        upstream = client()
        home = start(
            TESTSERVER,
            "--upstream", f"name=good,host=127.0.0.1,port={upstream.port},peer={UPSTREAM},transport=dtls",
            "--upstream", f"name=bad,host=127.0.0.1,port={port},peer={bad},transport={transport}{more}",
            *authority.options(HOME), *HOLDERS, *EXTRA)
        home.wait("ready")
        upstream.wait("up")
        home.upstream = upstream
        return home

    return starter


def bad_session(home):
    home.say("show")
    return home.wait("show")["sessions"][1]


def well_served(home):
    """The good upstream gets what it asks for, and so again."""
    for code in ("2.01", "2.04"):
        home.upstream.say(f"mitigate {ATTACK} --mid 77")
        assert home.upstream.wait("reply", command="mitigate")["code"] == code
    home.upstream.say("withdraw --mid 77")
    assert home.upstream.wait("reply", command="withdraw")["code"] == "2.02"
    home.say("quit")
    assert home.end() == 0, home.log


# ---------------------------------------------------------------------- what is said

FIRST = frame(CSM, token=b"")
ENDS = {
    "a request before the CSM": (put("x", 1, BODY),
        "the first message is no CSM"),
    "no CoAP": (bytes(range(256)) * 4,
        "the first message is no CSM"),
    "a token of nine bytes": (FIRST + b"\x09\x01" + b"123456789",
        "a reserved token length"),
    "a frame of 4 GB": (FIRST + b"\xf0\xff\xff\xff\xff\x03",
        "a message longer than 65536 bytes"),
    "a critical option in the CSM": (frame(CSM, b"\x91\x01", token=b""),
        "a critical option of a signalling message is unknown"),
    "an option longer than its message": (FIRST + b"\x20\x01\xbd\xff",
        "session lost: malformed message"),
    "a release in the middle": (FIRST + frame(RELEASE, token=b""),
        "session lost: released by the peer"),
}


@pytest.mark.parametrize("what", ENDS)
def test_words_that_end_a_session(beside, hostile, what):
    words, why = ENDS[what]
    upstream = hostile(lambda tls: tls.sendall(words))
    home = beside(upstream.port)
    home.wait_log(why)
    home.wait_log("no session with 127.0.0.1, next attempt in")
    assert bad_session(home)["mitigations"] == 0
    well_served(home)


def deep(levels):
    return b"\x81" * levels + b"\x00"


ANSWERED = {
    "no body": b"",
    "an open end": BODY[:-1],
    "two bodies": BODY + BODY,
    "an array in an array, and so on": deep(4000),
    "a map of 2^32 entries": bytes.fromhex("baffffffff0000"),
    "a text of 2^63 bytes": bytes.fromhex("a17b7fffffffffffffff00"),
    "sixty thousand bytes": b"\x59\xea\x60" + bytes(60000),
}


@pytest.mark.parametrize("what", ANSWERED)
def test_bodies_that_are_refused(beside, hostile, what):
    """MR-22: 4.00 or 4.13 with a diagnostic, and the session goes on."""
    body = ANSWERED[what]
    upstream = hostile(lambda tls: tls.sendall(FIRST + put("x", 1, body) + put("x", 2, BODY)))
    home = beside(upstream.port)
    assert home.wait("acl-add")["subscriber"] == "100.64.0.77"
    session = bad_session(home)
    assert session["refused"] == 1 and session["mitigations"] == 1, session
    well_served(home)


def test_what_nobody_asked_for(beside, hostile):
    """Answers without a question, empty messages, the CSM again, and the same request over and over: one
    mitigation."""
    words = (FIRST + frame(0x45, payload=b"x", token=b"unasked") + b"\x00\x00" + FIRST
             + put("x", 1, BODY) * 50)
    upstream = hostile(lambda tls: tls.sendall(words))
    home = beside(upstream.port)
    home.wait("acl-add")
    home.say("show")
    shown = home.wait("show")
    while shown["sessions"][1]["requests"] < 50:
        home.say("show")
        shown = home.wait("show")
    assert shown["sessions"][1]["mitigations"] == 1 and len(shown["mitigations"]) == 1
    well_served(home)


def test_a_flood_of_cuids(beside, hostile):
    """GW-05, RFC 9132 section 11: new names are worth no more than the upstream's share."""
    words = FIRST + b"".join(put(f"cuid{i}", 1, BODY) for i in range(FLOOD))
    upstream = hostile(lambda tls: tls.sendall(words))
    home = beside(upstream.port, more=",max-mitigations=20")
    while bad_session(home)["requests"] < FLOOD:
        pass
    session = bad_session(home)
    assert session["mitigations"] <= 20 and session["refused"] >= FLOOD - 20
    well_served(home)


def test_one_who_does_not_listen(beside, hostile):
    """It asks, and reads no answer: what waits for it is bounded, and then it has had its session."""
    def act(tls):
        tls.sendall(FIRST + put("x", 1, BODY))
        while True:
            tls.sendall(frame(GET, path("mitigate", "cuid=x")) * 200)

    upstream = hostile(act)
    home = beside(upstream.port)
    home.wait_log("session lost: the peer does not read its answers")
    well_served(home)


def test_a_byte_at_a_time(beside, hostile):
    def act(tls):
        for byte in FIRST + put("x", 1, BODY):
            tls.sendall(bytes([byte]))

    home = beside(hostile(act).port)
    assert home.wait("acl-add")["subscriber"] == "100.64.0.77"
    well_served(home)


# ---------------------------------------------------------------------- what is shown and not shown

CERTIFICATES = {
    "for dialling only": ({"usage": "client"}, "its key usages lack serverAuth"),
    "expired": ({"from_days": -10, "to_days": -1}, "certificate has expired"),
    "not yet": ({"from_days": 5, "to_days": 10}, "certificate is not valid before"),
    "of another name": ({"subject": "other.example"}, "certificate is for other.example"),
    "an authority's": ({"authority": True}, "certificate may not be used on that side"),
}


@pytest.mark.parametrize("what", CERTIFICATES)
def test_certificates(beside, hostile, authority, what):
    """CH-04: it is not served, whatever it says."""
    how, why = CERTIFICATES[what]
    file = what.replace(" ", "-")
    certificate, key, _ = authority.issue(how.pop("subject", BAD), file, **how)[1::2]
    upstream = hostile(lambda tls: tls.sendall(FIRST + put("x", 1, BODY)), certificate=certificate,
                       key=key)
    home = beside(upstream.port)
    home.wait_log("no session with 127.0.0.1, next attempt in")
    home.wait_log(why)
    session = bad_session(home)
    assert session["sessions"] == 0 and session["requests"] == 0
    well_served(home)


@pytest.mark.parametrize("words", [b"", b"\x16\x03\x03\x40\x00" + bytes(100), b"HTTP/1.0 200 OK\r\n\r\n"],
                         ids=["silence", "half a record", "no TLS"])
def test_handshakes_that_lead_nowhere(beside, words):
    """The good upstream is served while the other handshake hangs or fails."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        home = beside(listening.getsockname()[1])
        connection, _ = listening.accept()
        connection.sendall(words)
        well_served(home)
        connection.close()


# ---------------------------------------------------------------------- what happens on the way

@pytest.fixture
def bent():
    running = []

    def starter(port):
        running.append(Path(port))
        return running[-1]

    yield starter
    for path_between in running:
        path_between.close()


@pytest.mark.parametrize("seed", range(4))
def test_datagrams_on_a_bad_path(start, client, server, bent, seed):
    """Once the session is up each datagram comes twice, and with it an older one, itself with a bit turned, its
    head, and noise. DTLS lets through each record once (RFC 6347 section 4.1.2.6): each
    request is one."""
    upstream = client()
    between = bent(upstream.port)
    home = server(between.port, "dtls")
    upstream.wait("up")
    between.bend = Bending(seed)
    upstream.wait("reply", command="config")
    for mid in range(1, 6):
        upstream.say(f"mitigate --source 203.0.113.7/32 --source-port 1500 --target 198.51.100.{mid}/32 "
                     f"--mid {mid}")
        assert upstream.wait("reply", command="mitigate")["code"] == "2.01"
    upstream.say("withdraw --mid 3")
    assert upstream.wait("reply", command="withdraw")["code"] == "2.02"

    # all that the upstream ever sent, again: the withdrawn one does not come back
    for datagram in list(between.to_server):
        between.front.sendto(datagram, between.server)
    upstream.say("get --all")
    reply = upstream.wait("reply", command="get")
    scopes = reply["body"]["ietf-dots-signal-channel:mitigation-scope"]["scope"]
    assert [s["mid"] for s in scopes] == [1, 2, 4, 5]
    home.say("show")
    session, = home.wait("show")["sessions"]
    assert session["requests"] == 8 and session["sessions"] == 1 and session["mitigations"] == 4
