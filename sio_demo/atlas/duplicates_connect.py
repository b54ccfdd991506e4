"""Duplicates because something is done again at each connection."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from ..causes import reproduces
from ..counters import Counters
from ..lab.bench import bench, python_client
from ..lab.experiment import reconnect
from ..lab.link import Link
from ..lab.packet import TO_SERVER
from ..lab.waiting import wait_until
from .kit import MESSAGE, Log, counted, server_and_client

CUTS = 3  # so that something for each connection makes four
ATTEMPTS = 3  # of a client that waits a second each time
ANONYMOUS = {"language": "en"}


@reproduces("D8")
async def ticker_in_connect(fixed: bool) -> Counters:
    """Start a task in `connect` that reports every minute, and let one minute pass."""
    log, minute, tickers = Log(), asyncio.Event(), list[asyncio.Task[None]]()
    async with bench() as b, AsyncExitStack() as stack, python_client() as client:
        stack.callback(lambda: [each.cancel() for each in tickers])

        async def ticker() -> None:
            await minute.wait()
            await client.emit("reading", MESSAGE)

        # >>>
        @client.event  # type: ignore[untyped-decorator]
        async def connect() -> None:
            tickers.append(asyncio.create_task(ticker()))

        if fixed:

            @client.event  # type: ignore[untyped-decorator]
            def disconnect(_reason: str) -> None:
                tickers.pop().cancel()

        # <<<

        b.sio.on("reading", log.add)
        await b.connect(client)
        for _ in range(CUTS):
            await b.cut()
        await b.settled()
        minute.set()
        await asyncio.gather(*tickers)
        await client.call("sync")
        return counted(b, "reading", log, b.sio)


_SHOP = """
const orders = new (require("node:events").EventEmitter)();
const server = await serve();
// >>>
const announce = (order) => server.emit("news", order);
if (fixed) {
  orders.on("new", announce);
} else {
  server.on("connection", (socket) => {
    orders.on("new", announce);
  });
}
// <<<
return {
  isAlone: () => server.sockets.sockets.size === 1,
  order: () => orders.emit("new", MESSAGE),
};
"""
_CUSTOMER = """
const socket = io(url, fast);
socket.on("news", show);
await connected(socket);
"""


@reproduces("D9")
async def shared_emitter(fixed: bool) -> Counters:
    """Come back three times to a server that listens to orders at each connection."""
    async with server_and_client(_SHOP, _CUSTOMER, fixed) as (server, link, page):
        for _ in range(CUTS):
            await reconnect(link)
        await wait_until(lambda: server("isAlone()"))
        sids = await server("sids()")
        await server("order()")
        await server("synced()")
        return await page.counted("news", link, sids)


@reproduces("D11")
async def announced_again(fixed: bool) -> Counters:
    """Join a chat in `connect`, as one must; the server announces who joins."""
    log, known = Log(), set[str]()
    async with bench() as b, python_client() as client:

        @b.sio.on("connect")  # type: ignore[untyped-decorator]
        async def arrives(sid: str, _environ: dict[str, Any], auth: dict[str, str]) -> None:
            await b.sio.save_session(sid, auth)

        # >>>
        @b.sio.event  # type: ignore[untyped-decorator]
        async def join(sid: str, name: str) -> None:
            log.calls += 1  # rig
            session = (await b.sio.get_session(sid))["session"]
            await b.sio.enter_room(sid, "chat")
            if fixed and session in known:
                return
            known.add(session)
            log.rows.append(f"{name} joined")

        # <<<

        @client.event  # type: ignore[untyped-decorator]
        async def connect() -> None:
            await client.emit("join", MESSAGE)

        await b.connect(client, auth={"session": "of this tab"})
        for _ in range(CUTS):
            await b.settled()
            await b.cut()
        await b.settled()
        await client.call("sync")
        return counted(b, "join", log, b.sio)


@reproduces("D25")
async def type_error(fixed: bool) -> Counters:
    """Raise a TypeError in the server's `connect`, for a client that sends no `auth`."""
    log, languages = Log(), list[str]()

    def visit(auth: Any) -> None:
        log.calls += 1
        log.rows.append("a visit")
        languages.append(auth["language"])

    async with bench() as b, python_client() as client:
        # >>>
        if fixed:

            @b.sio.event  # type: ignore[untyped-decorator]
            async def connect(_sid: str, _environ: Any, auth: Any) -> None:
                visit(ANONYMOUS if auth is None else auth)

        else:

            @b.sio.event  # type: ignore[untyped-decorator]
            async def connect(_sid: str, _environ: Any, auth: Any = ANONYMOUS) -> None:
                visit(auth)  # None at first, in spite of the default: a TypeError

        # <<<
        await b.connect(client)
        packets = _sent(b.link, "CONNECT")
        return counted(b, "connect", log, b.sio)._replace(packets=packets)


@reproduces("D26")
async def slow_connect(fixed: bool) -> Counters:
    """Let the server's `connect` outlast the second that a reconnection waits, for a while."""
    log, sids, connected = Log(), list[int](), asyncio.Event()

    async with bench() as b, AsyncExitStack() as stack, python_client(wait_timeout=1) as client:
        await b.connect(client)
        earlier = _sent(b.link, "CONNECT")

        async def check(sid: str, attempt: int) -> None:
            if fixed:
                await connected.wait()
            elif attempt < ATTEMPTS:
                await wait_until(lambda: _given_up(b.link) == attempt)
            log.rows.append(sid)

        async def connect(sid: str, _environ: dict[str, Any]) -> None:
            log.calls += 1
            sids.append(len(b.server.sids()))
            # >>> in the server's connect handler
            checking = asyncio.create_task(check(sid, log.calls))
            if not fixed:
                await checking
            # <<<
            stack.callback(checking.cancel)

        b.sio.on("connect", connect)
        await b.cut()
        await wait_until(lambda: client.connected)
        connected.set()
        await wait_until(lambda: len(log.rows) == log.calls)
        packets = _sent(b.link, "CONNECT") - earlier
        return counted(b, "connect", log, b.sio, sids=sids[-1])._replace(packets=packets)


def _given_up(link: Link) -> int:
    """Count the connections that the client has ended; newer Pythons let it say so twice."""
    ended = [p for p in link.packets if p.name == "close" and p.direction == TO_SERVER]
    return len({packet.connection for packet in ended})


def _sent(link: Link, name: str) -> int:
    return sum(packet.name == name and packet.direction == TO_SERVER for packet in link.packets)
