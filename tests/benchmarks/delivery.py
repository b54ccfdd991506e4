"""Outbox and inbox against bare ``emit``, ``call`` and the ``retries`` of socket.io-client.

One server, one link without a tap, all in one event loop, except for Node.js. Each side
sends small messages and the clock stops when the server has handled the last (``emit``), or
when the sender has the last reply (all others). The round trip of 20 ms is the link's latency
of 10 ms each way.
"""

from __future__ import annotations

import asyncio
import sys
import time
import tracemalloc
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import peer
import psutil
import psycopg
import socketio
from harness import Figure, Options, ratio, take_turns

from sio_demo.delivery import (
    Inbox,
    MemoryInboxStore,
    Outbox,
    PostgresInboxStore,
    SQLiteInboxStore,
    SQLiteOutboxStore,
)
from sio_demo.delivery.message import EVENT, HELLO, Batch, Hello, id_of, write_message
from sio_demo.lab.engines import Postgres
from sio_demo.lab.link import Link
from sio_demo.lab.node import NodeClient
from sio_demo.lab.server import serve

LATENCY = 0.01  # seconds each way
CLIENTS = 100
WINDOW = 1000
FLOOD = str(Path(__file__).with_name("flood.py"))

SOCKET = "const s = io(url, { transports: ['websocket'], retries: 3, ackTimeout: 5000 })"

Sender = Callable[[int], Awaitable[None]]


@dataclass
class Bench:
    """A server with an inbox and a plain handler, a link to it, and a client that is connected."""

    link: Link
    client: socketio.AsyncClient
    outbox: Outbox
    inbox: Inbox
    all_seen: asyncio.Event
    missing: int = 0

    async def emit(self, count: int) -> None:
        """Fire and forget; the end of it is when the server has handled all."""
        self.missing = count
        self.all_seen.clear()
        for number in range(count):
            await self.client.emit("order", peer.message(number))
        await self.all_seen.wait()

    async def deliver(self, count: int) -> None:
        """Send through the outbox; the end of it is when all replies are here."""
        for number in range(count):
            self.outbox.send("order", peer.message(number))
        await self.outbox.drain()


@asynccontextmanager
async def bench(
    directory: str | None = None, window: int = 4000, inbox_store: Any = None
) -> AsyncIterator[Bench]:
    """Open it; with a directory both ends are durable."""
    sio = socketio.AsyncServer(async_mode="aiohttp")
    store = SQLiteInboxStore(f"{directory}/inbox.db") if directory else inbox_store
    inbox = Inbox(sio, store)
    inbox.on("order", insert if inbox_store else lambda db, order: None)
    async with await serve(sio) as server, await Link.to(server, tap=False) as link:
        client = socketio.AsyncClient(handle_sigint=False)
        store = SQLiteOutboxStore(f"{directory}/outbox.db") if directory else None
        async with Outbox(
            client, store, window=window, retry_delay=0.01, retry_delay_max=0.01
        ) as outbox:
            await outbox.open(link.url, transports=["websocket"])
            found = Bench(link, client, outbox, inbox, asyncio.Event())

            @sio.on("order")
            async def order(_sid: str, _order: Any) -> None:
                found.missing -= 1
                if found.missing == 0:
                    found.all_seen.set()

            @sio.on("ask")
            async def ask(_sid: str, _order: Any) -> None:
                return None

            yield found
    await inbox.close()


async def insert(db: psycopg.AsyncConnection[Any], order: Any) -> None:
    """Handle an order with one INSERT."""
    await db.execute("INSERT INTO orders VALUES (%s)", [str(order)])


@asynccontextmanager
async def postgres() -> AsyncIterator[str]:
    """Start a PostgreSQL with a table."""
    server = await Postgres.start()
    async with await psycopg.AsyncConnection.connect(server.url, autocommit=True) as connection:
        await connection.execute("DROP TABLE IF EXISTS orders")
        await connection.execute("CREATE TABLE orders (text TEXT)")
    try:
        yield server.url
    finally:
        await server.close()


async def rate(send: Sender, count: int) -> float:
    """Give messages per second."""
    began = time.perf_counter()
    await send(count)
    return count / (time.perf_counter() - began)


async def against_emit(options: Options, name: str, latency: float = 0.0) -> list[Figure]:
    """Compare with fire and forget; with latency also with ``retries`` of socket.io-client."""
    count = options.pick(20_000, 500)
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(TemporaryDirectory()) if name == "durable" else None
        store = None
        if name == "PostgreSQL":
            store = PostgresInboxStore(await stack.enter_async_context(postgres()))
        b = await stack.enter_async_context(bench(directory, inbox_store=store))
        sides = {
            f"outbox, {name}": lambda: rate(b.deliver, count),
            "emit": lambda: rate(b.emit, count),
        }
        if latency:
            await stack.enter_async_context(b.link.latency(latency))
            js = await NodeClient.start(b.link.url)
            stack.push_async_callback(js.close)
            await js.run(SOCKET)
            few = options.pick(60, 5)
            sides["retries"] = lambda: rate(lambda n: with_retries(js, n), few)
        values = await take_turns(sides, options.pick(5, 1))
    figures = [ratio(values, f"outbox, {name}", side, "/s") for side in list(sides)[1:]]
    return [
        replace(figure, kind=f"{name} / {side}")
        for figure, side in zip(figures, list(sides)[1:], strict=True)
    ]


async def with_retries(js: NodeClient, count: int) -> None:
    """Let socket.io-client send, one message after the other, as its ``retries`` does."""
    await js.run(
        f"Promise.all(Array.from({{ length: {count} }}, (_, order) => s.emitWithAck('ask', "
        "{ order, item: 'coffee', price: 3.5 })))",
        timeout=60,
    )


async def single(options: Options) -> list[Figure]:
    """Compare one message at a time with ``call``, turn by turn."""
    async with bench() as b:
        sides = {
            "one message": lambda: microseconds(send_one(b.outbox)),
            "call": lambda: microseconds(b.client.call("ask", peer.message(1))),
        }
        times = await take_turns(sides, options.pick(3000, 50))
    size = len(times["call"]) // 5
    values = {
        name: [median(all_[n * size : (n + 1) * size]) for n in range(5)]
        for name, all_ in times.items()
    }
    return [ratio(values, "one message", "call", "µs")]


async def microseconds(act: Awaitable[Any]) -> float:
    """Give the time that something takes."""
    began = time.perf_counter()
    await act
    return (time.perf_counter() - began) * 1e6


async def send_one(outbox: Outbox, event: str = "order") -> None:
    """Send one message, and wait for its reply."""
    await outbox.send(event, peer.message(1))


async def greeted(sio: socketio.AsyncServer) -> str:
    """Say hello to an inbox as a new producer, and return its id."""
    hello = Hello(str(uuid.uuid4()), known=False, epoch=1, start="bench")
    check(await sio.handlers["/"][HELLO]("sid", hello.to_wire()))
    return hello.producer


def check(answer: dict[str, Any]) -> None:
    """Refuse to measure refusals."""
    assert "error" not in answer, answer


async def group_commit(options: Options) -> list[Figure]:
    """Compare an inbox on disk with one transaction for each message, by the same store."""
    count = options.pick(5_000, 100)
    with TemporaryDirectory() as directory:
        plain = SQLiteInboxStore(f"{directory}/plain.db")

        async def each(n: int) -> None:
            sio = socketio.AsyncServer(async_mode="aiohttp")
            inbox = Inbox(sio, plain)
            inbox.on("order", lambda db, order: None)
            producer = await greeted(sio)
            after = ""
            for number in range(n):
                text = write_message("order", peer.message(number))
                batch = Batch(producer, 1, number, after, number, [text])
                check(await sio.handlers["/"][EVENT]("sid", batch.to_wire()))
                after = id_of(text)

        async with bench(directory) as b:
            sides = {
                "group commit": lambda: rate(b.deliver, count),
                "commit each": lambda: rate(each, count // 10),
            }
            values = await take_turns(sides, options.pick(5, 1))
        plain.close()
    return [ratio(values, "group commit", "commit each", "/s")]


async def memory(options: Options) -> list[Figure]:
    """Send a million messages from 100 clients, and compare the memory with a tenth of them."""
    sio = socketio.AsyncServer(async_mode="aiohttp")
    inbox = Inbox(sio, MemoryInboxStore())
    inbox.on("order", lambda db, order: None)
    receive = sio.handlers["/"][EVENT]
    producers = [await greeted(sio) for _ in range(CLIENTS)]
    text = write_message("order", peer.message(1))
    step = 100
    per_client = options.pick(10_000, 400)

    async def send(begin: int, end: int) -> None:
        for first in range(begin, end, step):
            for producer in producers:
                after, confirmed = id_of(text) if first else "", max(0, first - WINDOW)
                batch = Batch(producer, 1, first, after, confirmed, [text] * step)
                check(await receive("sid", batch.to_wire()))

    tracemalloc.start()
    await send(0, per_client // 5)
    after_some = tracemalloc.get_traced_memory()[0]
    await send(per_client // 5, per_client)
    after_all = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    growth = after_all / after_some
    parts = {"all": after_all / 1e6, "a fifth": after_some / 1e6}
    name = f"inbox memory, {CLIENTS * per_client:,} messages / a fifth"
    return [Figure(name, "memory", growth, growth, growth, parts, "MB")]


async def recovery(options: Options) -> list[Figure]:
    """Reset with a full window under way; from the reconnection until all is applied.

    What it takes without latency, the work of both processors, is subtracted.
    """
    times = await take_turns(
        {"far": lambda: recover(LATENCY), "near": lambda: recover(0)}, options.pick(9, 1)
    )
    trips = [(t - median(times["near"])) / (2 * LATENCY) for t in times["far"]]
    parts = {name: median(values) * 1e3 for name, values in times.items()}
    name = "round trips to recover 1,000"
    return [Figure(name, "recovery", median(trips), min(trips), max(trips), parts, "ms")]


async def recover(latency: float) -> float:
    """Return the seconds from the reconnection until all is applied."""
    async with bench(window=WINDOW) as b, AsyncExitStack() as stack:
        if latency:
            await stack.enter_async_context(b.link.latency(latency))
        connected = asyncio.Event()
        b.client.on("connect", connected.set)
        for number in range(WINDOW):
            b.outbox.send("order", peer.message(number))
        await asyncio.sleep(latency / 2)  # under way, and not yet there
        await b.link.cut()
        await connected.wait()
        began = time.perf_counter()
        await b.outbox.drain()
        return time.perf_counter() - began


async def awaited(options: Options) -> list[Figure]:
    """Compare one message at a time on disk, acknowledged and awaited, with ``call``."""
    with TemporaryDirectory() as directory:
        async with bench(directory) as b:

            async def call_each(count: int) -> None:
                for number in range(count):
                    await b.client.call("ask", peer.message(number))

            async def send_each(count: int) -> None:
                for _ in range(count):
                    await send_one(b.outbox)

            count = options.pick(300, 10)
            sides = {
                "awaited, durable": lambda: rate(send_each, count),
                "call": lambda: rate(call_each, count),
            }
            values = await take_turns(sides, options.pick(5, 1))
    return [ratio(values, "awaited, durable", "call", "/s")]


async def big_replies(options: Options) -> list[Figure]:
    """Compare the cost of a reply of 100 kB when there are many with that when there are few."""
    reply = "x" * 100_000
    async with bench() as b:
        b.inbox.on("big", lambda db, _: reply)

        async def ask(count: int) -> float:
            began = time.perf_counter()
            await asyncio.gather(*(b.outbox.send("big", n) for n in range(count)))
            return (time.perf_counter() - began) * 1e3 / count

        many = options.pick(160, 8)
        sides = {"ms a reply, many": lambda: ask(many), "few": lambda: ask(many // 8)}
        values = await take_turns(sides, options.pick(5, 1))
    figure = ratio(values, "ms a reply, many", "few", "ms")
    return [replace(figure, kind="big replies")]


async def idle_producers(options: Options) -> list[Figure]:
    """Measure the memory of producers that have sent one message, and confirmed its reply."""
    count = options.pick(10_000, 100)
    sio = socketio.AsyncServer(async_mode="aiohttp")
    inbox = Inbox(sio)
    inbox.on("order", lambda db, order: None)
    receive = sio.handlers["/"][EVENT]
    text = write_message("order", peer.message(1))
    tracemalloc.start()
    for _ in range(count):
        producer = await greeted(sio)
        check(await receive("sid", Batch(producer, 1, 0, "", 0, [text]).to_wire()))
        check(await receive("sid", Batch(producer, 1, 1, id_of(text), 1, [text]).to_wire()))
    used = tracemalloc.get_traced_memory()[0] / 1e6
    tracemalloc.stop()
    return [Figure(f"MB of {count:,} idle producers", "idle producers", used, used, used)]


async def flood(options: Options) -> list[Figure]:
    """Let two processes send batches without awaiting answers; measure a third client."""
    async with bench() as b:
        alone = await latencies(b, options.pick(50, 2))
        before = resident()
        async with AsyncExitStack() as stack:
            for _ in range(2):
                process = await asyncio.create_subprocess_exec(sys.executable, FLOOD, b.link.url)
                stack.push_async_callback(process.wait)
                stack.callback(process.kill)
            await asyncio.sleep(options.pick(1, 0.1))  # they have begun
            flooded = await latencies(b, options.pick(300, 2))
            grown = resident() - before
    parts = {
        "flooded": median(flooded),
        "alone": median(alone),
        "99 %": flooded[len(flooded) * 99 // 100],
    }
    name = "ms of a third client, two flood"
    return [
        Figure(name, "flood", median(flooded), flooded[0], flooded[-1], parts, "ms"),
        Figure("MB that the floods cost", "flood memory", grown, grown, grown),
    ]


async def latencies(b: Bench, count: int) -> list[float]:
    """Return the sorted milliseconds of single messages."""
    return sorted([await microseconds(send_one(b.outbox)) / 1e3 for _ in range(count)])


async def look(db: psycopg.AsyncConnection[Any], _: Any) -> None:
    """Handle a message with a SELECT."""
    await db.execute("SELECT 1")


async def locked_table(options: Options) -> list[Figure]:
    """Let one client's handler wait for a table that is locked; measure another client."""
    async with postgres() as url, bench(inbox_store=PostgresInboxStore(url)) as b:
        b.inbox.on("look", look)
        second = Outbox(socketio.AsyncClient(handle_sigint=False))
        async with await psycopg.AsyncConnection.connect(url) as other, second:
            await second.open(b.link.url, transports=["websocket"])
            await b.outbox.send("look")
            await other.execute("LOCK TABLE orders")
            waits = second.send("order")
            await waits.accepted
            found = sorted(
                [
                    await microseconds(send_one(b.outbox, "look")) / 1e3
                    for _ in range(options.pick(300, 2))
                ]
            )
            await other.rollback()
            await waits
    name = "ms of a client while another's handler waits for a lock"
    return [Figure(name, "locked table", found[len(found) * 99 // 100], found[0], found[-1])]


def resident() -> float:
    """Return the memory of this process in MB."""
    return psutil.Process().memory_info().rss / 1e6


def run(options: Options) -> list[Figure]:
    """Measure all, one after the other."""
    cases = (
        against_emit(options, "20 ms", LATENCY),
        against_emit(options, "in memory"),
        against_emit(options, "durable"),
        against_emit(options, "PostgreSQL"),
        single(options),
        group_commit(options),
        memory(options),
        recovery(options),
        awaited(options),
        big_replies(options),
        idle_producers(options),
        flood(options),
        locked_table(options),
    )
    return [figure for case in cases for figure in asyncio.run(case)]
