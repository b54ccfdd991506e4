"""Losses with several workers: the one that is asked, or told, does not know."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

from socketio.async_pubsub_manager import AsyncPubSubManager

from ..counters import Counters
from ..lab.connection import Connection
from ..lab.link import Link
from ..lab.server import Server
from .cause import Cause
from .kit import MESSAGE, Screen, bench, carried, handlers, python_client, tab, until

QUIET = logging.getLogger(__name__)  # what these servers complain of is what is shown
QUIET.addHandler(logging.NullHandler())

# --- L13 -------------------------------------------------------------------------------


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


async def _no_sticky_sessions(fixed: bool) -> Counters:
    code = _GUEST % ("websocket" if fixed else "polling")
    quiet = {"engineio_logger": QUIET}
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
            listeners, calls, effects = await guest("counts()")
            return Counters(listeners, sids, carried(link, "news"), calls, effects)


# --- L14 -------------------------------------------------------------------------------


class _Queue:
    """Stands for Redis: what is published reaches those who are subscribed at this moment."""

    def __init__(self) -> None:
        self.subscribers: list[asyncio.Queue[Any]] = []

    def publish(self, message: Any) -> None:
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


class _Manager(AsyncPubSubManager):  # type: ignore[misc]
    """Connects a server with the others through a queue."""

    def __init__(self, queue: _Queue, *, subscribes_again: bool = False, **options: Any) -> None:
        super().__init__(logger=QUIET, **options)
        self._queue = queue
        self._subscribes_again = subscribes_again

    async def _publish(self, message: Any) -> None:
        self._queue.publish(message)

    async def _listen(self) -> AsyncIterator[Any]:
        while True:
            async for message in self._queue.listen():
                yield message
            if not self._subscribes_again:
                return


async def _deaf_worker(fixed: bool) -> Counters:
    screen = Screen()
    queue = _Queue()
    manager = _Manager(queue, subscribes_again=fixed)
    elsewhere = _Manager(queue, write_only=True)
    async with bench(client_manager=manager, logger=QUIET) as b, python_client() as client:
        client.on("news", screen.show)
        await b.connect(client)
        await until(lambda: bool(queue.subscribers))
        queue.restart()
        await until(lambda: bool(queue.subscribers) or manager.thread.done())
        await elsewhere.emit("news", MESSAGE)  # raises nothing
        await b.settled()
        manager.thread.cancel()
        await asyncio.wait([manager.thread])
        listeners, sids = handlers([client], "news"), len(b.server.sids())
        return Counters(listeners, sids, b.carried("news"), screen.calls, len(screen.lines))


CAUSES = (
    Cause(
        letter="L13",
        title="Several workers behind a balancer without sticky sessions",
        family="loss",
        hits=("socket.io", "python-socketio", "Flask-SocketIO"),
        symptom="Clients that begin with long-polling do not get in, or only now and then, with "
        "errors 400 and `Session ID unknown` or `Invalid session`.",
        mechanism="Long-polling is many requests, and only one worker knows the session. The "
        "balancer hands the next request to another one.",
        fix="Use sticky sessions, or websocket as the only transport: one connection, one worker. "
        "Workers that emit to each other's clients need a message queue as well.",
        evidence=(
            "https://socket.io/docs/v4/using-multiple-nodes/",
            "miguelgrinberg/Flask-SocketIO#439",
            "miguelgrinberg/Flask-SocketIO#1507",
        ),
        reproduce=_no_sticky_sessions,
    ),
    Cause(
        letter="L14",
        title="A worker no longer hears the message queue",
        family="loss",
        hits=("python-socketio", "Flask-SocketIO"),
        symptom="After an outage of Redis the clients of one worker get nothing that other "
        "processes emit. What the worker emits itself arrives.",
        mechanism="The queue keeps nothing, so what is published in the outage is lost. And when a "
        "worker's listening ends for good, the worker stays deaf, in silence. Here a queue in "
        "memory stands for Redis.",
        fix="Use a release whose listener subscribes again, and watch it: count the subscribers, "
        "or send a probe through the queue.",
        evidence=(
            "miguelgrinberg/python-socketio#1581",
            "miguelgrinberg/python-socketio#826",
        ),
        reproduce=_deaf_worker,
    ),
)
