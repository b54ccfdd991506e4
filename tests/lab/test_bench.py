"""The bench breaks its clients' connections, and waits until they are back."""

import asyncio

import pytest
import socketio

from sio_demo.errors import NotSeenError
from sio_demo.lab.bench import bench, connects, new_client, python_client
from sio_demo.lab.clients import EmitterClient


@pytest.fixture(autouse=True)
def tidy(quiet):
    """See that no task is left, and that the event loop has reported no error."""


async def test_the_example_in_the_module_holds():
    log = []
    async with bench() as b, python_client() as client:
        client.on("news", log.append)
        await b.connect(client)
        await b.cut()
        await b.sio.emit("news", 1)
        await b.settled()
        assert log == [1]


async def test_a_cut_waits_until_all_clients_are_back_and_the_old_sessions_gone():
    async with bench() as b, python_client() as one, python_client() as two:
        before = {await b.connect(one), await b.connect(two)}
        await b.cut(clients=2)
        assert len(b.server.sids()) == 2
        assert before.isdisjoint(b.server.sids())


async def test_a_cut_on_a_link_that_forgets_its_oldest_packets(monkeypatch):
    monkeypatch.setattr("sio_demo.lab.tap.PACKETS_KEPT", 10)
    async with bench() as b, python_client() as client:
        b.patience = 2
        await b.connect(client)
        for number in range(8):
            await b.sio.emit("news", number)
        await b.wait_until(lambda: b.link.count("news") == 8, "The news does not pass.")
        assert connects(b.link) == 1
        await b.cut()  # the second CONNECT takes the place of the first
        assert connects(b.link) == 1
        assert len(b.live()) == 1


async def test_a_half_open_cut_leaves_a_session_that_is_not_live():
    async with bench() as b, python_client() as client:
        old = await b.connect(client)
        await b.cut("half-open")
        assert b.server.sids() == [old, *b.live()]
        assert len(b.live()) == 1
        await b.settled()  # the old session would not answer


async def test_an_outage_refuses_until_its_block_ends():
    refused = []
    async with bench() as b, python_client() as client:
        client.on("connect_error", refused.append)
        await b.connect(client)
        async with b.outage():
            await b.wait_until(lambda: refused, "Nothing was refused.")
            assert connects(b.link) == 1
        assert connects(b.link) == 2
        assert len(b.live()) == 1


async def test_a_server_is_replaced_behind_the_link():
    async with bench() as b, python_client() as client:
        await b.connect(client)
        first, url = b.server, b.link.url
        async with b.outage():
            await b.serve(socketio.AsyncServer(async_mode="aiohttp"))
        assert first.closed
        assert b.link.url == url
        assert b.live() == b.server.sids() != []


async def test_a_client_that_does_not_come_back_is_reported():
    async with bench() as b, python_client(reconnection=False) as client:
        b.patience = 0.05
        await b.connect(client)
        with pytest.raises(NotSeenError, match="the client did not come back"):
            await b.cut()


async def test_a_session_that_does_not_end_is_reported():
    async with bench() as b, python_client() as client:
        b.patience = 0.05
        sid = await b.connect(client)
        with pytest.raises(NotSeenError, match="still holds a session"):
            await b.gone([sid])


async def test_settled_waits_for_what_the_server_replies_as_well():
    heard = []
    async with bench() as b, python_client() as client:

        async def answer(_sid):
            await b.sio.emit("answer")

        b.sio.on("ask", answer)
        client.on("answer", lambda: heard.append("answer"))
        await b.connect(client)
        await client.emit("ask")
        await b.settled()
        assert heard == ["answer"]


async def test_settled_works_where_handlers_run_in_a_row():
    async with bench(async_handlers=False) as b, python_client() as client:
        await b.connect(client)
        await b.settled()


@pytest.mark.parametrize("kind", [socketio.AsyncClient, EmitterClient])
async def test_a_new_client_waits_at_a_reconnection_longer_than_python_socketio_does(
    kind, monkeypatch
):
    waited = []

    async def connect(self, url, wait_timeout=1, **options):
        waited.append(wait_timeout)

    monkeypatch.setattr(kind, "connect", connect)
    client = new_client(kind, wait_timeout=7)
    assert type(client) is kind
    await client.connect("http://127.0.0.1:1", wait_timeout=3)
    client.connection_url = "http://127.0.0.1:1"
    client.connection_headers = client.connection_auth = client.connection_transports = None
    client.connection_namespaces, client.socketio_path = ["/"], "socket.io"
    await client._handle_reconnect()
    assert waited == [3, 7]


async def test_a_client_that_has_just_been_cut_off_is_shut_down():
    dropped = asyncio.Event()
    async with bench() as b, python_client() as client:
        client.on("disconnect", lambda _reason: dropped.set())
        await b.connect(client)
        await b.link.cut()
        await dropped.wait()  # its reconnection is to begin in the next turn of the event loop


async def test_a_client_that_tries_to_come_back_is_shut_down():
    tried = asyncio.Event()
    async with bench() as b, python_client() as client:
        client.on("connect_error", lambda _reason: tried.set())
        await b.connect(client)
        async with b.link.refuse():
            await b.link.cut()
            await tried.wait()
