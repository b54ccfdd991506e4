"""Sends the messages of an outbox to the inbox, and settles receipts with the answers."""

import asyncio
from functools import partial
from typing import Any

from socketio.exceptions import SocketIOError

from ..errors import BatchError, DeliveryError
from .connector import Connector
from .message import EVENT, HELLO, Answer, Batch, Welcome, only, read_reply
from .receipt import Promise
from .send_window import FLIGHTS, worth_a_retry
from .storing import Storing


class Relay:
    """Sends batches as the window allows, and sends them again after a loss."""

    def __init__(
        self, storing: Storing, connector: Connector, namespace: str, ack_timeout: float
    ) -> None:
        self._storing, self._connector = storing, connector
        self._namespace, self._ack_timeout = namespace, ack_timeout
        self._wanted = storing.accepted
        self._pause: asyncio.TimerHandle | None = None  # while the inbox recovers
        self._heard = 0.0  # when the last answer came, or waiting for one began
        self._hello: object | None = None  # of this connection
        self._welcome: Welcome | None = None  # heard, and not yet acted upon
        self._ready = self._stopped = False
        self.connections = self.refusals = 0
        self.tried = Promise()  # to connect, once

    def stop(self) -> None:
        """Send nothing more, and ignore answers."""
        self._stopped = True
        self.tried.settle(None)
        if self._pause is not None:
            self._pause.cancel()

    def restart(self) -> None:
        """Go on after a refusal, with other messages."""
        self._stopped, self._pause = False, None
        self._connector.replace()

    async def keep_connected(self, url: str, arguments: dict[str, Any]) -> None:
        interval = self._ack_timeout / 4
        await self._connector.run(url, arguments, self._attempted, self._check, interval)

    async def keep_sending(self) -> None:
        """Send accepted messages, until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while self._may_send():
                try:
                    if not await self._send_next():
                        break
                except SocketIOError as error:  # the namespace is disconnected
                    self._storing.troubled(error)
                    self._connector.replace()
                    break

    def _may_send(self) -> bool:
        return self._connector.online and self._pause is None and not self._stopped

    async def _send_next(self) -> bool:
        """Say hello, act upon the welcome, or send a batch; return False if all is done."""
        if not self._waiting():
            self._heard = asyncio.get_running_loop().time()
        emit, namespace = self._connector.client.emit, self._namespace
        if self._welcome is not None:
            await self._go_on_from(self._welcome)
        elif self._hello is None:
            self._hello = hello = object()
            greeted = partial(self._greeted, hello)
            await emit(HELLO, self._storing.window.hello().to_wire(), namespace, greeted)
        elif not self._ready or (batch := self._storing.window.next_batch()) is None:
            return False
        else:
            await emit(EVENT, batch.to_wire(), namespace, partial(self._answered, batch))
        return True

    def _waiting(self) -> bool:
        """Return whether an answer is expected."""
        greeting = self._hello is not None and not self._ready and self._welcome is None
        return greeting or self._storing.window.in_flight > 0

    def _greeted(self, hello: object, *arguments: Any) -> None:
        if self._stopped or hello is not self._hello:
            return
        try:
            self._welcome = Welcome.from_wire(only(arguments))
        except DeliveryError as error:
            self._hello = None
            self._refused(error, worth_a_retry(error))
        self._wanted.set()

    async def _go_on_from(self, welcome: Welcome) -> None:
        """Store that the inbox knows the producer; then messages may leave."""
        hello, window = self._hello, self._storing.window
        try:
            if not window.known:
                await self._storing.welcomed()
            if hello is not self._hello or window is not self._storing.window:  # a new connection
                return
            polling = self._connector.client.transport() == "polling"  # packets share a request
            window.welcomed(welcome, 1 if polling else FLIGHTS)
        except DeliveryError as error:
            self._welcome = self._hello = None
            self._refused(error, worth_a_retry(error))
            return
        self._welcome, self._ready = None, True
        self._storing.last_error = None
        self.tried.settle(None)

    def _answered(self, batch: Batch, *arguments: Any) -> None:
        window = self._storing.window
        if self._stopped or batch.producer != window.identity.producer:
            return
        self._heard = asyncio.get_running_loop().time()
        try:
            answer = Answer.from_wire(only(arguments))
            if len(answer.replies) > len(batch.messages):
                raise BatchError("There are more replies than messages.")
        except DeliveryError as error:
            self._refused(error, helps=False)
            return
        current = window.expects(batch)
        helps = answer.error is None or window.refused(batch, answer)
        done = window.answered(batch, answer)
        for receipt, reply in done:
            receipt.settle(*read_reply(reply))
        if done:
            self._connector.succeeded()
            self._storing.answered()
        if answer.error is not None and current:
            self._refused(window.named(answer.error, answer.next), helps)
        self._wanted.set()

    def _refused(self, error: DeliveryError, helps: bool) -> None:
        """Pause, if another attempt `helps`; else send nothing more."""
        self.tried.settle(None)
        self.refusals += 1
        if not helps:
            self.stop()
            self._storing.fail(error)
            return
        self._storing.troubled(error)
        if self._pause is None:
            loop = asyncio.get_running_loop()
            self._pause = loop.call_later(self._connector.next_delay(), self._go_on)

    def _go_on(self) -> None:
        self._pause = None
        self._wanted.set()

    def _attempted(self, error: Exception | None) -> None:
        if error is None:
            self.connections += 1
            if self._waiting():
                self._storing.troubled(DeliveryError("The connection ended before an answer."))
            self._storing.window.lost()
            self._hello = self._welcome = None
            self._ready = False
            self._wanted.set()
        else:
            self._storing.troubled(error)
        mistaken = isinstance(error, TypeError | ValueError)  # the caller's arguments
        if error is not None or self.connections > 1:
            self.tried.settle(None, error if mistaken else None)

    def _check(self) -> None:
        """Replace a connection on which an answer is overdue."""
        silence = asyncio.get_running_loop().time() - self._heard
        if not self._stopped and self._waiting() and silence > self._ack_timeout:
            self._connector.replace()
            self.tried.settle(None)
            words = f"No answer for {silence:.1f} s. A dead connection, or no inbox on the server?"
            self._storing.troubled(DeliveryError(words))
