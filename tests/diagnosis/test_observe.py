"""The observer of python-socketio: what it counts, and that the application does not notice."""

import asyncio
import threading
import warnings

import pytest
import socketio

from sio_demo import EmitterClient, Link, serve
from sio_demo.atlas.kit import bench, python_client, until
from sio_demo.diagnosis import diagnose, observe
from sio_demo.errors import UsageError


@pytest.fixture
async def ends():
    """A server, its bench and a client, not connected."""
    async with bench() as b, python_client() as client:
        yield b, client


async def test_a_message_is_counted_at_both_ends(ends):
    b, client = ends
    lines = []
    client.on("news", lines.append)
    with observe(b.sio, client) as seen:
        await b.connect(client)
        await b.sio.emit("news", "hello")
        await b.settled()
        message = seen.message("news")
    assert message.counters == (1, 1, 1, 1, None)
    assert message.clues.known() == {
        **{"recipient": "client", "client": "python", "server": "python", "event": "news"},
        **{"namespace": "/", "reconnects": 0, "connections": 1, "acknowledged": False},
        **{"overlapped": False, "early": False, "connected": True, "refused": False},
    }
    assert lines == ["hello"]


async def test_one_end_alone_sees_its_part_and_says_what_it_did_not_see(ends):
    b, client = ends
    client.on("news", lambda text: None)
    with observe(b.sio) as at_server, observe(client) as at_client:
        await b.connect(client)
        await b.sio.emit("news", "hello")
        await b.settled()
        assert at_server.message("news").counters == (None, 1, 1, None, None)
        assert at_client.message("news").counters == (1, None, 1, 1, None)
        both = diagnose(at_server.message("news"), at_client.message("news"))
    assert both.seen.counters == (1, 1, 1, 1, None)


async def test_a_handler_registered_in_connect_is_seen_at_every_reconnection():
    async with bench() as b, python_client(EmitterClient) as client:
        client.on("connect", lambda: client.on("news", lambda text: None))
        with observe(b.sio, client) as seen:
            await b.connect(client)
            for _ in range(3):
                await b.drop()
            await b.settled()
            await b.sio.emit("news", "hello")
            await b.settled()
            message = seen.message("news")
    assert message.counters == (4, 1, 1, 4, None)
    assert diagnose(message).letters == ("D1", "D2")


async def test_effects_count_where_they_are_told(ends):
    b, client = ends

    def show(text):
        seen.effect("news", text)
        seen.effect("news", text)

    client.on("news", show)
    with observe(b.sio, client) as seen:
        await b.connect(client)
        await b.sio.emit("news", "hello")
        await b.settled()
        assert seen.message("news").counters == (1, 1, 1, 1, 2)
        assert diagnose(seen.message("news")).letters == ("D22",)


async def test_copies_are_told_apart_by_the_key(ends):
    b, client = ends
    b.sio.on("pay", lambda sid, order: None)
    with observe(b.sio, client, key=lambda event, data: data[0]["id"]) as seen:
        await b.connect(client)
        await client.call("pay", {"id": 1, "try": 1})
        await client.call("pay", {"id": 1, "try": 2})
        await client.call("pay", {"id": 2, "try": 1})
        assert seen.message("pay", {"id": 1}).packets == 2
        assert seen.message("pay").packets == 1
        assert seen.message("pay").clues.acknowledged is True


async def test_a_key_that_raises_harms_nobody_and_is_told(ends):
    b, client = ends
    lines = []
    client.on("news", lines.append)
    with observe(b.sio, client, key=lambda event, data: data[0]["id"]) as seen:
        await b.connect(client)
        await b.sio.emit("news", "no id here")
        await b.settled()
        assert lines == ["no id here"]
        with pytest.raises(UsageError, match="Does the key suit every event"):
            seen.message("news")


async def test_sids_are_those_of_the_messages_user():
    users = {}
    async with bench() as b, python_client() as ann, python_client() as bob:
        b.sio.on("connect", lambda sid, environ, auth: users.update({sid: auth["user"]}))
        b.sio.on("hi", lambda sid: None)
        with observe(b.sio, user=users.get) as seen:
            await b.connect(ann, auth={"user": "ann"})
            await b.connect(bob, auth={"user": "bob"})
            await ann.call("hi")
            assert len(b.server.sids()) == 2
            assert seen.message("hi").sids == 1


async def test_a_message_that_never_came_has_the_counters_of_now(ends):
    b, client = ends
    client.on("news", lambda text: None)
    with observe(b.sio, client) as seen:
        await b.connect(client)
        message = seen.message("news")
    assert message.counters == (1, 1, 0, 0, None)
    assert message.clues.recipient == "client"


async def test_an_event_that_goes_both_ways_needs_the_recipient(ends):
    b, client = ends
    for end in (b.sio, client):
        end.on("chat", lambda *args: None)
    with observe(b.sio, client) as seen:
        await b.connect(client)
        await client.call("chat", "hi")
        await b.sio.emit("chat", "ho")
        await b.settled()
        with pytest.raises(UsageError, match="both ways"):
            seen.message("chat")
        assert seen.message("chat", recipient="server").clues.recipient == "server"
        assert seen.message("chat", recipient="client").packets == 1


async def test_binary_data_namespaces_and_their_classes_are_counted():
    class News(socketio.AsyncClientNamespace):
        async def on_photo(self, data):
            return len(data)

    async with bench(namespaces=["/news"]) as b, python_client() as client:
        client.register_namespace(News("/news"))
        with observe(b.sio, client) as seen:
            await b.connect(client)
            [sid] = b.server.sids("/news")
            size = await b.sio.call("photo", b"12345", to=sid, namespace="/news")
            assert size == 5
            assert seen.message("photo", namespace="/news").counters == (1, 1, 1, 1, None)


async def test_overlapping_calls_are_noticed(ends):
    b, client = ends
    go = asyncio.Event()

    async def slow(sid, number):
        if number == 1:
            await go.wait()

    b.sio.on("slow", slow)
    with observe(b.sio, client) as seen:
        await b.connect(client)
        await client.emit("slow", 1)
        await client.call("slow", 2)
        go.set()
        assert seen.message("slow", 1).clues.overlapped is True
        assert seen.message("slow", 2).clues.overlapped is True
        await client.call("slow", 3)
        assert seen.message("slow", 3).clues.overlapped is False


async def test_why_the_client_left_and_that_it_cannot_come_back(ends):
    b, client = ends
    with observe(b.sio, client) as seen:
        sid = await b.connect(client)
        await b.sio.disconnect(sid)
        await until(lambda: not client.connected)
        assert seen.message("news").clues.reason == "server"
        await b.connect(client)
        async with b.link.refuse():
            await b.link.cut()
            await until(lambda: seen.message("news").clues.refused)
            clues = seen.message("news").clues
        assert (clues.connected, clues.reason) == (False, "network")
        await until(lambda: client.connected)
        assert seen.message("news").clues.refused is False


async def test_old_counts_are_forgotten(ends):
    b, client = ends
    b.sio.on("n", lambda sid, number: None)
    with observe(b.sio, client, keep=2) as seen:
        await b.connect(client)
        for number in range(4):
            await client.call("n", number)
        assert seen.message("n", 3).packets == 1
        assert seen.message("n", 0).packets == 0


async def test_the_table_has_a_line_for_each_event(ends):
    b, client = ends
    client.on("news", lambda text: None)
    with observe(b.sio, client) as seen:
        await b.connect(client)
        await b.sio.emit("news", "hello")
        await b.settled()
        lines = str(seen).splitlines()
    assert lines[0].split()[-5:] == ["listeners", "sids", "packets", "calls", "effects"]
    assert ["news", "client", "1", "1", "1", "1", "?"] in [line.split() for line in lines]


# --- the application does not notice ------------------------------------------------------


async def test_answers_and_arguments_pass_as_they_are(ends):
    b, client = ends

    @b.sio.on("add")
    async def add(sid, a, b):
        return a + b, "and more"

    @b.sio.on("*")
    def any_event(event, sid, *data):
        return event, *data

    with observe(b.sio, client):
        await b.connect(client)
        assert await client.call("add", (1, 2)) == (3, "and more")
        assert await client.call("other", "x") == ("other", "x")


async def test_an_exception_of_a_handler_takes_its_usual_way(ends):
    b, client = ends
    errors = []

    async def connect(sid, environ, auth):
        raise socketio.exceptions.ConnectionRefusedError("not you")

    b.sio.on("connect", connect)
    client.on("connect_error", errors.append)
    with observe(b.sio, client), pytest.raises(socketio.exceptions.ConnectionError):
        await client.connect(b.link.url, transports=["websocket"])
    assert errors == [{"message": "not you"}]


@pytest.mark.parametrize("parameters", [2, 3])
async def test_a_connect_handler_of_either_form_is_counted_once(ends, parameters):
    b, client = ends
    forms = {2: lambda sid, environ: None, 3: lambda sid, environ, auth: None}
    b.sio.on("connect", forms[parameters])
    with observe(b.sio, client) as seen:
        await b.connect(client)
        assert seen.message("connect").counters == (1, 1, 1, 1, None)


async def test_when_it_is_closed_everything_is_as_it_was(ends):
    b, client = ends

    def news(text):
        pass

    class Chat(socketio.AsyncNamespace):
        async def on_say(self, sid, text):
            return text

    chat = Chat("/chat")
    b.sio.register_namespace(chat)
    client.on("news", news)
    before = [dict(vars(end.eio)) | {"handlers": dict(end.eio.handlers)} for end in (b.sio, client)]
    seen = observe(b.sio, client)
    await client.connect(b.link.url, namespaces=["/", "/chat"], transports=["websocket"])
    await client.call("say", "hi", namespace="/chat")
    assert client.handlers["/"]["news"] is not news
    seen.close()
    seen.close()
    assert client.handlers["/"]["news"] is news
    assert "trigger_event" not in vars(chat)
    for end, attributes in zip((b.sio, client), before, strict=True):
        assert end.eio.handlers == attributes["handlers"]
        for name in ("send", "send_packet", "connect"):
            assert vars(end.eio).get(name) == attributes.get(name)
    await b.sio.emit("news", "later")
    await b.settled()
    assert seen.message("news").packets == 0


async def test_two_observers_count_the_same_and_may_end_in_any_order(ends):
    b, client = ends
    client.on("news", lambda text: None)
    first, second = observe(b.sio, client), observe(b.sio, client)
    await b.connect(client)
    for number in range(3):
        await b.sio.emit("news", number)
        await b.settled()
    assert first.message("news").counters == second.message("news").counters == (1, 1, 1, 1, None)
    first.close()
    await b.sio.emit("news", 3)
    await b.settled()
    assert second.message("news", 3).counters == (1, 1, 1, 1, None)
    assert first.message("news", 3).packets == 0
    second.close()


async def test_the_threaded_client_is_observed_as_well():
    sio = socketio.AsyncServer(async_mode="aiohttp")
    handled = threading.Event()
    async with await serve(sio) as server, await Link.to(server) as link:
        client = socketio.Client(handle_sigint=False)
        client.on("news", lambda text: handled.set())
        with observe(client) as seen:
            await asyncio.to_thread(client.connect, link.url, transports=["polling"])
            await sio.emit("news", "hello")
            assert await asyncio.to_thread(handled.wait, 10)
            message = seen.message("news")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)
                await asyncio.to_thread(client.disconnect)
    assert message.counters == (1, None, 1, 1, None)
    assert message.clues.client == "python"


def test_the_threaded_server_is_observed_as_well():
    sio = socketio.Server(async_mode="threading", async_handlers=False)
    answers = []
    sio.on("add", lambda sid, a, b: a + b)
    with observe(sio) as seen:
        sio.eio.sockets["connection"] = None  # python-engineio has a session of that name
        sio.eio.send_packet = lambda connection, packet: answers.append(packet.data)
        sio._handle_eio_connect("connection", {})
        sio.eio.handlers["message"]("connection", "0")
        sio.eio.handlers["message"]("connection", '27["add",1,2]')
        assert seen.message("add").counters == (1, 1, 1, 1, None)
        assert answers[-1] == "37[3]"


@pytest.mark.parametrize(
    ("ends", "options", "words"),
    [
        ((), {}, "Give what is to be observed"),
        (("server",), {}, "AsyncServer, Server, AsyncClient or Client"),
        ((socketio.AsyncSimpleClient(),), {}, "for a SimpleClient its `.client`"),
        ((socketio.AsyncClient(),), {"keep": 0}, "keep counts messages"),
        ((socketio.AsyncClient(),), {"key": "id"}, "key is a function"),
        ((socketio.AsyncClient(),), {"user": {}}, "user is a function"),
    ],
)
def test_bad_input_is_refused_before_anything_is_done(ends, options, words):
    with pytest.raises(UsageError, match=words):
        observe(*ends, **options)
