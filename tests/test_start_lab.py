"""`make lab`: JupyterLab on the first notebook, and what is said of a port that is refused."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

import pytest

import start_lab


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the command that would become JupyterLab."""
    command: list[str] = []
    monkeypatch.setattr(os, "execv", lambda path, arguments: command.extend(arguments))
    return command


@pytest.mark.parametrize(
    "spell",
    [
        lambda port: [f"--port={port}"],
        lambda port: ["--port", str(port)],
        lambda port: [f"--ServerApp.port={port}", "--ip=127.0.0.1"],
    ],
)
def test_port_in_use_is_refused_with_a_remedy(
    started: list[str], spell: Callable[[int], list[str]]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(SystemExit, match=f"port {port} is refused") as refusal:
            start_lab.main(["--no-browser", *spell(port)])
    assert "in use" in str(refusal.value)
    assert "run 'make lab' without --port" in str(refusal.value)
    assert started == []


def test_port_beyond_the_last_is_refused(started: list[str]) -> None:
    with pytest.raises(SystemExit, match="port 65536 is refused: ports end at 65535"):
        start_lab.main(["--port=65536"])
    assert started == []


def test_free_port_is_passed_on_and_kept(started: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
    start_lab.main(["--no-browser", f"--port={port}"])
    assert started[1:4] == ["-m", "jupyter", "lab"]
    assert "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb" in started
    assert "--ServerApp.port_retries=0" in started
    assert started[-2:] == ["--no-browser", f"--port={port}"]


def test_without_a_port_jupyter_chooses(started: list[str]) -> None:
    start_lab.main([])
    assert "--ServerApp.port_retries=0" not in started


@pytest.mark.parametrize(("user", "allowed"), [(0, True), (1000, False)])
def test_root_is_allowed_as_in_a_container(
    started: list[str], monkeypatch: pytest.MonkeyPatch, user: int, allowed: bool
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    start_lab.main([])
    assert ("--allow-root" in started) is allowed
