"""The client's half: keeps every message, and sends it again, until the inbox has applied it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, NamedTuple

import socketio

from ..errors import ClosedError, DeliveryError, OutboxFullError, UncertainError, UsageError
from .connector import HANG_UP, Connector
from .message import HELLO, Message, read_message, write_message
from .receipt import ACCEPTED, Receipt
from .relay import Relay
from .send_window import check_positive
from .stores import MemoryOutboxStore, OutboxStore
from .storing import OutboxTransaction, Storing
from .transactions import check_vacant

CLOSE = 5.0  # seconds that the last save may take


class OutboxStatistics(NamedTuple):
    """What an outbox has done since it was opened; the first two are of this moment."""

    pending: int  # messages without a reply
    in_flight: int  # messages sent and not yet answered
    sent: int  # messages in packets, repeats included
    resent: int
    connections: int
    refusals: int


class Outbox(AbstractAsyncContextManager["Outbox"]):
    """Sends messages to an :class:`~sio_demo.delivery.inbox.Inbox`: effectively once, in order.

    It owns the connection of its client: it connects, and reconnects after a loss with
    exponential backoff and jitter, without a limit of attempts. The client's own reconnection is
    off until `close`, at which `wait` ends. Other events, and its handlers, work as usual.

    Parameters
    ----------
    client : socketio.AsyncClient
        A client that is not connected.
    store : OutboxStore, optional
        `MemoryOutboxStore`, the default, or `SQLiteOutboxStore`, which keeps the messages when
        the process ends.
    window : int
        How many messages may be in flight: sent and not yet answered.
    limit : int
        How many messages may be without a reply before `send` raises `OutboxFullError`.
    namespace : str
        The Socket.IO namespace of the inbox.
    ack_timeout : float
        Seconds without an answer after which the connection counts as dead.
    connect_timeout : float
        Seconds that an attempt to connect may take.
    retry_delay, retry_delay_max : float
        Seconds before the second attempt, and the maximum. The delay doubles at every attempt.

    Attributes
    ----------
    last_error : Exception or None
        Why the latest attempt to connect, to send or to store failed; None after a success.
    resumed : list of Receipt
        Receipts of the messages that an earlier process, or `reissue`, left in the store.
    """

    def __init__(
        self,
        client: socketio.AsyncClient,
        store: OutboxStore | None = None,
        *,
        window: int = 4000,
        limit: int = 100_000,
        namespace: str = "/",
        ack_timeout: float = 5.0,
        connect_timeout: float = 5.0,
        retry_delay: float = 0.1,
        retry_delay_max: float = 5.0,
    ) -> None:
        check_vacant(client, socketio.AsyncClient, namespace, HELLO, "outbox")
        check_positive(int, window=window, limit=limit)
        check_positive(int | float, ack_timeout=ack_timeout, connect_timeout=connect_timeout)
        check_positive(int | float, retry_delay=retry_delay, retry_delay_max=retry_delay_max)
        if isinstance(store, type) or getattr(store, "taken", store is not None):
            raise UsageError(f"{store!r} is no store of an outbox, or another outbox has it.")
        self.client = client
        self._store: OutboxStore = MemoryOutboxStore() if store is None else store
        self._store.taken = True
        self._limit, self._namespace = limit, namespace
        self._connector = Connector(client, connect_timeout, retry_delay, retry_delay_max)
        self._storing = Storing(self._store, window, self._check_loop)
        self._check_wait = self._storing.check_wait  # made once: receipts have it by the thousand
        self._relay = Relay(self._storing, self._connector, namespace, ack_timeout)
        self._loop: asyncio.AbstractEventLoop | None = None  # in which it was opened
        self._tasks: list[asyncio.Task[None]] = []
        self._closing: asyncio.Task[None] | None = None
        self._reissuing: asyncio.Task[None] | None = None

    async def open(self, url: str, **connect_arguments: Any) -> None:
        """Load the store and connect; return after the first attempt, even if it failed.

        ``socketio.AsyncClient.connect`` gets the arguments, at every attempt.

        Raises StoreError: the store cannot be read, or is in use; UsageError: the outbox is open
        already, or the client is connected, or another outbox's; ClosedError: the outbox is closed;
        TypeError, ValueError: from the client, about `url` or `connect_arguments`.
        """
        self._check_loop()
        if self._closing is not None:
            raise ClosedError("This outbox is closed. Make a new one.")
        if self._loop is not None and not self._relay.tried.done:  # an open() was cancelled
            return await self._first_attempt()
        if self._loop is not None or self.client.connected or "wait" in vars(self.client):
            raise UsageError("Give each outbox a client that is not connected, and open it once.")
        self.client.handlers.setdefault(self._namespace, {})  # internal: it connects to these
        self._storing.resume(self._store.load())
        self._loop = asyncio.get_running_loop()
        self.client.wait = self._connector.ended.wait  # its own would end with a connection
        if self._store.durable:
            self._start(self._storing.keep_saving(self._connector.next_delay))
        self._start(self._relay.keep_sending())
        self._start(self._relay.keep_connected(url, connect_arguments))
        await self._first_attempt()

    def send(self, event: str, payload: Any = None) -> Receipt:
        """Queue a message, whether or not there is a connection.

        `payload` is a JSON value: None, bool, int, float, str, list or dict, whose keys become str.
        It is encoded now; later changes to it are not sent. Await the receipt for the reply of the
        event's handler; it raises `HandlerError` if the handler raised.

        Raises PayloadError: `payload` is not JSON, or is too long; OutboxFullError: `limit`
        messages have no reply yet; UsageError: it is called in another thread than `open`, or the
        event is no name; ClosedError, DeliveryError: the outbox is closed, or it has failed
        permanently.
        """
        receipt = self._new_receipt(event, payload)
        self._storing.add(receipt)
        return receipt

    def transaction(self) -> AbstractAsyncContextManager[OutboxTransaction]:
        """Write rows of yours and messages to a SQLite store, all of them or none.

        ::

            async with outbox.transaction() as db:
                db.execute("INSERT INTO orders VALUES (?)", (7,))
                receipt = db.send("order", 7)

        If the block raises, or the commit fails, there are neither rows nor messages. Await
        nothing else in the block: what others send waits for its end.

        Raises UsageError: the store has no transactions; StoreError: the commit failed;
        UncertainError: perhaps it did, so the outbox has stopped. Make another, and see.
        """
        self._usable()
        return self._storing.transaction(self._usable, self._new_receipt)

    @property
    def last_error(self) -> Exception | None:
        return self._storing.last_error

    @property
    def resumed(self) -> list[Receipt]:
        return self._storing.resumed

    @property
    def pending(self) -> int:
        """How many messages have no reply yet."""
        return len(self._storing.incoming) + len(self._storing.window.messages)

    @property
    def unanswered(self) -> list[Message]:
        """The messages that have no reply yet, oldest first, also after a final refusal."""
        return [read_message(receipt.text) for receipt in self._left()]

    def statistics(self) -> OutboxStatistics:
        """Return counts: what waits now, and what was done so far."""
        window, relay = self._storing.window, self._relay
        counts = (window.in_flight, window.sent, window.resent, relay.connections, relay.refusals)
        return OutboxStatistics(self.pending, *counts)

    async def drain(self) -> None:
        """Wait until every message has its reply, including messages sent meanwhile.

        Raises ClosedError, DeliveryError: the outbox was closed, or it has failed permanently.
        """
        while self.pending:
            self._usable()
            with suppress(DeliveryError):  # of one message; the owner of its receipt gets it
                await self._left()[-1]
        self._usable()

    async def reissue(self, *, keep: bool = True) -> list[Receipt]:
        """Go on after a final refusal, under a new producer id; return the new receipts.

        Look at `unanswered` first. What the inbox may have applied under the old id, it will
        apply again: the refusal means that it cannot tell. If you `keep` the unanswered messages,
        they are sent in their order and with their ids; if not, they are deleted.

        Raises UsageError: the inbox has not refused anything for good; StoreError: the store cannot
        be written, and nothing has changed; UncertainError: perhaps it has, so call it again.
        """
        self._check_loop()
        failure = self._storing.failure
        if failure is None or isinstance(failure, UncertainError):
            raise UsageError("No inbox has refused anything for good.")
        if self._reissuing is None or self._reissuing.done():  # else finish what another began
            self._reissuing = asyncio.create_task(self._reissue(keep))
        await asyncio.shield(self._reissuing)
        return self.resumed

    async def close(self) -> None:
        """Disconnect and close the store; may be called twice, and cancelled.

        Messages without a reply stay in a durable store. Their receipts raise `ClosedError`.
        """
        if self._loop is not None and self._loop.is_closed():  # its tasks have ended
            return self._store.close()
        if self._closing is not None and self._closing.done():
            return
        self._check_loop()
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        await asyncio.shield(self._closing)

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closing else "online" if self._connector.online else "offline"
        return f"<Outbox {state}, {self.pending} pending>"

    async def _reissue(self, keep: bool) -> None:
        await self._storing.restart(keep)
        self._relay.restart()

    def _new_receipt(self, event: str, payload: Any, besides: int = 0) -> Receipt:
        self._usable()
        text = write_message(event, payload)
        if self.pending + besides >= self._limit:
            raise OutboxFullError(
                f"{self._limit:,} messages wait in the outbox. Await receipts, or drain(), first."
            )
        return Receipt(text, None if self._store.durable else ACCEPTED, self._check_wait)

    def _left(self) -> list[Receipt]:
        return [*self._storing.window.messages, *self._storing.incoming]

    def _check_loop(self) -> None:
        """Refuse a call from another thread or event loop, which would stall or corrupt."""
        if self._loop not in (None, asyncio._get_running_loop()):  # there may be none
            raise UsageError(
                "Call the outbox in the thread and event loop that opened it, for example with "
                "loop.call_soon_threadsafe."
            )

    async def _first_attempt(self) -> None:
        try:
            await self._relay.tried
        except (TypeError, ValueError):
            await self.close()
            raise
        if self._closing is not None:
            raise ClosedError("The outbox was closed while it was being opened.")

    def _usable(self) -> None:
        self._check_loop()
        if self._storing.failure is not None:
            raise self._storing.failure.with_traceback(None)
        if self._loop is None or self._closing is not None:
            raise ClosedError("Open the outbox first: `await outbox.open(url)`; and only once.")

    async def _close(self) -> None:
        if self._loop is None:
            return self._store.close()
        self._relay.stop()
        await self._storing.close(CLOSE)
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks, timeout=HANG_UP)  # a user's handler may hold one up
        await self._connector.disconnect()
        for receipt in self._left():
            receipt.fail(ClosedError("The outbox was closed before this was applied."))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        task.add_done_callback(self._task_done)
        self._tasks.append(task)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        """If a bug ends a task of the outbox, fail the receipts: no caller waits for ever."""
        if task.cancelled():
            if self._closing is None:  # the program ends
                self._connector.abandon()
        elif isinstance(error := task.exception(), Exception):
            self._storing.fail(error)
