"""Losses in python-socketio's handlers: the message is handled, and its effect is not there."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from ..counters import Counters
from ..lab.bench import bench, python_client
from ..lab.packet import TO_SERVER
from ..lab.waiting import wait_until
from .cause import Cause
from .kit import MESSAGE, Log, carried, counted

# --- L18 -------------------------------------------------------------------------------


async def _overtaken(fixed: bool) -> Counters:
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


# --- L20 -------------------------------------------------------------------------------


async def _replaced(fixed: bool) -> Counters:
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


# --- L21 -------------------------------------------------------------------------------


async def _wrong_user(fixed: bool) -> Counters:
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


CAUSES = (
    Cause(
        letter="L18",
        title="Handlers overlap, so an older message has the last word",
        family="loss",
        measured_with=("python-socketio client", "python-socketio server"),
        also_known_from=("Flask-SocketIO",),
        symptom="The messages arrive in order, and yet an old value stays. The effect of the last "
        "message is lost; so is an offset that is taken from it.",
        mechanism="Each event is handled in a task or thread of its own. A handler that waits is "
        "overtaken by the next.",
        fix="On the server `async_handlers=False`. Else number the messages, and do not go back; "
        "as an offset keep the highest number without a gap.",
        evidence=(
            "miguelgrinberg/python-socketio#382",
            "miguelgrinberg/python-socketio#284",
            "miguelgrinberg/Flask-SocketIO#1420",
        ),
        reproduce=_overtaken,
    ),
    Cause(
        letter="L20",
        title="A second handler for the event has replaced the first",
        family="loss",
        measured_with=("python-socketio client", "python-socketio server"),
        symptom="Two parts of a program handle the same event. One of them is never called, and "
        "nothing says so. Here the row that the first should store is missing.",
        mechanism="`on()` keeps one handler per event and namespace: the last.",
        fix="Register one handler that calls both.",
        evidence=(
            "miguelgrinberg/python-socketio#906",
            "miguelgrinberg/python-engineio#77",
        ),
        reproduce=_replaced,
    ),
    Cause(
        letter="L21",
        title="A handler registered in the server's connect files every message under one user",
        family="loss",
        measured_with=("python-socketio client", "python-socketio server"),
        symptom="What Ann says is filed under Bob, who connected last.",
        mechanism="In JavaScript each socket has its own listeners. In Python the handler belongs "
        "to the server: each connection replaces it, for all, by one that remembers its own user.",
        fix="Register once, outside, and find the user by the `sid` argument.",
        evidence=("https://python-socketio.readthedocs.io/en/stable/server.html",),
        reproduce=_wrong_user,
    ),
)
