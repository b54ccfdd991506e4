"""Losses around a connection: who comes is not let in, not found, or not listened to yet."""

import asyncio
from contextlib import suppress
from typing import Any

import socketio
from socketio.exceptions import BadNamespaceError, ConnectionError

from ..causes import reproduces
from ..counters import Counters
from ..lab.bench import bench, connects
from ..lab.experiment import settled
from ..lab.link import Link
from ..lab.packet import TO_CLIENT, TO_SERVER
from ..lab.waiting import wait_until
from .kit import (
    CONNECT,
    MESSAGE,
    carried,
    counted,
    handlers,
    left_behind,
    news,
    rig,
    server_and_client,
    tab,
)


def rooms_of(token: str) -> list[str]:
    """Return the rooms that the user of a token may enter: the server decides, not the client."""
    return ["kitchen"] if token == "of the kitchen" else []


@reproduces("L5")
async def rooms(fixed: bool) -> Counters:
    """Join a room by an event, and drop."""
    async with rig() as (b, client, screen):

        async def save(sid: str, environ: Any, auth: dict[str, str]) -> None:
            await b.sio.save_session(sid, auth)

        # >>> the server
        if fixed:

            @b.sio.event  # type: ignore[untyped-decorator]
            async def connect(sid: str, environ: Any, auth: dict[str, str]) -> None:
                for room in rooms_of(auth["token"]):  # token, user, rooms
                    await b.sio.enter_room(sid, room)

        else:

            @b.sio.event  # type: ignore[untyped-decorator]
            async def join(sid: str, room: str) -> None:
                if room in rooms_of((await b.sio.get_session(sid))["token"]):
                    await b.sio.enter_room(sid, room)

            # <<<
            b.sio.on("connect", save)
        client.on("order", screen.add)
        await b.connect(client, auth={"token": "of the kitchen"})
        if not fixed:
            await client.call("join", "kitchen")
        await b.cut()
        await b.sio.emit("order", MESSAGE, room="kitchen")
        return await left_behind(b, "order", screen, client)


@reproduces("L6")
async def late_disconnect(fixed: bool) -> Counters:
    """Change the network, and let the server notice the old connection's end late."""
    sid_of: dict[str, str] = {}
    gone: list[str] = []
    async with rig() as (b, client, screen), await Link.to(b.server) as mobile:

        async def connect(sid: str, environ: Any, auth: dict[str, str]) -> None:
            await b.sio.save_session(sid, auth)
            # >>> in connect
            sid_of[auth["user"]] = sid
            # <<<

        # >>>
        async def disconnect(sid: str, reason: str) -> None:
            user = (await b.sio.get_session(sid))["user"]
            if fixed:
                if sid_of.get(user) == sid:
                    del sid_of[user]
            else:
                sid_of.pop(user, None)
            # <<<
            gone.append(sid)

        b.sio.on("connect", connect)
        b.sio.on("disconnect", disconnect)
        client.on("news", screen.add)
        wifi = network = b.link
        await client.connect(lambda: network.url, transports=["websocket"], auth={"user": "ann"})
        network = mobile
        back = mobile.expect("CONNECT", TO_CLIENT)
        await wifi.cut("half-open")  # the phone knows, the server does not
        new_sid = (await back).data["sid"]
        await settled(b.server, new_sid)
        await wifi.close()  # now the server learns of it, too
        await wait_until(lambda: bool(gone))
        await settled(b.server, new_sid)
        if "ann" in sid_of:
            await b.sio.emit("news", MESSAGE, to=sid_of["ann"])
        await b.settled()
        packets = carried(wifi, "news") + carried(mobile, "news")
        return counted(b, "news", screen, client, packets=packets)


@reproduces("L15")
async def stale_credentials(fixed: bool) -> Counters:
    """Let the token expire, and drop."""
    valid = "token 1"
    refused: list[Any] = []
    async with rig() as (b, client, screen):

        def connect(sid: str, environ: Any, auth: dict[str, str]) -> bool:
            return auth["token"] == valid

        b.sio.on("connect", connect)
        client.on("news", screen.add)
        client.on("connect_error", refused.append)
        # >>>
        auth = (lambda: {"token": valid}) if fixed else {"token": valid}
        sid = await b.connect(client, auth=auth)
        # <<<
        valid = "token 2"  # the first has expired
        before = connects(b.link)
        await b.link.cut()
        await b.gone([sid])
        await wait_until(lambda: bool(refused) or connects(b.link) > before)
        return await news(b, screen, client)


_SENT_AWAY = """
// >>>
const socket = io(url, fast);
socket.on("news", show);
if (fixed) {
  socket.on("disconnect", (reason) => {
    if (reason === "io server disconnect") socket.connect();
  });
}
// <<<
const gone = new Promise((done) => socket.on("disconnect", done));
return { leaves: async () => [await gone, socket.active] };
"""


@reproduces("L19")
async def sent_away(fixed: bool) -> Counters:
    """Disconnect a client by the server."""
    async with bench() as b, tab(b.link.url, _SENT_AWAY, fixed) as page:
        await b.settled()
        [sid] = b.server.sids()
        back = b.expect_client()
        await b.sio.disconnect(sid)
        _reason, comes_back = await page("leaves()")
        if comes_back:
            await back
        return await page.news(b)


_LATE_LISTENER = """
let listeners, loaded;
const account = new Promise((done) => { loaded = done; });
const server = await serve();
const book = show;
server.on("connection", (socket) => {
  socket.prependAny(() => { listeners ??= socket.listeners("order").length; loaded(); });
});
// >>>
server.on("connection", async (socket) => {
  if (fixed) {
    socket.on("order", book);
  }
  await account;  // it takes as long as the client takes to send its first event
  if (!fixed) {
    socket.on("order", book);
  }
});
// <<<
return { counts: () => [listeners, ...counts("order").slice(1)] };
"""


@reproduces("L7")
async def listener_after_await(fixed: bool) -> Counters:
    """Emit before the server listens."""
    async with server_and_client(_LATE_LISTENER, CONNECT, fixed) as (server, link, client):
        await client("send('order')")
        return await server.counted("order", link, await server("sids()"), TO_SERVER)


@reproduces("L8")
async def greeting_overtakes(fixed: bool) -> Counters:
    """Reply to an event that comes before the answer to the CONNECT."""
    listeners = sids = 0
    # >>> options of the server
    options = {"always_connect": fixed}
    # <<<
    async with rig(**options) as (b, client, answers):
        # >>> the server
        async def connect(sid: str, environ: Any) -> None:
            nonlocal listeners, sids  # rig
            listeners, sids = handlers([client], "hello"), len(b.server.sids())  # rig
            await b.sio.emit("hello", MESSAGE, to=sid)

        # <<<
        async def hello(text: str) -> None:
            answers.calls += 1
            with suppress(BadNamespaceError):
                # >>> the client, in its handler for hello
                await client.emit("hello to you", text)

        b.sio.on("connect", connect)
        b.sio.on("hello to you", lambda _sid, text: answers.rows.append(text))
        client.on("hello", hello)
        await b.connect(client)
        return await left_behind(b, "hello", answers, client, sids=sids, listeners=listeners)


@reproduces("L9")
async def greeting_unheard(fixed: bool) -> Counters:
    """Greet in the server's `connect`, and listen in the client's."""
    listeners = sids = 0
    async with rig() as (b, client, screen):

        async def greet(sid: str, environ: Any) -> None:
            nonlocal listeners, sids
            listeners, sids = handlers([client], "hello"), len(b.server.sids())
            await b.sio.emit("hello", MESSAGE, to=sid)

        b.sio.on("connect", greet)
        # >>>
        if fixed:
            client.on("hello", screen.add)
        else:

            @client.event  # type: ignore[untyped-decorator]
            def connect() -> None:
                client.on("hello", screen.add)

        await b.connect(client)
        # <<<
        return await left_behind(b, "hello", screen, client, sids=sids, listeners=listeners)


@reproduces("L25")
async def another_object(fixed: bool) -> Counters:
    """Emit on a server object that nobody is connected to."""
    async with rig() as (b, client, screen):
        client.on("news", screen.add)
        await b.connect(client)
        # >>> in another file
        sio = b.sio if fixed else socketio.AsyncServer()
        await sio.emit("news", MESSAGE)
        # <<<
        return await left_behind(b, "news", screen, client)


@reproduces("L27")
async def sender_left_out(fixed: bool) -> Counters:
    """Send what a client says to all but the client."""
    async with rig() as (b, client, screen):
        # >>>
        @b.sio.event  # type: ignore[untyped-decorator]
        async def say(sid: str, text: str) -> None:
            await b.sio.emit("line", text, skip_sid=None if fixed else sid)

        # <<<
        client.on("line", screen.add)
        await b.connect(client)
        await client.call("say", MESSAGE)
        return counted(b, "line", screen, client)


@reproduces("L28")
async def first_connection(fixed: bool) -> Counters:
    """Start the client before its server."""
    failed: list[Any] = []
    async with rig() as (b, client, screen):
        client.on("news", screen.add)
        client.on("connect_error", failed.append)

        async def start() -> None:
            with suppress(ConnectionError):
                # >>>
                await client.connect(b.link.url, transports=["websocket"], retry=fixed)
                # <<<

        async with b.link.refuse():
            starting = asyncio.create_task(start())
            await wait_until(lambda: bool(failed))
        await starting
        return await news(b, screen, client)


_COMPONENTS = """
const socket = io(url, fast);
const list = (text) => show(text);
const badge = () => {};
socket.on("news", list);
socket.on("news", badge);
return {
  // >>> the badge goes
  unmount: () => (fixed ? socket.off("news", badge) : socket.off("news")),
  // <<<
};
"""


@reproduces("L24")
async def others_removed(fixed: bool) -> Counters:
    """Remove the listeners of an event, those of others included."""
    async with bench() as b, tab(b.link.url, _COMPONENTS, fixed) as page:
        await b.settled()
        await b.sio.emit("news", "an earlier message")
        await b.settled()
        await page("unmount()")
        return await page.news(b)
