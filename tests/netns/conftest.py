# SPDX-License-Identifier: BSD-3-Clause
import pathlib
import sys

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parent), str(pathlib.Path(__file__).parents[1] / "support")]
import lab  # noqa: E402


@pytest.fixture
def world():
    with lab.Lab() as made:
        yield made.build()


@pytest.fixture(scope="module", params=[1, 3], ids=["1-worker", "3-workers"])
def box(request):
    """The hosts around a box that is up, without DOTS; at the end every packet must be accounted for."""
    with lab.Lab() as made:
        made.build()
        made.start_box(made.config(workers=request.param, dots=False))
        yield made
        lab.wait_for("received = sum of verdicts", lambda: accounts_balance(made))
        assert made.stop_box() == 0
        assert "error" not in made.log_text()


def accounts_balance(made):
    counters = made.counters()
    return int(counters["received"]) == sum(int(v["packets"]) for v in counters["verdict"])
