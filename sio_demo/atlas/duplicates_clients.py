"""Duplicates because one user has several clients or sessions."""

from __future__ import annotations

import asyncio
import gc
import weakref
from contextlib import AsyncExitStack
from typing import Any

from ..counters import Counters
from ..lab.bench import Bench, bench, connects, new_client, python_client
from ..lab.cleanup import shut_down
from ..lab.packet import TO_CLIENT
from ..lab.waiting import wait_until
from .cause import Cause
from .kit import MESSAGE, Log, background, carried, counted, tab

CUTS = 3
RUNS = 3  # of a cell
VISITS = 3  # of a page

Unheld = weakref.ref[Any]
"""A client that no variable holds: what keeps it alive is its own doing."""


async def _connect(bench: Bench, stack: AsyncExitStack, screen: Log) -> Unheld:
    """Connect a new client and let go of it; whatever lives of it ends with the stack."""
    client = new_client()
    unheld = weakref.ref(client)
    stack.push_async_callback(_end, unheld)
    client.on("news", screen.add)
    await bench.connect(client)
    return unheld


async def _end(unheld: Unheld) -> None:
    if (client := unheld()) is not None:
        await shut_down(client)


async def _counted(bench: Bench, clients: list[Unheld], screen: Log) -> Counters:
    """Send the message to all that the user has connected, and count those that live."""
    gc.collect()
    await bench.settled()
    await bench.sio.emit("news", MESSAGE)
    await bench.settled()
    alive = [client for each in clients if (client := each()) is not None]
    return counted(bench, "news", screen, *alive)


# --- D4 --------------------------------------------------------------------------------


async def _new_client_each_time(fixed: bool) -> Counters:
    """Make a new client after each drop, while the old ones come back too."""
    screen = Log()
    async with bench() as b, AsyncExitStack() as stack:
        clients = [await _connect(b, stack, screen)]
        for _ in range(CUTS):
            await b.cut(clients=len(clients))
            if not fixed:
                clients.append(await _connect(b, stack, screen))
        return await _counted(b, clients, screen)


# --- D5 --------------------------------------------------------------------------------


async def _two_owners(fixed: bool) -> Counters:
    """Connect by hand after a drop, while the library does so too.

    Both find the client disconnected, both open a connection, and each has to wait for its
    token; the link and the tokens make the two meet at every run. The second waits for its
    CONNECT in vain, so its second of patience has to be the library's own.
    """
    screen, tokens, dropped = Log(), asyncio.Queue[str](), asyncio.Event()
    asked: list[int] = []
    owners = 1 if fixed else 2

    async def auth() -> dict[str, str]:
        asked.append(1)
        return {"token": await tokens.get()}

    async with bench() as b, python_client(wait_timeout=1, reconnection=not fixed) as client:
        client.on("news", screen.add)
        client.on("disconnect", lambda _reason: dropped.set())
        tokens.put_nowait("token")
        await b.connect(client, auth=auth)
        async with AsyncExitStack() as by_hand:
            async with b.link.black_hole(TO_CLIENT):
                await b.link.cut()
                await dropped.wait()
                await wait_until(lambda: b.link.connections == owners - 1)
                connect = client.connect(b.link.url, transports=["websocket"], auth=auth)
                connecting = await by_hand.enter_async_context(background(connect))
                await wait_until(lambda: b.link.connections == owners)
            await wait_until(lambda: len(asked) == 1 + owners)
            for owner in range(1, owners + 1):
                tokens.put_nowait("token")
                await wait_until(lambda: connects(b.link) == 1 + owner)  # noqa: B023
                await wait_until(lambda: client.get_sid() is not None)
            await connecting
        sids = len(b.server.sids())
        async with b.link.black_hole(TO_CLIENT):
            await b.sio.emit("news", MESSAGE)
            await wait_until(lambda: carried(b.link, "news") == owners)
        if not fixed:  # the two sessions end each other, and one takes their place
            tokens.put_nowait("token")
            await wait_until(lambda: connects(b.link) == 4 and len(b.server.sids()) == 1)
        await b.settled()
        return counted(b, "news", screen, client, sids=sids)


# --- D6 --------------------------------------------------------------------------------


async def _cell_run_again(fixed: bool) -> Counters:
    """Run a cell again that makes a client and connects it."""
    screen, clients = Log(), list[Unheld]()
    async with bench() as b, AsyncExitStack() as stack:
        for _ in range(RUNS):
            if fixed and clients and (client := clients.pop()()):
                await client.shutdown()
            clients.append(await _connect(b, stack, screen))
        await wait_until(lambda: len(b.server.sids()) == len(clients))
        return await _counted(b, clients, screen)


# --- D7 --------------------------------------------------------------------------------

_PAGES = """
let calls = 0;
const screen = [];
const chats = [];
function open() {
  const chat = io(url + "/chat", fast);
  chat.on("news", (text) => { calls += 1; screen.push(text); });
  chat.on("sync", (ack) => ack());
  chats.push(chat);
  return chat;
}
await connected(io(url, fast));
await connected(open());
for (let visit = 2; visit <= %d; visit += 1) await connected(%s);
const listeners = () => chats.reduce((sum, chat) => sum + chat.listeners("news").length, 0);
return { counts: () => [listeners(), calls, screen.length] };
"""


async def _namespace_again(fixed: bool) -> Counters:
    """Open a namespace at each visit to a page, beside a main socket that stays."""
    code = _PAGES % (VISITS, "chats[0].disconnect().connect()" if fixed else "open()")
    async with bench(namespaces=["/", "/chat"]) as b, tab(b.link.url, code) as page:
        await wait_until(lambda: len(b.server.sids("/chat")) == (1 if fixed else VISITS))
        sids = b.server.sids("/chat")
        await b.sio.emit("news", MESSAGE, namespace="/chat")
        await asyncio.gather(*(b.sio.call("sync", to=sid, namespace="/chat") for sid in sids))
        return await page.counted("news", b.link, len(sids))


CAUSES = (
    Cause(
        letter="D4",
        title="A new client after each drop, or at each render, while the old one lives on",
        family="duplicate",
        measured_with=("python-socketio client", "python-socketio server"),
        also_known_from=("socket.io-client",),
        symptom="The server counts more sessions for the user with each drop, and the user sees "
        "each message once for each of them.",
        mechanism="The old client comes back by itself, so that old and new are connected side "
        "by side, each with its own listener.",
        fix="Make one client for the process and let it reconnect. Shut an old one down before "
        "you make another.",
        evidence=(
            "socketio/socket.io-client#1617",
            "socketio/socket.io#1586",
            "kyle8998/Vynchronize#45",
            "rodgc/ngx-socket-io#116",
            "miguelgrinberg/Flask-SocketIO#685",
        ),
        reproduce=_new_client_each_time,
    ),
    Cause(
        letter="D5",
        title="The program calls connect() while the library is reconnecting",
        family="duplicate",
        measured_with=("python-socketio client", "python-socketio server"),
        also_known_from=("socket.io-client",),
        symptom="Now and then, after a drop, one client with one handler has two sessions and "
        "handles a message twice; then it drops again.",
        mechanism="Both find the client disconnected, and both open a connection. The second "
        "takes the place of the first in the client, but the first still delivers. "
        "socket.io-client had the like in 2011.",
        fix="Let one of the two own the connection: `reconnection=False` and a loop around "
        "`connect()` and `wait()`, or no `connect()` of your own.",
        evidence=(
            "miguelgrinberg/python-socketio#772",
            "miguelgrinberg/python-socketio#914",
            "miguelgrinberg/python-socketio#1077",
            "miguelgrinberg/python-socketio#1369",
            "socketio/socket.io#430",
            "https://python-socketio.readthedocs.io/en/stable/client.html"
            "#connect-connect-error-and-disconnect-event-handlers",
        ),
        reproduce=_two_owners,
    ),
    Cause(
        letter="D6",
        title="A notebook cell run again, or a hot reload, leaves the old client alive",
        family="duplicate",
        measured_with=("python-socketio client", "python-socketio server"),
        also_known_from=("socket.io-client",),
        symptom="Each run of the cell adds one call per message; a restart of the kernel, or a "
        "full reload of the page, cures it.",
        mechanism="The variable is overwritten, the client behind it is not: its tasks keep it "
        "alive and connected, as here, where no variable holds it.",
        fix="Shut the old client down first, in the same cell: "
        "`if 'client' in globals(): await client.shutdown()`.",
        evidence=(
            "socketio/socket.io-client#1348",
            "infitio/flutter_socket_io#124",
            "https://socket.io/how-to/use-with-react#hot-module-reloading",
        ),
        reproduce=_cell_run_again,
    ),
    Cause(
        letter="D7",
        title="io() called again for a namespace that is or was open",
        family="duplicate",
        measured_with=("socket.io-client", "python-socketio server"),
        symptom="Each visit to a page adds a session in its namespace, on a connection of its "
        "own, and one call per message.",
        mechanism="`io()` shares a connection between namespaces, but makes another one, and "
        "another socket, for a namespace that it has opened before. This holds in 4.8.4 even "
        "when the first socket was closed; then it costs a connection and no duplicate.",
        fix="Keep the socket and call its `disconnect()` and `connect()`.",
        evidence=(
            "socketio/socket.io#3476",
            "socketio/socket.io#4399",
            "socketio/socket.io-client#866",
            "socketio/socket.io-client#1514",
            "socketio/socket.io-client#1545",
            "https://socket.io/docs/v4/namespaces/#client-initialization",
        ),
        reproduce=_namespace_again,
    ),
)
