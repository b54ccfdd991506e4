"""What the reproductions share besides the bench: the message, the counting, a Node.js.

Notebook 09 shows the lines of a reproduction between ``# >>>`` and ``# <<<`` (or a dedent; in
JavaScript ``// >>>``), once with `fixed` false and once with it true. Text after ``>>>`` becomes a
comment; a line that ends with ``# rig`` is left out.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import socketio

from ..counters import Counters
from ..lab.bench import Bench, bench, python_client
from ..lab.link import Link
from ..lab.node import NodeClient
from ..lab.packet import TO_CLIENT, TO_SERVER, Direction

CUTS = 3  # so that something for each connection makes four
MESSAGE = "the message"
"""The payload of the one message that is counted; all other traffic carries something else."""


def counted(
    b: Bench,
    event: str,
    log: Log,
    *ends: socketio.AsyncClient | socketio.AsyncServer,
    **known: int,
) -> Counters:
    """Count what the message has left behind at its recipient: the server, or the user's clients.

    What is `known` is taken as it is: the number of `sids` when it came, if it is another one now.
    """
    packets = carried(b.link, event, TO_SERVER if b.sio in ends else TO_CLIENT)
    counters = handlers(ends, event), len(b.server.sids()), packets, log.calls, len(log.rows)
    return Counters(*counters)._replace(**known)


async def left_behind(
    b: Bench, event: str, log: Log, *ends: socketio.AsyncClient | socketio.AsyncServer, **known: int
) -> Counters:
    """Wait until all is handled, and count as :func:`counted` does."""
    await b.settled()
    return counted(b, event, log, *ends, **known)


async def news(b: Bench, log: Log, *clients: socketio.AsyncClient, **to: Any) -> Counters:
    """Send the message as ``"news"`` when all else is handled, and count what it leaves behind."""
    sids = await _send_news(b, **to)
    return counted(b, "news", log, *clients, sids=sids)


async def _send_news(b: Bench, **to: Any) -> int:
    """Send it when all else is handled, and wait for its end; return the live sessions before."""
    await b.settled()
    sids = len(b.server.sids())
    await b.sio.emit("news", MESSAGE, **to)
    await b.settled()
    return sids


@asynccontextmanager
async def rig(**options: Any) -> AsyncIterator[tuple[Bench, Any, Log]]:
    """Open a bench, whose server has these options, a client in Python, and a log."""
    async with bench(**options) as b, python_client() as client:
        yield b, client, Log()


def handlers(ends: Iterable[socketio.AsyncClient | socketio.AsyncServer], event: str) -> int:
    """Count the ends with a function for the event, one for ``"*"``, or a namespace's method."""
    count = 0
    for end in ends:
        functions, methods = end.handlers.get("/", {}), end.namespace_handlers.get("/")  # internal
        catches_all = "*" in functions and event not in end.reserved_events
        count += event in functions or catches_all or hasattr(methods, f"on_{event}")
    return count


def carried(link: Link, event: str, way: Direction = TO_CLIENT) -> int:
    """Count the packets of an event that carried :data:`MESSAGE` this way, lost ones included."""
    return sum(
        packet.event == event and packet.direction == way and MESSAGE in repr(packet.data)
        for packet in link.packets
    )


class Log:
    """What an application keeps of the message: lines of a screen, rows of a table."""

    def __init__(self) -> None:
        self.calls = 0  # of a handler, with the message
        self.rows: list[Any] = []  # what these calls have added

    def add(self, *arguments: Any) -> None:
        """Handle an event of a client, ``(text)``, or of a server, ``(sid, text)``."""
        if arguments[-1] == MESSAGE:
            self.calls += 1
            self.rows.append(MESSAGE)


# --- JavaScript ------------------------------------------------------------------------


class SharedNode:
    """One Node.js for all reproductions that run: starting one costs more than most of them."""

    def __init__(self) -> None:
        self._users = 0
        self._starting = asyncio.Lock()
        self._js: NodeClient | None = None

    async def get(self) -> NodeClient:
        async with self._starting:
            if self._js is None:
                self._js = await NodeClient.start()
                await self._js.run(_TAB_JS.read_text())
        return self._js

    async def __aenter__(self) -> SharedNode:
        self._users += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        self._users -= 1
        if not self._users and (js := self._js) is not None:
            self._js = None
            await js.close()


_nodes: WeakKeyDictionary[asyncio.AbstractEventLoop, SharedNode] = WeakKeyDictionary()


def one_node() -> SharedNode:
    """Return the Node.js of this event loop: who needs it enters it, and the last out ends it."""
    return _nodes.setdefault(asyncio.get_running_loop(), SharedNode())


class Tab:
    """A scope of its own in Node.js; ``await tab("calls()")`` calls what its snippet returned."""

    def __init__(self, js: NodeClient, scope: str) -> None:
        self._js = js
        self._scope = scope

    async def __call__(self, call: str) -> Any:
        return await self._js.run(f"{self._scope}.{call}")

    async def counted(
        self, event: str, link: Link, sids: int, way: Direction = TO_CLIENT
    ) -> Counters:
        """Count what came to this tab; its ``counts`` are listeners, calls and effects."""
        listeners, calls, effects = await self(f"counts({json.dumps(event)})")
        return Counters(listeners, sids, carried(link, event, way), calls, effects)

    async def news(self, b: Bench) -> Counters:
        """Let a server in Python send the message to this tab, as :func:`news` does, and count."""
        return await self.counted("news", b.link, await _send_news(b))


CONNECT = "io(url, fast);"  # a client that does nothing of itself

_numbers = itertools.count(1)

_TAB_JS = Path(__file__).with_name("tab.js")
_SCOPE = "url, fixed, MESSAGE, ending, rows, show, counts, fast, io, connected, serve"
_OPEN = "await openTab(%s, async ({ " + _SCOPE + " }) => {%s\n})"


@asynccontextmanager
async def tab(url: str | None, snippet: str, fixed: bool = False) -> AsyncIterator[Tab]:
    """Run a snippet of JavaScript in a scope of its own, and close what it opened at the end.

    Its clients are connected in the block. In its scope are, besides the globals of `NodeClient`:

    - ``url``, ``fixed``: the arguments; ``MESSAGE``; ``fast``: the options with which ``io`` comes
      back within milliseconds;
    - ``connected(socket)``: a promise of its next ``connect``;
    - ``show(text)``: count a call with the message, and keep it in ``rows``; ``counts(event)``: how
      many listeners the sockets have, the calls, and the rows;
    - ``await serve(options)``: a real Socket.IO server in JavaScript;
    - ``ending(end)``: have ``end()`` called at the end; ``io`` and ``serve`` do so themselves.
      Their sockets acknowledge ``"sync"``.

    Python can call ``counts(event)``; ``synced()``, a promise that the other side has acknowledged
    ``"sync"``; of a client ``send(event)``, which sends the message and is then ``synced``; of a
    server ``url()``, ``sids()``, and whether it ``has(number)`` of them; and what the snippet
    returns, like ``{ calls: () => calls }``.
    """
    number = next(_numbers)
    arguments = ", ".join(map(json.dumps, (number, url, fixed, MESSAGE)))
    async with one_node() as node:
        js = await node.get()
        await js.run(_OPEN % (arguments, snippet))
        tab = Tab(js, f"tabs.get({number})")
        try:
            yield tab
        finally:
            await tab("end()")


@asynccontextmanager
async def server_and_client(
    server: str, client: str, fixed: bool = False
) -> AsyncIterator[tuple[Tab, Link, Tab]]:
    """Run a server in JavaScript, a link to it, and a client behind the link, as :func:`tab`."""
    async with (
        tab(None, server, fixed) as serving,
        await Link.to(await serving("url()")) as link,
        tab(link.url, client, fixed) as coming,
    ):
        yield serving, link, coming
