# SPDX-License-Identifier: BSD-3-Clause
"""Whether what the box shows is instance data of the models."""
import json
import pathlib
import re
import subprocess

YANG = pathlib.Path(__file__).resolve().parents[2] / "yang"


def yanglint(data, file):
    """Validates instance data, by way of a file, with the modules that its names and identities are of."""
    file.write_text(json.dumps(data))
    names = set(re.findall(r'"([a-z0-9-]+):[A-Za-z0-9-]+"', json.dumps(data)))
    if "ietf-softwire-br" in names:
        names.add("ietf-softwire-common")  # or its features would be off
    # of a module that is there in two revisions, the older is what the box speaks
    modules = [min(found) for name in sorted(names) if (found := list(YANG.glob(f"{name}@*.yang")))]
    return subprocess.run(["yanglint", "-t", "get", "-p", YANG, *modules, file], capture_output=True, text=True)
