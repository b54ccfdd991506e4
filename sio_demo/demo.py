"""What ``sio-demo demo`` measures: three clients, each with its listener inside and outside."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

import socketio

from .lab.bench import bench, python_client
from .lab.clients import EmitterClient
from .lab.experiment import Counter, calls_across_reconnects
from .lab.node import NodeClient

JAVASCRIPT = """
let calls = 0;
const socket = io(url, { transports: ["websocket"],
                         reconnectionDelay: 10, randomizationFactor: 0 });
function register() {
  socket.on("news", () => { calls += 1; });
}
%s
socket.on("sync", (ack) => ack());
await new Promise((done) => socket.once("connect", done));
"""

ClientFactory = Callable[[str], AbstractAsyncContextManager[Counter]]


@asynccontextmanager
async def javascript(url: str, *, inside: bool) -> AsyncIterator[Counter]:
    """Connect the real ``socket.io-client``, its listener registered inside ``connect``, or not."""
    js = await NodeClient.start(url)
    try:
        await js.run(JAVASCRIPT % ('socket.on("connect", register);' if inside else "register();"))
        yield lambda: js.run("calls")
    finally:
        await js.close()


@asynccontextmanager
async def python(
    url: str, kind: type[socketio.AsyncClient] = socketio.AsyncClient, *, inside: bool
) -> AsyncIterator[Counter]:
    """Connect a Python client whose handler is registered inside ``connect``, or outside."""
    calls: list[int] = []
    async with python_client(kind) as client:

        def register() -> None:
            client.on("news", calls.append)

        if inside:
            client.on("connect", register)
        else:
            register()
        await client.connect(url, transports=["websocket"])
        yield lambda: len(calls)


CLIENTS: dict[str, ClientFactory] = {
    "socket.io-client (JavaScript), listener inside connect": partial(javascript, inside=True),
    "socket.io-client (JavaScript), listener outside": partial(javascript, inside=False),
    "EmitterClient (Python), listener inside connect": partial(
        python, kind=EmitterClient, inside=True
    ),
    "EmitterClient (Python), listener outside": partial(python, kind=EmitterClient, inside=False),
    "python-socketio, handler inside connect": partial(python, inside=True),
    "python-socketio, handler outside": partial(python, inside=False),
}


async def measure(client: ClientFactory, reconnects: int = 5) -> list[int]:
    """Return how often one message was handled after 0, 1, … `reconnects` TCP resets."""
    async with bench() as b, client(b.link.url) as calls:
        return await calls_across_reconnects(b.server, b.link, calls, reconnects=reconnects)
