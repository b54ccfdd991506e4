"""Duplicates because the server sends one message more than once to one user."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

from ..counters import Counters
from ..lab.bench import bench, connects, python_client
from ..lab.waiting import wait_until
from .cause import Cause
from .kit import MESSAGE, Log, carried, counted
from .pubsub import MemoryManager, MemoryQueue

ROOMS = ["sports", "local", "today"]
SERVERS = 2

# --- D16 -------------------------------------------------------------------------------


async def _zombie(fixed: bool) -> Counters:
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


# --- D17 -------------------------------------------------------------------------------


async def _every_server(fixed: bool) -> Counters:
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


# --- D18 -------------------------------------------------------------------------------


async def _room_by_room(fixed: bool) -> Counters:
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


CAUSES = (
    Cause(
        letter="D16",
        title="Half-open connection: the server holds two sessions for one user",
        family="duplicate",
        measured_with=("python-socketio client", "python-socketio server"),
        also_known_from=("socket.io",),
        symptom="After a network change the user is listed twice for up to ping interval plus "
        "ping timeout. Each message is sent twice, and handled once.",
        mechanism="The client has left, but no FIN or RST reached the server. The old session "
        "stays in its rooms until its ping goes unanswered.",
        fix="Key by the user: disconnect the user's earlier session at `connect`. Shorter "
        "`ping_interval` and `ping_timeout` make it rarer.",
        evidence=(
            "socketio/socket.io#2039",
            "socketio/socket.io#2351",
            "socketio/socket.io#2844",
            "socketio/socket.io#3616",
            "socketio/socket.io-client-java#87",
            "https://socket.io/docs/v4/how-it-works/#disconnection-detection",
        ),
        reproduce=_zombie,
    ),
    Cause(
        letter="D17",
        title="Every server reacts to one event and emits through the shared queue",
        family="duplicate",
        measured_with=("python-socketio client", "python-socketio server"),
        also_known_from=("socket.io",),
        symptom="With n servers each message from outside arrives n times; with one server, as "
        "on the developer's machine, once.",
        mechanism="A shared queue passes each emit on to all servers. If all of them emit, each "
        "client gets a copy from each.",
        fix="Let one process emit (`write_only=True`), or let each emit to its own clients only "
        "(`ignore_queue=True`; `io.local` in JavaScript).",
        evidence=(
            "miguelgrinberg/python-socketio#460",
            "socketio/socket.io-redis-adapter#119",
            "socketio/socket.io-redis-adapter#135",
            "https://python-socketio.readthedocs.io/en/stable/server.html#emitting-from-external-processes",
        ),
        reproduce=_every_server,
    ),
    Cause(
        letter="D18",
        title="One emit for each room, and the user is in several",
        family="duplicate",
        measured_with=("python-socketio client", "python-socketio server"),
        also_known_from=("socket.io",),
        symptom="If a user is in n of the rooms, n copies come; a user in one of them gets one. No "
        "reconnect is needed.",
        mechanism="Each emit is a message of its own: the server does not know that two of them "
        "mean the same.",
        fix="Emit once to the list of rooms: the server takes their union.",
        evidence=(
            "socketio/socket.io#379",
            "socketio/socket.io-redis-adapter#76",
            "socketio/socket.io-redis-adapter#151",
            "https://socket.io/docs/v4/rooms/",
        ),
        reproduce=_room_by_room,
    ),
    Cause(
        letter="D19",
        title="Redis adapter installed twice, or a broadcast with acknowledgement through it",
        family="duplicate",
        also_known_from=("socket.io",),
        symptom="Reported: a broadcast arrives twice with the Redis adapter, once without it.",
        mechanism="Not known: what we have seen of the two threads confirms no cause.",
        fix="Install the adapter in one place, and count what is published to its channel for "
        "one emit.",
        evidence=("nestjs/nest#14637", "socketio/socket.io-redis-adapter#477"),
        reason="It needs Redis and its adapter, which are not part of this project. A cluster "
        "adapter of socket.io's own, on a bus in memory and installed twice, delivered once.",
    ),
    Cause(
        letter="D27",
        title="Development reloader runs the program in two processes",
        family="duplicate",
        also_known_from=("Flask-SocketIO",),
        symptom="In debug mode a scheduled job has its effects twice; in production once.",
        mechanism="The reloader runs the module in a parent, which watches the files, and in a "
        "child, which serves. Both start what the module starts.",
        fix="`use_reloader=False`, or start jobs in the child only.",
        evidence=(
            "miguelgrinberg/Flask-SocketIO#617",
            "miguelgrinberg/Flask-SocketIO#567",
            "viniciuschiele/flask-apscheduler#140",
        ),
        reason="It is a feature of Flask's development server, which is not part of this project.",
    ),
)
