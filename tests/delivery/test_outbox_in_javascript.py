"""The outbox for socket.io-client, in Node: the same machine, and the same promises."""

import asyncio
import json
import random
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from sio_demo.delivery import OUTBOX_MJS, MemoryInboxStore, Retry
from sio_demo.delivery.message import Answer, Hello, Welcome, id_of
from sio_demo.delivery.send_window import SendWindow
from sio_demo.errors import DeliveryError, NotSeenError, StoreError
from sio_demo.lab.node import NodeClient
from sio_demo.lab.waiting import wait_until

CASES = json.loads(Path(__file__).with_name("window_cases.json").read_text(encoding="utf-8"))
LIMITS = {"confirmed": 0, "batch": 500, "characters": 999_000, "unconfirmed": 20_000}

SETUP = f"""
const {{ Outbox, MemoryStore, SendWindow }} = await load("{OUTBOX_MJS}");
const store = new MemoryStore();
const open = (place = store) => {{
  const socket = io(url, {{
    transports: ["websocket"], reconnectionDelay: 10, forceNew: true,
    timeout: 1000, // a fault may swallow a handshake
  }});
  return new Outbox(socket, place, {{ retryDelay: 10, retryDelayMax: 50, ackTimeout: 400 }});
}};
let outbox = open();
const send = (...payloads) => Promise.all(payloads.map((one) => outbox.send("note", one)));
const words = (error) => `${{error.name}}: ${{error.message}}`;
const mistake = (promise) => promise.then(() => null, words);
"""

MACHINE = """
function play(steps, limits) {
  const output = [];
  let window;
  for (const [what, argument] of steps) {
    if (what === "start") window = new SendWindow({ ...argument, texts: [] });
    if (what === "accept") window.accept(argument);
    if (what === "lost") window.lost();
    if (what === "saved") window.confirmed = window.base;
    if (what === "hello") output.push(window.hello());
    if (what === "next_batch") {
      const batch = window.nextBatch();
      if (batch) { delete batch.producer; delete batch.epoch; }
      output.push(batch);
    }
    if (what === "answered") output.push(window.answered(argument).map(([, reply]) => reply));
    if (what === "welcomed") {
      try {
        window.welcomed({ ...limits, ...argument });
        output.push(null);
      } catch (error) { output.push(error.name); }
    }
  }
  return output;
}"""


def play(steps):
    """Run the steps on the machine of the Python outbox."""
    output, batch = [], None
    for what, *argument in steps:
        match what:
            case "start":
                [start] = argument
                identity = Hello(*(start[n] for n in ("producer", "known", "epoch", "start")))
                window = SendWindow(identity, start["base"], 4000, start["after"])
            case "accept":
                window.accept([Text(text) for text in argument[0]])
            case "lost":
                window.lost()
            case "saved":
                window.confirmed = window.base
            case "hello":
                output.append(window.hello().to_wire())
            case "next_batch":
                sent = window.next_batch()
                batch = sent or batch
                output.append(sent and {n: sent.to_wire()[n] for n in argument[0]})
            case "answered":
                answer = Answer.from_wire(argument[0])
                if answer.error is not None:
                    assert window.refused(batch, answer)
                output.append([reply for _, reply in window.answered(batch, answer)])
            case "welcomed":
                try:
                    window.welcomed(Welcome.from_wire(LIMITS | argument[0]), flights=1)
                except DeliveryError as error:
                    output.append(type(error).__name__)
                else:
                    output.append(None)
    return output


class Text(str):
    """A message of the window."""

    @property
    def text(self):
        return str(self)


@pytest.fixture
async def js(bench):
    js = await NodeClient.start(bench.link.url)
    await js.run(SETUP)
    yield js
    await js.close()


@pytest.mark.parametrize("case", CASES)
async def test_both_machines_answer_alike(js, case):
    steps = CASES[case]
    expected = [step[-1] for step in steps if step[0] in SHOWN]
    assert play(steps) == expected
    await js.run(MACHINE)
    assert await js.run(f"play({json.dumps(steps)}, {json.dumps(LIMITS)})") == expected


SHOWN = ("hello", "next_batch", "answered", "welcomed")


@pytest.mark.parametrize("lost", ["outbox_hello", "outbox", "ACK"])
async def test_each_message_is_applied_once_and_in_order(bench, js, lost):
    assert await js.run("send('first')") == ["first"]
    await bench.link.cut()
    async with bench.link.cut_when(lost) as cut:
        assert await js.run("send(...Array(1200).keys())") == list(range(1200))
        await cut
    assert bench.applied == ["first", *range(1200)]
    assert await js.run("outbox.pending") == 0


async def test_a_silent_connection_is_replaced(bench, js):
    await js.run("send(1)")
    await bench.link.cut("half-open")
    async with asyncio.timeout(5):
        assert await js.run("send(2)") == [2]
    assert bench.applied == [1, 2]


async def test_messages_of_a_page_that_has_ended_are_sent_by_the_next(bench, js):
    async with bench.link.refuse():
        await bench.link.cut()
        await js.run("""
            receipts = [1, 2, 3].map((number) => outbox.send("note", number));
            await Promise.all(receipts.map(({ accepted }) => accepted));
            await outbox.close()""")
    assert await js.run("mistake(receipts[0])") == "ClosedError: It is closed."
    assert await js.run("outbox = open(); send(4)") == [4]
    assert bench.applied == [1, 2, 3, 4]


async def test_it_goes_on_when_the_inbox_is_no_longer_in_trouble(bench, js):
    left = 3

    def not_yet(db, payload):
        nonlocal left
        left -= 1
        if left >= 0:
            raise Retry("The bank is closed.")
        return bench.applied.append(payload)

    bench.inbox.on("pay", not_yet)
    await js.run("outbox.send('pay', 1); outbox.send('note', 2); outbox.drain()")
    assert bench.applied == [1, 2]


async def test_a_refusal_is_final_and_there_is_a_way_on(bench, js):
    await js.run("send(1)")
    async with bench.inbox_lost():
        await js.run("receipt = outbox.send('note', 2); await receipt.accepted")
    assert (await js.run("mistake(receipt)")).startswith("UnknownProducerError")
    assert (await js.run("mistake(outbox.drain())")).startswith("UnknownProducerError")
    await js.run("await outbox.reissue()")
    assert await js.run("send(3)") == [3]
    assert bench.applied == [1, 2, 3]
    assert (await js.run("mistake(outbox.reissue())")).startswith("UsageError")


async def test_the_next_page_remembers_that_the_inbox_knew_it(bench, js):
    await js.run("send(1)")
    await js.run("outbox.close()")
    async with bench.inbox_lost():
        await js.run("outbox = open(); receipt = outbox.send('note', 2); await receipt.accepted")
    assert (await js.run("mistake(receipt)")).startswith("UnknownProducerError")
    assert bench.applied == [1]


async def test_errors_of_a_handler_come_back_by_name(bench, js):
    words = await js.run("mistake(outbox.send('refuse', 1))")
    assert words.startswith("HandlerError: ValueError")


LIES = [
    *(None, 7, 0, "", False, []),
    *({"replies": "x"}, {"replies": []}, {"replies": ["x"]}, {"replies": ["{}"] * 2}),
]


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("event", ["outbox_hello", "outbox"])
async def test_what_is_no_answer_is_named_and_not_asked_for_again(bench, js, event, lie):
    asked = []
    await js.run("send(0)")  # the first hello is over
    bench.sio.on(event, lambda _sid, request: asked.append(request) or lie)
    await bench.link.cut()
    words = await js.run("mistake((async () => outbox.send('note', 1))())")  # `send` may throw it
    assert words == "BatchError: This is no answer."
    assert len(asked) == 1


@pytest.mark.parametrize("limit", ["batch", "characters", "unconfirmed"])
@pytest.mark.parametrize("value", [0, -1, 0.5, None])
async def test_a_limit_under_which_nothing_fits_is_refused_by_name(bench, js, limit, value):
    welcome = {"next": 1, "last": "", **LIMITS, limit: value}
    await js.run("send(0)")  # the first hello is over
    bench.sio.on("outbox_hello", lambda *_: welcome)
    await bench.link.cut()
    words = await js.run("mistake((async () => outbox.send('note', 1))())")
    assert words == "BatchError: This is no answer."
    assert bench.applied == [0]


DEEP = "JSON.parse('['.repeat(3000) + ']'.repeat(3000))"
TOO_LONG = ["'x'.repeat(1e6)", "'中'.repeat(3e5)"]  # a server counts bytes


@pytest.mark.parametrize(
    "value",
    ["NaN", "[Infinity]", "10n", "() => 1", "new Map()", "[undefined]", "[, 1]", DEEP, *TOO_LONG],
)
async def test_what_cannot_be_sent_is_refused_at_once(bench, js, value):
    words = await js.run(f"mistake((async () => outbox.send('note', {value}))())")
    assert words.startswith("PayloadError")
    words = await js.run(f"mistake((async () => outbox.send({value}, 1))())")
    assert words.startswith(("UsageError", "PayloadError"))
    assert await js.run("[outbox.pending, ...await send(1)]") == [0, 1]


async def test_an_object_is_json_whatever_realm_has_made_it(bench, js):
    """A frame has an `Object` of its own, and so have the programs that test a page."""
    made = "require('vm').runInNewContext('({ a: [1, { b: null }] })')"
    assert await js.run(f"send({made})") == [{"a": [1, {"b": None}]}]


async def test_a_page_may_wait_for_ever_for_an_answer(bench, js):
    """A timer that is too long ends at once: every request counted as unanswered."""
    await js.run("""
        const socket = io(url, { transports: ["websocket"], forceNew: true });
        outbox = new Outbox(socket, new MemoryStore(), { ackTimeout: Infinity });""")
    assert await asyncio.wait_for(js.run("send(1)"), 5) == [1]


@pytest.mark.parametrize("no", ["undefined", "NaN"])
async def test_an_option_that_is_there_and_no_number_is_as_if_it_were_not(bench, js, no):
    """Its pauses took no time, and an inbox in trouble was asked a thousand times."""
    await js.run(
        f"const no = {no};"
        + """
        const socket = io(url, { transports: ["websocket"], forceNew: true });
        outbox = new Outbox(socket, new MemoryStore(), // the first store has an outbox
          { retryDelay: no, retryDelayMax: no, ackTimeout: no });"""
    )
    await js.run("send(0)")
    asked, refused = [], Answer(1, [], StoreError("The disk is full.")).to_wire()
    applying = bench.sio.handlers["/"]["outbox"]

    def refuse(*_):
        asked.append(asyncio.get_running_loop().time())
        return refused

    bench.sio.on("outbox", refuse)
    await js.run("receipt = outbox.send('note', 1); null")
    await wait_until(lambda: len(asked) == 3)
    assert asked[2] - asked[1] > 0.09  # between a half and the whole of the second pause
    bench.sio.on("outbox", applying)
    async with bench.link.cut_when("ACK"):
        assert await js.run("receipt") == 1


async def test_a_message_that_cannot_be_stored_is_not_sent(bench, js):
    await js.run("send(1)")
    await js.run("""
        const add = store.add;
        store.add = async () => { throw new Error("the disk is full"); };
        lost = outbox.send("note", 2); null""")
    assert await js.run("mistake(lost.accepted)") == "Error: the disk is full"
    assert await js.run("mistake(lost)") == "Error: the disk is full"
    assert await js.run("store.add = add; send(3)") == [3]
    assert bench.applied == [1, 3]


async def test_it_wants_a_socket_that_does_not_retry_itself(js):
    words = await js.run("mistake((async () => new Outbox(io(url, { retries: 3 })))())")
    assert words.startswith("UsageError: Pass a socket without retries")


async def test_what_is_no_store_leaves_nothing_on_the_socket(js):
    """It was called at the next connection, and ended the process with an error of its own."""
    assert await js.run("""
        const socket = io(url, { autoConnect: false });
        try { new Outbox(socket, "orders"); } catch {}
        ["connect", "disconnect", "connect_error"].map((name) => socket.listeners(name).length)
    """) == [0, 0, 0]


async def test_an_inbox_whose_disk_fails_is_asked_again(bench, js, monkeypatch):
    save, left = MemoryInboxStore.save, 2

    def fail(*arguments):
        nonlocal left
        left -= 1
        if left >= 0:
            raise StoreError("The disk is full.")
        save(*arguments)

    monkeypatch.setattr(MemoryInboxStore, "save", fail)
    assert await js.run("send(1, 2)") == [1, 2]
    assert bench.applied[-2:] == [1, 2]


@pytest.mark.parametrize("method", ["lead", "load", "read", "forget", "known"])
async def test_a_store_that_fails_once_is_asked_again(bench, js, method):
    """With a limit of two, the inbox waits for `confirmed`: it must grow in the end."""
    bench.inbox._applier._max_unconfirmed = 2
    bench.inbox._limits = (*bench.inbox._limits[:2], 2)
    await js.run(f"""
        await outbox.close();
        const method = store.{method}.bind(store);
        store.{method} = async () => {{
          store.{method} = method;
          throw Object.assign(new Error("the disk is full"), {{ name: "StoreError" }});
        }};
        outbox = open();""")
    assert await js.run("send(...Array(7).keys())") == [*range(7)]
    assert bench.applied == [*range(7)]


async def test_a_late_answer_does_nothing_to_the_next_outbox(bench, js):
    """A closed outbox deleted messages that the next one had not sent."""
    await js.run("send(0)")
    async with bench.link.black_hole("server→client"):
        await js.run("receipts = [1, 2].map((n) => outbox.send('note', n)); null")
        await wait_until(lambda: bench.applied == [0, 1, 2])
        await js.run("await outbox.close(); outbox = open(); null")
    assert await js.run("send(3, 4, 5)") == [3, 4, 5]
    assert bench.applied == [0, 1, 2, 3, 4, 5]


async def test_a_socket_that_the_server_disconnects_comes_back(bench, js):
    await js.run("send(1)")
    for sid in bench.server.sids():
        await bench.inbox._sio.disconnect(sid)
    assert await js.run("send(2)") == [2]


async def test_a_page_that_comes_back_by_itself_too_connects_once(bench, js):
    """As in Socket.IO's manual. A server refuses the second request: the page was cut off."""
    await js.run("""
      globalThis.socket = io(url, { transports: ["websocket"], forceNew: true });
      socket.on("disconnect", () => socket.connect());
      outbox = new Outbox(socket, new MemoryStore(), { retryDelay: 100 });
      await outbox.send("note", 1);
    """)
    requests, second = [], asyncio.Event()

    @bench.server.sio.on("connect")
    async def slow(sid, _environ):
        requests.append(sid)
        if len(requests) > 1:
            second.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(second.wait(), 0.2)

    await bench.server.sio.disconnect(await js.run("socket.id"))
    assert await js.run("send(2)") == [2]
    assert len(requests) == 1


async def test_a_server_that_ends_every_connection_is_called_with_growing_pauses(bench, js):
    """Ten times a second, as long as the page was open."""
    bench.sio.on("connect", lambda sid, _: bench.sio.start_background_task(end, sid))
    end, called = bench.sio.disconnect, []
    await js.run("""
        const socket = io(url, { transports: ["websocket"], forceNew: true });
        const times = [];
        socket.on("connect", () => times.push(performance.now()));
        outbox = new Outbox(socket, new MemoryStore(), { retryDelay: 20 }); null""")
    called = await js.run("""
        while (times.length < 7) await new Promise((go) => setTimeout(go, 5));
        times""")
    assert called[-1] - called[0] > 630  # milliseconds: 10 + 20 + 40 + 80 + 160 + 320, at least


async def test_what_is_answered_when_the_caller_disconnects_is_not_sent_again(bench, js):
    await js.run("""
      globalThis.socket = io(url, { transports: ["websocket"], forceNew: true });
      outbox = new Outbox(socket, new MemoryStore());
      await outbox.send("note", 1);
      socket.disconnect();
    """)
    async with bench.inbox_lost():
        pass
    await js.run("""
      const refused = mistake(outbox.send("note", 2));
      socket.connect();
      await refused;
      await outbox.reissue();
      await outbox.drain();
    """)
    assert bench.applied == [1, 2]


async def test_two_reissues_are_one(bench, js):
    await js.run("send(1)")
    async with bench.inbox_lost():
        await js.run("receipt = outbox.send('note', 2); await receipt.accepted")
    await js.run("await mistake(receipt)")
    await js.run("await Promise.all([outbox.reissue(), outbox.reissue()])")
    assert await js.run("send(3)") == [3]
    assert bench.applied == [1, 2, 3]


async def test_drain_says_when_the_outbox_is_closed(bench, js):
    async with bench.link.refuse():
        await bench.link.cut()
        await js.run("outbox.send('note', 1); drained = mistake(outbox.drain()); null")
        await js.run("outbox.close()")
    assert (await js.run("drained")).startswith("ClosedError")


@pytest.mark.parametrize("seed", range(3))
async def test_nothing_is_lost_doubled_or_reordered_whatever_strikes(bench, js, seed):
    chance = random.Random(seed)

    def sometimes_not_yet(db, payload):
        if chance.random() < 0.02:
            raise Retry("Not yet.")
        bench.applied.append(payload)

    bench.inbox.on("number", sometimes_not_yet)
    await js.run("""
        let sent = 0;
        const burst = (count) => {
          while (count--) outbox.send("number", sent++);
        };""")
    strikes = [
        bench.link.cut,
        partial(bench.link.cut, "half-open"),
        partial(js.run, "await outbox.close(); outbox = open(); null"),
        partial(silence, bench, chance.uniform(0, 0.5)),
        partial(lose, bench, "ACK"),
        partial(lose, bench, "outbox"),
    ]
    for _ in range(15):
        await js.run(f"burst({chance.choice((1, 3, 50, 300))})")
        await chance.choice(strikes)()
    await js.run("outbox.drain()")
    assert bench.applied == [*range(await js.run("sent"))]


async def silence(bench, seconds):
    async with bench.link.black_hole():
        await asyncio.sleep(seconds)


async def lose(bench, packet):
    """Cut the connection at a packet, if one comes soon."""
    async with bench.link.cut_when(packet) as cut:
        with suppress(NotSeenError, TimeoutError):
            async with asyncio.timeout(0.2):
                await cut


def test_the_cases_use_ids_of_the_length_that_the_outbox_makes():
    for steps in CASES.values():
        for text in (t for what, *rest in steps if what == "accept" for t in rest[0]):
            assert json.loads(text)[0] == id_of(text)
