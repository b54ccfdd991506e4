"""Duplicates because what should tell a copy from the first does not."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, closing
from typing import Any

import socketio

from ..causes import reproduces
from ..counters import Counters
from ..lab.bench import bench, python_client
from ..lab.experiment import reconnect
from ..lab.packet import TO_CLIENT, TO_SERVER
from ..lab.waiting import wait_until
from .kit import MESSAGE, Log, counted, left_behind, rig, server_and_client, tab

_RECOVERING = """
const { SessionAwareAdapter } = require("socket.io-adapter");
class Old extends SessionAwareAdapter {
  async restoreSession(pid, offset) {
    const session = await super.restoreSession(pid, offset);
    const missedPackets = session?.missedPackets.map((packet) => packet.slice(0, -1));
    return session && { ...session, missedPackets };
  }
}
// >>> the old adapter leaves the offset out of what it replays
const Adapter = fixed ? SessionAwareAdapter : Old;
const server = await serve({ connectionStateRecovery: {}, adapter: Adapter });
// <<<
let recovered = 0;
server.on("connection", (socket) => { recovered += socket.recovered; });
return {
  recovered: () => recovered,
  send: (text) => server.emit("news", { text }),
};
"""
_READER = """
const socket = io(url, fast);
socket.on("news", ({ text }) => show(text));
"""


@reproduces("D20")
async def offset_forgotten(fixed: bool) -> Counters:
    """Drop twice, with one message while the client is away the first time."""
    async with server_and_client(_RECOVERING, _READER, fixed) as (server, link, page):
        await server("send('earlier')")  # from it the client has its first offset
        await server("synced()")
        back = link.expect("CONNECT", TO_CLIENT)
        async with link.refuse():
            await link.cut()
            await wait_until(lambda: server("has(0)"))
            await server(f"send('{MESSAGE}')")
        await back
        await server("synced()")
        await reconnect(link)
        await server("synced()")
        assert await server("recovered()") == 2
        return await page.counted("news", link, await server("sids()"))


MOMENTS = ("join", "note", "noted", "read", "done")
"""When a new message may be stored and emitted: before each step of a replay, or after all."""


@reproduces("D21")
async def replay_and_live(
    fixed: bool, moment: str = "read", *, joins_first: bool = True
) -> Counters:
    """Join a room and load what was missed, while a new message is stored and emitted."""
    screen, table, known, noted = Log(), ["earlier"], set[int](), list[int]()

    def show(text: str) -> None:
        screen.rows += [text] if text == MESSAGE else []

    async with bench() as b, python_client() as client:

        async def reach(step: str) -> None:
            if step == moment:
                table.append(MESSAGE)
                await b.sio.emit("news", (len(table), MESSAGE), to="followers")

        async def last_id() -> int:  # a query: others come first while it is on its way
            if noted:
                return noted[0]
            await reach("note")
            last = len(table)
            await reach("noted")
            return last

        async def load(seen: int, last: int | None) -> list[tuple[int, str]]:
            await reach("read")
            return list(enumerate(table, start=1))[seen:last]

        async def join(sid: str) -> None:
            await reach("join")
            await b.sio.enter_room(sid, "followers")

        @b.sio.event  # type: ignore[untyped-decorator]
        async def follow(sid: str, seen: int) -> None:
            if not joins_first:
                noted.append(await last_id())
            # >>> the server
            await join(sid)
            last = await last_id() if fixed else None
            for row in await load(seen, last):
                await b.sio.emit("news", row, to=sid)
            # <<<
            await reach("done")

        # >>> the client
        @client.event  # type: ignore[untyped-decorator]
        def news(id: int, text: str) -> None:
            screen.calls += text == MESSAGE  # rig
            if fixed and id in known:
                return
            known.add(id)
            show(text)

        # <<<

        await b.connect(client)
        await client.call("follow", 0)
        return await left_behind(b, "news", screen, client)


@reproduces("D22")
async def echo(fixed: bool) -> Counters:
    """Show one's own line at once, and again when the room's copy comes back."""
    async with rig() as (b, client, screen):

        @b.sio.event  # type: ignore[untyped-decorator]
        async def say(_sid: str, id: str, text: str) -> None:
            await b.sio.emit("line", (id, text))

        # >>> the copy that comes back
        @client.event  # type: ignore[untyped-decorator]
        def line(id: str, text: str) -> None:
            screen.calls += 1  # rig
            if fixed and (id, text) in screen.rows:
                return
            screen.rows.append((id, text))

        # <<<
        await b.connect(client)
        # >>> the sender
        screen.rows.append(("id 1", MESSAGE))
        await client.call("say", ("id 1", MESSAGE))
        # <<<
        return await left_behind(b, "line", screen, client)


Payment = Callable[[str, str], Awaitable[str]]
"""Takes an id and a text, and returns what the bank has answered."""


def till(charge: Payment, fixed: bool) -> Payment:
    """Return a function that charges each id once; if not `fixed`, a fast retry twice."""
    paid: dict[str, str] = {}
    work: dict[str, asyncio.Task[str]] = {}

    async def ask_bank(id: str, text: str) -> str:
        try:
            return await charge(id, text)
        except BaseException:
            del work[id]  # refused, or no answer: a retry asks again, with the same id
            raise

    # >>>
    async def pay(id: str, text: str) -> str:
        if fixed:
            if id not in work:
                work[id] = asyncio.create_task(ask_bank(id, text))
            return await work[id]
        else:
            if id not in paid:
                paid[id] = await charge(id, text)
            return paid[id]

    # <<<
    return pay


@reproduces("D23")
async def check_then_await(fixed: bool) -> Counters:
    """Let the retry come while the first attempt still waits for the bank."""
    log, bank = Log(), asyncio.Event()

    async def charge(_id: str, text: str) -> str:
        await bank.wait()
        log.rows.append(text)
        return f"receipt {len(log.rows)}"

    take = till(charge, fixed)

    async def pay(_sid: str, id: str, text: str) -> str:
        log.calls += 1
        return await take(id, text)

    async with bench() as b, AsyncExitStack() as at_the_end, python_client() as client:
        at_the_end.callback(bank.set)
        b.sio.on("pay", pay)
        await b.connect(client)
        async with asyncio.TaskGroup() as tasks:
            attempt = tasks.create_task(client.call("pay", ("id 1", MESSAGE)))
            await wait_until(lambda: log.calls == 1)
            retry = tasks.create_task(client.call("pay", ("id 1", MESSAGE)))
            await wait_until(lambda: log.calls == 2)
            bank.set()
        receipts = {attempt.result(), retry.result()}
        assert len(receipts) == len(log.rows)  # each attempt has the receipt of its payment
        return counted(b, "pay", log, b.sio)


_TABLES = "CREATE TABLE payments (text TEXT); CREATE TABLE known (id TEXT PRIMARY KEY);"


def _take_payments(sio: Any, db: sqlite3.Connection, log: Log, fixed: bool) -> None:
    """Let a server take each payment once, by ids kept with the payments, or by its own memory."""
    known = set[str]()

    # >>>
    def is_new(id: str) -> bool:
        if fixed:
            return db.execute("INSERT OR IGNORE INTO known VALUES (?)", [id]).rowcount == 1
        else:
            new = id not in known  # a set in the process
            known.add(id)
            return new

    def pay(_sid: str, id: str, text: str) -> None:
        log.calls += 1  # rig
        with db:  # one transaction
            if is_new(id):
                db.execute("INSERT INTO payments VALUES (?)", [text])

    # <<<

    sio.on("pay", pay)


@reproduces("D24")
async def restart(fixed: bool) -> Counters:
    """Lose an acknowledgement, restart the server, and let the client send again."""
    log, payment = Log(), ("id 1", MESSAGE)
    with closing(sqlite3.connect(":memory:")) as db:  # it outlives the servers
        db.executescript(_TABLES)
        async with bench() as b, python_client() as client:
            _take_payments(b.sio, db, log, fixed)
            await b.connect(client)
            async with b.link.refuse(), b.link.cut_when("ACK", TO_CLIENT) as cut:
                await client.emit("pay", payment, callback=lambda: None)  # it asks for an ACK
                await cut
                await b.serve(socketio.AsyncServer(async_mode="aiohttp"))
                _take_payments(b.sio, db, log, fixed)
            await wait_until(lambda: client.connected and len(b.server.sids()) == 1)
            await client.call("pay", payment)
            log.rows = db.execute("SELECT text FROM payments").fetchall()
            return counted(b, "pay", log, b.sio)


_DEAF_SERVER = """
const server = await serve();
// >>> the server
server.on("connection", (socket) => {
  socket.on("pay", (order, ack) => {
    show(order);
    if (fixed) {
      ack();
    }
  });
});
// <<<
"""
_RETRYING = """
const ackTimeout = fixed ? 20000 : 100; // an answer may be late on a machine with much to do
// >>> the client
const socket = io(url, { ...fast, retries: 2, ackTimeout });
// <<<
return { pay: () => new Promise((done) => socket.emit("pay", MESSAGE, () => done())) };
"""


@reproduces("D30")
async def never_acknowledged(fixed: bool) -> Counters:
    """Send with retries to a handler that takes no acknowledgement."""
    async with server_and_client(_DEAF_SERVER, _RETRYING, fixed) as (server, link, client):
        await client("pay()")
        return await server.counted("pay", link, await server("sids()"), TO_SERVER)


_HASTY = """
// >>>
const options = fixed ? { ...fast, retries: 2, ackTimeout: 20000 } : { ...fast, retries: 2 };
const socket = io(url, options);
// <<<
return { pay: () => new Promise((done) => socket.emit("pay", MESSAGE, done)) };
"""


@reproduces("D31")
async def no_ack_timeout(fixed: bool) -> Counters:
    """Send with retries to a server that acknowledges."""
    async with bench() as b, tab(b.link.url, _HASTY, fixed) as client:
        log = Log()
        b.sio.on("pay", log.add)
        await client("pay()")
        return await left_behind(b, "pay", log, b.sio)
