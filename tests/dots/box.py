"""homeportd as its operator sees it, on devices that carry nothing."""
import json
import os
import pathlib
import signal
import subprocess
import time

from conftest import BUILD, HOME, PATIENCE, UPSTREAM

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOMEPORTD, HOMEPORT = BUILD / "app/homeportd/homeportd", BUILD / "app/homeport/homeport"


class Box:
    """A homeportd and its operator."""

    def __init__(self, folder):
        self.folder = folder
        self.config = json.loads((ROOT / "config/nat44-dots.json").read_text())
        self.homeport = self.config["homeport:homeport"]
        self.homeport["management"]["socket"] = str(folder / "ctl")
        self.server = self.homeport["dots"]["server"]
        self.upstream = self.server["upstream"][0]
        mapping = self.config["ietf-nat:nat"]["instances"]["instance"][0]["mapping-table"]
        mapping["mapping-entry"][0]["transport-protocol"] = 17
        self.process = None
        self.read = 0  # of the log

    def join(self, upstream, authority, **leaves):
        """Makes the configuration's upstream domain this client."""
        options = [str(o) for o in authority.options(HOME)]
        self.upstream.update({
            "address": "127.0.0.1", "port": upstream.port, "peer-name": UPSTREAM,
            "certificate": options[1], "private-key": options[3], "ca": options[5], **leaves})

    def write(self):
        (self.folder / "config.json").write_text(json.dumps(self.config))

    def start(self, *options):
        self.write()
        self.process = subprocess.Popen(
            [HOMEPORTD, "-c", self.folder / "config.json", *options], text=True,
            stdout=subprocess.PIPE, stderr=open(self.folder / "log", "a"),
            env=os.environ | {"HOMEPORT_YANG": str(ROOT / "yang")})
        assert self.process.stdout.readline() == "ready\n", (self.folder / "log").read_text()

    def check(self):
        """What --check finds wrong."""
        self.write()
        done = subprocess.run(
            [HOMEPORTD, "-c", self.folder / "config.json", "--check"], text=True,
            stderr=subprocess.PIPE, env=os.environ | {"HOMEPORT_YANG": str(ROOT / "yang")})
        assert done.returncode in (0, 1)
        return done.stderr

    def wait_log(self, text, meanwhile=lambda: time.sleep(0.02)):
        """Waits until the log holds the text, and takes notice of what follows it only from then on."""
        end = time.monotonic() + PATIENCE
        while (at := (log := (self.folder / "log").read_text()).find(text, self.read)) < 0:
            assert time.monotonic() < end, f"'{text}' not in {log[self.read:]}"
            meanwhile()
        self.read = at + len(text)

    def hang_up(self):
        self.process.send_signal(signal.SIGHUP)

    def reload(self):
        self.write()
        self.hang_up()
        self.wait_log("config.json is in force")

    def stop(self, how=signal.SIGTERM):
        if self.process:
            self.process.send_signal(how)
            status = self.process.wait(PATIENCE)
            self.process.stdout.close()
            self.process = None
            return status
        return None

    def run(self, *words):
        return subprocess.run([HOMEPORT, "-s", self.folder / "ctl", *words], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def ask(self, *words):
        """The answer of a command that must succeed, as JSON that the models allow."""
        done = self.run(*words, "-j")
        assert done.returncode == 0, done.stderr
        (self.folder / "answer.json").write_text(done.stdout)
        modules = ["homeport@2026-11-22", "ietf-dots-signal-channel@2020-05-28",
                   "ietf-dots-call-home@2018-04-01", "ietf-access-control-list@2019-03-04"]
        checked = subprocess.run(
            ["yanglint", "-t", "get", "-p", ROOT / "yang",
             *(ROOT / f"yang/{m}.yang" for m in modules), self.folder / "answer.json"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert checked.returncode == 0, checked.stdout + done.stdout
        return json.loads(done.stdout)

    def mitigations(self, what="mitigations"):
        shown = self.ask("show", what)
        return list(zip(shown["ietf-dots-signal-channel:dots-signal"]["scope"],
                        shown["homeport:homeport"]["dots"]["mitigation"]))

    def rules(self):
        acls = self.ask("show", "acls")["ietf-access-control-list:acls"]["acl"]
        return [ace["name"] for acl in acls for ace in acl["aces"]["ace"]]
