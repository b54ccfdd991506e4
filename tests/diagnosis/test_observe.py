"""The observer of python-socketio: what it counts, and that the application does not notice."""

import asyncio
import contextlib
import functools
import threading
import warnings
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
import socketio

from sio_demo import EmitterClient
from sio_demo.diagnosis import diagnose, observe
from sio_demo.errors import UsageError
from sio_demo.lab.bench import bench, python_client
from sio_demo.lab.waiting import wait_until


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
        **{"namespace": "/", "reconnects": 0, "connections": 1, "arrived": True},
        **{"acknowledged": False, "overlapped": False, "failed": False, "early": False},
        **{
            "connected": True,
            "before": True,
            "refused": False,
            "rejected": False,
            "reason": "",
            "strangers": 0,
        },
        **{
            "emitted": 1,
            "reached": 1,
            "skipped": False,
            "raised": False,
            "away": False,
            "held": False,
        },
        **{"ids": False, "other_loop": False, "ghosts": 0},
        **{"queued": 0, "astray": False, "queue": False, "rooms": 1},
        "large": False,
        "places": message.clues.places,
    }
    assert message.clues.places.startswith("test_observe.py:")
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
                await b.cut()
            await b.settled()
            await b.sio.emit("news", "hello")
            await b.settled()
            message = seen.message("news")
            assert message.counters == (4, 1, 1, 4, None)
            assert message.clues.grows is None
            assert diagnose(message).letters[:2] == ("D1", "D2")
            await b.cut()
            await b.settled()
            await b.sio.emit("news", "hello again")
            await b.settled()
            assert seen.message("news").clues.grows is True
            assert diagnose(seen.message("news")).letters == ("D1", "D2")


async def test_an_observer_that_comes_late_does_not_pretend_to_know_the_reconnects():
    async with bench() as b, python_client(EmitterClient) as client:
        client.on("connect", lambda: client.on("news", lambda text: None))
        await b.connect(client)
        await b.cut()
        await b.settled()
        with observe(b.sio, client) as seen:
            await b.sio.emit("news", "hello")
            await b.settled()
            message = seen.message("news")
    assert (message.calls, message.clues.reconnects) == (2, None)
    assert "D1" in diagnose(message).letters


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
        assert str(seen)  # to print it raises nothing
        with pytest.raises(UsageError, match="suit every event"):
            seen.message("news")


@pytest.fixture
async def two_users():
    """A bench, two connected clients, and an observer that knows whose they are."""
    users = {}
    async with bench() as b, python_client() as ann, python_client() as bob:
        b.sio.on("connect", lambda sid, environ, auth: users.update({sid: auth["user"]}))
        b.sio.on("typing", lambda sid: None)
        with observe(b.sio, user=users.get) as seen:
            await b.connect(ann, auth={"user": "ann"})
            await b.connect(bob, auth={"user": "bob"})
            yield b, ann, bob, seen


async def test_sids_are_those_of_the_messages_user(two_users):
    b, ann, _, seen = two_users
    await ann.call("typing")
    assert len(b.server.sids()) == 2
    assert seen.message("typing").sids == 1


async def test_each_users_messages_are_counted_apart(two_users):
    b, ann, bob, seen = two_users
    await ann.call("typing")
    await bob.call("typing")
    await b.sio.emit("news", "to all")
    await wait_until(lambda: b.link.count("news") == 2)
    for user in ("ann", "bob"):
        assert seen.message("typing", user=user).counters == (1, 1, 1, 1, None)
        assert seen.message("news", user=user).counters == (None, 1, 1, None, None)


async def test_what_went_to_another_user_did_not_go_to_this_one(two_users):
    b, _, bob, seen = two_users
    await b.sio.emit("news", "to bob", to=bob.get_sid())
    message = seen.message("news", "to bob", user="ann")
    assert (message.sids, message.packets, message.clues.reached) == (1, 0, 0)
    assert seen.message("news", "to bob", user="bob").packets == 1


async def test_a_healthy_server_with_several_users_asks_whose_the_sids_are():
    async with bench() as b, python_client() as ann, python_client() as bob:
        b.sio.on("buy", lambda sid: None)
        with observe(b.sio) as seen:
            await b.connect(ann)
            await b.connect(bob)
            await ann.call("buy")
            found = diagnose(seen.message("buy"))
    assert "observe(..., user=...)" in found.next[0]


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


async def test_a_call_that_ends_does_not_end_the_others(ends):
    b, client = ends
    gates = {number: asyncio.Event() for number in range(1, 5)}
    ended = []

    async def work(sid, number):
        await gates[number].wait()
        ended.append(number)

    async def begin(number):
        await client.emit("work", number)
        await wait_until(lambda: seen.message("work", number).calls == 1)

    b.sio.on("work", work)
    with observe(b.sio) as seen:
        await b.connect(client)
        await begin(1)
        await begin(2)
        gates[1].set()
        await wait_until(lambda: ended == [1])
        await begin(3)  # beside 2
        gates[2].set()
        gates[3].set()
        await wait_until(lambda: len(ended) == 3)
        await begin(4)  # alone
        gates[4].set()
        await wait_until(lambda: len(ended) == 4)
        overlapped = [seen.message("work", n).clues.overlapped for n in range(1, 5)]
    assert overlapped == [True, True, True, False]


async def test_overlapping_messages_with_equal_counts_are_not_mixed_up(ends):
    b, client = ends
    fast_is_done = asyncio.Event()

    async def pay(sid, order):
        if order["id"] == 1:
            await fast_is_done.wait()
        seen.effect("pay", order)
        return "paid"

    b.sio.on("pay", pay)
    with observe(b.sio, client) as seen:
        await b.connect(client)
        slow = asyncio.ensure_future(client.call("pay", {"id": 1}, timeout=10))
        await wait_until(lambda: seen.message("pay").calls == 1)
        assert await client.call("pay", {"id": 2}, timeout=10) == "paid"
        fast_is_done.set()
        assert await slow == "paid"


async def test_a_handler_that_fails_or_does_not_fit_is_told(ends):
    b, client = ends

    async def raises(sid):
        raise ValueError("no")

    b.sio.on("raises", raises)
    b.sio.on("misfits", lambda sid: None)
    b.sio.on("sync", lambda sid: None)
    with observe(b.sio, client) as seen:
        await b.connect(client)
        await client.emit("raises")
        await client.emit("misfits", "one too many")
        await client.call("sync")
        assert seen.message("raises").clues.failed is True
        assert seen.message("raises").calls == 1
        misfit = seen.message("misfits")
        assert (misfit.calls, misfit.clues.arrived, misfit.clues.failed) == (0, True, True)
        assert diagnose(misfit).suspects == ()
        assert seen.message("sync").clues.failed is False


async def test_a_handler_that_cannot_be_hashed_is_counted_as_well():
    class Handler:
        __hash__ = None

        def __eq__(self, other):
            return False

        def __call__(self, *_):
            pass

    async with bench() as b, python_client() as client:
        client.on("news", Handler())
        with observe(client) as seen:
            await b.connect(client)
            await b.sio.emit("news", 1)
            await b.settled()
            assert (seen.message("news").calls, seen.message("news").clues.failed) == (1, False)


def without_sid(function):
    """As Flask-SocketIO does it."""

    @functools.wraps(function)
    def inner(sid, *args):
        return function(*args)

    return inner


def without_sid_method(function):
    @functools.wraps(function)
    def inner(self, sid, *args):
        return function(self, *args)

    return inner


def with_user(function):
    @functools.wraps(function)
    async def inner(sid, *args):
        return await function("ann", *args, db="database")

    return inner


@pytest.mark.parametrize("observers", [1, 2])
async def test_a_decorated_handler_is_counted(ends, observers):
    b, client = ends

    @b.sio.event
    @without_sid
    def buy(order):
        return "bought"

    @b.sio.event
    @with_user
    async def pay(user, order, *, db):
        return "paid"

    @b.sio.on("narrow")
    @functools.wraps(lambda *args: None)
    def narrow(sid):
        """Take less than what it is wrapped around."""

    with contextlib.ExitStack() as stack:
        seen = [stack.enter_context(observe(b.sio)) for _ in range(observers)]
        await b.connect(client)
        assert await client.call("buy", 1) == "bought"
        assert await client.call("pay", 1) == "paid"
        await client.emit("narrow", "one too many")
        await b.settled()
        for each in seen:
            for event, calls in (("buy", 1), ("pay", 1), ("narrow", 0)):
                message = each.message(event)
                assert (message.calls, message.clues.failed) == (calls, calls == 0), event


async def test_a_namespace_with_a_dispatcher_of_its_own_is_counted():
    class Chat(socketio.AsyncNamespace):
        def on_say(self, text):
            return text

        @without_sid_method
        def on_shout(self, text):
            return text.upper()

        async def trigger_event(self, event, sid, *args):
            if event == "say":  # as Flask-SocketIO does it
                return self.on_say(*args)
            return await super().trigger_event(event, sid, *args)

    class Plain(socketio.AsyncNamespace):
        on_shout = without_sid_method(lambda self, text: text.upper())

        def on_narrow(self, sid):
            """Take no argument."""

    async with bench() as b, python_client() as client:
        b.sio.register_namespace(Chat("/chat"))
        b.sio.register_namespace(Plain("/plain"))
        with observe(b.sio) as seen:
            spaces = ["/chat", "/plain"]
            await client.connect(b.link.url, namespaces=spaces, transports=["websocket"])
            assert await client.call("say", "hi", namespace="/chat") == "hi"
            assert await client.call("shout", "hi", namespace="/chat") == "HI"
            assert await client.call("shout", "hi", namespace="/plain") == "HI"
            await client.emit("narrow", "one too many", namespace="/plain")
            await wait_until(lambda: seen.message("narrow", namespace="/plain").clues.failed)
            counted = [
                (message.calls, message.clues.failed)
                for message in (
                    seen.message("say", namespace="/chat"),
                    seen.message("shout", namespace="/chat"),
                    seen.message("shout", namespace="/plain"),
                    seen.message("narrow", namespace="/plain"),
                )
            ]
    assert counted == [(1, False), (1, False), (1, False), (0, True)]


async def test_each_connection_is_a_message_of_its_own(ends):
    b, client = ends
    b.sio.on("connect", lambda sid, environ, auth: None)
    with observe(b.sio, client) as seen:
        await b.connect(client)
        for _ in range(3):
            await b.cut()
        connection = seen.message("connect")
    assert (connection.packets, connection.calls) == (1, 1)
    assert diagnose(connection).suspects == ()


async def test_an_effect_is_booked_on_the_message_it_was_told_of(ends):
    b, client = ends
    for end in (b.sio, client):
        end.on("chat", lambda *args: None)
    with observe(b.sio, client) as seen:
        await b.connect(client)
        await client.call("chat", "hi")
        await b.sio.emit("chat", "ho")
        await b.settled()
        seen.effect("chat", "hi")
        assert seen.message("chat", recipient="server").effects == 1
        assert seen.message("chat", recipient="client").effects is None
        seen.effect("chat", "never sent")
        assert seen.message("chat", recipient="client").packets == 1


async def test_why_the_client_left_and_that_it_cannot_come_back(ends):
    b, client = ends
    with observe(b.sio, client) as seen:
        sid = await b.connect(client)
        await b.sio.disconnect(sid)
        await wait_until(lambda: client.eio.state == "disconnected")  # else it cannot connect
        assert seen.message("news").clues.reason == "server disconnect"
        await b.connect(client)
        async with b.link.refuse():
            await b.link.cut()
            await wait_until(lambda: seen.message("news").clues.refused)
            clues = seen.message("news").clues
        assert (clues.connected, clues.reason) == (False, "transport error")
        await wait_until(lambda: client.connected)
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


async def test_who_is_never_answered_costs_no_memory(ends):
    b, client = ends
    answering = asyncio.Event()

    @b.sio.on("n")
    async def wait(sid, number):
        await answering.wait()

    with observe(b.sio, client, keep=3) as seen:
        await b.connect(client)
        for number in range(6):
            await client.emit("n", number, callback=lambda *_: None)
        assert len(seen._tally._asked) == 3
        assert seen.message("n").clues.answered is False
        answering.set()


async def test_a_message_that_is_sent_again_is_the_last_one(ends):
    b, client = ends
    b.sio.on("n", lambda sid, number: None)
    with observe(b.sio, client, keep=2) as seen:
        await b.connect(client)
        for number in (1, 2, 1):
            await client.call("n", number)
        assert seen.message("n").packets == 2
        await client.call("n", 3)
        assert seen.message("n", 1).packets == 2


async def test_what_is_emitted_to_nobody_is_no_packet(ends):
    b, client = ends
    with observe(b.sio) as seen:
        sid = await b.connect(client)
        connection = b.sio.manager.eio_sid_from_sid(sid, "/")
        await client.disconnect()
        await wait_until(lambda: not b.server.sids())
        await b.sio.eio.send(connection, '2["news"]')
        assert seen.message("news").packets == 0


async def test_servers_that_send_the_same_are_counted():
    async with bench() as b, bench() as other, python_client() as ann, python_client() as bob:
        with observe(b.sio, other.sio) as seen:
            await b.connect(ann)
            await other.connect(bob)
            await b.sio.emit("news", "hello")
            assert seen.message("news").clues.servers is None
            await other.sio.emit("news", "hello")
            assert seen.message("news").clues.servers == 2


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
    with observe(b.sio, client) as seen, observe(b.sio, client) as another:
        await b.connect(client)
        assert seen.message("connect").counters == (1, 1, 1, 1, None)
        assert another.message("connect").counters == (1, 1, 1, 1, None)


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
    assert client.handlers["/"]["news"] is news  # it is the application's own all the time
    hooked = ["emit", "_handle_event", "_handle_connect", "_trigger_event"]
    for end in (b.sio, client):
        assert {*hooked} <= {*vars(end)}
    seen.close()
    seen.close()
    assert client.handlers["/"]["news"] is news
    assert "trigger_event" not in vars(chat)
    assert not {"connect", "pre_disconnect", "disconnect"} & {*vars(b.sio.manager)}
    assert not {*hooked, "_send_packet"} & {*vars(b.sio), *vars(client)}
    for end, attributes in zip((b.sio, client), before, strict=True):
        assert end.eio.handlers == attributes["handlers"]
        for name in ("send", "send_packet", "connect"):
            assert vars(end.eio).get(name) == attributes.get(name)
    await b.sio.emit("news", "later")
    await b.settled()
    assert seen.message("news").packets == 0


async def test_a_handler_that_the_library_does_not_look_for_is_no_listener(ends):
    b, client = ends
    called = []
    client.on("other", called.append)
    client.on("*", lambda *args: called.append(args), namespace="*")
    with observe(b.sio, client) as seen:
        await b.connect(client)
        await b.sio.emit("news", "hello")  # a client that has handlers in "/" looks only there
        await b.settled()
        assert called == []
        assert seen.message("news").counters == (0, 1, 1, 0, None)


async def test_two_observers_count_the_same_and_may_end_in_any_order(ends):
    b, client = ends
    client.on("news", lambda text: None)
    first, second = observe(b.sio, client), observe(b.sio, client)
    at_server, at_client = observe(b.sio), observe(client)
    await b.connect(client)
    for number in range(3):
        await b.sio.emit("news", number)
        await b.settled()
    assert first.message("news").counters == second.message("news").counters == (1, 1, 1, 1, None)
    first.close()
    await b.sio.emit("news", 3)
    await b.settled()
    assert second.message("news", 3).counters == (1, 1, 1, 1, None)
    assert at_server.message("news", 3).counters == (None, 1, 1, None, None)
    assert at_client.message("news", 3).counters == (1, None, 1, 1, None)
    assert first.message("news", 3).packets == 0
    for observer in (second, at_server, at_client):
        observer.close()


async def test_the_threaded_client_is_observed_as_well():
    timers = {"ping_interval": 1, "ping_timeout": 2}  # seconds that the last poll hangs, at most
    handled = threading.Event()
    async with bench(**timers) as b:
        client = socketio.Client(handle_sigint=False)
        client.on("news", lambda text: handled.set())
        with observe(client) as seen:
            await asyncio.to_thread(client.connect, b.link.url, transports=["polling"])
            await b.sio.emit("news", "hello")
            assert await asyncio.to_thread(handled.wait, 10)
            message = seen.message("news")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)
                await asyncio.to_thread(client.disconnect)
    assert message.counters == (1, None, 1, 1, None)
    assert message.clues.client == "python"


async def test_the_threaded_server_is_observed_as_well():
    sio = socketio.Server(async_mode="threading")
    sio.on("add", lambda sid, a, b: a + b)
    httpd = make_server("127.0.0.1", 0, socketio.WSGIApp(sio), ThreadingServer, QuietHandler)
    with observe(sio) as seen:
        serving = threading.Thread(target=httpd.serve_forever)
        serving.start()
        try:
            clients = [socketio.AsyncClient(handle_sigint=False) for _ in range(2)]
            for client in clients:
                url = f"http://127.0.0.1:{httpd.server_port}"
                await client.connect(url, transports=["polling"])
            calls = [client.call("add", (n, 1)) for n in range(8) for client in clients]
            answers = asyncio.gather(*calls)
            while not answers.done():
                str(seen)  # while other threads count
                await asyncio.sleep(0)
            assert await answers == [n + 1 for n in range(8) for _ in clients]
            assert seen.message("add", 7, 1).counters == (1, 2, 2, 2, None)
            await asyncio.gather(*(client.disconnect() for client in clients))
        finally:
            httpd.shutdown()
            serving.join()
            httpd.server_close()


class ThreadingServer(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class QuietHandler(WSGIRequestHandler):
    def log_message(self, *args):
        pass


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


# --- what was never sent -----------------------------------------------------------------


async def test_the_message_that_was_lost_is_the_last_one(ends):
    b, client = ends
    shown = []
    client.on("news", shown.append)

    @b.sio.event
    async def join(sid):
        await b.sio.enter_room(sid, "chat")

    with observe(b.sio, client) as seen:
        await b.connect(client)
        await client.call("join")
        await b.sio.emit("news", "one", room="chat")
        await b.settled()
        await b.cut()
        await b.settled()
        await b.sio.emit("news", "two", room="chat")
        await b.settled()
        lost = seen.message("news")
        found = diagnose(lost, always=False, servers=1)
        row = next(line.split() for line in str(seen).splitlines() if line.startswith("news"))
    assert shown == ["one"]
    assert lost.counters == (1, 1, 0, 0, None)
    clues = lost.clues
    assert (clues.emitted, clues.reached, clues.away, clues.worked) == (1, 0, False, True)
    assert found.letters == ("L5", "L6")
    assert row == ["news", "client", "1", "1", "0", "0", "?"]
    assert seen.message("news", "one").calls == 1


async def test_a_server_alone_knows_by_its_emit_who_was_to_get_it(ends):
    b, client = ends
    with observe(b.sio) as seen:
        await b.connect(client)
        nothing = seen.message("news")
        await b.sio.emit("news", "hello", to="an old sid")
        lost = seen.message("news")
    assert (nothing.listeners, nothing.calls, nothing.clues.recipient) == (None, None, None)
    assert nothing.clues.emitted == 0
    assert (lost.listeners, lost.packets, lost.calls, lost.clues.recipient) == (
        *(None, 0, None),
        "client",
    )
    assert (lost.clues.emitted, lost.clues.reached) == (1, 0)


async def test_whom_an_emit_left_out_is_counted(ends):
    b, client = ends
    with observe(b.sio) as seen:
        sid = await b.connect(client)
        await b.sio.emit("line", "hi", skip_sid=sid)
        clues = seen.message("line").clues
    assert (clues.reached, clues.skipped) == (0, True)


async def test_an_emit_that_raises_was_made_while_the_client_was_away(ends):
    b, client = ends
    b.sio.on("pay", lambda sid, amount: None)
    with observe(b.sio, client) as seen:
        with pytest.raises(socketio.exceptions.BadNamespaceError):
            await client.emit("pay", 5)
        lost = seen.message("pay")
        await b.connect(client)
        await client.call("pay", 6)
        assert (lost.packets, lost.clues.raised, lost.clues.away) == (0, True, True)
        assert seen.message("pay").clues.away is False
        assert seen.message("pay", 5).packets == 0


async def test_tuples_and_numbers_as_keys_are_one_message_at_both_ends(ends):
    b, client = ends
    b.sio.on("pay", lambda sid, order: None)
    with observe(b.sio, client) as seen:
        await b.connect(client)
        await client.call("pay", {1: (2, 3)})
        message = seen.message("pay", {"1": [2, 3]})
    assert message.counters == (1, 1, 1, 1, None)
    assert message.clues.emitted == 1


async def test_a_message_that_is_longer_than_the_server_takes():
    async with bench(max_http_buffer_size=1000) as b, python_client() as client:
        b.sio.on("photo", lambda sid, data: None)
        with observe(b.sio, client) as seen:
            await b.connect(client)
            back = b.expect_client()
            await client.emit("photo", {"data": "x" * 2000})
            await back
            await wait_until(lambda: client.connected)
            found = diagnose(seen.message("photo"))
    assert found.seen.clues.large is True
    assert found.letters == ("L22",)
    assert found.seen.clues.reason in str(found)


async def test_whose_the_sids_are_is_asked_once_for_a_broadcast():
    users, asked = {}, []

    def user(sid):
        asked.append(sid)
        return users.get(sid)

    async with bench() as b, contextlib.AsyncExitStack() as stack:
        b.sio.on("connect", lambda sid, environ, auth: users.update({sid: auth["user"]}))
        with observe(b.sio, user=user) as seen:
            for number in range(6):
                client = await stack.enter_async_context(python_client())
                await b.connect(client, auth={"user": number})
            asked.clear()
            await b.sio.emit("news", "to all")
            assert len(asked) <= 3 * 6
            assert seen.message("news", user=4).counters == (None, 1, 1, None, None)


async def test_a_session_that_another_user_takes_over_is_that_users(ends):
    b, client = ends
    users = {}
    b.sio.on("login", lambda sid, name: users.update({sid: name}))
    with observe(b.sio, user=users.get) as seen:
        await b.connect(client)
        for name in ("Ann", "Bob"):
            await client.call("login", name)
            await client.call("login", name)  # it comes from that user now
            await b.sio.emit("news", name)
            assert seen.message("news", name, user=name).sids == 1


async def test_an_emit_to_one_client_looks_at_no_other():
    async with bench() as b, contextlib.AsyncExitStack() as stack:
        with observe(b.sio):
            for _ in range(6):
                await b.connect(await stack.enter_async_context(python_client()))
            manager, looks = b.sio.manager, []
            is_connected = manager.is_connected
            manager.is_connected = lambda *sid: looks.append(sid) or is_connected(*sid)
            for _ in range(10):
                await b.sio.emit("news", "to one", to=b.server.sids()[0])
        assert len(looks) < 6 * 10


async def test_a_client_with_a_fresh_engine_goes_on_being_counted(ends):
    b, client = ends
    b.sio.on("pay", lambda sid, amount: None)
    client.on("news", lambda text: None)
    with observe(client) as seen:
        first = client.eio
        client.eio = object.__new__(type(first))
        given = {k: v for k, v in vars(first).items() if not hasattr(type(first), k)}
        vars(client.eio).update(given, queue=client.eio.create_queue())
        await b.connect(client)
        await client.call("pay", 5)
        await b.sio.emit("news", "hello")
        await b.settled()
        assert seen.message("pay").packets == 1
        assert seen.message("news").calls == 1


async def test_a_namespace_class_without_methods_is_counted():
    class Chat(socketio.AsyncNamespace):
        async def trigger_event(self, event, sid, *args):
            return event

    async with bench() as b, python_client() as client:
        b.sio.register_namespace(Chat("/chat"))
        with observe(b.sio) as seen:
            await client.connect(b.link.url, namespaces=["/chat"], transports=["websocket"])
            assert await client.call("say", "hi", namespace="/chat") == "say"
            assert seen.message("say", namespace="/chat").counters == (1, 1, 1, 1, None)


async def test_sids_of_clients_that_nobody_observes_are_strangers():
    async with bench() as b, python_client() as tab, python_client() as other:
        for client in (tab, other):
            client.on("news", lambda text: None)
        with observe(b.sio, tab) as seen:
            await b.connect(tab)
            await b.connect(other)
            await b.sio.emit("news", "hello")
            await b.settled()
            message = seen.message("news")
    assert (message.sids, message.packets, message.calls) == (2, 2, 1)
    assert message.clues.strangers == 1
    found = diagnose(message)
    assert {"D4", "D6", "D29"} <= set(found.letters)
    [d16] = (suspect for suspect in found.suspects if suspect.cause.letter == "D16")
    assert list(d16.open) == ["gone"]  # unknown, as whose sid it is
    assert not found.certain


async def test_a_first_connection_that_fails(ends):
    b, client = ends
    client.on("news", lambda text: None)
    with observe(client) as seen:
        async with b.link.refuse():
            with pytest.raises(socketio.exceptions.ConnectionError):
                await client.connect(b.link.url, transports=["websocket"])
        found = diagnose(seen.message("news"))
    assert (found.seen.clues.before, found.seen.clues.refused) == (False, True)
    assert found.letters[0] == "L28"


# --- to whom it was sent -----------------------------------------------------------------


@pytest.mark.parametrize(("joined", "letters"), [(False, set()), (True, {"L5", "L6"})])
async def test_what_only_others_get_was_not_lost_on_the_way(joined, letters):
    async with bench() as b, python_client() as client, python_client() as other:
        for each in (client, other):
            each.on("line", lambda text: None)

        @b.sio.event
        async def join(sid):
            await b.sio.enter_room(sid, "chat")

        with observe(b.sio, client) as seen:
            await b.connect(client)
            if joined:
                await client.call("join")
                await b.cut()
            await b.connect(other)
            await other.call("join")
            await b.sio.emit("line", "hi", room="chat")
            await b.settled()
            message = seen.message("line")
    found = diagnose(message)
    assert (message.packets, message.calls, message.clues.reached) == (0, 0, 0)
    assert "It was for other sessions: 1." in found.findings
    assert set(found.letters) == letters
    assert found.certain is joined


async def test_a_message_that_another_server_object_emits():
    async with bench() as here, bench() as there, python_client() as client:
        client.on("news", lambda text: None)
        with observe(here.sio, there.sio, client) as seen:
            await there.connect(client)
            await here.sio.emit("news", "hi")
            await there.settled()
            found = diagnose(seen.message("news"), always=True, servers=1)
    assert found.letters == ("L25",)
    assert "emit() was called for it on another server object than the client's." in found.findings


async def test_a_greeting_at_each_connection_is_told_from_a_tick(ends):
    b, client = ends
    client.on("welcome", lambda text: None)
    client.on("tick", lambda: None)

    @b.sio.event
    async def connect(sid, environ):
        await b.sio.emit("welcome", "hi", to=sid)
        for _ in range(2):
            await b.sio.emit("tick", to=sid)

    with observe(b.sio, client) as seen:
        await b.connect(client)
        await b.cut()
        await b.settled()
        greeting = diagnose(seen.message("welcome"), grows=True, always=True)
        tick = diagnose(seen.message("tick"), grows=True, always=True)
    assert greeting.letters == ("D11",)
    assert tick.letters == ()
    assert any("key=" in step for step in tick.next)
