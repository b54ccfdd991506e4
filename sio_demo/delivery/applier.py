"""Applies a batch in a transaction: each new message once, in order, or message by message."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

from ..errors import DeliveryError, QuotaError, Retry, StoreError, UsageError
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
from .transactions import log, raise_end, settled

if TYPE_CHECKING:
    from .turns import Session

SLICE = 0.005  # seconds of handlers before other tasks run
SHARE = 0.2  # seconds of a batch's handlers; the sender sends the rest again, after others' turns

Handler = Callable[..., Any]
Held = Callable[..., AbstractAsyncContextManager[InboxStore]]


class Applier:
    """Runs the handlers of an inbox, in a transaction of its store."""

    def __init__(self, note: Callable[..., Any], dead: str, limit: int | None, most: int) -> None:
        self.handlers: dict[str, tuple[Handler, bool]] = {}  # and whether it takes a `Received`
        self.counts: Counter[str] = Counter()  # by the names of `InboxStatistics`
        self._counting = defaultdict[Any, list[tuple[str, int]]](list)  # by transactions
        self.last_error: DeliveryError | None = None  # why a request was refused last
        self._note, self._dead = note, dead  # note: for what follows the commit; dead: a box
        self._retry_limit, self._max_unconfirmed = limit, most

    def refuse(self, error: BaseException, expected: int = 0, store: Any = None) -> Answer:
        """Return the answer that nothing was applied, and note why."""
        if not isinstance(error, DeliveryError):
            log.error("A request failed", exc_info=error)
            words = in_words(error) if isinstance(error, UsageError) else type(error).__name__ + "."
            error, cause = StoreError(f"The inbox failed: {words}"), error
            error.__cause__ = cause  # which the client does not hear
        self.last_error = error
        self._counting[store].append(("refused", 1))
        if store is None:  # else it counts when that is committed
            self.ended(None, True)
        log.info("refused: %s", error)
        return Answer(expected, [], error)

    def ended(self, store: Any, committed: bool) -> None:
        """Count what was done in a transaction, if it was committed."""
        for name, count in self._counting.pop(store, ()):
            self.counts[name] += count if committed else 0

    async def handle(
        self, store: InboxStore, message: Message, letter: Letter, sid: str | None = None
    ) -> str:
        """Return the reply of a message's handler; raise `Retry` if it does, or there is none."""
        await settled(store.savepoint())
        try:
            if message.withdrawn:
                return WITHDRAWN
            handler, wants_more = self.handlers.get(message.event, (None, False))
            if handler is None:
                raise Retry(f"The inbox has no handler for {message.event!r} yet.")
            extra = (Received.of(message, letter, sid),) if wants_more else ()
            value = handler(store.db, message.payload, *extra)
            if store.concurrent:
                value = await settled(value)
            reply = write_reply(value)
            await self._note(store, message.event, letter)
            return reply
        except BaseException as error:
            raise_end(error)
            if store.is_store_failure(error):
                raise StoreError(
                    f"The store failed in the handler of {message.event!r}: {in_words(error)}"
                ) from error
            await settled(store.undo())
            if (retry := _retry_in(error)) is not None:
                raise retry from error
            if store.is_contention(error):
                raise Retry(in_words(error)) from error
            return write_failure(error)

    async def apply_batch(
        self, store: InboxStore, batch: Batch, session: Session, verdict: str | None = None
    ) -> Answer:
        """Apply what is new in a batch, or answer it with `verdict`; answer for duplicates too."""
        expected = 0
        try:
            progress = checked(await settled(store.progress(batch.producer)), session.user)
            expected = progress.next
            old = duplicates(batch, progress)
            if batch.end - max(progress.floor, batch.confirmed) > self._max_unconfirmed:
                raise QuotaError(f"{self._max_unconfirmed:,} replies are not confirmed.")
            asked = batch.producer, batch.first, old, LARGEST
            kept = await settled(store.kept(*asked)) if old else []
            if len(kept) < old and sum(len(one.reply) for one in kept) * 2 < LARGEST:
                raise StoreError(f"Replies to producer {batch.producer} are missing in the store.")
            messages = [read_message(text) for text in batch.messages]
            check_same(batch, messages, kept, progress)
        except StoreError:
            raise
        except DeliveryError as error:
            return self.refuse(error, expected, store)
        self._counting[store].append(("duplicates", len(kept)))
        if len(kept) < old:
            return Answer(expected, [one.reply for one in kept])
        new, why = await self._apply_new(store, batch, session, messages, progress, verdict)
        self._counting[store].append(("applied", len(new)))
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
        began = perf_counter()
        until = began + SLICE
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
                    self._counting[store].append(("retried", 1))
                    return new, Retry(words)
                log.warning("%s is a dead letter now: %s", message.event, words)
                self._counting[store].append(("dead", 1))
                await settled(store.put_aside(self._dead, letter._replace(error=words)))
                reply = write_failure(why, "dead")
            new.append(StoredReply(message.id, reply))
            if (now := perf_counter()) > began + SHARE:
                break
            if now > until:
                await asyncio.sleep(0)
                until = perf_counter() + SLICE
        return new, None

    async def apply_alone(self, batch: Batch, session: Session, transaction: Held) -> Answer:
        """Apply the messages of a batch in a transaction each, and name the one that fails."""
        replies, verdict = list[str](), None
        answer, end = Answer(batch.first, []), perf_counter() + SHARE
        while len(replies) < len(batch.messages) and answer.error is None:
            if replies and verdict is None and perf_counter() > end:
                break
            at = len(replies)
            only = replace(
                batch,
                first=batch.first + at,
                after=read_message(batch.messages[at - 1]).id if at else batch.after,
                messages=batch.messages[at : at + 1],
            )
            before, known = answer, None
            try:
                async with transaction(careful=True) as store:
                    known = await settled(store.progress(batch.producer))  # fails without a handler
                    answer = await self.apply_batch(store, only, session, verdict)
            except Exception as error:
                mine = answer is not before or isinstance(error, UsageError)
                if isinstance(error, StoreError) or not (known and mine and verdict is None):
                    answer = self.refuse(error, only.first)
                else:
                    verdict = write_failure(error)  # apply it once more, without its handler
                continue
            verdict = None
            replies += answer.replies
        return Answer(answer.next, fitting(replies, LARGEST, len), answer.error)


def _retry_in(error: Any) -> BaseException | None:
    """Return the `Retry` that was raised; the first one of a group of nothing else."""
    if issubclass(type(error), BaseExceptionGroup) and error.split(Retry)[1] is None:
        return _retry_in(error.exceptions[0])
    return error if issubclass(type(error), Retry) else None
