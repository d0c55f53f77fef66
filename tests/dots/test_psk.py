"""Pre-shared keys in the place of certificates (RFC 9132 section 7.1), over real sockets."""
import subprocess

import pytest
from conftest import DOTSC, PATIENCE
from hostile import psk_answer

BOTH = pytest.mark.parametrize("transport", ["dtls", "tls"])
PLAIN = {"dtls": ["-dtls1_2", "-cipher", "PSK-AES128-GCM-SHA256"],
         "tls": ["-tls1_2", "-cipher", "PSK-AES128-GCM-SHA256"]}
KEY, OTHER = "000102030405060708090a0b0c0d0e0f", "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"
ATTACK = "--source 203.0.113.7/32 --source-port 1500 --target 198.51.100.10/32 --protocol 17"


@pytest.fixture
def keys(tmp_path):
    """Writes a file of keys; gives the options that name one of them."""

    def write(identity, key):
        file = tmp_path / f"{identity}-{key[:4]}.psk"
        file.write_text(f"{identity}:{key}\n")
        file.chmod(0o600)
        return ["--psk-identity", identity, "--psk-file", file]

    return write


@pytest.fixture
def psk_client(start, keys):
    def starter(*options):
        started = start(DOTSC, "--listen", "127.0.0.1:0", *keys("home", KEY), "--timeout", PATIENCE, *options,
                        "--script", "-")
        started.port = started.wait("listening")["port"]
        return started

    return starter


@BOTH
def test_a_mitigation(psk_client, server, keys, transport):
    """CH-08: both ends have nothing but a key in common."""
    upstream = psk_client()
    home = server(upstream.port, transport, files=keys("home", KEY))
    up = upstream.wait("up", transport=transport)
    assert up["peer"]["name"] == "home"
    assert up["peer"]["cipher"] in ("ECDHE-PSK-CHACHA20-POLY1305", "TLS_AES_128_GCM_SHA256")
    upstream.say(f"mitigate {ATTACK}")
    assert upstream.wait("reply", command="mitigate")["code"] == "2.01"
    assert home.wait("acl-add")["subscriber"] == "100.64.0.1"


def test_the_box(psk_client, box, authority, keys):
    """CH-08: homeportd takes the key from its configuration, and has no certificate to show the end of."""
    upstream = psk_client()
    box.join(upstream, authority)
    for leaf in ("certificate", "private-key", "ca", "peer-name"):
        del box.upstream[leaf]
    _, identity, _, file = keys("home", KEY)
    box.upstream.update({"psk-identity": identity, "psk-file": str(file)})
    box.start()
    assert upstream.wait("up")["peer"]["name"] == "home"
    assert "certificate-expires" not in str(box.ask("show", "dots"))


@pytest.mark.parametrize("identity, key, why", [
    ("home", OTHER, "the peer's pre-shared key is not ours"),
    ("house", KEY, "there is no pre-shared key of identity house"),
])
def test_a_key_that_is_wrong(psk_client, server, keys, identity, key, why):
    """CH-08: the same is said to who has a wrong key and to who has a key of nobody's."""
    upstream = psk_client()
    home = server(upstream.port, "tls", files=keys(identity, key))
    home.wait_log("the peer refused our identity or pre-shared key (alert 47)")
    assert why in upstream.wait("refused")["reason"]


RIGHT, WRONG, NOBODY = (b"home", bytes.fromhex(KEY)), (b"home", bytes.fromhex(OTHER)), (b"nobody", bytes.fromhex(KEY))
LONG = (b"x" * 257, bytes.fromhex(KEY))
SEVERAL = {
    "one": ([RIGHT], 0),
    "behind others": ([NOBODY, (b"house", b"?"), RIGHT], 2),
    "before others": ([RIGHT, NOBODY, (b"house", b"?")], 0),
    "between others": ([NOBODY, RIGHT, NOBODY], 1),
    "behind a long one": ([LONG, RIGHT], 1),
    "before a long one": ([NOBODY, RIGHT, LONG], 1),
    "twice": ([NOBODY, RIGHT, RIGHT], 1),
    "the last of many": ([NOBODY] * 60 + [RIGHT], 60),
}


@pytest.mark.parametrize("what", SEVERAL)
def test_several_identities(psk_client, what):
    """CH-08: the first that is known is taken, wherever it stands (RFC 8446 section 4.2.11)."""
    keys, chosen = SEVERAL[what]
    assert psk_answer(psk_client("--transport", "tls").port, keys) == chosen


def test_several_that_are_wrong(psk_client):
    """CH-08: one answer to a wrong key and to identities that nobody has, however many and in whatever order (RFC 8446
    appendix E.6). Each costs a failure."""
    upstream = psk_client("--transport", "tls")
    answers = {psk_answer(upstream.port, keys) for keys in (
        [WRONG], [NOBODY], [NOBODY] * 3, [NOBODY, WRONG], [WRONG, NOBODY], [WRONG, RIGHT], [NOBODY, LONG])}
    assert len(answers) == 1 and answers.pop().startswith("alert ")
    for _ in range(7):
        assert "pre-shared key" in upstream.wait("refused")["reason"]


@BOTH
def test_no_forward_secrecy(psk_client, transport):
    """CH-08: a client that knows the key but offers no ephemeral exchange."""
    upstream = psk_client("--transport", transport)
    done = subprocess.run(
        ["openssl", "s_client", *PLAIN[transport], "-psk_identity", "home", "-psk", KEY, "-connect",
         f"127.0.0.1:{upstream.port}"], input="", capture_output=True, text=True, timeout=PATIENCE)
    assert "handshake failure" in done.stderr
    assert "no cipher suite in common" in upstream.wait("refused")["reason"]


@pytest.mark.parametrize("words", [["--psk-identity", "home"], ["--psk-file", "x"]])
def test_half_of_the_options(words):
    done = subprocess.run([DOTSC, "--listen", "127.0.0.1:0", *words, "config"], capture_output=True, text=True,
                          timeout=PATIENCE)
    assert done.returncode != 0 and "--psk-identity and --psk-file are needed" in done.stderr
