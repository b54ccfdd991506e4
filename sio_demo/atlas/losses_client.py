"""Losses by states of python-socketio's client in which it takes messages and sends none."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from ..causes import reproduces
from ..counters import Counters
from ..lab.bench import bench, python_client
from ..lab.experiment import settled
from ..lab.packet import TO_CLIENT, TO_SERVER
from ..lab.waiting import wait_until
from .kit import MESSAGE, Log, background, counted


@reproduces("L16a")
async def dead_and_connected(fixed: bool) -> Counters:
    """Cut the link while the `connect` handler of a reconnection runs."""
    booked = Log()
    slow = asyncio.Event()
    async with bench() as b, AsyncExitStack() as at_the_end, python_client() as client:
        at_the_end.callback(slow.set)

        async def load() -> None:
            await slow.wait()

        async def connect() -> None:
            if fixed:
                client.start_background_task(load)
            else:
                await load()

        b.sio.on("order", booked.add)
        await b.connect(client)
        client.on("connect", connect)
        back = b.expect_client()
        await b.link.cut()
        sid = (await back).data["sid"]
        await settled(b.server, sid)  # its connect handler is at work
        back = b.expect_client()
        await b.link.cut()
        if fixed:
            await back
        else:
            await client.eio.wait()  # the transport has ended
        await b.gone([sid])
        slow.set()
        await wait_until(lambda: client.connected)
        sids = len(b.server.sids())
        await client.emit("order", MESSAGE)  # raises nothing
        if fixed:
            await client.call("sync")
        else:
            await b.link.idle()
        return counted(b, "order", booked, b.sio, sids=sids)


@reproduces("L16b")
async def gave_up_once(fixed: bool) -> Counters:
    """Drop a client that gave up after an earlier drop, and was connected by hand."""
    screen = Log()
    refused: list[str] = []
    async with (
        bench() as b,
        python_client(reconnection_attempts=1) as client,
        python_client(reconnection_attempts=1) as other,
    ):
        for each in (client, other):
            each.on("news", screen.add)
        client.on("connect_error", refused.append)
        await b.connect(client)
        async with b.link.refuse():
            await b.link.cut()
            await wait_until(lambda: bool(refused))  # it gives up
        if fixed:
            client = other
        await b.connect(client)
        if fixed:
            await b.cut()
        else:
            await b.link.cut()
            await client.wait()  # returns when the connection has ended for good
        sids = len(b.server.sids())
        await b.sio.emit("news", MESSAGE)
        await b.settled()
        return counted(b, "news", screen, client, sids=sids)


@reproduces("L17")
async def goodbye_too_soon(fixed: bool) -> Counters:
    """Disconnect while a request is under way, behind which the message has to wait."""
    booked = Log()
    async with bench() as b, python_client() as client:

        async def leave() -> None:
            await under_way
            if fixed:
                await client.call("order", MESSAGE)
            else:
                await client.emit("order", MESSAGE)
            await client.disconnect()

        b.sio.on("order", booked.add)
        await b.connect(client, transports=["polling"])
        sids = len(b.server.sids())
        under_way = b.link.expect("order", TO_SERVER)
        async with background(leave()) as goodbye:
            async with b.link.black_hole(TO_CLIENT):
                await client.emit("order", "another message")
                await wait_until(lambda: not client.eio.queue.empty())  # the message waits
            await wait_until(lambda: client.eio.write_loop_task is None)  # it sends no more
            async with b.link.refuse():
                await b.link.cut()  # else it waits for the answer to its last poll, for long
                await goodbye
        return counted(b, "order", booked, b.sio, sids=sids)
