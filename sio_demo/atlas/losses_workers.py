"""Losses with several workers: the one that is asked, or told, does not know."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator

from ..causes import reproduces
from ..counters import Counters
from ..lab.bench import bench, python_client
from ..lab.connection import Connection
from ..lab.link import Link
from ..lab.server import Server
from ..lab.waiting import wait_until
from .kit import MESSAGE, Log, counted, tab
from .pubsub import MemoryManager, MemoryQueue

LOGGER = logging.getLogger(__name__)  # what these servers complain of; without it they print it
LOGGER.addHandler(logging.NullHandler())


class _Balancer(Link):
    """Hands each TCP connection to the next worker, as a balancer without sticky sessions does."""

    workers: Iterator[Server]

    async def _run(self, connection: Connection) -> None:
        worker = next(self.workers)
        self._target = worker.host, worker.port
        await super()._run(connection)


_GUEST = """
let calls = 0;
const screen = [];
const socket = io(url, { ...fast, reconnection: false, transports: ["%s"] });
socket.on("news", (text) => { calls += 1; screen.push(text); });
socket.on("sync", (ack) => ack());
const closed = new Promise((done) => socket.io.on("close", done));
await Promise.race([connected(socket), closed]);
return { counts: () => [socket.listeners("news").length, calls, screen.length] };
"""


@reproduces("L13")
async def no_sticky_sessions(fixed: bool) -> Counters:
    """Hand each request of one client to the next of two workers."""
    code = _GUEST % ("websocket" if fixed else "polling")
    quiet = {"engineio_logger": LOGGER}
    async with (
        bench(**quiet) as a,
        bench(**quiet) as b,
        await _Balancer.to(a.server) as link,
    ):
        assert isinstance(link, _Balancer)
        link.workers = itertools.cycle([a.server, b.server])
        async with tab(link.url, code) as guest:
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
    async with (
        MemoryManager(queue, subscribes_again=fixed, logger=LOGGER) as manager,
        bench(client_manager=manager, logger=LOGGER) as b,
        python_client() as client,
    ):
        client.on("news", screen.add)
        await b.connect(client)
        await wait_until(lambda: bool(queue.subscribers))
        queue.restart()
        await wait_until(lambda: bool(queue.subscribers) or manager.is_deaf)
        await elsewhere.emit("news", MESSAGE)  # raises nothing
        await b.settled()
        return counted(b, "news", screen, client)
