"""``sio-demo lab``: open the notebooks, or your copies of them, in JupyterLab."""

import argparse
import os
import shutil
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from ..errors import NodeMissingError, UsageError

PACKAGE = Path(__file__).parents[1]
CONFIGURATION = PACKAGE / "panel" / "jupyter"
COPIES = Path("sio-demo-notebooks")
START = "/lab/tree/00_start_here.ipynb"


def add(command: argparse.ArgumentParser) -> None:
    command.description = (
        "Copies the notebooks to a directory, keeps what you have changed there, and "
        "opens JupyterLab. Other options, such as --no-browser, are passed on to it."
    )
    where = f"where the copies are, or will be (default: {COPIES})"
    command.add_argument(
        "directory", nargs="?", type=Path, default=COPIES, metavar="DIR", help=where
    )
    command.add_argument("--port", type=_port, default=0, help="a port, else one that is free")


def run(options: argparse.Namespace) -> int:
    from ..lab import packages

    copy(options.directory)
    try:
        packages.install()
    except NodeMissingError as error:
        print(f"sio-demo: cells with JavaScript will fail. {error}", file=sys.stderr)
    arguments = [f"--ServerApp.root_dir={options.directory.resolve()}"]
    arguments.append(f"--LabApp.default_url={START}")
    if options.port:  # it, and no other: a bookmark is for this one
        arguments += [f"--port={options.port}", "--ServerApp.port_retries=0"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:  # as in most containers
        arguments.append("--allow-root")
    folders = [str(CONFIGURATION), os.environ.get("JUPYTER_CONFIG_PATH", "")]
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, folders))
    jupyter = [sys.executable, "-m", "jupyter", "lab", *arguments, *options.others]
    os.execv(sys.executable, jupyter)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"a port is a number up to 65535, unlike {text!r}")
    return int(text)


def copy(directory: Path) -> None:
    """Copy the notebooks that are not there, and name those that the reader has changed."""
    inside = PACKAGE / "notebooks"  # in a wheel
    source = inside if inside.is_dir() else PACKAGE.parent / "notebooks"
    changed, new = [], []
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for notebook in sorted(source.glob("*.ipynb")):
            target = directory / notebook.name
            if not target.exists():
                new.append(shutil.copyfile(notebook, target))
            elif target.read_bytes() != notebook.read_bytes():
                changed.append(notebook.name)
    except OSError as error:
        raise UsageError(f"The notebooks cannot be copied: {error}. Name another DIR.") from None
    _trust(new)
    if changed:
        names = ", ".join(changed)
        print(f"sio-demo: kept as they are in {directory}: {names}. Delete a file to reset it.")


def _trust(copies: list[Path]) -> None:
    """Sign the copies: of a notebook that it does not know, JupyterLab shows no stored SVG."""
    if copies:
        nbformat: Any = import_module("nbformat.sign")  # it has no types
        notary = nbformat.NotebookNotary()
        for path in copies:
            notary.sign(nbformat.read(path, 4))
