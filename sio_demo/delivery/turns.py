"""Whose batch is applied when: every connection in turn, a group of batches in a transaction."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import zip_longest
from time import perf_counter

from ..errors import StoreError
from .applier import Applier
from .message import Answer, Batch
from .transactions import Transactions

GROUP = 0.01  # seconds of handlers before a commit
PAUSE = 0.005  # seconds in which another process gets its turn


@dataclass(slots=True, eq=False)
class Session:
    """A connection, and its batches that wait."""

    sid: str | None
    user: str | None
    turns: Turns
    waiting: deque[Item] = field(default_factory=deque)
    producers: set[str] = field(default_factory=set)
    refusals: int = 0


@dataclass(slots=True)
class Item:
    """A batch, and where its answer goes."""

    session: Session
    batch: Batch
    answer: asyncio.Future[Answer]


class Turns:
    """The batches that wait: of all connections; if a store does many transactions, of one."""

    def __init__(self, applier: Applier, transactions: Transactions) -> None:
        self.waiting: deque[Session] = deque()  # those with batches that wait
        self._applier, self._transactions = applier, transactions
        self._own = asyncio.Lock() if transactions.concurrent else None
        self._durable = transactions.store.durable
        self.task: asyncio.Task[None] | None = None

    @property
    def _turn(self) -> asyncio.Lock:
        return self._own or self._transactions.turn

    async def apply(self, session: Session, batch: Batch) -> Answer:
        """Apply a batch as soon as it is its turn, and return the answer."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        at_once = not (self._durable or self.waiting or self._turn.locked())
        if not session.waiting:
            self.waiting.append(session)
        session.waiting.append(Item(session, batch, answer))
        if at_once:
            async with self._turn:
                await self._apply_group()
        if self.waiting and self.task is None:
            self.task = asyncio.create_task(self.run())
        return await answer

    async def run(self) -> None:
        """Apply the waiting batches, one group per commit, until none is left."""
        try:
            while self.waiting:
                async with self._turn:
                    await self._apply_group()
                if self._transactions.contended:
                    await asyncio.sleep(PAUSE)
        finally:
            self.task = None
            while self.waiting:  # the process is ending
                self._settle([self._take()], [])

    async def finish(self, patience: float) -> None:
        """Wait until no batch waits; cancel a handler that never ends."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while self.task is not None:
                    await asyncio.wait({self.task})
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait({self.task}, timeout=1)

    def _take(self) -> Item:
        """Take a batch off the queue: every connection in turn."""
        session = self.waiting.popleft()
        item = session.waiting.popleft()
        if session.waiting:
            self.waiting.append(session)
        return item

    async def _apply_group(self) -> None:
        """Apply waiting batches in one transaction, and answer them."""
        group: list[Item] = []
        answers: list[Answer] = []
        try:
            if not await self._applied_together(group, answers):
                for item in group:  # not while the error is handled: new ones would refer to it
                    answers.append(await self._apply_again(item))
        finally:
            self._settle(group, answers)

    async def _applied_together(self, group: list[Item], answers: list[Answer]) -> bool:
        """Move batches to `group`, and apply them; return False if an effect is to blame."""
        try:
            async with self._transactions.held() as store:
                until = perf_counter() + GROUP
                while self.waiting and (not group or perf_counter() < until):
                    group.append(item := self._take())
                    answers.append(await self._applier.apply_batch(store, item.batch, item.session))
                    if not self._durable:  # there is no commit to wait for
                        self._settle(group[-1:], answers[-1:])
        except BaseException as error:
            answers.clear()
            if not group and self.waiting:  # the transaction did not even begin
                group.append(self._take())
            if isinstance(error, Exception) and not isinstance(error, StoreError):
                return False  # a deferred constraint, or a handler that rolled back
            answers += [self._applier.refuse(error) for _ in group]
            if not isinstance(error, Exception):  # the process is ending
                raise
        return True

    async def _apply_again(self, item: Item) -> Answer:
        """Apply a batch whose group has failed."""
        if self._transactions.concurrent:
            with suppress(Exception):
                async with self._transactions.held(careful=True) as store:
                    return await self._applier.apply_batch(store, item.batch, item.session)
        return await self._applier.apply_alone(item.batch, item.session, self._transactions.held)

    def _settle(self, group: list[Item], answers: list[Answer]) -> None:
        """Answer batches; those without an answer are not applied, because the process ends."""
        for item, answer in zip_longest(group, answers):
            if not item.answer.done():
                ended = StoreError("The inbox has ended. Try again later.")
                item.answer.set_result(answer or self._applier.refuse(ended))
