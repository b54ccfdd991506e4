"""Duplicates because one message is sent again."""

from __future__ import annotations

from contextlib import suppress

from socketio.exceptions import TimeoutError as NoAcknowledgementError

from ..counters import Counters
from ..lab.bench import Bench, bench, connects, python_client
from ..lab.packet import TO_CLIENT
from ..lab.waiting import wait_until
from .cause import Cause
from .kit import MESSAGE, Log, background, counted, tab

LIMIT = 0.5  # seconds that a call may take


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


# --- D12 -------------------------------------------------------------------------------

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


async def _buffer_and_outbox(fixed: bool) -> Counters:
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


# --- D13 -------------------------------------------------------------------------------

_RETRIES = """
const socket = io(url, { ...fast, retries: 3, ackTimeout: 20000 });
await connected(socket);
return { pay: () => socket.emitWithAck("pay", MESSAGE, crypto.randomUUID()) };
"""


async def _retries(fixed: bool) -> Counters:
    """Lose the acknowledgement of a message of a client that retries."""
    async with bench() as b:
        till = Till(b, by_id=fixed)
        async with tab(b.link.url, _RETRIES) as page, b.link.cut_when("ACK", TO_CLIENT) as cut:
            await page("pay()")
            await cut
            await wait_until(lambda: len(b.server.sids()) == 1)
            return till.counted()


# --- D14 -------------------------------------------------------------------------------

_FIRST_CONNECT = """
const { io: connect } = require("%s");
const socket = connect(url, { ...fast, retries: 3, ackTimeout: 20000 });
ending(() => socket.disconnect());
const paid = new Promise((done) => socket.on("connect", () => socket.emit("pay", MESSAGE, done)));
await paid;
return { flushed: () => socket.emitWithAck("sync") };
"""


async def _retries_at_first(fixed: bool) -> Counters:
    """Emit in the first `connect`, with retries; the fix is a newer client."""
    async with bench() as b:
        till = Till(b, by_id=False)
        package = "socket.io-client" if fixed else "socket.io-client-4.8.1"
        async with tab(b.link.url, _FIRST_CONNECT % package) as page:
            await page("flushed()")
            return till.counted()


# --- D15 -------------------------------------------------------------------------------


async def _call_again(fixed: bool) -> Counters:
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


CAUSES = (
    Cause(
        letter="D12",
        title="The library's offline buffer and the program's outbox both send",
        family="duplicate",
        measured_with=("socket.io-client", "python-socketio server"),
        symptom="What was sent while offline arrives twice after the reconnect; what was sent "
        "while connected arrives once.",
        mechanism="`emit()` while offline is kept by the client and sent when it is back, just "
        "before `connect` fires. There the program sends its outbox too. python-socketio keeps "
        "nothing.",
        fix="Have one keeper: emit only if `socket.connected`, else leave it to the outbox. Or "
        "give each message an id, and let the server take each id once.",
        evidence=(
            "https://socket.io/docs/v4/client-offline-behavior/",
            "socketio/socket.io-client#1111",
            "socketio/socket.io-client#305",
            "socketio/socket.io-client-java#519",
            "socketio/socket.io#3414",
        ),
        reproduce=_buffer_and_outbox,
    ),
    Cause(
        letter="D13",
        title="The client retries, and only the acknowledgement was lost",
        family="duplicate",
        measured_with=("socket.io-client", "python-socketio server"),
        symptom="After a drop the server handles the last message again, with one listener and "
        "one session.",
        mechanism="`retries` means at least once. The server has done the work, its "
        "acknowledgement is lost with the connection, and the client sends again as soon as it "
        "is back.",
        fix="Keep the retries. Give each message an id, once, and let the server apply each id "
        "once: two packets, two calls, one effect.",
        evidence=(
            "https://socket.io/docs/v4/client-options/#retries",
            "https://socket.io/docs/v4/delivery-guarantees/",
            "https://socket.io/docs/v4/changelog/4.6.0",
            "socketio/socket.io#5334",
        ),
        reproduce=_retries,
    ),
    Cause(
        letter="D14",
        title="Old client: with retries, an emit in the first connect goes out twice",
        family="duplicate",
        measured_with=("socket.io-client", "python-socketio server"),
        symptom="What the first `connect` sends is handled twice, without any fault; later "
        "messages are not.",
        mechanism="The client fires `connect`, which sends the packet, and then sends the head "
        "of its retry queue: the same packet.",
        fix="Upgrade: 4.8.2 empties the queue first.",
        evidence=(
            "socketio/socket.io#5258",
            "socketio/socket.io#5259",
            "https://github.com/socketio/socket.io/releases/tag/socket.io-client@4.8.2",
        ),
        reproduce=_retries_at_first,
    ),
    Cause(
        letter="D15",
        title="The program calls again after a timeout, though the server has done the work",
        family="duplicate",
        measured_with=("python-socketio client", "python-socketio server"),
        symptom="`call()` raises TimeoutError, its repetition succeeds, and the work is done "
        "twice.",
        mechanism="The answer was lost with the connection. `call()` waits its whole timeout "
        "all the same, though after a drop no answer can come. A timeout says nothing about what "
        "the server has done.",
        fix="Treat a timeout as 'unknown'. Repeat with the same id, and let the server apply "
        "each id once: two packets, two calls, one effect.",
        evidence=(
            "miguelgrinberg/python-socketio#612",
            "miguelgrinberg/python-socketio#813",
            "https://python-socketio.readthedocs.io/en/stable/api.html#socketio.AsyncClient.call",
        ),
        reproduce=_call_again,
    ),
)
