"""Waiting for a condition that nothing tells of."""

import asyncio

import pytest

from sio_demo.lab.waiting import shielded, wait_until


async def test_a_condition_that_holds_is_not_waited_for():
    looks = []
    assert await wait_until(lambda: looks.append(1) or True, within=0)
    assert looks == [1]


async def test_it_looks_until_the_condition_holds():
    met = asyncio.Event()
    asyncio.get_running_loop().call_later(0.01, met.set)
    assert await wait_until(met.is_set, within=10)


async def test_a_condition_may_be_awaitable():
    answers = iter([False, False, True])

    async def condition():
        return next(answers)

    assert await wait_until(condition, within=10)


async def test_it_tells_that_the_time_is_over():
    assert not await wait_until(lambda: False, within=0.01)


async def test_what_is_begun_is_ended_also_when_its_caller_is_cancelled():
    done, go = [], asyncio.Event()

    async def close():
        await go.wait()
        done.append("closed")

    caller = asyncio.create_task(shielded(close()))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.sleep(0)
    assert not caller.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert done == ["closed"]
