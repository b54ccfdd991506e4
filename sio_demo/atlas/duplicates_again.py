"""Duplicates because something is registered or done again: at a connection, a mount, a join."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from ..causes import reproduces
from ..counters import Counters
from ..lab.bench import bench, connects, python_client
from ..lab.experiment import reconnect
from ..lab.link import Link
from ..lab.packet import TO_SERVER
from ..lab.waiting import wait_until
from .kit import CONNECT, CUTS, MESSAGE, Log, counted, left_behind, rig, server_and_client, tab

ATTEMPTS = 3  # of a client that waits a second each time
ANONYMOUS = {"language": "en"}

_NEWS = """
const socket = io(url, fast);
// >>>
if (fixed) {
  socket.on("news", show);
} else {
  socket.on("connect", () => {
    socket.on("news", show);
  });
}
// <<<
"""


@reproduces("D1")
async def in_connect(fixed: bool) -> Counters:
    """Register a listener at each connection, and drop three times."""
    async with bench() as b, tab(b.link.url, _NEWS, fixed) as page:
        for _ in range(CUTS):
            await b.cut()
        return await page.news(b)


_LOGIN = """
const socket = io(url, fast);
// >>>
if (fixed) {
  socket.on("authenticated", show);
}
socket.on("connect", () => {
  if (fixed) {
    socket.emit("authenticate", "secret");
  } else {
    socket.emit("authenticate", "secret").on("authenticated", show);
  }
});
// <<<
"""


@reproduces("D2")
async def reply_in_connect(fixed: bool) -> Counters:
    """Chain a listener to the login that is sent at each connection."""
    logins: list[str] = []
    async with bench() as b:

        @b.sio.event  # type: ignore[untyped-decorator]
        async def authenticate(sid: str, _token: str) -> None:
            logins.append(sid)
            is_last = len(logins) == CUTS + 1
            await b.sio.emit("authenticated", MESSAGE if is_last else "welcome", to=sid)

        async with tab(b.link.url, _LOGIN, fixed) as page:
            for _ in range(CUTS):
                await b.settled()
                await b.cut()
            await b.settled()
            return await page.counted("authenticated", b.link, len(b.server.sids()))


_COMPONENT = """
const socket = io(url, fast);
// >>>
function mount() {
  socket.on("news", show);
  if (fixed) {
    return () => socket.off("news", show);
  }
}
// <<<
let unmount;
for (let time = 0; time < 3; time += 1) {
  unmount?.();
  unmount = mount();
}
"""


@reproduces("D3")
async def no_cleanup(fixed: bool) -> Counters:
    """Mount a component three times."""
    async with bench() as b, tab(b.link.url, _COMPONENT, fixed) as page:
        return await page.news(b)


_CHAT = """
const say = show;
const server = await serve();
// >>>
server.on("connection", (socket) => {
  socket.on("join", (room, ack) => {
    socket.join(room);
    if (!fixed) {
      socket.on("say", say);
    }
    ack();
  });
  if (fixed) {
    socket.on("say", say);
  }
});
// <<<
"""
_GUEST = """
const socket = io(url, fast);
for (let time = 0; time < 3; time += 1) await socket.emitWithAck("join", "lobby");
"""


@reproduces("D10")
async def in_another_handler(fixed: bool) -> Counters:
    """Join a room three times on one connection."""
    async with server_and_client(_CHAT, _GUEST, fixed) as (server, link, guest):
        await guest("send('say')")
        return await server.counted("say", link, await server("sids()"), TO_SERVER)


_GATEWAY = """
const server = await serve();
// >>> wherever a page or a module asks for it
let bound = false;
function bind() {
  if (fixed && bound) return;
  bound = true;
  server.on("connection", (socket) => socket.on("say", show));
}
// <<<
for (let time = 0; time < 3; time += 1) bind();
"""


@reproduces("D28")
async def bound_again(fixed: bool) -> Counters:
    """Register the server's `connection` handler three times."""
    async with server_and_client(_GATEWAY, CONNECT, fixed) as (server, link, guest):
        await guest("send('say')")
        return await server.counted("say", link, await server("sids()"), TO_SERVER)


@reproduces("D8")
async def ticker_in_connect(fixed: bool) -> Counters:
    """Start a task in `connect` that reports every minute, and let one minute pass."""
    log, minute, tickers = Log(), asyncio.Event(), list[asyncio.Task[None]]()
    async with bench() as b, AsyncExitStack() as stack, python_client() as client:
        stack.callback(lambda: [each.cancel() for each in tickers])

        async def ticker() -> None:
            await minute.wait()
            await client.emit("reading", MESSAGE)

        # >>>
        @client.event  # type: ignore[untyped-decorator]
        async def connect() -> None:
            tickers.append(asyncio.create_task(ticker()))

        if fixed:

            @client.event  # type: ignore[untyped-decorator]
            def disconnect(_reason: str) -> None:
                tickers.pop().cancel()

        # <<<

        b.sio.on("reading", log.add)
        await b.connect(client)
        for _ in range(CUTS):
            await b.cut()
        await b.settled()
        minute.set()
        await asyncio.gather(*tickers)
        return await left_behind(b, "reading", log, b.sio)


_SHOP = """
const orders = new (require("node:events").EventEmitter)();
const server = await serve();
// >>>
const announce = (order) => server.emit("news", order);
if (fixed) {
  orders.on("new", announce);
} else {
  server.on("connection", (socket) => {
    orders.on("new", announce);
  });
}
// <<<
return { order: () => orders.emit("new", MESSAGE) };
"""
_CUSTOMER = """
const socket = io(url, fast);
socket.on("news", show);
"""


@reproduces("D9")
async def shared_emitter(fixed: bool) -> Counters:
    """Come back three times to a server that listens to orders at each connection."""
    async with server_and_client(_SHOP, _CUSTOMER, fixed) as (server, link, page):
        for _ in range(CUTS):
            await reconnect(link)
        await wait_until(lambda: server("has(1)"))
        sids = await server("sids()")
        await server("order()")
        await server("synced()")
        return await page.counted("news", link, sids)


@reproduces("D11")
async def announced_again(fixed: bool) -> Counters:
    """Join a chat in `connect`, as one must; the server announces who joins."""
    known: set[str] = set()
    async with rig() as (b, client, log):

        @b.sio.on("connect")  # type: ignore[untyped-decorator]
        async def arrives(sid: str, _environ: dict[str, Any], auth: dict[str, str]) -> None:
            await b.sio.save_session(sid, auth)

        # >>>
        @b.sio.event  # type: ignore[untyped-decorator]
        async def join(sid: str, name: str) -> None:
            log.calls += 1  # rig
            session = (await b.sio.get_session(sid))["session"]
            await b.sio.enter_room(sid, "chat")
            if fixed and session in known:
                return
            known.add(session)
            log.rows.append(f"{name} joined")

        # <<<

        @client.event  # type: ignore[untyped-decorator]
        async def connect() -> None:
            await client.emit("join", MESSAGE)

        await b.connect(client, auth={"session": "of this tab"})
        for _ in range(CUTS):
            await b.settled()
            await b.cut()
        return await left_behind(b, "join", log, b.sio)


@reproduces("D25")
async def type_error(fixed: bool) -> Counters:
    """Raise a TypeError in the server's `connect`, for a client that sends no `auth`."""
    log, languages = Log(), list[str]()

    def visit(auth: Any) -> None:
        log.calls += 1
        log.rows.append("a visit")
        languages.append(auth["language"])

    async with bench() as b, python_client() as client:
        # >>>
        if fixed:

            @b.sio.event  # type: ignore[untyped-decorator]
            async def connect(_sid: str, _environ: Any, auth: Any) -> None:
                visit(ANONYMOUS if auth is None else auth)

        else:

            @b.sio.event  # type: ignore[untyped-decorator]
            async def connect(_sid: str, _environ: Any, auth: Any = ANONYMOUS) -> None:
                visit(auth)  # None at first, in spite of the default: a TypeError

        # <<<
        await b.connect(client)
        packets = connects(b.link, way=TO_SERVER)
        return counted(b, "connect", log, b.sio, packets=packets)


@reproduces("D26")
async def slow_connect(fixed: bool) -> Counters:
    """Let the server's `connect` outlast the second that a reconnection waits, for a while."""
    log, sids, connected = Log(), list[int](), asyncio.Event()

    async with bench() as b, AsyncExitStack() as stack, python_client(wait_timeout=1) as client:
        await b.connect(client)
        earlier = b.last()

        async def check(sid: str, attempt: int) -> None:
            if fixed:
                await connected.wait()
            elif attempt < ATTEMPTS:
                await wait_until(lambda: _given_up(b.link) == attempt)
            log.rows.append(sid)

        async def connect(sid: str, _environ: dict[str, Any]) -> None:
            log.calls += 1
            sids.append(len(b.server.sids()))
            # >>> in the server's connect handler
            checking = asyncio.create_task(check(sid, log.calls))
            if not fixed:
                await checking
            # <<<
            stack.callback(checking.cancel)

        b.sio.on("connect", connect)
        await b.cut()
        await wait_until(lambda: client.connected)
        connected.set()
        await wait_until(lambda: len(log.rows) == log.calls)
        packets = connects(b.link, earlier, TO_SERVER)
        return counted(b, "connect", log, b.sio, sids=sids[-1], packets=packets)


def _given_up(link: Link) -> int:
    """Count the connections that the client has ended; newer Pythons let it say so twice."""
    ended = [p for p in link.packets if p.name == "close" and p.direction == TO_SERVER]
    return len({packet.connection for packet in ended})
