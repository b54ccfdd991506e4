"""A link leads to another server when it is told to: the client keeps its URL."""

import asyncio

import pytest
import socketio
from lab_kit import connect

from sio_demo.errors import ClosedError, UsageError
from sio_demo.lab.link import Link
from sio_demo.lab.server import serve
from sio_demo.lab.waiting import wait_until


async def test_new_connections_go_to_the_other_server(server, link, client):
    first = await connect(link, client)
    assert server.sids() == [first]
    async with await serve(socketio.AsyncServer(async_mode="aiohttp")) as other:
        link.retarget(other)
        back = link.expect("CONNECT", "server→client")
        await link.cut()
        second = (await back).data["sid"]
        assert other.sids() == [second]


async def test_open_connections_stay(server, link, client):
    await connect(link, client)
    async with await serve(socketio.AsyncServer(async_mode="aiohttp")) as other:
        link.retarget(other.url)
        server.sio.on("ask", lambda sid: "the first")
        assert await client.call("ask") == "the first"
        assert other.sids() == []


@pytest.mark.parametrize("target", ["http://example.com:80", "nonsense", None])
async def test_what_is_no_server_is_refused(link, target):
    with pytest.raises(UsageError, match="A link takes what"):
        link.retarget(target)


async def test_a_closed_server_or_link_is_refused(server, link):
    await server.close()
    with pytest.raises(ClosedError, match="That server is closed"):
        link.retarget(server)
    await link.close()
    with pytest.raises(ClosedError, match="This link is closed"):
        link.retarget("http://127.0.0.1:5000")


@pytest.mark.parametrize("sticky", [False, True])
async def test_a_session_of_polling_lasts_where_an_address_stays_with_its_server(
    server, client, sticky
):
    async with (
        await serve(socketio.AsyncServer(async_mode="aiohttp")) as other,
        await Link.to(server, other, sticky=sticky) as link,
    ):
        connecting = asyncio.create_task(client.connect(link.url, transports=["polling"]))
        await wait_until(
            lambda: connecting.done() or any("Invalid session" in repr(p) for p in link.packets)
        )
        assert connecting.done() is sticky
        connecting.cancel()
        if sticky:
            assert [len(each.sids()) for each in (server, other)] == [1, 0]
            link.retarget(other, server)
            await link.cut()
            await wait_until(other.sids)
