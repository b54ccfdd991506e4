"""Duplicates because what was missed is sent again, and more than what was missed."""

from __future__ import annotations

import asyncio

from ..counters import Counters
from ..lab.experiment import reconnect
from ..lab.link import Link
from ..lab.packet import TO_CLIENT
from .cause import Cause
from .kit import MESSAGE, Screen, background, bench, carried, handlers, python_client, tab, until

# --- D20 -------------------------------------------------------------------------------

_RECOVERING = """
const { SessionAwareAdapter } = require("socket.io-adapter");
class ForgetsOffsets extends SessionAwareAdapter {
  async restoreSession(pid, offset) {
    const session = await super.restoreSession(pid, offset);
    const missedPackets = session?.missedPackets.map((packet) => packet.slice(0, -1));
    return session && { ...session, missedPackets };
  }
}
const server = await serve({
  connectionStateRecovery: {},
  adapter: %s ? SessionAwareAdapter : ForgetsOffsets,
});
let recovered = 0;
server.on("connection", (socket) => { recovered += socket.recovered; });
return {
  url: () => server.url,
  sids: () => server.sockets.sockets.size,
  isEmpty: () => server.sockets.sockets.size === 0,
  recovered: () => recovered,
  send: (text) => server.emit("news", { text }),
  settle: () => server.timeout(30000).emitWithAck("sync"),
};
"""
_READER = """
let calls = 0;
const screen = [];
const socket = io(url, fast);
socket.on("news", ({ text }) => {
  if (text !== MESSAGE) return;
  calls += 1;
  screen.push(text);
});
socket.on("sync", (ack) => ack());
await connected(socket);
return { counts: () => [socket.listeners("news").length, calls, screen.length] };
"""


async def _offset_forgotten(fixed: bool) -> Counters:
    """Drop twice, with one message while the client is away the first time."""
    async with (
        tab(None, _RECOVERING % ("true" if fixed else "false")) as server,
        await Link.to(await server("url()")) as link,
        tab(link.url, _READER) as page,
    ):
        await server("send('earlier')")  # from it the client has its first offset
        await server("settle()")
        back = link.expect("CONNECT", TO_CLIENT)
        async with link.refuse():
            await link.cut()
            await until(lambda: server("isEmpty()"))
            await server(f"send('{MESSAGE}')")
        await back
        await server("settle()")
        await reconnect(link)
        await server("settle()")
        assert await server("recovered()") == 2
        listeners, calls, effects = await page("counts()")
        return Counters(listeners, await server("sids()"), carried(link, "news"), calls, effects)


# --- D21 -------------------------------------------------------------------------------


async def _replay_and_live(fixed: bool) -> Counters:
    """Join a room and load what was missed, while a new message arrives."""
    screen = Screen()
    history, reading, disk = ["earlier"], asyncio.Event(), asyncio.Event()

    async with bench() as b, python_client() as client:

        async def load(first: int, last: int | None) -> list[str]:
            reading.set()
            await disk.wait()
            return history[first:last]

        @b.sio.event  # type: ignore[untyped-decorator]
        async def follow(sid: str, seen: int) -> None:
            last = len(history) if fixed else None  # what comes later comes by the room
            await b.sio.enter_room(sid, "followers")
            for text in await load(seen, last):
                await b.sio.emit("news", text, to=sid)

        client.on("news", screen.show)
        await b.connect(client)
        async with background(client.call("follow", 0)) as following:
            await reading.wait()
            history.append(MESSAGE)
            await b.sio.emit("news", MESSAGE, to="followers")
            disk.set()
            await following
        await b.settled()
        return Counters(
            handlers([client], "news"),
            len(b.server.sids()),
            b.carried("news"),
            screen.calls,
            len(screen.lines),
        )


CAUSES = [
    Cause(
        letter="D20",
        title="State recovery replays the same packets at every drop",
        family="duplicate",
        hits=("socket.io with @socket.io/redis-streams-adapter",),
        symptom="After two drops with no traffic in between, the packets that the first "
        "recovery brought come again.",
        mechanism="A client tells the offset of the last packet it has seen. The adapter left "
        "the offset out of what it replayed, so the client's did not move. Here socket.io's "
        "adapter in memory is made to do the same.",
        fix="Upgrade the adapter. Ids of your own in the messages tell a copy in any case.",
        evidence=(
            "socketio/socket.io#5419",
            "socketio/socket.io-redis-streams-adapter#39",
            "socketio/socket.io-redis-streams-adapter#40",
            "https://socket.io/docs/v4/connection-state-recovery",
        ),
        reproduce=_offset_forgotten,
    ),
    Cause(
        letter="D21",
        title="Replay of what was missed races the live messages",
        family="duplicate",
        hits=("any server",),
        symptom="After a reconnect under load some messages come twice, others out of order.",
        mechanism="The client joins the room, then the history is read. What is sent in between "
        "comes by the room and is in the history as well.",
        fix="Note the last id before joining, and replay up to it. The client still has to put "
        "the two streams in order, and must not move its offset past a gap.",
        evidence=(
            "https://socket.io/docs/v4/tutorial/step-7",
            "bkad/prat#44",
            "socketio/socket.io#4697",
        ),
        reproduce=_replay_and_live,
    ),
]
