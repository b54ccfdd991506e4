"""Losses because the client was away, or did not know that it was."""

import asyncio
from contextlib import AsyncExitStack, suppress

from socketio.exceptions import BadNamespaceError
from socketio.exceptions import TimeoutError as NoAcknowledgementError

from ..causes import reproduces
from ..counters import Counters
from ..lab.bench import bench, python_client
from ..lab.experiment import settled
from ..lab.packet import TO_CLIENT, TO_SERVER
from ..lab.waiting import wait_until
from .kit import MESSAGE, Log, carried, counted, left_behind, news, rig

SILENCE = 0.1  # seconds until a caller gives up; in a black hole no answer can come


@reproduces("L1")
async def no_buffer(fixed: bool) -> Counters:
    """Emit to a client that is away."""
    kept: list[str] = []
    async with rig() as (b, client, screen):
        client.on("news", screen.add)
        await b.connect(client)
        async with b.outage():
            await wait_until(lambda: not (client.connected or b.server.sids()))
            sids = len(b.server.sids())
            # >>> while the client is away
            await b.sio.emit("news", MESSAGE)
            if fixed:
                kept.append(MESSAGE)
        await wait_until(lambda: client.connected)

        # >>> when it is back
        if fixed:

            @b.sio.event  # type: ignore[untyped-decorator]
            async def missed(sid: str, offset: int) -> None:
                for text in kept[offset:]:
                    await b.sio.emit("news", text, to=sid)

            sids = len(b.server.sids())  # rig
            await client.call("missed", len(screen.rows))  # from the client
        # <<<
        return await left_behind(b, "news", screen, client, sids=sids)


@reproduces("L2")
async def unnoticed_outage(fixed: bool) -> Counters:
    """Emit into a black hole, and cut the link."""
    async with rig() as (b, client, booked):
        b.sio.on("order", booked.add)
        await b.connect(client)
        sids = len(b.server.sids())
        async with b.link.black_hole(TO_SERVER):
            # >>> in an outage that was not noticed yet
            if fixed:
                with suppress(NoAcknowledgementError):
                    await client.call("order", MESSAGE, timeout=SILENCE)
            else:
                await client.emit("order", MESSAGE)  # raises nothing
            # <<<
            await wait_until(lambda: carried(b.link, "order", TO_SERVER) == 1)
            await b.link.cut()
            await wait_until(lambda: not (client.connected or b.server.sids()))
        await wait_until(lambda: client.connected)
        # >>> when the client is back
        if fixed:
            sids = len(b.server.sids())  # rig
            await client.call("order", MESSAGE)
        # <<<
        return await left_behind(b, "order", booked, b.sio, sids=sids)


@reproduces("L3")
async def known_offline(fixed: bool) -> Counters:
    """Emit after a drop, before the client is back."""
    outbox: list[str] = []
    log: list[Exception] = []
    async with rig() as (b, client, booked):
        b.sio.on("order", booked.add)
        await b.connect(client)
        async with b.outage():
            await wait_until(lambda: not (client.connected or b.server.sids()))
            sids = len(b.server.sids())
            # >>>
            try:
                await client.emit("order", MESSAGE)
            except BadNamespaceError as error:
                if fixed:
                    outbox.append(MESSAGE)
                else:
                    log.append(error)
        await wait_until(lambda: client.connected)
        # >>> when the client is back
        if fixed:
            sids = len(b.server.sids())  # rig
            await client.call("order", outbox[0])  # then take it out
        # <<<
        return await left_behind(b, "order", booked, b.sio, sids=sids)


@reproduces("L4")
async def answer_lost(fixed: bool) -> Counters:
    """Count the answer to a payment: :data:`MESSAGE` on its way back."""
    receipts: dict[str, str] = {}
    bank = asyncio.Event()

    async def pay(_sid: str, number: str) -> str:
        if number not in receipts:
            await bank.wait()
            receipts[number] = MESSAGE
        return receipts[number]

    async with rig() as (b, client, screen), AsyncExitStack() as at_the_end:
        at_the_end.callback(bank.set)
        b.sio.on("pay", pay)
        await b.connect(client)
        asked = b.link.expect("pay", TO_SERVER)
        # >>>
        await client.emit("pay", "payment 1", callback=screen.add)
        # <<<
        await asked
        await client.call("sync")  # the handler runs
        await b.cut()
        await wait_until(lambda: client.connected)
        bank.set()
        await wait_until(lambda: bool(receipts))
        # >>> after a reconnect; the server keeps its answer for each id
        if fixed:
            await client.emit("pay", "payment 1", callback=screen.add)
        # <<<
        waiting = client.callbacks.get("/", {}).values()  # internal
        listeners = sum(callback == screen.add for callback in waiting)
        await client.call("sync")
        packets = sum(p.name == "ACK" and p.data == [MESSAGE] for p in b.link.packets)
        return Counters(listeners, len(b.server.sids()), packets, screen.calls, len(screen.rows))


@reproduces("L16a")
async def dead_and_connected(fixed: bool) -> Counters:
    """Cut the link while the `connect` handler of a reconnection runs."""
    slow = asyncio.Event()
    async with rig() as (b, client, booked), AsyncExitStack() as at_the_end:
        at_the_end.callback(slow.set)

        async def load() -> None:
            await slow.wait()

        # >>>
        async def connect() -> None:
            if fixed:
                client.start_background_task(load)
            else:
                await load()

        # <<<
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
            await client.eio.wait()  # the transport has ended; internal
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
        # >>> a client that gave up once
        if fixed:
            client = other  # another client object
        await b.connect(client)
        # <<<
        if fixed:
            await b.cut()
        else:
            await b.link.cut()
            await client.wait()  # returns when the connection has ended for good
        return await news(b, screen, client)


@reproduces("L17")
async def goodbye_too_soon(fixed: bool) -> Counters:
    """Disconnect while a request is under way, behind which the message has to wait."""
    async with rig() as (b, client, booked):

        async def leave() -> None:
            await under_way
            # >>>
            if fixed:
                await client.call("order", MESSAGE)
            else:
                await client.emit("order", MESSAGE)
            await client.disconnect()

        b.sio.on("order", booked.add)
        await b.connect(client, transports=["polling"])
        sids = len(b.server.sids())
        under_way = b.link.expect("order", TO_SERVER)
        async with asyncio.TaskGroup() as tasks:
            goodbye = tasks.create_task(leave())
            async with b.link.black_hole(TO_CLIENT):
                await client.emit("order", "another message")
                await wait_until(lambda: not client.eio.queue.empty())  # it waits; internal
            await wait_until(lambda: client.eio.write_loop_task is None)  # no more sent; internal
            async with b.link.refuse():
                await b.link.cut()  # else it waits for the answer to its last poll, for long
                await goodbye
        return counted(b, "order", booked, b.sio, sids=sids)
