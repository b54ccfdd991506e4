"""Workers, engines, a feed and followers: the delivery holds, and what is broken is found."""

from contextlib import aclosing

import chaos_workers
import pytest
from broken_parts import BrokenWorkerStage
from chaos_workers import WORKER_KINDS, WorkerStage

from sio_demo import chaos
from sio_demo.errors import UsageError

DRAWN = [fault for seed in range(1000) for fault in WorkerStage.draw(seed).faults]


def test_every_kind_of_fault_strikes_often_and_names_itself():
    for kind in WORKER_KINDS:
        drawn = [fault for fault in DRAWN if fault.kind == kind]
        assert len(drawn) > 100, kind
        assert str(drawn[0]).startswith(kind)


async def test_workers_and_engines_that_fail_lose_double_and_reorder_nothing(quiet):
    verdicts = [v async for v in chaos_workers.run_all([3, 9], jobs=2)]
    assert [verdict.findings for verdict in verdicts] == [()] * 2
    for verdict in verdicts:
        schedule = WorkerStage.draw(verdict.seed)
        assert verdict.accepted == schedule.clients * schedule.messages


@pytest.mark.parametrize(
    ("variant", "finding", "seeds"),
    [
        ("check-then-set", "", [5]),  # lost or duplicated
        ("no-gap-check", "in the feed, lost", [1]),
        ("dedup-per-process", "lost", [5]),
        ("offset-first", "in the feed, lost", [4]),
        ("offset-outside", "in the feed, duplicated", [2, 17, 26, 33, 34, 36]),
    ],
)
async def test_what_is_broken_is_caught(quiet, monkeypatch, variant, finding, seeds):
    """In one of a hundred schedules; those that have caught it before are played first."""
    monkeypatch.setattr(chaos_workers, "PATIENCE", 1.0)
    rest = set(range(1, 101)).difference(seeds)
    async with aclosing(
        chaos_workers.run_all([*seeds, *rest], variant, stage=BrokenWorkerStage)
    ) as playing:
        async for verdict in playing:
            if any(words.startswith(finding) for words in verdict.findings):
                return
    pytest.fail(f"{variant} is caught in no schedule")


async def test_there_is_no_other_variant():
    with pytest.raises(UsageError, match="variant 'mark-first': take one of none, no-dedup"):
        await anext(chaos.run_all([1], "mark-first", stage=WorkerStage))


def test_a_failure_says_how_it_is_played_again(monkeypatch, capsys):
    async def run_all(seeds, variant, *, jobs, stage):
        assert (jobs, stage) == (chaos_workers.ENGINES, WorkerStage)
        for seed in seeds:
            yield chaos.Verdict(seed, variant, ("reset",), 1, 0, 1, 0, ("duplicated: one",))

    monkeypatch.setattr(chaos_workers, "run_all", run_all)
    assert chaos_workers.main(["--seed", "7", "--workers"]) == 1
    out = capsys.readouterr().out
    assert out.startswith(f"{WorkerStage.draw(7)}\n")
    assert 'play it again: make chaos SEED=7 ARGS="--workers"\n' in out
    assert out.endswith("\n1 schedules, 1 messages: 0 lost, 1 duplicated, 0 reordered\n")
