"""Faults that last are exact: what is lost, what is late, and what arrives in the end."""

import asyncio
import time

import pytest
from lab_kit import connect, frame, turns

from sio_demo.errors import UsageError
from sio_demo.lab.faults import CutHere, Fault
from sio_demo.lab.packet import TO_CLIENT, TO_SERVER

REFUSED = ConnectionRefusedError


# --- black hole ---------------------------------------------------------------------------


@pytest.mark.parametrize("blocked", [TO_SERVER, TO_CLIENT])
async def test_a_black_hole_swallows_one_direction_and_gives_it_back_in_order(peers, blocked):
    ends = await peers.websocket()
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
    client, server = (await peers.websocket())[TO_SERVER]
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
    client, server = (await peers.websocket())[TO_SERVER]
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
    client, server = (await peers.websocket())[TO_SERVER]
    async with peers.link.latency(5):
        seen = peers.link.expect("lost")
        client.send(frame(TO_SERVER, "lost"))
        await seen
        await peers.link.cut()
    assert await server.over == "RST"
    assert server.received == b""
    assert [(p.event, p.delivered) for p in peers.link.packets] == [("lost", False)]


# --- any other ---


class Throttle(Fault):
    """Lets so many bytes a second through: a fault that the lab does not have."""

    def __init__(self, rate):
        self._rate = rate
        self._free_at = 0.0

    def delay(self, size):
        now = time.perf_counter()
        self._free_at = max(now, self._free_at) + size / self._rate
        return self._free_at - now


class CutAfter(Fault):
    """Cuts a connection after so many packets; the lab does not have it either."""

    def __init__(self, number):
        self._left = number
        self.missed = False

    def cut_at(self, packets):
        self._left -= len(packets)
        return None if self._left > 0 else CutHere("close", True, lambda: None, self._on_missed)

    def _on_missed(self):
        self.missed = True


async def test_a_new_fault_is_a_class_and_nothing_else(peers):
    client, server = await peers.dial()
    async with peers.link.inject(Throttle(100_000), TO_SERVER):
        start = time.perf_counter()
        for _ in range(4):
            client.send(b"x" * 1000)
            await turns(3)
        await server.has(4000)
        assert time.perf_counter() - start >= 0.04
        server.send(b"at once")
        await client.has(7)
    client.send(b"over")
    await server.has(4004)


async def test_a_new_fault_may_cut(peers):
    client, server = (await peers.websocket())[TO_SERVER]
    async with peers.link.inject(CutAfter(2)):
        looking = peers.link.expect("never")
        client.send(b"".join(frame(TO_SERVER, name) for name in "abc"))
        assert await server.over == "FIN"
    looking.cancel()
    assert [(p.event, p.delivered) for p in peers.link.packets] == [
        ("a", True),
        ("b", True),
        ("c", False),
    ]


async def test_a_cut_that_never_came_about_is_told_so(peers):
    client, _ = (await peers.websocket())[TO_SERVER]
    fault = CutAfter(1)
    async with peers.link.black_hole(), peers.link.inject(fault):
        looking = peers.link.expect("a")
        client.send(frame(TO_SERVER, "a"))
        await looking
        looking = peers.link.expect("b")
        assert not fault.missed
        await peers.link.cut()
        assert fault.missed
    looking.cancel()


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
