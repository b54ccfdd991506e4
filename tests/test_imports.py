"""Who may import whom: the rules of CONTRIBUTING.md, as data."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import sio_demo

PACKAGE = Path(sio_demo.__file__).parent

# Each room of sio_demo, and the rooms that it may import: those above it in this table, at most.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "counters": set(),
    "causes": {"counters", "errors"},
    "check": {"causes", "errors"},
    "diagnosis": {"causes", "counters", "errors"},
    "lab": {"errors"},
    "delivery": {"errors"},
    "plots": {"counters", "errors"},
    "atlas": {"causes", "counters", "errors", "lab"},
    "chaos": {"errors", "lab", "delivery"},
    "exercises": {"errors", "lab", "plots"},
    "panel": {"counters", "errors", "lab", "plots"},
    "demo": {"lab"},
    "cleanup": {"delivery", "errors", "lab"},
    "doctor": {"errors", "lab"},
    "commands": {"atlas", "chaos", "check", "counters", "demo", "doctor", "errors", "lab"},
    "__main__": {"commands", "errors"},
    "__init__": {"cleanup", "lab"},  # when one of its names is asked for
}

# State machines and decoders: whoever calls them reads, writes, waits and starts threads.
NO_IO = [
    "lab/wire.py",
    "lab/packet.py",
    "delivery/message.py",
    "delivery/send_window.py",
    "delivery/inbox_state.py",
    "chaos/schedule.py",
    "chaos/checker.py",
    "diagnosis/diagnose.py",
]
IO = {"aiohttp", "asyncio", "multiprocessing", "os", "selectors", "socket", "sqlite3", "ssl"}
IO |= {"subprocess", "tempfile", "threading"}

HEAVY = {"IPython", "aiohttp", "ipywidgets", "matplotlib", "numpy", "psutil", "socketio"}


def files(room: str) -> list[Path]:
    """The sources of a room."""
    return sorted([*PACKAGE.glob(f"{room}.py"), *(PACKAGE / room).rglob("*.py")])


def imported(file: Path) -> Iterator[list[str]]:
    """The modules that a file imports, now or later, each as the list of its parts."""
    package = [PACKAGE.name, *file.relative_to(PACKAGE).parent.parts]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names):
                yield from (alias.name.split(".") for alias in names)
            case ast.ImportFrom(module, names, level):
                above = package[: len(package) - level + 1] if level else []
                start = above + (module.split(".") if module else [])
                yield from ([*start, alias.name] for alias in names)


def rooms() -> list[str]:
    """The folders and modules right in the package."""
    modules = {path.stem for path in PACKAGE.glob("*.py")}
    return sorted(modules | {path.parent.name for path in PACKAGE.glob("*/__init__.py")})


@pytest.mark.parametrize("room", rooms())
def test_a_room_imports_only_what_is_below_it(room: str) -> None:
    names = {parts[1] for file in files(room) for parts in imported(file) if parts[0] == "sio_demo"}
    assert names - {room} <= MAY_IMPORT[room]


def test_no_two_rooms_import_each_other() -> None:
    above: set[str] = set()
    for room, below in MAY_IMPORT.items():
        assert below <= above, room
        above.add(room)


@pytest.mark.parametrize("name", NO_IO)
def test_a_state_machine_does_no_io(name: str) -> None:
    assert {parts[0] for parts in imported(PACKAGE / name)} & IO == set()


@pytest.mark.parametrize("module", ["sio_demo", "sio_demo.check", "sio_demo.diagnosis"])
def test_what_a_base_install_has_is_enough(module: str) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = done.stdout.split()
    assert not HEAVY & set(loaded)
    assert not [name for name in loaded if name.startswith(("sio_demo.lab", "sio_demo.plots"))]


@pytest.mark.parametrize("name", sio_demo.__all__)
def test_each_name_of_the_package_is_there(name: str) -> None:
    assert getattr(sio_demo, name) is not None
    assert name in dir(sio_demo)


def test_another_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Lnik'"):
        _ = sio_demo.Lnik
