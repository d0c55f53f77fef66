# SPDX-License-Identifier: BSD-3-Clause
"""scripts/check-layers finds what it is there to find."""
import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[1]


def check(folder):
    return subprocess.run([ROOT / "scripts/check-layers", folder], capture_output=True, text=True)


def copy(tmp_path):
    shutil.copytree(ROOT / "lib", tmp_path / "lib")
    return tmp_path


def plant(tree, file, line):
    path = tree / "lib" / file
    path.write_text(path.read_text().replace("#include", f"{line}\n#include", 1))


def test_the_tree_is_clean():
    done = check(ROOT)
    assert (done.returncode, done.stdout) == (0, "layers: clean\n")


def test_a_packet_folder_with_libyang(tmp_path):
    tree = copy(tmp_path)
    plant(tree, "net/hdr.c", "#include <libyang/libyang.h>")
    done = check(tree)
    assert done.returncode == 1
    assert "lib/net/hdr.c:3: net may not use libyang/libyang.h" in done.stdout


def test_dots_that_sees_sessions(tmp_path):
    tree = copy(tmp_path)
    plant(tree, "dots/enforce.c", '#include "session/bib.h"')
    done = check(tree)
    assert done.returncode == 1
    assert "lib/dots/enforce.c:3: dots may not include session/bib.h" in done.stdout


def test_dots_that_sees_more_of_table_than_its_seam(tmp_path):
    tree = copy(tmp_path)
    plant(tree, "dots/enforce.c", '#include "table/snapshot.h"')
    assert check(tree).returncode == 1


def test_a_folder_that_nobody_has_placed(tmp_path):
    tree = copy(tmp_path)
    (tree / "lib/stray").mkdir()
    (tree / "lib/stray/stray.c").write_text("int stray;\n")
    assert "lib/stray is not in the table of layers" in check(tree).stdout


def test_headers_that_include_each_other(tmp_path):
    tree = copy(tmp_path)
    plant(tree, "table/pool.h", '#include "table/snapshot.h"')
    done = check(tree)
    assert done.returncode == 1
    assert "circle: " in done.stdout
