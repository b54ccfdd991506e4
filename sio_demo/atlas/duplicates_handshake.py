"""Duplicates because the server's connect handler runs again for one connection of the user."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from ..counters import Counters
from ..lab.bench import bench, python_client
from ..lab.link import Link
from ..lab.packet import TO_SERVER
from ..lab.waiting import wait_until
from .cause import Cause
from .kit import Log, background, counted

ATTEMPTS = 3  # of a client that waits a second each time
ANONYMOUS = {"language": "en"}

# --- D25 -------------------------------------------------------------------------------


async def _type_error(fixed: bool) -> Counters:
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


# --- D26 -------------------------------------------------------------------------------


async def _slow_connect(fixed: bool) -> Counters:
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


CAUSES = (
    Cause(
        letter="D25",
        title="Server's connect handler raises a TypeError and is run again",
        family="duplicate",
        measured_with=("python-socketio client", "python-socketio server"),
        symptom="One connection runs the handler twice: two rows, one sid, and no error in "
        "the log if the second run succeeds.",
        mechanism="For a client without `auth`, python-socketio calls the handler with `auth`, "
        "takes a TypeError for a missing parameter, and calls it without. The TypeError may as "
        "well come from the body. `disconnect` has the same with its `reason`.",
        fix="Give `auth` no default and no `*args`: then the second call cannot run the body. And "
        "expect None in it, so that no TypeError leaves the body and the client gets in.",
        evidence=(
            "miguelgrinberg/python-socketio#1490",
            "https://python-socketio.readthedocs.io/en/stable/server.html#connect-and-disconnect-events",
        ),
        reproduce=_type_error,
    ),
    Cause(
        letter="D26",
        title="Server's connect handler takes longer than a second",
        family="duplicate",
        measured_with=("python-socketio client", "python-socketio server"),
        symptom="After one drop the handler runs again and again for a client that is never "
        "connected while the server is slow, though its first connection was no problem.",
        mechanism="The client connects again with the default `wait_timeout` of one second, not "
        "with the one of the first `connect()`. It hangs up while the handler works, and tries "
        "anew.",
        fix="Let the handler decide fast, and do what is slow in a task.",
        evidence=("miguelgrinberg/python-socketio#1056",),
        reproduce=_slow_connect,
    ),
)
