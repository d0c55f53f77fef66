"""Nobody is served, and nothing is asked, before both ends have shown who they are (RFC 9066
section 8; RFC 9132 section 8). The end that misbehaves is our own with wrong files, or the openssl
program where ours would refuse to start with them."""
import re
import subprocess

import pytest
from conftest import DOTSC, HOME, PATIENCE, UPSTREAM, Authority

BOTH = pytest.mark.parametrize("transport", ["dtls", "tls"])
VERSION = {"dtls": "-dtls1_2", "tls": "-tls1_3"}
# a CSM and a PUT of /hb, as they would go over TLS
CSM_AND_PUT = bytes.fromhex("00e1" "d11803" "74" "bb2e77656c6c2d6b6e6f776e" "04646f7473" "026862"
                            "12010f" "ffa11831a11833f5")


@pytest.fixture(scope="session")
def stranger(tmp_path_factory):
    """Another CA, which signs the same names."""
    made = Authority(tmp_path_factory.mktemp("stranger"), "stranger")
    made.issue(UPSTREAM)
    made.issue(HOME)
    return made


@pytest.fixture
def openssl():
    """Starts the openssl program with something to say once it is connected."""
    running = []

    def starter(*words):
        running.append(subprocess.Popen(
            ["openssl", *map(str, words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT))
        return running[-1]

    yield starter
    for process in running:
        process.kill()
        process.wait()


def not_served(home, why):
    """The server says why, and takes nothing from the peer."""
    home.wait_log(why)
    home.wait_log("next attempt in")
    home.say("show")
    (session,) = home.wait("show")["sessions"]
    assert session["state"] == "waiting"
    assert session["sessions"] == 0 and session["requests"] == 0


def not_asked(upstream, why):
    """The client says why, and there was no session that anything could have come through."""
    refused = upstream.wait("refused")
    assert why in refused["reason"], refused
    assert upstream.end() == 3
    assert not [e for e in upstream.rest() if e["event"] in ("up", "heartbeat", "reply")]


# ---------------------------------------------------------------------- the upstream is not right

@BOTH
def test_upstream_of_another_ca(start, authority, stranger, server, transport):
    """CH-03, CH-04"""
    upstream = start(DOTSC, "--listen", "127.0.0.1:0",
                     "--transport", transport, *stranger.options(UPSTREAM, authority.ca),
                     "--script", "-")
    home = server(upstream.wait("listening")["port"], transport)
    not_served(home, "unknown CA CN=stranger")


@BOTH
def test_upstream_of_another_name(client, server, transport):
    """CH-04"""
    upstream = client()
    home = server(upstream.port, transport, peer="other.example")
    not_served(home, f"certificate is for {UPSTREAM}, expected other.example")


@BOTH
def test_upstream_with_an_expired_certificate(authority, server, openssl, transport):
    """CH-04"""
    words = [str(w).replace("--", "-") for w in authority.issue(UPSTREAM, "expired", -10, -1)]
    words[4] = "-CAfile"
    upstream = openssl("s_server", VERSION[transport], "-accept", "127.0.0.1:0", "-Verify", 1, *words)
    for line in upstream.stdout:
        if found := re.match(rb"ACCEPT .*:(\d+)", line):
            break
    home = server(int(found[1]), transport)
    not_served(home, "certificate has expired")


# ---------------------------------------------------------------------- the home is not right

@BOTH
def test_home_of_another_ca(client, server, authority, stranger, transport):
    """CH-03, CH-05"""
    upstream = client()
    home = server(upstream.port, transport, files=stranger.options(HOME, authority.ca))
    home.wait_log("next attempt in")
    home.say("show")
    (session,) = home.wait("show")["sessions"]
    assert session["sessions"] == 0 and session["requests"] == 0
    not_asked(upstream, "unknown CA CN=stranger")


@BOTH
@pytest.mark.parametrize("what, why", [
    ("none", "no certificate was presented"),
    ("expired", "certificate has expired"),
])
def test_home_with_no_or_an_expired_certificate(client, authority, openssl, transport, what, why):
    """CH-03: TLS 1.3 lets the dialling end speak before its certificate has been judged, so it does:
    nothing of that is looked at."""
    words = ["-CAfile", authority.ca]
    if what == "expired":
        authority.issue(HOME, "expired-home", -10, -1)
        words += ["-cert", authority.folder / "expired-home.pem",
                  "-key", authority.folder / "expired-home.key"]
    upstream = client()
    home = openssl("s_client", VERSION[transport], "-connect", f"127.0.0.1:{upstream.port}",
                   "-alpn", "coap", *words)
    home.stdin.write(CSM_AND_PUT)
    home.stdin.flush()
    not_asked(upstream, why)


# ---------------------------------------------------------------------- files that are not right

@pytest.mark.parametrize("words, why", [
    (["--key", "other.key"], "key"),
    (["--cert", "expired.pem", "--key", "expired.key"], "expired.pem"),
])
def test_own_files(authority, words, why):
    """Who would be refused by everybody does not start."""
    authority.issue(UPSTREAM, "expired", -10, -1)
    authority.issue(UPSTREAM, "other")
    files = [w if w.startswith("-") else str(authority.folder / w) for w in words]
    done = subprocess.run(
        [DOTSC, "--listen", "127.0.0.1:0",
         *map(str, authority.options(UPSTREAM)), *files, "config"],
        capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1 and why in done.stderr
