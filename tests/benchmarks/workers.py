"""Several workers on one PostgreSQL, and a feed to many followers.

Workers and the outboxes' clients are processes; a client sends its messages when told, and says
how long it took until all were answered. On two processors they and PostgreSQL share the same
two, so the curve says little about larger machines.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import Any

import peer
import socketio
from delivery import greeted, insert, postgres, rate
from harness import Figure, Options, ratio, take_turns

from sio_demo.delivery import Feed, Follower, Inbox, Outbox, PostgresInboxStore
from sio_demo.delivery.message import EVENT, Batch, id_of, write_message
from sio_demo.lab.process import ServerProcess
from sio_demo.lab.server import serve

FOLLOWERS = 100
TOPIC = "orders"
BATCH = 1000

WORKER = """
import socketio
from sio_demo.delivery import Inbox, PostgresInboxStore

sio = socketio.AsyncServer(async_mode="aiohttp")
inbox = Inbox(sio, PostgresInboxStore(database))

@inbox.on("order")
async def order(db, order):
    await db.execute("INSERT INTO orders VALUES (%s)", [str(order)])
"""


async def curve(options: Options) -> list[Figure]:
    """Spread as many outboxes over 1, 2 and 4 workers; messages per second of all together."""
    count = options.pick(20_000, 200)
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(postgres())
        sides = {}
        for number in (1, 2, 4):
            links = []
            for _ in range(number):
                worker = await ServerProcess.start(WORKER, database=url)
                stack.push_async_callback(worker.close)
                links.append(worker.url)
            for clients in sorted({1, number}):
                each = [await Sender.start(links[n % number], stack) for n in range(clients)]
                sides[_name(number, clients)] = partial(_together, each, count // clients)
        values = await take_turns(sides, options.pick(3, 1))
    one = _name(1, 1)
    return [ratio(values, name, one, "/s") for name in list(sides)[1:]]


def _name(workers: int, outboxes: int) -> str:
    return f"{workers} worker{'s'[: workers > 1]}, {outboxes} outbox{'es'[: (outboxes > 1) * 2]}"


async def _together(senders: list[Sender], count: int) -> float:
    """Let all send at the same time; return the messages per second of all."""
    began = time.perf_counter()
    await asyncio.gather(*(sender.send(count) for sender in senders))
    return len(senders) * count / (time.perf_counter() - began)


class Sender:
    """An outbox in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._in, self._out = process.stdin, process.stdout

    @classmethod
    async def start(cls, url: str, stack: AsyncExitStack) -> Sender:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, __file__, url, stdin=pipe, stdout=pipe
        )
        stack.push_async_callback(process.wait)
        stack.callback(process.kill)
        sender = cls(process)
        await sender.send(1)  # it is connected
        return sender

    async def send(self, count: int) -> None:
        """Return when all are answered."""
        self._in.write(f"{count}\n".encode())
        if not await self._out.readline():
            raise RuntimeError("the outbox's process has ended")


async def main(url: str) -> None:
    """Send as many messages as each line says, and answer with a line."""
    async with Outbox(socketio.AsyncClient(handle_sigint=False)) as outbox:
        await outbox.open(url, transports=["websocket"])
        while line := await asyncio.to_thread(sys.stdin.readline):
            for number in range(int(line)):
                outbox.send("order", peer.message(number))
            await outbox.drain()
            print("done", flush=True)


async def table_size(options: Options) -> list[Figure]:
    """Compare the cost of a message in PostgreSQL when it has many messages with few."""
    steps = options.pick((10**3, 10**4, 10**5, 10**6), (1000, 2000))
    async with postgres() as url:
        sio = socketio.AsyncServer(async_mode="aiohttp")
        inbox = Inbox(sio, PostgresInboxStore(url))
        inbox.on("order", insert)
        send = await _producer(sio)
        costs: dict[int, list[float]] = {}
        for done, until in zip((0, *steps), steps, strict=False):
            while done < until:
                began = time.perf_counter()
                await send(done)
                costs.setdefault(until, []).append((time.perf_counter() - began) / BATCH * 1e6)
                done += BATCH
        await inbox.close()
    found = {f"to {n:,}": median(times[-100:]) for n, times in costs.items()}
    low, high = found[f"to {steps[1]:,}"], found[f"to {steps[-1]:,}"]
    name = f"µs a message, {steps[-1]:,} / {steps[1]:,}"
    return [Figure(name, "table size", high / low, high / low, high / low, found, "µs")]


async def _producer(sio: socketio.AsyncServer) -> Any:
    """Return a function that sends a batch from a number on, and confirms all before it."""
    producer = await greeted(sio)
    texts = [write_message("order", peer.message(number)) for number in range(BATCH)]

    async def send(first: int) -> None:
        after = id_of(texts[-1]) if first else ""
        batch = Batch(producer, 1, first, after, first, texts)
        answer = await sio.handlers["/"][EVENT]("sid", batch.to_wire())
        assert len(answer["replies"]) == BATCH, answer

    return send


@dataclass
class Audience:
    """A server with a feed and a room, and clients in both, which count what they get."""

    sio: socketio.AsyncServer
    feed: Feed
    url: str
    members: list[Member]

    async def feed_each(self, count: int) -> None:
        """Publish entries one after the other; return when all followers have applied all."""
        for number in range(count):
            async with self.feed.transaction() as db:
                self.feed.append(db, TOPIC, "order", peer.message(number))
        await self._counted("followed", count)

    async def emit_each(self, count: int) -> None:
        """Emit to the room; return when all have all."""
        for number in range(count):
            await self.sio.emit("order", peer.message(number), room=TOPIC)
        await self._counted("received", count)

    async def _counted(self, what: str, count: int) -> None:
        for member in self.members:
            await member.reach(what, count)


class Member:
    """A client that follows the topic, and is in the room."""

    def __init__(self) -> None:
        self.client = socketio.AsyncClient(handle_sigint=False)
        self.follower = Follower(self.client)
        self.follower.on("order", lambda db, order: self._count("followed"))
        self.client.on("order", lambda order: self._count("received"))
        self._missing = {"followed": 0, "received": 0}
        self._zero = asyncio.Event()

    async def reach(self, what: str, count: int) -> None:
        """Wait until so many more than at the last call have come."""
        self._missing[what] += count
        while self._missing[what] > 0:
            self._zero.clear()
            await self._zero.wait()

    def _count(self, what: str) -> None:
        self._missing[what] -= 1
        if self._missing[what] == 0:
            self._zero.set()


@asynccontextmanager
async def audience(followers: int) -> AsyncIterator[Audience]:
    """Open it; all in one event loop, without a link."""
    sio = socketio.AsyncServer(async_mode="aiohttp")
    feed = Feed(sio)

    @sio.on("connect")
    async def connect(sid: str, _environ: object) -> None:
        await sio.enter_room(sid, TOPIC)

    async with await serve(sio) as server, AsyncExitStack() as stack:
        members = []
        for _ in range(followers):
            members.append(one := await stack.enter_async_context(member(server.url)))
            await one.follower.follow(TOPIC)
        yield Audience(sio, feed, server.url, members)


@asynccontextmanager
async def member(url: str) -> AsyncIterator[Member]:
    """Connect a client that follows nothing yet."""
    found = Member()
    await found.client.connect(url, transports=["websocket"])
    yield found
    await found.follower.close()
    await found.client.shutdown()


async def to_many(options: Options) -> list[Figure]:
    """Compare the feed with a bare emit to a room."""
    count = options.pick(200, 5)
    async with audience(options.pick(FOLLOWERS, 3)) as found:
        sides = {
            f"feed to {len(found.members)}": lambda: rate(found.feed_each, count),
            "emit to a room": lambda: rate(found.emit_each, count),
        }
        values = await take_turns(sides, options.pick(5, 1))
    return [replace(ratio(values, *sides, "/s"), kind="feed")]


async def catch_up(options: Options) -> list[Figure]:
    """Let a follower read what it has missed, against as many emits to one client."""
    count = options.pick(10_000, 300)
    async with audience(1) as found:
        await found.feed_each(count)

        async def follow() -> float:
            async with member(found.url) as late:
                began = time.perf_counter()
                await late.follower.follow(TOPIC)
                await late.reach("followed", count)
                return count / (time.perf_counter() - began)

        sides = {"catching up": follow, "emit": lambda: rate(found.emit_each, count)}
        values = await take_turns(sides, options.pick(5, 1))
    return [ratio(values, *sides, "/s")]


def run(options: Options) -> list[Figure]:
    """Measure all, one after the other."""
    cases = curve(options), table_size(options), to_many(options), catch_up(options)
    return [figure for case in cases for figure in asyncio.run(case)]


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
