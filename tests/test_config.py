# SPDX-License-Identifier: BSD-3-Clause
"""The sample configurations run as they are."""
import os
import pathlib
import shutil
import signal
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = pathlib.Path(os.environ.get("HOMEPORT_BUILD", ROOT / "build"))
HOMEPORTD = BUILD / "app/homeportd/homeportd"
SAMPLES = sorted((ROOT / "config").glob("*.json"))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda p: p.stem)
def test_sample(sample, tmp_path):
    file = tmp_path / sample.name
    shutil.copy(sample, file)
    subprocess.run([ROOT / "scripts/make-pki", tmp_path / "pki"], check=True)
    environment = {**os.environ, "HOMEPORT_YANG": str(ROOT / "yang")}
    subprocess.run([HOMEPORTD, "-c", file, "--check"], check=True, env=environment)
    command = [HOMEPORTD, "-c", file]
    if "host-device" in file.read_text():
        if os.geteuid():
            pytest.skip("a host-device takes privileges")
        command = ["unshare", "--net"] + command  # where no other device has its name
    daemon = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert daemon.stdout.readline() == "ready\n"
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(60) == 0
    daemon.stdout.close()
