"""The server's half: applies every message once, in order, and answers with a stored reply."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import socketio

from ..errors import BatchError, DeliveryError, StoreError, UsageError
from .inbox_state import StoredReply, advanced, check_same, duplicates
from .message import (
    EVENT,
    LONGEST,
    Answer,
    Batch,
    digest,
    in_words,
    read_message,
    write_failure,
    write_reply,
)
from .stores import InboxStore, MemoryInboxStore

GROUP = 2000  # messages per commit, roughly; their handlers block the event loop

Handler = Callable[[Any, Any], Any]
Message = tuple[str, Any]


class Inbox:
    """Receives what an :class:`~sio_demo.delivery.outbox.Outbox` sends.

    One transaction commits a handler's effects in ``db``, its reply, and the mark that the
    message was applied. A duplicate is answered with the stored reply. Messages of one producer
    are applied in the order in which they were sent.

    If a handler raises, its effects are undone and the error becomes the reply: the message
    counts as applied and is not tried again. Effects outside ``db`` are not in the transaction,
    so they may happen again after a crash.

    Parameters
    ----------
    sio : socketio.AsyncServer
        The inbox registers a handler for its event ``"outbox"``.
    store : InboxStore, optional
        Holds effects and marks: `MemoryInboxStore`, the default, or `SQLiteInboxStore`.
    namespace : str
        The Socket.IO namespace.

    Attributes
    ----------
    store : InboxStore
    last_error : DeliveryError or None
        Why the inbox last refused a batch.
    """

    def __init__(
        self, sio: socketio.AsyncServer, store: InboxStore | None = None, *, namespace: str = "/"
    ) -> None:
        if not isinstance(sio, socketio.AsyncServer):
            raise UsageError(f"An inbox works with a socketio.AsyncServer, not {sio!r}.")
        if EVENT in sio.handlers.get(namespace, {}):  # internal
            raise UsageError(f"Something handles {EVENT!r} here already. One inbox is enough.")
        self.store: InboxStore = MemoryInboxStore() if store is None else store
        self.last_error: DeliveryError | None = None
        self._handlers: dict[str, Handler] = {}
        self._waiting: list[tuple[Batch, list[Message], asyncio.Future[Answer]]] = []
        self._applier: asyncio.Task[None] | None = None
        self._closed = False
        sio.on(EVENT, self._receive, namespace=namespace)

    def on(self, event: str, handler: Handler | None = None) -> Any:
        """Register the handler of an event; without `handler`, return a decorator.

        The handler is called with the store's ``db`` and the payload, and returns the reply, a
        JSON value. It must be a plain function, because a transaction must not wait.

        Raises
        ------
        UsageError
            The event already has a handler, or the handler is not a plain function.
        """
        if handler is None:
            return lambda function: self.on(event, function) or function
        if inspect.iscoroutinefunction(handler) or not callable(handler):
            raise UsageError(
                f"The handler of {event!r} must be a plain function of db and payload, not "
                f"{handler!r}: it runs inside a transaction, which must not wait."
            )
        if event in self._handlers:
            raise UsageError(f"The inbox has a handler for {event!r}. Let that one do both.")
        self._handlers[event] = handler
        return None

    async def forget(self, seconds: float) -> int:
        """Delete what is stored about producers that sent nothing for so long; return how many.

        A producer that comes back afterwards is refused with a `SequenceError`, so choose longer
        than any client stays away.
        """
        while self._applier is not None:
            await asyncio.wait({self._applier})
        return self.store.forget(seconds)

    async def close(self) -> None:
        """Answer what has arrived, refuse the rest, and close the store; may be called twice."""
        self._closed = True
        while self._applier is not None:
            await asyncio.wait({self._applier})
        self.store.close()

    async def _receive(self, _sid: str, *arguments: Any) -> dict[str, Any]:
        """Handle the event; the return value is the acknowledgement."""
        try:
            if len(arguments) != 1:
                raise BatchError(f"The event {EVENT!r} has one argument, a batch.")
            batch = Batch.from_wire(arguments[0])
            messages = [read_message(text) for text in batch.messages]
        except BatchError as error:
            return self._refuse(error).to_wire()
        if self._closed:
            return self._refuse(StoreError("The inbox is closed. Try again later.")).to_wire()
        if not self.store.durable:
            [applied] = await self._apply_group([(batch, messages)])
            return applied.to_wire()
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((batch, messages, answer))  # before any await: in order of arrival
        if self._applier is None:
            self._applier = asyncio.create_task(self._apply_all())
        return (await answer).to_wire()

    async def _apply_all(self) -> None:
        """Apply the waiting batches, one group per commit, until none is left."""
        group = []
        try:
            while self._waiting:
                group = self._take_group()
                answers = await self._apply_group([(batch, texts) for batch, texts, _ in group])
                for (_, _, future), answer in zip(group, answers, strict=True):
                    if not future.done():
                        future.set_result(answer)
        finally:
            self._applier = None
            for _, _, future in (*group, *self._waiting):  # the process is ending
                if not future.done():
                    future.set_result(self._refuse(StoreError("The inbox has ended.")))

    def _take_group(self) -> list[tuple[Batch, list[Message], asyncio.Future[Answer]]]:
        """Take the batches for the next transaction off the queue."""
        size = count = 0
        while count < len(self._waiting) and size < GROUP:
            size += len(self._waiting[count][1])
            count += 1
        group, self._waiting = self._waiting[:count], self._waiting[count:]
        return group

    async def _apply_group(self, group: list[tuple[Batch, list[Message]]]) -> list[Answer]:
        """Apply batches in one transaction; if it fails, undo all of it and refuse every batch."""
        try:
            self.store.begin()
            answers = [self._apply(batch, messages) for batch, messages in group]
            if self.store.durable:
                await asyncio.to_thread(self.store.commit)
            return answers
        except BaseException as error:
            with suppress(Exception):  # the first error says more
                self.store.rollback()
            if isinstance(error, StoreError):
                return [self._refuse(error)] * len(group)
            if not isinstance(error, Exception):
                raise
            failure = StoreError(f"The inbox failed: {in_words(error)}")
            failure.__cause__ = error
            return [self._refuse(failure)] * len(group)

    def _apply(self, batch: Batch, messages: list[Message]) -> Answer:
        """Apply the new messages of a batch; answer for the duplicates too."""
        progress = self.store.progress(batch.producer)
        try:
            old = duplicates(batch, progress)
            kept = self.store.kept(batch.producer, batch.first, old) if old else []
            if len(kept) < old:
                raise StoreError(f"Replies to producer {batch.producer} are missing in the store.")
            check_same(batch, kept)
        except StoreError:
            raise
        except DeliveryError as error:
            return self._refuse(error, progress.next)
        new = [
            StoredReply(digest(text), self._handle(*message))
            for text, message in zip(batch.messages[old:], messages[old:], strict=True)
        ]
        ahead = advanced(batch, progress)
        if ahead != progress:
            self.store.save(batch.producer, ahead, batch.first + old, new)
        return Answer(ahead.next, _fitting([one.reply for one in kept + new]))

    def _handle(self, event: str, payload: Any) -> str:
        """Run the handler of one message; return the text of its reply."""
        self.store.savepoint()
        try:
            handler = self._handlers.get(event)
            if handler is None:
                raise LookupError(f"the inbox has no handler for {event!r}")
            return write_reply(handler(self.store.db, payload))
        except (KeyboardInterrupt, SystemExit):  # they end the process, as in asyncio
            raise
        except BaseException as error:
            if self.store.is_store_failure(error):
                raise StoreError(
                    f"The store failed in the handler of {event!r}: {in_words(error)}"
                ) from error
            self.store.undo()
            return write_failure(error)

    def _refuse(self, error: DeliveryError, expected: int = 0) -> Answer:
        self.last_error = error
        return Answer(expected, [], error)


def _fitting(replies: list[str]) -> list[str]:
    """Return as many replies as fit in a packet, at least one; the client asks for the rest."""
    room = LONGEST
    for count, reply in enumerate(replies):
        room -= len(reply)
        if room < 0 and count:
            return replies[:count]
    return replies
