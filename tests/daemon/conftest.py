# SPDX-License-Identifier: BSD-3-Clause
"""homeportd and homeport as programs: no namespaces, no NICs, packets from files."""
import json
import os
import pathlib
import queue
import signal
import subprocess
import sys
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("HOMEPORT_BUILD", ROOT / "build"))
HOMEPORTD, HOMEPORT = BUILD / "app/homeportd/homeportd", BUILD / "app/homeport/homeport"
ENVIRONMENT = {**os.environ, "HOMEPORT_YANG": str(ROOT / "yang")}
PATIENCE = 60  # seconds that nothing takes, however busy the machine is

sys.path[:0] = [str(ROOT / "tests/daemon"), str(ROOT / "tests/support")]


class Daemon:
    """A homeportd in a folder of its own, which holds its configuration, socket and output files."""

    def __init__(self, folder, pki):
        self.folder = folder
        self.file = folder / "homeport.json"
        self.socket = folder / "homeport.sock"
        self.process = None
        self.log = []
        (folder / "pki").symlink_to(pki)

    def write(self, configuration):
        """Writes the configuration: text as it is, anything else as JSON."""
        text = configuration if isinstance(configuration, str) else json.dumps(configuration, indent=1)
        self.file.write_text(text.replace("FOLDER", str(self.folder)))

    def run(self, *words):
        """homeportd with these words, to its end."""
        return subprocess.run([HOMEPORTD, *map(str, words)], capture_output=True, text=True, env=ENVIRONMENT,
                              timeout=PATIENCE, cwd=self.folder)

    def start(self, configuration, *words, under=(), **environment):
        """Starts homeportd, under a program that becomes it, and waits until it is ready."""
        self.write(configuration)
        self.process = subprocess.Popen(
            [*under, HOMEPORTD, "-c", self.file, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env={**ENVIRONMENT, **environment}, cwd=self.folder)
        self.lines = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        assert self.process.stdout.readline() == "ready\n", "".join(self.rest())
        return self

    def _read(self):
        for line in self.process.stderr:
            self.lines.put(line)
        self.lines.put(None)

    def rest(self):
        """What the daemon logs up to its end."""
        while (line := self.lines.get(timeout=PATIENCE)) is not None:
            yield line

    def wait_log(self, text):
        """The next line of the log that holds the text."""
        while (line := self.lines.get(timeout=PATIENCE)) is not None:
            if text in line:
                return line
        raise AssertionError(f"the daemon ended before it said '{text}'")

    def reload(self, configuration):
        self.write(configuration)
        self.process.send_signal(signal.SIGHUP)

    def homeport(self, *words):
        return subprocess.run([HOMEPORT, "-s", self.socket, *map(str, words)], capture_output=True, text=True,
                              timeout=PATIENCE)

    def ask(self, *words):
        """The answer to a command, as JSON."""
        done = self.homeport("-j", *words)
        assert done.returncode in (0, 3, 4), done.stderr
        return json.loads(done.stdout)

    def wait_for(self, what, seen):
        end = time.monotonic() + PATIENCE
        while not (value := seen()):
            assert time.monotonic() < end, f"not seen: {what}"
            time.sleep(0.01)
        return value

    def stop(self, by=signal.SIGTERM):
        """Ends the daemon; gives its exit code."""
        self.process.send_signal(by)
        code = self.process.wait(PATIENCE)
        self.process.stdout.close()
        self.reader.join(PATIENCE)
        self.process.stderr.close()
        self.process = None
        return code

    def close(self):
        if self.process:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="session")
def pki(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pki")
    subprocess.run([ROOT / "scripts/make-pki", folder], check=True)
    return folder


@pytest.fixture
def daemon(tmp_path, pki):
    made = Daemon(tmp_path, pki)
    yield made
    made.close()
