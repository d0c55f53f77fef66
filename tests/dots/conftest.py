"""Processes and certificates for the tests of the DOTS tower.

BUILD names the build folder. A test gets a PKI made for the run, and starts programs that print one
line of JSON for each event; it waits for events, never for time.
"""
import collections
import datetime
import json
import os
import pathlib
import queue
import re
import signal
import subprocess
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

BUILD = pathlib.Path(os.environ.get("BUILD", pathlib.Path(__file__).parents[2] / "build"))
DOTSC, TESTSERVER = BUILD / "app/homeport-dotsc/homeport-dotsc", BUILD / "tests/dots/testserver"
TESTCLIENT = BUILD / "tests/dots/testclient"
PATIENCE = 60  # seconds that no event may take, however busy the machine is

# who holds what outside: two subscribers behind one address, one with an address of his own
HOLDERS = ["pool 203.0.113.0/28", "203.0.113.7:1024-2047=100.64.0.1",
           "203.0.113.7:2048-3071=100.64.0.2", "203.0.113.9=100.64.0.9"]
USAGES = {"client": ExtendedKeyUsageOID.CLIENT_AUTH, "server": ExtendedKeyUsageOID.SERVER_AUTH}
UPSTREAM, HOME = "upstream.example", "home.example"


_ended = collections.defaultdict(lambda: collections.defaultdict(set))


def pytest_collection_modifyitems(items):
    """What is said about all cases comes after them."""
    items.sort(key=lambda item: item.path.name == "test_conformance.py")


def pytest_runtest_logreport(report):
    """Remembers how a case ended; one that fails while it is set up or cleaned up has failed too."""
    if report.when == "call" or not report.passed:
        file, name = re.match(r"(?:.*/)?([^/]+)::(\w+)", report.nodeid).groups()
        _ended[file][name].add(report.outcome)


def outcomes(file):
    """What became of the cases of a file in this run: "passed", or what else."""
    return {name: " and ".join(sorted(seen)) for name, seen in _ended[file].items()}


class Authority:
    """A CA and what it signs, as PEM files in a folder."""

    def __init__(self, folder, name):
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._sign(self.name, self.key.public_key(), -1, 365, authority=True)
        self.ca = folder / f"{name}.pem"
        self.ca.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def _sign(self, subject, public_key, from_days, to_days, names=(), authority=False, usage=None):
        now = datetime.datetime.utcnow()
        builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(self.name)
                   .public_key(public_key).serial_number(x509.random_serial_number())
                   .not_valid_before(now + datetime.timedelta(days=from_days))
                   .not_valid_after(now + datetime.timedelta(days=to_days))
                   .add_extension(x509.BasicConstraints(authority, None), critical=True))
        if names:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), critical=False)
        if authority:  # and nothing else (RFC 5280 section 4.2.1.3)
            uses = dict.fromkeys(
                ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
                 "key_agreement", "encipher_only", "decipher_only"), False)
            builder = builder.add_extension(
                x509.KeyUsage(key_cert_sign=True, crl_sign=True, **uses), critical=True)
        if usage:
            builder = builder.add_extension(x509.ExtendedKeyUsage([USAGES[usage]]), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, name, file=None, from_days=-1, to_days=30, **kind):
        """A certificate for a DNS name; gives the options --cert, --key and --ca."""
        file = file or name
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._sign(subject, key.public_key(), from_days, to_days, [name], **kind)
        (self.folder / f"{file}.pem").write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM))
        private = self.folder / f"{file}.key"
        private.write_bytes(key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()))
        private.chmod(0o600)
        return self.options(file)

    def revoke(self, *files):
        """A list of revoked certificates."""
        now = datetime.datetime.utcnow()
        builder = (x509.CertificateRevocationListBuilder().issuer_name(self.name).last_update(now)
                   .next_update(now + datetime.timedelta(days=30)))
        for file in files:
            certificate = x509.load_pem_x509_certificate((self.folder / f"{file}.pem").read_bytes())
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(certificate.serial_number)
                .revocation_date(now).build())
        crl = self.folder / f"{'-'.join(files)}.crl"
        crl.write_bytes(builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        return crl

    def options(self, file, ca=None):
        return ["--cert", self.folder / f"{file}.pem", "--key", self.folder / f"{file}.key",
                "--ca", ca or self.ca]


class Program:
    """A process whose standard output is events."""

    def __init__(self, *command, **environment):
        self.process = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env=os.environ | environment)
        self.events = queue.Queue()
        self.log = []
        self.readers = [threading.Thread(target=self._read_events, daemon=True),
                        threading.Thread(target=self._read_log, daemon=True)]
        self.logged = threading.Condition()
        for reader in self.readers:
            reader.start()

    def _read_events(self):
        for line in self.process.stdout:
            self.events.put(json.loads(line))
        self.events.put(None)

    def _read_log(self):
        for line in self.process.stderr:
            with self.logged:
                self.log.append(line.rstrip())
                self.logged.notify_all()

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def wait(self, event, **members):
        """The next event of this kind whose members have these values; others are passed over."""
        while True:
            try:
                got = self.events.get(timeout=PATIENCE)
            except queue.Empty:
                raise AssertionError(f"no {event} {members}; log: {self.log}") from None
            if got is None:
                raise AssertionError(f"ended before {event} {members}; log: {self.log}")
            if got["event"] == event and all(got.get(k) == v for k, v in members.items()):
                return got

    def wait_log(self, text):
        """Waits until a line of the log holds the text."""
        with self.logged:
            found = self.logged.wait_for(lambda: any(text in l for l in self.log), PATIENCE)
        assert found, f"'{text}' not in {self.log}"

    def rest(self):
        """The events up to the end of the process."""
        events = []
        while (got := self.events.get(timeout=PATIENCE)) is not None:
            events.append(got)
        return events

    def end(self):
        """Waits for the process to end; gives its exit status."""
        if not self.process.stdin.closed:
            self.process.stdin.close()
        status = self.process.wait(PATIENCE)
        for reader in self.readers:
            reader.join(PATIENCE)
        return status

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    made = Authority(tmp_path_factory.mktemp("pki"), "ca")
    made.issue(UPSTREAM)
    made.issue(HOME)
    return made


@pytest.fixture
def start(request):
    """Starts programs; those still running at the end of the test are killed."""
    running = []

    def starter(*command, **environment):
        running.append(Program(*command, **environment))
        return running[-1]

    yield starter
    for program in running:
        program.kill()


@pytest.fixture
def box(tmp_path):
    """homeportd, still to be set up and started."""
    from box import Box
    made = Box(tmp_path)
    yield made
    made.stop(signal.SIGKILL)


@pytest.fixture
def client(start, authority):
    """homeport-dotsc on a port of 127.0.0.1, a free one unless given, reading commands from us."""

    def starter(*options, command=("--script", "-"), port=0, transport=None):
        words = ["--transport", transport] if transport else []
        started = start(DOTSC, "--listen", f"127.0.0.1:{port}", *words,
                        *authority.options(UPSTREAM), "--timeout", PATIENCE, *options, *command)
        started.port = started.wait("listening")["port"]
        return started

    return starter


@pytest.fixture
def server(start, authority):
    """testserver, dialling a port of 127.0.0.1."""

    def starter(port, transport, *options, files=None, peer=UPSTREAM):
        started = start(TESTSERVER, "--upstream",
                        f"name=up,host=127.0.0.1,port={port},peer={peer},transport={transport}",
                        *(files or authority.options(HOME)), *options, *HOLDERS)
        started.wait("ready")
        return started

    return starter
