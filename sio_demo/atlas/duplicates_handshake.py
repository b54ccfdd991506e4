"""Duplicates because the server's connect handler runs again for one connection of the user."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from ..causes import reproduces
from ..counters import Counters
from ..lab.bench import bench, python_client
from ..lab.link import Link
from ..lab.packet import TO_SERVER
from ..lab.waiting import wait_until
from .kit import Log, background, counted

ATTEMPTS = 3  # of a client that waits a second each time
ANONYMOUS = {"language": "en"}


@reproduces("D25")
async def type_error(fixed: bool) -> Counters:
    """Raise a TypeError in the server's `connect`, for a client that sends no `auth`."""
    log, languages = Log(), list[str]()

    def visit(auth: Any) -> None:
        log.calls += 1
        log.rows.append("a visit")
        languages.append(auth["language"])

    async def connect_by_default(_sid: str, _environ: Any, auth: Any = ANONYMOUS) -> None:
        visit(auth)  # None, at first: a default does not help against it

    async def connect(_sid: str, _environ: Any, auth: Any) -> None:
        visit(ANONYMOUS if auth is None else auth)

    async with bench() as b, python_client() as client:
        b.sio.on("connect", connect if fixed else connect_by_default)
        await b.connect(client)
        packets = _sent(b.link, "CONNECT")
        return counted(b, "connect", log, b.sio)._replace(packets=packets)


@reproduces("D26")
async def slow_connect(fixed: bool) -> Counters:
    """Let the server's `connect` outlast the second that a reconnection waits, for a while."""
    log, sids, connected = Log(), list[int](), asyncio.Event()

    async with (
        bench() as b,
        AsyncExitStack() as tasks,
        python_client(wait_timeout=1) as client,
    ):
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
            checking = await tasks.enter_async_context(background(check(sid, log.calls)))
            if not fixed:
                await checking

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
