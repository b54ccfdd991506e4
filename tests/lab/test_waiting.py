"""Waiting for a condition that sends no signal, and for work to its end."""

import asyncio
import time

import pytest

from sio_demo.errors import NotSeenError
from sio_demo.lab.waiting import shielded, wait_until


async def test_a_condition_that_holds_is_not_waited_for():
    looks = []
    await wait_until(lambda: looks.append(1) or True, within=0)
    assert looks == [1]


async def test_it_looks_until_the_condition_holds():
    met = asyncio.Event()
    asyncio.get_running_loop().call_later(0.01, met.set)
    await wait_until(met.is_set)
    assert met.is_set()


async def test_a_condition_may_be_awaitable():
    answers = iter([False, False, True])

    async def condition():
        return next(answers)

    await wait_until(condition)
    assert list(answers) == []


async def test_a_condition_may_return_anything():
    found = []
    asyncio.get_running_loop().call_later(0.01, found.append, "a packet")
    await wait_until(lambda: found)
    assert found == ["a packet"]


async def test_it_raises_when_the_time_is_over():
    with pytest.raises(NotSeenError, match=r"did not come within 0\.01 s"):
        await wait_until(lambda: False, within=0.01)
    with pytest.raises(NotSeenError, match=r"^No client has come\.$"):
        await wait_until(lambda: False, within=0.01, otherwise="No client has come.")


async def test_a_machine_that_stalls_is_not_out_of_patience():
    looks = []

    def condition():
        looks.append(1)
        time.sleep(0.1)  # a stall in each turn of the loop
        return len(looks) == 4

    await wait_until(condition, within=0.16)


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
