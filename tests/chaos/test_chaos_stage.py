"""What the driver makes of what a process says, and of its end."""

import asyncio

import pytest

from sio_demo.chaos.actors import ClientActor, ServerActor


class FakeForkServer:
    """Gives a process that answers as it is told to."""

    def __init__(self, **answers):
        self.answers = answers
        self.orders = []
        self.killed = 0
        self.hear = None

    async def start(self, program, order, hear):
        self.orders.append(order)
        self.hear = hear
        for answer in self.answers.get("start", []):
            hear(answer)
        return self

    def tell(self, what, *_):
        for answer in self.answers.get(what, []):
            self.hear(answer)

    async def kill(self):
        self.killed += 1


@pytest.fixture
def failures():
    return []


async def server(failures, **answers):
    fork_server = FakeForkServer(start=[("url", "http://127.0.0.1:1")], **answers)
    actor = ServerActor(fork_server, failures.append, path="inbox.db")
    async with asyncio.timeout(1):
        await actor.start()
    assert actor.url == "http://127.0.0.1:1"
    return actor, fork_server


@pytest.mark.parametrize("answers", [[("armed",), ("gone",)], [("gone",)]])
async def test_a_process_that_dies_before_it_says_that_it_is_armed_holds_up_nobody(
    failures, answers
):
    actor, fork_server = await server(failures, arm=answers)
    async with asyncio.timeout(1):
        await actor.arm("after commit")
        await actor.dead()
    assert fork_server.killed == 1
    assert failures == []


async def test_a_process_may_end_when_it_is_asked_to(failures):
    actor, fork_server = await server(failures, stop=[("gone",)])
    async with asyncio.timeout(1):
        await actor.stop()
    assert fork_server.killed == 1
    assert failures == []


async def test_a_process_that_ends_of_itself_is_a_failure(failures):
    _, fork_server = await server(failures)
    fork_server.hear(("gone",))
    assert failures == ["the server has ended, and was not asked to"]


async def test_a_client_goes_on_where_its_last_process_was(failures):
    fork_server = FakeForkServer()
    actor = ClientActor(fork_server, failures.append, client=1, path="outbox.db", allowance=7)
    await actor.start(url="http://127.0.0.1:1")
    for message in (("sent", "a"), ("sent", "b"), ("accepted", "a"), ("answered", "a", "yes")):
        fork_server.hear(message)
    actor.allow(9)
    await actor.kill()
    await actor.start()
    first, second = fork_server.orders
    assert first == {
        "client": 1,
        "path": "outbox.db",
        "allowance": 7,
        "url": "http://127.0.0.1:1",
        "accepted": 0,
    }
    assert second == first | {"allowance": 9, "accepted": 1}
    assert actor.journal.sent == [1, 2]
    assert actor.journal.accepted == [1]
    assert actor.journal.answers == {1: "yes"}
    assert str(actor) == "client 1 has 1 accepted, 1 answered"


async def test_a_refusal_may_be_for_a_fault_before_the_last_that_explains_it(failures):
    """The inbox forgets a client, and is restored, before the client comes back and hears of it."""
    actor = ClientActor(FakeForkServer(), failures.append, client=1, path="outbox.db")
    await actor.start()
    actor.may_be_refused({"UnknownProducerError"}, {1, 2})
    actor.may_be_refused({"UnknownProducerError", "RestoredError"}, set())
    actor.may_be_refused({"RestoredError"}, {3})
    for message in (("refused", "UnknownProducerError"), ("reissued",), ("refused", "StoreError")):
        actor._hear(message)
    assert actor.journal.again == {1: 1, 2: 1}
    assert actor.journal.refusals == [
        "refused without a reason: client 1 has 0 accepted, 0 answered got a StoreError"
    ]
    actor._hear(("refused", "RestoredError"))
    assert actor.journal.again == {1: 1, 2: 1, 3: 1}
