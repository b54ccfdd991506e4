"""The client's half: keeps every message, and sends it again, until the inbox has applied it."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

import socketio

from ..errors import (
    ClosedError,
    DeliveryError,
    OutboxFullError,
    StoreError,
    UncertainError,
    UsageError,
)
from .connector import HANG_UP, Connector, Delays
from .message import LONGEST_NAME, Message, read_message, write_message
from .receipt import Promise, Receipt
from .relay import Events, Relay
from .send_window import SendWindow
from .stores import MemoryOutboxStore, OutboxStore

log = logging.getLogger("sio_demo.delivery")

T = TypeVar("T")

CLOSE = 5.0  # seconds that the last save may take

_ACCEPTED = Promise()  # shared by all receipts that need no commit
_ACCEPTED.settle(None)


class OutboxStatistics(NamedTuple):
    """What an outbox has done since it was opened; the first two are of this moment."""

    pending: int  # messages without a reply
    in_flight: int  # messages sent and not yet answered
    sent: int  # messages in packets, repeats included
    resent: int
    connections: int
    refusals: int


class Outbox:
    """Sends messages to an :class:`~sio_demo.delivery.inbox.Inbox`: effectively once, in order.

    It owns the connection of its client: it connects, and reconnects after a loss with
    exponential backoff and jitter, without a limit of attempts. The client's own reconnection is
    switched off. Other events, and the client's handlers, work as usual.

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
        if not isinstance(client, socketio.AsyncClient):
            raise UsageError(f"An outbox works with a socketio.AsyncClient, not {client!r}.")
        delays = Delays(connect_timeout, retry_delay, retry_delay_max)
        numbers = (window, limit, ack_timeout, *delays)
        if not all(isinstance(n, int | float) and n > 0 for n in numbers):
            raise UsageError("window, limit, and all times must be numbers above 0.")
        self.client = client
        self.last_error: Exception | None = None
        self.resumed: list[Receipt] = []
        self._store: OutboxStore = MemoryOutboxStore() if store is None else store
        self._window_size, self._limit = int(window), limit
        self._namespace, self._ack_timeout = namespace, ack_timeout
        self._connector = Connector(client, delays)
        self._window: SendWindow[Receipt] | None = None
        self._relay: Relay | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = ThreadPoolExecutor(1, "outbox")
        self._writing = asyncio.Lock()  # held by whoever uses the store
        self._incoming: list[Receipt] = []  # not yet in the store
        self._to_store = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._closing: asyncio.Task[None] | None = None
        self._failure: Exception | None = None

    # --- for the caller ----------------------------------------------------------------

    async def open(self, url: str, **connect_arguments: Any) -> None:
        """Load the store and connect; return after the first attempt, even if it failed.

        Parameters
        ----------
        url : str
            The URL of the server.
        **connect_arguments
            Passed to ``socketio.AsyncClient.connect`` at every attempt.

        Raises
        ------
        StoreError
            The store cannot be read, or is in use.
        UsageError
            The outbox is open already, or the client is connected.
        ClosedError
            The outbox is closed.
        TypeError, ValueError
            From the client, about `connect_arguments`.
        """
        self._check_loop()
        if self._closing is not None:
            raise ClosedError("This outbox is closed. Make a new one.")
        if self._relay is not None and not self._relay.tried.done:  # an open() was cancelled
            return await self._first_attempt(self._relay)
        if self._window is not None or self.client.connected:
            raise UsageError("Give each outbox a client that is not connected, and open it once.")
        self._loop = asyncio.get_running_loop()
        saved = self._store.load()
        identity = replace(saved.identity, start=secrets.token_hex(8))
        window = self._window = SendWindow(identity, saved.base, self._window_size, saved.after)
        self._resume(window, saved.texts)
        events = Events(self._welcomed, self._answered, self._troubled, self._gave_up)
        self._relay = relay = Relay(
            window, self._connector, self._namespace, self._ack_timeout, events
        )
        if self._store.durable:
            self._start(self._keep_storing())
        self._start(relay.keep_sending())
        self._start(relay.keep_connected(url, connect_arguments))
        await self._first_attempt(relay)

    def send(self, event: str, payload: Any = None) -> Receipt:
        """Queue a message, whether or not there is a connection.

        Parameters
        ----------
        event : str
            The event of the inbox's handler.
        payload : JSON value
            None, bool, int, float, str, list or dict. It is encoded now; later changes to it are
            not sent.

        Returns
        -------
        Receipt
            Await it for the handler's reply. It raises `HandlerError` if the handler raised.

        Raises
        ------
        PayloadError
            `payload` is not JSON, or is too long.
        OutboxFullError
            `limit` messages have no reply yet.
        UsageError
            It is called in another thread than `open`, or the event is no name.
        ClosedError, DeliveryError
            The outbox is closed, or it has failed permanently.
        """
        window, relay = self._usable()
        if self._store.durable:
            receipt = self._new_receipt(event, payload)
            self._incoming.append(receipt)
            self._to_store.set()
        else:
            receipt = self._new_receipt(event, payload, _ACCEPTED)
            window.accept((receipt,))
            relay.wake()
        return receipt

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[OutboxTransaction]:
        """Write rows of yours and messages to a SQLite store, all of them or none.

        ::

            async with outbox.transaction() as db:
                db.execute("INSERT INTO orders VALUES (?)", (7,))
                receipt = db.send("order", 7)

        If the block raises, or the commit fails, there are neither rows nor messages. Await
        nothing else in the block: what others send waits for its end.

        Raises
        ------
        UsageError
            The store has no transactions.
        StoreError
            The commit failed.
        """
        begin = getattr(self._store, "begin", None)
        if begin is None:
            raise UsageError("Only a SQLiteOutboxStore has transactions.")
        await self._writing.acquire()
        transaction = OutboxTransaction(self._store, self._usable, self._new_receipt)
        try:
            self._usable()
            await self._in_thread(begin)
            yield transaction
            self._usable()
        except BaseException as error:
            self._store.rollback()  # type: ignore[attr-defined]
            self._writing.release()
            for receipt in transaction.receipts:
                receipt.fail(ClosedError(f"The transaction failed: {type(error).__name__}."))
            raise
        self._incoming += transaction.receipts
        await asyncio.shield(self._start(self._save_and_release()))
        if transaction.receipts:
            await transaction.receipts[0].accepted

    @property
    def pending(self) -> int:
        """How many messages have no reply yet."""
        return len(self._incoming) + (len(self._window) if self._window else 0)

    @property
    def unanswered(self) -> list[Message]:
        """The messages that have no reply yet, oldest first, also after a final refusal."""
        receipts = (self._window.messages if self._window else []) + self._incoming
        return [read_message(receipt.text) for receipt in receipts]

    def statistics(self) -> OutboxStatistics:
        """Return counts: what waits now, and what was done so far."""
        window, relay = self._window, self._relay
        if window is None or relay is None:
            return OutboxStatistics(0, 0, 0, 0, 0, 0)
        counts = (window.in_flight, window.sent, window.resent, relay.connections, relay.refusals)
        return OutboxStatistics(self.pending, *counts)

    async def drain(self) -> None:
        """Wait until every message has its reply, including messages sent meanwhile.

        Raises
        ------
        ClosedError, DeliveryError
            The outbox was closed, or it has failed permanently.
        """
        self._usable()
        while self.pending:
            window, _ = self._usable()
            last = self._incoming[-1] if self._incoming else window.last
            with suppress(DeliveryError):  # of one message; the owner of its receipt gets it
                await last
        self._usable()

    async def reissue(self, *, keep: bool = True) -> list[Receipt]:
        """Go on after a final refusal, under a new producer id; return the new receipts.

        Look at `unanswered` first. What the inbox may have applied under the old id, it will
        apply again: the refusal means that it cannot tell.

        Parameters
        ----------
        keep : bool
            Whether to send the unanswered messages, in their order and with their ids; if not,
            they are deleted.

        Raises
        ------
        UsageError
            The inbox has not refused anything for good.
        StoreError
            The store cannot be written; nothing has changed.
        """
        self._check_loop()
        if self._failure is None:
            raise UsageError("Nothing was refused for good: the outbox goes on by itself.")
        await asyncio.shield(asyncio.create_task(self._reissue(keep)))
        return self.resumed

    async def close(self) -> None:
        """Disconnect and close the store; may be called twice, and cancelled.

        Messages without a reply stay in a durable store. Their receipts raise `ClosedError`.
        """
        if self._loop is not None and self._loop.is_closed():  # its tasks have ended
            self._store.close()
            return
        if self._closing is not None and self._closing.done():
            return
        self._check_loop()
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        await asyncio.shield(self._closing)

    async def __aenter__(self) -> Outbox:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        closed = self._closing is not None
        state = "closed" if closed else "online" if self._connector.online else "offline"
        return f"<Outbox {state}, {self.pending} pending>"

    # --- storing -----------------------------------------------------------------------

    async def _keep_storing(self) -> None:
        """Save what was sent since the last commit, in one commit, until closed."""
        assert self._window is not None
        while True:
            await self._to_store.wait()
            self._to_store.clear()
            while self._incoming or self._window.to_confirm >= self._window.confirm_at:
                async with self._writing:
                    await self._save()
                if self._incoming and isinstance(self.last_error, UncertainError):
                    await asyncio.sleep(self._connector.next_delay())

    async def _save(self) -> None:
        """Save what was sent, and settle the receipts; the caller holds `_writing`."""
        assert self._window is not None
        assert self._relay is not None
        window, group, base = self._window, self._incoming[:], self._window.base
        texts = [receipt.text for receipt in group]
        try:
            await self._in_thread(self._store.save, base, window.next, texts, window.after)
        except UncertainError as error:
            self._troubled(error)
            return
        except StoreError as error:
            self._troubled(error)
            del self._incoming[: len(group)]
            for receipt in group:
                receipt.fail(error)
            return
        window.confirmed = base
        del self._incoming[: len(group)]
        window.accept(group)
        for receipt in group:
            receipt.accepted.settle(None)
            if self._failure is not None:
                receipt.fail(self._failure)
        self._relay.wake()

    async def _save_and_release(self) -> None:
        """End a transaction of the caller, who does not know yet whether it was committed."""
        try:
            await self._save()
            if self._incoming and isinstance(self.last_error, UncertainError):
                self._gave_up(self.last_error)  # to try again would save messages without rows
                for receipt in self._incoming:
                    receipt.fail(self.last_error)
                self._incoming.clear()
        finally:
            self._writing.release()

    async def _reissue(self, keep: bool) -> None:
        assert self._window is not None
        assert self._relay is not None
        async with self._writing:
            texts = [receipt.text for receipt in self._window.messages] if keep else []
            identity = await self._in_thread(self._store.restart, texts)
            identity = replace(identity, start=secrets.token_hex(8))
            window = self._window = SendWindow(identity, 0, self._window_size)
            self._resume(window, texts)
            self._failure = self.last_error = None
            self._relay.restart(window)

    async def _in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    # --- what the relay says -----------------------------------------------------------

    async def _welcomed(self) -> None:
        """Store that the inbox knows the producer, before the first message leaves."""
        if self._store.durable and self._window is not None:
            async with self._writing:
                await self._in_thread(self._store.known)
                self._window.known = True

    def _answered(self) -> None:
        assert self._window is not None
        self.last_error = None
        if self._store.durable:  # only once it is saved may the inbox delete replies
            self._to_store.set()
        else:
            self._window.confirmed = self._window.base

    def _troubled(self, error: Exception) -> None:
        self.last_error = error
        log.info("outbox: %s: %s", type(error).__name__, error)

    def _gave_up(self, error: Exception) -> None:
        """Stop permanently: sending again would not help. The store keeps its messages."""
        log.error("outbox: refused for good: %s", error)
        self._failure = self.last_error = error
        for receipt in self._window.messages if self._window else ():
            receipt.fail(error)  # those that are not in the store yet fail when they are

    # --- its parts ---------------------------------------------------------------------

    def _new_receipt(self, event: str, payload: Any, accepted: Promise | None = None) -> Receipt:
        if not isinstance(event, str) or not 0 < len(event) <= LONGEST_NAME:
            raise UsageError(f"The event must be a str of 1 to {LONGEST_NAME} characters.")
        text = write_message(event, payload)
        if self.pending >= self._limit:
            raise OutboxFullError(
                f"{self._limit:,} messages wait in the outbox. Await receipts, or drain(), first."
            )
        return Receipt(text, accepted, self._loop)

    def _resume(self, window: SendWindow[Receipt], texts: list[str]) -> None:
        self.resumed = [Receipt(text, _ACCEPTED, self._loop) for text in texts]
        window.accept(self.resumed)

    def _check_loop(self) -> None:
        """Refuse a call from another thread or event loop, which would stall or corrupt."""
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if self._loop is not None and here is not self._loop:
            raise UsageError(
                "Call the outbox in the thread and event loop that opened it, for example with "
                "loop.call_soon_threadsafe."
            )

    async def _first_attempt(self, relay: Relay) -> None:
        try:
            await relay.tried
        except (TypeError, ValueError):
            await self.close()
            raise
        if self._closing is not None:
            raise ClosedError("The outbox was closed while it was being opened.")

    def _usable(self) -> tuple[SendWindow[Receipt], Relay]:
        self._check_loop()
        if self._failure is not None:
            raise self._failure
        if self._window is None or self._relay is None or self._closing is not None:
            raise ClosedError("Open the outbox first: `await outbox.open(url)`; and only once.")
        return self._window, self._relay

    async def _close(self) -> None:
        relay, window = self._relay, self._window
        if relay is not None and window is not None:
            relay.stop()
            with suppress(TimeoutError):  # a transaction of the caller may hold it up
                async with asyncio.timeout(CLOSE), self._writing:
                    if self._store.durable and (self._incoming or window.to_confirm):
                        await self._save()
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks, timeout=HANG_UP)  # a user's handler may hold one up
            await self._connector.disconnect()
        self._thread.shutdown(wait=False)
        self._store.close()
        for receipt in self._incoming + (window.messages if window else []):
            receipt.fail(ClosedError("The outbox was closed before this was applied."))

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        task.add_done_callback(self._task_done)
        self._tasks.append(task)
        return task

    def _task_done(self, task: asyncio.Task[None]) -> None:
        """If a bug ends a task of the outbox, fail the receipts: no caller waits for ever."""
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self._gave_up(error)


class OutboxTransaction:
    """What `Outbox.transaction` yields: ``execute`` and ``executemany``, and ``send``."""

    def __init__(
        self,
        store: Any,
        check: Callable[[], object],
        new_receipt: Callable[[str, Any], Receipt],
    ) -> None:
        self._check = check
        self.execute, self.executemany = store.db.execute, store.db.executemany
        self.receipts: list[Receipt] = []
        self._new_receipt = new_receipt

    def send(self, event: str, payload: Any = None) -> Receipt:
        """Queue a message with the transaction; see `Outbox.send`."""
        self._check()
        self.receipts.append(self._new_receipt(event, payload))
        return self.receipts[-1]
