"""The real socket.io-client sends the documented format, with no code of ours."""

import pytest

from sio_demo.delivery.message import EVENT
from sio_demo.lab.node import NodeClient

SENDER = """
const socket = io(url, { transports: ["websocket"], reconnectionDelay: 10, ackTimeout: 500,
                         retries: 5 });
const producer = "0b0e7c1e-1111-4222-8333-444455556666"; // crypto.randomUUID()
let next = 0;
let confirmed = 0;
let last = "";

async function hello() {
  const welcome = await socket.emitWithAck("outbox_hello", {
    producer, known: next > 0, epoch: 1, start: "this page",
  });
  if (welcome.error) throw new Error(`${welcome.error}: ${welcome.message}`);
}

async function send(...payloads) {
  const ids = payloads.map(() => crypto.randomUUID());
  const messages = payloads.map((payload, i) => JSON.stringify([ids[i], "note", payload]));
  const batch = { producer, epoch: 1, first: next, after: last, confirmed, messages };
  next += messages.length;
  last = ids.at(-1);
  const answer = await socket.emitWithAck("outbox", batch);
  if (answer.error) throw new Error(`${answer.error}: ${answer.message}`);
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
    async with bench.link.cut_when("ACK") as cut:
        replies = await js.run('send({ amount: 10 }, "ü\\u2028", null)')
        await cut
    assert replies == [{"ok": {"amount": 10}}, {"ok": "ü\u2028"}, {"ok": None}]
    assert await js.run("send(1.5)") == [{"ok": 1.5}]
    assert bench.applied == [{"amount": 10}, "ü\u2028", None, 1.5]
    assert bench.link.count(EVENT) == 3


async def test_javascript_learns_of_its_mistakes(bench, js):
    await js.run("send(1)")
    await js.run("next = 7")
    answer = await js.run("send(2).catch((error) => error.message)")
    assert answer.startswith("SequenceError: The sequence jumps: expected 1, got 7.")
    await js.run('socket.emitWithAck("outbox", { producer })')
    assert bench.applied == [1]
