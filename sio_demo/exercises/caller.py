"""A client for the exercises in which messages are acknowledged."""

from __future__ import annotations

import asyncio
from typing import Any

import socketio

from .bench import ExerciseBench
from .exercise import PATIENCE


class Caller:
    """A client that notices at once when an answer cannot come any more."""

    def __init__(self, bench: ExerciseBench) -> None:
        self._bench = bench
        self._client: socketio.AsyncClient = bench.new_client()
        self._up, self._down = asyncio.Event(), asyncio.Event()
        self._client.on("connect", self._connected)
        self._client.on("disconnect", self._disconnected)

    async def connect(self) -> None:
        """Connect through the link."""
        await self._bench.connect(self._client)
        await self._up.wait()

    async def call(self, event: str, *data: Any) -> Any:
        """Emit with acknowledgement.

        Raises
        ------
        TimeoutError
            The connection has broken before there was an answer; it is up again.
        """
        arguments = data[0] if len(data) == 1 else (data or None)
        answer = asyncio.ensure_future(self._client.call(event, arguments, timeout=PATIENCE))
        down = asyncio.ensure_future(self._down.wait())
        try:
            await asyncio.wait({answer, down}, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                return answer.result()
        finally:
            answer.cancel()
            down.cancel()
        await self._up.wait()
        raise TimeoutError("no answer")

    def _connected(self) -> None:
        self._down.clear()
        self._up.set()

    def _disconnected(self, reason: str) -> None:
        self._up.clear()
        self._down.set()
