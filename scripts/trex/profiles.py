# SPDX-License-Identifier: BSD-3-Clause
"""What the head of a profile tells, read without TRex: its purpose, sample and changes are plain data."""
import ast
import pathlib

KIT = pathlib.Path(__file__).resolve().parent
FOLDERS = ("stl", "astf")


class Head:
    def __init__(self, path):
        self.path = path
        self.name = f"{path.parent.name}/{path.stem}"
        tree = ast.parse(path.read_text())
        self.purpose = ast.get_docstring(tree).splitlines()[0]
        plain = {node.targets[0].id: node.value for node in tree.body if isinstance(node, ast.Assign)}
        self.sample = ast.literal_eval(plain["SAMPLE"])
        self.changes = ast.literal_eval(plain["CHANGES"])

    @property
    def stateful(self):
        return self.path.parent.name == "astf"


def every():
    """All profiles of the kit."""
    return [Head(path) for folder in FOLDERS for path in sorted((KIT / folder).glob("*.py"))
            if not path.stem.startswith("homeport_")]


def find(name):
    """A profile of the kit by its name, or a file; None if there is none."""
    for path in (KIT / f"{name}.py", pathlib.Path(name)):
        if path.is_file() and path.parent.name in FOLDERS:
            return Head(path.resolve())
    return None
