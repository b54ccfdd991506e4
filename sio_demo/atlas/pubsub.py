"""A message queue in memory, in the place of Redis, through which servers emit to all clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from socketio.async_pubsub_manager import AsyncPubSubManager


class MemoryQueue:
    """Gives what is published to those who are subscribed at this moment."""

    def __init__(self) -> None:
        self.subscribers: list[asyncio.Queue[Any]] = []

    def publish(self, message: Any) -> None:
        """Pass a message on."""
        for subscriber in self.subscribers:
            subscriber.put_nowait(message)

    async def listen(self) -> AsyncIterator[Any]:
        """Subscribe, and give what is published, until the queue goes away."""
        mine: asyncio.Queue[Any] = asyncio.Queue()
        self.subscribers.append(mine)
        while (message := await mine.get()) is not None:
            yield message

    def restart(self) -> None:
        """Go away, and be back at once, without subscribers."""
        self.publish(None)
        self.subscribers.clear()


class MemoryManager(AsyncPubSubManager):  # type: ignore[misc]
    """Connects a server with the others; it subscribes again when the queue was away, or not."""

    def __init__(
        self, queue: MemoryQueue, *, subscribes_again: bool = True, **options: Any
    ) -> None:
        super().__init__(**options)
        self.thread: asyncio.Task[None] | None = None  # the one that listens
        self._queue = queue
        self._subscribes_again = subscribes_again

    @property
    def is_deaf(self) -> bool:
        """Whether its listening has ended."""
        return self.thread is not None and self.thread.done()

    async def __aenter__(self) -> MemoryManager:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.thread is not None:
            self.thread.cancel()
            await asyncio.gather(self.thread, return_exceptions=True)

    async def _publish(self, message: Any) -> None:
        self._queue.publish(message)

    async def _listen(self) -> AsyncIterator[Any]:
        while True:
            async for message in self._queue.listen():
                yield message
            if not self._subscribes_again:
                return
