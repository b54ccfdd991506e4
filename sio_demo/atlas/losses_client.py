"""Losses by states of python-socketio's client in which it takes messages and sends none."""

from __future__ import annotations

import asyncio

from ..counters import Counters
from ..lab.experiment import settled
from ..lab.packet import TO_CLIENT, TO_SERVER
from .cause import Cause
from .kit import (
    MESSAGE,
    PATIENCE,
    PatientClient,
    Screen,
    background,
    bench,
    handlers,
    python_client,
    until,
)

# --- L16a ------------------------------------------------------------------------------


async def _dead_and_connected(fixed: bool) -> Counters:
    booked: list[str] = []
    slow = asyncio.Event()
    async with bench() as b, python_client(PatientClient) as client:

        async def load() -> None:
            await slow.wait()

        async def connect() -> None:
            if fixed:
                client.start_background_task(load)
            else:
                await load()

        b.sio.on("order", lambda sid, text: booked.append(text))
        b.sio.on("sync", lambda sid: None)
        await b.connect(client)
        client.on("connect", connect)
        back = b.link.expect("CONNECT", TO_CLIENT, timeout=PATIENCE)
        await b.link.cut()
        sid = (await back).data["sid"]
        await settled(b.server, sid)  # its connect handler is at work
        back = b.link.expect("CONNECT", TO_CLIENT, timeout=PATIENCE)
        await b.link.cut()
        if fixed:
            await back
        else:
            await client.eio.wait()  # the transport has ended
        await until(lambda: sid not in b.server.sids())
        slow.set()
        await until(lambda: client.connected)
        sids = len(b.server.sids())
        await client.emit("order", MESSAGE)  # raises nothing
        if fixed:
            await client.call("sync", timeout=PATIENCE)
        else:
            await b.link.idle()
        listeners, packets = handlers([b.sio], "order"), b.carried("order", TO_SERVER)
        return Counters(listeners, sids, packets, len(booked), len(booked))


# --- L16b ------------------------------------------------------------------------------


async def _gave_up_once(fixed: bool) -> Counters:
    screen = Screen()
    refused: list[str] = []
    async with (
        bench() as b,
        python_client(PatientClient, reconnection_attempts=1) as client,
        python_client(PatientClient, reconnection_attempts=1) as other,
    ):
        for each in (client, other):
            each.on("news", screen.show)
        client.on("connect_error", refused.append)
        await b.connect(client)
        async with b.link.refuse():
            await b.link.cut()
            await until(lambda: bool(refused))  # it gives up
        if fixed:
            client = other
        await b.connect(client)
        if fixed:
            await b.drop()
        else:
            await b.link.cut()
            await client.wait()  # returns when the connection has ended for good
        sids = len(b.server.sids())
        await b.sio.emit("news", MESSAGE)
        await b.settled()
        listeners = handlers([client], "news")
        return Counters(listeners, sids, b.carried("news"), screen.calls, len(screen.lines))


# --- L17 -------------------------------------------------------------------------------


async def _goodbye_too_soon(fixed: bool) -> Counters:
    booked: list[str] = []
    async with bench() as b, python_client() as client:

        async def leave() -> None:
            await under_way
            if fixed:
                await client.call("order", MESSAGE, timeout=PATIENCE)
            else:
                await client.emit("order", MESSAGE)
            await client.disconnect()

        b.sio.on("order", lambda sid, text: booked.append(text))
        await client.connect(b.link.url, transports=["polling"], wait_timeout=PATIENCE)
        listeners, sids = handlers([b.sio], "order"), len(b.server.sids())
        under_way = b.link.expect("order", TO_SERVER, timeout=PATIENCE)
        async with background(leave()) as goodbye:
            async with b.link.black_hole(TO_CLIENT):
                await client.emit("order", "another message")
                await until(lambda: fixed or client.eio.state != "connected")
            await until(lambda: client.eio.write_loop_task is None)  # it sends nothing any more
            async with b.link.refuse():
                await b.link.cut()  # else it waits for the answer to its last poll, for long
                await goodbye
        packets, calls = b.carried("order", TO_SERVER), booked.count(MESSAGE)
        return Counters(listeners, sids, packets, calls, calls)


CAUSES = (
    Cause(
        letter="L16a",
        title="The client believes in a connection that is dead",
        family="loss",
        hits=("python-socketio",),
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
        hits=("python-socketio",),
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
        hits=("python-socketio",),
        symptom="A message of before the drop is lost, and just after the reconnect the client may "
        "be disconnected again.",
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
        hits=("python-socketio",),
        symptom="A short script connects, emits and disconnects, and the server misses the last "
        "events. With a pause before the end it works.",
        mechanism="`emit()` returns when the packet is queued, and `disconnect()` does not wait "
        "until the queue is empty. Here a request was under way, and the packet waited behind it. "
        "With WebSocket it depends on the version of Python whether the last packet gets out.",
        fix="Use `call()`, or wait for the acknowledgement, before you disconnect.",
        evidence=(
            "miguelgrinberg/python-socketio#562",
            "miguelgrinberg/python-socketio#888",
            "miguelgrinberg/python-socketio#1202",
        ),
        reproduce=_goodbye_too_soon,
    ),
)
