# SPDX-License-Identifier: BSD-3-Clause
"""For TRex's stateless benchmark: ./ndr --stl -f .../ndr/stl_plugin.py --profile .../stl/nat44_out.py ..."""
import homeport_box


class Plugin:
    def __init__(self):
        self.drops = homeport_box.Drops()

    def pre_iteration(self, finding_max_rate, run_results=None, **_):
        self.drops.begin()

    def post_iteration(self, finding_max_rate, run_results, **_):
        """Never stops the search."""
        self.drops.end()
        return False


def register():
    return Plugin()
