"""What `make chaos` has found: slow hellos, and what follows a batch that was refused."""

import asyncio
import shutil
import threading

import pytest

from sio_demo.delivery import SQLiteOutboxStore
from sio_demo.errors import ClosedError, FencedError, UnknownProducerError
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


class SlowStore(SQLiteOutboxStore):
    """An outbox's store whose saves wait while `free` is not set."""

    def __init__(self, path):
        super().__init__(path)
        self.free, self.saving = threading.Event(), threading.Event()
        self.free.set()

    def save(self, *arguments):
        self.saving.set()
        assert self.free.wait(5)
        super().save(*arguments)


@pytest.mark.parametrize("keep", [True, False])
async def test_what_is_being_saved_while_an_outbox_reissues_is_not_forgotten(bench, tmp_path, keep):
    """It was accepted, and then deleted: `reissue` had listed the messages before the save."""
    store = SlowStore(tmp_path / "outbox.db")
    outbox = await bench.outbox(store)
    await outbox.send("note", 1)
    await outbox.send("note", 2)
    async with bench.inbox_lost():
        refused = outbox.send("note", 3)
        await refused.accepted
        store.free.clear()
        store.saving.clear()
        late = outbox.send("note", 4)
        await asyncio.to_thread(store.saving.wait, 5)
        waiting = outbox.send("note", 5)  # not even in the save
    with pytest.raises(UnknownProducerError):
        await refused
    calls = [asyncio.create_task(outbox.reissue(keep=keep)) for _ in range(2)]
    await asyncio.sleep(0)
    store.free.set()
    again, same = [
        [receipt.id for receipt in receipts] for receipts in await asyncio.gather(*calls)
    ]
    await late.accepted
    assert again == same == ([refused.id, late.id] if keep else [])
    await outbox.drain()
    assert bench.applied == ([1, 2, 3, 4, 5] if keep else [1, 2])
    if keep:
        assert await waiting == 5
    else:
        with pytest.raises(UnknownProducerError):
            await waiting.accepted


async def test_a_reissue_that_comes_after_a_close_says_so(bench, tmp_path):
    store = SlowStore(tmp_path / "outbox.db")
    outbox = await bench.outbox(store)
    await outbox.send("note", 1)
    async with bench.inbox_lost():
        refused = outbox.send("note", 2)
    with pytest.raises(UnknownProducerError):
        await refused
    store.free.clear()
    outbox._storing.add(refused)  # a save that lasts
    closing = asyncio.create_task(outbox.close())
    await asyncio.to_thread(store.saving.wait, 5)
    reissue = asyncio.create_task(outbox.reissue())
    await asyncio.sleep(0)
    store.free.set()
    await closing
    with pytest.raises(ClosedError):
        await reissue
