"""Losses because a message was on its way while the connection was not there."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress

from socketio.exceptions import BadNamespaceError
from socketio.exceptions import TimeoutError as NoAcknowledgementError

from ..causes import reproduces
from ..counters import Counters
from ..lab.bench import bench, python_client
from ..lab.packet import TO_SERVER
from ..lab.waiting import wait_until
from .kit import MESSAGE, Log, carried, counted

SILENCE = 0.1  # seconds until a caller gives up; in a black hole no answer can come


@reproduces("L1")
async def no_buffer(fixed: bool) -> Counters:
    """Emit to a client that is away."""
    kept: list[str] = []
    screen = Log()
    async with bench() as b, python_client() as client:
        client.on("news", screen.add)
        await b.connect(client)
        async with b.link.refuse():
            await b.link.cut()
            await wait_until(lambda: not (client.connected or b.server.sids()))
            sids = len(b.server.sids())
            await b.sio.emit("news", MESSAGE)
            kept.append(MESSAGE)
        await wait_until(lambda: client.connected)

        async def missed(sid: str, offset: int) -> None:
            for text in kept[offset:]:
                await b.sio.emit("news", text, to=sid)

        if fixed:
            b.sio.on("missed", missed)
            sids = len(b.server.sids())
            await client.call("missed", len(screen.rows))
        await b.settled()
        return counted(b, "news", screen, client, sids=sids)


@reproduces("L2")
async def unnoticed_outage(fixed: bool) -> Counters:
    """Emit into a black hole, and cut the link."""
    booked = Log()
    async with bench() as b, python_client() as client:
        b.sio.on("order", booked.add)
        await b.connect(client)
        sids = len(b.server.sids())
        async with b.link.black_hole(TO_SERVER):
            if fixed:
                with suppress(NoAcknowledgementError):
                    await client.call("order", MESSAGE, timeout=SILENCE)
            else:
                await client.emit("order", MESSAGE)  # raises nothing
            await wait_until(lambda: carried(b.link, "order", TO_SERVER) == 1)
            await b.link.cut()
            await wait_until(lambda: not (client.connected or b.server.sids()))
        await wait_until(lambda: client.connected)
        if fixed:
            sids = len(b.server.sids())
            await client.call("order", MESSAGE)
        await client.call("sync")
        return counted(b, "order", booked, b.sio, sids=sids)


@reproduces("L3")
async def known_offline(fixed: bool) -> Counters:
    """Emit after a drop, before the client is back."""
    booked = Log()
    outbox: list[str] = []
    async with bench() as b, python_client() as client:
        b.sio.on("order", booked.add)
        await b.connect(client)
        async with b.link.refuse():
            await b.link.cut()
            await wait_until(lambda: not (client.connected or b.server.sids()))
            sids = len(b.server.sids())
            try:
                await client.emit("order", MESSAGE)
            except BadNamespaceError:
                outbox.append(MESSAGE)
        await wait_until(lambda: client.connected)
        if fixed:
            sids = len(b.server.sids())
            await client.call("order", outbox.pop())
        await client.call("sync")
        return counted(b, "order", booked, b.sio, sids=sids)


@reproduces("L4")
async def answer_lost(fixed: bool) -> Counters:
    """Count the answer to a payment: :data:`MESSAGE` on its way back."""
    receipts: dict[str, str] = {}
    screen = Log()
    bank = asyncio.Event()

    async def pay(_sid: str, number: str) -> str:
        if number not in receipts:
            await bank.wait()
            receipts[number] = MESSAGE
        return receipts[number]

    async with bench() as b, AsyncExitStack() as at_the_end, python_client() as client:
        at_the_end.callback(bank.set)
        b.sio.on("pay", pay)
        await b.connect(client)
        asked = b.link.expect("pay", TO_SERVER)
        await client.emit("pay", "payment 1", callback=screen.add)
        await asked
        await client.call("sync")  # the handler runs
        await b.cut()
        await wait_until(lambda: client.connected)
        bank.set()
        await wait_until(lambda: bool(receipts))
        if fixed:
            await client.emit("pay", "payment 1", callback=screen.add)
        waiting = client.callbacks.get("/", {}).values()
        listeners = sum(callback == screen.add for callback in waiting)
        await client.call("sync")
        packets = sum(p.name == "ACK" and p.data == [MESSAGE] for p in b.link.packets)
        return Counters(listeners, len(b.server.sids()), packets, screen.calls, len(screen.rows))
