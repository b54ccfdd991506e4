"""The connector alone, over a real connection that breaks: nothing is dead for good."""

import asyncio
import gc
import warnings
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest
import socketio
from engineio.base_client import connected_clients

from sio_demo.delivery.connector import HANG_UP, Connector
from sio_demo.lab.bench import bench
from sio_demo.lab.waiting import wait_until

PROMPTLY = 0.3  # seconds that a busy machine may take for what takes none
SOCKET, POLLING = ["websocket"], ["polling"]
pytestmark = pytest.mark.usefixtures("quiet")


class Calls(list):
    """A client's handlers, which note their calls; `stuck` events wait until `go` is set."""

    def __init__(self, client, *stuck):
        self.go = client.go = asyncio.Event()
        for event in ("connect", "disconnect", "connect_error"):
            client.on(event, self.handler(event, event in stuck))

    def handler(self, name, stuck):
        async def handle(*args):
            self.append((name, *args))
            while stuck and not self.go.is_set():
                with suppress(asyncio.CancelledError):  # as python-socketio does
                    await self.go.wait()

        return handle


class Run:
    """A connector at work, and what it has said."""

    def __init__(self, client, url, patience, arguments):
        self.client, self.attempts = client, []
        self.connector = Connector(client, patience, 0.01, 0.02)
        arguments = {"transports": SOCKET, **arguments}
        self.task = asyncio.create_task(
            self.connector.run(url, arguments, self.attempts.append, lambda: None, 0.05)
        )

    async def lose(self, link):
        """Lose the connection; after a mere cut, a client that polls just asks again."""
        if self.client.transport() == "polling":
            self.connector.replace()
        else:
            await link.cut()

    async def is_online(self, times=1):
        await wait_until(lambda: self.attempts.count(None) >= times and self.connector.online)


@asynccontextmanager
async def running(url, client=None, *, patience=5.0, **arguments):
    """Run a connector, then end it: in bounded time, with no client or session left open."""
    client = client or socketio.AsyncClient(handle_sigint=False)
    run, before = Run(client, url, patience, arguments), list(connected_clients)
    with warnings.catch_warnings(record=True) as unclosed:
        warnings.simplefilter("always", ResourceWarning)
        try:
            yield run
        finally:
            run.task.cancel()
            await asyncio.wait({run.task}, timeout=HANG_UP)
            ended = run.task.done()
            await asyncio.wait({asyncio.create_task(run.connector.disconnect())}, timeout=5)
            if hasattr(client, "go"):
                client.go.set()
        assert ended
        assert not client.connected
        assert [eio for eio in connected_clients if eio not in before] == []
        gc.collect()
        assert unclosed == []


# --- handlers of the user ------------------------------------------------------------------


@pytest.mark.parametrize("transports", [SOCKET, POLLING, None])
async def test_handlers_are_called_once_for_each_connection_and_loss(transports):
    client = socketio.AsyncClient(handle_sigint=False)
    calls = Calls(client)
    client.on("*", lambda event, data: calls.append((event, data)))

    class Space(socketio.AsyncClientNamespace):
        async def on_connect(self):
            calls.append(("connect", "/space"))

        def on_disconnect(self, reason):
            calls.append(("disconnect", "/space", reason))

    client.register_namespace(Space("/space"))
    async with bench(namespaces="*", always_connect=True) as b:

        @b.sio.event
        async def connect(sid, environ):
            await b.sio.emit("hello", 1, to=sid)

        async with running(b.link.url, client, transports=transports) as run:
            await run.is_online()
            await wait_until(lambda: len(calls) == 3)
            assert calls.index(("connect",)) < calls.index(("hello", 1))
            assert sorted(calls) == [("connect",), ("connect", "/space"), ("hello", 1)]
            calls.clear()
            await run.lose(b.link)
            await run.is_online(2)
            await wait_until(lambda: len(calls) == 5)
            lost = [call for call in calls if call[0] == "disconnect"]
            assert sorted(lost) == [
                ("disconnect", "/space", "transport error"),
                ("disconnect", "transport error"),
            ]
            calls.clear()
    assert sorted(calls) == [
        ("disconnect", "/space", "client disconnect"),
        ("disconnect", "client disconnect"),
    ]


async def test_a_disconnect_handler_sees_the_session_that_was_lost():
    client = socketio.AsyncClient(handle_sigint=False)
    seen = []

    @client.event
    async def disconnect(reason):
        seen.append((client.get_sid(), client.connected))

    async with bench() as b, running(b.link.url, client) as run:
        await run.is_online()
        sid = client.get_sid()
        await b.link.cut()
        await run.is_online(2)
        assert seen == [(sid, True)]


@pytest.mark.parametrize("transports", [SOCKET, None])
async def test_a_connect_handler_that_never_returns_delays_nothing(transports):
    client = socketio.AsyncClient(handle_sigint=False)
    calls = Calls(client, "connect")
    async with bench() as b, running(b.link.url, client, transports=transports) as run:
        await run.is_online()
        assert await client.call("sync", timeout=5) is None
        assert run.attempts == [None]
        calls.go.set()


async def test_a_disconnect_handler_that_returns_late_disturbs_nothing():
    client = socketio.AsyncClient(handle_sigint=False)
    calls = Calls(client, "disconnect")
    async with bench() as b, running(b.link.url, client) as run:
        await run.is_online()
        await b.link.cut()
        await run.is_online(2)
        before = client.connected, client.get_sid(), client.eio.state
        calls.go.set()
        await client.call("sync", timeout=5)
        assert (client.connected, client.get_sid(), client.eio.state) == before
        assert run.connector.online
        assert run.attempts == [None, None]


async def test_the_server_disconnects_and_the_handler_returns_late():
    client = socketio.AsyncClient(handle_sigint=False)
    calls = Calls(client, "disconnect")
    async with bench() as b, running(b.link.url, client) as run:
        await run.is_online()
        await b.sio.disconnect(client.get_sid())
        await run.is_online(2)
        calls.go.set()
        await client.call("sync", timeout=5)
        assert run.attempts == [None, None]
        assert calls.count(("disconnect", "server disconnect")) == 1


async def test_the_answer_of_a_slow_handler_is_not_sent_on_the_next_connection():
    client = socketio.AsyncClient(handle_sigint=False)
    begun, go = asyncio.Event(), asyncio.Event()

    @client.event
    async def ask(question):
        if question == "old":
            begun.set()
            await go.wait()
        else:
            go.set()
            await asyncio.sleep(0.1)  # the other one's answer would come first
        return question

    async with bench() as b, running(b.link.url, client) as run:
        await run.is_online()
        old = asyncio.create_task(b.sio.call("ask", "old", to=client.get_sid(), timeout=1))
        await begun.wait()
        await b.link.cut()
        await run.is_online(2)
        assert await b.sio.call("ask", "new", to=client.get_sid(), timeout=5) == "new"
        with pytest.raises(socketio.exceptions.SocketIOError):
            await old


# --- attempts that fail --------------------------------------------------------------------


async def test_a_refusal_is_reported_with_its_data():
    client = socketio.AsyncClient(handle_sigint=False)
    calls = Calls(client, "connect_error")
    why = {"message": "not today", "data": {"until": 7}}
    async with bench() as b:

        @b.sio.event
        def connect(sid, environ):
            raise socketio.exceptions.ConnectionRefusedError("not today", {"until": 7})

        async with running(b.link.url, client) as run:
            await wait_until(lambda: run.attempts)
            assert isinstance(run.attempts[0], socketio.exceptions.ConnectionError)
            assert run.attempts[0].args == ("/ was refused", why)
            assert calls == [("connect_error", why)]
            assert not run.connector.online
            calls.go.set()


async def test_one_namespace_that_is_refused_fails_the_attempt():
    async with bench() as b:
        b.sio.on("connect", lambda sid, environ: True)

        @b.sio.on("connect", namespace="/staff")
        async def connect(sid, environ):
            return False

        async with running(b.link.url, namespaces=["/", "/staff"]) as run:
            await wait_until(lambda: run.attempts)
            assert "/staff was refused" in str(run.attempts[0])
            assert not run.connector.online


@pytest.mark.parametrize("transports", [SOCKET, POLLING])
async def test_each_attempt_has_an_engine_and_the_headers_of_its_own(transports):
    seen, engines = [], []
    options = {"headers": {"x-extra": "1"}}
    client = socketio.AsyncClient(handle_sigint=False, websocket_extra_options=options)
    headers = {"cookie": "a=b", "x-more": "2"}
    async with bench() as b:

        @b.sio.event
        def connect(sid, environ):
            engines.append(client.eio)
            names = "HTTP_COOKIE", "HTTP_X_MORE", "HTTP_X_EXTRA"
            seen.append([environ.get(name) for name in names])

        async with running(b.link.url, client, headers=headers, transports=transports) as run:
            await run.is_online()
            await run.lose(b.link)
            await run.is_online(2)
    extra = "1" if transports is SOCKET else None
    assert seen == [["a=b", "2", extra]] * 2
    assert engines[0] is not engines[1]


async def test_an_auth_function_that_ignores_cancellation_disturbs_no_later_attempt():
    go, asked = asyncio.Event(), []

    async def auth():
        asked.append(len(asked))
        while asked[-1] == 0 and not go.is_set():
            with suppress(asyncio.CancelledError):
                await go.wait()
        return {"attempt": len(asked)}

    async with bench() as b, running(b.link.url, auth=auth, patience=0.1) as run:
        await run.is_online()
        assert isinstance(run.attempts[0], TimeoutError)
        sid = run.client.get_sid()
        go.set()
        await run.client.call("sync", timeout=5)
        assert run.client.get_sid() == sid
        assert b.server.sids() == [sid]


async def test_an_auth_function_that_fails_is_no_mistake_in_the_arguments():
    def auth():
        if not run.attempts:
            raise ValueError("no token")
        return {}

    async with bench() as b, running(b.link.url, auth=auth) as run:
        await run.is_online()
        assert isinstance(run.attempts[0], socketio.exceptions.ConnectionError)
        assert "no token" in str(run.attempts[0])


async def test_a_wrong_argument_is_reported_as_such():
    async with bench() as b, running(b.link.url, nonsense=1) as run:
        await wait_until(lambda: run.attempts)
        assert isinstance(run.attempts[0], TypeError)


# --- lines that are silent -----------------------------------------------------------------


@pytest.mark.parametrize("transports", [SOCKET, POLLING])
@pytest.mark.parametrize("own", [True, False])
async def test_a_silent_line_is_replaced(transports, own):
    """Also in a session of the user's, which stays open, and has nothing left in use."""
    async with aiohttp.ClientSession() as session, bench() as b:
        client = socketio.AsyncClient(handle_sigint=False, http_session=None if own else session)
        calls = Calls(client)
        async with running(b.link.url, client, transports=transports, patience=0.3) as run:
            await run.is_online()
            async with b.link.black_hole():
                run.connector.replace()
                assert not run.connector.online
                await wait_until(lambda: any(run.attempts))
                assert isinstance(run.attempts[-1], TimeoutError)
            await run.is_online(2)
            assert await client.call("sync", timeout=5) is None
        assert calls == [
            ("connect",),
            ("disconnect", "transport error"),
            ("connect",),
            ("disconnect", "client disconnect"),
        ]
        assert not session.closed
        assert not session.connector._acquired
        async with session.get(b.server.url) as response:
            assert response.status == 404


@pytest.mark.parametrize("own", [True, False])
async def test_hanging_up_on_a_silent_line_closes_the_socket_at_once(own):
    async with aiohttp.ClientSession() as session, bench() as b:
        client = socketio.AsyncClient(handle_sigint=False, http_session=None if own else session)
        async with running(b.link.url, client) as run:
            await run.is_online()
            ws = client.eio.ws
            async with b.link.black_hole():
                async with asyncio.timeout(PROMPTLY):
                    await run.connector.hang_up()
                assert ws.closed
                assert ws.get_extra_info("socket") is None


async def test_packets_of_the_old_connection_that_come_late_are_not_heard():
    async with aiohttp.ClientSession() as session, bench() as b:
        client = socketio.AsyncClient(handle_sigint=False, http_session=session)
        acks, news = [], []
        client.on("news", news.append)
        async with running(b.link.url, client) as run:
            await run.is_online()
            old = client.get_sid()
            async with b.link.black_hole("server→client"):
                await client.emit("sync", callback=lambda: acks.append("old"))
                await b.sio.emit("news", "old", to=old)
                run.connector.replace()
                await wait_until(lambda: not client.connected)
            await run.is_online(2)
            await b.sio.emit("news", "new", to=client.get_sid())
            await client.call("sync", timeout=5)
            await wait_until(lambda: news)
            assert (acks, news) == ([], ["new"])


@pytest.mark.parametrize("transports", [SOCKET, POLLING])
async def test_disconnecting_ends_in_time_on_a_silent_line(transports):
    client = socketio.AsyncClient(handle_sigint=False)
    calls = Calls(client, "disconnect")
    loop = asyncio.get_running_loop()
    async with bench() as b, running(b.link.url, client, transports=transports) as run:
        await run.is_online()
        async with b.link.black_hole():
            run.task.cancel()
            begun = loop.time()
            await run.connector.disconnect()
            assert loop.time() - begun < 2 * HANG_UP + PROMPTLY
        calls.go.set()
        assert calls == [("connect",), ("disconnect", "client disconnect")]


async def test_a_client_that_disconnects_by_itself_on_a_silent_line_comes_to_an_end():
    async with bench() as b, running(b.link.url) as run:
        await run.is_online()
        async with b.link.black_hole():
            leaving = asyncio.create_task(run.client.disconnect())
            await wait_until(lambda: not run.client.connected)
            run.connector.replace()
            await asyncio.wait({leaving}, timeout=2 * HANG_UP)
            assert leaving.done()
            assert not leaving.cancelled()
        await run.is_online(2)


# --- cancelled -----------------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["connecting", "online", "hanging up", "pausing"])
async def test_run_ends_at_once_when_it_is_cancelled(moment):
    client = socketio.AsyncClient(handle_sigint=False)
    calls = Calls(client, "connect", "disconnect", "connect_error")
    loop = asyncio.get_running_loop()
    async with bench() as b, running(b.link.url, client, patience=0.2) as run:
        await run.is_online()
        if moment != "online":
            async with b.link.black_hole() if moment == "connecting" else b.link.refuse():
                await b.link.cut()
                await wait_until(lambda: len(calls) == 2)
                if moment == "connecting":
                    await wait_until(lambda: client.eio is not run.connector._first, 5)
                elif moment == "pausing":
                    await wait_until(lambda: len(run.attempts) > 1, 5)
                begun = loop.time()
                run.task.cancel()
                await asyncio.wait({run.task})
        else:
            begun = loop.time()
            run.task.cancel()
            await asyncio.wait({run.task})
        assert loop.time() - begun < PROMPTLY
        assert run.task.cancelled()
        calls.go.set()


async def test_a_cancellation_is_never_swallowed_by_an_attempt_that_fails_just_then():
    async with bench() as b:
        url = b.link.url
    for turns in range(40):
        async with running(url) as run:
            run.connector._delays = 1e-6, 1e-6
            await wait_until(lambda: run.attempts)
            for _ in range(turns):
                await asyncio.sleep(0)


@pytest.mark.parametrize("turns", range(8))
async def test_a_second_disconnect_finishes_what_the_first_began(turns):
    client = socketio.AsyncClient(handle_sigint=False)
    calls = Calls(client)
    async with bench() as b, running(b.link.url, client) as run:
        await run.is_online()
        run.task.cancel()
        first = asyncio.create_task(run.connector.disconnect())
        for _ in range(turns):
            await asyncio.sleep(0)
        first.cancel()
        await run.connector.disconnect()
        assert client.eio.state == "disconnected"
        assert calls == [("connect",), ("disconnect", "client disconnect")]


async def test_a_client_is_as_before_afterwards():
    client = socketio.AsyncClient(handle_sigint=False)
    before = client.eio, client._trigger_event
    async with bench() as b:
        async with running(b.link.url, client) as run:
            await run.is_online()
        assert (client.eio, client._trigger_event) == before
        await client.connect(b.link.url, transports=SOCKET)
        assert await client.call("sync", timeout=5) is None
        await client.disconnect()
