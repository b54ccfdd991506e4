"""Losses by features of Socket.IO in JavaScript that promise less than they seem to."""

from __future__ import annotations

import json
from typing import Any

from ..causes import reproduces
from ..counters import Counters
from ..lab.bench import bench
from ..lab.link import Link
from ..lab.packet import TO_CLIENT
from .kit import MESSAGE, Log, counted, tab

_RECOVERING_SERVER = """
let left, sids;
const kept = [];
const server = await serve({ connectionStateRecovery: {} });
const sockets = server.sockets.sockets;
const gone = new Promise((done) => { left = done; });
server.on("connection", (socket) => {
  socket.on("disconnect", left);
  socket.on("sync", (ack) => ack());
  if (%s && !socket.recovered) {
    sids = sockets.size;
    for (const text of kept.slice(socket.handshake.auth.seen)) socket.emit("news", text);
  }
});
return {
  url: () => server.url,
  news: async () => {
    await gone;
    sids = sockets.size;
    kept.push(MESSAGE);
    server.emit("news", MESSAGE);
  },
  sids: () => sids,
};
"""
_RECOVERED_CLIENT = """
let calls = 0;
const screen = [];
const socket = io(url, { ...fast, auth: (tell) => tell({ seen: screen.length }) });
socket.on("news", (text) => { calls += 1; screen.push(text); });
await connected(socket);
return {
  settle: () => socket.emitWithAck("sync"),
  counts: () => [socket.listeners("news").length, calls, screen.length],
};
"""


@reproduces("L10")
async def not_recovered(fixed: bool) -> Counters:
    """Emit during the drop of a client that has received nothing yet."""
    code = _RECOVERING_SERVER % json.dumps(fixed)
    async with (
        tab(None, code) as server,
        await Link.to(await server("url()")) as link,
        tab(link.url, _RECOVERED_CLIENT) as client,
    ):
        back = link.expect("CONNECT", TO_CLIENT)
        async with link.refuse():
            await link.cut()
            await server("news()")
        await back
        await client("settle()")
        return await client.counted("news", link, await server("sids()"))


_OFFLINE_CLIENTS = """
function shop(user) {
  let counter = 0;
  const socket = io(url, { ...fast, forceNew: true, autoConnect: false, auth: { user } });
  const id = () => %s;
  return (text) => {
    const acked = new Promise((done) => socket.emit("order", id(), text, done));
    socket.connect();
    return acked;
  };
}
await shop("ann")("another message");
await shop("bob")(MESSAGE);
return {};
"""


@reproduces("L11")
async def colliding_ids(fixed: bool) -> Counters:
    """Let two clients send while offline, with ids made of `socket.id`."""
    user_of: dict[str, str] = {}
    table: dict[str, str] = {}  # its key is unique
    log = Log()
    async with bench() as b:

        def connect(sid: str, environ: Any, auth: dict[str, str]) -> None:
            user_of[sid] = auth["user"]

        def order(sid: str, number: str, text: str) -> None:
            log.calls += text == MESSAGE
            table.setdefault(number, text)

        b.sio.on("connect", connect)
        b.sio.on("order", order)
        number = "crypto.randomUUID()" if fixed else "`${socket.id}-${counter++}`"
        async with tab(b.link.url, _OFFLINE_CLIENTS % number):
            sids = sum(user_of[sid] == "bob" for sid in b.server.sids())
            log.rows = [text for text in table.values() if text == MESSAGE]
            return counted(b, "order", log, b.sio, sids=sids)


_VOLATILE = """
const socket = io(url, fast);
await connected(socket);
return {
  send: async () => {
    socket.%(volatile)semit("position", "another message");
    socket.%(volatile)semit("position", MESSAGE);
    await socket.emitWithAck("sync");
  },
};
"""


@reproduces("L12")
async def volatile(fixed: bool) -> Counters:
    """Emit two volatile events at once."""
    positions = Log()
    async with bench() as b:
        b.sio.on("position", positions.add)
        code = _VOLATILE % {"volatile": "" if fixed else "volatile."}
        async with tab(b.link.url, code) as page:
            await page("send()")
            return counted(b, "position", positions, b.sio)
