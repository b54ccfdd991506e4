"""Sends the messages of an outbox to the inbox, and settles receipts with the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from socketio.exceptions import SocketIOError

from ..errors import BatchError, DeliveryError
from .connector import Connector
from .message import EVENT, Answer, Batch, read_reply
from .receipt import Promise, Receipt
from .send_window import SendWindow


class Relay:
    """Sends batches as the window allows, and sends them again after a loss.

    Parameters
    ----------
    window : SendWindow
    connector : Connector
    namespace : str
        The Socket.IO namespace.
    ack_timeout : float
        Seconds without an answer after which the connection counts as dead.
    notify : callable
        Called with an error, and whether it is final: after a final one nothing more is sent,
        after others the relay tries again. Called with None and False when replies have come.
    """

    def __init__(
        self,
        window: SendWindow[Receipt],
        connector: Connector,
        namespace: str,
        ack_timeout: float,
        notify: Callable[[Exception | None, bool], None],
    ) -> None:
        self._window = window
        self._connector = connector
        self._namespace = namespace
        self._ack_timeout = ack_timeout
        self._notify = notify
        self._wanted = asyncio.Event()
        self._pause: asyncio.TimerHandle | None = None  # while the inbox recovers
        self._heard = 0.0  # when the last answer came, or waiting for one began
        self._stopped = False
        self.tried = Promise()  # settled after the first attempt to connect

    def wake(self) -> None:
        self._wanted.set()

    def stop(self) -> None:
        """Send nothing more, and ignore answers."""
        self._stopped = True
        if self._pause is not None:
            self._pause.cancel()

    async def keep_connected(self, url: str, arguments: dict[str, Any]) -> None:
        """Stay connected, until cancelled."""
        interval = self._ack_timeout / 4
        await self._connector.run(url, arguments, self._attempted, self._check, interval)

    async def keep_sending(self) -> None:
        """Send accepted messages, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while self._connector.online and self._pause is None and not self._stopped:
                if not self._window.under_way:
                    self._heard = loop.time()
                if (batch := self._window.next_batch()) is None:
                    break
                answered = partial(self._answered, batch)
                try:
                    await self._connector.client.emit(
                        EVENT, batch.to_wire(), self._namespace, answered
                    )
                except SocketIOError as error:  # the namespace is disconnected
                    self._notify(error, False)
                    self._connector.replace()

    def _answered(self, batch: Batch, *arguments: Any) -> None:
        """Handle the acknowledgement of a batch."""
        if self._stopped:
            return
        self._heard = asyncio.get_running_loop().time()
        try:
            answer = Answer.from_wire(arguments[0] if len(arguments) == 1 else arguments)
        except BatchError as error:
            self._give_up(error)
            return
        if answer.error is not None:
            self._refused(batch, answer, answer.error)
            return
        self._connector.succeeded()
        for receipt, reply in self._window.answered(batch, answer):
            receipt.settle(*read_reply(reply))
        self._notify(None, False)
        self._wanted.set()

    def _refused(self, batch: Batch, answer: Answer, error: DeliveryError) -> None:
        """Try again later, if that can help."""
        if not self._window.refused(batch, answer):
            self._give_up(error)
            return
        self._notify(error, False)
        if self._pause is None:
            loop = asyncio.get_running_loop()
            self._pause = loop.call_later(self._connector.next_delay(), self._go_on)

    def _go_on(self) -> None:
        self._pause = None
        self._wanted.set()

    def _give_up(self, error: Exception) -> None:
        self.stop()
        self._notify(error, True)

    def _attempted(self, error: Exception | None) -> None:
        if error is None:
            self._window.rewind()
            self._heard = asyncio.get_running_loop().time()
            self._wanted.set()
        else:
            self._notify(error, False)
        mistaken = isinstance(error, TypeError | ValueError)  # the caller's arguments
        self.tried.settle(None, error if mistaken else None)

    def _check(self) -> None:
        """Replace a connection on which an answer is overdue."""
        silence = asyncio.get_running_loop().time() - self._heard
        if self._window.under_way and silence > self._ack_timeout:
            self._connector.replace()
            error = DeliveryError(
                f"No answer for {silence:.1f} s. Is the connection dead, or is there no inbox "
                "on the server?"
            )
            self._notify(error, False)
