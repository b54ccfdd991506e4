"""Applies batches: a group in one transaction, or one by one if an effect is to blame."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable
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
    write_failure,
    write_reply,
)
from .stores import Letter, Received
from .transactions import Transactions

SLICE = 0.005  # seconds of handlers before other tasks run
GROUP = 0.01  # seconds of handlers before a commit
PAUSE = 0.005  # seconds in which another process gets its turn

Handler = Callable[..., Any]
log = logging.getLogger("sio_demo.delivery")


@dataclass(slots=True, eq=False)
class Session:
    """A connection: whose it is, and its batches that wait."""

    sid: str
    user: str | None
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
    """Runs the handlers of an inbox: every connection in turn, each message once and in order.

    Parameters
    ----------
    transactions : Transactions
    callbacks : Callbacks
        What follows a commit.
    retry_limit, max_unconfirmed : int or None, int
        As in `Inbox`.

    Attributes
    ----------
    handlers : dict
        For each event its handler, and whether that takes a `Received`.
    waiting : deque of Session
        The connections with batches that wait.
    counts : Counter
        What was done, by the names of `InboxStatistics`.
    last_error : DeliveryError or None
        Why a request was refused last.
    """

    def __init__(
        self,
        transactions: Transactions,
        callbacks: Callbacks,
        retry_limit: int | None,
        max_unconfirmed: int,
    ) -> None:
        self.handlers: dict[str, tuple[Handler, bool]] = {}
        self.waiting: deque[Session] = deque()
        self.counts: Counter[str] = Counter()
        self.last_error: DeliveryError | None = None
        self.store = transactions.store
        self._transactions, self._callbacks = transactions, callbacks
        self._retry_limit, self._max_unconfirmed = retry_limit, max_unconfirmed
        self._task: asyncio.Task[None] | None = None

    async def apply(self, session: Session, batch: Batch) -> Answer:
        """Apply a batch as soon as it is its turn, and return the answer."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        turn = self._transactions.turn
        at_once = not (self.store.durable or self.waiting or turn.locked())
        if not session.waiting:
            self.waiting.append(session)
        session.waiting.append(Item(session, batch, answer))
        if at_once:
            async with turn:
                await self._apply_group()
        if self.waiting and self._task is None:
            self._task = asyncio.create_task(self.run())
        return await answer

    async def run(self) -> None:
        """Apply the waiting batches, one group per commit, until none is left."""
        try:
            while self.waiting:
                async with self._transactions.turn:
                    await self._apply_group()
                if self._transactions.contended:
                    await asyncio.sleep(PAUSE)
        finally:
            self._task = None
            while self.waiting:  # the process is ending
                self._settle([self._take()], [])

    async def finish(self) -> None:
        """Wait until no batch waits."""
        while self._task is not None:
            await asyncio.wait({self._task})

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

    def handle(self, message: Message, letter: Letter, sid: str | None = None) -> str:
        """Run the handler of one message in a transaction; return the text of its reply.

        Raises
        ------
        Retry
            The handler has raised it, or there is no handler.
        StoreError
            The store has failed.
        """
        self.store.savepoint()
        try:
            if message.withdrawn:
                return WITHDRAWN
            handler, wants_more = self.handlers.get(message.event, (None, False))
            if handler is None:
                raise Retry(f"The inbox has no handler for {message.event!r} yet.")
            extra = (Received.of(letter, sid),) if wants_more else ()
            reply = write_reply(handler(self.store.db, message.payload, *extra))
            self._callbacks.note(message.event, letter)
            return reply
        except (KeyboardInterrupt, SystemExit):  # they end the process, as in asyncio
            raise
        except BaseException as error:
            if self.store.is_store_failure(error):
                raise StoreError(
                    f"The store failed in the handler of {message.event!r}: {in_words(error)}"
                ) from error
            self.store.undo()
            if isinstance(error, Retry):
                raise
            return write_failure(error)

    # --- groups ------------------------------------------------------------------------

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
            await self._apply_together(group, answers)
        except BaseException as error:
            self._roll_back()
            answers.clear()
            if not group and self.waiting:  # the transaction did not even begin
                group.append(self._take())
            if isinstance(error, StoreError) or not isinstance(error, Exception):
                answers += [self.refuse(error)] * len(group)
            else:  # a deferred constraint, or a handler that rolled back: find out whose
                for item in group:
                    answers.append(await self._apply_alone(item))
            if not isinstance(error, Exception):  # the process is ending
                raise
        finally:
            self._settle(group, answers)

    async def _apply_together(self, group: list[Item], answers: list[Answer]) -> None:
        """Move waiting batches to `group`, apply them in one transaction, and note the answers."""
        await self._transactions.begin()
        until = perf_counter() + GROUP
        while self.waiting and (not group or perf_counter() < until):
            group.append(self._take())
            answers.append(await self.apply_batch(group[-1]))
            if not self.store.durable:  # there is no commit to wait for
                self._settle(group[-1:], answers[-1:])
        await self._commit()

    async def _apply_alone(self, item: Item) -> Answer:
        """Apply the messages of a batch in a transaction each, and name the one that fails."""
        batch, replies, verdict = item.batch, list[str](), None
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
                await self._transactions.begin()
                answer = await self.apply_batch(replace(item, batch=only), verdict)
                applied = True
                await self._commit()
            except Exception as error:
                self._roll_back()
                guilty = isinstance(error, UsageError) or (applied and verdict is None)
                if isinstance(error, StoreError) or not guilty:
                    return Answer(only.first, _fitting(replies), self.refuse(error).error)
                verdict = write_failure(error)  # apply it once more, without its handler
                continue
            verdict = None
            replies += answer.replies
        return Answer(answer.next, _fitting(replies), answer.error)

    async def _commit(self) -> None:
        await self._transactions.commit()
        self._callbacks.committed()

    def _roll_back(self) -> None:
        self._transactions.roll_back()
        self._callbacks.undone()

    def _settle(self, group: list[Item], answers: list[Answer]) -> None:
        """Answer batches; those without an answer are not applied, because the process ends."""
        for item, answer in zip_longest(group, answers):
            if not item.answer.done():
                ended = StoreError("The inbox has ended. Try again later.")
                item.answer.set_result(answer or self.refuse(ended))

    # --- a batch -----------------------------------------------------------------------

    async def apply_batch(self, item: Item, verdict: str | None = None) -> Answer:
        """Apply the new messages of a batch; answer for the duplicates too.

        `verdict` is the reply to all new messages in the place of their handlers'.
        """
        batch, store, expected = item.batch, self.store, 0
        try:
            progress = checked(store.progress(batch.producer), item.session.user)
            expected = progress.next
            old = duplicates(batch, progress)
            if batch.end - max(progress.floor, batch.confirmed) > self._max_unconfirmed:
                raise QuotaError(f"{self._max_unconfirmed:,} replies are not confirmed.")
            kept = store.kept(batch.producer, batch.first, old, LARGEST) if old else []
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
        new, why = await self._apply_new(item, messages, progress, verdict)
        self.counts["applied"] += len(new)
        ahead = advanced(batch, progress, new)
        if why is not None and self._retry_limit is not None:
            ahead = ahead._replace(attempts=ahead.attempts + 1)
        if ahead != progress:
            store.save(batch.producer, ahead, batch.first + old, new)
        return Answer(ahead.next, _fitting([one.reply for one in kept + new]), why)

    async def _apply_new(
        self, item: Item, messages: list[Message], progress: Progress, verdict: str | None
    ) -> tuple[list[StoredReply], Retry | None]:
        """Run the handlers of new messages, up to one that must be tried again."""
        batch, session = item.batch, item.session
        new: list[StoredReply] = []
        until = perf_counter() + SLICE
        old = progress.next - batch.first
        for number in range(old, len(messages)):
            message, sequence = messages[number], batch.first + number
            letter = Letter(batch.producer, sequence, session.user, batch.messages[number])
            try:
                reply = verdict or self.handle(message, letter, session.sid)
            except Retry as why:
                attempts = (progress.attempts if number == old else 0) + 1
                words = in_words(why).removeprefix("Retry: ")
                if self._retry_limit is None or attempts < self._retry_limit:
                    log.info("%s is tried again: %s", message.event, words)
                    self.counts["retried"] += 1
                    return new, Retry(words)
                log.warning("%s is a dead letter now: %s", message.event, words)
                self.counts["dead"] += 1
                self.store.put_aside("dead", letter._replace(error=words))
                reply = write_failure(why, "dead")
            new.append(StoredReply(message.id, reply))
            if perf_counter() > until:
                await asyncio.sleep(0)
                until = perf_counter() + SLICE
        return new, None


def _fitting(replies: list[str]) -> list[str]:
    """Return as many replies as fit in a packet, at least one; the client asks for the rest."""
    left = LARGEST
    for count, reply in enumerate(replies):
        left -= len(reply)
        if left < 0 and count:
            return replies[:count]
    return replies
