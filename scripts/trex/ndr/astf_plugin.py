# SPDX-License-Identifier: BSD-3-Clause
"""For TRex's stateful benchmark: ./ndr --astf -f .../ndr/astf_plugin.py --profile .../astf/nat44_cps_tcp.py ..."""
import homeport_box


class Plugin:
    def __init__(self):
        self.drops = homeport_box.Drops()

    def pre_iteration(self, run_results=None, **_):
        self.drops.begin()

    def post_iteration(self, run_results, **_):
        """Never stops the search; an iteration with errors counts as one that lost packets."""
        self.drops.end()
        return False, run_results["error_flag"]


def register():
    return Plugin()
