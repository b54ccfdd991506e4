"""The rules, on the corpus beside this file: cases to find, and near misses."""

from __future__ import annotations

from pathlib import Path

import pytest
from scoring import score

from sio_demo.check import RULES, check_paths, check_source
from sio_demo.errors import UsageError

CORPUS = Path(__file__).parent / "corpus"
FILES = sorted(
    path for path in CORPUS.rglob("*") if path.is_file() and "__" not in path.parent.name
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(CORPUS).as_posix())
def test_finds_what_the_source_expects_and_nothing_else(path: Path):
    result = score(path)
    assert not result.skipped
    assert result.missed == []
    assert result.false == []


def test_near_misses_expect_nothing():
    assert score(CORPUS / "negative").expected == frozenset()


def test_every_rule_has_a_case():
    assert {rule for *_, rule in score(CORPUS / "positive").expected} == set(RULES)


def test_nothing_is_reported_twice():
    findings = check_paths([CORPUS]).findings
    assert len(findings) == len(set(findings))


def test_every_message_says_what_to_do_and_names_the_atlas():
    for finding in check_paths([CORPUS]).findings:
        assert finding.message.endswith(f"[{finding.atlas}]")
        assert finding.message.count(". ") >= 1


def test_position_counts_from_one_in_characters():
    text = "const socket = io();\nsocket.on('connect', () => { /* é */ socket.on('a', f) })\n"
    [finding] = check_source(text, "javascript")
    assert (finding.line, finding.column) == (2, 38)


def test_part_of_a_chain_is_reported_where_it_stands():
    text = "const socket = io();\nsocket.on('connect', () => {\n  socket\n    .on('a', f)\n})\n"
    [finding] = check_source(text, "javascript")
    assert (finding.line, finding.column) == (4, 6)


@pytest.mark.parametrize(
    "name", ["javascript", "a.js", "src/a.jsx", "a.mjs", "a.ts", "typescript", "tsx", "a.tsx"]
)
def test_takes_a_language_or_a_file_name(name: str):
    text = "const socket = io();\nsocket.on('connect', () => { socket.on('a', f) })\n"
    assert [finding.rule for finding in check_source(text, name)] == ["listener-in-connect"]


def test_unknown_language_is_refused():
    with pytest.raises(UsageError, match="unknown language 'cobol'"):
        check_source("", "cobol")


def test_broken_source_is_refused():
    with pytest.raises(UsageError, match="does not parse, near line"):
        check_source("const socket = io(\nsocket.on('connect', => {", "javascript")


def test_ampersands_in_jsx_are_text():
    text = (
        "const socket = io();\n"
        "const Title = () => <a href='/?a=1&b=2'>News & <b>Mail</b> && more</a>;\n"
        "socket.on('connect', () => { socket.on('a', f) })\n"
    )
    assert [finding.line for finding in check_source(text, "a.tsx")] == [3]
    with pytest.raises(UsageError, match="near line 2"):
        check_source(text.replace("<b>", "& f(<b>"), "a.tsx")


def test_one_comment_silences_one_rule_on_its_line_or_below_it():
    text = (
        "const socket = io();\n"
        "socket.on('connect', () => {\n"
        "  // sio-demo: ignore[listener-in-connect]\n"
        "  socket.on('a', f);\n"
        "  socket.on('b', f); // sio-demo: ignore[timer-in-connect]\n"
        "  socket.on('c', f); /* sio-demo: ignore[listener-in-connect] */\n"
        "  socket.on('d', f);\n"
        "});\n"
    )
    assert [finding.line for finding in check_source(text, "javascript")] == [5, 7]


def test_javascript_with_types_is_read_as_typescript():
    text = "const socket: Socket = io();\nsocket.on('connect', () => { socket.on('a', f) })\n"
    assert len(check_source(text, "a.js")) == 1


def test_names_alone_do_not_make_a_client_of_what_comes_from_another_library():
    text = "import net from 'net';\nsocket.on('connect', () => { socket.on('reply', f) })\n"
    assert check_source(text, "javascript") == []
    assert len(check_source(text.partition("\n")[2], "javascript")) == 1


@pytest.mark.parametrize(
    "imported", ["import asyncio, socketio", "import socketio as sio_lib, asyncio"]
)
def test_library_that_is_not_alone_in_its_import(imported: str):
    module = "sio_lib" if " as " in imported else "socketio"
    text = (
        f"{imported}\nclient = {module}.AsyncClient()\n@client.event\nasync def connect():\n"
        "    while True:\n        await asyncio.sleep(1)\n"
    )
    assert [finding.line for finding in check_source(text, "a.py")] == [5]


def test_comment_that_silences_a_whole_file(tmp_path: Path):
    text = "const socket = io();\nsocket.on('connect', () => { socket.on('a', f) })\n"
    (tmp_path / "a.js").write_text(f"{text}// sio-demo: ignore-file[listener-in-connect]\n")
    report = check_paths([tmp_path])
    assert (report.findings, report.remarks) == ((), ())


def test_comments_that_silence_nothing_are_named(tmp_path: Path):
    (tmp_path / "a.js").write_text(
        "const socket = io(); // sio-demo: ignore[timer-in-connect]\n"
        "socket.on('a', f); // sio-demo: ignore[no-such-rule]\n"
    )
    assert [(remark.line, remark.text) for remark in check_paths([tmp_path]).remarks] == [
        (1, "nothing to ignore for `timer-in-connect`"),
        (2, "`no-such-rule` is no rule"),
    ]


def test_one_bad_construct_does_not_hide_the_rest(tmp_path: Path):
    text = "const socket = io();\nsocket.on('connect', () => { socket.on('a', f) })\nlet = = 3;\n"
    (tmp_path / "a.js").write_text(text)
    report = check_paths([tmp_path])
    assert [finding.line for finding in report.findings] == [2]
    assert [s.reason for s in report.skipped] == [
        "does not parse, near line 3; the rest is checked"
    ]


def test_message_about_one_time_listeners_says_when_they_pile_up():
    text = "const socket = io();\nsocket.on('connect', () => { socket.once('a', f) })\n"
    [finding] = check_source(text, "javascript")
    assert "until the event comes they pile up" in finding.message


def test_task_in_a_lambda_is_found_once():
    text = (
        "import socketio, threading\nsio = socketio.Client()\n@sio.event\ndef connect():\n"
        "    threading.Thread(target=lambda: watch(1)).start()\n"
        "def watch(number):\n    while True:\n        sio.emit('value', number)\n"
    )
    assert [(f.line, f.column) for f in check_source(text, "python")] == [(5, 5)]
