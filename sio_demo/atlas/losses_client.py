"""Losses by states of python-socketio's client in which it takes messages and sends none."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from ..counters import Counters
from ..lab.bench import bench, python_client
from ..lab.experiment import settled
from ..lab.packet import TO_CLIENT, TO_SERVER
from ..lab.waiting import wait_until
from .cause import Cause
from .kit import MESSAGE, Log, background, counted

# --- L16a ------------------------------------------------------------------------------


async def _dead_and_connected(fixed: bool) -> Counters:
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


# --- L16b ------------------------------------------------------------------------------


async def _gave_up_once(fixed: bool) -> Counters:
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


# --- L17 -------------------------------------------------------------------------------


async def _goodbye_too_soon(fixed: bool) -> Counters:
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


CAUSES = (
    Cause(
        letter="L16a",
        title="The client believes in a connection that is dead",
        family="loss",
        measured_with=("python-socketio client", "python-socketio server"),
        symptom="`connected` is true, emits raise nothing, nothing arrives, and the client never "
        "reconnects.",
        mechanism="The link broke again while the `connect` handler of a reconnection was running. "
        "The drop came before the client had called itself connected, so it changed nothing; then "
        "the handler returned, and the client did.",
        fix="Keep `connect` handlers short: start slow work as a task. Watch for answers, and make "
        "a new client when none come.",
        evidence=("miguelgrinberg/python-socketio#940",),
        reproduce=_dead_and_connected,
    ),
    Cause(
        letter="L16b",
        title="A client that once gave up does not reconnect by itself again",
        family="loss",
        measured_with=("python-socketio client", "python-socketio server"),
        symptom="After an outage the program connected again by hand. At the next drop the client "
        "stays away.",
        mechanism="A client with `reconnection_attempts` that has given up keeps its old reconnect "
        "task, and while it has one it starts no other. No thread was found that tells of it.",
        fix="Make a new client object, or leave `reconnection_attempts` at 0: for ever.",
        evidence=(
            "https://python-socketio.readthedocs.io/en/stable/api.html#socketio.AsyncClient",
        ),
        reproduce=_gave_up_once,
    ),
    Cause(
        letter="L16c",
        title="Packets left in the client's queue go to the next session",
        family="loss",
        also_known_from=("python-socketio client",),
        symptom="A message from before the drop is lost, and just after the reconnect the client "
        "may be disconnected again.",
        mechanism="The queue of outgoing packets was not emptied when a connection broke. The next "
        "session began with packets that belonged to the last.",
        fix="Upgrade python-engineio to 4.12.3 or newer.",
        evidence=("miguelgrinberg/python-engineio#414",),
        reason="It needs python-engineio 4.12.2 or older. There the packet was seen to go out on "
        "the next connection, ahead of its CONNECT; later releases empty the queue at a drop.",
    ),
    Cause(
        letter="L17",
        title="Disconnected right after the emit",
        family="loss",
        measured_with=("python-socketio client", "python-socketio server"),
        symptom="A short script connects, emits and disconnects, and the server misses the last "
        "events. With a pause before the end it works.",
        mechanism="`emit()` returns when the packet is queued, and `disconnect()` does not wait "
        "until the queue is empty. Here a request of long-polling was under way, and the packet "
        "waited behind it.",
        fix="Use `call()`, or wait for the acknowledgement, before you disconnect.",
        evidence=(
            "miguelgrinberg/python-socketio#562",
            "miguelgrinberg/python-socketio#888",
            "miguelgrinberg/python-socketio#1202",
        ),
        reproduce=_goodbye_too_soon,
    ),
)
