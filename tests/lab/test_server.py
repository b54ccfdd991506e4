"""serve() hosts any AsyncServer on loopback, and closing it leaves nothing behind."""

import asyncio
import time

import aiohttp
import pytest
import socketio

from sio_demo.errors import ClosedError, UsageError
from sio_demo.lab.link import Link
from sio_demo.lab.packet import TO_CLIENT
from sio_demo.lab.server import serve
from sio_demo.lab.waiting import wait_until


def tasks():
    return asyncio.all_tasks() - {asyncio.current_task()}


async def connect(client, link, transports=None):
    """Connect through a link, and give the sid once the client has it."""
    back = link.expect("CONNECT", TO_CLIENT)
    await client.connect(link.url, transports=transports or ["websocket"])
    return (await back).data["sid"]


async def test_it_listens_on_loopback_and_knows_its_live_sids(sio, server, client):
    assert (server.host, server.sio) == ("127.0.0.1", sio)
    assert server.url == f"http://127.0.0.1:{server.port}"
    assert (server.sids(), repr(server)) == ([], "<Server 0 live sids>")
    sio.on("hello", lambda sid: None, namespace="/chat")
    await client.connect(server.url, namespaces=["/", "/chat"])
    assert server.sids() == [client.get_sid()]
    assert server.sids("/chat") == [client.get_sid("/chat")]
    assert server.sids("/nowhere") == []
    assert repr(server) == "<Server 1 live sids>"
    await client.disconnect()


async def test_handlers_may_be_registered_before_or_after(sio, client):
    sio.on("before", lambda sid: 1)
    async with await serve(sio) as server:
        sio.on("after", lambda sid: 2)
        await client.connect(server.url)
        assert [await client.call("before"), await client.call("after")] == [1, 2]
        await client.disconnect()


@pytest.mark.parametrize("transports", [["websocket"], None])
async def test_closing_tells_the_clients_and_leaves_no_task(
    quiet, sio, client, transports, monkeypatch
):
    monkeypatch.setattr("sio_demo.lab.server.SHUTDOWN_TIMEOUT", 30)
    before = tasks()
    reasons, gone = [], asyncio.get_running_loop().create_future()
    sio.on("disconnect", lambda sid, reason: reasons.append(reason))
    client.on("disconnect", gone.set_result)
    server = await serve(sio)
    await client.connect(server.url, transports=transports)
    start = time.perf_counter()
    await server.close()
    assert time.perf_counter() - start < 3, "nobody needs the time there would be"
    assert (reasons, await gone) == (["server disconnect"], client.reason.SERVER_DISCONNECT)
    assert (server.sids(), server.closed, repr(server)) == ([], True, "<Server closed>")
    await client.shutdown()
    await asyncio.wait(tasks() - before or [gone])
    assert tasks() == before


async def test_closing_ends_the_ping_timers_of_sessions_that_are_over(server, link, client):
    before = tasks()
    await connect(client, link)
    await client.disconnect()
    await link.idle()
    timers = [task for task in tasks() - before if "_send_ping" in repr(task)]
    assert len(timers) == 1
    await server.close()
    assert timers[0].cancelled()


async def test_closing_ends_polling_requests_whose_client_is_gone(server, link, client):
    await connect(client, link, ["polling"])
    await link.cut()  # aiohttp repeats the request, so that there are two
    await wait_until(lambda: len(server._requests) == 2)
    async with link.refuse():
        await link.cut()
        await client.shutdown()
    assert len(server._requests) == 2
    await server.close()
    assert [task for task in tasks() if "RequestHandler" in repr(task)] == []


@pytest.mark.parametrize("transports", [["websocket"], ["polling"]])
@pytest.mark.parametrize("fault", ["half-open", "black hole"])
async def test_closing_does_not_wait_for_clients_that_cannot_hear_it(
    server, link, client, transports, fault
):
    await connect(client, link, transports)
    client.reconnection = False
    async with link.black_hole() if fault == "black hole" else link.latency(1e-6):
        if fault == "half-open":
            await link.cut("half-open")
        start = time.perf_counter()
        await server.close()
        assert time.perf_counter() - start < 2
        await link.close()


async def test_who_is_cancelled_while_closing_leaves_nothing_open(sio, server, link, client):
    await connect(client, link)
    client.reconnection = False
    before = tasks()
    closing = asyncio.create_task(server.close())
    await asyncio.sleep(0)  # it has begun
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    await client.wait()
    await link.idle()
    assert not any("_send_ping" in repr(task) for task in tasks() | before if not task.done())
    async with await serve(sio):  # it is no longer served
        pass


async def test_closing_twice_is_harmless(server):
    await server.close()
    await server.close()
    with pytest.raises(ClosedError, match=r"await serve\(sio\)"):
        await server.__aenter__()


async def test_nobody_can_connect_to_a_closed_server(server):
    await server.close()
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(server.url)


async def test_the_same_server_may_be_served_again_and_still_finds_the_dead(quiet, client):
    sio = socketio.AsyncServer(async_mode="aiohttp", ping_interval=(0.1, 1), ping_timeout=0.1)
    sio.on("double", lambda sid, n: 2 * n)
    reasons = asyncio.Queue()
    sio.on("disconnect", lambda sid, reason: reasons.put_nowait(reason))
    for _ in range(2):
        async with await serve(sio) as server, await Link.to(server) as link:
            await connect(client, link)
            assert await client.call("double", 2) == 4
            client.reconnection = False
            await link.cut("half-open")
            assert await reasons.get() == "ping timeout"
    async with await serve(sio):
        pass  # also when nobody comes


async def test_a_server_is_served_once_at_a_time(sio, server):
    with pytest.raises(UsageError, match="close that server first"):
        await serve(sio)
    await server.close()
    await (await serve(sio)).close()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (None, "not NoneType"),
        ("http://127.0.0.1", "not str"),
        (socketio.AsyncServer, "not type"),
        (socketio.AsyncClient(handle_sigint=False), "not AsyncClient"),
        (socketio.Server(async_mode="threading"), "not Server"),
        (socketio.AsyncServer(async_mode="asgi"), "async_mode='asgi'"),
    ],
)
async def test_anything_else_is_refused_in_words(wrong, says):
    with pytest.raises(UsageError, match=says) as refusal:
        await serve(wrong)
    assert 'socketio.AsyncServer(async_mode="aiohttp")' in str(refusal.value)


@pytest.mark.parametrize("through", ["server", "link"])
async def test_a_page_of_another_host_gets_nothing(server, link, through):
    url = (server if through == "server" else link).url + "/socket.io/?EIO=4&transport=polling"
    async with aiohttp.ClientSession() as http:
        async with http.get(url, headers={"Host": "rebound.example"}) as answer:
            assert answer.status == 403
        async with http.get(url) as answer:
            assert answer.status == 200
