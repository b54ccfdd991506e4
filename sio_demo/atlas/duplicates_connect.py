"""Duplicates because something is done again at each connection."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from ..causes import reproduces
from ..counters import Counters
from ..lab.bench import bench, python_client
from ..lab.experiment import reconnect
from ..lab.link import Link
from ..lab.waiting import wait_until
from .kit import MESSAGE, Log, background, counted, tab

CUTS = 3  # so that something for each connection makes four


@reproduces("D8")
async def ticker_in_connect(fixed: bool) -> Counters:
    """Start a task in `connect` that reports every minute, and let one minute pass."""
    log, minute, tickers = Log(), asyncio.Event(), list[asyncio.Task[None]]()
    async with bench() as b, AsyncExitStack() as tasks, python_client() as client:

        async def ticker() -> None:
            await minute.wait()
            await client.emit("reading", MESSAGE)

        @client.event  # type: ignore[untyped-decorator]
        async def connect() -> None:
            tickers.append(await tasks.enter_async_context(background(ticker())))

        @client.event  # type: ignore[untyped-decorator]
        def disconnect(_reason: str) -> None:
            if fixed:
                tickers.pop().cancel()

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
const announce = (order) => server.emit("news", order);
%s
server.on("connection", (socket) => {
  %s
});
return {
  url: () => server.url,
  sids: () => server.sockets.sockets.size,
  isAlone: () => server.sockets.sockets.size === 1,
  order: async () => {
    orders.emit("new", MESSAGE);
    await server.timeout(30000).emitWithAck("sync");
  },
};
"""
_CUSTOMER = """
let calls = 0;
const screen = [];
const socket = io(url, fast);
socket.on("news", (text) => { calls += 1; screen.push(text); });
socket.on("sync", (ack) => ack());
await connected(socket);
return { counts: () => [socket.listeners("news").length, calls, screen.length] };
"""


@reproduces("D9")
async def shared_emitter(fixed: bool) -> Counters:
    """Come back three times to a server that listens to orders at each connection."""
    listen = "orders.on('new', announce);"
    code = _SHOP % ((listen, "") if fixed else ("", listen))
    async with (
        tab(None, code) as server,
        await Link.to(await server("url()")) as link,
        tab(link.url, _CUSTOMER) as page,
    ):
        for _ in range(CUTS):
            await reconnect(link)
        await wait_until(lambda: server("isAlone()"))
        sids = await server("sids()")
        await server("order()")
        return await page.counted("news", link, sids)


@reproduces("D11")
async def announced_again(fixed: bool) -> Counters:
    """Join a chat in `connect`, as one must; the server announces who joins."""
    log, known = Log(), set[str]()
    async with bench() as b, python_client() as client:

        @b.sio.on("connect")  # type: ignore[untyped-decorator]
        async def arrives(sid: str, _environ: dict[str, Any], auth: dict[str, str]) -> None:
            await b.sio.save_session(sid, auth)

        @b.sio.event  # type: ignore[untyped-decorator]
        async def join(sid: str, name: str) -> None:
            log.calls += 1
            session = (await b.sio.get_session(sid))["session"]
            await b.sio.enter_room(sid, "chat")
            if not (fixed and session in known):
                log.rows.append(f"{name} joined")
            known.add(session)

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
