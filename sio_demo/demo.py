"""What ``sio-demo demo`` measures: three clients, each with its listener inside and outside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import socketio

from .lab.clients import EmitterClient
from .lab.experiment import Counter, calls_across_reconnects
from .lab.link import Link
from .lab.node import NodeClient
from .lab.server import serve

JAVASCRIPT_INSIDE = """
let calls = 0;
const socket = io(url, { transports: ["websocket"],
                         reconnectionDelay: 10, randomizationFactor: 0 });
socket.on("connect", () => {
  socket.on("news", () => { calls += 1; });
});
socket.on("sync", (ack) => ack());
await new Promise((done) => socket.once("connect", done));
"""

JAVASCRIPT_OUTSIDE = """
let calls = 0;
const socket = io(url, { transports: ["websocket"],
                         reconnectionDelay: 10, randomizationFactor: 0 });
socket.on("news", () => { calls += 1; });
socket.on("sync", (ack) => ack());
await new Promise((done) => socket.once("connect", done));
"""

ClientFactory = Callable[[str], AbstractAsyncContextManager[Counter]]


def javascript(snippet: str) -> ClientFactory:
    """Return a client that runs a snippet in Node.js with the real ``socket.io-client``."""

    @asynccontextmanager
    async def connected(url: str) -> AsyncIterator[Counter]:
        js = await NodeClient.start(url)
        try:
            await js.run(snippet)
            yield lambda: js.run("calls")
        finally:
            await js.close()

    return connected


def python(kind: type[socketio.AsyncClient], *, inside: bool) -> ClientFactory:
    """Return a Python client whose handler is registered inside ``connect``, or outside."""

    @asynccontextmanager
    async def connected(url: str) -> AsyncIterator[Counter]:
        calls: list[int] = []
        client = kind(reconnection_delay=0.01, randomization_factor=0, handle_sigint=False)

        def register() -> None:
            client.on("news", calls.append)

        if inside:
            client.on("connect", register)
        else:
            register()
        await client.connect(url, transports=["websocket"])
        try:
            yield lambda: len(calls)
        finally:
            await client.shutdown()

    return connected


CLIENTS: dict[str, ClientFactory] = {
    "socket.io-client (JavaScript), listener inside connect": javascript(JAVASCRIPT_INSIDE),
    "socket.io-client (JavaScript), listener outside": javascript(JAVASCRIPT_OUTSIDE),
    "EmitterClient (Python), listener inside connect": python(EmitterClient, inside=True),
    "EmitterClient (Python), listener outside": python(EmitterClient, inside=False),
    "python-socketio, handler inside connect": python(socketio.AsyncClient, inside=True),
    "python-socketio, handler outside": python(socketio.AsyncClient, inside=False),
}


async def measure(client: ClientFactory, reconnects: int = 5) -> list[int]:
    """Return how often one message was handled after 0, 1, … `reconnects` TCP resets."""
    async with (
        await serve(socketio.AsyncServer(async_mode="aiohttp")) as server,
        await Link.to(server) as link,
        client(link.url) as calls,
    ):
        return await calls_across_reconnects(server, link, calls, reconnects=reconnects)
