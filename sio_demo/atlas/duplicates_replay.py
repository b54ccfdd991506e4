"""Duplicates because what was missed is sent again, and more than what was missed."""

from __future__ import annotations

from ..causes import reproduces
from ..counters import Counters
from ..lab.bench import bench, python_client
from ..lab.experiment import reconnect
from ..lab.link import Link
from ..lab.packet import TO_CLIENT
from ..lab.waiting import wait_until
from .kit import MESSAGE, Log, counted, tab

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


@reproduces("D20")
async def offset_forgotten(fixed: bool) -> Counters:
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
            await wait_until(lambda: server("isEmpty()"))
            await server(f"send('{MESSAGE}')")
        await back
        await server("settle()")
        await reconnect(link)
        await server("settle()")
        assert await server("recovered()") == 2
        return await page.counted("news", link, await server("sids()"))


MOMENTS = ("join", "note", "noted", "read", "done")
"""When a new message may be stored and emitted: before each step of a replay, or after all."""


@reproduces("D21")
async def replay_and_live(
    fixed: bool, moment: str = "read", *, joins_first: bool = True
) -> Counters:
    """Join a room and load what was missed, while a new message is stored and emitted."""
    screen, table, known = Log(), ["earlier"], set[int]()

    async with bench() as b, python_client() as client:

        async def reach(step: str) -> None:
            if step == moment:
                table.append(MESSAGE)
                await b.sio.emit("news", (len(table), MESSAGE), to="followers")

        async def last_id() -> int:  # a query: others come first while it is on its way
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
            if joins_first:
                await join(sid)
            last = await last_id() if fixed else None
            if not joins_first:
                await join(sid)
            for row in await load(seen, last):
                await b.sio.emit("news", row, to=sid)
            await reach("done")

        @client.event  # type: ignore[untyped-decorator]
        def news(id: int, text: str) -> None:
            if fixed and id in known:
                screen.calls += text == MESSAGE
                return
            known.add(id)
            screen.add(text)

        await b.connect(client)
        await client.call("follow", 0)
        await b.settled()
        return counted(b, "news", screen, client)
