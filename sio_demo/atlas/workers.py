"""Duplicates and losses with several servers: all react, or the one that is asked cannot know."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

from socketio.async_pubsub_manager import AsyncPubSubManager

from ..causes import reproduces
from ..counters import Counters
from ..lab.bench import bench, python_client
from ..lab.link import Link
from ..lab.waiting import wait_until
from .kit import MESSAGE, Log, carried, left_behind, tab

SERVERS = 2
LOGGER = logging.getLogger(__name__)  # what these servers complain of; without it they print it
LOGGER.addHandler(logging.NullHandler())


class MemoryQueue:
    """Stands in for Redis: passes what is published to those who are subscribed at this moment."""

    def __init__(self) -> None:
        self.subscribers: list[asyncio.Queue[Any]] = []

    def publish(self, message: Any) -> None:
        for subscriber in self.subscribers:
            subscriber.put_nowait(message)

    async def listen(self) -> AsyncIterator[Any]:
        """Subscribe, and yield what is published, until the queue goes away."""
        mine: asyncio.Queue[Any] = asyncio.Queue()
        self.subscribers.append(mine)
        while (message := await mine.get()) is not None:
            yield message

    def restart(self) -> None:
        """Go away, and be back at once, without subscribers."""
        self.publish(None)
        self.subscribers.clear()


class MemoryManager(AsyncPubSubManager):  # type: ignore[misc]
    """Connects a server with the others; it subscribes again when the queue was away."""

    def __init__(self, queue: MemoryQueue, **options: Any) -> None:
        super().__init__(**options)
        self.thread: Any = None  # the task that listens
        self._queue = queue

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


@reproduces("D17")
async def every_server(fixed: bool) -> Counters:
    """Let two servers react to one event from outside, and emit through their queue."""
    screen, queue = Log(), MemoryQueue()
    async with AsyncExitStack() as stack:
        servers = []
        for _ in range(SERVERS):
            manager = await stack.enter_async_context(MemoryManager(queue))
            servers.append(await stack.enter_async_context(bench(client_manager=manager)))
            manager.initialize()  # else the server's first client would
            servers[-1].sio.manager_initialized = True
        client = await stack.enter_async_context(python_client())
        client.on("news", screen.add)
        user = servers[0]
        await user.connect(client)
        await wait_until(lambda: len(queue.subscribers) == SERVERS)
        # >>> every server
        for each in servers:
            await each.sio.emit("news", MESSAGE, ignore_queue=fixed)
        # <<<
        await wait_until(lambda: carried(user.link, "news") == (1 if fixed else SERVERS))
        return await left_behind(user, "news", screen, client)


_GUEST = """
// >>>
const transports = fixed ? ["websocket"] : ["polling"];
const socket = io(url, { ...fast, reconnection: false, transports });
// <<<
socket.on("news", show);
const closed = new Promise((done) => socket.io.on("close", done));
await Promise.race([connected(socket), closed]);
"""


@reproduces("L13")
async def no_sticky_sessions(fixed: bool) -> Counters:
    """Hand each request of one client to the next of two workers."""
    quiet = {"engineio_logger": LOGGER}
    async with (
        bench(**quiet) as a,
        bench(**quiet) as b,
        await Link.to(a.server, b.server) as link,
        tab(link.url, _GUEST, fixed) as guest,
    ):
        sids = len(a.server.sids() + b.server.sids())
        for worker in (a, b):
            await worker.sio.emit("news", MESSAGE)
            await worker.settled()
        return await guest.counted("news", link, sids)


@reproduces("L14")
async def deaf_worker(fixed: bool) -> Counters:
    """Restart the queue under a worker whose listening ends with it."""
    screen, queue = Log(), MemoryQueue()
    elsewhere = MemoryManager(queue, write_only=True)

    class Manager(MemoryManager):
        # >>> what listens to the queue
        async def _listen(self) -> AsyncIterator[Any]:
            async for message in queue.listen():
                yield message
            if fixed:
                async for message in super()._listen():  # again and again
                    yield message

    # <<<
    async with (
        Manager(queue, logger=LOGGER) as manager,
        bench(client_manager=manager, logger=LOGGER) as b,
        python_client() as client,
    ):
        client.on("news", screen.add)
        await b.connect(client)
        await wait_until(lambda: bool(queue.subscribers))
        queue.restart()
        await wait_until(lambda: bool(queue.subscribers) or manager.thread.done())
        await elsewhere.emit("news", MESSAGE)  # raises nothing
        return await left_behind(b, "news", screen, client)
