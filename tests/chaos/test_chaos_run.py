"""Schedules are played: the delivery holds, and whatever is broken is found."""

import asyncio
from contextlib import aclosing

import pytest
from broken_parts import BrokenStage

from sio_demo import chaos, cleanup
from sio_demo.chaos import stage, stores
from sio_demo.chaos.stage import Stage
from sio_demo.errors import UsageError

SEEDS = 24  # together they hold every kind of fault


async def test_the_delivery_loses_doubles_and_reorders_nothing(quiet):
    verdicts = [verdict async for verdict in chaos.run_all(range(1, SEEDS + 1))]
    assert [verdict.findings for verdict in verdicts] == [()] * SEEDS
    assert [verdict.seed for verdict in verdicts] == [*range(1, SEEDS + 1)]
    for verdict in verdicts:
        schedule = chaos.Schedule.from_seed(verdict.seed)
        assert verdict.faults == tuple(fault.kind for fault in schedule.faults)
        assert verdict.accepted == schedule.clients * schedule.messages
        assert verdict.ok
    assert {kind for verdict in verdicts for kind in verdict.faults} == set(chaos.FAULTS)


@pytest.mark.parametrize(
    ("variant", "finding", "seeds"),
    [
        ("no-dedup", "duplicated", [1, 2]),
        ("mark-outside", "duplicated", [6, 10, 26, 30]),
        ("mark-first", "lost", [1, 5, 6, 8]),
        ("id-per-attempt", "duplicated", [1, 2]),
        ("dedup-per-process", "duplicated", [5, 8, 10]),
        ("implicit-producers", "duplicated", [3, 5, 11]),
        ("clock-epochs", "refused without a reason", [3, 21]),
        ("unlocked", "not refused: a second process opened the outbox", [12, 15, 26]),
    ],
)
async def test_what_is_broken_is_caught(quiet, variant, finding, seeds):
    """In one of a hundred schedules; those that have caught it before are played first."""
    rest = set(range(1, 101)).difference(seeds)
    async with aclosing(chaos.run_all([*seeds, *rest], variant, stage=BrokenStage)) as playing:
        async for verdict in playing:
            if any(words.startswith(finding) for words in verdict.findings):
                return
    pytest.fail(f"{variant} is caught in no schedule")


async def test_one_schedule_gives_the_same_verdict_again(quiet):
    assert await chaos.run(1) == await chaos.run(1)


async def test_a_schedule_that_does_not_end_is_a_failure(quiet, monkeypatch):
    monkeypatch.setattr(stage, "LIMIT", 0.01)
    verdict = await chaos.run(1)
    assert not verdict.ok
    assert verdict.findings[-1].startswith("stuck: 0 faults in 0.01 s; client 1 has 0 accepted")


async def test_a_program_that_fails_is_a_failure(quiet, monkeypatch):
    monkeypatch.setitem(stores.PARTS, "new", stores.Parts(inbox=None))
    verdict = await chaos.run(1, "new")
    assert verdict.findings[-1].startswith("the server failed: Traceback")
    assert verdict.findings[-1].rstrip().endswith("TypeError: 'NoneType' object is not callable")


async def test_who_stops_while_a_stage_is_being_closed_leaves_nothing_behind(quiet, monkeypatch):
    closing, close = asyncio.Event(), Stage.close

    async def close_and_tell(played):
        closing.set()
        await close(played)

    monkeypatch.setattr(Stage, "close", close_and_tell)
    run = asyncio.create_task(chaos.run(1))
    await closing.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


async def test_who_stops_early_leaves_nothing_behind(quiet):
    async with aclosing(chaos.run_all(range(1, 101), jobs=2)) as playing:
        async for verdict in playing:
            assert verdict.seed == 1
            break
    assert cleanup.leftovers().processes == []


async def test_unknown_variant_is_refused_before_anything_starts(quiet):
    with pytest.raises(UsageError, match="no variant 'nonsense': take one of none, no-dedup"):
        await anext(chaos.run_all([1], "nonsense"))


@pytest.mark.parametrize("jobs", [0, -1, 1.5, None])
async def test_jobs_must_be_a_number_of_schedules(quiet, jobs):
    with pytest.raises(UsageError, match="jobs is an integer, 1 or more"):
        await anext(chaos.run_all([1], jobs=jobs))
