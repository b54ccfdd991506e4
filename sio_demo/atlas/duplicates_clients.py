"""Duplicates because one user has several clients or sessions."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from weakref import WeakSet

from ..causes import reproduces
from ..counters import Counters
from ..lab.bench import bench, connects, new_client, python_client, shut_down
from ..lab.packet import TO_CLIENT
from ..lab.waiting import wait_until
from .kit import CUTS, MESSAGE, Log, carried, counted, news, rig, tab

VISITS = 3  # of a page


@asynccontextmanager
async def unheld() -> AsyncIterator[WeakSet[Any]]:
    """Yield a set of clients that no variable holds: what keeps one alive is its own doing."""
    clients = WeakSet[Any]()
    try:
        yield clients
    finally:
        await asyncio.gather(*map(shut_down, clients))


@reproduces("D4")
async def new_client_each_time(fixed: bool) -> Counters:
    """Make a new client after each drop, while the old ones come back too."""
    screen = Log()
    async with bench() as b, unheld() as clients:
        # >>>
        async def start() -> None:
            client = new_client()
            client.on("news", screen.add)
            await b.connect(client)
            # <<<
            clients.add(client)

        await start()
        for _ in range(CUTS):
            await b.cut(clients=len(clients))
            # >>> after a drop
            if fixed:
                pass  # the client comes back by itself
            else:
                await start()
            # <<<
        gc.collect()
        return await news(b, screen, *clients)


@reproduces("D5")
async def two_owners(fixed: bool) -> Counters:
    """Connect by hand after a drop, while the library does so too.

    Both find the client disconnected, both open a connection, and each has to wait for its
    token; the link and the tokens make the two meet at every run. The second waits for its
    CONNECT in vain, so its second of patience has to be the library's own.
    """
    screen, tokens, dropped = Log(), asyncio.Queue[str](), asyncio.Event()
    asked: list[int] = []
    owners = 1 if fixed else 2
    # >>> options of the client
    options = {"reconnection": not fixed}
    # <<<

    async def auth() -> dict[str, str]:
        asked.append(1)
        return {"token": await tokens.get()}

    async with bench() as b, python_client(wait_timeout=1, **options) as client:
        client.on("news", screen.add)
        client.on("disconnect", lambda _reason: dropped.set())
        tokens.put_nowait("token")
        await b.connect(client, auth=auth)
        async with asyncio.TaskGroup() as by_hand:
            async with b.link.black_hole(TO_CLIENT):
                await b.link.cut()
                await dropped.wait()
                await wait_until(lambda: b.link.connections == owners - 1)
                # >>> after a drop, in the program
                connect = client.connect(b.link.url, transports=["websocket"], auth=auth)
                # <<<
                by_hand.create_task(connect)
                await wait_until(lambda: b.link.connections == owners)
            await wait_until(lambda: len(asked) == 1 + owners)
            for owner in range(1, owners + 1):
                tokens.put_nowait("token")
                await wait_until(lambda: connects(b.link) == 1 + owner)  # noqa: B023
                await wait_until(lambda: client.get_sid() is not None)
        sids = len(b.server.sids())
        async with b.link.black_hole(TO_CLIENT):
            await b.sio.emit("news", MESSAGE)
            await wait_until(lambda: carried(b.link, "news") == owners)
        if fixed:
            await b.settled()
        else:  # one session ends the other now, or each the other
            await wait_until(lambda: screen.calls == owners)
        return counted(b, "news", screen, client, sids=sids)


@reproduces("D6")
async def cell_run_again(fixed: bool) -> Counters:
    """Run a cell again that makes a client and connects it."""
    screen = Log()
    async with bench() as b, unheld() as clients:

        async def run_cell() -> None:
            old = clients.pop() if fixed and clients else None
            # >>> one cell
            if fixed and old is not None:
                await old.shutdown()
            client = new_client()
            client.on("news", screen.add)
            await b.connect(client)
            # <<<
            clients.add(client)

        for _ in range(3):
            await run_cell()
        await wait_until(lambda: len(b.server.sids()) == len(clients))
        gc.collect()
        return await news(b, screen, *clients)


_PAGES = """
// >>>
function open() {
  const chat = io(url + "/chat", fast);
  chat.on("news", show);
  return chat;
}
// <<<
await connected(io(url, fast));
const first = open();
await connected(first);
for (let visit = 2; visit <= %d; visit += 1) {
  // >>> at each later visit
  const chat = fixed ? first.disconnect().connect() : open();
  // <<<
  await connected(chat);
}
"""


@reproduces("D7")
async def namespace_again(fixed: bool) -> Counters:
    """Open a namespace at each visit to a page, beside a main socket that stays."""
    async with (
        bench(namespaces=["/", "/chat"]) as b,
        tab(b.link.url, _PAGES % VISITS, fixed) as page,
    ):
        await wait_until(lambda: len(b.server.sids("/chat")) == (1 if fixed else VISITS))
        sids = b.server.sids("/chat")
        await b.sio.emit("news", MESSAGE, namespace="/chat")
        await asyncio.gather(*(b.sio.call("sync", to=sid, namespace="/chat") for sid in sids))
        return await page.counted("news", b.link, len(sids))


@reproduces("D16")
async def zombie(fixed: bool) -> Counters:
    """Come back while the server has not noticed that the old connection is dead."""
    async with rig() as (b, client, screen):
        # >>>
        async def connect(sid: str, _environ: Any, auth: dict[str, str]) -> None:
            room = auth["user"]
            if fixed:
                for old, _ in list(b.sio.manager.get_participants("/", room)):  # internal
                    await b.sio.disconnect(old)
            await b.sio.enter_room(sid, room)

        # <<<
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


@reproduces("D29")
async def two_tabs(fixed: bool) -> Counters:
    """Notify a user who has two tabs, which share a store."""
    shown, known = Log(), set[str]()
    async with bench() as b, python_client() as tab_1, python_client() as tab_2:
        # >>> in each tab
        def notify(text: str) -> None:
            shown.calls += 1  # rig
            if fixed and text in known:
                return  # better: compare an id
            known.add(text)
            shown.rows.append(text)

        for client in (tab_1, tab_2):
            client.on("news", notify)
            await b.connect(client)
        # <<<
        return await news(b, shown, tab_1, tab_2)
