"""The modules of the lab import each other in one direction only."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import sio_demo.lab

FOLDER = Path(sio_demo.lab.__file__).parent
NAMES = {path.stem for path in FOLDER.glob("*.py")}


def imported(name):
    """Return the modules of the lab that one of them imports, also only for its types."""
    tree = ast.parse((FOLDER / f"{name}.py").read_text())
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    modules = {node.module for node in froms if node.level == 1}
    modules |= {alias.name for node in froms if node.module is None for alias in node.names}
    return modules & NAMES


def all_imported(name):
    """Return what it imports, and what these import."""
    found, new = set(), imported(name)
    while new:
        found |= new
        new = set().union(*map(imported, new)) - found
    return found


def test_no_two_modules_import_each_other():
    try:
        TopologicalSorter({name: imported(name) for name in NAMES}).prepare()
    except CycleError as error:
        pytest.fail(f"imported in a circle: {error.args[1]}")


def test_what_carries_bytes_knows_no_server_and_closes_nothing_else():
    assert not {"server", "cleanup", "clients"} & all_imported("connection")
