"""Duplicates because one message is sent more than once."""

import asyncio
from contextlib import suppress

from socketio.exceptions import TimeoutError as NoAcknowledgementError

from ..causes import reproduces
from ..counters import Counters
from ..lab.bench import Bench, bench, connects
from ..lab.packet import TO_CLIENT
from ..lab.waiting import wait_until
from .kit import MESSAGE, Log, counted, left_behind, rig, tab

LIMIT = 0.5  # seconds that a call may take
ROOMS = ["sports", "local", "today"]


def till(b: Bench, log: Log, fixed: bool) -> None:
    """Let a server take payments; if `fixed`, each id once."""
    known = set[str]()

    # >>> the server
    async def pay(_sid: str, text: str, id: str) -> str:
        log.calls += 1  # rig
        if fixed:
            if id in known:
                return "paid"
            known.add(id)
        log.rows.append(text)
        return "paid"

    # <<<
    b.sio.on("pay", pay)


_OUTBOX = """
const outbox = [];
const socket = io(url, fast);
// >>>
function send() {
  for (const payment of outbox) socket.emit("pay", payment);
}
// <<<
const gone = new Promise((done) => socket.once("disconnect", done));
return {
  pay: async () => {
    await gone;
    // >>> while offline
    outbox.push(MESSAGE);
    if (fixed) {
      if (socket.connected) send();
    } else {
      send();
    }
    socket.on("connect", send);
    // <<<
  },
};
"""


@reproduces("D12")
async def buffer_and_outbox(fixed: bool) -> Counters:
    """Send while offline, and send what is in an outbox at `connect`."""
    log = Log()
    async with bench() as b:
        b.sio.on("pay", log.add)
        async with tab(b.link.url, _OUTBOX, fixed) as page:
            async with b.outage():
                await page("pay()")
            await page("synced()")  # that is sent before what `connect` sends
            return await left_behind(b, "pay", log, b.sio)


_RETRIES = """
const socket = io(url, { ...fast, retries: 3, ackTimeout: 20000 });
return { pay: () => socket.emitWithAck("pay", MESSAGE, crypto.randomUUID()) };
"""


@reproduces("D13")
async def retries(fixed: bool) -> Counters:
    """Lose the acknowledgement of a message of a client that retries."""
    log = Log()
    async with bench() as b:
        till(b, log, fixed)
        async with tab(b.link.url, _RETRIES) as page, b.link.cut_when("ACK", TO_CLIENT) as cut:
            await page("pay()")
            await cut
            await wait_until(lambda: len(b.server.sids()) == 1)
            return counted(b, "pay", log, b.sio)


_FIRST_CONNECT = """
let done;
const paid = new Promise((resolve) => { done = resolve; });
// >>> which release of socket.io-client
const client = fixed ? require("socket.io-client") : require("socket.io-client-4.8.1");
const socket = client.io(url, { ...fast, retries: 3, ackTimeout: 20000 });
socket.on("connect", () => socket.emit("pay", MESSAGE, done));
// <<<
ending(() => socket.disconnect());
await paid;
return { flushed: () => socket.emitWithAck("sync") };
"""


@reproduces("D14")
async def retries_at_first(fixed: bool) -> Counters:
    """Emit in the first `connect`, with retries; the fix is a newer client."""
    log = Log()
    async with bench() as b:
        b.sio.on("pay", log.add)
        async with tab(b.link.url, _FIRST_CONNECT, fixed) as page:
            await page("flushed()")
            return counted(b, "pay", log, b.sio)


@reproduces("D15")
async def call_again(fixed: bool) -> Counters:
    """Lose an answer, wait for it in vain, and call again."""
    async with rig() as (b, client, log):
        till(b, log, fixed)
        await b.connect(client)
        # >>> the client: the first attempt
        pay = client.call("pay", (MESSAGE, "id 1"), timeout=LIMIT)
        # <<<
        async with b.link.cut_when("ACK", TO_CLIENT) as cut:
            attempt = asyncio.create_task(pay)  # it ends within its limit
            await cut
            await wait_until(lambda: connects(b.link) == 2)
            await wait_until(lambda: client.connected and len(b.server.sids()) == 1)
            with suppress(NoAcknowledgementError):
                await attempt
        # >>> after its TimeoutError
        await client.call("pay", (MESSAGE, "id 1"))
        # <<<
        return counted(b, "pay", log, b.sio)


@reproduces("D18")
async def room_by_room(fixed: bool) -> Counters:
    """Send to three rooms that one user is in."""
    async with rig() as (b, client, screen):
        client.on("news", screen.add)
        sid = await b.connect(client)
        for room in ROOMS:
            await b.sio.enter_room(sid, room)
        # >>>
        if fixed:
            await b.sio.emit("news", MESSAGE, to=ROOMS)
        else:
            for room in ROOMS:
                await b.sio.emit("news", MESSAGE, to=room)
        # <<<
        return await left_behind(b, "news", screen, client)
