"""What is taken for a cause of duplicates or losses, and is none: measured in the same way.

There is nothing to fix, so both runs of a reproduction do the same.
"""

from __future__ import annotations

import socketio

from ..counters import Counters
from ..lab.bench import Bench, bench, python_client
from ..lab.experiment import reconnect
from ..lab.link import Link
from ..lab.packet import TO_SERVER
from .cause import Cause
from .kit import MESSAGE, Log, carried, counted, tab

CUTS = 3

# --- M1 --------------------------------------------------------------------------------

_SERVER_LISTENER = """
let calls = 0;
const rows = [];
const server = await serve();
const sockets = server.sockets.sockets;
const left = [];
server.on("connection", (socket) => {
  socket.on("order", (text) => { calls += 1; rows.push(text); });
  socket.on("sync", (ack) => ack());
  left.push(new Promise((done) => socket.on("disconnect", done)));
});
const listeners = (socket) => socket.listeners("order").length;
return {
  url: () => server.url,
  alone: () => Promise.all(left.slice(0, -1)),
  counts: () => [[...sockets.values()].map(listeners).reduce((a, b) => a + b),
                 sockets.size, calls, rows.length],
};
"""
_ORDERING_CLIENT = """
const socket = io(url, fast);
await connected(socket);
return {
  order: async () => { socket.emit("order", MESSAGE); await socket.emitWithAck("sync"); },
};
"""


async def _server_listener(_fixed: bool) -> Counters:
    """Come back three times to a server that listens at each connection."""
    async with (
        tab(None, _SERVER_LISTENER) as server,
        await Link.to(await server("url()")) as link,
        tab(link.url, _ORDERING_CLIENT) as client,
    ):
        for _ in range(CUTS):
            await reconnect(link)
            await server("alone()")
        await client("order()")
        listeners, sids, calls, effects = await server("counts()")
        return Counters(listeners, sids, carried(link, "order", TO_SERVER), calls, effects)


# --- M2 --------------------------------------------------------------------------------

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
return {
  url: () => server.url,
  sent: async () => { await finished; return sent; },
  sids: () => server.sockets.sockets.size,
};
"""
_UPGRADING_CLIENT = """
const screen = [];
const socket = io(url, { ...fast, transports: ["polling", "websocket"] });
socket.on("news", (text) => screen.push(text));
socket.on("sync", (ack) => ack());
return { counts: () => [socket.listeners("news").length, screen] };
"""


async def _upgrade(_fixed: bool) -> Counters:
    """Count the message that is emitted in the middle; its effect is that all are in order."""
    async with (
        tab(None, _UPGRADING_SERVER) as server,
        await Link.to(await server("url()")) as link,
        tab(link.url, _UPGRADING_CLIENT) as client,
    ):
        sent = await server("sent()")
        listeners, screen = await client("counts()")
        sids, packets = await server("sids()"), carried(link, "news")
        return Counters(listeners, sids, packets, screen.count(MESSAGE), int(screen == sent))


# --- M3, M4, M6: handlers in Python ------------------------------------------------------


async def _send_news(b: Bench, client: socketio.AsyncClient, screen: Log) -> Counters:
    await b.sio.emit("news", MESSAGE)
    await b.settled()
    return counted(b, "news", screen, client)


async def _catch_all(_fixed: bool) -> Counters:
    """Register two handlers: for the event, and for all events."""
    screen = Log()
    async with bench() as b, python_client() as client:

        def every_event(event: str, *data: object) -> None:
            if event == "news":
                screen.add(str(data[0]))

        client.on("*", every_event)
        client.on("news", screen.add)
        await b.connect(client)
        return await _send_news(b, client, screen)


async def _function_and_class(_fixed: bool) -> Counters:
    """Register a function, and a class with a method for the event."""
    screen = Log()

    class Page(socketio.AsyncClientNamespace):  # type: ignore[misc]
        def on_news(self, text: str) -> None:
            screen.add(text)

    async with bench() as b, python_client() as client:
        client.on("news", screen.add)
        client.register_namespace(Page("/"))
        await b.connect(client)
        return await _send_news(b, client, screen)


async def _handler_in_connect(_fixed: bool) -> Counters:
    """Register a handler at each connection, and drop three times."""
    screen = Log()
    async with bench() as b, python_client() as client:

        @client.event  # type: ignore[untyped-decorator]
        def connect() -> None:
            client.on("news", screen.add)

        await b.connect(client)
        for _ in range(CUTS):
            await b.cut()
        await b.settled()
        return await _send_news(b, client, screen)


# --- M5, M7: rooms ---------------------------------------------------------------------


async def _rooms(joins: list[str], to: str | list[str]) -> Counters:
    screen = Log()
    async with bench() as b, python_client() as client:

        async def join(sid: str, room: str) -> None:
            await b.sio.enter_room(sid, room)

        b.sio.on("join", join)
        client.on("news", screen.add)
        await b.connect(client)
        for room in joins:
            await client.call("join", room)
        await b.sio.emit("news", MESSAGE, to=to)
        await b.settled()
        return counted(b, "news", screen, client)


async def _joined_twice(_fixed: bool) -> Counters:
    """Join one room two times."""
    return await _rooms(["lobby", "lobby"], "lobby")


async def _list_of_rooms(_fixed: bool) -> Counters:
    """Join two rooms."""
    return await _rooms(["lobby", "bar"], ["lobby", "bar"])


NOTHING = "None is needed."

CAUSES = (
    Cause(
        letter="M1",
        title="socket.on inside io.on('connection') on a JavaScript server",
        family="myth",
        measured_with=("socket.io", "socket.io-client"),
        symptom="It looks like D1, and pages on the web say that it adds a listener for each "
        "reconnect.",
        mechanism="Each connection brings a new `socket` with listeners of its own, and the old "
        "one goes. This is the right place for them.",
        fix=NOTHING,
        evidence=(
            "https://socket.io/docs/v4/server-socket-instance/",
            "socketio/socket.io#4919",
            "socketio/socket.io#997",
        ),
        reproduce=_server_listener,
    ),
    Cause(
        letter="M2",
        title="The upgrade from long-polling to WebSocket",
        family="myth",
        measured_with=("socket.io", "socket.io-client"),
        symptom="Messages that are sent in the first second, while the transport changes, are "
        "suspected to arrive twice or out of order.",
        mechanism="The client lets its last poll finish before it changes over; what is emitted "
        "meanwhile waits for the new transport. All arrives once and in order.",
        fix=NOTHING,
        evidence=(
            "https://socket.io/docs/v4/delivery-guarantees/",
            "socketio/socket.io-client#989",
        ),
        reproduce=_upgrade,
    ),
    Cause(
        letter="M3",
        title="A catch-all handler beside the handler of the event",
        family="myth",
        measured_with=("python-socketio client", "python-socketio server"),
        symptom='With handlers for `"news"` and `"*"` one would expect two calls.',
        mechanism='Two are registered and one is called: `"*"` is for events that have no handler '
        "of their own. For Python the first counter counts handlers that would be called.",
        fix=NOTHING,
        evidence=("https://python-socketio.readthedocs.io/en/stable/client.html",),
        reproduce=_catch_all,
    ),
    Cause(
        letter="M4",
        title="A function and the method of a namespace class for one event",
        family="myth",
        measured_with=("python-socketio client", "python-socketio server"),
        symptom="Both are registered for the event, so one would expect two calls.",
        mechanism="Two are registered and one is called: the class is asked only for events "
        "without a function. For Python the first counter counts handlers that would be called.",
        fix=NOTHING,
        evidence=("https://python-socketio.readthedocs.io/en/stable/client.html",),
        reproduce=_function_and_class,
    ),
    Cause(
        letter="M5",
        title="A room is joined twice",
        family="myth",
        measured_with=("python-socketio client", "python-socketio server"),
        symptom="A join at every connection or click is suspected to bring each message as often.",
        mechanism="A room is a set of sids: to join again changes nothing.",
        fix=NOTHING,
        evidence=("https://python-socketio.readthedocs.io/en/stable/server.html",),
        reproduce=_joined_twice,
    ),
    Cause(
        letter="M6",
        title="A handler registered inside connect, in Python",
        family="myth",
        measured_with=("python-socketio client", "python-socketio server"),
        symptom="It is D1, in another language: after three reconnects one would expect four "
        "calls.",
        mechanism="python-socketio keeps one handler per event: each registration replaces the one "
        "before (which has its own trap: L20).",
        fix=NOTHING,
        evidence=("miguelgrinberg/python-socketio#906",),
        reproduce=_handler_in_connect,
    ),
    Cause(
        letter="M7",
        title="One emit to several rooms that share a member",
        family="myth",
        measured_with=("python-socketio client", "python-socketio server"),
        also_known_from=("socket.io",),
        symptom="A client that is in two of the rooms is suspected to get the message twice.",
        mechanism="One emit to a list of rooms goes to their union. An emit for each room is "
        "another matter: D18.",
        fix=NOTHING,
        evidence=("https://socket.io/docs/v4/rooms/",),
        reproduce=_list_of_rooms,
    ),
)
