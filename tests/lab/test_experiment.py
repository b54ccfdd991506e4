"""The shared loops count the calls of a real handler, and say when they cannot."""

import asyncio

import pytest
import socketio

from sio_demo.errors import NotSeenError, UsageError
from sio_demo.lab.experiment import (
    call_and_cut,
    calls_across_reconnects,
    reconnect,
    settled,
)
from sio_demo.lab.packet import TO_CLIENT
from sio_demo.lab.waiting import patience


@pytest.fixture
def log(client):
    """What a handler was called with that is registered anew at every connect."""
    log = []
    client.on("connect", lambda: client.on("news", lambda *args: log.append(args)))
    return log


@pytest.mark.parametrize("how", ["reset", "close", "half-open"])
async def test_plain_python_socketio_calls_the_handler_once_after_any_number_of_reconnects(
    server, link, client, log, how
):
    await client.connect(link.url, transports=["websocket"])
    sid = client.get_sid()
    for number in range(1, 7):
        await server.sio.emit("news", number)
        await settled(server, sid)
        sid = await reconnect(link, how)
    assert log == [(1,), (2,), (3,), (4,), (5,), (6,)]


async def test_calls_that_grow_are_counted_message_by_message(server, link, client):
    log, rounds = [], []

    def on_connect():
        rounds.append(1)
        handlers = len(rounds)
        client.on("news", lambda n: log.extend([n] * handlers))

    client.on("connect", on_connect)
    await client.connect(link.url, transports=["websocket"])
    counts = await calls_across_reconnects(server, link, lambda: len(log), reconnects=2, messages=2)
    assert counts == [1, 1, 2, 2, 3, 3]


async def test_the_counter_may_be_awaited_and_the_sender_chosen(server, link, client, log):
    async def calls():
        return len(log)

    async def send(number):
        await server.sio.emit("news", ("mine", number))

    await client.connect(link.url, transports=["websocket"])
    assert await calls_across_reconnects(server, link, calls, reconnects=1, send=send) == [1, 1]
    assert log == [("mine", 1), ("mine", 2)]


async def test_reconnect_gives_the_sid_of_the_new_session(server, link, client):
    await client.connect(link.url, transports=["websocket"])
    before = client.get_sid()
    sid = await reconnect(link)
    assert sid != before
    assert sid in server.sids()


async def test_reconnecting_nobody_is_refused_and_leaves_nothing(link):
    with pytest.raises(UsageError, match=r"connect a client to link\.url"):
        await reconnect(link)
    await asyncio.sleep(0)
    assert link._tap.expectations == []


async def test_a_client_that_does_not_come_back_is_reported(link, client, monkeypatch):
    client.reconnection = False
    await client.connect(link.url, transports=["websocket"])
    real_expect = link.expect
    monkeypatch.setattr(link, "expect", lambda *args: real_expect(*args, timeout=0.05))
    with pytest.raises(NotSeenError, match="No packet 'CONNECT' server→client passed"):
        await reconnect(link)


async def test_a_client_that_does_not_acknowledge_is_reported(server, link, client):
    await client.connect(link.url, transports=["websocket"])
    sid = client.get_sid()
    async with link.black_hole():
        token = patience.set(0.05)
        with pytest.raises(NotSeenError, match=r'socket\.on\("sync"'):
            await settled(server, sid)
        patience.reset(token)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"calls": 3}, "calls and send are functions"),
        ({"send": "news"}, "calls and send are functions"),
        ({"reconnects": -1}, "0 times or more"),
        ({"messages": 0}, "1 message or more"),
    ],
)
async def test_wrong_arguments_are_refused_before_anything_is_sent(
    server, link, client, wrong, says
):
    await client.connect(link.url, transports=["websocket"])
    arguments = {"server": server, "link": link, "calls": lambda: 0} | wrong
    with pytest.raises(UsageError, match=says):
        await calls_across_reconnects(**arguments)
    assert [packet for packet in link.packets if packet.event] == []
    assert link._tap.expectations == []


@pytest.mark.parametrize("clients", [0, 2])
async def test_it_wants_exactly_one_client(server, link, clients):
    more = [socketio.AsyncClient(handle_sigint=False) for _ in range(clients)]
    for each in more:
        await each.connect(link.url, transports=["websocket"])
    with pytest.raises(UsageError, match=f"exactly one client first; {clients} are here"):
        await calls_across_reconnects(server, link, lambda: 0)
    for each in more:
        await each.disconnect()


async def test_a_wrong_cut_is_refused_and_leaves_nobody_waiting(link, client):
    await client.connect(link.url, transports=["websocket"])
    with pytest.raises(UsageError, match="take one of"):
        await reconnect(link, "explode")
    assert link._tap.expectations == []


@pytest.mark.parametrize(("at", "handled"), [("ACK", [10, 10]), ("pay", [10])])
async def test_a_call_without_an_answer_may_have_been_handled(server, link, client, at, handled):
    paid = []

    @server.sio.event
    async def pay(sid, amount):
        paid.append(amount)
        return "paid"

    await client.connect(link.url, transports=["websocket"])
    before = client.get_sid()
    assert await call_and_cut(link, client, "pay", 10, at=at) is None
    assert client.get_sid() != before
    assert await client.call("pay", 10) == "paid"  # it is back: no wait is needed
    assert paid == handled


async def test_a_call_that_is_cut_ends_when_the_client_knows_that_it_is_back(server, link, client):
    await client.connect(link.url, transports=["websocket"])
    async with link.latency(0.3, TO_CLIENT):  # its CONNECT has passed the link long before
        await call_and_cut(link, client, "pay", 10, at="pay")
        assert client.get_sid() in server.sids()


async def test_a_call_that_is_not_cut_is_reported(link, client):
    await client.connect(link.url, transports=["websocket"])
    patience.set(0.05)  # a test has a context of its own
    with pytest.raises(NotSeenError, match="No packet 'no such event' passed"):
        await call_and_cut(link, client, "pay", at="no such event")
