"""``sio-demo chaos``: its exit code, its last line, and how a failure is played again."""

import argparse
import asyncio

import pytest

from sio_demo import chaos
from sio_demo.chaos.stores import PARTS
from sio_demo.commands import chaos as command

FIELDS = chaos.Verdict.__slots__
CLEAN = chaos.Verdict(0, "none", ("reset", "reset", "latency"), 40, 0, 0, 0, ())


def call(*arguments):
    parser = argparse.ArgumentParser(prog="sio-demo")
    command.add(parser)
    return asyncio.run(command.run(parser.parse_args([*map(str, arguments)])))


@pytest.fixture
def played(monkeypatch):
    """Give made-up verdicts instead of playing; note what was asked for."""
    asked = {}
    failing = {}

    async def run_all(seeds, variant, *, jobs):
        asked.update(seeds=seeds, variant=variant, jobs=jobs)
        for seed in seeds:
            changes = {"seed": seed, "variant": variant, **failing.get(seed, {})}
            yield chaos.Verdict(**{name: getattr(CLEAN, name) for name in FIELDS} | changes)

    monkeypatch.setattr(chaos, "run_all", run_all)
    return asked, failing


def test_it_plays_a_hundred_seeds(played, capsys):
    assert call() == 0
    asked, _ = played
    assert asked == {"seeds": [*range(1, 101)], "variant": "none", "jobs": 8}
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "faults: 200 reset, 100 latency",
        "100 schedules, 4000 messages: 0 lost, 0 duplicated, 0 reordered",
    ]
    assert err == "100 of 100 schedules, 0 failed\n"


def test_it_plays_the_schedules_asked_for(played):
    assert call("--seeds", 3, "--variant", "no-dedup", "--jobs", 2) == 0
    asked, _ = played
    assert asked == {"seeds": [1, 2, 3], "variant": "no-dedup", "jobs": 2}


def test_one_seed_is_shown(played, capsys):
    assert call("--seed", 17) == 0
    asked, _ = played
    assert asked["seeds"] == [17]
    out = capsys.readouterr().out
    assert out.startswith(f"{chaos.Schedule.from_seed(17)}\n")
    assert out.endswith("\n1 schedules, 40 messages: 0 lost, 0 duplicated, 0 reordered\n")


def test_failures_are_told_with_the_way_to_play_them_again(played, capsys):
    _, failing = played
    failing[17] = {"lost": 1, "findings": ("lost: message 3 of client 1",)}
    failing[18] = {"duplicated": 2, "reordered": 3, "findings": ("duplicated: message 4",)}
    assert call("--seeds", 20) == 1
    out = capsys.readouterr().out
    assert f"FAILED {chaos.Schedule.from_seed(17)}\n  lost: message 3 of client 1\n" in out
    assert "play it again: make chaos SEED=17\n" in out
    assert "failed seeds: 17 18\n" in out
    assert out.endswith("\n20 schedules, 800 messages: 1 lost, 2 duplicated, 3 reordered\n")


def test_other_findings_fail_as_well(played):
    _, failing = played
    failing[1] = {"findings": ("stuck: 0 faults in 30 s",)}
    assert call("--seeds", 1) == 1


def test_many_failures_are_not_all_told(played, capsys):
    _, failing = played
    failing.update({seed: {"findings": ("lost: one",)} for seed in range(1, 11)})
    assert call("--seeds", 10) == 1
    out = capsys.readouterr().out
    assert out.count("FAILED") == command.FAILURES_SHOWN
    assert "failed seeds: 1 2 3 4 5 6 7 8 9 10\n" in out


def test_a_broken_variant_fails_and_names_itself(capsys):
    assert call("--seed", 88, "--variant", "no-dedup") == 1
    out = capsys.readouterr().out
    assert "  duplicated: message " in out
    assert "play it again: sio-demo chaos --seed 88 --variant no-dedup\n" in out


def test_a_terminal_shows_one_line_of_progress(played, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert call("--seeds", 2) == 0
    err = capsys.readouterr().err
    assert err == "\r1 of 2 schedules, 0 failed\r2 of 2 schedules, 0 failed\n"


def test_the_command_knows_every_variant():
    assert (*PARTS,) == command.VARIANTS


@pytest.mark.parametrize(
    "arguments",
    [
        ["--seeds", "0"],
        ["--seeds", "many"],
        ["--seed", "-1"],
        ["--seed", "1", "--seeds", "2"],
        ["--jobs", "0"],
        ["--variant", "nonsense"],
        ["17"],
    ],
)
def test_a_wrong_call_is_refused_with_exit_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        call(*arguments)
    assert ended.value.code == 2
    assert "usage: sio-demo" in capsys.readouterr().err
