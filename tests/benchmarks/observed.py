"""What `observe` costs: the time of a message with both ends observed, against none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import peer
import socketio
from harness import Figure, Options, ratio, take_turns

from sio_demo.diagnosis import observe
from sio_demo.lab.server import serve


@asynccontextmanager
async def pair(observed: bool) -> AsyncIterator[socketio.AsyncClient]:
    """Serve an event, and connect a client; with both observed."""
    sio, client = (
        socketio.AsyncServer(async_mode="aiohttp"),
        socketio.AsyncClient(handle_sigint=False),
    )

    @sio.on("order")
    async def order(sid: str, order: Any) -> None:
        await sio.emit("done", order, to=sid)

    @client.on("done")
    async def done(order: Any) -> None:
        """Handle it."""

    @sio.on("ask")
    async def ask(_sid: str) -> None:
        """Answer: what was sent before has been handled."""

    async with AsyncExitStack() as stack:
        if observed:
            stack.enter_context(observe(sio, client))
        server = await stack.enter_async_context(await serve(sio))
        await client.connect(server.url, transports=["websocket"])
        stack.push_async_callback(client.disconnect)
        yield client


async def microseconds(client: socketio.AsyncClient, count: int) -> float:
    """Return the time of one message there, and one back."""
    began = time.perf_counter()
    for number in range(count):
        await client.emit("order", peer.message(number))
    await client.call("ask", timeout=60)
    return (time.perf_counter() - began) / count * 1e6


async def measure(options: Options) -> list[Figure]:
    count = options.pick(3000, 100)
    async with pair(observed=True) as one, pair(observed=False) as other:
        sides = {
            "observed": partial(microseconds, one, count),
            "not observed": partial(microseconds, other, count),
        }
        values = await take_turns(sides, options.pick(7, 1))
    return [ratio(values, "observed", "not observed", "µs")]


def run(options: Options) -> list[Figure]:
    """Measure messages there and back, turn by turn."""
    return asyncio.run(measure(options))
