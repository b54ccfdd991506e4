"""Waiting for a condition that nothing tells of."""

import asyncio

from sio_demo.lab.waiting import comes_true


async def test_a_condition_that_holds_is_not_waited_for():
    looks = []
    assert await comes_true(lambda: looks.append(1) or True, within=0)
    assert looks == [1]


async def test_it_looks_until_the_condition_holds():
    met = asyncio.Event()
    asyncio.get_running_loop().call_later(0.01, met.set)
    assert await comes_true(met.is_set, within=10)


async def test_a_condition_may_be_awaitable():
    answers = iter([False, False, True])

    async def condition():
        return next(answers)

    assert await comes_true(condition, within=10)


async def test_it_tells_that_the_time_is_over():
    assert not await comes_true(lambda: False, within=0.01)
