"""What the reproductions share."""

import pytest
import socketio

from sio_demo.atlas import kit
from sio_demo.atlas.kit import MESSAGE, carried, tab
from sio_demo.cleanup import clean_up, nothing_left
from sio_demo.errors import SnippetError
from sio_demo.lab.bench import bench, python_client
from sio_demo.lab.packet import TO_SERVER


@pytest.fixture(autouse=True)
async def tidy():
    """See that nothing is left."""
    await clean_up()
    yield
    await nothing_left()


@pytest.fixture
async def node():
    """Give a Node.js that the tabs of a test share."""
    async with kit.one_node() as shared:
        yield shared


async def test_only_the_message_is_counted_and_only_its_way():
    async with bench() as b, python_client() as client:
        b.sio.on("news", lambda _sid, _text: None)
        await b.connect(client)
        await b.sio.emit("news", MESSAGE)
        await b.sio.emit("news", "another")
        await b.sio.emit("other", MESSAGE)
        await b.sio.emit("news", {"id": 1, "text": MESSAGE})
        await b.settled()
        await client.call("news", MESSAGE)
        assert carried(b.link, "news") == 2
        assert carried(b.link, "news", TO_SERVER) == 1


async def test_handlers_are_counted_over_all_clients():
    clients = [socketio.AsyncClient(handle_sigint=False) for _ in range(3)]
    clients[0].on("news", print)
    clients[2].on("news", print)
    assert kit.handlers(clients, "news") == 2
    assert kit.handlers(clients, "other") == 0


async def test_a_handler_counts_if_it_would_be_called_and_once():
    class Page(socketio.AsyncClientNamespace):
        def on_news(self, text):
            """Handle an event."""

    client = socketio.AsyncClient(handle_sigint=False)
    client.register_namespace(Page("/"))
    assert (kit.handlers([client], "news"), kit.handlers([client], "other")) == (1, 0)
    client.on("*", print)
    assert (kit.handlers([client], "news"), kit.handlers([client], "other")) == (1, 1)
    assert kit.handlers([client], "connect") == 0  # a catch-all is not asked for it
    client.on("news", print)
    assert kit.handlers([client], "news") == 1


async def test_tabs_share_a_process_and_no_variables(node):
    async with (
        tab("http://one", "let n = 1; return { n: () => n, url: () => url }") as one,
        tab("http://two", "let n = 2; return { n: () => n, url: () => url }") as two,
    ):
        assert [await one("n()"), await two("n()")] == [1, 2]
        assert [await one("url()"), await two("url()")] == ["http://one", "http://two"]


async def test_a_closed_tab_has_disconnected_its_sockets(node):
    async with bench() as b:
        async with tab(b.link.url, "await connected(io(url, fast)); return {}"):
            assert len(b.server.sids()) == 1
        await b.link.idle()
        assert b.server.sids() == []


async def test_a_tab_that_fails_to_open_has_disconnected_its_sockets(node):
    async with bench() as b:
        with pytest.raises(SnippetError, match="out of order"):
            async with tab(b.link.url, "await connected(io(url, fast)); throw 'out of order'"):
                pass
        await b.link.idle()


async def test_a_server_in_javascript_ends_with_its_tab(node):
    """Its port shows nothing: as soon as it is free another program may listen there."""
    server = """
    const server = await serve();
    globalThis.http = server.httpServer;
    return { url: () => server.url };
    """
    async with python_client(reconnection=False) as client:
        async with tab(None, server) as there:
            await client.connect(await there("url()"), transports=["websocket"])
            js = await node.get()
            assert await js.run("http.listening")
        assert not await js.run("http.listening")
        await client.wait()


async def test_a_namespace_opened_again_takes_another_connection_though_it_was_closed():
    """The mechanism of D7 says so; a namespace that is kept shares one connection."""
    again = """
    await connected(io(url, fast));
    const chat = io(url + "/chat", fast);
    await connected(chat);
    chat.disconnect();
    return {
      again: () => connected(chat.connect()),
      anew: () => connected(io(url + "/chat", fast)),
    };
    """
    async with bench(namespaces=["/", "/chat"]) as b, tab(b.link.url, again) as page:
        await page("again()")
        assert b.link.connections == 1
        await page("anew()")
        assert b.link.connections == 2
