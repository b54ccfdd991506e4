"""Duplicates because one message is sent more than once."""

from __future__ import annotations

from contextlib import suppress

from socketio.exceptions import TimeoutError as NoAcknowledgementError

from ..causes import reproduces
from ..counters import Counters
from ..lab.bench import Bench, bench, connects, python_client
from ..lab.packet import TO_CLIENT
from ..lab.waiting import wait_until
from .kit import MESSAGE, Log, background, counted, tab

LIMIT = 0.5  # seconds that a call may take
ROOMS = ["sports", "local", "today"]


class Till(Log):
    """A server's handler that takes payments; with ids, each of them once."""

    def __init__(self, bench: Bench, *, by_id: bool) -> None:
        super().__init__()
        self._bench = bench
        self._by_id = by_id
        self._known: set[str] = set()
        bench.sio.on("pay", self.pay)

    async def pay(self, _sid: str, text: str, id: str = "") -> str:
        """Handle a payment."""
        self.calls += 1
        if not (self._by_id and id in self._known):
            self._known.add(id)
            self.rows.append(text)
        return "paid"

    def counted(self) -> Counters:
        """Count what the one payment has left behind."""
        return counted(self._bench, "pay", self, self._bench.sio)


_OUTBOX = """
const outbox = [];
const socket = io(url, fast);
socket.on("sync", (ack) => ack());
function send() {
  for (const payment of outbox) socket.emit("pay", payment);
}
await connected(socket);
const gone = new Promise((done) => socket.once("disconnect", done));
return {
  pay: async () => {
    await gone;
    outbox.push(MESSAGE);
    if (%s) send();
    socket.on("connect", send);
  },
  flushed: () => socket.emitWithAck("sync"),
};
"""


@reproduces("D12")
async def buffer_and_outbox(fixed: bool) -> Counters:
    """Send while offline, and send what is in an outbox at `connect`."""
    async with bench() as b:
        till = Till(b, by_id=False)
        code = _OUTBOX % ("socket.connected" if fixed else "true")
        async with tab(b.link.url, code) as page:
            async with b.link.refuse():
                await b.link.cut()
                await page("pay()")
            await page("flushed()")
            await wait_until(lambda: len(b.server.sids()) == 1)
            return till.counted()


_RETRIES = """
const socket = io(url, { ...fast, retries: 3, ackTimeout: 20000 });
await connected(socket);
return { pay: () => socket.emitWithAck("pay", MESSAGE, crypto.randomUUID()) };
"""


@reproduces("D13")
async def retries(fixed: bool) -> Counters:
    """Lose the acknowledgement of a message of a client that retries."""
    async with bench() as b:
        till = Till(b, by_id=fixed)
        async with tab(b.link.url, _RETRIES) as page, b.link.cut_when("ACK", TO_CLIENT) as cut:
            await page("pay()")
            await cut
            await wait_until(lambda: len(b.server.sids()) == 1)
            return till.counted()


_FIRST_CONNECT = """
const { io: connect } = require("%s");
const socket = connect(url, { ...fast, retries: 3, ackTimeout: 20000 });
ending(() => socket.disconnect());
const paid = new Promise((done) => socket.on("connect", () => socket.emit("pay", MESSAGE, done)));
await paid;
return { flushed: () => socket.emitWithAck("sync") };
"""


@reproduces("D14")
async def retries_at_first(fixed: bool) -> Counters:
    """Emit in the first `connect`, with retries; the fix is a newer client."""
    async with bench() as b:
        till = Till(b, by_id=False)
        package = "socket.io-client" if fixed else "socket.io-client-4.8.1"
        async with tab(b.link.url, _FIRST_CONNECT % package) as page:
            await page("flushed()")
            return till.counted()


@reproduces("D15")
async def call_again(fixed: bool) -> Counters:
    """Lose an answer, wait for it in vain, and call again."""
    async with bench() as b, python_client() as client:
        till = Till(b, by_id=fixed)
        await b.connect(client)
        pay = client.call("pay", (MESSAGE, "id 1"), timeout=LIMIT)
        async with b.link.cut_when("ACK", TO_CLIENT) as cut, background(pay) as attempt:
            await cut
            await wait_until(lambda: connects(b.link) == 2)
            await wait_until(lambda: client.connected and len(b.server.sids()) == 1)
            with suppress(NoAcknowledgementError):
                await attempt
        await client.call("pay", (MESSAGE, "id 1"))
        return till.counted()


@reproduces("D18")
async def room_by_room(fixed: bool) -> Counters:
    """Send to three rooms that one user is in."""
    screen = Log()
    async with bench() as b, python_client() as client:
        client.on("news", screen.add)
        sid = await b.connect(client)
        for room in ROOMS:
            await b.sio.enter_room(sid, room)
        if fixed:
            await b.sio.emit("news", MESSAGE, to=ROOMS)
        else:
            for room in ROOMS:
                await b.sio.emit("news", MESSAGE, to=room)
        await b.settled()
        return counted(b, "news", screen, client)
