"""Keeps a python-socketio client connected, and closes connections that are dead.

python-socketio's own reconnection can get stuck in two states without an error: the client
reports ``connected`` although its transport is gone (python-socketio issue #940 shows the
symptom), or it gave up once and never tries again. This module switches it off.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import socketio

from .send_window import backoff

HANG_UP = 1.0  # seconds that closing a connection may take


class Delays(NamedTuple):
    """Seconds that an attempt to connect may take, and between attempts."""

    connect: float
    first: float
    longest: float


class Connector:
    """Owns the connection of a client.

    Attributes
    ----------
    online : bool
        Whether there is a connection. Set it to False to replace the connection.
    """

    def __init__(self, client: socketio.AsyncClient, delays: Delays) -> None:
        self.client = client
        self.online = False
        self._delays = delays
        self._attempt = 0

    def replace(self) -> None:
        self.online = False

    def next_delay(self) -> float:
        """Return the seconds to wait before the next attempt to connect or to send."""
        self._attempt += 1
        return backoff(self._attempt - 1, self._delays.first, self._delays.longest)

    def succeeded(self) -> None:
        """Start again with the shortest delay."""
        self._attempt = 0

    async def run(
        self,
        url: str,
        arguments: dict[str, Any],
        on_attempt: Callable[[Exception | None], None],
        check: Callable[[], None],
        interval: float,
    ) -> None:
        """Connect, and connect again whenever the connection ends, until cancelled.

        `on_attempt` is called after every attempt, with None or the exception. `check` is called
        every `interval` seconds while there is a connection.
        """
        loop = asyncio.get_running_loop()
        while True:
            try:
                await self._connect(url, arguments)
            except Exception as error:
                on_attempt(error)
            else:
                since, self.online = loop.time(), True
                on_attempt(None)
                while self.online and not await self._ended(interval):
                    check()
                self.online = False
                await self.hang_up()
                if loop.time() - since > self._delays.longest:
                    self.succeeded()
            await asyncio.sleep(self.next_delay())

    async def disconnect(self) -> None:
        """Disconnect; if the server does not take part in time, close the socket."""
        with suppress(TimeoutError):
            async with asyncio.timeout(HANG_UP):
                await self.client.disconnect()
        await self.hang_up()

    async def hang_up(self) -> None:
        """Close the socket without telling the server; the client can then connect again."""
        eio = self.client.eio  # internal
        if eio.http is not None and not eio.external_http:  # internal
            # Ends the reader and writer tasks even if the network is silent.
            await eio.http.close()  # internal
        if eio.read_loop_task is not None:  # internal
            await asyncio.wait({eio.read_loop_task}, timeout=HANG_UP)  # internal
        if eio.state != "disconnected":  # internal
            with suppress(TimeoutError):
                async with asyncio.timeout(HANG_UP):
                    await eio.disconnect(abort=True)
            eio.state = "disconnected"  # internal
        self.client.connected = False
        self.client.namespaces = {}  # internal
        self.client.callbacks = {}  # internal

    async def _connect(self, url: str, arguments: dict[str, Any]) -> None:
        self.client.reconnection = False
        patience = self._delays.connect
        try:
            async with asyncio.timeout(patience):
                await self.client.connect(url, **{"wait_timeout": patience, **arguments})
        except BaseException:
            await self.hang_up()
            raise

    async def _ended(self, seconds: float) -> bool:
        """Wait for the connection to end; return whether it did within so many seconds."""
        reader: asyncio.Task[None] | None = self.client.eio.read_loop_task  # internal
        if reader is None:
            return True
        await asyncio.wait({reader}, timeout=seconds)
        return reader.done()
