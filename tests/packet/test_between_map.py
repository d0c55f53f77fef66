# SPDX-License-Identifier: BSD-3-Clause
"""As test_between.py, of a box whose border relays are those of MAP-E and MAP-T (RFC 8676 has rules or bindings)."""
import itertools

from between import STATEFUL, STATELESS, everything, map_et
from test_between import *  # noqa: F401,F403

CONFIG = everything(map_et())
RULES = ["map-e", "map-t"]
PAIRS = [*itertools.product(STATEFUL, RULES), *itertools.product(RULES, STATEFUL), *itertools.product(RULES, RULES),
         *((k, f"{k}-2") for k in RULES), *((f"{k}-2", k) for k in RULES)]
WHOLES = [*itertools.product([*STATEFUL, *RULES], [f"{k}-whole" for k in RULES])]
