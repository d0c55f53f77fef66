"""A reload takes new certificate files and a new list of revoked ones for the sessions to come; those that
stand, stay."""
import pytest
from conftest import HOME, UPSTREAM

BOTH = pytest.mark.parametrize("transport", ["dtls", "tls"])


def state(box):
    (upstream,) = box.ask("show", "dots")["homeport:homeport"]["dots"]["server"]["upstream"]
    return upstream["state"]


@BOTH
def test_new_certificate(client, box, authority, transport):
    """In the files of the old one, and in others."""
    authority.issue(HOME, "shown", to_days=20)
    upstream = client(transport=transport)
    box.join(upstream, authority)
    box.upstream.update({"certificate": str(authority.folder / "shown.pem"),
                         "private-key": str(authority.folder / "shown.key")})
    box.start()
    upstream.wait("up")
    before = state(box)
    authority.issue(HOME, "shown", to_days=21)
    box.reload()
    renewed = state(box)
    authority.issue(HOME, "other", to_days=22)
    box.upstream.update({"certificate": str(authority.folder / "other.pem"),
                         "private-key": str(authority.folder / "other.key")})
    box.reload()
    moved = state(box)
    assert before["certificate-expires"] < renewed["certificate-expires"] < moved["certificate-expires"]
    for now in renewed, moved:
        assert (now["status"], now["sessions"]) == ("up", "1")
    upstream.say("heartbeat")
    upstream.wait("reply", command="heartbeat")


@BOTH
def test_wrong_certificate(client, box, authority, transport):
    """Nothing is changed by one that is over, or whose key others may read; the session stays."""
    authority.issue(HOME, "good")
    authority.issue(HOME, "over", from_days=-3, to_days=-1)
    upstream = client(transport=transport)
    box.join(upstream, authority)
    box.start()
    upstream.wait("up")
    before = state(box)
    for name, reason in ("over", "over.pem has expired on "), ("good", "good.key has mode 0640: others"):
        (authority.folder / "good.key").chmod(0o640)
        box.upstream.update({"certificate": str(authority.folder / f"{name}.pem"),
                             "private-key": str(authority.folder / f"{name}.key")})
        box.write()
        box.hang_up()
        box.wait_log(reason)
        box.wait_log("nothing was changed")
        now = state(box)
        assert (now["status"], now["sessions"]) == ("up", "1")
        assert now["certificate-expires"] == before["certificate-expires"]


@BOTH
def test_new_revocations(client, box, authority, transport):
    """The upstream's certificate is revoked: it is not let in again."""
    upstream = client(transport=transport)
    box.join(upstream, authority, transport=[transport])
    box.start("--test-clock")
    upstream.wait("up")
    box.upstream["crl"] = str(authority.revoke(UPSTREAM))
    box.reload()
    assert state(box)["status"] == "up"
    upstream.say("heartbeat")
    upstream.wait("reply", command="heartbeat")
    upstream.end()
    client(port=upstream.port, transport=transport)
    box.wait_log("certificate has been revoked", meanwhile=lambda: box.run("test", "advance", "5"))
    assert state(box)["sessions"] == "1"


def test_expiry(client, box, authority, tmp_path):
    """What ends soon is told in the log once a day, and by show dots; 0 days: what has ended."""
    upstream = client(transport="tls")
    box.join(upstream, authority, transport=["tls"])
    authority.issue(HOME, "soon", to_days=20)
    box.upstream.update({"certificate": str(authority.folder / "soon.pem"),
                         "private-key": str(authority.folder / "soon.key")})
    box.homeport["dots"]["certificate-warning"] = 25
    box.start("--test-clock")
    box.wait_log("isp: the box's certificate expires on ")
    upstream.wait("up")
    (own,) = state(box)["warning"]
    assert own.startswith("the box's certificate expires on ")
    assert f"warning: isp: {own}" in box.run("show", "dots").stdout
    box.run("test", "advance", "86399")
    at = box.read
    box.run("test", "advance", "1")
    box.wait_log("isp: the box's certificate expires on ")
    assert (box.folder / "log").read_text()[at:].count("the box's certificate") == 1
    box.homeport["dots"]["certificate-warning"] = 400
    box.reload()
    box.wait_log("isp: a certificate of the authorities expires on ")
    assert [w.split(" expires")[0] for w in state(box)["warning"]][:2] == [
        "the box's certificate", "a certificate of the authorities"]
    box.homeport["dots"]["certificate-warning"] = 0
    box.reload()
    assert "warning" not in state(box)
