"""The server's half: applies every message once, in order, and answers with a stored reply."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from time import perf_counter
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import socketio

from ..errors import BatchError, DeliveryError, QuotaError, Retry, StoreError, UsageError
from .inbox_state import Progress, StoredReply, advanced, check_same, checked, duplicates, welcomed
from .message import (
    EVENT,
    HELLO,
    LARGEST,
    WITHDRAWN,
    Answer,
    Batch,
    Hello,
    Message,
    Welcome,
    in_words,
    read_message,
    read_reply,
    write_failure,
    write_reply,
)
from .stores import InboxStore, Letter, MemoryInboxStore

BATCH = 500  # messages in a batch
WAITING = 16  # batches of one connection; a sender has at most 8 without an answer
REFUSALS = 100  # batches refused in a row before the connection is closed
SLICE = 0.005  # seconds of handlers before other tasks run
GROUP = 0.01  # seconds of handlers before a commit
PATIENCE = 0.2  # seconds to wait for another process that writes to the store
AGAIN = 1.0  # seconds until a callback that failed is called again
PAUSE = 0.005  # seconds in which another process gets its turn

Handler = Callable[..., Any]
User = Callable[..., Any]
log = logging.getLogger("sio_demo.delivery")

_turns: WeakKeyDictionary[InboxStore, asyncio.Lock] = WeakKeyDictionary()  # one for each store


class Received(NamedTuple):
    """A message and who sent it: a handler's third argument, if it takes three.

    `sid` is None when the message is replayed, or was committed before the process was started.
    """

    id: str
    event: str
    payload: Any
    user: str | None
    sid: str | None
    producer: str


class InboxStatistics(NamedTuple):
    """What an inbox has done since it was made, in messages; the first two are of this moment."""

    connected: int  # connections that have said hello
    waiting: int
    applied: int
    duplicates: int
    retried: int
    refused: int  # batches and hellos
    dead: int


@dataclass(slots=True, eq=False)
class _Session:
    """A connection: whose it is, and its batches that wait."""

    sid: str
    user: str | None
    waiting: deque[_Item] = field(default_factory=deque)
    producers: set[str] = field(default_factory=set)
    refusals: int = 0


@dataclass(slots=True)
class _Item:
    """A batch, and where its answer goes."""

    session: _Session
    batch: Batch
    answer: asyncio.Future[Answer]


class Inbox:
    """Receives what an :class:`~sio_demo.delivery.outbox.Outbox` sends.

    One transaction commits a handler's effects in ``db``, its reply, and the mark that the
    message was applied. A duplicate is answered with the stored reply. Messages of one producer
    are applied in the order in which they were sent.

    If a handler raises, its effects are undone and the error becomes the reply: the message
    counts as applied and is not tried again. If it raises `Retry`, or the event has no handler
    yet, the message stays in its place, and the sender tries again after a pause. Effects outside
    ``db`` are not in the transaction, so they may happen again after a crash.

    Several inboxes, one for each namespace, may share a store; so may processes, if it is a file.

    Parameters
    ----------
    sio : socketio.AsyncServer
        The inbox registers a handler for its event ``"outbox"``.
    store : InboxStore, optional
        Holds effects and marks: `MemoryInboxStore`, the default, or `SQLiteInboxStore`.
    namespace : str
        The Socket.IO namespace.
    user : callable, optional
        Called with a sid, and with the environ if it takes two arguments; returns the name of the
        user, or an awaitable of it. A producer is refused from all users but the one with whom it
        first came. Without it, all clients are one user.
    retry_limit : int, optional
        How many attempts a message gets before it goes to the dead letters. Without a limit it is
        tried until it can be applied, and all later messages of its producer wait.
    max_producers : int, optional
        How many outboxes a user may have: 1,000, or 100,000 where all clients are one user.
    max_unconfirmed : int
        How many replies are kept for a producer that has not confirmed them.

    Attributes
    ----------
    store : InboxStore
    last_error : DeliveryError or None
        Why the inbox last refused a request.
    """

    def __init__(
        self,
        sio: socketio.AsyncServer,
        store: InboxStore | None = None,
        *,
        namespace: str = "/",
        user: User | None = None,
        retry_limit: int | None = None,
        max_producers: int | None = None,
        max_unconfirmed: int = 20_000,
    ) -> None:
        if not isinstance(sio, socketio.AsyncServer):
            raise UsageError(f"An inbox works with a socketio.AsyncServer, not {sio!r}.")
        if EVENT in sio.handlers.get(namespace, {}):  # internal
            raise UsageError(f"Something handles {EVENT!r} here already. One inbox is enough.")
        limits = (retry_limit, max_producers, max_unconfirmed)
        if not all(limit is None or (type(limit) is int and limit > 0) for limit in limits):
            raise UsageError("Limits are whole numbers above 0.")
        self.store: InboxStore = MemoryInboxStore() if store is None else store
        self.last_error: DeliveryError | None = None
        self._sio, self._namespace, self._user = sio, namespace, user
        self._retry_limit = retry_limit
        self._max_producers = max_producers or (1000 if user else 100_000)
        packet: int = sio.eio.max_http_buffer_size  # internal
        self._limits = (BATCH, max(100, min(LARGEST, packet - 1000)), max_unconfirmed)
        self._handlers: dict[str, tuple[Handler, bool]] = {}
        self._after: dict[str, Callable[[Received], Awaitable[Any]]] = {}
        self._sessions: dict[str, _Session] = {}
        self._most_sessions = 100  # before those are deleted that have ended
        self._contacts: set[str] = set()  # producers heard since `forget` was called last
        self._waiting: deque[_Session] = deque()  # those with batches that wait
        self._turn = _turns.setdefault(self.store, asyncio.Lock())
        self._thread = ThreadPoolExecutor(1, "inbox")
        self._applier: asyncio.Task[None] | None = None
        self._telling: asyncio.Task[None] | None = None
        self._done = dict.fromkeys(InboxStatistics._fields[2:], 0)
        self._due = True  # callbacks may be left from before a crash
        self._contended = self._closed = False
        sio.on(HELLO, self._greet, namespace=namespace)
        sio.on(EVENT, self._receive, namespace=namespace)

    # --- for the caller ----------------------------------------------------------------

    def on(self, event: str, handler: Handler | None = None) -> Any:
        """Register the handler of an event; without `handler`, return a decorator.

        The handler is called with the store's ``db`` and the payload, and returns the reply, a
        JSON value. If it has a third parameter, it gets the `Received`: who sent the message, and
        its id. It must be a plain function, because a transaction must not wait.

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
        self._handlers[event] = handler, _required(handler) > 2
        return None

    def after_commit(
        self, event: str, callback: Callable[[Received], Awaitable[Any]] | None = None
    ) -> Any:
        """Register what follows the commit of an event; without `callback`, return a decorator.

        The callback, a coroutine function, is called with the `Received` once its message is
        applied. It is called again if it raises, or if the process crashes before it returns: its
        effects happen at least once, not exactly once. The id lets receivers recognize a repeat.

        Raises
        ------
        UsageError
            The callback is not a coroutine function.
        """
        if callback is None:
            return lambda function: self.after_commit(event, function) or function
        if not inspect.iscoroutinefunction(callback):
            raise UsageError(f"What follows {event!r} must be a coroutine function.")
        self._after[event] = callback
        return None

    def dead_letters(self) -> list[Letter]:
        """Return the messages that could not be applied within `retry_limit`, oldest first."""
        return self.store.aside("dead")

    async def replay(self, letter: Letter) -> Any:
        """Apply a dead letter now, and take it out; return what its handler returns.

        Raises
        ------
        HandlerError, Retry
            It failed again, and stays.
        UsageError
            It is no dead letter of this inbox.
        """
        async with self._transaction():
            if letter not in self.dead_letters():
                raise UsageError("This is no dead letter: it was replayed or dropped before.")
            message = read_message(letter.text)
            reply, error = read_reply(self._handle(message, letter, None))
            if error is not None:
                raise error
            self.store.take_out("dead", [letter])
        self._tell()
        return reply

    async def drop(self, letter: Letter) -> None:
        """Take out a dead letter unapplied."""
        async with self._transaction():
            self.store.take_out("dead", [letter])

    async def forget(self, seconds: float) -> int:
        """Delete producers without contact for so long; return how many.

        A producer that is connected is in contact, and so is one that was since the last call of
        this method. One that comes back afterwards is refused with an `UnknownProducerError`, so
        choose longer than any client stays away. Where several processes share a store, call it
        in each, more than twice in that time.
        """
        async with self._transaction():
            online = {p for s in self._connected().values() for p in s.producers}
            self.store.touch(self._contacts)
            self._contacts = online
            return self.store.forget(seconds, online)

    def statistics(self) -> InboxStatistics:
        """Return counts: what is connected and waits now, and what was done so far."""
        waiting = sum(len(item.batch.messages) for s in self._waiting for item in s.waiting)
        return InboxStatistics(len(self._connected()), waiting, **self._done)

    async def close(self) -> None:
        """Answer what has arrived, refuse the rest, and close the store; may be called twice."""
        self._closed = True
        while self._applier is not None:
            await asyncio.wait({self._applier})
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.wait({self._telling}, timeout=AGAIN)
        async with self._turn:
            self._thread.shutdown(wait=False)
            self.store.close()

    # --- requests ----------------------------------------------------------------------

    async def _greet(self, sid: str, *arguments: Any) -> dict[str, Any]:
        """Handle a hello; the return value is the acknowledgement."""
        try:
            hello = Hello.from_wire(_only(arguments))
            return (await self._welcome(await self._session(sid), hello)).to_wire()
        except Exception as error:
            return self._refuse(_named(error)).to_wire()

    async def _receive(self, sid: str, *arguments: Any) -> dict[str, Any]:
        """Handle a batch; the return value is the acknowledgement."""
        try:
            batch = Batch.from_wire(_only(arguments))
            if not 0 < len(batch.messages) <= BATCH:
                raise BatchError(f"A batch has 1 to {BATCH} messages.")
            return (await self._enqueue(await self._session(sid), batch)).to_wire()
        except Exception as error:
            return self._refuse(_named(error)).to_wire()

    async def _session(self, sid: str) -> _Session:
        if self._closed:
            raise StoreError("The inbox is closed. Try again later.")
        return self._sessions.get(sid) or await self._new_session(sid)

    async def _new_session(self, sid: str) -> _Session:
        user = None
        if self._user is not None:
            environ = [self._sio.get_environ(sid, self._namespace)]
            user = self._user(sid, *environ[: _required(self._user) - 1])
            if inspect.isawaitable(user):
                user = await user
            user = None if user is None else str(user)
        if len(self._sessions) > self._most_sessions:
            self._sessions = self._connected()
            self._most_sessions = 2 * len(self._sessions) + 100
        return self._sessions.setdefault(sid, _Session(sid, user))

    def _connected(self) -> dict[str, _Session]:
        alive = self._sio.manager.is_connected  # internal
        return {sid: s for sid, s in self._sessions.items() if alive(sid, self._namespace)}

    async def _welcome(self, session: _Session, hello: Hello) -> Welcome:
        """Register a producer, or recognize one."""
        producer, user, most = hello.producer, session.user, self._max_producers
        async with self._transaction():
            before = self.store.progress(producer)
            progress = welcomed(hello, before, user)
            if before is None and self.store.owned(user, most) >= most:
                raise QuotaError(f"The user has {most:,} outboxes already.")
            if progress != before:
                self.store.save(producer, progress, 0, [])
        session.producers.add(producer)
        self._contacts.add(producer)
        self._tell()
        return Welcome(progress.next, progress.last, *self._limits)

    async def _enqueue(self, session: _Session, batch: Batch) -> Answer:
        if len(session.waiting) >= WAITING:
            session.refusals += 1
            if session.refusals > REFUSALS:  # it does not listen: close the tap
                log.warning("%s floods the inbox: disconnected", session.sid)
                await self._sio.disconnect(session.sid, self._namespace)
            raise QuotaError(f"{WAITING} batches of this connection wait. Await their answers.")
        session.refusals = 0
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        at_once = not (self.store.durable or self._waiting or self._turn.locked())
        if not session.waiting:
            self._waiting.append(session)
        session.waiting.append(_Item(session, batch, answer))
        if at_once:
            async with self._turn:
                await self._apply_group()
        if self._waiting and self._applier is None:
            self._applier = asyncio.create_task(self._apply_all())
        return await answer

    # --- applying ----------------------------------------------------------------------

    async def _apply_all(self) -> None:
        """Apply the waiting batches, one group per commit, until none is left."""
        try:
            while self._waiting:
                async with self._turn:
                    await self._apply_group()
                if self._contended:
                    await asyncio.sleep(PAUSE)
        finally:
            self._applier = None
            while self._waiting:  # the process is ending
                self._settle([self._take()], [])

    def _take(self) -> _Item:
        """Take a batch off the queue: every connection in turn."""
        session = self._waiting.popleft()
        item = session.waiting.popleft()
        if session.waiting:
            self._waiting.append(session)
        return item

    async def _apply_group(self) -> None:
        """Apply waiting batches in one transaction, and answer them."""
        group: list[_Item] = []
        answers: list[Answer] = []
        try:
            await self._apply_together(group, answers)
        except BaseException as error:
            self._roll_back()
            answers.clear()
            if not group and self._waiting:  # the transaction did not even begin
                group.append(self._take())
            if isinstance(error, StoreError) or not isinstance(error, Exception):
                answers += [self._refuse(_named(error))] * len(group)
            else:  # a deferred constraint, or a handler that rolled back: find out whose
                for item in group:
                    answers.append(await self._apply_alone(item))
            if not isinstance(error, Exception):  # the process is ending
                raise
        finally:
            self._settle(group, answers)
        self._tell()

    async def _apply_together(self, group: list[_Item], answers: list[Answer]) -> None:
        """Move waiting batches to `group`, apply them in one transaction, and note the answers."""
        await self._begin()
        until = perf_counter() + GROUP
        while self._waiting and (not group or perf_counter() < until):
            group.append(self._take())
            answers.append(await self._apply(group[-1]))
            if not self.store.durable:  # there is no commit to wait for
                self._settle(group[-1:], answers[-1:])
        await self._commit()

    def _settle(self, group: list[_Item], answers: list[Answer]) -> None:
        """Answer batches; those without an answer are not applied, because the process ends."""
        for item, answer in zip_longest(group, answers):
            if not item.answer.done():
                ended = StoreError("The inbox has ended. Try again later.")
                item.answer.set_result(answer or self._refuse(ended))

    async def _apply_alone(self, item: _Item) -> Answer:
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
            part = replace(item, batch=only)
            applied = False
            try:
                await self._begin()
                answer = await self._apply(part, verdict)
                applied = True
                await self._commit()
            except Exception as error:
                self._roll_back()
                guilty = isinstance(error, UsageError) or (applied and verdict is None)
                if isinstance(error, StoreError) or not guilty:
                    return Answer(only.first, _fitting(replies), self._refuse(_named(error)).error)
                verdict = write_failure(error)  # apply it once more, without its handler
                continue
            verdict = None
            replies += answer.replies
        return Answer(answer.next, _fitting(replies), answer.error)

    async def _apply(self, item: _Item, verdict: str | None = None) -> Answer:
        """Apply the new messages of a batch; answer for the duplicates too."""
        batch, user, store = item.batch, item.session.user, self.store
        expected = 0
        try:
            progress = checked(store.progress(batch.producer), user)
            expected = progress.next
            old = duplicates(batch, progress)
            if batch.end - max(progress.floor, batch.confirmed) > self._limits[2]:
                raise QuotaError(f"{self._limits[2]:,} replies are not confirmed.")
            kept = store.kept(batch.producer, batch.first, old, LARGEST) if old else []
            if len(kept) < old and sum(len(one.reply) for one in kept) * 2 < LARGEST:
                raise StoreError(f"Replies to producer {batch.producer} are missing in the store.")
            messages = [read_message(text) for text in batch.messages]
            check_same(batch, messages, kept, progress)
        except StoreError:
            raise
        except DeliveryError as error:
            return self._refuse(error, expected)
        self._done["duplicates"] += len(kept)
        if len(kept) < old:
            return Answer(expected, [one.reply for one in kept])
        new, why = await self._apply_new(item, messages, progress, verdict)
        self._done["applied"] += len(new)
        ahead = advanced(batch, progress, new)
        if why is not None and self._retry_limit is not None:
            ahead = ahead._replace(attempts=ahead.attempts + 1)
        if ahead != progress:
            store.save(batch.producer, ahead, batch.first + old, new)
        return Answer(ahead.next, _fitting([one.reply for one in kept + new]), why)

    async def _apply_new(
        self, item: _Item, messages: list[Message], progress: Progress, verdict: str | None
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
                reply = verdict or self._handle(message, letter, session.sid)
            except Retry as why:
                words = in_words(why).removeprefix("Retry: ")
                attempts = (progress.attempts if number == old else 0) + 1
                log.info("%s is tried again: %s", message.event, words)
                self._done["retried"] += 1
                if self._retry_limit is None or attempts < self._retry_limit:
                    return new, Retry(words)
                log.warning("%s is a dead letter now: %s", message.event, words)
                self._done["dead"] += 1
                self.store.put_aside("dead", letter._replace(error=words))
                reply = write_failure(why, "dead")
            new.append(StoredReply(message.id, reply))
            if perf_counter() > until:
                await asyncio.sleep(0)
                until = perf_counter() + SLICE
        return new, None

    def _handle(self, message: Message, letter: Letter, sid: str | None) -> str:
        """Run the handler of one message; return the text of its reply, or raise Retry."""
        self.store.savepoint()
        try:
            if message.withdrawn:
                return WITHDRAWN
            handler, wants_more = self._handlers.get(message.event, (None, False))
            if handler is None:
                raise Retry(f"The inbox has no handler for {message.event!r} yet.")
            extra = (_received(message, letter, sid),) if wants_more else ()
            reply = write_reply(handler(self.store.db, message.payload, *extra))
            if message.event in self._after:
                self.store.put_aside("after", letter)
                self._due = True
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

    # --- after the commit --------------------------------------------------------------

    def _tell(self) -> None:
        """Let callbacks run that are due, also those that a crash has interrupted."""
        if self._after and self._due and self._telling is None and not self._closed:
            self._telling = asyncio.create_task(self._run_callbacks())

    async def _run_callbacks(self) -> None:
        try:
            while self._due:
                self._due, told = False, []
                async with self._turn:
                    letters = self.store.aside("after")
                for letter in letters:
                    message = read_message(letter.text)
                    if (callback := self._after.get(message.event)) is None:
                        continue
                    try:
                        await callback(_received(message, letter, None))
                        told.append(letter)
                    except Exception:
                        log.exception("What follows %s failed; it is tried again", message.event)
                        self._due = True
                if told:
                    async with self._transaction():
                        self.store.take_out("after", told)
                if self._due and not told:
                    await asyncio.sleep(AGAIN)
        finally:
            self._telling = None

    # --- the transaction ---------------------------------------------------------------

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[None]:
        """Hold the store for the block, and commit, or undo it all."""
        async with self._turn:
            try:
                await self._begin()
                yield
                await self._commit()
            except BaseException:
                self._roll_back()
                raise

    async def _begin(self) -> None:
        try:
            self.store.begin()
            self._contended = False
        except StoreError:
            self._contended = True
            if not self.store.durable:
                raise
            await self._in_thread(self.store.begin, PATIENCE)

    async def _commit(self) -> None:
        if self.store.durable:
            await self._in_thread(self.store.commit)
        else:
            self.store.commit()

    def _roll_back(self) -> None:
        with suppress(Exception):  # the first error says more
            self.store.rollback()

    async def _in_thread(self, function: Callable[..., None], *arguments: Any) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    def _refuse(self, error: DeliveryError, expected: int = 0) -> Answer:
        self.last_error = error
        self._done["refused"] += 1
        log.info("refused: %s", error)
        return Answer(expected, [], error)


def _only(arguments: tuple[Any, ...]) -> Any:
    if len(arguments) != 1:
        raise BatchError("The event has one argument.")
    return arguments[0]


def _received(message: Message, letter: Letter, sid: str | None) -> Received:
    return Received(*message[:3], letter.user, sid, letter.producer)


def _required(function: Callable[..., Any]) -> int:
    """Return how many positional arguments a function must get."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some built-in functions have none
        return 2
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in kinds and p.default is p.empty for p in parameters)


def _named(error: BaseException) -> DeliveryError:
    """Return an error that can be sent."""
    if isinstance(error, DeliveryError):
        return error
    failure = StoreError(f"The inbox failed: {in_words(error)}")
    failure.__cause__ = error
    return failure


def _fitting(replies: list[str]) -> list[str]:
    """Return as many replies as fit in a packet, at least one; the client asks for the rest."""
    left = LARGEST
    for count, reply in enumerate(replies):
        left -= len(reply)
        if left < 0 and count:
            return replies[:count]
    return replies
