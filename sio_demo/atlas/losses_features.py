"""Losses by features of the libraries that promise less than they seem to."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from ..causes import reproduces
from ..counters import Counters
from ..lab.bench import SILENT, bench, python_client
from ..lab.packet import TO_CLIENT, TO_SERVER
from ..lab.waiting import wait_until
from .kit import MESSAGE, Log, carried, counted, news, rig, server_and_client, tab

_RECOVERING_SERVER = """
let sids;
const kept = [];
// >>>
const server = await serve({ connectionStateRecovery: {} });
// <<<
const sockets = server.sockets.sockets;
// >>>
if (fixed) {
  server.on("connection", (socket) => {
    if (socket.recovered) return;
    sids = sockets.size;  // rig
    const missed = kept.slice(socket.handshake.auth.seen);
    for (const text of missed) socket.emit("news", text);
  });
}
// <<<
return {
  news: () => {
    sids = sockets.size;
    kept.push(MESSAGE);
    server.emit("news", MESSAGE);
  },
  sids: () => sids,
};
"""
_RECOVERED_CLIENT = """
const socket = io(url, { ...fast, auth: (tell) => tell({ seen: rows.length }) });
socket.on("news", show);
"""


@reproduces("L10")
async def not_recovered(fixed: bool) -> Counters:
    """Emit during the drop of a client that has received nothing yet."""
    rig = server_and_client(_RECOVERING_SERVER, _RECOVERED_CLIENT, fixed)
    async with rig as (server, link, client):
        back = link.expect("CONNECT", TO_CLIENT)
        async with link.refuse():
            await link.cut()
            await wait_until(lambda: server("has(0)"))
            await server("news()")
        await back
        await client("synced()")
        return await client.counted("news", link, await server("sids()"))


_OFFLINE_CLIENTS = """
function shop(user) {
  let counter = 0;
  const socket = io(url, { ...fast, forceNew: true, autoConnect: false, auth: { user } });
  return (text) => {
    let done;
    const acked = new Promise((resolve) => { done = resolve; });
    // >>> while offline
    const id = fixed ? crypto.randomUUID() : `${socket.id}-${counter++}`;
    socket.emit("order", id, text, done);
    // <<<
    socket.connect();
    return acked;
  };
}
await shop("ann")("another message");
await shop("bob")(MESSAGE);
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
        async with tab(b.link.url, _OFFLINE_CLIENTS, fixed):
            sids = sum(user_of[sid] == "bob" for sid in b.server.sids())
            log.rows = [text for text in table.values() if text == MESSAGE]
            return counted(b, "order", log, b.sio, sids=sids)


_VOLATILE = """
const socket = io(url, fast);
return {
  send: async () => {
    // >>>
    if (fixed) {
      socket.emit("position", "another message");
      socket.emit("position", MESSAGE);
    } else {
      socket.volatile.emit("position", "another message");
      socket.volatile.emit("position", MESSAGE);
    }
    // <<<
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
        async with tab(b.link.url, _VOLATILE, fixed) as page:
            await page("send()")
            return counted(b, "position", positions, b.sio)


@reproduces("L18")
async def overtaken(fixed: bool) -> Counters:
    """Send two prices, of which the older one takes longer to handle."""
    prices = Log()  # its rows in the order in which they were set; the last one is shown
    exchange = asyncio.Event()
    # >>> options of the server
    options = {"async_handlers": not fixed}
    # <<<
    async with (
        bench(**options) as b,
        AsyncExitStack() as at_the_end,
        python_client() as client,
        python_client() as other,
    ):
        at_the_end.callback(exchange.set)

        # >>>
        async def price(sid: str, text: str) -> None:
            prices.calls += text == MESSAGE  # rig
            if text != MESSAGE:
                await exchange.wait()  # this one takes longer
            prices.rows.append(text)

        # <<<
        b.sio.on("price", price)
        await b.connect(client)
        sids = len(b.server.sids())
        await b.connect(other)
        await client.emit("price", "an older price")
        await client.emit("price", MESSAGE)
        await wait_until(lambda: carried(b.link, "price", TO_SERVER) == 1)
        await other.call("sync")  # by now it is handled, if it need not wait
        exchange.set()
        await wait_until(lambda: len(prices.rows) == 2)
        effects = prices.rows[-1:].count(MESSAGE)
        return counted(b, "price", prices, b.sio, sids=sids, effects=effects)


@reproduces("L20")
async def replaced(fixed: bool) -> Counters:
    """Register two handlers for one event, of which the first stores it."""
    table = Log()
    async with rig() as (b, client, screen):
        # >>>
        if fixed:

            @client.on("news")  # type: ignore[untyped-decorator]
            def both(text: str) -> None:
                screen.add(text)
                table.add(text)

        else:
            client.on("news", table.add)
            client.on("news", screen.add)  # takes its place
        # <<<
        await b.connect(client)
        counters = await news(b, screen, client)
        return counters._replace(effects=len(table.rows))  # what is missing there


@reproduces("L21")
async def wrong_user(fixed: bool) -> Counters:
    """Register a handler at each connection that remembers its user."""
    user_of: dict[str, str] = {}
    said = Log()
    async with bench() as b, python_client() as ann, python_client() as bob:
        # >>>
        def connect(sid: str, environ: Any, auth: dict[str, str]) -> None:
            user = user_of[sid] = auth["user"]
            if not fixed:
                b.sio.on("say", lambda sid, text: said.rows.append((user, text)))

        b.sio.on("connect", connect)
        if fixed:
            b.sio.on("say", lambda sid, text: said.rows.append((user_of[sid], text)))
        # <<<
        await b.connect(ann, auth={"user": "ann"})
        await b.connect(bob, auth={"user": "bob"})
        await ann.call("say", MESSAGE)
        sids = sum(user_of[sid] == "ann" for sid in b.server.sids())
        said.calls, effects = len(said.rows), said.rows.count(("ann", MESSAGE))
        return counted(b, "say", said, b.sio, sids=sids, effects=effects)


@reproduces("L22")
async def too_long(fixed: bool) -> Counters:
    """Send more than the server takes."""
    photo = MESSAGE.ljust(2000)
    # >>> options of the server
    limit = 10_000 if fixed else 1000
    options = {"max_http_buffer_size": limit}  # bytes; 1 MB unless it is given
    # <<<
    async with rig(**options) as (b, client, album):
        b.sio.on("photo", lambda _sid, data: album.add(data.strip()))
        await b.connect(client)
        back = b.expect_client()
        await client.emit("photo", photo)
        if not fixed:
            await back
            await wait_until(lambda: client.connected)
        await client.call("sync")
        return counted(b, "photo", album, b.sio, sids=1)


@reproduces("L26")
async def too_many(fixed: bool) -> Counters:
    """Emit 20 events at once over long-polling."""
    async with rig(engineio_logger=SILENT) as (b, client, booked):
        b.sio.on("order", booked.add)
        b.sio.on("orders", lambda sid, texts: booked.add(sid, *texts[:1]))
        await b.connect(client, transports=["polling"])
        # >>>
        texts = [MESSAGE, *(f"order {number}" for number in range(19))]
        if fixed:
            await client.emit("orders", texts)
        else:
            for text in texts:
                await client.emit("order", text)
        # <<<
        event = "orders" if fixed else "order"
        await wait_until(lambda: carried(b.link, event, TO_SERVER) == 1)
        await client.call("sync")
        return counted(b, event, booked, b.sio, sids=1)


_STALE = """
const socket = io(url, fast);
// >>>
let list = [];
function render() {
  const shown = list;  // the state of this render
  return (text) => {
    show(text);  // rig
    list = fixed ? [...list, text] : [...shown, text];
  };
}
socket.on("news", render());  // once
// <<<
return {
  counts: () => [...counts("news").slice(0, 2), list.includes(MESSAGE) ? 1 : 0],
};
"""


@reproduces("L23")
async def stale_closure(fixed: bool) -> Counters:
    """Send two messages to a listener that knows the list of its first render."""
    async with bench() as b, tab(b.link.url, _STALE, fixed) as page:
        await b.settled()
        await b.sio.emit("news", MESSAGE)
        await b.sio.emit("news", "the next message")
        await b.settled()
        return await page.counted("news", b.link, len(b.server.sids()))
