"""Imports point one way, as CONTRIBUTING.md says, and importing is cheap."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import sklearn_lossless

PACKAGE = Path(sklearn_lossless.__file__).parent
CONTRIBUTING = PACKAGE.parent / "CONTRIBUTING.md"
MODULES = sorted(PACKAGE.rglob("*.py"))


def tables():
    """The rows of each table of CONTRIBUTING.md, under the heading before it."""
    found, heading = {}, ""
    for line in CONTRIBUTING.read_text().splitlines():
        if line.startswith("#"):
            heading = line.strip("# ")
        elif line.startswith("|") and not line.startswith("|---"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            found.setdefault(heading, []).append(cells)
    return {heading: rows[1:] for heading, rows in found.items()}


def rooms():
    """What each room may import, as CONTRIBUTING.md says."""
    return {
        room.strip("`"): {each.strip("` ") for each in imports.split(",")} - {""}
        for room, _, imports in tables()["Rooms"]
    }


ROOMS = rooms()


def room_of(place):
    """The room of a module or folder, given by its parts below the package."""
    if place[:2] == ("network", "_engine"):
        return "network/_engine/"
    folder = PACKAGE.joinpath(place[0])
    return f"{place[0]}/" if folder.is_dir() else f"{place[0]}.py"


def imported(path):
    """Rooms of ours and packages of others that a module imports, anywhere in it."""
    inside = path.relative_to(PACKAGE.parent).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                assert alias.name.partition(".")[0] != PACKAGE.name, path
                yield alias.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            assert node.module.partition(".")[0] != PACKAGE.name, path
            yield node.module.partition(".")[0]
        elif isinstance(node, ast.ImportFrom):
            base = inside[: len(inside) + 1 - node.level]
            base += tuple(node.module.split(".")) if node.module else ()
            for alias in node.names:
                yield room_of((*base, alias.name)[1:])


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_imports_what_its_room_may(path):
    room = room_of(path.relative_to(PACKAGE).parts)
    if path.parent == PACKAGE:
        room = path.name
    allowed = ROOMS[room] | {room} | sys.stdlib_module_names
    assert set(imported(path)) <= allowed


def test_every_room_is_there_and_needs_what_it_may_import():
    used = {room: set() for room in ROOMS}
    for path in MODULES:
        inside = path.relative_to(PACKAGE)
        room = path.name if path.parent == PACKAGE else room_of(inside.parts)
        used[room] |= set(imported(path)) - sys.stdlib_module_names - {room}
    assert used == ROOMS


def test_imports_point_one_way():
    """The table has no cycle: each room stands below those that import it."""
    placed = set()
    for room, allowed in ROOMS.items():
        ours = {each for each in allowed if each.endswith(("/", ".py"))}
        assert ours <= placed, room
        placed.add(room)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_module_is_long(path):
    assert len(path.read_text().splitlines()) <= 400


def test_the_files_to_open_are_there():
    for _, files in tables()["Which file to open"]:
        names = re.findall(r"`([\w/]+(?:\.py|\.md|\.rst|\.c\.in|/))`", files)
        assert names
        for name in names:
            outside = name.startswith(("docs/", "tests/", "benchmarks/"))
            root = PACKAGE.parent if outside else PACKAGE
            assert (root / name).exists(), name


def modules_after(statement):
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_numba_is_imported_when_it_is_needed():
    assert not modules_after("import sklearn_lossless") & {"llvmlite", "numba"}


def test_optional_packages_are_not_imported():
    ours = modules_after("import sklearn_lossless")
    theirs = modules_after("import sklearn.model_selection, sklearn.linear_model")
    loaded = ours - theirs
    assert not loaded & {"matplotlib", "pandas", "polars", "torch", "dask", "onnx"}
