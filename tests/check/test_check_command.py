"""``sio-demo check``: exit codes and output."""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path

import pytest

from sio_demo.check import RULES
from sio_demo.commands import check

BAD = "const socket = io();\nsocket.on('connect', () => { socket.on('a', f); });\n"


def run(*arguments: str | Path) -> int:
    parser = argparse.ArgumentParser()
    check.add(parser)
    return check.run(parser.parse_args([*map(str, arguments)]))


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


def test_what_a_baseline_has_is_left_out_wherever_its_line_is_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    source, baseline = Path("a.js"), Path("old.json")
    source.write_text(BAD)
    run(".", "--format", "json")
    baseline.write_text(capsys.readouterr().out)
    source.write_text(f"// moved\n{BAD}")
    assert run(".", "--baseline", baseline) == 0
    source.write_text(BAD + BAD.partition("\n")[2])  # the same line once more
    assert run(".", "--baseline", baseline) == 1
    assert capsys.readouterr().out.count(": listener-in-connect ") == 1


@pytest.mark.parametrize("text", ["", "[]", '{"findings": [{"path": "a.js"}]}', None])
def test_what_is_no_baseline_is_refused(
    tmp_path: Path, text: str | None, capsys: pytest.CaptureFixture[str]
):
    if text is not None:
        (tmp_path / "old.json").write_text(text)
    (tmp_path / "a.js").write_text(BAD)
    assert run(tmp_path, "--baseline", tmp_path / "old.json") == 2
    assert "Write one: sio-demo check --format json PATH >" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["json", "sarif"])
def test_formats_are_json(tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "a.js").write_text(BAD)
    assert run(tmp_path, "--format", form) == 1
    json.loads(capsys.readouterr().out)


def test_finding_has_its_line_of_code_below_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "a.js").write_text(BAD)
    run(tmp_path)
    assert capsys.readouterr().out.split("\n")[1] == f"    {BAD.split(chr(10))[1]}"


def test_nothing_to_check_exits_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run(tmp_path) == 2
    assert capsys.readouterr().err == "nothing was checked\n"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a.pug", ".pug is a kind that is not read"),
        ("a.mdx", ".mdx is a kind that is not read"),
        ("a.js", "does not parse, near line 1; the rest is checked"),
    ],
)
def test_what_is_not_read_is_named(
    tmp_path: Path, name: str, reason: str, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / name).write_text("const socket = io(\nsocket.on('connect', => {")
    assert run(tmp_path) == 0
    assert capsys.readouterr().err == f"{tmp_path.as_posix()}/{name}: skipped, {reason}\n"


@pytest.mark.parametrize("name", ["a.astro", "a.ejs", "a.hbs", "a.php", "a.njk"])
def test_scripts_of_templates_are_read(tmp_path: Path, name: str):
    (tmp_path / name).write_text(f"<?php echo 1 ?>\n<script>\n{BAD}f({{{{ a }}}});</script>\n")
    assert run(tmp_path) == 1


def test_file_of_an_unknown_kind_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "a.rb").write_text("puts 1\n")
    assert run(tmp_path / "a.rb") == 0
    assert capsys.readouterr().err.endswith("a.rb: skipped, unknown kind of file\n")


def test_files_that_are_left_out_are_counted_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    for name in ("a.js", "b.test.js", "c.test.js", "node_modules/d.js", "package.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    assert run(tmp_path, "--verbose") == 0
    captured = capsys.readouterr()
    assert captured.out.endswith("; left out: 2 files (tests), 1 folder (installed)\n")
    assert f"{tmp_path.as_posix()}/b.test.js: left out, tests\n" in captured.err


def test_exit_zero_and_quiet(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "a.js").write_text(BAD)
    assert run(tmp_path, "--exit-zero", "--quiet") == 0
    assert "1 finding in" not in capsys.readouterr().out


def test_standard_input_has_the_name_that_is_given(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"<script>{BAD}</script>"))
    assert run("-", "--stdin-filename", "src/a.vue") == 1
    assert capsys.readouterr().out.startswith("src/a.vue:2:30: listener-in-connect")


def test_format_for_github(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "a,b.js").write_text(BAD)
    assert run(tmp_path, "--format", "github") == 1
    out = capsys.readouterr().out
    assert out.startswith(f"::warning file={tmp_path.as_posix()}/a%2Cb.js,line=2,col=30,title=")


def test_rules_are_listed_and_explained(capsys: pytest.CaptureFixture[str]):
    assert run("--rules") == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(RULES)
    for rule in RULES.values():
        assert run("--explain", rule.id) == 0
        out = capsys.readouterr().out
        assert f"{rule.id} [{rule.atlas}]" in out
        assert rule.fix in out
        assert "https://" in out
    assert run("--explain", "no-such-rule") == 2
    assert "there is no rule 'no-such-rule'" in capsys.readouterr().err


PYPROJECT = '[tool.sio-demo]\nignore = ["listener-in-connect"]\n'
PACKAGE = '{"sio-demo": {"per-file-ignores": {"old/*.js": ["listener-in-connect"]}}}'


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("pyproject.toml", PYPROJECT, 0),
        ("pyproject.toml", PYPROJECT.replace("ignore", "select"), 2),
        ("pyproject.toml", '[tool.sio-demo]\nexclude = ["old"]\n', 1),
        ("pyproject.toml", "[tool.other]\n", 2),
        ("package.json", PACKAGE, 1),
        ("package.json", '{"scripts": {"start": "node ser', 2),  # broken, and of no concern here
    ],
)
def test_settings_of_a_project(
    tmp_path: Path, name: str, text: str, found: int, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / name).write_text(text)
    for place in ("src/a.js", "old/b.js"):
        (tmp_path / place).parent.mkdir()
        (tmp_path / place).write_text(BAD)
    assert run(tmp_path, "--format", "json") == (1 if found else 0)
    assert len(json.loads(capsys.readouterr().out)["findings"]) == found
    assert run(tmp_path, "--ignore", "listener-in-connect") == 0


@pytest.mark.parametrize("text", ["[tool.sio-demo]\nselct = []\n", "[tool.sio-demo\n"])
def test_settings_that_are_wrong_are_refused(tmp_path: Path, text: str):
    (tmp_path / "pyproject.toml").write_text(text)
    assert run(tmp_path) == 2
