"""The command ``sio-demo atlas``."""

import argparse
import asyncio
import json
from dataclasses import fields

import pytest

from sio_demo.atlas import Cause, cause
from sio_demo.commands import atlas


def call(*arguments):
    """Run the command, and give its exit code."""
    parser = argparse.ArgumentParser(prog="sio-demo")
    atlas.add(parser)
    return asyncio.run(atlas.run(parser.parse_args(arguments)))


def test_it_prints_a_line_for_each_cause_with_its_counters(capsys):
    assert call("D25", "D22") == 0
    lines = capsys.readouterr().out.splitlines()
    d22, d25 = (line for line in lines if line.startswith("D2"))
    assert d22.split(maxsplit=11) == ["D22", *"11112", *"11111", cause("D22").title]
    assert d25.split(maxsplit=11) == ["D25", *"11122", *"11111", cause("D25").title]


def test_it_says_why_a_cause_is_not_reproduced(capsys):
    assert call("D27") == 0
    out = capsys.readouterr().out
    assert f"D27   -           -           {cause('D27').title}\n" in out
    assert out.endswith(f"D27 is not reproduced. {cause('D27').reason}\n")


def test_as_json_it_prints_everything(capsys):
    assert call("--json", "d22", "D27") == 0
    d22, d27 = json.loads(capsys.readouterr().out)
    names = {field.name for field in fields(Cause)} | {"before", "after"}
    names -= {"look", "signatures", "twins", "rule"}  # of the diagnosis and the checker
    assert d22.keys() == d27.keys() == names
    ones = dict.fromkeys(("listeners", "sids", "packets", "calls", "effects"), 1)
    assert d22["before"] == ones | {"effects": 2}
    assert d22["after"] == ones
    assert (d27["before"], d27["after"], d27["reason"]) == (None, None, cause("D27").reason)
    texts = ("letter", "title", "family", "symptom", "mechanism", "fix")
    assert [d22[name] for name in texts] == [getattr(cause("D22"), name) for name in texts]
    assert tuple(d22["evidence"]) == cause("D22").evidence


def test_an_unknown_letter_is_refused_with_exit_code_2(capsys):
    with pytest.raises(SystemExit) as ended:
        call("D99")
    assert ended.value.code == 2
    assert "There is no cause 'D99'. There are: D1, D2" in capsys.readouterr().err
