# SPDX-License-Identifier: BSD-3-Clause
"""What a hostile home, which is a Call Home DOTS server, does to the box that is its client: it costs that home its
session or its own mitigation, and the other home is served as before (RFC 9066 section 8, RFC 9132 section 11)."""
import itertools
import socket
import threading
import time

import pytest
from conftest import PATIENCE, TESTCLIENT, TESTSERVER
from hostile import CSM, GET, PUT, Bending, Home, Path, frame, option, path, put, well
from test_hostile import ANSWERED, BODY, ENDS, FIRST

GOOD, BAD, BOX = "good.example", "bad.example", "box.example"
TARGET = "198.51.100.10/32"
FLOOD = 2000


@pytest.fixture(scope="module")
def files(authority):
    """Certificate, key and CA of a name."""
    for name in (GOOD, BAD, BOX):
        authority.issue(name)
    return lambda name: authority.options(name)[1::2]


@pytest.fixture
def box(start, authority, files):
    made = start(TESTCLIENT, *authority.options(BOX), GOOD, BAD)
    made.port = made.wait("listening")
    return made


@pytest.fixture
def dial(box, files):
    """Homes that dial the box over TLS."""
    running = []

    def starter(name=BAD, **how):
        running.append(Home(box.port["tls"], *how.pop("files", files(name)), **how))
        return running[-1]

    yield starter
    for home in running:
        home.close()


def shown(box):
    box.say("show")
    return box.wait("show")


def wait_until(box, name, condition):
    """What is shown of a home once it is so."""
    end = time.monotonic() + PATIENCE
    while not condition(home := shown(box)["homes"][name]):
        assert time.monotonic() < end, f"{home}; log: {box.log[-20:]}"
    return home


def is_ready(home):
    return home["state"] == "ready"


def well_served(box, dial):
    """The good home takes what it is asked, and hears when it is over."""
    home = dial(GOOD)
    wait_until(box, GOOD, is_ready)
    box.say(f"order {GOOD} {TARGET}")
    box.wait("order", home=GOOD, state="confirmed")
    box.say(f"withdraw {GOOD}")
    wait_until(box, GOOD, lambda h: any(a.startswith("4 mitigate/") for a in home.asked))
    assert home.asked[0] == "1 config"
    box.say("quit")
    assert box.end() == 0, box.log


# ---------------------------------------------------------------------- what is said

@pytest.mark.parametrize("what", ENDS)
def test_words_that_end_a_session(box, dial, what):
    words, why = ENDS[what]
    dial(words=words)
    lost = wait_until(box, BAD, lambda h: h["state"] == "absent" and "last-error" in h)
    assert why.removeprefix("session lost: ") in lost["last-error"]
    well_served(box, dial)


@pytest.mark.parametrize("what", ANSWERED)
def test_bodies_that_are_refused(box, dial, what):
    """To whom the box is a client it is no server of mitigations, whatever the body."""
    home = dial(words=FIRST + put("x", 1, ANSWERED[what]) + put("x", 2, BODY))
    wait_until(box, BAD, is_ready)
    assert home.why is None
    well_served(box, dial)


def test_a_flood_of_cuids(box, dial):
    """GW-05: requests to the box come to nothing and cost no memory."""
    dial(words=FIRST + b"".join(put(f"cuid{i}", 1, BODY) for i in range(FLOOD)))
    wait_until(box, BAD, is_ready)
    assert shown(box)["orders"] == 0
    well_served(box, dial)


GARBAGE = option(12, b"\x01\x0f"), bytes.fromhex("a1ff")
ANSWERS = {
    "a body that is none": (lambda r: frame(0x41, *GARBAGE, r.token), "confirmed"),
    "no such request": (lambda r: frame(0x80, b"", b"x" * 60000, r.token), "refused"),
    "a conflict without a cause": (lambda r: frame(0x89, token=r.token), "refused"),
    "a conflict that is none": (lambda r: frame(0x89, *GARBAGE, r.token), "refused"),
    "success and then refusal": (lambda r: frame(0x41, token=r.token) + frame(0x80, token=r.token), "confirmed"),
    "the same a hundred times": (lambda r: frame(0x41, token=r.token) * 100, "confirmed"),
    "answers to nobody first": (
        lambda r: b"".join(frame(0x80, token=bytes([i])) for i in range(250)) + frame(0x41, token=r.token), "confirmed"),
}


@pytest.mark.parametrize("what", ANSWERS)
def test_answers(box, dial, what):
    """A request has one answer, the first under its token (RFC 7252 section 5.3.2)."""
    answer, state = ANSWERS[what]
    dial(answer=lambda r: answer(r) if (r.code, r.path[0]) == (PUT, "mitigate") else well(r))
    box.say(f"order {BAD} {TARGET}")
    box.wait("order", home=BAD, state=state)
    well_served(box, dial)


def test_answers_in_another_order(box, dial):
    """What is asked at once may be answered in any order; each answer is its own request's."""
    kept = []

    def answer(request):
        if (request.code, request.path[0]) != (PUT, "mitigate"):
            return well(request)
        kept.append(frame(0x41 if len(kept) % 2 else 0x80, token=request.token))
        return b"".join(reversed(kept[-4:])) if len(kept) % 4 == 0 else None

    home = dial(answer=answer)
    wait_until(box, BAD, is_ready)
    for i in range(4):
        box.say(f"order {BAD} 198.51.100.{i}/32")
    told = {}
    while len(told) < 4:
        order = box.wait("order", home=BAD)
        told[order["target"]] = order["state"]
    assert [told[f"198.51.100.{i}/32"] for i in range(4)] == ["refused", "confirmed", "refused", "confirmed"]
    assert sum(a.startswith("3 mitigate/") for a in home.asked) == 4
    well_served(box, dial)


def test_notifications_of_all_kinds(box, dial):
    """Some of no status, of another mitigation, under a token that nobody has: none of them counts. Then a hundred that
    it is over, which are one refusal. (What is old is told by order on a stream: RFC 8323 section 7.1.)"""
    over, other = bytes.fromhex("a101a10281a11007"), bytes.fromhex("a101a10281a205011007")

    def answer(request):
        if (request.code, request.path[0]) != (GET, "mitigate") or asked.is_set():
            return well(request)
        told = [(2, b"", request.token), (3, b"\xff", request.token),
                (4, BODY, request.token), (5, other, request.token), (6, over, b"nobody")]
        asked.set()
        return well(request) + b"".join(
            frame(0x45, option(6, bytes([n])) + option(6, b"\x01\x0f"), body, token) for n, body, token in told)

    asked = threading.Event()
    home = dial(answer=answer)
    box.say(f"order {BAD} {TARGET}")
    box.wait("order", home=BAD, state="confirmed")
    box.say(f"order {BAD} 198.51.100.11/32")  # what is told of it comes behind all those
    box.wait("order", home=BAD, target="198.51.100.11/32", state="confirmed")
    assert shown(box)["homes"][BAD]["confirmed"] == 2
    home.answer = lambda r: well(r) + b"".join(
        frame(0x45, option(6, bytes([n])) + option(6, b"\x01\x0f"), over, r.token) for n in range(2, 102))
    box.say(f"order {BAD} 198.51.100.12/32")
    box.wait("order", home=BAD, target="198.51.100.12/32", state="refused")
    well_served(box, dial)
    assert not [e for e in box.rest() if e["event"] == "order" and e["home"] == BAD]


def test_more_than_it_may_hold(box, dial):
    """GW-05: a home that answers nothing is asked for so much and no more, and takes nothing of the other's pace."""
    home = dial(answer=lambda r: None if r.path[0] == "mitigate" else well(r))
    wait_until(box, BAD, is_ready)
    for i in range(40):
        box.say(f"order {BAD} 198.51.100.{i}/32")
    box.wait("order", home=BAD, state="no room")
    assert shown(box)["homes"][BAD]["orders"] <= 24
    well_served(box, dial)
    assert sum(a.startswith("3 mitigate/") for a in home.asked) <= 24


def test_one_who_does_not_listen(box, dial):
    """It asks and asks, and reads nothing."""
    home = dial(answer=None)
    with pytest.raises(OSError):
        for _ in itertools.count():
            home.say(frame(GET, path("mitigate", "cuid=x")) * 200)
    lost = wait_until(box, BAD, lambda h: h["state"] == "absent")
    assert "does not read" in lost["last-error"]
    well_served(box, dial)


def test_a_byte_at_a_time(box, dial):
    dial(slowly=True)
    box.say(f"order {BAD} {TARGET}")
    box.wait("order", home=BAD, state="confirmed")
    well_served(box, dial)


def test_sessions_one_after_the_other(box, dial):
    """The newest is the home's; who comes with ten has one."""
    *older, newest = [dial() for _ in range(10)]
    home = wait_until(box, BAD, lambda h: is_ready(h) and all(o.why for o in older))
    assert newest.why is None and home["orders"] == 0
    well_served(box, dial)


# ---------------------------------------------------------------------- what is shown and not shown

CERTIFICATES = {
    "for listening only": {"usage": "server"},
    "expired": {"from_days": -10, "to_days": -1},
    "not yet": {"from_days": 5, "to_days": 10},
    "of another name": {"subject": "other.example"},
    "an authority's": {"authority": True},
    "none": None,
}


@pytest.mark.parametrize("what", CERTIFICATES)
def test_certificates(box, dial, authority, what):
    """CH-05: it is not listened to, whatever it says."""
    how = CERTIFICATES[what]
    shown_files = (None, None, authority.ca)
    if how is not None:
        how = dict(how)
        shown_files = authority.issue(how.pop("subject", BAD), "home-" + what.replace(" ", "-"), **how)[1::2]
    try:
        dial(files=shown_files, words=FIRST + put("x", 1, BODY))
    except OSError:
        pass  # TLS 1.3 tells after the handshake, or in the middle of the first words
    while not (counted := shown(box))["failed"] + counted["unknown"]:
        pass
    assert counted["homes"][BAD]["sessions"] == 0
    assert counted["unknown"] == (what == "of another name")
    well_served(box, dial)


@pytest.mark.parametrize("words", [b"", b"\x16\x03\x03\x40\x00" + bytes(100), b"GET / HTTP/1.0\r\n\r\n"],
                         ids=["silence", "half a record", "no TLS"])
def test_handshakes_that_lead_nowhere(box, dial, words):
    """More of them than may be half open: the good home gets in."""
    open_ones = []
    for _ in range(40):
        open_ones.append(socket.create_connection(("127.0.0.1", box.port["tls"])))
        open_ones[-1].sendall(words)
    well_served(box, dial)
    for connection in open_ones:
        connection.close()


# ---------------------------------------------------------------------- what happens on the way

@pytest.mark.parametrize("seed", range(3))
def test_datagrams_on_a_bad_path(box, dial, start, authority, seed):
    """Each datagram of a home over DTLS comes twice, and with it an older one, itself with a bit turned, its head, and
    noise: each request is one, and nothing that is over comes back."""
    between = Path(box.port["dtls"])
    home = start(TESTSERVER, "--upstream", f"name=box,host=127.0.0.1,port={between.port},peer={BOX},transport=dtls",
                 *authority.options(BAD), "100.64.0.11=10.0.0.5")
    wait_until(box, BAD, is_ready)
    between.bend = Bending(seed)
    for i in range(1, 6):
        box.say(f"order {BAD} 198.51.100.{i}/32")
        box.wait("order", home=BAD, state="confirmed")
        assert home.wait("acl-add")["target"] == f"198.51.100.{i}/32"
    box.say(f"withdraw {BAD}")
    home.wait("acl-remove")
    wait_until(box, BAD, lambda h: h["orders"] == 4)
    for datagram in list(between.to_server):
        between.front.sendto(datagram, between.server)
    box.say(f"order {BAD} 198.51.100.6/32")
    box.wait("order", home=BAD, state="confirmed")
    home.say("show")
    told = home.wait("show")
    assert len(told["mitigations"]) == 5 and told["sessions"][0]["sessions"] == 1
    between.close()
    well_served(box, dial)
