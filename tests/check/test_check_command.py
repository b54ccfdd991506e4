"""``sio-demo check``: exit codes and output."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from sio_demo.commands import check

BAD = "const socket = io();\nsocket.on('connect', () => { socket.on('a', f); });\n"


def run(*arguments: str | Path) -> int:
    parser = argparse.ArgumentParser()
    check.add(parser.add_subparsers(required=True))
    options = parser.parse_args(["check", *map(str, arguments)])
    code: int = options.run(options)
    return code


def test_clean_tree_exits_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "a.js").write_text("const socket = io();\nsocket.on('a', f);\n")
    assert run(tmp_path) == 0
    assert capsys.readouterr().out == "0 findings in 1 file (3 lines)\n"


def test_findings_exit_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "a.js").write_text(BAD)
    assert run(tmp_path) == 1
    assert f"{tmp_path.as_posix()}/a.js:2:30: listener-in-connect" in capsys.readouterr().out


def test_missing_path_exits_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run(tmp_path / "nowhere") == 2
    assert "there is no" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], [".", "--format", "xml"]])
def test_wrong_arguments_exit_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit, match="2"):
        run(*arguments)
    assert "usage:" in capsys.readouterr().err


def test_skipped_files_go_to_standard_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "a.js").write_bytes(b"\0")
    assert run(tmp_path, "--format", "json") == 0
    captured = capsys.readouterr()
    assert captured.err == f"{tmp_path.as_posix()}/a.js: skipped, binary\n"
    assert len(json.loads(captured.out)["skipped"]) == 1


@pytest.mark.parametrize("form", ["json", "sarif"])
def test_formats_are_json(tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "a.js").write_text(BAD)
    assert run(tmp_path, "--format", form) == 1
    json.loads(capsys.readouterr().out)
