"""What the link takes from the messages per second of a pipelined connection.

20,000 small events are emitted in a row, without acknowledgement. To the server, the clock
runs from the server's word to begin until its handler saw the last; to the client, from the
first emit until the client's answer that its handler saw them all. So one short message the
other way is included. python-socketio on both sides, over WebSocket, the link in the server's
event loop. Two set-ups: the client in that event loop too, as in the notebooks; and the client
in a process of its own, as Node's is.

The targets are for messages to the server, which python-socketio's client pipelines. Its server
lets the event loop run in each ``await sio.emit()``: what goes to the client passes the link one
by one, at two system calls each, and is shown without a target.

With the tap on and nobody looking, packets are decoded when they are read. That is done here
after the clock stopped, and is a figure of its own. A waiting fault has them decoded as they
pass: another figure, without a target.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from statistics import median

import peer
import socketio
from harness import Figure, Options, ratio, take_turns

from sio_demo.lab.link import Link
from sio_demo.lab.server import Server, serve
from sio_demo.lab.tap import PACKETS_KEPT

LINKS = {"tap off": False, "tap on": True, "fault waiting": True}  # name: tap
Stream = Callable[[str, int], Awaitable[float]]


class Hub:
    """The server's handlers: they note who comes, and count what arrives."""

    def __init__(self, sio: socketio.AsyncServer) -> None:
        self._joined: asyncio.Queue[str] = asyncio.Queue()
        self._sio = sio
        self._missing = 0
        self._complete = asyncio.Event()
        sio.on("connect", self._on_connect)
        sio.on("order", self._on_order)

    async def next_sid(self) -> str:
        """Wait for the next client."""
        return await asyncio.wait_for(self._joined.get(), timeout=20)

    async def to_server(self, sid: str, count: int) -> float:
        """Let a client send; give the messages per second."""
        self._missing = count
        self._complete.clear()
        began = time.perf_counter()
        await self._sio.emit("send", count, to=sid)
        await self._complete.wait()
        return count / (time.perf_counter() - began)

    async def to_client(self, sid: str, count: int) -> float:
        """Send to a client; give the messages per second."""
        before = await self._sio.call("received", to=sid)
        began = time.perf_counter()
        for number in range(count):
            await self._sio.emit("order", peer.message(number), to=sid)
        received = await self._sio.call("received", to=sid) - before
        seconds = time.perf_counter() - began
        if received != count:
            raise RuntimeError(f"the client's handler saw {received} of {count} messages")
        return count / seconds

    async def _on_connect(self, sid: str, _: object) -> None:
        self._joined.put_nowait(sid)

    async def _on_order(self, _sid: str, _: object) -> None:
        self._missing -= 1
        if self._missing == 0:
            self._complete.set()


@dataclass(frozen=True)
class Route:
    """A client's way to the server, and the link that it leads through."""

    sid: str
    link: Link | None = None

    def read_tap(self, sent: int) -> float:
        """Give the microseconds a packet that it takes to decode what the tap noted."""
        assert self.link is not None
        began = time.perf_counter()
        seen = self.link.count("order")
        seconds = time.perf_counter() - began
        if seen < min(sent, PACKETS_KEPT) * 0.9:  # acks, and pings, are among those kept
            raise RuntimeError(f"the tap shows {seen} messages of {sent}")
        return seconds / sent * 1e6


@asynccontextmanager
async def client_in_loop(url: str) -> AsyncIterator[None]:
    """Connect a client in this event loop."""
    client = await peer.connect(url)
    yield
    await client.shutdown()


@asynccontextmanager
async def client_in_process(url: str) -> AsyncIterator[None]:
    """Connect a client in a process of its own."""
    process = await asyncio.create_subprocess_exec(sys.executable, peer.__file__, url)
    yield
    process.terminate()
    await process.wait()


SETUPS = {"one loop": client_in_loop, "own process": client_in_process}


@asynccontextmanager
async def routes(setup: str, server: Server, hub: Hub) -> AsyncIterator[dict[str, Route]]:
    """Connect a client straight, and one through each kind of link."""
    connect = SETUPS[setup]
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(connect(server.url))
        found = {"direct": Route(await hub.next_sid())}
        for name, tap in LINKS.items():
            link = await stack.enter_async_context(await Link.to(server, tap=tap))
            await stack.enter_async_context(connect(link.url))
            found[name] = Route(await hub.next_sid(), link)
            if name == "fault waiting":
                await stack.enter_async_context(link.cut_when("an event that never comes"))
        yield found


async def measure(setup: str, rounds: int, count: int) -> list[Figure]:
    """Compare the links with no link, in both directions."""
    sio = socketio.AsyncServer(async_mode="aiohttp")
    hub = Hub(sio)
    figures: list[Figure] = []
    reading: list[float] = []

    async def stream(send: Stream, name: str, route: Route) -> float:
        rate = await send(route.sid, count)
        if name == "tap on":
            reading.append(route.read_tap(count))
        return rate

    async with await serve(sio) as server, routes(setup, server, hub) as all_routes:
        for direction, send in (("to server", hub.to_server), ("to client", hub.to_client)):
            sides = {name: partial(stream, send, name, route) for name, route in all_routes.items()}
            values = await take_turns(sides, rounds)
            found = [ratio(values, name, "direct", "/s", f"{direction}, {setup}") for name in LINKS]
            if direction == "to client":
                found = [replace(figure, kind="no target") for figure in found]
            figures += found
    name = f"µs a packet to read the tap, {setup}"
    return [*figures, Figure(name, "reading", median(reading), min(reading), max(reading))]


def run(options: Options) -> list[Figure]:
    """Measure both set-ups."""
    rounds, count = options.pick(5, 1), options.pick(20_000, 500)
    return [figure for setup in SETUPS for figure in asyncio.run(measure(setup, rounds, count))]
