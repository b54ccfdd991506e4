"""Which files are read, and what is said of those that are not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sio_demo.check import check_paths
from sio_demo.check.pages import scripts_of, without_templates
from sio_demo.errors import UsageError

BAD = "const socket = io();\nsocket.on('connect', () => { socket.on('a', f); });\n"


def write(path: Path, text: str | bytes = BAD) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def found(path: Path) -> list[str]:
    return sorted({Path(f.path).relative_to(path).as_posix() for f in check_paths([path]).findings})


def test_all_languages_are_read(tmp_path: Path):
    for name in ("a.js", "b.jsx", "c.mjs", "d.cjs", "e.ts", "f.mts", "g.cts", "h.tsx"):
        write(tmp_path / name)
    for name in ("i.vue", "j.svelte", "k.html"):
        write(tmp_path / name, f"<p>\n<script>{BAD}</script>\n")
    assert found(tmp_path) == sorted(path.name for path in tmp_path.iterdir())


@pytest.mark.parametrize(
    "name",
    [
        "node_modules/a.js",
        ".git/a.js",
        ".next/a.js",
        "dist/a.js",
        "build/a.js",
        "web/bower_components/a.js",
        "tests/a.js",
        "src/__tests__/a.js",
        "cypress/a.js",
        "a.test.js",
        "a.spec.ts",
        "a.cy.ts",
        "test_a.py",
        "jquery-3.7.1.js",
        "a.min.js",
        "index.7d68a613.js",
        "a.d.ts",
        "a.txt",
    ],
)
def test_what_is_not_the_readers_own_code_is_left_out(tmp_path: Path, name: str):
    write(tmp_path / "src" / "main.js")
    write(tmp_path / name)
    report = check_paths([tmp_path])
    assert report.files == 1
    assert not report.skipped


def reasons(path: Path) -> list[tuple[str, str]]:
    left_out = check_paths([path]).left_out
    return [(Path(s.path).relative_to(path).as_posix(), s.reason) for s in left_out]


OWN_NAMES = ["socketIO.js", "socket.io.js", "socketio.service.js", "vue.js", "react.js"]
OWN_NAMES += ["require.js", "test.js", "chat-test.js", "main-bundle.js"]


@pytest.mark.parametrize("name", OWN_NAMES)
@pytest.mark.parametrize("folder", ["", "test/", "build/", "out/", "env/", "target/", "vendors/"])
def test_own_code_with_the_name_of_a_library_or_an_output_is_read(
    tmp_path: Path, name: str, folder: str
):
    write(tmp_path / "app" / folder / name)
    assert found(tmp_path) == [f"app/{folder}{name}"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("/*!\n * Socket.IO v4.7.5\n */\n" + BAD, "installed"),
        ("if (typeof define === 'function' && define.amd) define(f);\n" + BAD, "installed"),
        (BAD + "//# sourceMappingURL=socket.io.js.map\n", "installed"),
        (BAD + "\nit('greets', () => { expect(1).toBe(1); });\n", "tests"),
    ],
)
@pytest.mark.parametrize("name", ["socket.io.js", "test/a.js", "vendor/a.js"])
def test_such_names_are_left_out_by_what_is_in_them(
    tmp_path: Path, name: str, content: str, reason: str
):
    write(tmp_path / "app" / name, content)
    write(tmp_path / "app" / "own.js", content)
    assert reasons(tmp_path) == [(f"app/{name}", reason)]


def test_what_git_ignores_is_left_out(tmp_path: Path):
    write(tmp_path / ".gitignore", "# outputs\n/made\n*.gen.js\n!kept.gen.js\nold/\n")
    write(tmp_path / "app" / ".gitignore", "local.js\n!own.gen.js\n")
    kept = ["app/a.js", "app/made/b.js", "app/own.gen.js", "kept.gen.js", "local.js"]
    for name in (*kept, "made/c.js", "app/d.gen.js", "app/old/e.js", "app/local.js"):
        write(tmp_path / name)
    assert found(tmp_path) == sorted(kept)
    assert {reason for _, reason in reasons(tmp_path)} == {"ignored"}


@pytest.mark.parametrize(
    ("pattern", "ignored"),
    [
        ("**/made", ["app/made/a.js", "app/new/made/a.js"]),
        ("app/**/made/", ["app/made/a.js", "app/new/made/a.js"]),
        ("app/*.js", ["app/a.js", "app/own.js"]),
        ("/a.js", []),
        ("[a-b].js\n!app/a.js", ["app/made/a.js", "app/new/made/a.js"]),
        ("!\nmade", ["app/made/a.js", "app/new/made/a.js"]),
    ],
)
def test_patterns_mean_what_they_mean_to_git(tmp_path: Path, pattern: str, ignored: list[str]):
    write(tmp_path / ".gitignore", pattern + "\n")
    files = ["app/a.js", "app/made/a.js", "app/new/made/a.js", "app/own.js"]
    for name in files:
        write(tmp_path / name)
    assert found(tmp_path) == [name for name in files if name not in ignored]


def test_virtual_environment_is_left_out(tmp_path: Path):
    write(tmp_path / "my-env" / "pyvenv.cfg", "")
    write(tmp_path / "my-env" / "a.js")
    assert check_paths([tmp_path]).files == 0


def test_file_that_is_named_is_read_wherever_it_is(tmp_path: Path):
    assert len(check_paths([write(tmp_path / "tests" / "a.test.js")]).findings) == 1


def test_links_do_not_loop(tmp_path: Path):
    write(tmp_path / "src" / "a.js")
    (tmp_path / "src" / "again").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "src" / "gone.js").symlink_to(tmp_path / "nowhere.js")
    (tmp_path / "src" / "self.js").symlink_to(tmp_path / "src" / "self.js")
    report = check_paths([tmp_path])
    assert report.files == 1
    assert sorted(Path(s.path).name for s in report.skipped) == ["gone.js", "self.js"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (BAD.encode() + b"\0", "binary"),
        (BAD.encode() + b" " * 1_000_000, "larger than 1 MB"),
        (BAD.replace("\n", "") + "f();" * 3_000, "minified"),
        (BAD + "}} socket.on(", "does not parse, near line 3; the rest is checked"),
    ],
    ids=["binary", "huge", "minified", "broken"],
)
def test_file_that_cannot_be_checked_is_named(tmp_path: Path, content: str | bytes, reason: str):
    path = write(tmp_path / "a.js", content)
    write(tmp_path / "b.js")
    report = check_paths([tmp_path])
    assert [(s.path, s.reason) for s in report.skipped] == [(path.as_posix(), reason)]
    assert len(report.findings) == (2 if "the rest" in reason else 1)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_file_that_may_not_be_read_is_named(tmp_path: Path):
    write(tmp_path / "a.js").chmod(0)
    [skipped] = check_paths([tmp_path]).skipped
    assert skipped.reason == "cannot be read: Permission denied"


def test_pipe_is_named_and_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "a.js")
    [skipped] = check_paths([tmp_path]).skipped
    assert skipped.reason == "not a regular file"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_encodings_and_line_ends_do_not_move_lines(tmp_path: Path, encoding: str):
    text = "// é\r\n" + BAD.replace("\n", "\r\n")
    [finding] = check_paths([write(tmp_path / "a.js", text.encode(encoding))]).findings
    assert finding.line == 3


def test_path_that_does_not_exist_is_refused(tmp_path: Path):
    with pytest.raises(UsageError, match=r"there is no .*nowhere"):
        check_paths([tmp_path / "nowhere"])


def test_nothing_is_executed(tmp_path: Path):
    write(tmp_path / "a.py", "import socketio\nopen('ran', 'w')\n")
    check_paths([tmp_path])
    assert os.listdir(tmp_path) == ["a.py"]


def test_scripts_keep_their_place():
    text = "<template>é</template>\n<script lang='ts'>\nlet a\n</script><script>let b</script>"
    scripts = scripts_of(text, "vue")
    assert scripts.language == "typescript"
    assert scripts.text.split() == ["let", "a", "let", "b"]
    assert scripts.text.index("let b") == text.index("let b")


def test_scripts_of_other_kinds_are_left_out():
    text = '<script type="application/json">{"a": 1}</script><script src="socket.io.js"></script>'
    scripts = scripts_of(text, "html")
    assert not scripts.text.strip()
    assert scripts.client_script


def test_expressions_of_templates_become_values():
    text = "f({{ a }}, <%= b %>);\n{% if c %}\ng('{{ d }}');"
    plain = without_templates(text)
    assert len(plain) == len(text)
    assert plain.split() == ["f(", "0,", "0);", "g('", "0');"]
