"""The few lines of JavaScript in notebook 07a, against an inbox that is in trouble."""

from __future__ import annotations

import ast
from collections.abc import AsyncIterator
from typing import Any

import pytest
from guards import ROOT, code_cells, read

from sio_demo.delivery import Inbox, Retry, SQLiteInboxStore
from sio_demo.errors import SnippetError, StoreError
from sio_demo.lab import bench
from sio_demo.lab.node import NodeClient
from sio_demo.lab.waiting import wait_until

NOTEBOOK = ROOT / "notebooks" / "07a_delivery_guarantees.ipynb"


def page() -> str:
    """Return the JavaScript that the notebook shows, from its strings."""
    texts = {}
    for cell in code_cells(read(NOTEBOOK)):
        if cell.source.startswith(("PAGE =", "QUEUE =", "STEP =")):
            [line] = ast.parse(cell.source).body
            assert isinstance(line, ast.Assign)
            texts[ast.unparse(line.targets[0])] = ast.literal_eval(line.value)
    return str(texts["PAGE"] + texts["QUEUE"] + texts["STEP"])


class FullDisk(SQLiteInboxStore):
    """Refuses so many commits."""

    refusals = 0

    def commit(self) -> None:
        if self.refusals:
            self.refusals -= 1
            self.rollback()
            raise StoreError("The disk is full.")
        super().commit()


class Shop:
    """An inbox that is paid, and a page that pays."""

    def __init__(self, store: FullDisk, js: NodeClient, inbox: Inbox, b: bench.Bench) -> None:
        self.store, self.js, self.inbox, self.bench = store, js, inbox, b
        self.not_yet = 0

    def apply(self, db: Any, number: int) -> None:
        """Note a payment, if the bank is open."""
        if self.not_yet:
            self.not_yet -= 1
            raise Retry("The bank is closed.")
        db.execute("INSERT INTO paid VALUES (?)", [number])

    async def pay(self, *numbers: int) -> list[int]:
        """Let the page pay, and return what is paid when it has nothing left to do."""
        await self.js.run("".join(f"send({number});" for number in numbers))
        await wait_until(lambda: self.js.run("!busy && queue.length === 0"))
        return [number for (number,) in self.store.db.execute("SELECT number FROM paid")]


@pytest.fixture
async def shop(tmp_path: Any) -> AsyncIterator[Shop]:
    store = FullDisk(tmp_path / "inbox.db", "CREATE TABLE paid (number)")
    async with bench.bench() as b:
        inbox = Inbox(b.sio, store)
        js = await NodeClient.start()
        shop = Shop(store, js, inbox, b)

        inbox.on("pay", shop.apply)
        await js.run(page() + f"open('{b.link.url}', {{}})")
        yield shop
        await js.close()
        await inbox.close()


async def test_the_page_goes_on_when_the_trouble_is_over(shop: Shop) -> None:
    """A `Retry` and a full disk are no end: each message is applied once, in order."""
    shop.not_yet = 2
    assert await shop.pay(1, 2, 3) == [1, 2, 3]
    shop.store.refusals = 3
    assert await shop.pay(4, 5) == [1, 2, 3, 4, 5]
    assert (shop.not_yet, shop.store.refusals) == (0, 0)


async def test_the_page_sends_more_than_a_batch_once(shop: Shop) -> None:
    async with shop.bench.link.cut_when("ACK") as cut:
        paid = await shop.pay(*range(1200))
        await cut
    assert paid == list(range(1200))


async def test_the_page_stops_at_a_refusal_that_is_final(shop: Shop) -> None:
    """It does not send again what the inbox cannot recognize."""
    await shop.pay(1)
    await shop.js.run("first = 7")
    with pytest.raises(SnippetError, match="The sequence jumps: expected 1, got 7"):
        await shop.pay(2)
    assert await shop.js.run("[busy, queue.length]") == [True, 1]
