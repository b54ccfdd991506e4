"""Losses because a message was on its way while the connection was not there."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress

from socketio.exceptions import BadNamespaceError
from socketio.exceptions import TimeoutError as NoAcknowledgementError

from ..counters import Counters
from ..lab.bench import bench, python_client
from ..lab.packet import TO_SERVER
from ..lab.waiting import wait_until
from .cause import Cause
from .kit import MESSAGE, Log, carried, counted

SILENCE = 0.1  # seconds until a caller gives up; in a black hole no answer can come

# --- L1 --------------------------------------------------------------------------------


async def _no_buffer(fixed: bool) -> Counters:
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


# --- L2 --------------------------------------------------------------------------------


async def _unnoticed_outage(fixed: bool) -> Counters:
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


# --- L3 --------------------------------------------------------------------------------


async def _known_offline(fixed: bool) -> Counters:
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


# --- L4 --------------------------------------------------------------------------------


async def _answer_lost(fixed: bool) -> Counters:
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


CAUSES = (
    Cause(
        letter="L1",
        title="The server keeps nothing for a client that is away",
        family="loss",
        measured_with=("python-socketio client", "python-socketio server"),
        also_known_from=("socket.io",),
        symptom="What the server emits during a client's outage is never seen by that client. "
        "Nobody gets an error.",
        mechanism="An emit goes to the sessions that are there at this moment. An event for nobody "
        "is not stored: delivery is at most once.",
        fix="Store what must arrive. Let the client tell how far it has come when it is back, and "
        "send it the rest.",
        evidence=(
            "https://socket.io/docs/v4/delivery-guarantees/",
            "socketio/socket.io#3202",
            "socketio/socket.io-client#1358",
        ),
        reproduce=_no_buffer,
    ),
    Cause(
        letter="L2",
        title="Emitted in an outage that nobody has noticed yet",
        family="loss",
        measured_with=("python-socketio client", "python-socketio server"),
        also_known_from=("socket.io-client",),
        symptom="The client emits, there is no error, and the server never hears of it. It happens "
        "in the seconds before a drop is noticed.",
        mechanism="The packet is handed to a connection that is dead already. When the drop is "
        "noticed, nobody remembers what was on its way.",
        fix="Ask for an acknowledgement, with a timeout, and send again what was not acknowledged. "
        "The first one may have arrived: give it an id (see D15).",
        evidence=(
            "https://socket.io/docs/v4/delivery-guarantees/",
            "socketio/socket.io-client#1433",
        ),
        reproduce=_unnoticed_outage,
    ),
    Cause(
        letter="L3",
        title="Emitted while the client knows that it is offline",
        family="loss",
        measured_with=("python-socketio client", "python-socketio server"),
        symptom="`emit()` raises BadNamespaceError during a reconnect. The program logs it, or "
        "dies of it, and the message is gone.",
        mechanism="python-socketio's client has no buffer: without a session it refuses to emit. "
        "socket.io-client would keep the event and send it later.",
        fix="Catch the error, keep the message in an outbox of your own, and send it in `connect`. "
        "`SimpleClient.emit()` waits for the connection instead.",
        evidence=(
            "miguelgrinberg/python-socketio#674",
            "miguelgrinberg/python-socketio#1113",
            "socketio/socket.io#4579",
        ),
        reproduce=_known_offline,
    ),
    Cause(
        letter="L4",
        title="The answer does not survive a reconnect",
        family="loss",
        measured_with=("python-socketio client", "python-socketio server"),
        also_known_from=("socket.io-client",),
        symptom="A call times out, or its callback never runs, though the server has done the "
        "work. The message that is counted here is the answer.",
        mechanism="An acknowledgement belongs to the session that asked. At a drop the client "
        "forgets its callbacks, and the server answers a session that is gone.",
        fix="Give each request an id and a short timeout, and ask again after a reconnect. The "
        "server replies to a known id with the answer that it has stored.",
        evidence=(
            "miguelgrinberg/python-socketio#612",
            "socketio/socket.io#3152",
            "socketio/socket.io#1918",
        ),
        reproduce=_answer_lost,
    ),
)
