"""The server's half: applies every message once, in order, and answers with a stored reply."""

from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import UUID

import socketio

from ..errors import BatchError, QuotaError, StoreError, UsageError
from .inbox_state import welcomed
from .message import EVENT, HELLO, LARGEST, Batch, Hello, Welcome, can_be_stored, only
from .queues import Queues
from .receiver import Receiver, arguments
from .send_window import check_positive
from .transactions import check_vacant, log, raise_end, settled
from .turns import Session, Turns

BATCH = 1000  # messages in a batch
WAITING = 16  # batches of one connection; a sender has at most 8 without an answer
REFUSALS = 100  # requests of a connection that are too many, before it is closed


class InboxStatistics(NamedTuple):
    """What an inbox has done since it was made, in messages; the first two are of this moment."""

    connected: int  # connections that have said hello
    waiting: int
    applied: int
    duplicates: int
    retried: int
    refused: int  # batches and hellos
    dead: int


class Inbox(Receiver):
    """Receives what an :class:`~sio_demo.delivery.outbox.Outbox` sends.

    One transaction commits a handler's effects in ``db``, its reply, and the mark that the
    message was applied. A duplicate is answered with the stored reply.

    If a handler raises, its effects are undone and the error becomes the reply: the message
    counts as applied and is not tried again. If it raises `Retry`, or the event has no handler
    yet, the message stays in its place, and the sender tries again after a pause.

    Several inboxes, one for each namespace, may share a store; so may processes, if it is a file or
    a PostgreSQL database.

    Parameters
    ----------
    sio : socketio.AsyncServer
    store : InboxStore, optional
        Holds effects and marks: `MemoryInboxStore`, the default, `SQLiteInboxStore`, or
        `PostgresInboxStore`.
    namespace : str
        The Socket.IO namespace.
    user : callable, optional
        Called once for a connection, with its sid, and with the environ if it needs two
        arguments; returns the name of the user, a str, int or UUID, or an awaitable of it. A
        producer is refused from all users but its first. Without it, all clients are one user.
    retry_limit : int, optional
        How many attempts a message gets before it goes to the dead letters. Without a limit it is
        tried until it can be applied, and all later messages of its producer wait.
    max_producers : int, optional
        How many outboxes a user may have: 1,000, or 100,000 where all clients are one user.
    max_unconfirmed : int
        How many replies are kept for a producer that has not confirmed them.
    """

    def __init__(
        self,
        sio: socketio.AsyncServer,
        store: Any = None,
        *,
        namespace: str = "/",
        user: Callable[..., Any] | None = None,
        retry_limit: int | None = None,
        max_producers: int | None = None,
        max_unconfirmed: int = 20_000,
    ) -> None:
        check_vacant(sio, socketio.AsyncServer, namespace, EVENT, "inbox")
        if max_producers is None:
            max_producers = 1000 if user else 100_000
        check_positive(int, max_producers=max_producers)
        super().__init__(store, namespace, retry_limit, max_unconfirmed)
        self._transactions.online = self._online
        self._sio, self._namespace = sio, namespace
        self._user, self._wanted = user, 1 if user is None else arguments(user, 1, 2)
        self._max_producers = max_producers
        packet: int = sio.eio.max_http_buffer_size  # internal
        self._limits = (BATCH, max(100, min(LARGEST, packet - 1000)), max_unconfirmed)
        self._sessions: dict[str, Session] = {}
        self._most_sessions = 100  # before those are deleted that have ended
        self._greetings = Queues(sio, namespace, WAITING)
        self._contacts: set[str] = set()  # producers heard since `forget` was called last
        sio.on(HELLO, self._greet, namespace=namespace)
        sio.on(EVENT, self._receive, namespace=namespace)

    async def forget(self, seconds: float) -> int:
        """Delete producers without contact for so long; return how many.

        A producer that is connected is in contact, and so is one that was since the last call of
        this method. One that comes back afterwards is refused with an `UnknownProducerError`, so
        choose longer than any client stays away. Where several processes share a store, call it
        in each, more than twice in that time.
        """
        if not (isinstance(seconds, int | float) and 0 <= seconds < 2**32):
            raise UsageError(f"{seconds!r} is no number of seconds.")
        heard, here = set(self._contacts), self._online()
        async with self._transactions.one() as store:
            await settled(store.touch(heard))
            gone = await settled(store.forget(seconds, self._transactions.online_anywhere()))
        self._contacts = self._contacts - heard | here  # not if it failed
        return gone

    def statistics(self) -> InboxStatistics:
        """Return counts: what is connected and waits now, and what was done so far."""
        sessions = [session for turns in self._all_turns for session in turns.waiting]
        waiting = sum(len(item.batch.messages) for one in sessions for item in one.waiting)
        done = [self._applier.counts[name] for name in InboxStatistics._fields[2:]]
        return InboxStatistics(len(self._connected()), waiting, *done)

    async def close(self) -> None:
        """Answer what has arrived, refuse the rest, and close the store; may be called twice.

        A store that another inbox uses is closed with the last of them.
        """
        self._check_task()
        self._closed = True
        await self._end()

    async def _greet(self, sid: str, *arguments: Any) -> dict[str, Any]:
        try:
            hello = Hello.from_wire(only(arguments))
            session = await self._session(sid)
            async with self._greetings.turn(sid):
                self._greetings.check(sid)
                return (await self._welcome(session, hello)).to_wire()
        except BaseException as error:
            return await self._refuse(sid, error)

    async def _receive(self, sid: str, *arguments: Any) -> dict[str, Any]:
        try:
            batch = Batch.from_wire(only(arguments))
            if not (batch.epoch and 0 < len(batch.messages) <= BATCH):  # a topic's is 0
                raise BatchError(f"A batch has an epoch from 1 on, and 1 to {BATCH} messages.")
            session = await self._session(sid)
            if len(session.waiting) >= WAITING:
                raise QuotaError(f"{WAITING} batches of this connection wait for their answers.")
            self._greetings.check(sid)
            answer = await session.turns.apply(session, batch)
            if answer.error is None:  # an inbox before this one may have welcomed it
                session.producers.add(batch.producer)
            return answer.to_wire()
        except BaseException as error:
            return await self._refuse(sid, error)

    async def _welcome(self, session: Session, hello: Hello) -> Welcome:
        """Register a producer, or recognize one."""
        producer, user, most = hello.producer, session.user, self._max_producers
        async with self._transactions.one() as store:
            before = await settled(store.progress(producer))
            progress = welcomed(hello, before, user)
            if before is None and await settled(store.owned(user, most)) >= most:
                raise QuotaError(f"The user has {most:,} outboxes already.")
            if progress != before:
                await settled(store.save(producer, progress, 0, []))
        session.producers.add(producer)
        self._contacts.add(producer)
        return Welcome(progress.next, progress.last, progress.floor, *self._limits)

    async def _refuse(self, sid: str, error: BaseException) -> dict[str, Any]:
        """Answer with an error; at last, end a connection that does not await its answers."""
        raise_end(error)
        if isinstance(error, QuotaError) and (session := self._sessions.get(sid)):
            session.refusals += 1
            if session.refusals == REFUSALS:
                log.warning("%s floods the inbox: disconnected", sid)
                await self._sio.disconnect(sid, self._namespace)
        return self._applier.refuse(error).to_wire()

    async def _session(self, sid: str) -> Session:
        if self._closed:
            raise StoreError("The inbox is closed. Try again later.")
        if sid not in self._sessions:
            async with self._greetings.turn(sid):
                return self._sessions.get(sid) or await self._new_session(sid)
        return self._sessions[sid]

    async def _new_session(self, sid: str) -> Session:
        user = None
        if self._user is not None:
            given = (sid, self._sio.get_environ(sid, self._namespace))
            who = await settled(self._user(*given[: self._wanted]))
            user = None if who is None else str(who)
            if not self._sio.manager.is_connected(sid, self._namespace):  # internal
                raise StoreError("The client has gone meanwhile.")
            kinds = str | int | UUID | None
            if not isinstance(who, kinds) or type(who) is bool or not can_be_stored(str(who)):
                raise UsageError(f"{user!r} is no name of a user that a database can keep.")
        if len(self._sessions) > self._most_sessions:
            self._sessions = self._connected()
            self._most_sessions = 2 * len(self._sessions) + 100
        many = self._transactions.concurrent
        turns = Turns(self._applier, self._transactions) if many else self._turns
        self._all_turns.add(turns)
        session = self._sessions[sid] = Session(sid, user, turns)
        return session

    def _connected(self) -> dict[str, Session]:
        alive = self._sio.manager.is_connected  # internal
        return {sid: s for sid, s in self._sessions.items() if alive(sid, self._namespace)}

    def _online(self) -> set[str]:
        return {producer for s in self._connected().values() for producer in s.producers}
