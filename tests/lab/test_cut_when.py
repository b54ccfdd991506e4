"""A cut at a packet is exact: what came before arrives, what comes behind does not."""

import asyncio
import time

import pytest
from lab_kit import connect, frame, sender, turns

from sio_demo.errors import NotSeenError
from sio_demo.lab.packet import TO_CLIENT, TO_SERVER

# --- bytes ---------------------------------------------------------------


@pytest.mark.parametrize("how", ["reset", "close", "half-open"])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("direction", [TO_SERVER, TO_CLIENT])
async def test_a_cut_lets_through_exactly_what_came_before(peers, direction, after, how):
    for _ in range(10):
        source, target = (await peers.websocket())[direction]
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
    client, server = (await peers.websocket())[TO_SERVER]
    data = frame(TO_SERVER, "pay")
    async with peers.link.cut_when("pay") as cut:
        for byte in data:
            client.send(bytes([byte]))
            await turns(5)
        await cut
    assert await server.over == "FIN"
    assert server.received == data[:-1]


async def test_nobody_is_told_of_what_follows_a_cut_in_the_same_chunk(peers):
    client, _ = (await peers.websocket())[TO_SERVER]
    link = peers.link
    async with link.cut_when("pay", after=True) as cut, link.cut_when("b") as other:
        behind = link.expect("c")
        client.send(b"".join(frame(TO_SERVER, event) for event in ("pay", "b", "c")))
        await cut
        await turns()
        assert (other.met, behind.met) == (False, False)
    behind.cancel()


async def test_what_passed_before_a_cut_reaches_a_side_that_reads_slowly(peers):
    server, client = (await peers.websocket())[TO_CLIENT]
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
    first, second = await peers.websocket(), await peers.websocket()
    async with peers.link.cut_when("pay", TO_SERVER) as cut:
        first[TO_SERVER][0].send(frame(TO_SERVER, "pay"))
        assert (await cut).connection == 1
        assert await first[TO_SERVER][1].over == "FIN"
        second[TO_SERVER][0].send(frame(TO_SERVER, "pay"))
        await second[TO_SERVER][1].has(len(frame(TO_SERVER, "pay")))
    assert not second[TO_SERVER][1].over.done()
    assert peers.link.count("pay") == 2


async def test_a_cut_looks_in_its_direction_only(peers):
    ends = await peers.websocket()
    async with peers.link.cut_when("pay", TO_CLIENT) as cut:
        client, server = ends[TO_SERVER]
        client.send(frame(TO_SERVER, "pay"))
        await server.has(1)
        assert not cut.met
        server.send(frame(TO_CLIENT, "pay"))
        assert (await cut).direction == TO_CLIENT


async def test_a_block_that_ends_without_a_match_leaves_nothing(peers):
    client, server = (await peers.websocket())[TO_SERVER]
    async with peers.link.cut_when("pay") as cut:
        pass
    client.send(frame(TO_SERVER, "pay"))
    await server.has(len(frame(TO_SERVER, "pay")))
    assert (peers.link.connections, cut.met, peers.link._tap.expectations) == (1, False, [])
    with pytest.raises(NotSeenError, match="before the wait was ended"):
        await cut


async def test_who_waits_when_the_link_closes_is_told_at_once(peers):
    waiting = asyncio.create_task(asyncio.wait_for(peers.link.expect("never"), 20))
    await turns()
    await peers.link.close()
    with pytest.raises(NotSeenError, match="before the link closed"):
        await waiting


async def test_a_dead_connection_uses_up_neither_a_cut_nor_an_expectation(peers):
    zombie, _ = (await peers.websocket())[TO_CLIENT]
    await peers.link.cut("half-open")
    live, _ = (await peers.websocket())[TO_CLIENT]
    async with peers.link.cut_when("news", after=True) as cut:
        seen = peers.link.expect("news")
        zombie.send(frame(TO_CLIENT, "news"))
        await turns()
        assert (cut.met, seen.met) == (False, False)
        live.send(frame(TO_CLIENT, "news"))
        assert await cut is await seen
    assert [packet.delivered for packet in peers.link.packets] == [False, True]


async def test_an_error_in_the_callers_function_alters_nothing_that_passes(peers):
    client, server = (await peers.websocket())[TO_SERVER]
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
            client, server = (await peers.websocket())[TO_SERVER]
            client.send(frame(TO_SERVER, "pay"))
            await cut
            assert await server.over == "FIN"
    await peers.link.idle()


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("after", [False, True])
async def test_who_waits_is_told_of_what_passes_whoever_came_first(peers, after, reverse):
    client, server = (await peers.websocket())[TO_SERVER]
    link = peers.link
    waiter = link.expect("pay") if reverse else None
    async with link.cut_when("pay", after=after) as cut:
        waiter = waiter or link.expect("pay")
        client.send(frame(TO_SERVER, "news") + frame(TO_SERVER, "pay"))
        packet = await cut
        assert await server.over == "FIN"
    assert waiter.met == after
    if after:
        assert await waiter is packet
    waiter.cancel()


async def test_a_cut_is_met_when_it_is_done_not_when_its_packet_is_seen(peers):
    client, server = (await peers.websocket())[TO_SERVER]
    async with peers.link.black_hole(), peers.link.cut_when("pay", after=True) as cut:
        waiter = peers.link.expect("pay")
        client.send(frame(TO_SERVER, "pay"))
        await waiter
        await turns()
        assert not cut.met
        assert not server.over.done()
        await peers.link.cut()


async def test_one_of_two_that_cut_at_the_same_packet_waits_for_the_next(peers):
    link = peers.link
    async with link.cut_when("pay") as first, link.cut_when("pay", how="close") as second:
        for cut, met, seen in ((first, (True, False), "RST"), (second, (True, True), "FIN")):
            client, _ = (await peers.websocket())[TO_SERVER]
            client.send(frame(TO_SERVER, "pay"))
            await cut
            assert (first.met, second.met) == met
            assert await client.over == seen


@pytest.mark.parametrize("after", [False, True])
async def test_with_latency_a_cut_happens_when_the_packet_would_arrive(peers, after):
    client, server = (await peers.websocket())[TO_SERVER]
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
    client, server = (await peers.websocket())[TO_SERVER]
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


# --- real clients --------------------------------------------------------


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
