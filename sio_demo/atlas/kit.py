"""What the reproductions share: a bench, clients, a Node.js for all, and the counting."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import socketio

from ..counters import Counters
from ..errors import NotSeenError
from ..lab.cleanup import shut_down
from ..lab.experiment import settled
from ..lab.link import Link
from ..lab.node import NodeClient
from ..lab.packet import TO_CLIENT, TO_SERVER, Direction
from ..lab.server import Server, serve
from ..lab.waiting import Condition, wait_until

MESSAGE = "the message"
"""The payload of the one message that is counted; all other traffic carries something else."""

PATIENCE = 30  # seconds that a machine with much else to do may take


@dataclass(frozen=True)
class Bench:
    """A server and the link in front of it; made by :func:`bench`."""

    server: Server
    link: Link

    @property
    def sio(self) -> socketio.AsyncServer:
        """The server as python-socketio knows it."""
        return self.server.sio

    async def connect(self, client: socketio.AsyncClient, **options: Any) -> str:
        """Connect a Python client through the link, and give its sid."""
        opened = self.link.expect("CONNECT", TO_CLIENT, timeout=PATIENCE)
        settings = {"transports": ["websocket"], "wait_timeout": PATIENCE}
        await client.connect(self.link.url, **(settings | options))
        sid: str = (await opened).data["sid"]
        return sid

    async def drop(self, clients: int = 1) -> None:
        """Reset every connection, and wait until so many clients are back, and no more."""
        before = connects(self.link)
        await self.link.cut()
        await until(lambda: connects(self.link) - before >= clients)
        await until(lambda: len(self.server.sids()) == clients)

    async def settled(self) -> None:
        """Wait until every client has handled what the server sent to it so far.

        No session may be a zombie: it does not answer. As for :func:`sio_demo.settled`, clients
        in JavaScript need a listener for ``"sync"``.
        """
        await asyncio.gather(*(settled(self.server, sid) for sid in self.server.sids()))

    def carried(self, event: str, way: Direction = TO_CLIENT) -> int:
        """Count the packets of an event that carried :data:`MESSAGE` this way."""
        return carried(self.link, event, way)

    def counted(self, event: str, log: Log, *ends: Any, sids: int | None = None) -> Counters:
        """Count what the message has left behind at its recipient, and in the recipient's log.

        The recipient is the server, or all of the user's clients; `sids` is the number of live
        sessions when the message came, if it is another one now.
        """
        way = TO_SERVER if self.sio in ends else TO_CLIENT
        live = len(self.server.sids()) if sids is None else sids
        packets = self.carried(event, way)
        return Counters(handlers(ends, event), live, packets, log.calls, len(log.rows))


@asynccontextmanager
async def bench(**options: Any) -> AsyncIterator[Bench]:
    """Serve a new ``socketio.AsyncServer``, made with these options, behind a link.

    It acknowledges ``"sync"``, so that a client can wait until all that it sent has arrived.
    """
    sio = socketio.AsyncServer(async_mode="aiohttp", **options)
    sio.on("sync", lambda _sid: None)
    async with await serve(sio) as server, await Link.to(server) as link:
        yield Bench(server, link)


class PatientClient(socketio.AsyncClient):  # type: ignore[misc]
    """Gives the server time at a reconnection, too: python-socketio waits for one second then.

    On a machine with much else to do that second may be too short, and the client tries again.
    """

    async def connect(self, url: Any, **options: Any) -> None:
        """Connect, and wait for the server as long as it takes."""
        await super().connect(url, **(options | {"wait_timeout": PATIENCE}))


def new_client(kind: type[socketio.AsyncClient] = PatientClient, **options: Any) -> Any:
    """Give a client that comes back within milliseconds, not connected; close it yourself."""
    settings = {"reconnection_delay": 0.01, "randomization_factor": 0, "handle_sigint": False}
    return kind(**(settings | options))


@asynccontextmanager
async def python_client(
    kind: type[socketio.AsyncClient] = PatientClient, **options: Any
) -> AsyncIterator[Any]:
    """Give a new client, not connected, and shut it down at the end."""
    client = new_client(kind, **options)
    try:
        yield client
    finally:
        await shut_down(client)


@asynccontextmanager
async def background(work: Coroutine[Any, Any, Any]) -> AsyncIterator[asyncio.Task[Any]]:
    """Run a coroutine as a task within a block, and end it with the block."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Condition) -> None:
    """Wait for what nothing tells of.

    Raises
    ------
    NotSeenError
        It has not come true within :data:`PATIENCE` seconds.
    """
    if not await wait_until(condition, PATIENCE):
        raise NotSeenError(f"What a reproduction waits for has not come within {PATIENCE} s.")


def connects(link: Link) -> int:
    """Count how often a server has told a client that it is connected."""
    return sum(each.name == "CONNECT" and each.direction == TO_CLIENT for each in link.packets)


def handlers(ends: Iterable[socketio.AsyncClient | socketio.AsyncServer], event: str) -> int:
    """Count the handlers that python-socketio's clients or servers would call for an event.

    Each calls one at most, however many are registered: the function for the event, else the one
    for ``"*"``, else the method of a namespace class.
    """
    return sum(_would_call(end, event) for end in ends)


def _would_call(end: socketio.AsyncClient | socketio.AsyncServer, event: str) -> bool:
    functions, methods = end.handlers.get("/", {}), end.namespace_handlers.get("/")
    catches_all = "*" in functions and event not in end.reserved_events
    return event in functions or catches_all or hasattr(methods, f"on_{event}")


def carried(link: Link, event: str, way: Direction = TO_CLIENT) -> int:
    """Count the packets of an event that carried :data:`MESSAGE` this way, lost ones included."""
    return sum(
        packet.event == event and packet.direction == way and MESSAGE in repr(packet.data)
        for packet in link.packets
    )


class Log:
    """What an application keeps of the message: lines of a screen, rows of a table.

    Attributes
    ----------
    calls : int
        How often a handler was called with it.
    rows : list
        What these calls have added.
    """

    def __init__(self) -> None:
        self.calls = 0
        self.rows: list[Any] = []

    def add(self, *arguments: Any) -> None:
        """Handle an event of a client, ``(text)``, or of a server, ``(sid, text)``."""
        if arguments[-1] == MESSAGE:
            self.calls += 1
            self.rows.append(MESSAGE)


# --- JavaScript ------------------------------------------------------------------------


class SharedNode:
    """One Node.js for several reproductions: starting one costs more than most of them."""

    def __init__(self) -> None:
        self._starting = asyncio.Lock()
        self._js: NodeClient | None = None

    async def get(self) -> NodeClient:
        """Give it; the first who asks starts it."""
        async with self._starting:
            if self._js is None:
                self._js = await NodeClient.start()
                await self._js.run(_TAB_JS.read_text(), timeout=PATIENCE)
        return self._js

    async def close(self) -> None:
        """End it, if it was started."""
        if self._js is not None:
            await self._js.close()


shared_node: ContextVar[SharedNode | None] = ContextVar("shared_node", default=None)
"""The Node.js of the run that a reproduction is part of; None if it is run by itself."""


@asynccontextmanager
async def one_node() -> AsyncIterator[SharedNode]:
    """Give the Node.js of the run; where there is none, one that lives as long as the block."""
    if (shared := shared_node.get()) is not None:
        yield shared
        return
    own = SharedNode()
    token = shared_node.set(own)
    try:
        yield own
    finally:
        shared_node.reset(token)
        await own.close()


class Tab:
    """A scope of its own in Node.js, as a tab of a browser is; made by :func:`tab`.

    ``await tab("calls()")`` calls what its snippet has returned by that name.
    """

    def __init__(self, js: NodeClient, scope: str) -> None:
        self._js = js
        self._scope = scope

    async def __call__(self, call: str) -> Any:
        """Evaluate a call of one of the functions that the snippet has returned."""
        return await self._js.run(f"{self._scope}.{call}", timeout=PATIENCE)

    async def counted(self, event: str, link: Link, sids: int) -> Counters:
        """Count what came to this tab; its ``counts()`` gives listeners, calls and effects."""
        listeners, calls, effects = await self("counts()")
        return Counters(listeners, sids, carried(link, event), calls, effects)


_numbers = itertools.count(1)

_TAB_JS = Path(__file__).with_name("tab.js")
_OPEN = """await openTab(%s, async ({ url, MESSAGE, ending, fast, io, connected, serve }) => {%s
})"""


@asynccontextmanager
async def tab(url: str | None, snippet: str) -> AsyncIterator[Tab]:
    """Run a snippet of JavaScript in a scope of its own, and close what it opened at the end.

    In its scope are, besides the globals of :class:`~sio_demo.lab.node.NodeClient`:

    - ``url``: the argument; ``MESSAGE``; ``fast``: the options with which ``io`` comes back
      within milliseconds;
    - ``connected(socket)``: a promise of its next ``connect``;
    - ``await serve(options)``: a real Socket.IO server in JavaScript, with its ``url``;
    - ``ending(end)``: have ``end()`` called at the end; ``io`` and ``serve`` do so themselves.

    It may ``await``, and it returns an object of the functions that Python is to call:
    ``return { calls: () => calls }``.
    """
    number = next(_numbers)
    arguments = ", ".join(map(json.dumps, (number, url, MESSAGE)))
    async with one_node() as node:
        js = await node.get()
        await js.run(_OPEN % (arguments, snippet), timeout=PATIENCE)
        tab = Tab(js, f"tabs.get({number})")
        try:
            yield tab
        finally:
            await tab("end()")
