"""A client for the exercises in which messages are acknowledged."""

from __future__ import annotations

import asyncio
from typing import Any

from ..lab.waiting import wait_until
from .bench import ExerciseBench


class Caller:
    """A client that notices at once when an answer cannot come any more."""

    def __init__(self, bench: ExerciseBench) -> None:
        self._bench = bench
        self._client = bench.new_client()

    async def connect(self) -> None:
        """Connect through the link."""
        await self._bench.connect(self._client)

    async def call(self, event: str, *data: Any) -> Any:
        """Emit with acknowledgement.

        Raises
        ------
        TimeoutError
            The connection has broken before there was an answer; it is up again.
        """
        arguments = data[0] if len(data) == 1 else (data or None)
        sid = self._client.get_sid()
        answer = asyncio.ensure_future(self._client.call(event, arguments))
        try:
            await wait_until(lambda: answer.done() or self._client.get_sid() != sid)
            if answer.done():
                return answer.result()
        finally:
            answer.cancel()
        await wait_until(lambda: self._client.connected)
        raise TimeoutError("no answer")
