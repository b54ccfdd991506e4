"""Applies batches: each new message once, in order; a group of batches in a transaction."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from time import perf_counter
from typing import Any

from ..errors import DeliveryError, QuotaError, Retry, StoreError, UsageError
from .after_commit import Callbacks
from .inbox_state import Progress, StoredReply, advanced, check_same, checked, duplicates
from .message import (
    LARGEST,
    WITHDRAWN,
    Answer,
    Batch,
    Message,
    in_words,
    read_message,
    storable,
    write_failure,
    write_reply,
)
from .stores import InboxStore, Letter, Received, fitting
from .transactions import Transactions, raise_end, settled

SLICE = 0.005  # seconds of handlers before other tasks run
GROUP = 0.01  # seconds of handlers before a commit
PAUSE = 0.005  # seconds in which another process gets its turn

Handler = Callable[..., Any]
Held = Callable[..., AbstractAsyncContextManager[InboxStore]]
log = logging.getLogger("sio_demo.delivery")


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


class Applier:
    """Runs the handlers of an inbox, in a transaction of its store."""

    def __init__(self, callbacks: Callbacks, retry_limit: int | None, max_unconfirmed: int) -> None:
        self.handlers: dict[str, tuple[Handler, bool]] = {}  # and whether it takes a `Received`
        self.counts: Counter[str] = Counter()  # by the names of `InboxStatistics`
        self.last_error: DeliveryError | None = None  # why a request was refused last
        self._callbacks = callbacks
        self._retry_limit, self._max_unconfirmed = retry_limit, max_unconfirmed

    def refuse(self, error: BaseException, expected: int = 0) -> Answer:
        """Return the answer that nothing was applied, and note why."""
        if not isinstance(error, DeliveryError):
            failure = StoreError(f"The inbox failed: {in_words(error)}")
            failure.__cause__ = error
            error = failure
        self.last_error = error
        self.counts["refused"] += 1
        log.info("refused: %s", error)
        return Answer(expected, [], error)

    async def handle(
        self, store: InboxStore, message: Message, letter: Letter, sid: str | None = None
    ) -> str:
        """Run the handler of one message in a transaction; return the text of its reply.

        Raise `Retry` if the handler does, or if there is none.
        """
        await settled(store.savepoint())
        try:
            if message.withdrawn:
                return WITHDRAWN
            handler, wants_more = self.handlers.get(message.event, (None, False))
            if handler is None:
                raise Retry(f"The inbox has no handler for {message.event!r} yet.")
            extra = (Received.of(letter, sid),) if wants_more else ()
            reply = write_reply(await settled(handler(store.db, message.payload, *extra)))
            await self._callbacks.note(store, message.event, letter)
            return reply
        except (KeyboardInterrupt, SystemExit):  # they end the process, as in asyncio
            raise
        except BaseException as error:
            raise_end(error)
            if store.is_store_failure(error):
                raise StoreError(
                    f"The store failed in the handler of {message.event!r}: {in_words(error)}"
                ) from error
            await settled(store.undo())
            if isinstance(error, Retry):
                raise
            return write_failure(error)

    async def apply_batch(
        self, store: InboxStore, batch: Batch, session: Session, verdict: str | None = None
    ) -> Answer:
        """Apply the new messages of a batch; answer for the duplicates too.

        `verdict` is the reply to all new messages in the place of their handlers'.
        """
        expected = 0
        try:
            progress = checked(await settled(store.progress(batch.producer)), session.user)
            expected = progress.next
            old = duplicates(batch, progress)
            if batch.end - max(progress.floor, batch.confirmed) > self._max_unconfirmed:
                raise QuotaError(f"{self._max_unconfirmed:,} replies are not confirmed.")
            kept = []
            if old:
                kept = await settled(store.kept(batch.producer, batch.first, old, LARGEST))
            if len(kept) < old and sum(len(one.reply) for one in kept) * 2 < LARGEST:
                raise StoreError(f"Replies to producer {batch.producer} are missing in the store.")
            messages = [read_message(text) for text in batch.messages]
            check_same(batch, messages, kept, progress)
        except StoreError:
            raise
        except DeliveryError as error:
            return self.refuse(error, expected)
        self.counts["duplicates"] += len(kept)
        if len(kept) < old:
            return Answer(expected, [one.reply for one in kept])
        new, why = await self._apply_new(store, batch, session, messages, progress, verdict)
        self.counts["applied"] += len(new)
        ahead = advanced(batch, progress, new)
        if why is not None and self._retry_limit is not None:
            ahead = ahead._replace(attempts=ahead.attempts + 1)
        if ahead != progress:
            await settled(store.save(batch.producer, ahead, batch.first + old, new))
        return Answer(ahead.next, fitting([one.reply for one in kept + new], LARGEST, len), why)

    async def _apply_new(
        self,
        store: InboxStore,
        batch: Batch,
        session: Session,
        messages: list[Message],
        progress: Progress,
        verdict: str | None,
    ) -> tuple[list[StoredReply], Retry | None]:
        """Run the handlers of new messages, up to one that must be tried again."""
        new: list[StoredReply] = []
        until = perf_counter() + SLICE
        old = progress.next - batch.first
        for number in range(old, len(messages)):
            message, sequence = messages[number], batch.first + number
            letter = Letter(batch.producer, sequence, session.user, batch.messages[number])
            try:
                reply = verdict or await self.handle(store, message, letter, session.sid)
            except Retry as why:
                attempts = (progress.attempts if number == old else 0) + 1
                words = storable(in_words(why).removeprefix("Retry: "))
                if self._retry_limit is None or attempts < self._retry_limit:
                    log.info("%s is tried again: %s", message.event, words)
                    self.counts["retried"] += 1
                    return new, Retry(words)
                log.warning("%s is a dead letter now: %s", message.event, words)
                self.counts["dead"] += 1
                await settled(store.put_aside("dead", letter._replace(error=words)))
                reply = write_failure(why, "dead")
            new.append(StoredReply(message.id, reply))
            if perf_counter() > until:
                await asyncio.sleep(0)
                until = perf_counter() + SLICE
        return new, None

    async def apply_alone(self, batch: Batch, session: Session, transaction: Held) -> Answer:
        """Apply the messages of a batch in a transaction each, and name the one that fails."""
        replies, verdict = list[str](), None
        answer = Answer(batch.first, [])
        while len(replies) < len(batch.messages) and answer.error is None:
            at = len(replies)
            only = replace(
                batch,
                first=batch.first + at,
                after=read_message(batch.messages[at - 1]).id if at else batch.after,
                messages=batch.messages[at : at + 1],
            )
            applied = False
            try:
                async with transaction(careful=True) as store:
                    answer = await self.apply_batch(store, only, session, verdict)
                    applied = True
            except Exception as error:
                guilty = verdict is None and (applied or isinstance(error, UsageError))
                if isinstance(error, StoreError) or not guilty:
                    return Answer(
                        only.first, fitting(replies, LARGEST, len), self.refuse(error).error
                    )
                verdict = write_failure(error)  # apply it once more, without its handler
                continue
            verdict = None
            replies += answer.replies
        return Answer(answer.next, fitting(replies, LARGEST, len), answer.error)


class Turns:
    """The batches that wait for a transaction.

    An inbox has one of these for all its connections; or, if its store can do many transactions
    at the same time, one for each connection.
    """

    def __init__(self, applier: Applier, transactions: Transactions) -> None:
        self.waiting: deque[Session] = deque()  # those with batches that wait
        self._applier, self._transactions = applier, transactions
        self._turn = asyncio.Lock() if transactions.concurrent else transactions.turn
        self._durable = transactions.store.durable
        self._task: asyncio.Task[None] | None = None

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
        if self.waiting and self._task is None:
            self._task = asyncio.create_task(self.run())
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
            self._task = None
            while self.waiting:  # the process is ending
                self._settle([self._take()], [])

    async def finish(self, patience: float) -> None:
        """Wait until no batch waits; cancel a handler that never ends."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while self._task is not None:
                    await asyncio.wait({self._task})
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=1)

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
                for item in group:
                    answers.append(await self._apply_again(item))
        finally:
            self._settle(group, answers)

    async def _applied_together(self, group: list[Item], answers: list[Answer]) -> bool:
        """Return False if an effect is to blame that the transaction failed: find out whose."""
        try:
            await self._apply_together(group, answers)
        except BaseException as error:
            answers.clear()
            if not group and self.waiting:  # the transaction did not even begin
                group.append(self._take())
            if isinstance(error, Exception) and not isinstance(error, StoreError):
                return False  # a deferred constraint, or a handler that rolled back
            answers += [self._applier.refuse(error)] * len(group)
            if not isinstance(error, Exception):  # the process is ending
                raise
        return True

    async def _apply_together(self, group: list[Item], answers: list[Answer]) -> None:
        """Move waiting batches to `group`, apply them in one transaction, and note the answers."""
        async with self._transactions.held() as store:
            until = perf_counter() + GROUP
            while self.waiting and (not group or perf_counter() < until):
                group.append(item := self._take())
                answers.append(await self._applier.apply_batch(store, item.batch, item.session))
                if not self._durable:  # there is no commit to wait for
                    self._settle(group[-1:], answers[-1:])

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
