"""Duplicates because the server sends one message more than once to one user."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

from ..causes import reproduces
from ..counters import Counters
from ..lab.bench import bench, connects, python_client
from ..lab.waiting import wait_until
from .kit import MESSAGE, Log, carried, counted
from .pubsub import MemoryManager, MemoryQueue

ROOMS = ["sports", "local", "today"]
SERVERS = 2


@reproduces("D16")
async def zombie(fixed: bool) -> Counters:
    """Come back while the server has not noticed that the old connection is dead."""
    screen = Log()
    async with bench() as b, python_client() as client:

        async def connect(sid: str, _environ: dict[str, Any], auth: dict[str, str]) -> None:
            room = auth["user"]
            if fixed:
                for old, _ in list(b.sio.manager.get_participants("/", room)):
                    await b.sio.disconnect(old)
            await b.sio.enter_room(sid, room)

        b.sio.on("connect", connect)
        client.on("news", screen.add)
        sid = await b.connect(client, auth={"user": "ann"})
        await b.link.cut("half-open")
        await wait_until(lambda: connects(b.link) == 2 and client.get_sid() not in (None, sid))
        sids = len(b.server.sids())
        await b.sio.emit("news", MESSAGE, to="ann")
        await wait_until(lambda: carried(b.link, "news") == sids)
        await b.sio.call("sync", to=client.get_sid())
        return counted(b, "news", screen, client, sids=sids)


@reproduces("D17")
async def every_server(fixed: bool) -> Counters:
    """Let two servers react to one event from outside, and emit through their queue."""
    screen, queue = Log(), MemoryQueue()
    async with AsyncExitStack() as stack:
        servers = []
        for _ in range(SERVERS):
            manager = await stack.enter_async_context(MemoryManager(queue))
            servers.append(await stack.enter_async_context(bench(client_manager=manager)))
            manager.initialize()  # else the server's first client would
            servers[-1].sio.manager_initialized = True
        client = await stack.enter_async_context(python_client())
        client.on("news", screen.add)
        user = servers[0]
        await user.connect(client)
        await wait_until(lambda: len(queue.subscribers) == SERVERS)
        for each in servers:
            await each.sio.emit("news", MESSAGE, ignore_queue=fixed)
        await wait_until(lambda: carried(user.link, "news") == (1 if fixed else SERVERS))
        await user.settled()
        return counted(user, "news", screen, client)


@reproduces("D18")
async def room_by_room(fixed: bool) -> Counters:
    """Send to three rooms that one user is in."""
    screen = Log()
    async with bench() as b, python_client() as client:
        client.on("news", screen.add)
        sid = await b.connect(client)
        for room in ROOMS:
            await b.sio.enter_room(sid, room)
        if fixed:
            await b.sio.emit("news", MESSAGE, to=ROOMS)
        else:
            for room in ROOMS:
                await b.sio.emit("news", MESSAGE, to=room)
        await b.settled()
        return counted(b, "news", screen, client)
