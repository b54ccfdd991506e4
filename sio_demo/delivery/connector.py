"""Keeps a python-socketio client connected, and cuts it off for good when the line is dead.

python-socketio's own reconnection has two silent dead states: a client that says
``connected`` on a transport that is gone (python-socketio issue #940 has the symptom), and one
that never reconnects again after it once gave up. So here it is switched off.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import socketio

from .send_window import backoff

HANG_UP = 1.0  # seconds that a client may take to let go of its connection


class Delays(NamedTuple):
    """Seconds: how long an attempt may take, and the pauses between attempts."""

    connect: float
    first: float
    longest: float


class Connector:
    """The one owner of a client's connection.

    Attributes
    ----------
    online : bool
        Set while there is a connection. Clear it to have another one made.
    """

    def __init__(self, client: socketio.AsyncClient, delays: Delays) -> None:
        self.client = client
        self.online = False
        self._delays = delays
        self._attempt = 0

    def next_delay(self) -> float:
        """Give the seconds to wait before the next attempt, at whatever."""
        self._attempt += 1
        return backoff(self._attempt - 1, self._delays.first, self._delays.longest)

    def succeeded(self) -> None:
        """Let the delays begin anew."""
        self._attempt = 0

    async def run(
        self,
        url: str,
        arguments: dict[str, Any],
        on_attempt: Callable[[Exception | None], None],
        check: Callable[[], None],
        interval: float,
    ) -> None:
        """Connect, wait for the end, and connect again, until cancelled.

        `on_attempt` is told of each attempt: None, or why it failed. `check` is called every
        `interval` seconds of a connection.
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
        """Disconnect politely, and if the other side does not answer, without manners."""
        with suppress(TimeoutError):
            async with asyncio.timeout(HANG_UP):
                await self.client.disconnect()
        await self.hang_up()

    async def hang_up(self) -> None:
        """Close the socket without a word, and leave a client that can connect again."""
        eio = self.client.eio
        if eio.http is not None and not eio.external_http:
            await eio.http.close()  # ends reader and writer, also of a line that is silent
        if eio.read_loop_task is not None:
            await asyncio.wait({eio.read_loop_task}, timeout=HANG_UP)
        if eio.state != "disconnected":
            with suppress(TimeoutError):
                async with asyncio.timeout(HANG_UP):
                    await eio.disconnect(abort=True)
            eio.state = "disconnected"
        self.client.connected = False
        self.client.namespaces = {}
        self.client.callbacks = {}

    async def _connect(self, url: str, arguments: dict[str, Any]) -> None:
        """Connect once, or raise whatever kept it from that."""
        self.client.reconnection = False
        patience = self._delays.connect
        try:
            async with asyncio.timeout(patience):
                await self.client.connect(url, **{"wait_timeout": patience, **arguments})
        except BaseException:
            await self.hang_up()
            raise

    async def _ended(self, seconds: float) -> bool:
        """Wait for the end of the connection, for so many seconds; tell whether it came."""
        reader: asyncio.Task[None] | None = self.client.eio.read_loop_task
        if reader is None:
            return True
        await asyncio.wait({reader}, timeout=seconds)
        return reader.done()
