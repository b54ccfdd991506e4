"""Duplicates because the recipient has several listeners for one event."""

from __future__ import annotations

from ..counters import Counters
from ..lab.bench import Bench, bench
from ..lab.link import Link
from ..lab.packet import TO_SERVER
from ..lab.waiting import wait_until
from .cause import Cause
from .kit import MESSAGE, Tab, carried, tab

CUTS = 3  # so that a listener for each connection makes four
MOUNTS = 3
JOINS = 3

CLIENT = """
let calls = 0;
const screen = [];
const show = (text) => {
  if (text !== MESSAGE) return;
  calls += 1;
  screen.push(text);
};
const socket = io(url, fast);
socket.on("sync", (ack) => ack());
"""


async def _send_news(bench: Bench, page: Tab) -> Counters:
    await bench.settled()
    await bench.sio.emit("news", MESSAGE)
    await bench.settled()
    return await page.counted("news", bench.link, len(bench.server.sids()))


# --- D1 --------------------------------------------------------------------------------

_NEWS_INSIDE = "socket.on('connect', () => { socket.on('news', show); });"
_NEWS_OUTSIDE = "socket.on('news', show);"
_NEWS_COUNTS = """
await connected(socket);
return { counts: () => [socket.listeners("news").length, calls, screen.length] };
"""


async def _in_connect(fixed: bool) -> Counters:
    """Register a listener at each connection, and drop three times."""
    design = _NEWS_OUTSIDE if fixed else _NEWS_INSIDE
    async with bench() as b, tab(b.link.url, CLIENT + design + _NEWS_COUNTS) as page:
        for _ in range(CUTS):
            await b.cut()
        return await _send_news(b, page)


# --- D2 --------------------------------------------------------------------------------

_LOGIN_INSIDE = """
socket.on("connect", () => {
  socket.emit("authenticate", "secret").on("authenticated", show);
});
"""
_LOGIN_OUTSIDE = """
socket.on("authenticated", show);
socket.on("connect", () => { socket.emit("authenticate", "secret"); });
"""
_LOGIN_COUNTS = """
await connected(socket);
return { counts: () => [socket.listeners("authenticated").length, calls, screen.length] };
"""


async def _reply_in_connect(fixed: bool) -> Counters:
    """Chain a listener to the login that is sent at each connection."""
    logins: list[str] = []
    async with bench() as b:

        @b.sio.event  # type: ignore[untyped-decorator]
        async def authenticate(sid: str, _token: str) -> None:
            logins.append(sid)
            is_last = len(logins) == CUTS + 1
            await b.sio.emit("authenticated", MESSAGE if is_last else "welcome", to=sid)

        design = _LOGIN_OUTSIDE if fixed else _LOGIN_INSIDE
        async with tab(b.link.url, CLIENT + design + _LOGIN_COUNTS) as page:
            for cut in range(CUTS):
                await wait_until(lambda: len(logins) == cut + 1)  # noqa: B023
                await b.cut()
            await wait_until(lambda: carried(b.link, "authenticated") == 1)
            await b.settled()
            return await page.counted("authenticated", b.link, len(b.server.sids()))


# --- D3 --------------------------------------------------------------------------------

_COMPONENT = """
function mount() {
  socket.on("news", show);
  return () => %s;
}
await connected(socket);
let unmount = () => {};
for (let time = 0; time < %d; time += 1) {
  unmount();
  unmount = mount();
}
return { counts: () => [socket.listeners("news").length, calls, screen.length] };
"""


async def _no_cleanup(fixed: bool) -> Counters:
    """Mount a component three times."""
    cleanup = "socket.off('news', show)" if fixed else "{}"
    code = CLIENT + _COMPONENT % (cleanup, MOUNTS)
    async with bench() as b, tab(b.link.url, code) as page:
        return await _send_news(b, page)


# --- D10 -------------------------------------------------------------------------------

_CHAT = """
let calls = 0;
const rows = [];
const say = (text) => { calls += 1; rows.push(text); };
const server = await serve();
server.on("connection", (socket) => {
  socket.on("join", (room, ack) => {
    socket.join(room);
    %s
    ack();
  });
  %s
  socket.on("sync", (ack) => ack());
});
const first = () => server.sockets.sockets.values().next().value;
return {
  url: () => server.url,
  counts: () => [first().listeners("say").length, server.sockets.sockets.size, calls, rows.length],
};
"""
_GUEST = """
const socket = io(url, fast);
for (let time = 0; time < %d; time += 1) await socket.emitWithAck("join", "lobby");
return {
  say: async () => { socket.emit("say", MESSAGE); await socket.emitWithAck("sync"); },
};
"""


async def _in_another_handler(fixed: bool) -> Counters:
    """Join a room three times on one connection."""
    listen = "socket.on('say', say);"
    code = _CHAT % (("", listen) if fixed else (listen, ""))
    async with (
        tab(None, code) as server,
        await Link.to(await server("url()")) as link,
        tab(link.url, _GUEST % JOINS) as guest,
    ):
        await guest("say()")
        listeners, sids, calls, effects = await server("counts()")
        return Counters(listeners, sids, carried(link, "say", TO_SERVER), calls, effects)


CAUSES = (
    Cause(
        letter="D1",
        title="Listener registered inside the client's connect handler",
        family="duplicate",
        measured_with=("socket.io-client", "python-socketio server"),
        symptom="After n reconnects each message is handled n + 1 times. A reload cures it, "
        "until the next reconnect.",
        mechanism="`connect` fires at every reconnection, and `on()` appends to a list, the same "
        "function too. python-socketio keeps one handler per event, so it is not affected.",
        fix="Register listeners once, outside `connect`.",
        evidence=(
            "https://socket.io/docs/v4/client-socket-instance/",
            "https://socket.io/docs/v4/troubleshooting-connection-issues/#duplicate-event-registration",
            "socketio/socket.io#4919",
            "socketio/socket.io#758",
            "socketio/socket.io-client#769",
        ),
        reproduce=_in_connect,
    ),
    Cause(
        letter="D2",
        title="Listener for the reply to a login chained inside connect",
        family="duplicate",
        measured_with=("socket.io-client", "python-socketio server"),
        symptom="After n reconnects one reply to a login is handled n + 1 times, and so is "
        "whatever it starts.",
        mechanism="`socket.emit(...)` returns the socket, so `.on(...)` behind it adds a lasting "
        "listener at each `connect`. It looks like a callback of that one emit, and is none.",
        fix="Emit in `connect`, listen outside. Better: send the token in the `auth` option, as a "
        "function, which is called for each connection.",
        evidence=(
            "https://socket.io/docs/v4/client-options/#auth",
            "auth0-community/auth0-socketio-jwt#68",
            "facundoolano/socketio-auth#31",
            "feathersjs-ecosystem/authentication-client#9",
        ),
        reproduce=_reply_in_connect,
    ),
    Cause(
        letter="D3",
        title="A component registers a listener and never removes it",
        family="duplicate",
        measured_with=("socket.io-client", "python-socketio server"),
        symptom="Each visit to a page adds one call per message, without any reconnect. In "
        "development React's StrictMode shows it at once: two calls.",
        mechanism="The socket outlives the component. Each mount adds a listener, and no unmount "
        "removes it. Here mount and unmount are plain functions on a real socket.",
        fix="Return a clean-up that calls `socket.off(event, handler)` with the same function. "
        "Leave StrictMode on.",
        evidence=(
            "https://socket.io/how-to/use-with-react",
            "socketio/socket.io#3453",
            "socketio/socket.io#4004",
            "socketio/socket.io-client#1306",
            "MetinSeylan/Vue-Socket.io#7",
        ),
        reproduce=_no_cleanup,
    ),
    Cause(
        letter="D10",
        title="Listener registered inside the handler of another event",
        family="duplicate",
        measured_with=("socket.io", "socket.io-client"),
        symptom="If a client joins a room n times on one connection, each message is handled n "
        "times.",
        mechanism="The handler of `join` adds a listener for the messages of the room each time "
        "it runs, to the same socket, and `on()` appends. The one report of it shows no nested "
        "listener, so its cause is not confirmed.",
        fix="Register both listeners beside each other, once per socket.",
        evidence=("socketio/socket.io#3516", "socketio/socket.io#2369"),
        reproduce=_in_another_handler,
    ),
)
