"""What the index of notebook 09 says by itself, without a section."""

import asyncio
import json
import logging
import pickle
import re
import sys
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import fastapi
import pytest
import socketio
import valkey.asyncio
from fastapi.middleware.cors import CORSMiddleware

from atlas_sections import INDEX, NOTEBOOK, SYMPTOMS, WORDS, index
from sio_demo import TO_CLIENT
from sio_demo.atlas import kit
from sio_demo.atlas.workers import MemoryManager, MemoryQueue
from sio_demo.causes import cause
from sio_demo.lab import packages
from sio_demo.lab.bench import bench, python_client
from sio_demo.lab.engines import VALKEY_URL, Valkey
from sio_demo.lab.node import find_node
from sio_demo.lab.waiting import wait_until

ASKED_FOR_TOKENS = """
const server = await serve();
const seen = { query: [], address: [] };
server.use((socket, next) => {
  const { from, token } = socket.handshake.query;
  seen[from].push(token);
  next(from === "query" && token === "old" ? Error("expired") : undefined);
});
return { seen: () => seen };
"""
RENEWING = """
const sockets = {
  query: io(url, { ...fast, forceNew: true, query: { from: "query", token: "old" } }),
  address: io(`${url}?from=address&token=old`, { ...fast, forceNew: true }),
};
const expired = new Promise((done) => sockets.query.once("connect_error", done));
await connected(sockets.address);
const back = [];
return {
  refused: async (name) => { await expired; return sockets[name].active; },
  renew: async (name) => {
    const socket = sockets[name];
    socket.io.opts.query = { ...socket.io.opts.query, token: "new" };
    if (!socket.connected) await connected(socket.connect());
    back.push(new Promise((done) => socket.io.once("reconnect", done)));
  },
  back: async () => { await Promise.all(back); },
};
"""
LEAVING = """
const server = await serve();
const rooms = (socket) => [...socket.rooms].filter((room) => room !== socket.id);
const seen = [];
let left;
const gone = new Promise((done) => { left = done; });
server.on("connection", (socket) => {
  socket.join(42);
  socket.on("disconnecting", () => seen.push(rooms(socket)));
  socket.on("disconnect", () => left(seen.push(rooms(socket))));
});
return {
  members: async (room) => (await server.in(room).fetchSockets()).length,
  seen: async () => { await gone; return seen; },
};
"""
JOINED = """
const socket = io(url, fast);
await connected(socket);
return { leave: () => socket.disconnect().connected };
"""
BUFFERED = """
const socket = io(url, { ...fast, autoConnect: false });
socket.on("connect", () => {
  socket.sendBuffer.length = 0;
  socket.emit("said", "in connect");
});
socket.emit("said", "offline");
socket.connect();
await connected(socket);
"""
REFUSING = """
const server = await serve();
const refuse = (error) => (...args) => args.at(-1)(error);
const told = [];
server.engine.use((req, res, next) => next(req._query.by === "engine" ? Error("no") : undefined));
server.use((socket, next) => next(socket.handshake.auth.by === "io" ? Error("no") : undefined));
server.on("connection", (socket) => {
  socket.use((event, next) => next(event[0] === "say" ? Error("no") : undefined));
  socket.on("error", (error) => told.push(error.message));
});
return { told: () => told };
"""
REFUSED = """
const asking = (by) => new Promise((done) => {
  const socket = io(url, { ...fast, transports: ["polling"], query: { by }, auth: { by } });
  socket.on("connect_error", (error) => {
    done([error.message, socket.active]);
    socket.disconnect();
  });
});
const socket = io(url, fast);
await connected(socket);
const heard = [];
socket.onAny((event) => heard.push(event));
return { asking, say: () => { socket.emit("say"); }, heard: () => heard };
"""
HEARD = """
const server = await serve();
const heard = [];
let done;
const both = new Promise((resolve) => { done = resolve; });
server.on("connection", (socket) => {
  socket.on("said", (text) => { if (heard.push(text) === 2) done(); });
});
return { heard: async () => { await both; return heard; } };
"""
ANSWERING = """
const server = await serve();
server.on("connection", (socket) => socket.on("ask", (answer) => { answer(1); answer(2); }));
return {};
"""
ASKING = """
const socket = io(url, { ...fast, forceNew: true });
const fired = [];
socket.on("connect", () => fired.push("connect"));
socket.io.on("reconnect", () => fired.push("reconnect"));
await connected(socket);
const answers = [];
socket.on("connect", () => fired.push("registered later"));
socket.emit("ask", (number) => answers.push(number));
return { answers: () => answers, fired: () => fired };
"""

TWO_AT_ONCE = """
const server = await serve();
server.on("connection", (socket) => {
  socket.on("go", () => { socket.emit("news", "slow"); socket.emit("news", "fast"); });
});
return {};
"""
TAKING = """
const socket = io(url, fast);
await connected(socket);
const [awaited, overlapping, chained] = [[], [], []];
let arrived;
const fastIsThere = new Promise((resolve) => { arrived = resolve; });
socket.on("news", (text) => { if (text === "fast") setImmediate(arrived); });
const take = async (list, text) => {
  if (text === "slow") await fastIsThere;
  list.push(text);
};
(async () => {
  for (;;) await take(awaited, await new Promise((next) => socket.once("news", next)));
})();
let turn = Promise.resolve();
socket.on("news", (text) => take(overlapping, text));
socket.on("news", (text) => { turn = turn.then(() => take(chained, text)); });
return {
  go: () => { socket.emit("go"); },
  taken: async () => { await fastIsThere; await turn; return { awaited, overlapping, chained }; },
};
"""

WRAPPED = "socketio.ASGIApp(sio, app)"
MOUNTED = 'app.mount("/ws", socketio.ASGIApp(sio, socketio_path="/ws/socket.io"))'


@pytest.mark.parametrize(("said", "path"), [(WRAPPED, "/socket.io/"), (MOUNTED, "/ws/socket.io/")])
async def test_fastapi_answers_where_the_index_says(said, path):
    assert said in index()
    names = {"app": fastapi.FastAPI(), "sio": socketio.AsyncServer(async_mode="asgi")}
    made = eval(said, {"socketio": socketio, **names})  # what the reader copies
    assert await status(made or names["app"], path) == 200


async def test_a_mount_that_names_half_of_the_path_is_404():
    app, sio = fastapi.FastAPI(), socketio.AsyncServer(async_mode="asgi")
    app.mount("/ws", socketio.ASGIApp(sio))
    assert [await status(app, path) for path in ("/socket.io/", "/ws/socket.io/")] == [404, 404]


@pytest.mark.parametrize(
    ("allowed", "times"), [("*", (2, 1)), ("http://shop.test", (2, 1)), ([], (1, 0))]
)
async def test_the_header_comes_twice_from_a_server_behind_cors_middleware(allowed, times):
    assert "from FastAPI's `CORSMiddleware`, if the server is mounted behind it" in mechanism("L29")
    assert "`socketio.ASGIApp(sio, app)` is outside the app's middleware" in fix("L29")
    assert "`cors_allowed_origins=[]` Socket.IO sets none, and takes every origin" in fix("L29")
    sio = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins=allowed)
    app = fastapi.FastAPI()
    app.add_middleware(CORSMiddleware, allow_origins=["http://shop.test"])
    app.mount("/ws", socketio.ASGIApp(sio, socketio_path="/ws/socket.io"))
    mounted, outside = [
        await answer(made, path, origin="http://shop.test")
        for made, path in (
            (app, "/ws/socket.io/"),
            (socketio.ASGIApp(sio, app), "/socket.io/"),
        )
    ]
    assert (mounted["status"], outside["status"]) == (200, 200)
    assert tuple(map(allowing, (mounted, outside))) == times
    other = await answer(app, "/ws/socket.io/", origin="http://other.test")
    assert other["status"] == (400 if allowed == "http://shop.test" else 200)


def allowing(answer):
    """Count the headers that allow an origin."""
    return sum(name.lower() == b"access-control-allow-origin" for name, _ in answer["headers"])


async def status(app, path):
    return (await answer(app, path))["status"]


async def answer(app, path, **headers):
    """Return how an application answers the first request of long-polling."""
    answers = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(answer):
        answers.append(answer)

    scope = {"type": "http", "method": "GET", "path": path, "root_path": ""}
    scope["headers"] = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope["query_string"] = b"EIO=4&transport=polling"
    await app(scope, receive, send)
    return answers[0]


def mechanism(letter):
    return " ".join(cause(letter).mechanism.split())


def fix(letter):
    return " ".join(cause(letter).fix.split())


async def test_rooms_have_types_and_are_left_before_disconnect():
    assert 'where `42` is not `"42"`' in index()
    assert "`socket.rooms` is empty by then; in `disconnecting` it isn't" in index()
    async with kit.server_and_client(LEAVING, JOINED) as (server, _link, client):
        assert [await server(f"members({room})") for room in ("42", '"42"')] == [1, 0]
        assert await client("leave()") is False
        assert await server("seen()") == [[42], []]


async def test_what_waited_offline_goes_before_what_connect_emits():
    assert "(before socket.io-client 4.0.2) what waited offline" in index()
    assert "just before `connect` fires: too late to empty it there" in cause("D12").mechanism
    async with kit.server_and_client(HEARD, BUFFERED) as (server, _link, _client):
        assert await server("heard()") == ["offline", "in connect"]


async def test_a_token_in_the_query_is_renewed_and_one_in_the_address_is_not():
    assert "one in the address would win, and stays old" in cause("L15").fix
    async with kit.server_and_client(ASKED_FOR_TOKENS, RENEWING) as (server, link, client):
        assert await client('refused("query")') is False
        await client('renew("query")')
        await client('renew("address")')
        await link.cut()
        await client("back()")
        assert await server("seen()") == {
            "query": ["old", "new", "new"],
            "address": ["old", "old"],
        }


async def test_python_asks_a_function_for_the_address_at_every_connection():
    assert "In Python the address may be a function" in cause("L15").fix
    async with bench() as b, python_client() as client:
        tokens, seen = iter(["old", "new"]), []
        b.sio.on("connect", lambda sid, environ: seen.append(environ["QUERY_STRING"]))
        await client.connect(lambda: f"{b.link.url}?token={next(tokens)}")
        await b.link.cut()
        await wait_until(lambda: len(seen) == 2)
        assert [re.findall(r"token=(\w+)", query) for query in seen] == [["old"], ["new"]]


async def test_who_hears_of_a_refusal():
    refusal = "a refusal by `io.engine.use` is an `xhr poll` or `websocket error`, tried again"
    assert refusal in index()
    assert "an error of `socket.use` stays on the server" in index()
    async with kit.server_and_client(REFUSING, REFUSED) as (server, _link, client):
        assert await client('asking("io")') == ["no", False]
        assert await client('asking("engine")') == ["xhr poll error", True]
        await client("say()")
        await client("synced()")
        assert await server("told()") == ["no"]
        assert [event for event in await client("heard()") if event != "sync"] == []


async def test_an_acknowledgement_answers_once_and_a_late_listener_misses_connect():
    assert "the acknowledgement, which answers once" in index()
    assert "before it was registered (`connect` too" in index()
    assert "(`reconnect` of `socket.io` as well: use one)" in index()
    async with kit.server_and_client(ANSWERING, ASKING) as (_server, link, client):
        await client("synced()")
        assert await client("answers()") == [1]
        assert await client("fired()") == ["connect"]
        back = link.expect("CONNECT", TO_CLIENT)
        await link.cut()
        await back
        await client("synced()")
        assert sorted(await client("fired()")) == sorted(
            ["connect", "reconnect", "connect", "registered later"]
        )


async def test_between_two_once_nobody_listens_and_chained_work_keeps_its_order():
    assert "nor is an event without a listener (as between two `once`" in index()
    assert "`turn = turn.then(work)`" in cause("L18").fix
    async with kit.server_and_client(TWO_AT_ONCE, TAKING) as (_server, _link, client):
        await client("go()")
        await client("synced()")
        assert await client("taken()") == {
            "awaited": ["slow"],
            "overlapping": ["fast", "slow"],
            "chained": ["slow", "fast"],
        }


@pytest.mark.parametrize("queue", [False, True])
async def test_a_kick_reaches_the_client_of_another_worker_only_by_the_queue(queue):
    assert "to another worker's client only the queue passes a `leave_room` on" in index()
    async with AsyncExitStack() as stack:
        shared, workers = MemoryQueue(), []
        for _ in range(2):
            manager = MemoryManager(shared if queue else MemoryQueue())
            await stack.enter_async_context(manager)
            workers.append(await stack.enter_async_context(bench(client_manager=manager)))
            manager.initialize()  # else the server's first client would
            workers[-1].sio.manager_initialized = True
            await wait_until(lambda manager=manager: bool(manager._queue.subscribers))
        client = await stack.enter_async_context(python_client())
        here, there = workers
        await here.connect(client)
        [sid] = here.server.sids()
        await here.sio.enter_room(sid, "chat")
        await there.sio.leave_room(sid, "chat")
        await there.sio.emit("news", "after it")  # the queue keeps the order
        if queue:
            await wait_until(lambda: here.link.count("news") == 1)
        assert ("chat" in here.sio.rooms(sid)) is not queue


async def test_a_worker_counts_its_own_clients():
    assert "knows one worker's clients" in NOTEBOOK.with_name("08_scale_out.ipynb").read_text()
    shared = MemoryQueue()
    async with (
        MemoryManager(shared) as manager,
        MemoryManager(shared) as other,
        bench(client_manager=manager) as here,
        bench(client_manager=other) as there,
        python_client() as client,
    ):
        await here.connect(client)
        [sid] = here.server.sids()
        await here.sio.enter_room(sid, "chat")
        counted = [list(each.get_participants("/", "chat")) for each in (manager, other)]
        assert [len(each) for each in counted] == [1, 0]
        assert there.server.sids() == []


def test_what_has_no_letter_is_in_a_table_of_the_index():
    headings = re.findall(r"^## (.+)$", WORDS.read_text("utf-8"), re.MULTILINE)
    assert [each for each in headings if each not in SYMPTOMS] == ["Rules"]
    assert "\n## " not in index().removeprefix(INDEX)


def test_what_a_program_keeps_itself_stands_before_the_rules():
    tables = re.split(r"\n\n(?=\| )", index())
    [kept] = [table for table in tables if table.startswith("| It is late or wrong")]
    assert tables.index(kept) == 3, "after duplicates and losses"
    for said in (
        "One sender at a time",
        "after a crash, send what was unanswered",
        "No answer means *unknown*",
        "load every list (who is here: replace it)",
        "merge by id, deletions too",
        "hold back what is early",
        "or show the server's total",
        "(a double click)",
        "[05, §4, §5]",
    ):
        assert said in kept
    assert "(drop what an old client brings)" in tables[-1]
    assert "`socket.data` with `fetchSockets`, Redis, a database" in tables[-1]
    assert "`socketsJoin` doesn't wait for others" in tables[-1]


def test_a_history_is_not_appended_again():
    assert "A history replaces the list, or joins it by id" in cause("D11").fix


def test_the_index_leads_to_every_lesson_and_stays_short():
    lessons = {path.name for path in NOTEBOOK.parent.glob("0[3-8]*.ipynb")}
    assert lessons <= set(re.findall(r"\]\((\w+\.ipynb)\)", index()))
    seen = re.sub(r"\]\([^)]*\)", "]", index())
    assert len([word for word in seen.split() if word not in ("|", "---")]) <= 2000


async def test_the_path_of_an_address_is_a_namespace_and_reconnect_is_not_the_sockets():
    assert "namespace (in JavaScript the address's path)" in index()
    assert '`socket.on("reconnect")` hears nothing' in index()
    page = """
const socket = io(url, fast), other = io(url + "/socket.io", fast);
let heard = 0;
socket.on("reconnect", () => { heard += 1; });
await Promise.all([socket, other].map(connected));
return { heard: () => heard, path: () => other.nsp };
"""
    async with bench(namespaces="*") as b, kit.tab(b.link.url, page) as client:
        assert await client("path()") == "/socket.io"
        assert list(b.sio.manager.get_participants("/socket.io", None))
        await b.cut()
        await b.settled()
        assert await client("heard()") == 0


async def test_a_method_that_is_decorated_gets_no_self():
    assert "`@sio.event` passes no `self`" in index()
    async with bench() as b, python_client() as client:

        class Screen:
            @client.event
            async def news(self, text):
                raise AssertionError

        assert client.handlers["/"]["news"] is Screen.news
        await b.connect(client)
        with pytest.raises(TypeError, match="missing 1 required positional argument: 'text'"):
            await client._trigger_event("news", "/", "hi")


async def test_two_calls_with_one_pattern_make_two_namespaces():
    assert "`io.of(/…/)` twice makes two: one takes all" in index()
    server = """
const server = await serve();
const took = [];
server.of(/^.shop/).on("connection", () => took.push("one"));
server.of(/^.shop/).on("connection", () => took.push("other"));
return { url: () => server.url, took: () => took };
"""
    page = 'const socket = io(url + "/shop", fast); await connected(socket); return {};'
    async with kit.tab(None, server) as shop, kit.tab(await shop("url()"), page):
        assert len(await shop("took()")) == 1


async def test_a_client_that_is_cut_between_two_handshakes_waits_for_its_timeout():
    assert "misses a cut before Engine.IO's handshake: shorten its `timeout`" in index()
    server = """
const wss = new (require("ws").WebSocketServer)({ host: "127.0.0.1", port: 0 });
ending(() => wss.close());
wss.on("connection", (websocket) => websocket.terminate());
await new Promise((done) => wss.once("listening", done));
return { at: () => `http://127.0.0.1:${wss.address().port}` };
"""
    page = """
const socket = io(url, { ...fast, autoConnect: false, reconnection: false, timeout: 500 });
const heard = [];
const told = new Promise((done) => socket.on("connect_error", done));
for (const event of ["close", "error"]) socket.io.on(event, () => heard.push(event));
const cut = new Promise((done) => {
  socket.connect();
  socket.io.engine.on("close", done);
});
return {
  cut: async () => { await cut; return [socket.io._readyState, socket.active, heard]; },
  told: async () => (await told).message,
  usual: () => io(url, { autoConnect: false, forceNew: true }).io.timeout(),
};
"""
    async with kit.tab(None, server) as half, kit.tab(await half("at()"), page) as client:
        assert await client("cut()") == ["opening", True, []]
        assert await client("told()") == "timeout"
        assert await client("usual()") == 20_000


async def test_who_answers_a_broadcast():
    assert "an empty room answers `[]`; let answers say whose they are" in index()
    server = """
const server = await serve();
server.on("connection", (socket) => socket.join(["shop", socket.handshake.auth.user]));
const asked = (room) => server.to(room).timeout(300).emitWithAck("ready?").catch(
  ({ message, responses }) => ({ message, responses }),
);
return {
  asked,
  out: async (user) => {
    server.in(user).socketsLeave("shop");
    return (await server.in("shop").fetchSockets()).map((socket) => socket.handshake.auth.user);
  },
};
"""
    page = """
for (const user of ["ann", "bob", "bob"]) {
  const socket = io(url, { ...fast, forceNew: true, auth: { user } });
  socket.on("ready?", (answer) => { if (user === "ann") answer(user); });
  await connected(socket);
}
return {};
"""
    async with kit.server_and_client(server, page) as (server, _link, _client):
        assert await server('asked("nobody")') == []
        late = {"message": "operation has timed out", "responses": ["ann"]}
        assert await server('asked("shop")') == late
        assert "`io.in(user).socketsLeave(room)` takes every tab out" in index()
        assert await server('out("bob")') == ["ann"]


async def test_what_goes_into_the_queue_reaches_clients_if_it_can_be_read():
    assert "It goes to clients only ([L25]" in index()
    assert "reaches clients, never a server's handler" in cause("L25").mechanism
    assert "since 5.14 a server ignores what an older" in cause("L25").fix
    assert "or the queue passes `enter_room` on" in fix("L25")
    queue, handled, heard = MemoryQueue(), [], []
    async with (
        MemoryManager(queue) as manager,
        bench(client_manager=manager) as b,
        python_client() as client,
    ):
        b.sio.on("done", lambda sid, job: handled.append(job))
        client.on("done", heard.append)
        await b.connect(client)
        await wait_until(lambda: bool(queue.subscribers))
        old = {"method": "emit", "event": "done", "data": ["job 1"], "namespace": "/"}
        queue.publish(pickle.dumps(old))
        other = MemoryManager(queue, write_only=True)
        await other.enter_room(b.server.sids()[0], "/", "jobs")
        await other.emit("done", "job 2", room="jobs")
        await wait_until(lambda: bool(heard))
        await b.settled()
        assert (handled, heard) == ([], ["job 2"])
        await client.call("done", "job 3")
        assert handled == ["job 3"]


EMITTING = """
import asyncio, sys, socketio
asynchronous, plain = (
    kind(sys.argv[1], write_only=True)
    for kind in (socketio.AsyncRedisManager, socketio.RedisManager)
)
for number in range(3):
    asyncio.run(asynchronous.emit("async", number))
    plain.emit("plain", number)
plain.emit("end", None)
"""


async def test_an_async_manager_publishes_twice_in_its_second_event_loop(monkeypatch):
    assert "in its second event loop" in cause("D17").mechanism
    monkeypatch.delenv(VALKEY_URL, raising=False)
    server, heard = await Valkey.start(), []
    try:
        async with valkey.asyncio.from_url(server.url) as redis, redis.pubsub() as channel:
            await channel.subscribe("socketio")
            view = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", EMITTING, server.url), stderr=asyncio.subprocess.PIPE
            )
            _, log = await view.communicate()
            assert view.returncode == 0
            async for message in channel.listen():
                if message["type"] == "message":
                    said = json.loads(message["data"])
                    heard.append((said["event"], *said["data"]))
                    if said["event"] == "end":
                        break
    finally:
        await server.close()
    assert [n for event, *n in heard if event == "plain"] == [[0], [1], [2]]
    assert [n for event, *n in heard if event == "async"] == [[0], [1], [1], [2], [2]]
    assert set(log.decode().splitlines()) == {"Cannot publish to redis... retrying"}
    assert "`Cannot publish to redis... retrying`" in index()


async def test_long_polling_hides_that_a_page_was_closed():
    assert "It comes late (by long-polling, rarely by WebSocket)" in index()
    async with (
        bench() as b,
        python_client(reconnection=False) as polling,
        python_client(reconnection=False) as page,
    ):
        stays = await b.connect(polling, transports=["polling"])
        await b.connect(page)
        await b.link.cut()
        await wait_until(lambda: len(b.server.sids()) < 2)
        assert b.server.sids() == [stays]


async def test_a_handler_that_raises_acknowledges_nothing():
    assert "so one that raises never answers" in cause("D30").mechanism
    answers = []
    async with bench() as b, python_client() as client:

        @b.sio.event
        def pay(sid, order):
            raise ValueError(order)

        await b.connect(client)
        await client.emit("pay", 1, callback=answers.append)
        await b.settled()
        assert b.link.count("pay") == 1
        assert answers == []


async def test_a_payload_travels_as_json():
    assert "A `Date`, `undefined` or `Map` arrives changed" in index()
    assert "It goes as JSON: send ISO text; Python refuses a `datetime`" in index()
    server = """
const server = await serve();
let took;
const said = new Promise((done) => { took = done; });
server.on("connection", (socket) => socket.on("say", (...all) => took(all)));
return { said: () => said };
"""
    page = """
const socket = io(url, fast);
await connected(socket);
socket.emit("say", new Date(0), undefined, { left: undefined }, new Map([[1, 2]]));
return {};
"""
    async with kit.server_and_client(server, page) as (server, _link, _client):
        assert await server("said()") == ["1970-01-01T00:00:00.000Z", None, {}, {}]
    async with bench() as b, python_client() as client:
        await b.connect(client)
        for end in (client, b.sio):
            with pytest.raises(TypeError, match="datetime is not JSON serializable"):
                await end.emit("say", datetime.now(UTC))


@pytest.mark.parametrize("end", ["disconnect", "shutdown"])
async def test_in_python_only_shutdown_ends_a_reconnection(end):
    assert "It reconnects, despite `disconnect()`" in index()
    assert "a reconnection that is under way outlives `disconnect()`" in fix("D5")
    async with bench() as b, python_client() as client:
        await b.connect(client)
        async with b.link.refuse():
            await b.link.cut()
            await wait_until(lambda: client._reconnect_task is not None)
            attempts = client._reconnect_task
            await getattr(client, end)()
            await asyncio.sleep(0)
            assert attempts.done() == (end == "shutdown")
        if end == "disconnect":
            await attempts
        assert client.connected == (end == "disconnect")


async def test_in_python_an_attempt_under_way_outlives_shutdown():
    assert "and sometimes `shutdown()`: call both, `shutdown()` first" in fix("D5")
    async with bench() as b, python_client() as client:
        await b.connect(client)
        trying, go_on = asyncio.Event(), asyncio.Event()

        @b.sio.on("connect")
        async def slow(_sid, _environ):
            trying.set()
            await go_on.wait()

        await b.link.cut()
        await trying.wait()
        ending = asyncio.create_task(client.shutdown())
        await asyncio.sleep(0)
        go_on.set()
        await ending
        assert client.connected
        await client.disconnect()
        assert not client.connected


async def test_a_room_takes_nobody_who_has_left():
    assert "or while a handler waits (`enter_room` then raises)" in index()
    async with bench() as b, python_client() as client, python_client() as other:
        sid = await b.connect(client)
        await client.disconnect()
        await b.gone([sid])
        with pytest.raises(ValueError, match="sid is not connected to requested namespace"):
            await b.sio.enter_room(sid, "shop")
        await b.connect(other)
        with pytest.raises(KeyError, match=sid):
            await b.sio.enter_room(sid, "shop")


@pytest.mark.parametrize("raises", [False, True])
async def test_a_disconnect_handler_that_raises_leaves_its_sid_in_the_room(raises, caplog):
    assert "An error in `disconnect` stops the clean-up: its sid stays" in index()
    async with bench(engineio_logger=logging.getLogger("engine")) as b, python_client() as client:

        @b.sio.event
        async def disconnect(sid, reason):
            assert not raises

        sid = await b.connect(client)
        await b.sio.enter_room(sid, "shop")
        await client.disconnect()
        await b.wait_until(lambda: not b.sio.eio.sockets, "the server notices")
        await b.sio.emit("news", room="shop")
        await b.sio.emit("news", to=sid)  # which is no room, if all is cleaned up
        stays = list(b.sio.manager.get_participants("/", "shop"))
        assert ([one for one, _ in stays] == [sid], len(b.sio.environ)) == (raises, raises)
        assert ("Cannot send to sid" in caplog.text) == raises


RAISING = """
const { Server } = require("socket.io");
const { io } = require("socket.io-client");
const http = require("http").createServer();
new Server(http).on("connection", (socket) => {
  socket.on("at once", () => { throw Error("no stock"); });
  socket.on("later", async () => { throw Error("no stock"); });
  socket.on("caught", async (answer) => {
    try { throw Error("no stock"); } catch (error) { answer(error.message); }
  });
});
http.listen(0, "127.0.0.1", () => {
  const socket = io(`http://127.0.0.1:${http.address().port}`);
  const answered = (answer) => { console.log(answer); process.exit(0); };
  socket.emit(process.argv[1], answered);
});
"""


@pytest.mark.parametrize("event", ["at once", "later", "caught"])
async def test_an_error_that_no_handler_catches_ends_a_server_in_javascript(event):
    assert "ends, for everybody, at an error that a handler does not catch" in mechanism("D30")
    assert "One handler's error ends Node.js" in index()
    server = await asyncio.create_subprocess_exec(
        *(find_node(), "-e", RAISING, event),
        cwd=packages.folder(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complained = await server.communicate()
    if event == "caught":
        assert (server.returncode, said) == (0, b"no stock\n")
    else:
        assert (server.returncode, said) == (1, b"")
        assert b"Error: no stock" in complained
