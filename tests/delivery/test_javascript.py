"""The real socket.io-client sends the documented format, with no code of ours."""

import pytest

from sio_demo.delivery.message import EVENT, HELLO
from sio_demo.lab.node import NodeClient

SENDER = """
const socket = io(url, { transports: ["websocket"], reconnectionDelay: 10, ackTimeout: 500,
                         retries: 5 });
const producer = "0b0e7c1e-1111-4222-8333-444455556666"; // crypto.randomUUID()
const start = "this page load";
const epoch = 1;
let known = false;
let next, after;
let confirmed = 0;
let last = "";

async function hello() {
  const welcome = await socket.emitWithAck("outbox_hello", {
    producer, known: next > 0, epoch: 1, start: "this page",
  });
  if (welcome.error) throw new Error(`${welcome.error}: ${welcome.message}`);
}

async function ask(event, argument) {
  const answer = await socket.emitWithAck(event, argument);
  if (answer.error) throw new Error(`${answer.error}: ${answer.message}`);
  return answer;
}

async function hello() {
  const welcome = await ask("outbox_hello", { producer, known, epoch, start });
  known = true;
  ({ next, last: after } = welcome);
  return welcome;
}

function pack(...payloads) {
  const messages = payloads.map((payload) => [`${Math.random()}`, "note", payload]);
  const batch = { producer, epoch, first: next, after, confirmed,
                  messages: messages.map((message) => JSON.stringify(message)) };
  next += messages.length;
  after = messages.at(-1)[0];
  return batch;
}

async function send(...payloads) {
  const answer = await ask("outbox", pack(...payloads));
  confirmed = answer.next;
  return answer.replies.map((reply) => JSON.parse(reply));
}
"""


@pytest.fixture
async def js(bench):
    js = await NodeClient.start(bench.link.url)
    await js.run(SENDER)
    await js.run("hello()")
    yield js
    await js.close()


async def test_a_retry_of_socket_io_client_is_deduplicated(bench, js):
    welcome = await js.run("hello()")
    assert (welcome["next"], welcome["last"]) == (0, "")
    async with bench.link.cut_when("ACK") as cut:
        replies = await js.run('send({ amount: 10 }, "ü\\u2028", null)')
        await cut
    assert replies == [{"ok": {"amount": 10}}, {"ok": "ü\u2028"}, {"ok": None}]
    assert await js.run("send(1.5)") == [{"ok": 1.5}]
    assert bench.applied == [{"amount": 10}, "ü\u2028", None, 1.5]
    assert bench.link.count(EVENT) == 3


async def test_a_hello_whose_answer_is_lost_registers_no_second_producer(bench, js):
    async with bench.link.cut_when("ACK") as cut:
        await js.run("hello()")
        await cut
    assert bench.link.count(HELLO) >= 2  # the lost one and its repeat
    await js.run("send(1)")
    assert bench.inbox.store.owned(None, 10) == 1
    assert (await js.run("hello()"))["next"] == 1
    assert bench.applied == [1]


async def test_javascript_learns_of_its_mistakes(bench, js):
    await js.run("hello()")
    await js.run("send(1)")
    await js.run("next = 7")
    assert (await mistake(js, "send(2)")).startswith(
        "SequenceError: The sequence jumps: expected 1, got 7."
    )
    await js.run("hello()")
    await js.run('after = "another"')
    assert (await mistake(js, "send(2)")).startswith("ConflictError: Another message")
    await js.run("hello()")
    later = await mistake(js, 'ask("outbox", { ...pack(2), epoch: 2 })')
    assert later.startswith("UnknownProducerError: Epoch 2 has not said hello")
    copy = await mistake(js, 'ask("outbox_hello", { producer, known, epoch, start: "a copy" })')
    assert copy.startswith("FencedError: The producer was taken over")
    assert (await mistake(js, 'ask("outbox", { producer })')).startswith("BatchError: A batch is")
    assert bench.applied == [1]


async def mistake(js, code):
    return await js.run(f"{code}.catch((error) => error.message)")
