"""Inputs that are made to stop the checker."""

from __future__ import annotations

from pathlib import Path
from time import process_time

import pytest

from sio_demo.check import check_paths
from sio_demo.check.report import as_text

CLIENT = "const socket = io();\n"
BAD = f"{CLIENT}socket.on('connect', () => {{ socket.on('a', f); }});\n"
MANY = range(3_000)

HOSTILE = {
    "scripts.html": "<script>socket.on\n" * 50_000,
    "open.html": "<script socket.on\n" * 50_000,
    "braces.html": f"<script>{CLIENT}" + "{{ socket.on\n" * 60_000,
    "braces.js": CLIENT + "{{\n" * 250_000,
    "word.js": CLIENT + "socket" * 3_000 + ";\n" * 100,
    "hex.js": CLIENT + f"let data = [\n{'0x7f, 0x00, ' * 8} \n".replace(" \n", "\n") * 900 + "];\n",
    "nested.js": CLIENT
    + "".join(f"function f{n}() {{ socket.on('e{n}', () => {{\n" for n in range(300))
    + "})}" * 300,
    "effects.jsx": "import { useEffect } from 'react';\nimport socket from './socket';\n"
    + "".join(f"function useF{n}() {{ useEffect(() => {{ socket.on('e', g);\n" for n in range(200))
    + "})}" * 200,
    "removals.js": f"{CLIENT}socket.on('connect', () => {{\n"
    + "".join(f"socket.on('e{n}', f);\nsocket.off('g{n}', f);\n" for n in MANY)
    + "});\n",
    "timers.js": f"{CLIENT}socket.on('connect', () => {{\n"
    + "".join(f"t{n} = setInterval(f, 1); clearInterval(t{n});\n" for n in MANY)
    + "});\n",
    "handlers.js": CLIENT
    + "".join(f"socket.on('connect', () => {{ go({n}); }});\n" for n in MANY)
    + "function go() { socket.on('a', f); }\n",
    "sums.js": f"{CLIENT}let messageId = {' + '.join(['a'] * 9_000)} + socket.id;\n".replace(
        " + a + a + a", " + a + a\n + a"
    ),
    "names.js": CLIENT + "a.\n" * 9_000 + "on('x', f);\n",
    "ifs.py": "import socketio\n" + "".join(" " * n + "if x:\n" for n in range(600)),
    "connect.py": "import socketio\nsio = socketio.Client()\n@sio.event\ndef connect():\n"
    + "".join(f"    sio.on('e{n}', f)\n" for n in MANY),
    "noise.js": "socket.on(" + "){]'`/*=>(}\n" * 30_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_source_takes_longer_than_others_or_costs_their_report(tmp_path: Path, name: str):
    (tmp_path / name).write_text(HOSTILE[name])
    (tmp_path / "zz.js").write_text(
        f"{CLIENT}socket.on('connect', () => {{ socket.on('a', f); }});"
    )
    start = process_time()
    report = check_paths([tmp_path])
    assert process_time() - start < 10  # seconds: three for the rules, the rest for a busy machine
    assert "zz.js" in {Path(finding.path).name for finding in report.findings}


def test_thousands_of_listeners_are_all_found(tmp_path: Path):
    listeners = "".join(f"  socket.on('e{n}', f{n});\n" for n in MANY)
    (tmp_path / "a.js").write_text(f"{CLIENT}socket.on('connect', () => {{\n{listeners}}});\n")
    report = check_paths([tmp_path])
    assert (len(report.findings), report.skipped) == (len(MANY), ())


def test_thousands_of_subscriptions_are_all_found(tmp_path: Path):
    kept = "".join(f"  bus.on('e{n}', (v) => socket.emit('v', v));\n" for n in MANY)
    (tmp_path / "a.js").write_text(
        "const io = require('socket.io')(3000);\nconst bus = require('./bus');\n"
        f"io.on('connection', (socket) => {{\n{kept}}});\n"
    )
    report = check_paths([tmp_path])
    assert (len(report.findings), report.skipped) == (len(MANY), ())


def test_a_long_chain_is_read_to_its_end(tmp_path: Path):
    chain = "".join(f"else if (a === {n}) {{ go({n}); }}\n" for n in MANY)
    (tmp_path / "a.js").write_text(f"{BAD}if (b) {{ }}\n{chain}{BAD}")
    report = check_paths([tmp_path])
    assert (len(report.findings), report.skipped) == (2, ())


def test_links_to_other_places_are_named_and_not_followed(tmp_path: Path):
    outside = tmp_path / "outside.js"
    outside.write_text(BAD)
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "b.js").symlink_to(outside)
    (inside / "device.js").symlink_to("/dev/zero")
    report = check_paths([inside])
    assert report.findings == ()
    assert [s.reason for s in report.skipped] == ["a link to another place"] * 2


def test_control_characters_do_not_reach_the_terminal(tmp_path: Path):
    path = tmp_path / "a\x1b[31m.js"
    path.write_text(f"{CLIENT}socket.on('connect', () => {{ socket.on('\x1b[2J', f); }});")
    text = as_text(check_paths([tmp_path]))
    assert "\x1b" not in text
    assert "a\\x1b[31m.js:2:30: listener-in-connect" in text
