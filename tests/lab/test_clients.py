"""EmitterClient: python-socketio's client with listeners that add up."""

import asyncio
import functools

import pytest
import socketio

from sio_demo.errors import SioDemoError, UsageError
from sio_demo.lab.bench import shut_down
from sio_demo.lab.clients import EmitterClient
from sio_demo.lab.experiment import reconnect, settled


@pytest.fixture
async def client(quiet):
    """An EmitterClient that is not connected yet, and comes back within milliseconds."""
    client = EmitterClient(reconnection_delay=0.01, randomization_factor=0, handle_sigint=False)
    yield client
    await shut_down(client)  # also if the link has gone, and an attempt to come back has failed


@pytest.fixture
def calls():
    """What the listeners of the test were called with."""
    return []


async def arrive(client, event, *args, namespace="/"):
    """Do what the client does when an event arrives; give what it acknowledges."""
    return await client._trigger_event(event, namespace, *args)


class TestRegistration:
    """on, once, off, listeners, and the decorators."""

    async def test_listeners_append(self, client, calls):
        """Listeners are called in the order of registration, the same one twice too."""
        first, second = (functools.partial(calls.append, n) for n in (1, 2))
        for listener in (first, second, first):
            client.on("news", lambda listener=listener: listener())
        await arrive(client, "news")
        assert calls == [1, 2, 1]

    async def test_same_function_twice(self, client, calls):
        """The same function registered twice is called twice, and removed one at a time."""
        client.on("news", calls.append)
        client.on("news", calls.append)
        await arrive(client, "news", 1)
        client.off("news", calls.append)
        await arrive(client, "news", 2)
        assert calls == [1, 1, 2]

    async def test_bound_method(self, client):
        """A bound method is found again, though each access makes a new object."""

        class App:
            def listen(self):
                raise AssertionError

        app = App()
        client.on("news", app.listen)
        client.off("news", app.listen)
        assert client.listeners("news") == []

    async def test_decorators(self, client, calls):
        """on, once and event decorate, append, and leave the function as it is."""

        @client.on("news")
        @client.once("news")
        @client.event
        def news(data):
            calls.append(data)

        @client.event(namespace="/chat")
        def joined(data):
            calls.append(f"joined {data}")

        assert client.listeners("news") == [news, news, news]
        await arrive(client, "news", 1)
        await arrive(client, "news", 2)
        await arrive(client, "joined", 3, namespace="/chat")
        assert calls == [1, 1, 1, 2, 2, "joined 3"]

    async def test_listeners_gives_a_copy(self, client):
        """To change the list that listeners() gives changes nothing in the client."""
        client.on("news", print)
        client.listeners("news").clear()
        assert client.listeners("news") == [print]

    async def test_namespaces_are_apart(self, client, calls):
        """off() without arguments removes the listeners of one namespace only."""
        client.on("news", lambda: calls.append("/"))
        client.on("news", lambda: calls.append("/chat"), namespace="/chat")
        client.off()
        await arrive(client, "news")
        await arrive(client, "news", namespace="/chat")
        assert calls == ["/chat"]
        client.off(namespace="/chat")
        assert client.listeners("news", "/chat") == []

    @pytest.mark.parametrize("listener", ["news", 1, [print]])
    async def test_listener_must_be_callable(self, client, listener):
        """A listener that cannot be called is refused, by each of the four ways."""
        for register in (client.on, client.once, client.off):
            with pytest.raises(UsageError, match="Pass it without calling it"):
                register("news", listener)
        with pytest.raises(UsageError, match="must be a function"):
            client.on("news")(listener)
        assert client.handlers == {}

    @pytest.mark.parametrize("event", [print, 1, b"news", ""])
    async def test_event_must_be_str(self, client, event):
        """An event that is no str is refused: a decorator without its brackets, say."""
        for method in (client.on, client.once, client.off, client.listeners):
            with pytest.raises(UsageError, match="The event must be a str"):
                method(event)

    async def test_off_needs_the_event_of_a_listener(self, client):
        """off() of a listener, but of no event, is refused."""
        with pytest.raises(UsageError, match="needs the event"):
            client.off(handler=print)


class TestDispatch:
    """How an event calls the listeners."""

    async def test_in_order_one_after_another(self, client, calls):
        """A coroutine function is awaited before the next listener is called."""

        async def slow():
            calls.append("begin")
            await asyncio.sleep(0)
            calls.append("end")

        client.on("news", slow)
        client.on("news", lambda: calls.append("next"))
        client.on("news", lambda: slow())
        await arrive(client, "news")
        assert calls == ["begin", "end", "next", "begin", "end"]

    async def test_first_value_is_acknowledged(self, client):
        """The first value that is not None is the acknowledgement, also a false one."""

        async def nothing():
            pass

        client.on("news", nothing)
        assert await arrive(client, "news") is None
        client.on("news", lambda: 0)
        client.on("news", lambda: 1)
        assert await arrive(client, "news") == 0

    async def test_one_that_raises_stops_the_later_ones(self, client, calls):
        """An exception comes out, and listeners registered later are not called."""

        async def fail():
            raise LookupError

        client.on("news", lambda: calls.append(1))
        client.on("news", fail)
        client.on("news", lambda: calls.append(2))
        with pytest.raises(LookupError):
            await arrive(client, "news")
        assert calls == [1]

    async def test_once_while_an_earlier_listener_waits(self, client, calls):
        """Of two events that overlap, one calls the once listener, and only one."""
        gate = asyncio.Event()
        client.on("news", lambda _: gate.wait())
        client.once("news", calls.append)
        arrivals = [asyncio.create_task(arrive(client, "news", n)) for n in (1, 2)]
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(*arrivals)
        assert calls == [1]

    async def test_catch_all(self, client, calls):
        """The catch-all gets what has no listener, and again when the listener is removed."""
        client.on("*", lambda event, data: calls.append(f"any {event} {data}"))
        client.once("news", lambda data: calls.append(f"news {data}"))
        for n in (1, 2):
            await arrive(client, "news", n)
        assert calls == ["news 1", "any news 2"]

    async def test_catch_all_namespace(self, client, calls):
        """The catch-all namespace gets the namespace first, with the reason at the end."""
        client.on("news", lambda *args: calls.append(args), namespace="*")
        client.on("disconnect", lambda namespace: calls.append(namespace), namespace="*")
        await arrive(client, "news", 1, namespace="/a")
        await arrive(client, "disconnect", "transport error", namespace="/b")
        assert calls == [("/a", 1), "/b"]

    async def test_class_of_a_namespace(self, client, calls):
        """A namespace's class gets what has no listener, also after it was removed."""

        class Chat(socketio.AsyncClientNamespace):
            async def on_news(self, data):
                calls.append(f"class {data}")

        client.register_namespace(Chat("/chat"))
        client.on("news", calls.append, namespace="/chat")
        await arrive(client, "news", 1, namespace="/chat")
        client.off("news", namespace="/chat")
        await arrive(client, "news", 2, namespace="/chat")
        assert calls == [1, "class 2"]

    async def test_disconnect_with_and_without_reason(self, client, calls):
        """Listeners of disconnect take the reason, or nothing; each is called once."""
        client.on("disconnect", calls.append)
        client.on("disconnect", lambda: calls.append("no reason"))
        client.on("disconnect", lambda *args: calls.append(args))
        await arrive(client, "disconnect", "transport error")
        assert calls == ["transport error", "no reason", ("transport error",)]

    async def test_disconnect_that_raises_type_error(self, client, calls):
        """A TypeError of a disconnect listener calls nothing twice, and is not lost.

        python-socketio takes it for a missing parameter, and calls again without the reason.
        """

        def broken(reason):
            calls.append(reason)
            len(1)

        client.on("disconnect", broken)
        with pytest.raises(SioDemoError, match="raised a TypeError") as caught:
            await arrive(client, "disconnect", "transport error")
        assert isinstance(caught.value.__cause__, TypeError)
        assert calls == ["transport error"]

    async def test_type_error_of_another_event(self, client):
        """A TypeError of any other listener comes out as it is."""
        client.on("news", len)
        with pytest.raises(TypeError):
            await arrive(client, "news", 1)


class TestConnected:
    """On a real connection."""

    async def test_reserved_events(self, client, server, link, calls):
        """connect and disconnect have listeners like any other event."""
        for n in (1, 2):
            client.on("connect", lambda n=n: calls.append(f"connect {n}"))
            client.on("disconnect", lambda reason, n=n: calls.append(f"{reason} {n}"))
        await client.connect(link.url, transports=["websocket"])
        await settled(server, await reconnect(link))
        await client.disconnect()
        assert calls == [
            *["connect 1", "connect 2", "transport error 1", "transport error 2"],
            *["connect 1", "connect 2", "client disconnect 1", "client disconnect 2"],
        ]

    async def test_connect_error(self, client, server, calls):
        """connect_error has listeners like any other event, and gets what the server says."""

        @server.sio.event
        def connect(sid, environ, auth):
            raise socketio.exceptions.ConnectionRefusedError("not you")

        client.on("connect_error", calls.append)
        client.on("connect_error", calls.append)
        with pytest.raises(socketio.exceptions.ConnectionError):
            await client.connect(server.url, transports=["websocket"])
        assert calls == [{"message": "not you"}] * 2

    async def test_acknowledgement_is_sent_after_the_last_listener(self, client, server, calls):
        """When the server's call returns, every listener has run."""

        async def slow(data):
            await asyncio.sleep(0.01)
            calls.append(data)

        client.on("news", lambda data: "seen")
        client.on("news", slow)
        await client.connect(server.url, transports=["websocket"])
        assert await server.sio.call("news", 1, to=server.sids()[0]) == "seen"
        assert calls == [1]

    async def test_namespaces_of_the_listeners_are_connected(self, client, server, calls):
        """connect() joins the namespaces that have listeners, also those of once."""
        joined = []
        server.sio.on("connect", lambda sid, environ: joined.append("/chat"), namespace="/chat")
        client.once("news", calls.append, namespace="/chat")
        await client.connect(server.url, transports=["websocket"])
        await server.sio.call("news", 1, to=server.sids("/chat")[0], namespace="/chat")
        assert (joined, calls) == (["/chat"], [1])

    async def test_many_reconnects(self, client, server, link, calls):
        """Registered in connect, n + 1 listeners are there after n reconnects."""
        client.on("connect", lambda: client.on("news", calls.append))
        await client.connect(link.url, transports=["websocket"])
        for _ in range(100):
            sid = await reconnect(link)
        await server.sio.call("news", 1, to=sid)
        assert calls == [1] * 101
        assert len(client.listeners("news")) == 101
