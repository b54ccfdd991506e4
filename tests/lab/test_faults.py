"""Faults are exact: what is lost, what is late and what arrives is known, packet by packet."""

import asyncio
import time
from functools import cache

import pytest
from selfmade import REQUEST, response_101, sender

from sio_demo.errors import NotSeenError, UsageError
from sio_demo.lab.packet import TO_CLIENT, TO_SERVER

REFUSED = ConnectionRefusedError


async def turns(number=50):
    """Let the event loop go on: whatever can arrive at once, arrives."""
    for _ in range(number):
        await asyncio.sleep(0)


async def websocket(peers):
    """Give the two bare ends of a connection through a link, after a WebSocket handshake."""
    client, server = await peers.dial()
    client.send(REQUEST)
    await server.has(len(REQUEST))
    server.send(response_101())
    await client.has(len(response_101()))
    client.received.clear()
    server.received.clear()
    return {TO_SERVER: (client, server), TO_CLIENT: (server, client)}


@cache
def frame(direction, event):
    """Give an event as bytes; the same bytes each time, though a client masks them by chance."""
    return bytes(sender(direction).send_data(f'42["{event}"]'))


async def connect(link, client, transports=("websocket",)):
    """Connect a real client, and give its sid."""
    back = link.expect("CONNECT", TO_CLIENT)
    await client.connect(link.url, transports=list(transports))
    return (await back).data["sid"]


class Shop:
    """A server that is paid, over a real client: notes what each side saw."""

    def __init__(self, sio, client):
        self.payments, self.acks, self.news = [], [], []
        self.connects = asyncio.Queue()
        sio.on("pay", self._on_pay)
        client.on("news", self.news.append)
        client.on("connect", lambda: self.connects.put_nowait(client.get_sid()))

    async def reconnected(self):
        """Wait until the client knows that it is back."""
        await self.connects.get()  # the first time
        return await self.connects.get()

    async def pay(self, client, amount):
        await client.emit("pay", amount, callback=self.acks.append)

    def _on_pay(self, sid, amount):
        self.payments.append(amount)
        return f"paid {amount}"


@pytest.fixture
def shop(sio, client):
    return Shop(sio, client)


# --- black hole ---------------------------------------------------------------------------


@pytest.mark.parametrize("blocked", [TO_SERVER, TO_CLIENT])
async def test_a_black_hole_swallows_one_direction_and_gives_it_back_in_order(peers, blocked):
    ends = await websocket(peers)
    sender_, receiver = ends[blocked]
    other_sender, other_receiver = ends[TO_CLIENT if blocked == TO_SERVER else TO_SERVER]
    async with peers.link.black_hole(blocked):
        seen = peers.link.expect("e4")
        for number in range(5):
            sender_.send(frame(blocked, f"e{number}"))
        await seen
        other_sender.send(b"x" * 100)
        await other_receiver.has(100)
        await turns()
        assert receiver.received == b""
    expected = b"".join(frame(blocked, f"e{n}") for n in range(5))
    lengths = [len(frame(blocked, f"e{n}")) for n in range(5)]
    assert len(await receiver.has(sum(lengths))) == len(expected)
    assert all(packet.delivered for packet in peers.link.packets)


async def test_a_black_hole_in_both_directions_stops_a_real_client(sio, link, client, shop):
    sid = await connect(link, client)
    async with link.black_hole():
        up, down = link.expect("pay"), link.expect("news")
        await shop.pay(client, 5)
        await sio.emit("news", 1, to=sid)
        await up
        await down
        await turns()
        assert (shop.payments, shop.news) == ([], [])
    assert await client.call("pay", 6) == "paid 6"
    assert (shop.payments, shop.acks, shop.news) == ([5, 6], ["paid 5"], [1])


async def test_black_holes_may_overlap(peers):
    client, server = await peers.dial()
    async with peers.link.black_hole():
        async with peers.link.black_hole(TO_SERVER):
            client.send(b"a")
        await turns()
        assert server.received == b""
    assert await server.has(1) == b"a"


@pytest.mark.parametrize("how", ["reset", "close", "half-open"])
async def test_what_is_cut_inside_a_black_hole_is_lost_and_marked_so(peers, how):
    client, server = (await websocket(peers))[TO_SERVER]
    client.send(frame(TO_SERVER, "before"))
    await server.has(len(frame(TO_SERVER, "before")))
    before = bytes(server.received)
    async with peers.link.black_hole():
        seen = peers.link.expect("lost")
        client.send(frame(TO_SERVER, "lost"))
        await seen
        await peers.link.cut(how)
    await turns()
    assert server.received == before
    assert [(p.event, p.delivered) for p in peers.link.packets] == [
        ("before", True),
        ("lost", False),
    ]


async def test_what_a_black_hole_holds_is_lost_when_both_sides_give_up(peers):
    client, server = (await websocket(peers))[TO_SERVER]
    async with peers.link.black_hole(TO_SERVER):
        seen = peers.link.expect("lost")
        client.send(frame(TO_SERVER, "lost"))
        await seen
        client.reset()
        server.reset()
        await peers.link.idle()
    assert [(p.event, p.delivered) for p in peers.link.packets] == [("lost", False)]


async def test_a_connection_made_inside_a_black_hole_comes_alive_when_it_ends(peers):
    async with peers.link.black_hole():
        client, server = await peers.dial()
        client.send(b"hello")
        await turns()
        assert server.received == b""
    assert await server.has(5) == b"hello"


# --- latency ------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", [TO_SERVER, TO_CLIENT, None])
async def test_latency_delays_each_direction_it_is_asked_to(peers, direction):
    client, server = await peers.dial()
    async with peers.link.latency(0.03, direction):
        start = time.perf_counter()
        client.send(b"ping")
        await server.has(4)
        there = time.perf_counter() - start
        server.send(b"pong")
        await client.has(4)
        both = time.perf_counter() - start
    ways = 2 if direction is None else 1
    assert both >= 0.03 * ways
    assert (there >= 0.03) == (direction != TO_CLIENT)


async def test_a_real_round_trip_takes_the_latency_of_both_ways(link, client, shop):
    await connect(link, client)
    async with link.latency(0.02), link.latency(0.01, TO_SERVER):
        start = time.perf_counter()
        assert await client.call("pay", 1) == "paid 1"
        assert time.perf_counter() - start >= 0.05


async def test_latency_keeps_the_order_also_when_it_ends_or_shrinks(peers):
    client, server = await peers.dial()
    async with peers.link.latency(0.05):
        client.send(b"a")
        await turns(5)
        async with peers.link.latency(0.02):
            client.send(b"b")
            await turns(5)
        client.send(b"c")
        await turns(5)
    client.send(b"d")
    await turns(5)
    assert server.received == b""
    assert await server.has(4) == b"abcd"


async def test_when_its_block_ends_latency_is_over(peers):
    client, server = await peers.dial()
    async with peers.link.latency(60), peers.link.latency(60, TO_SERVER):
        pass
    client.send(b"at once")
    async with asyncio.timeout(20):
        assert await server.has(7) == b"at once"


async def test_latency_of_one_stream_keeps_every_byte_of_many_chunks(peers):
    client, server = await peers.dial()
    data = bytes(range(256)) * 2000
    async with peers.link.latency(0.002):
        for start in range(0, len(data), 10_000):
            client.send(data[start : start + 10_000])
            await turns(2)
        assert await server.has(len(data)) == data


async def test_what_is_cut_on_its_way_is_lost_and_marked_so(peers):
    client, server = (await websocket(peers))[TO_SERVER]
    async with peers.link.latency(5):
        seen = peers.link.expect("lost")
        client.send(frame(TO_SERVER, "lost"))
        await seen
        await peers.link.cut()
    assert await server.over == "RST"
    assert server.received == b""
    assert [(p.event, p.delivered) for p in peers.link.packets] == [("lost", False)]


# --- refusal ------------------------------------------------------------------------------


async def test_refused_are_the_new_connections_not_the_open_ones(peers):
    client, server = await peers.dial()
    url = peers.link.url
    async with peers.link.refuse():
        for _ in range(3):
            with pytest.raises(REFUSED):
                await peers.connect()
        client.send(b"still here")
        assert await server.has(10) == b"still here"
    assert peers.link.url == url
    _, other = await peers.dial()
    assert not other.over.done()


async def test_nobody_else_gets_the_port_of_a_link_that_refuses(peers):
    port = int(peers.link.url.rpartition(":")[2])
    async with peers.link.refuse():
        with pytest.raises(OSError, match=r"(?i)in use"):
            await asyncio.get_running_loop().create_server(
                asyncio.Protocol, "127.0.0.1", port, reuse_address=False
            )


async def test_a_real_client_keeps_trying_while_it_is_refused(link, client, shop):
    failed = asyncio.Queue()
    client.on("connect_error", failed.put_nowait)
    await connect(link, client)
    async with link.refuse():
        assert await link.cut() == 1
        for _ in range(3):
            await failed.get()
        assert link.connections == 0
    await shop.reconnected()
    assert await client.call("pay", 1) == "paid 1"


async def test_refusals_cannot_be_nested_and_one_may_outlive_the_link(peers):
    async with peers.link.refuse():
        with pytest.raises(UsageError, match="do not nest"):
            async with peers.link.refuse():
                pytest.fail("nested")
        with pytest.raises(REFUSED):
            await peers.connect()
        await peers.link.close()
    with pytest.raises(REFUSED):
        await peers.connect()


# --- cut at a packet: bytes ---------------------------------------------------------------


@pytest.mark.parametrize("how", ["reset", "close", "half-open"])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("direction", [TO_SERVER, TO_CLIENT])
async def test_a_cut_lets_through_exactly_what_came_before(peers, direction, after, how):
    for _ in range(10):
        source, target = (await websocket(peers))[direction]
        frames = [frame(direction, event) for event in ("a", "b", "pay", "c")]
        passing = b"".join(frames[: 3 if after else 2])
        async with peers.link.cut_when("pay", after=after, how=how) as cut:
            source.send(b"".join(frames))
            assert (await cut).event == "pay"
        assert await target.has(len(passing)) == passing
        if how == "half-open":
            client = source if direction == TO_SERVER else target
            assert await client.over == "FIN"
            await turns()
            assert not (target if direction == TO_SERVER else source).over.done()
        else:
            assert await source.over == ("RST" if how == "reset" else "FIN")
            assert await target.over == "FIN"
        assert target.received == passing
        assert [p.delivered for p in peers.link.packets][-4:] == [True, True, after, False]


async def test_a_cut_reaches_a_packet_that_spans_chunks(peers):
    client, server = (await websocket(peers))[TO_SERVER]
    data = frame(TO_SERVER, "pay")
    async with peers.link.cut_when("pay") as cut:
        for byte in data:
            client.send(bytes([byte]))
            await turns(5)
        await cut
    assert await server.over == "FIN"
    assert server.received == data[:-1]


async def test_nobody_is_told_of_what_follows_a_cut_in_the_same_chunk(peers):
    client, _ = (await websocket(peers))[TO_SERVER]
    link = peers.link
    async with link.cut_when("pay", after=True) as cut, link.cut_when("b") as other:
        behind = link.expect("c")
        client.send(b"".join(frame(TO_SERVER, event) for event in ("pay", "b", "c")))
        await cut
        await turns()
        assert (other.met, behind.met) == (False, False)
    behind.cancel()


async def test_what_passed_before_a_cut_reaches_a_side_that_reads_slowly(peers):
    server, client = (await websocket(peers))[TO_CLIENT]
    server.transport.pause_reading()
    client.send(bytes(20 * 2**20))  # more than can pass: the link leaves some of it unread
    await turns(500)
    client.transport.pause_reading()
    big = bytes(sender(TO_CLIENT).send_data('42["big","' + "x" * 8_000_000 + '"]'))
    async with peers.link.cut_when("pay", after=True) as cut:
        server.send(big + frame(TO_CLIENT, "pay"))
        await turns()
        client.transport.resume_reading()
        await cut
        client.transport.pause_reading()
        await turns()
        client.transport.resume_reading()
    whole = big + frame(TO_CLIENT, "pay")
    assert len(await client.has(len(whole))) == len(whole)
    assert await client.over == "FIN"


async def test_only_the_connection_of_the_packet_is_cut_and_only_once(peers):
    first, second = await websocket(peers), await websocket(peers)
    async with peers.link.cut_when("pay", TO_SERVER) as cut:
        first[TO_SERVER][0].send(frame(TO_SERVER, "pay"))
        assert (await cut).connection == 1
        assert await first[TO_SERVER][1].over == "FIN"
        second[TO_SERVER][0].send(frame(TO_SERVER, "pay"))
        await second[TO_SERVER][1].has(len(frame(TO_SERVER, "pay")))
    assert not second[TO_SERVER][1].over.done()
    assert peers.link.count("pay") == 2


async def test_a_cut_looks_in_its_direction_only(peers):
    ends = await websocket(peers)
    async with peers.link.cut_when("pay", TO_CLIENT) as cut:
        client, server = ends[TO_SERVER]
        client.send(frame(TO_SERVER, "pay"))
        await server.has(1)
        assert not cut.met
        server.send(frame(TO_CLIENT, "pay"))
        assert (await cut).direction == TO_CLIENT


async def test_a_block_that_ends_without_a_match_leaves_nothing(peers):
    client, server = (await websocket(peers))[TO_SERVER]
    async with peers.link.cut_when("pay") as cut:
        pass
    client.send(frame(TO_SERVER, "pay"))
    await server.has(len(frame(TO_SERVER, "pay")))
    assert (peers.link.connections, cut.met, peers.link._tap.watchers) == (1, False, [])
    with pytest.raises(NotSeenError, match="before the wait was ended"):
        await cut


async def test_who_waits_when_the_link_closes_is_told_at_once(peers):
    waiting = asyncio.create_task(asyncio.wait_for(peers.link.expect("never"), 20))
    await turns()
    await peers.link.close()
    with pytest.raises(NotSeenError, match="before the link closed"):
        await waiting


async def test_a_dead_connection_uses_up_neither_a_cut_nor_an_expectation(peers):
    zombie, _ = (await websocket(peers))[TO_CLIENT]
    await peers.link.cut("half-open")
    live, _ = (await websocket(peers))[TO_CLIENT]
    async with peers.link.cut_when("news", after=True) as cut:
        seen = peers.link.expect("news")
        zombie.send(frame(TO_CLIENT, "news"))
        await turns()
        assert (cut.met, seen.met) == (False, False)
        live.send(frame(TO_CLIENT, "news"))
        assert await cut is await seen
    assert [packet.delivered for packet in peers.link.packets] == [False, True]


async def test_an_error_in_the_callers_function_alters_nothing_that_passes(peers):
    client, server = (await websocket(peers))[TO_SERVER]
    data = frame(TO_SERVER, "pay")
    async with peers.link.cut_when(lambda packet: packet.data["amount"] > 5) as cut:
        client.send(data)
        assert await server.has(len(data)) == data
        with pytest.raises(TypeError):
            await cut
    assert peers.link.connections == 1


async def test_two_cuts_in_a_row_cut_two_connections(peers):
    async with peers.link.cut_when("pay") as first, peers.link.cut_when("pay") as second:
        for cut in (first, second):
            client, server = (await websocket(peers))[TO_SERVER]
            client.send(frame(TO_SERVER, "pay"))
            await cut
            assert await server.over == "FIN"
    await peers.link.idle()


@pytest.mark.parametrize("after", [False, True])
async def test_with_latency_a_cut_happens_when_the_packet_would_arrive(peers, after):
    client, server = (await websocket(peers))[TO_SERVER]
    passing = frame(TO_SERVER, "a") + (frame(TO_SERVER, "pay") if after else b"")
    async with peers.link.latency(0.03), peers.link.cut_when("pay", after=after) as cut:
        start = time.perf_counter()
        client.send(frame(TO_SERVER, "a"))
        client.send(frame(TO_SERVER, "pay"))
        packet = await cut
        assert time.perf_counter() - start >= 0.03
        assert packet.delivered == after
        assert await server.has(len(passing)) == passing
        assert await client.over == "RST"


@pytest.mark.parametrize("fault", ["latency", "black hole"])
async def test_a_cut_that_comes_too_late_says_so(peers, fault):
    client, server = (await websocket(peers))[TO_SERVER]
    link = peers.link
    held = link.latency(5) if fault == "latency" else link.black_hole()
    async with held, link.cut_when("pay", after=True) as cut:
        client.send(frame(TO_SERVER, "pay"))
        await turns()
        await link.cut()
        with pytest.raises(NotSeenError, match="before its connection ended"):
            await cut
    assert (await server.over, server.received) == ("RST", b"")
    assert [packet.delivered for packet in link.packets] == [False]


# --- cut at a packet: real clients --------------------------------------------------------


@pytest.mark.parametrize("transports", [("websocket",), ("polling", "websocket")])
async def test_the_server_handled_the_payment_and_its_ack_is_lost(link, client, shop, transports):
    await connect(link, client, transports)
    async with link.cut_when("ACK", TO_CLIENT) as cut:
        await shop.pay(client, 5)
        assert (await cut).data == ["paid 5"]
        await shop.reconnected()
    assert await client.call("pay", 6) == "paid 6"
    assert (shop.payments, shop.acks) == ([5, 6], [])


@pytest.mark.parametrize("how", ["reset", "close", "half-open"])
async def test_the_payment_never_arrives(link, client, shop, how):
    await connect(link, client)
    async with link.cut_when("pay", how=how) as cut:
        await shop.pay(client, 5)
        assert not (await cut).delivered
        await shop.reconnected()
    assert await client.call("pay", 6) == "paid 6"
    assert (shop.payments, shop.acks) == ([6], [])


@pytest.mark.parametrize("how", ["reset", "close", "half-open"])
async def test_the_payment_arrives_though_the_connection_dies_behind_it(link, client, shop, how):
    await connect(link, client)
    for amount in range(5):
        await shop.connects.get()
        async with link.cut_when("pay", after=True, how=how) as cut:
            await shop.pay(client, amount)
            assert (await cut).delivered
    await shop.connects.get()
    assert await client.call("pay", 9) == "paid 9"
    assert (shop.payments, shop.acks) == ([0, 1, 2, 3, 4, 9], [])


async def test_the_client_hears_the_news_that_the_cut_came_behind(sio, link, client, shop):
    sid = await connect(link, client)
    for number in range(5):
        back = link.expect("CONNECT", TO_CLIENT)
        async with link.cut_when(lambda p: p.event == "news", TO_CLIENT, after=True) as cut:
            await sio.emit("news", number, to=sid)
            await cut
            sid = (await back).data["sid"]
    assert shop.news == [0, 1, 2, 3, 4]


async def test_a_cut_works_on_long_polling_too(link, client, shop):
    await connect(link, client, ["polling"])
    back = link.expect("CONNECT", TO_CLIENT)
    async with link.cut_when("pay") as cut:
        await shop.pay(client, 5)
        assert (await cut).transport == "polling"
    await link.cut()
    async with link.refuse():
        pass
    assert shop.payments == []
    back.cancel()
