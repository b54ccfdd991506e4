"""Losses in python-socketio's handlers: the message is handled, and its effect is not there."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from ..causes import reproduces
from ..counters import Counters
from ..lab.bench import bench, python_client
from ..lab.packet import TO_SERVER
from ..lab.waiting import wait_until
from .kit import MESSAGE, Log, carried, counted


@reproduces("L18")
async def overtaken(fixed: bool) -> Counters:
    """Send two prices, of which the older one takes longer to handle."""
    prices = Log()  # its rows in the order in which they were set; the last one is shown
    exchange = asyncio.Event()
    async with (
        bench(async_handlers=not fixed) as b,
        AsyncExitStack() as at_the_end,
        python_client() as client,
        python_client() as other,
    ):
        at_the_end.callback(exchange.set)

        async def price(sid: str, text: str) -> None:
            prices.calls += text == MESSAGE
            if text != MESSAGE:
                await exchange.wait()  # this one takes longer
            prices.rows.append(text)

        b.sio.on("price", price)
        await b.connect(client)
        sids = len(b.server.sids())
        await b.connect(other)
        await client.emit("price", "an older price")
        await client.emit("price", MESSAGE)
        await wait_until(lambda: carried(b.link, "price", TO_SERVER) == 1)
        await other.call("sync")  # by now it is handled, if it need not wait
        exchange.set()
        await wait_until(lambda: len(prices.rows) == 2)
        effects = prices.rows[-1:].count(MESSAGE)
        return counted(b, "price", prices, b.sio, sids=sids)._replace(effects=effects)


@reproduces("L20")
async def replaced(fixed: bool) -> Counters:
    """Register two handlers for one event, of which the first stores it."""
    screen, table = Log(), Log()
    async with bench() as b, python_client() as client:

        def both(text: str) -> None:
            screen.add(text)
            table.add(text)

        for handler in [both] if fixed else [table.add, screen.add]:
            client.on("news", handler)
        await b.connect(client)
        await b.sio.emit("news", MESSAGE)
        await b.settled()
        screen.rows = table.rows  # what is missing there
        return counted(b, "news", screen, client)


@reproduces("L21")
async def wrong_user(fixed: bool) -> Counters:
    """Register a handler at each connection that remembers its user."""
    user_of: dict[str, str] = {}
    said = Log()
    async with bench() as b, python_client() as ann, python_client() as bob:

        def say_by_sid(sid: str, text: str) -> None:
            said.rows.append((user_of[sid], text))

        def connect(sid: str, environ: Any, auth: dict[str, str]) -> None:
            user = user_of[sid] = auth["user"]
            if not fixed:
                b.sio.on("say", lambda _sid, text: said.rows.append((user, text)))

        if fixed:
            b.sio.on("say", say_by_sid)
        b.sio.on("connect", connect)
        await b.connect(ann, auth={"user": "ann"})
        await b.connect(bob, auth={"user": "bob"})
        await ann.call("say", MESSAGE)
        sids = sum(user_of[sid] == "ann" for sid in b.server.sids())
        said.calls, effects = len(said.rows), said.rows.count(("ann", MESSAGE))
        return counted(b, "say", said, b.sio, sids=sids)._replace(effects=effects)
