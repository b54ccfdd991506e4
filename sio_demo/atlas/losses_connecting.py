"""Losses around the moment of connecting: a greeting or a question that comes too early."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from socketio.exceptions import BadNamespaceError

from ..causes import reproduces
from ..counters import Counters
from ..lab.bench import bench, python_client
from ..lab.link import Link
from ..lab.packet import TO_SERVER
from .kit import MESSAGE, Log, carried, counted, handlers, tab

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


@reproduces("L7")
async def listener_after_await(fixed: bool) -> Counters:
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


@reproduces("L8")
async def greeting_overtakes(fixed: bool) -> Counters:
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


@reproduces("L9")
async def greeting_unheard(fixed: bool) -> Counters:
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
