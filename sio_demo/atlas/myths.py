"""What is wrongly taken for a cause: with nothing to fix, both runs of a program do the same."""

import socketio

from ..causes import reproduces
from ..counters import Counters
from ..lab.bench import bench, python_client
from ..lab.experiment import reconnect
from ..lab.packet import TO_SERVER
from ..lab.waiting import wait_until
from .kit import CONNECT, CUTS, MESSAGE, Log, carried, news, rig, server_and_client

_SERVER_LISTENER = """
const server = await serve();
server.on("connection", (socket) => socket.on("order", show));
"""


@reproduces("M1")
async def server_listener(_fixed: bool) -> Counters:
    """Come back three times to a server that listens at each connection."""
    async with server_and_client(_SERVER_LISTENER, CONNECT) as (server, link, client):
        for _ in range(CUTS):
            await reconnect(link)
            await wait_until(lambda: server("has(1)"))
        await client("send('order')")
        return await server.counted("order", link, await server("sids()"), TO_SERVER)


_UPGRADING_SERVER = """
const server = await serve();
const sent = [];
let finish;
const finished = new Promise((done) => { finish = done; });
server.on("connection", (socket) => {
  const send = (text) => { sent.push(text); socket.emit("news", text); };
  for (let number = 0; number < 10; number += 1) send(number);
  socket.conn.once("upgrading", () => send(MESSAGE));
  socket.conn.once("upgrade", () => {
    for (let number = 10; number < 20; number += 1) send(number);
    finish(socket.emitWithAck("sync"));
  });
});
return { sent: async () => { await finished; return sent; } };
"""
_UPGRADING_CLIENT = """
const screen = [];
const socket = io(url, { ...fast, transports: ["polling", "websocket"] });
socket.on("news", (text) => screen.push(text));
return { counts: () => [socket.listeners("news").length, screen] };
"""


@reproduces("M2")
async def upgrade(_fixed: bool) -> Counters:
    """Count the message that is emitted in the middle; its effect is that all are in order."""
    async with server_and_client(_UPGRADING_SERVER, _UPGRADING_CLIENT) as (server, link, client):
        sent = await server("sent()")
        listeners, screen = await client("counts()")
        sids, packets = await server("sids()"), carried(link, "news")
        return Counters(listeners, sids, packets, screen.count(MESSAGE), int(screen == sent))


@reproduces("M3")
async def catch_all(_fixed: bool) -> Counters:
    """Register two handlers: for the event, and for all events."""
    async with rig() as (b, client, screen):

        def every_event(event: str, *data: object) -> None:
            if event == "news":
                screen.add(str(data[0]))

        client.on("*", every_event)
        client.on("news", screen.add)
        await b.connect(client)
        return await news(b, screen, client)


@reproduces("M4")
async def function_and_class(_fixed: bool) -> Counters:
    """Register a function, and a class with a method for the event."""
    screen = Log()

    class Page(socketio.AsyncClientNamespace):  # type: ignore[misc]
        def on_news(self, text: str) -> None:
            screen.add(text)

    async with bench() as b, python_client() as client:
        client.on("news", screen.add)
        client.register_namespace(Page("/"))
        await b.connect(client)
        return await news(b, screen, client)


@reproduces("M6")
async def handler_in_connect(_fixed: bool) -> Counters:
    """Register a handler at each connection, and drop three times."""
    async with rig() as (b, client, screen):

        @client.event  # type: ignore[untyped-decorator]
        def connect() -> None:
            client.on("news", screen.add)

        await b.connect(client)
        for _ in range(CUTS):
            await b.cut()
        return await news(b, screen, client)


async def _rooms(joins: list[str], to: str | list[str]) -> Counters:
    async with rig() as (b, client, screen):

        async def join(sid: str, room: str) -> None:
            await b.sio.enter_room(sid, room)

        b.sio.on("join", join)
        client.on("news", screen.add)
        await b.connect(client)
        for room in joins:
            await client.call("join", room)
        return await news(b, screen, client, to=to)


@reproduces("M5")
async def joined_twice(_fixed: bool) -> Counters:
    """Join one room two times."""
    return await _rooms(["lobby", "lobby"], "lobby")


@reproduces("M7")
async def list_of_rooms(_fixed: bool) -> Counters:
    """Join two rooms."""
    return await _rooms(["lobby", "bar"], ["lobby", "bar"])
