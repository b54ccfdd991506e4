"""Losses around the moment of connecting: a greeting or a question that comes too early."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from socketio.exceptions import BadNamespaceError

from ..counters import Counters
from ..lab.bench import bench, python_client
from ..lab.link import Link
from ..lab.packet import TO_SERVER
from .cause import Cause
from .kit import MESSAGE, Log, carried, counted, handlers, tab

# --- L7 --------------------------------------------------------------------------------

_LATE_LISTENER = """
let calls = 0, listeners, loaded;
const rows = [];
const account = new Promise((done) => { loaded = done; });
const server = await serve();
server.on("connection", async (socket) => {
  const listen = () => socket.on("order", (text) => { calls += 1; rows.push(text); });
  socket.on("sync", (ack) => ack());
  socket.prependAny(() => { listeners ??= socket.listeners("order").length; loaded(); });
  if (%(fixed)s) listen();
  await account;  // it takes as long as the client takes to send its first event
  if (!%(fixed)s) listen();
});
return {
  url: () => server.url,
  counts: () => [listeners, server.sockets.sockets.size, calls, rows.length],
};
"""
_HASTY_CLIENT = """
const socket = io(url, fast);
await connected(socket);
return {
  order: async () => { socket.emit("order", MESSAGE); await socket.emitWithAck("sync"); },
};
"""


async def _listener_after_await(fixed: bool) -> Counters:
    """Emit before the server listens."""
    code = _LATE_LISTENER % {"fixed": json.dumps(fixed)}
    async with (
        tab(None, code) as server,
        await Link.to(await server("url()")) as link,
        tab(link.url, _HASTY_CLIENT) as client,
    ):
        await client("order()")
        listeners, sids, calls, effects = await server("counts()")
        return Counters(listeners, sids, carried(link, "order", TO_SERVER), calls, effects)


# --- L8 --------------------------------------------------------------------------------


async def _greeting_overtakes(fixed: bool) -> Counters:
    """Reply to an event that comes before the answer to the CONNECT."""
    listeners = sids = 0
    answers = Log()
    async with bench(always_connect=fixed) as b, python_client() as client:

        async def connect(sid: str, environ: Any) -> None:
            nonlocal listeners, sids
            listeners, sids = handlers([client], "hello"), len(b.server.sids())
            await b.sio.emit("hello", MESSAGE, to=sid)

        async def hello(text: str) -> None:
            answers.calls += 1
            with suppress(BadNamespaceError):
                await client.emit("hello to you", text)

        b.sio.on("connect", connect)
        b.sio.on("hello to you", lambda _sid, text: answers.rows.append(text))
        client.on("hello", hello)
        await b.connect(client)
        await b.settled()
        await client.call("sync")
        return counted(b, "hello", answers, client, sids=sids)._replace(listeners=listeners)


# --- L9 --------------------------------------------------------------------------------


async def _greeting_unheard(fixed: bool) -> Counters:
    """Greet in the server's `connect`, and listen in the client's."""
    listeners = sids = 0
    screen = Log()
    async with bench() as b, python_client() as client:

        async def connect(sid: str, environ: Any) -> None:
            nonlocal listeners, sids
            listeners, sids = handlers([client], "hello"), len(b.server.sids())
            await b.sio.emit("hello", MESSAGE, to=sid)

        def register() -> None:
            client.on("hello", screen.add)

        b.sio.on("connect", connect)
        if fixed:
            register()
        else:
            client.on("connect", register)
        await b.connect(client)
        await b.settled()
        return counted(b, "hello", screen, client, sids=sids)._replace(listeners=listeners)


CAUSES = (
    Cause(
        letter="L7",
        title="The server's listener is registered behind an await in connection",
        family="loss",
        measured_with=("socket.io", "socket.io-client"),
        symptom="The first events after a connection are lost now and then, most often when the "
        "server is slow.",
        mechanism="The client may emit as soon as it is connected. While the server still awaits "
        "something in `connection`, nobody listens, and an event without listener is dropped.",
        fix="Register all listeners first, then await. In python-socketio handlers belong to the "
        "server, so they are there already.",
        evidence=(
            "https://socket.io/docs/v4/troubleshooting-connection-issues/"
            "#delayed-event-handler-registration",
            "socketio/socket.io-client#1527",
            "louislam/uptime-kuma#7710",
        ),
        reproduce=_listener_after_await,
    ),
    Cause(
        letter="L8",
        title="The server's greeting comes before the client is connected",
        family="loss",
        measured_with=("python-socketio client", "python-socketio server"),
        symptom="A client that replies to an event which the server emits in its `connect` handler "
        "gets BadNamespaceError. The reply is lost.",
        mechanism="The server sends CONNECT when its handler has returned, so what the handler "
        "emits overtakes it.",
        fix="Make the server with `always_connect=True`, or let the client ask in its `connect`.",
        evidence=(
            "https://python-socketio.readthedocs.io/en/stable/api.html#socketio.AsyncServer",
            "miguelgrinberg/python-socketio#920",
        ),
        reproduce=_greeting_overtakes,
    ),
    Cause(
        letter="L9",
        title="A handler registered in connect misses the server's greeting",
        family="loss",
        measured_with=("python-socketio client", "python-socketio server"),
        symptom="What the server emits in its `connect` handler is not seen the first time. After "
        "the first reconnect it is.",
        mechanism="The greeting comes before the client's `connect` (L8), in which the handler is "
        "registered. At the next connection the handler is there from before.",
        fix="Register handlers before `connect()`.",
        evidence=("https://python-socketio.readthedocs.io/en/stable/client.html",),
        reproduce=_greeting_unheard,
    ),
)
