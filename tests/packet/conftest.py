# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures of the packet tests; README.md says how to write a case."""
import pathlib
import sys

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parent), str(pathlib.Path(__file__).parents[1] / "support")]
import config as configuration  # noqa: E402
import rules  # noqa: E402
from box import Box  # noqa: E402
from config import config  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--workers", type=int, metavar="N", help="run all cases with so many workers that do not say "
                     "themselves how many they need")


def pytest_configure(config):
    configuration.default_workers = config.getoption("workers") or 1


def pytest_generate_tests(metafunc):
    """A module says in WORKERS with how many workers its cases run; --workers is for all of them."""
    if "shared_box" in metafunc.fixturenames:
        given = metafunc.config.getoption("workers")
        counts = [given] if given else getattr(metafunc.module, "WORKERS", [1])
        metafunc.parametrize("shared_box", counts, indirect=True, scope="module",
                             ids=[f"{n}-worker{'s'[:n > 1]}" for n in counts])


@pytest.fixture(scope="module")
def shared_box(request):
    """The daemon of a module, set up by its CONFIG: arguments of config()."""
    box = Box()
    try:
        box.start_daemon(config(workers=request.param, **getattr(request.module, "CONFIG", {})))
        yield box
        box.stop_daemon()
    finally:
        box.close()


@pytest.fixture
def box(shared_box):
    """The module's daemon for one case."""
    shared_box.begin()
    yield shared_box
    shared_box.check()


@pytest.fixture
def fresh():
    """Makes a daemon for one case alone: fresh(workers=3, policy={...}) takes what config() does; with kernel6 its host
    devices have IPv6."""
    made = []

    def start(kernel6=False, **parts):
        made.append(Box())
        if kernel6:
            made[-1].sysctl("box", "net.ipv6.conf.default.disable_ipv6", 0)
        return made[-1].start_daemon(config(**parts))

    try:
        yield start
        for box in made:
            box.stop_daemon()
    finally:
        for box in made:
            box.close()


def pytest_collection_modifyitems(items):
    """What is said about all cases comes after them."""
    items.sort(key=lambda item: item.path.name == "test_rules.py")


def pytest_runtest_logreport(report):
    rules.note(report)
