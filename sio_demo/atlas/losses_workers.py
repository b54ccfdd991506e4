"""Losses with several workers: the one that is asked, or told, does not know."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator

from ..counters import Counters
from ..lab.bench import bench, python_client
from ..lab.connection import Connection
from ..lab.link import Link
from ..lab.server import Server
from ..lab.waiting import wait_until
from .cause import Cause
from .kit import MESSAGE, Log, counted, tab
from .pubsub import MemoryManager, MemoryQueue

LOGGER = logging.getLogger(__name__)  # what these servers complain of; without it they print it
LOGGER.addHandler(logging.NullHandler())

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


# --- L14 -------------------------------------------------------------------------------


async def _deaf_worker(fixed: bool) -> Counters:
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


CAUSES = (
    Cause(
        letter="L13",
        title="Several workers behind a balancer without sticky sessions",
        family="loss",
        measured_with=("socket.io-client", "python-socketio server"),
        also_known_from=("socket.io", "Flask-SocketIO"),
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
        measured_with=("python-socketio client", "python-socketio server"),
        symptom="After an outage of Redis the clients of one worker get nothing that other "
        "processes emit. What the worker emits itself arrives.",
        mechanism="The queue keeps nothing, so what is published in the outage is lost. And when a "
        "worker's listening ends for good, the worker stays deaf; python-socketio 5.18.1 logs "
        "`pubsub listen() exited unexpectedly`, once. Queue and listening are a model here: the "
        "`AsyncRedisManager` of 5.18.1 subscribes again for ever; report #1581 is of 5.16.1.",
        fix="Use a release whose listener subscribes again, and watch it: count the subscribers, "
        "or send a probe through the queue.",
        evidence=(
            "miguelgrinberg/python-socketio#1581",
            "miguelgrinberg/python-socketio#826",
        ),
        reproduce=_deaf_worker,
    ),
)
