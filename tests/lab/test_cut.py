"""A cut is seen as a reset, as a close, or by the client only; nothing stays behind."""

import asyncio

import pytest
import socketio

from sio_demo.lab.experiment import reconnect
from sio_demo.lab.link import Link
from sio_demo.lab.packet import TO_CLIENT
from sio_demo.lab.server import serve


@pytest.mark.parametrize(("how", "seen"), [("reset", "RST"), ("close", "FIN")])
async def test_both_sides_see_a_reset_or_an_orderly_close(peers, how, seen):
    ends = [end for _ in range(3) for end in await peers.dial()]
    assert await peers.link.cut(how) == 3
    assert peers.link.connections == 0
    assert [await end.over for end in ends] == [seen] * 6


async def test_a_close_is_orderly_also_for_who_has_just_sent_something(peers):
    ends = await peers.dial()
    for end in ends:
        end.send(b"not read any more")
    assert await peers.link.cut("close") == 1
    assert [await end.over for end in ends] == ["FIN", "FIN"]


async def test_after_half_open_the_client_sees_a_close_and_the_server_nothing(peers):
    client, server = await peers.dial()
    assert await peers.link.cut("half-open") == 1
    assert await client.over == "FIN"
    server.send(b"are you there?")
    other_client, other_server = await peers.dial()
    other_client.send(b"x")
    await other_server.has(1)
    assert (server.over.done(), server.received) == (False, b"")
    assert peers.link.connections == 2
    assert await peers.link.cut() == 1, "what is half-open is not cut again"
    assert not server.over.done()
    server.transport.close()
    await peers.link.idle()


async def test_a_half_open_connection_whose_buffers_are_full_still_notices_the_server_close(peers):
    client, server = await peers.dial()
    client.transport.pause_reading()
    server.send(bytes(20 * 2**20))
    await server.stalled()
    await peers.link.cut("half-open")
    server.transport.close()
    assert await server.over == "FIN"
    await peers.link.idle()


@pytest.mark.parametrize("how", ["reset", "close"])
async def test_a_cut_does_not_wait_for_a_side_that_does_not_read(peers, how):
    client, server = await peers.dial()
    client.transport.pause_reading()
    server.send(bytes(20 * 2**20))
    await server.stalled()
    assert await peers.link.cut(how) == 1
    assert peers.link.connections == 0


async def test_a_cut_of_nothing_cuts_nothing(link):
    assert await link.cut() == 0


async def test_a_cut_that_is_cancelled_leaves_the_link_in_order(peers):
    ends = await peers.dial()
    cut = asyncio.create_task(peers.link.cut())
    await asyncio.sleep(0)
    cut.cancel()
    await asyncio.wait([cut])
    assert [await end.over for end in ends] == ["RST", "RST"]
    await peers.link.idle()
    assert await peers.link.cut() == 0


@pytest.mark.parametrize("transports", [["websocket"], None])
@pytest.mark.parametrize("how", ["reset", "close"])
async def test_a_real_client_comes_back_after_a_cut(sio, link, client, transports, how):
    back = link.expect("CONNECT", TO_CLIENT)
    await client.connect(link.url, transports=transports)
    sid = (await back).data["sid"]
    new_sid = await reconnect(link, how)
    assert new_sid != sid
    client.on("hello", lambda: "hi")
    assert await sio.call("hello", to=new_sid) == "hi"


async def test_a_long_polling_session_survives_a_cut(sio, link, client):
    back = link.expect("CONNECT", TO_CLIENT)
    await client.connect(link.url, transports=["polling"])
    sid = (await back).data["sid"]
    heard = asyncio.Queue()
    sio.on("hello", lambda *args: heard.put_nowait(args))
    assert await link.cut() >= 1
    await client.emit("hello", "still me")
    assert await heard.get() == (sid, "still me")


async def test_after_half_open_the_server_keeps_the_old_sid_until_its_ping_timeout(quiet, client):
    sio = socketio.AsyncServer(async_mode="aiohttp", ping_interval=(0.2, 1), ping_timeout=0.2)
    gone = asyncio.Queue()
    sio.on("disconnect", lambda *args: gone.put_nowait(args))
    async with await serve(sio) as server, await Link.to(server) as link:
        back = link.expect("CONNECT", TO_CLIENT)
        await client.connect(link.url, transports=["websocket"])
        old = (await back).data["sid"]
        new = await reconnect(link, "half-open")
        assert server.sids() == [old, new]
        assert await gone.get() == (old, "ping timeout")
        assert server.sids() == [new]
        await client.disconnect()
