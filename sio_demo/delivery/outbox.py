"""The client's half: keeps every message, and sends it again, until the inbox has applied it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import socketio

from ..errors import ClosedError, DeliveryError, OutboxFullError, StoreError, UsageError
from .connector import Connector, Delays
from .message import write_message
from .receipt import Promise, Receipt
from .relay import Relay
from .send_window import SendWindow
from .stores import MemoryOutboxStore, OutboxStore

_ACCEPTED = Promise()  # shared by all receipts that need no commit
_ACCEPTED.settle(None)


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
        Receipts of the messages that an earlier process left in the store.
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
        self._incoming: list[Receipt] = []  # not yet in the store
        self._to_store = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._storing: asyncio.Task[None] | None = None
        self._failure: Exception | None = None
        self._closed = False

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
        if self._window is not None or self.client.connected:
            raise UsageError("Give each outbox a client that is not connected, and open it once.")
        if self._closed:
            raise ClosedError("This outbox is closed. Make a new one.")
        identity, base, texts = self._store.load()
        window: SendWindow[Receipt] = SendWindow(identity, base, self._window_size)
        self._window = window
        self.resumed = [Receipt(text, _ACCEPTED) for text in texts]
        window.accept(self.resumed)
        self._relay = relay = Relay(
            window, self._connector, self._namespace, self._ack_timeout, self._relay_notified
        )
        self._storing = self._start(self._keep_storing(window, relay))
        self._start(relay.keep_sending())
        self._start(relay.keep_connected(url, connect_arguments))
        try:
            await relay.tried
        except (TypeError, ValueError):
            await self.close()
            raise

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
        ClosedError, DeliveryError
            The outbox is closed, or it has failed permanently.
        """
        window, relay = self._usable()
        if not isinstance(event, str) or not event:
            raise UsageError(f"The event must be a str with a name, not {event!r}.")
        text = write_message(event, payload)
        if self.pending >= self._limit:
            raise OutboxFullError(
                f"{self._limit:,} messages wait in the outbox. Await receipts, or drain(), first."
            )
        if self._store.durable:
            receipt = Receipt(text)
            self._incoming.append(receipt)
            self._to_store.set()
        else:
            receipt = Receipt(text, _ACCEPTED)
            window.accept((receipt,))
            relay.wake()
        return receipt

    @property
    def pending(self) -> int:
        """How many messages have no reply yet."""
        return len(self._incoming) + (len(self._window) if self._window else 0)

    async def drain(self) -> None:
        """Wait until every message has its reply, including messages sent meanwhile.

        Raises
        ------
        ClosedError, DeliveryError
            The outbox was closed, or it has failed permanently.
        """
        while self.pending:
            window, _ = self._usable()
            last = self._incoming[-1] if self._incoming else window.last
            with suppress(DeliveryError):  # of one message; the owner of its receipt gets it
                await last
        self._usable()

    async def close(self) -> None:
        """Disconnect and close the store; may be called twice.

        Messages without a reply stay in a durable store. Their receipts raise `ClosedError`.
        """
        if self._closed:
            return
        self._closed = True
        self._to_store.set()
        if self._storing is not None:
            await asyncio.wait({self._storing})  # it saves what is left
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._relay is not None:
            self._relay.stop()
            await self._connector.disconnect()
        self._store.close()
        self._give_up(ClosedError("The outbox was closed before this was applied."))

    async def __aenter__(self) -> Outbox:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "online" if self._connector.online else "offline"
        return f"<Outbox {state}, {self.pending} pending>"

    # --- storing -----------------------------------------------------------------------

    async def _keep_storing(self, window: SendWindow[Receipt], relay: Relay) -> None:
        """Save what was sent since the last commit, in one commit, until closed."""
        while not self._closed:
            await self._to_store.wait()
            self._to_store.clear()
            while self._incoming or self._worth_saving(window):
                group, base = self._incoming[:], window.base
                texts = [receipt.text for receipt in group]
                try:
                    await asyncio.to_thread(self._store.save, base, window.next, texts)
                except StoreError as error:
                    self.last_error = error
                    del self._incoming[: len(group)]
                    for receipt in group:
                        receipt.fail(error)
                    break
                window.confirmed = base
                del self._incoming[: len(group)]
                window.accept(group)
                for receipt in group:
                    receipt.accepted.settle(None)
                    if self._failure is not None:
                        receipt.fail(self._failure)
                relay.wake()

    def _worth_saving(self, window: SendWindow[Receipt]) -> bool:
        """Return whether enough replies have come to let the inbox delete them."""
        news = window.base - window.confirmed
        return news >= self._window_size or (self._closed and news > 0)

    # --- events of the relay -----------------------------------------------------------

    def _relay_notified(self, error: Exception | None, final: bool) -> None:
        """Note an error, a final error, or progress (None)."""
        assert self._window is not None
        self.last_error = error
        if error is not None:
            if final:
                self._fail(error)
        elif self._store.durable:  # only once it is saved may the inbox delete replies
            self._to_store.set()
        else:
            self._window.confirmed = self._window.base

    def _fail(self, error: Exception) -> None:
        """Stop permanently: sending again would not help. The store keeps its messages."""
        self._failure = self.last_error = error
        self._give_up(error)

    def _usable(self) -> tuple[SendWindow[Receipt], Relay]:
        if self._failure is not None:
            raise self._failure
        if self._window is None or self._relay is None or self._closed:
            raise ClosedError("Open the outbox first: `await outbox.open(url)`; and only once.")
        return self._window, self._relay

    def _give_up(self, error: Exception) -> None:
        for receipt in self._incoming + (self._window.messages if self._window else []):
            receipt.fail(error)
        self._incoming.clear()

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        task.add_done_callback(self._task_done)
        self._tasks.append(task)
        return task

    def _task_done(self, task: asyncio.Task[None]) -> None:
        """If a bug ends a task of the outbox, fail the receipts: no caller waits for ever."""
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self._fail(error)
