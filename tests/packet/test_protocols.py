# SPDX-License-Identifier: BSD-3-Clause
"""Protocols that are not translated."""
import pytest
from scapy.all import IP, Raw

from config import static_mapping

SCTP, ESP, GRE, IPV6, IPIP = 132, 50, 47, 41, 4
WHOLE = ("100.65.0.99", "198.51.100.9")  # a host with an outside address of its own
CONFIG = {"statics": [static_mapping(1, *WHOLE)]}


@pytest.mark.parametrize("protocol", [SCTP, ESP, GRE, IPV6, IPIP])
def test_not_translated(box, protocol):
    """SCTP, ESP, GRE and tunnels are dropped and counted, either way, also where an address is one host's alone:
    no gateway looks into them."""
    remote = box.remote()
    for inside, outside in ((box.host(), "203.0.113.14"), WHOLE):
        box.tx_inside(IP(src=inside, dst=remote, proto=protocol) / Raw(bytes(32)), "drop-protocol")
        box.tx_outside(IP(src=remote, dst=outside, proto=protocol) / Raw(bytes(32)), "drop-protocol")
    assert [m["type"] for m in box.mappings()] == ["static"]
