"""Workers, engines, a feed and a follower: the delivery holds, and what is broken is found."""

from contextlib import aclosing

import pytest

from sio_demo.chaos import workers
from sio_demo.errors import UsageError


async def test_workers_and_engines_that_fail_lose_double_and_reorder_nothing(quiet):
    [verdict] = [verdict async for verdict in workers.run_all([5])]
    assert verdict.findings == ()
    assert verdict.accepted == verdict.messages == 100
    assert len(verdict.faults) == workers.FAULTS


async def test_a_follower_that_skips_gaps_is_caught(quiet, monkeypatch):
    monkeypatch.setattr(workers, "PATIENCE", 1.0)
    async with aclosing(workers.run_all(range(1, 101), "no-gap-check", jobs=1)) as playing:
        async for verdict in playing:
            if any(words.startswith("lost") for words in verdict.findings):
                return
    pytest.fail("it is caught in no schedule")


async def test_there_is_no_other_variant():
    with pytest.raises(UsageError, match=r"variants are none, no-gap-check.*, not 'unlocked'"):
        await anext(workers.run_all([1], "unlocked"))
