"""`sio-demo lab`: copies of the notebooks, JupyterLab, and what is said of a port."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.sign import NotebookNotary

from sio_demo import __main__ as command_line

NOTEBOOKS = {path.name for path in (Path(__file__).parents[1] / "notebooks").glob("*.ipynb")}
FIRST = "00_start_here.ipynb"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Record the command that would become JupyterLab, started in an empty folder."""
    command: list[str] = []
    monkeypatch.setattr(os, "execv", lambda path, arguments: command.extend(arguments))
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return command


def lab(*arguments: str) -> None:
    command_line.main(["lab", *arguments])


@pytest.mark.parametrize("spell", ["--port={}", "here --ip=127.0.0.1 --port {}"])
def test_a_port_in_use_is_refused(tmp_path: Path, spell: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        command = [sys.executable, "-m", "sio_demo", "lab", "--no-browser"]
        jupyter = subprocess.run(
            [*command, *spell.format(port).split()],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert jupyter.returncode != 0
    assert f"because port {port} is not available" in jupyter.stderr


@pytest.mark.parametrize("port", ["65536", "-1", "eight"])
def test_what_is_no_port_is_refused(
    started: list[str], capsys: pytest.CaptureFixture[str], port: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        lab(f"--port={port}")
    assert f"a port is a number up to 65535, unlike '{port}'" in capsys.readouterr().err
    assert started == []


def test_free_port_is_passed_on_and_kept(started: list[str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
    lab("--no-browser", f"--port={port}")
    assert started[1:4] == ["-m", "jupyter", "lab"]
    assert f"--ServerApp.root_dir={tmp_path / 'sio-demo-notebooks'}" in started
    assert f"--LabApp.default_url=/lab/tree/{FIRST}" in started
    assert {f"--port={port}", "--ServerApp.port_retries=0"} <= set(started)
    assert started[-1] == "--no-browser"


def test_without_a_port_jupyter_chooses(started: list[str]) -> None:
    lab()
    assert not [
        argument for argument in started if argument.startswith(("--port", "--ServerApp.port"))
    ]


@pytest.mark.parametrize(("user", "allowed"), [(0, True), (1000, False)])
def test_root_is_allowed_as_in_a_container(
    started: list[str], monkeypatch: pytest.MonkeyPatch, user: int, allowed: bool
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    lab()
    assert ("--allow-root" in started) is allowed


def test_the_copies_are_trusted(started: list[str], tmp_path: Path) -> None:
    """Else JupyterLab shows words in place of the wire's picture, until the cell is run."""
    lab("mine")
    assert NotebookNotary().check_signature(nbformat.read(tmp_path / "mine" / FIRST, 4))


def test_what_the_reader_has_changed_is_kept_and_named(
    started: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lab("mine")
    assert {path.name for path in (tmp_path / "mine").iterdir()} == NOTEBOOKS
    assert capsys.readouterr().out == ""
    (tmp_path / "mine" / FIRST).write_text("changed")
    lab("mine")
    assert (tmp_path / "mine" / FIRST).read_text() == "changed"
    assert f"kept as they are in mine: {FIRST}." in capsys.readouterr().out


def test_where_nothing_can_be_written_it_says_so(
    started: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    lab("file/below")
    assert "Name another DIR." in capsys.readouterr().err
    assert started == []
