"""The measure of the checker: what its sources expect, found or not."""

from __future__ import annotations

from pathlib import Path

import pytest
from scoring import as_table, score

CORPUS = Path(__file__).parent / "corpus"
BAD = "const socket = io();\nsocket.on('connect', () => { socket.on('a', f); });\n"


def test_table_ends_with_recall_and_precision():
    assert "recall 1.000  precision 1.000" in as_table(score(CORPUS)).splitlines()[-1]


def test_table_names_what_is_missed_and_what_is_false(tmp_path: Path):
    (tmp_path / "a.js").write_text(f"{BAD}f(); // expect: timer-in-connect\n")
    out = as_table(score(tmp_path))
    assert f"missed {tmp_path.as_posix()}/a.js:3 timer-in-connect" in out
    assert f"false  {tmp_path.as_posix()}/a.js:2 listener-in-connect" in out
    assert "recall 0.000  precision 0.000  (1 expected, 1 found)" in out


def test_files_that_are_left_out_count_as_missed(tmp_path: Path):
    (tmp_path / "a.test.js").write_text(f"{BAD}f(); // expect: timer-in-connect\n")
    assert score(tmp_path).recall == 0


def test_rule_that_there_is_not_is_refused(tmp_path: Path):
    (tmp_path / "a.js").write_text("f(); // expect: no-such-rule\n")
    with pytest.raises(ValueError, match="'no-such-rule', which is no rule"):
        score(tmp_path)
