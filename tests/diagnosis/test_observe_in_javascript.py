"""The observer for JavaScript: it counts what the real socket.io-client and socket.io do."""

import json

import pytest

from sio_demo.atlas.kit import tab
from sio_demo.diagnosis import diagnose, snippet
from sio_demo.errors import SnippetError
from sio_demo.lab.bench import bench
from sio_demo.lab.waiting import wait_until

CLIENT = f"""
{snippet()}
const socket = io(url, fast);
let calls = 0;
const onNews = () => {{ calls += 1; }};
socket.on("sync", (ack) => ack());
const seen = observe(socket);
"""
ASK = """
await connected(socket);
return {
  calls: () => calls,
  seen: (event, args) => JSON.stringify(seen.message(event, args)),
  effect: (...args) => seen.effect(...args),
  close: () => seen.close(),
  off: () => { socket.off("news", onNews); },
  forget: () => { socket.off("disconnect"); },
  deafen: () => { socket.offAny(); },
  left: () => [socket.listenersAny().length, socket.listenersAnyOutgoing().length,
               socket.listeners("connect").length, socket.listeners("disconnect").length],
  ask: (event, ...args) => socket.emitWithAck(event, ...args),
};
"""


async def told(b, text):
    """Let the server emit, and wait until the page has handled it."""
    await b.sio.emit("news", text)
    await b.settled()


async def test_calls_are_those_that_were_made():
    code = CLIENT + 'socket.on("connect", () => { socket.on("news", onNews); });' + ASK
    async with bench() as b, tab(b.link.url, code) as page:
        for _ in range(3):
            await b.cut()
        await b.settled()
        await told(b, "hello")
        text = await page("seen('news')")
        assert json.loads(text)["calls"] == await page("calls()") == 4
        assert diagnose(text).letters[:2] == ("D1", "D2")
        await page("off()")
        await told(b, "again")
        assert json.loads(await page("seen('news')"))["calls"] == 3
        assert json.loads(await page("seen('news', ['hello'])"))["calls"] == 4
        assert await page("calls()") == 7


async def test_effects_count_where_they_are_told_and_nothing_is_left_behind():
    code = CLIENT + 'socket.on("news", onNews);' + ASK
    async with bench() as b, tab(b.link.url, code) as page:
        await told(b, "hello")
        await page("effect('news', 'hello')")
        await page("effect('news', 'hello')")
        assert json.loads(await page("seen('news')"))["effects"] == 2
        assert diagnose(await page("seen('news')")).letters == ("D22",)
        before = await page("left()")
        await page("close()")
        assert [a - b for a, b in zip(before, await page("left()"), strict=True)] == [1, 1, 1, 1]
        await told(b, "later")
        assert json.loads(await page("seen('news')"))["packets"] == 1


async def test_what_goes_to_the_server_is_counted_as_well():
    async with bench() as b, tab(b.link.url, CLIENT + ASK) as page:
        b.sio.on("pay", lambda sid, amount: "paid")
        assert await page("ask('pay', 5)") == "paid"
        seen = json.loads(await page("seen('pay')"))
        assert (seen["listeners"], seen["packets"], seen["calls"]) == (None, 1, None)
        assert seen["clues"]["recipient"] == "server"


async def test_an_event_that_goes_both_ways_needs_the_recipient():
    async with bench() as b, tab(b.link.url, CLIENT + ASK) as page:
        b.sio.on("news", lambda sid: None)
        await page("ask('news')")
        await told(b, "hello")
        with pytest.raises(SnippetError, match="both ways"):
            await page("seen('news')")


async def test_several_clients_of_one_page_are_added_up():
    code = f"""{snippet()}
const sockets = [1, 2, 3].map(() => io(url, {{ ...fast, forceNew: true }}));
for (const socket of sockets) {{
  socket.on("news", () => {{}});
  socket.on("sync", (ack) => ack());
}}
const seen = observe(sockets);
await Promise.all(sockets.map(connected));
return {{ seen: () => JSON.stringify(seen.message("news")) }};
"""
    async with bench() as b, tab(b.link.url, code) as page:
        await wait_until(lambda: len(b.server.sids()) == 3)
        await told(b, "hello")
        found = diagnose(await page("seen()"))
        assert found.seen.counters == (3, None, 3, 3, None)
        assert {"D4", "D6"} & set(found.letters)


async def test_a_server_counts_its_sockets_and_what_is_broadcast():
    server_code = f"""{snippet()}
const server = await serve();
const seen = observe(server);
server.on("connection", (socket) => socket.on("say", (text, ack) => ack(text)));
return {{
  url: () => server.url,
  tell: () => server.emit("news", "hello"),
  seen: (event) => JSON.stringify(seen.message(event)),
}};
"""
    async with tab(None, server_code) as server:
        url = await server("url()")
        async with tab(url, CLIENT + ASK) as ann, tab(url, CLIENT + ASK):
            assert await ann("ask('say', 'hi')") == "hi"
            await server("tell()")
            said = json.loads(await server("seen('say')"))
            told = json.loads(await server("seen('news')"))
    assert [said[name] for name in ("listeners", "sids", "packets", "calls")] == [1, 2, 1, 1]
    assert [told[name] for name in ("listeners", "sids", "packets", "calls")] == [None, 2, 2, None]
    assert said["clues"]["acknowledged"] is True


async def test_a_key_that_throws_harms_nobody_and_is_told():
    keyed = CLIENT.replace("observe(socket)", "observe(socket, { key: (e, args) => args[0].id })")
    code = keyed + 'socket.on("news", onNews);' + ASK
    async with bench() as b, tab(b.link.url, code) as page:
        await b.sio.emit("news")
        await b.settled()
        assert await page("calls()") == 1
        with pytest.raises(SnippetError, match="could not be counted"):
            await page("seen('news')")


async def test_a_program_that_removes_listeners_does_not_mislead():
    code = CLIENT + 'socket.on("connect", () => socket.on("news", onNews));' + ASK
    async with bench() as b, tab(b.link.url, code) as page:
        await page("forget()")  # socket.off("disconnect")
        await b.cut()
        await b.settled()
        await told(b, "hello")
        assert json.loads(await page("seen('news')"))["clues"]["reconnects"] == 1
        await page("deafen()")  # socket.offAny()
        with pytest.raises(SnippetError, match="offAny"):
            await page("seen('news')")


async def test_one_that_comes_late_does_not_pretend_to_know_the_reconnects():
    code = f"""
const socket = io(url, fast);
socket.on("sync", (ack) => ack());
socket.on("connect", () => socket.on("news", () => {{}}));
await connected(socket);
{snippet()}
let seen;
return {{
  look: () => {{ seen = observe(socket); }},
  seen: (event) => JSON.stringify(seen.message(event)),
}};
"""
    async with bench() as b, tab(b.link.url, code) as page:
        await b.cut()
        await b.settled()
        await page("look()")
        await told(b, "hello")
        text = await page("seen('news')")
        assert json.loads(text)["clues"]["reconnects"] is None
        assert {"D1", "D2"} <= set(diagnose(text).letters)
        await b.cut()
        await b.settled()
        await told(b, "again")
        assert json.loads(await page("seen('news')"))["calls"] == 3


async def test_it_notices_that_the_calls_grow():
    code = CLIENT + 'socket.on("connect", () => { socket.on("news", onNews); });' + ASK
    async with bench() as b, tab(b.link.url, code) as page:
        await b.settled()
        await told(b, "hello")
        await b.cut()
        await b.settled()
        await told(b, "again")
        assert diagnose(await page("seen('news')")).letters == ("D1", "D2")


async def test_namespaces_and_binary_messages_are_told_apart():
    code = f"""{snippet()}
const chat = io(url + "/chat", fast);
const main = io(url, fast);
for (const socket of [main, chat]) {{
  socket.on("photo", () => {{}});
  socket.on("sync", (ack) => ack());
}}
const seen = observe([main, chat]);
await Promise.all([connected(main), connected(chat)]);
return {{ seen: (namespace) => JSON.stringify(seen.message("photo", undefined, {{ namespace }})) }};
"""
    async with bench(namespaces=["/", "/chat"]) as b, tab(b.link.url, code) as page:
        for photo in (b"one", b"two"):
            await b.sio.emit("photo", photo)
        await b.sio.emit("photo", b"one", namespace="/chat")
        await b.settled()
        [sid] = b.server.sids("/chat")
        await b.sio.call("sync", to=sid, namespace="/chat")
        for namespace in ("/", "/chat"):
            assert json.loads(await page(f"seen('{namespace}')"))["packets"] == 1


async def test_a_server_counts_each_user_apart():
    server_code = f"""{snippet()}
const server = await serve();
const seen = observe(server, {{ user: (socket) => socket.handshake.auth.user }});
server.on("connection", (socket) => socket.on("say", (ack) => ack()));
return {{
  url: () => server.url,
  seen: (user) => JSON.stringify(seen.message("say", undefined, {{ user }})),
}};
"""
    guest = """
const socket = io(url, { ...fast, auth: { user: "%s" } });
return { say: () => socket.emitWithAck("say") };
"""
    async with tab(None, server_code) as server:
        url = await server("url()")
        async with tab(url, guest % "ann") as ann, tab(url, guest % "bob") as bob:
            await ann("say()")
            await bob("say()")
            for user in ("ann", "bob"):
                said = json.loads(await server(f"seen('{user}')"))
                assert (said["sids"], said["packets"], said["calls"]) == (1, 1, 1)


async def test_a_socket_whose_connection_fires_again_is_counted_once():
    server_code = f"""{snippet()}
const server = await serve();
let calls = 0;
const seen = observe(server);
server.use((socket, next) => {{ next(); next(); next(); }});
server.on("connection", (socket) => socket.on("say", (text, ack) => {{ calls += 1; ack?.(); }}));
return {{
  url: () => server.url,
  calls: () => calls,
  seen: () => JSON.stringify(seen.message("say")),
}};
"""
    async with tab(None, server_code) as server:
        async with tab(await server("url()"), CLIENT + ASK) as page:
            await page("ask('say', 'hi')")
            found = diagnose(await server("seen()"), grows=False)
        assert found.seen.calls == await server("calls()") == 3
    assert found.seen.counters[:4] == (3, 1, 1, 3)
    assert "D28" in found.letters


async def test_what_was_emitted_and_not_sent_is_told():
    server_code = f"""{snippet()}
const server = await serve();
const seen = observe(server);
server.on("connection", (socket) => {{
  socket.on("say", (text, ack) => {{ socket.broadcast.emit("line", text); ack(); }});
}});
return {{
  url: () => server.url,
  tell: (room, text) => server.to(room).emit("news", text),
  seen: (event) => JSON.stringify(seen.message(event)),
  close: () => seen.close(),
  left: () => [server.sockets.adapter, ...server.sockets.sockets.values()].map(
    (one) => [Object.hasOwn(one, "broadcast"), Object.hasOwn(one, "emit")]),
}};
"""
    client = (
        CLIENT
        + """
socket.emit("early", 1);
return {
  ask: (...args) => socket.emitWithAck(...args),
  volatile: () => { socket.volatile.emit("position", 1); socket.volatile.emit("position", 2); },
  seen: (event, ...args) => JSON.stringify(seen.message(event, args.length ? args : undefined)),
};
"""
    )
    async with tab(None, server_code) as server, tab(await server("url()"), client) as page:
        await page("ask('say', 'hi')")
        await page("volatile()")
        await server("tell('nobody', 'hello')")
        early, position, second = [
            json.loads(await page(f"seen({args})"))
            for args in ("'early'", "'position', 1", "'position'")
        ]
        news, line = [json.loads(await server(f"seen('{name}')")) for name in ("news", "line")]
        await server("close()")
        assert await server("left()") == [[False, False], [False, False]]
    assert (early["packets"], early["clues"]["away"]) == (1, True)
    assert (position["packets"], second["packets"]) == (1, 0)
    assert second["clues"]["volatile"] is True
    assert diagnose(json.dumps(second)).letters[0] == "L12"
    assert (news["packets"], news["clues"]["recipient"]) == (0, "client")
    assert (news["clues"]["emitted"], news["clues"]["reached"]) == (1, 0)
    assert (line["clues"]["skipped"], line["clues"]["reached"]) == (True, 0)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("undefined", "takes a socket"),
        ("io(url, fast).io", "manager.socket"),
        ("{ ioSocket: {} }", "ioSocket"),
        ("{ onAny() {} }", "4.5 or newer"),
    ],
)
async def test_what_cannot_be_observed_is_told_in_words(given, words):
    async with bench() as b:
        with pytest.raises(SnippetError, match=words):
            async with tab(b.link.url, f"{snippet()}\nobserve({given}); return {{}};"):
                pass
