"""The client half: keeps what is sent until the inbox has applied it, whatever the network does."""

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

_ACCEPTED = Promise()  # for stores that need no waiting
_ACCEPTED.settle(None)


class Outbox:
    """Sends messages to an :class:`~sio_demo.delivery.inbox.Inbox`: effectively once, in order.

    It owns the connection of its client: it connects, and connects again after a loss, with
    exponential back-off and jitter, for ever. The client's own reconnection is switched off.
    The client's other events, and its handlers, work as always.

    Parameters
    ----------
    client : socketio.AsyncClient
        Not connected.
    store : OutboxStore, optional
        `MemoryOutboxStore`, the default, or `SQLiteOutboxStore`, with which the messages
        outlive the process.
    window : int
        How many messages may be under way.
    limit : int
        How many messages may be unapplied before `send` raises `OutboxFullError`.
    namespace : str
        The Socket.IO namespace, that of the inbox.
    ack_timeout : float
        Seconds without an answer after which the connection counts as dead.
    connect_timeout : float
        Seconds that an attempt to connect may take.
    retry_delay, retry_delay_max : float
        Seconds before the first new attempt, and at most; doubled each time in between.

    Attributes
    ----------
    last_error : Exception or None
        Why the latest attempt to connect, to send or to store failed; None after a success.
    resumed : list of Receipt
        Receipts of the messages that an earlier process had left in the store.
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
        self._window, self._limit = int(window), limit
        self._namespace, self._ack_timeout = namespace, ack_timeout
        self._connector = Connector(client, delays)
        self._state: SendWindow[Receipt] | None = None
        self._relay: Relay | None = None
        self._incoming: list[Receipt] = []  # on their way into the store
        self._to_store = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._storing: asyncio.Task[None] | None = None
        self._failure: Exception | None = None
        self._closed = False

    # --- for the caller ----------------------------------------------------------------

    async def open(self, url: str, **connect_arguments: Any) -> None:
        """Load the store and connect; return after the first attempt, be it in vain.

        Parameters
        ----------
        url : str
            The server.
        **connect_arguments
            Those of ``socketio.AsyncClient.connect``, for each attempt.

        Raises
        ------
        StoreError
            The store cannot be read, or is in use.
        UsageError
            The outbox is open already, or the client is connected.
        TypeError, ValueError
            From the client, about `connect_arguments`.
        """
        if self._state is not None or self.client.connected:
            raise UsageError("Give each outbox a client that is not connected, and open it once.")
        if self._closed:
            raise ClosedError("This outbox is closed. Make a new one.")
        identity, base, texts = self._store.load()
        state: SendWindow[Receipt] = SendWindow(identity, base, self._window)
        self._state = state
        self.resumed = [Receipt(text, _ACCEPTED) for text in texts]
        state.accept(self.resumed)
        self._relay = relay = Relay(
            state, self._connector, self._namespace, self._ack_timeout, self._tell
        )
        self._storing = self._start(self._keep_storing(state, relay))
        self._start(relay.keep_sending())
        self._start(relay.keep_connected(url, connect_arguments))
        try:
            await relay.tried
        except (TypeError, ValueError):
            await self.close()
            raise

    def send(self, event: str, payload: Any = None) -> Receipt:
        """Hand over a message, at any time, connected or not.

        Parameters
        ----------
        event : str
            The name of the inbox's handler.
        payload : JSON
            None, bool, int, float, str, list, dict. Later changes of it are not sent.

        Returns
        -------
        Receipt
            Await it for the handler's reply; it raises `HandlerError` if the handler did.

        Raises
        ------
        PayloadError
            `payload` is not JSON, or too long.
        OutboxFullError
            Wait for a receipt, or `drain`.
        ClosedError, DeliveryError
            The outbox is closed; it has failed for good.
        """
        state, relay = self._usable()
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
            state.accept((receipt,))
            relay.wake()
        return receipt

    @property
    def pending(self) -> int:
        """How many messages have no reply yet."""
        return len(self._incoming) + (len(self._state) if self._state else 0)

    async def drain(self) -> None:
        """Wait until every message sent so far, or meanwhile, has been applied.

        Raises
        ------
        ClosedError, DeliveryError
            The outbox is closed meanwhile; it fails for good.
        """
        while self.pending:
            state, _ = self._usable()
            last = self._incoming[-1] if self._incoming else state.last
            with suppress(DeliveryError):  # that of one message; it is for who has the receipt
                await last
        self._usable()

    async def close(self) -> None:
        """Disconnect and close the store; a second call is harmless.

        What is unapplied stays in a durable store; its receipts raise `ClosedError`.
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

    async def _keep_storing(self, state: SendWindow[Receipt], relay: Relay) -> None:
        """Save all that has come since the last save, in one commit, until closed."""
        while not self._closed:
            await self._to_store.wait()
            self._to_store.clear()
            while self._incoming or self._worth_saving(state):
                group, base = self._incoming[:], state.base
                texts = [receipt.text for receipt in group]
                try:
                    await asyncio.to_thread(self._store.save, base, state.next, texts)
                except StoreError as error:
                    self.last_error = error
                    del self._incoming[: len(group)]
                    for receipt in group:
                        receipt.fail(error)
                    break
                state.confirmed = base
                del self._incoming[: len(group)]
                state.accept(group)
                for receipt in group:
                    receipt.accepted.settle(None)
                    if self._failure is not None:
                        receipt.fail(self._failure)
                relay.wake()

    def _worth_saving(self, state: SendWindow[Receipt]) -> bool:
        """Tell whether the inbox should learn of what it may forget."""
        news = state.base - state.confirmed
        return news >= self._window or (self._closed and news > 0)

    # --- what the relay tells ----------------------------------------------------------

    def _tell(self, error: Exception | None, final: bool) -> None:
        """Take the relay's news: an error, a final error, or None for progress."""
        assert self._state is not None
        self.last_error = error
        if error is not None:
            if final:
                self._fail(error)
        elif self._store.durable:  # the inbox may forget what no restart brings back
            self._to_store.set()
        else:
            self._state.confirmed = self._state.base

    def _fail(self, error: Exception) -> None:
        """Stop for good: sending again would not help. The store keeps what it has."""
        self._failure = self.last_error = error
        self._give_up(error)

    def _usable(self) -> tuple[SendWindow[Receipt], Relay]:
        if self._failure is not None:
            raise self._failure
        if self._state is None or self._relay is None or self._closed:
            raise ClosedError("Open the outbox first: `await outbox.open(url)`; and only once.")
        return self._state, self._relay

    def _give_up(self, error: Exception) -> None:
        for receipt in self._incoming + (self._state.messages if self._state else []):
            receipt.fail(error)
        self._incoming.clear()

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        task.add_done_callback(self._task_done)
        self._tasks.append(task)
        return task

    def _task_done(self, task: asyncio.Task[None]) -> None:
        """Let nobody wait for ever, should a task of the outbox end by a mistake."""
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self._fail(error)
