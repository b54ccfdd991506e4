"""Duplicates because the recipient has several listeners for one event."""

from ..causes import reproduces
from ..counters import Counters
from ..lab.bench import bench
from ..lab.packet import TO_SERVER
from ..lab.waiting import wait_until
from .kit import CONNECT, MESSAGE, carried, server_and_client, tab

CUTS = 3  # so that a listener for each connection makes four
MOUNTS = 3
JOINS = 3

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
await connected(socket);
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
await connected(socket);
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
            for cut in range(CUTS):
                await wait_until(lambda: len(logins) == cut + 1)  # noqa: B023
                await b.cut()
            await wait_until(lambda: carried(b.link, "authenticated") == 1)
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
await connected(socket);
let unmount;
for (let time = 0; time < %d; time += 1) {
  unmount?.();
  unmount = mount();
}
"""


@reproduces("D3")
async def no_cleanup(fixed: bool) -> Counters:
    """Mount a component three times."""
    async with bench() as b, tab(b.link.url, _COMPONENT % MOUNTS, fixed) as page:
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
for (let time = 0; time < %d; time += 1) await socket.emitWithAck("join", "lobby");
"""


@reproduces("D10")
async def in_another_handler(fixed: bool) -> Counters:
    """Join a room three times on one connection."""
    async with server_and_client(_CHAT, _GUEST % JOINS, fixed) as (server, link, guest):
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
for (let time = 0; time < %d; time += 1) bind();
"""


@reproduces("D28")
async def bound_again(fixed: bool) -> Counters:
    """Register the server's `connection` handler three times."""
    rig = server_and_client(_GATEWAY % MOUNTS, CONNECT, fixed)
    async with rig as (server, link, guest):
        await guest("send('say')")
        return await server.counted("say", link, await server("sids()"), TO_SERVER)
