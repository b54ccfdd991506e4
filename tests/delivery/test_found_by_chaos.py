"""What `make chaos` has found: slow hellos, and what follows a batch that was refused."""

import asyncio
import shutil

import pytest

from sio_demo.delivery import SQLiteOutboxStore
from sio_demo.errors import FencedError
from sio_demo.lab.waiting import wait_until


async def test_a_hello_may_take_nearly_as_long_as_any_answer(bench):
    """The outbox looked after a quarter of the time, and counted from the start of its clock."""
    async with bench.link.latency(0.08):
        outbox = await bench.outbox()
        async with asyncio.timeout(5):
            assert await outbox.send("note", 1) == 1
    assert outbox.statistics().connections == 1


async def test_nothing_is_applied_behind_a_batch_that_was_refused(bench, tmp_path):
    """A restored outbox sends several batches: the first is refused, the third would be new."""
    path, copy = tmp_path / "outbox.db", tmp_path / "copy.db"
    for numbers in ([0], [1, 2, 3]):
        outbox = await bench.outbox(SQLiteOutboxStore(path))
        await asyncio.gather(*(outbox.send("note", number) for number in numbers))
        await outbox.close()
        if numbers == [0]:
            shutil.copy(path, copy)
    shutil.copy(copy, path)
    async with bench.link.refuse():
        outbox = await bench.outbox(SQLiteOutboxStore(path), window=8)  # one message in a batch
        receipts = [outbox.send("note", number) for number in range(100, 108)]
        await receipts[-1].accepted
    with pytest.raises(FencedError):
        await receipts[0]
    await wait_until(lambda: not bench.inbox.statistics().waiting)
    assert bench.applied == [0, 1, 2, 3]
    await asyncio.gather(*await outbox.reissue())
    assert bench.applied == [0, 1, 2, 3, *range(100, 108)]
