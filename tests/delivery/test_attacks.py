"""What an attacker tries: lies on the wire, odd orders of calls, handlers that leave a trace."""

import asyncio
import json
import sqlite3
import subprocess
import time
import uuid
from contextlib import asynccontextmanager, closing
from functools import partial

import pytest
import socketio
from aiohttp import ClientSession
from kit import QUICK, DeliveryBench, connected, greet
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row
from test_feed import FeedBench, until

from sio_demo.delivery import (
    Feed,
    Follower,
    Inbox,
    MemoryInboxStore,
    Outbox,
    PostgresInboxStore,
    Retry,
    SQLiteInboxStore,
    SQLiteOutboxStore,
)
from sio_demo.delivery.inbox import WAITING
from sio_demo.delivery.message import (
    EVENT,
    FEED,
    HELLO,
    Answer,
    Batch,
    Hello,
    Page,
    write_message,
)
from sio_demo.delivery.queues import UNREAD
from sio_demo.errors import (
    BatchError,
    ClosedError,
    DeadLetterError,
    DeliveryError,
    HandlerError,
    OutboxFullError,
    RestoredError,
    StoreError,
    UsageError,
)
from sio_demo.lab.bench import Bench
from sio_demo.lab.waiting import wait_until

LIMITS = {"batch": 500, "characters": 999_000, "unconfirmed": 20_000}
WELCOME = {"next": 0, "last": "", "confirmed": 0, **LIMITS}
LOG = "5a1c0000-0000-0000-0000-000000000000"


# --- lies on the wire --------------------------------------------------------------------


@pytest.fixture
async def liar(quiet):
    """A server whose answers are `hello`, `batch` and `feed`; it counts the requests."""
    bench, sio = Bench(), socketio.AsyncServer(async_mode="aiohttp")
    bench.answers, bench.requests = {HELLO: WELCOME}, 0

    def answer(event, _sid, *_):
        bench.requests += 1
        return bench.answers[event]

    for event in (HELLO, EVENT, FEED):
        sio.on(event, partial(answer, event))
    await bench.serve(sio)
    yield bench
    await bench.close()


@pytest.mark.parametrize(
    "answer",
    [{"next": 1, "replies": []}, {"next": 2, "replies": ['{"ok":null}'] * 2}],
    ids=["none", "too many"],
)
async def test_an_answer_without_the_batchs_replies_is_refused_by_name(liar, answer):
    liar.answers[EVENT] = answer
    outbox = Outbox(socketio.AsyncClient(handle_sigint=False), **QUICK)
    await outbox.open(liar.link.url)
    with pytest.raises(BatchError):
        await asyncio.wait_for(outbox.send("note"), 5)
    assert liar.requests == 2
    await outbox.close()


@pytest.mark.parametrize("entries", [None, Batch(LOG, 0, 0, "", 0, [])], ids=["no log", "no entry"])
async def test_a_log_that_never_comes_is_named_and_asked_for_with_pauses(liar, entries):
    liar.answers[FEED] = Page("orders", 10, entries).to_wire()
    client = socketio.AsyncClient(handle_sigint=False)
    await client.connect(liar.link.url)
    follower = Follower(client, retry_delay=0.1)
    following = asyncio.create_task(follower.follow("orders"))
    await wait_until(lambda: isinstance(follower.last_error, Retry) and liar.requests > 1)
    assert liar.requests < 5
    await follower.close()
    with pytest.raises(ClosedError):
        await following
    await client.shutdown()


async def test_an_entry_that_is_no_text_is_refused_by_name(liar):
    page = Page("orders", 2, Batch(LOG, 0, 0, "", 0, [5, 6])).to_wire()
    with pytest.raises(BatchError):
        Page.from_wire(page)


def test_an_answer_of_nothing_is_none_of_an_inbox():
    with pytest.raises(BatchError):
        Answer.from_wire({"next": 3, "replies": []})


@pytest.mark.parametrize("event", [HELLO, FEED])
async def test_who_does_not_await_its_answers_holds_up_nobody(disk, event):
    Feed(disk.server.sio, disk.inbox.store)
    flood = socketio.AsyncClient(handle_sigint=False)
    await flood.connect(disk.server.url, transports=["websocket"])
    answers = []
    for number in range(1000):
        hello = {"producer": str(uuid.uuid4()), "known": False, "epoch": 1, "start": "s"}
        data = hello if event == HELLO else {"topic": f"topic {number}", "next": 0}
        await flood.emit(event, data, callback=answers.append)
    outbox = await disk.outbox(ack_timeout=20)
    begin = time.monotonic()
    assert await outbox.send("insert", 1) == 1
    assert time.monotonic() - begin < 1
    await wait_until(lambda: len(answers) == 1000 or not flood.connected)
    refused = {answer["error"] for answer in answers if "error" in answer}
    assert refused == ({"QuotaError"} if event == HELLO else set())
    await flood.shutdown()


@asynccontextmanager
async def deaf(server):
    """Connect a client that asks, and reads no answer; yield it and what waits for it."""
    address = server.url.replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket"
    async with ClientSession() as session, session.ws_connect(address) as client:
        await client.receive()
        await client.send_str("40")
        await client.receive()
        client._response.connection.transport.pause_reading()
        [connection] = server.sio.eio.sockets
        queue = server.sio.eio.sockets[connection].queue._queue
        yield client, lambda: sum(len(packet.data or "") for packet in list(queue))
        client._response.connection.transport.abort()


async def test_who_does_not_read_gets_no_more_pages(quiet, tmp_path):
    bench, asked = FeedBench(tmp_path), []
    await bench.start(may_read=lambda _sid, topic: asked.append(topic) or True)
    for _ in range(3):
        await bench.append("x" * 900_000)
    async with deaf(bench.server) as (client, waiting):
        for number in range(60):
            await client.send_str(f'42{number}["feed",{{"topic":"orders","next":0}}]')
        await wait_until(lambda: len(asked) == 60 and not bench.feed._questions._waiting)
        assert waiting() < UNREAD + 1_000_000
        for _ in range(3):
            await bench.append("x" * 900_000)
        assert waiting() < UNREAD + 1_000_000
    await bench.close()


async def test_who_does_not_read_is_not_answered_by_an_inbox(bench):
    bench.inbox.on("big", lambda _db, _: "x" * 300_000)
    async with deaf(bench.server) as (client, waiting):
        hello = Hello(str(uuid.uuid4()), False, 1, "start")
        await client.send_str("421" + json.dumps([HELLO, hello.to_wire()]))
        texts = [write_message("big", None) for _ in range(3)]
        batch = Batch(hello.producer, 1, 0, "", 0, texts)
        for _ in range(60):
            await client.send_str("422" + json.dumps([EVENT, batch.to_wire()]))

        def answered():
            now = bench.inbox.statistics()
            return now.refused + (now.applied + now.duplicates) / 3

        await wait_until(lambda: answered() >= 60)
        assert waiting() < UNREAD + 1_000_000 * WAITING
    assert await (await bench.outbox()).send("note", 1) == 1


class Odd(BaseException):
    """What a library may raise that is no Exception, and ends no process."""


@pytest.mark.parametrize("raised", [asyncio.CancelledError(), ValueError("no token"), Odd()])
async def test_a_user_function_that_raises_is_no_final_refusal(bench, raised):
    async def user(_sid):
        raise raised

    inbox = Inbox(bench.server.sio, namespace="/users", user=user)
    client = socketio.AsyncClient(handle_sigint=False)
    await client.connect(bench.server.url, namespaces=["/users"])
    answer = await client.call(
        HELLO,
        {"producer": LOG, "known": False, "epoch": 1, "start": "s"},
        namespace="/users",
        timeout=5,
    )
    assert answer["error"] == "StoreError"
    assert answer["message"] == f"The inbox failed: {type(raised).__name__}."
    await client.shutdown()
    await inbox.close()


async def test_clients_do_not_hear_where_the_server_keeps_its_files(disk, tmp_path):
    client = socketio.AsyncClient(handle_sigint=False)
    await client.connect(disk.server.url)
    path = disk.inbox.store.path
    with closing(sqlite3.connect(path, isolation_level=None)) as another:
        another.execute("BEGIN IMMEDIATE")
        locked = await greet(client)
    (tmp_path / "inbox.db").rename(tmp_path / "elsewhere.db")
    moved = await greet(client)
    assert "inbox.db: database is locked" in locked["message"]
    assert "inbox.db was moved" in moved["message"]
    assert str(tmp_path) not in locked["message"] + moved["message"]
    (tmp_path / "elsewhere.db").rename(tmp_path / "inbox.db")
    await client.shutdown()


# --- texts that a store cannot keep ---------------------------------------------------------


@pytest.mark.parametrize("text", ["\0", "\ud800"])
@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
async def test_a_dead_letter_tells_what_no_database_can_keep(quiet, tmp_path, url, text, engine):
    bench, sio = DeliveryBench(), socketio.AsyncServer(async_mode="aiohttp")
    on_disk = engine == "sqlite"
    store = SQLiteInboxStore(tmp_path / "inbox.db") if on_disk else PostgresInboxStore(url)
    bench.inbox = Inbox(sio, store, retry_limit=1)

    @bench.inbox.on("later")
    def later(_db, _payload):
        raise Retry(text)

    await bench.serve(sio)
    outbox = await bench.outbox()
    with pytest.raises(DeadLetterError):
        await asyncio.wait_for(outbox.send("later", text), 5)
    [letter] = await bench.inbox.dead_letters()
    assert letter.error in ("\\0", "\\ud800")
    await bench.close()


async def test_a_text_that_no_store_keeps_is_no_message(bench):
    client = socketio.AsyncClient(handle_sigint=False)
    await client.connect(bench.server.url)
    producer = (await greet(client))["producer"]
    batch = Batch(producer, 1, 0, "", 0, ['["id","note","\ud800"]']).to_wire()
    assert (await client.call(EVENT, batch))["error"] == "BatchError"
    await client.shutdown()


async def test_a_user_whose_name_no_store_keeps_is_told_so(bench):
    inbox = Inbox(bench.server.sio, namespace="/users", user=lambda sid: "a\0")
    client = socketio.AsyncClient(handle_sigint=False)
    await client.connect(bench.server.url, namespaces=["/users"])
    hello = {"producer": LOG, "known": False, "epoch": 1, "start": "s"}
    assert "no name" in (await client.call(HELLO, hello, namespace="/users"))["message"]
    await client.shutdown()
    await inbox.close()


@pytest.mark.parametrize("event", [None, 5, "", "x" * 201, b"note"])
async def test_an_event_that_nobody_can_read_is_refused_everywhere(bench, event):
    feed = Feed(bench.server.sio)
    outbox = await bench.outbox()
    with pytest.raises(UsageError):
        outbox.send(event)
    with pytest.raises(UsageError):
        bench.inbox.on(event, lambda db, payload: None)
    with pytest.raises(UsageError):
        async with feed.transaction() as db:
            feed.append(db, "orders", event)
    await feed.close()


@pytest.mark.parametrize("topic", [None, 5, "x" * 201, "a\0", "a\n", "\ud800", ["a"]])
async def test_a_topic_that_nobody_can_follow_is_refused_everywhere(bench, topic):
    feed = Feed(bench.server.sio)
    follower = Follower(socketio.AsyncClient(handle_sigint=False))
    with pytest.raises(UsageError):
        async with feed.transaction() as db:
            feed.append(db, topic, "note")
    for call in (feed.publish, follower.follow, follower.restart):
        with pytest.raises(UsageError):
            await call(topic)
    await follower.close()
    await feed.close()


# --- handlers ----------------------------------------------------------------------------


@pytest.mark.parametrize("pragma", ["query_only = 1", "writable_schema = 1", "max_page_count(1)"])
async def test_a_handler_does_not_change_the_inboxs_connection(disk, pragma):
    disk.inbox.on("set", lambda db, _: db.execute(f"PRAGMA {pragma}") and None)
    disk.inbox.on("look", lambda db, _: len(db.execute("PRAGMA table_info(effects)").fetchall()))
    outbox = await disk.outbox()
    with pytest.raises(HandlerError, match="pragma"):
        await outbox.send("set")
    assert await outbox.send("insert", 1) == 1
    assert await outbox.send("look") == 1


async def test_a_db_that_a_handler_has_kept_writes_nothing_afterwards(disk):
    kept = []
    disk.inbox.on("keep", lambda db, _: kept.append(db))
    await (await disk.outbox()).send("keep")
    with pytest.raises(UsageError, match="ended"):
        kept[0].execute("INSERT INTO effects VALUES (1)")


OWN_TABLES = {
    "DELETE FROM inbox_producers": [],
    "DROP TABLE inbox_replies": [],
    "ALTER TABLE inbox_producers RENAME TO gone": [],
    "CREATE TEMP VIEW inbox_producers AS SELECT 1": [],
    "CREATE TEMP TABLE INBOX_PRODUCERS (producer)": [],
    "CREATE TRIGGER t BEFORE INSERT ON inbox_replies BEGIN SELECT RAISE(IGNORE); END": [],
    "UPDATE feed_topics SET next = ?": [0],
    # the text of a statement that the store itself has prepared
    "DELETE FROM inbox_replies WHERE producer = ? AND sequence < ?": ["", 0],
}


@pytest.mark.parametrize(("statement", "values"), OWN_TABLES.items())
async def test_a_handler_does_not_change_the_inboxs_tables(disk, statement, values):
    """It took all other producers with it, or left none of their messages applicable."""
    disk.inbox.on("spoil", lambda db, _: db.execute(statement, values) and None)
    disk.inbox.on("look", lambda db, _: db.execute("SELECT next FROM inbox_producers").fetchone())
    outbox, other = await disk.outbox(), await disk.outbox()
    assert await other.send("insert", 1) == 1
    with pytest.raises(HandlerError, match="inbox's tables"):
        await outbox.send("spoil")
    assert await other.send("insert", 2) == 2
    assert len(await other.send("look")) == 1


async def test_a_table_is_not_put_in_front_of_the_inboxs(disk):
    """Until the end of the process, the inbox would have kept its marks in that one."""

    def hide(db, _payload):
        db.execute("CREATE TEMP TABLE mine (a)")
        db.execute("ALTER TABLE mine RENAME TO inbox_producers")

    disk.inbox.on("hide", hide)
    outbox = await disk.outbox()
    async with asyncio.timeout(5):
        with pytest.raises(HandlerError, match="inbox's tables"):
            await outbox.send("hide")
        assert await outbox.send("insert", 1) == 1


async def test_a_cursor_does_not_hand_out_the_inboxs_connection(disk):
    disk.inbox.on("end", lambda db, _: db.execute("SELECT 1").connection.close())
    outbox = await disk.outbox()
    with pytest.raises(HandlerError, match="must not end it"):
        await outbox.send("end")
    assert await outbox.send("insert", 1) == 1


@pytest.mark.parametrize(
    "run",
    [
        lambda cursor: cursor.execute("COMMIT"),
        lambda cursor: cursor.executemany("DELETE FROM inbox_replies WHERE ?", [(1,)]),
        lambda cursor: cursor.executescript("SELECT 1"),  # which would commit
    ],
)
async def test_a_cursor_runs_what_its_db_runs(disk, run):
    kept = []

    def use(db, _):
        kept.append(db.execute("INSERT INTO effects VALUES (1)"))
        run(kept[0])

    disk.inbox.on("use", use)
    outbox = await disk.outbox()
    async with asyncio.timeout(5):
        with pytest.raises(HandlerError, match="must not end it"):
            await outbox.send("use")
        assert await outbox.send("insert", 2) == 2
    assert list(disk.inbox.store.connection.execute("SELECT * FROM effects")) == [(2,)]
    with pytest.raises(UsageError, match="has ended"):
        kept[0].execute("INSERT INTO effects VALUES (3)")


async def test_a_cursor_that_a_handler_has_kept_holds_up_nobody(disk):
    """SQLite commits nothing while one has rows to come, not even the next transaction."""
    kept, sql = [], "INSERT INTO effects VALUES (1), (2) RETURNING number"
    disk.inbox.on("keep", lambda db, _: kept.append(db.execute(sql)))
    outbox, other = await disk.outbox(), await disk.outbox()
    assert await asyncio.gather(outbox.send("keep"), other.send("insert", 3)) == [None, 3]
    assert sorted(disk.inbox.store.connection.execute("SELECT * FROM effects")) == [
        (1,),
        (2,),
        (3,),
    ]


async def test_a_reply_that_is_to_be_awaited_holds_up_nobody(either):
    never = asyncio.get_running_loop().create_future()
    either.inbox.on("never", lambda _db, _: never)
    outbox = await either.outbox()
    with pytest.raises(HandlerError, match="not JSON"):
        await outbox.send("never")
    assert await outbox.send("note", 1) == 1


class NoCause(Exception):
    __class__ = property(lambda self: Retry)

    @property
    def __cause__(self):
        raise RuntimeError("unknown")


class NoClass(Exception):
    @property
    def __class__(self):
        raise RuntimeError("unknown")


@pytest.mark.parametrize("kind", [NoCause, NoClass])
async def test_an_exception_that_lies_about_itself_is_the_handlers(either, kind):
    def lie(_db, _payload):
        raise kind

    either.inbox.on("lie", lie)
    outbox = await either.outbox()
    async with asyncio.timeout(5):
        with pytest.raises(HandlerError, match=kind.__name__):
            await outbox.send("lie")
        assert await outbox.send("note", 1) == 1


async def test_a_row_factory_that_a_handler_sets_is_its_own(quiet, url):
    """The inbox read its own rows with it: no producer was known any more."""
    bench, sio = DeliveryBench(), socketio.AsyncServer(async_mode="aiohttp")
    bench.inbox = Inbox(sio, PostgresInboxStore(url, connections=1))

    @bench.inbox.on("count")
    async def count(db, factory):
        if factory:
            db.row_factory = dict_row
        [row] = await (await db.execute("SELECT count(*) FROM effects")).fetchall()
        return list(row)

    await bench.serve(sio)
    outbox = await bench.outbox()
    assert await outbox.send("count", True) == ["count"]
    assert await outbox.send("count", False) == [0]
    await bench.close()


async def agen(db, payload):
    yield


class Waits:
    async def __call__(self, db, payload):
        pass


@pytest.mark.parametrize(
    "handler",
    [agen, Waits(), *(lambda: 1, lambda db: 1, lambda a, b, c, d: 1), lambda a, b: (yield)],
)
async def test_a_handler_that_could_never_be_called_is_refused_at_once(bench, handler):
    with pytest.raises(UsageError):
        bench.inbox.on("event", handler)


@pytest.mark.parametrize("raised", [asyncio.CancelledError(), Odd()])
async def test_what_follows_a_commit_may_raise_what_is_no_exception(disk, monkeypatch, raised):
    monkeypatch.setattr("sio_demo.delivery.receiver.AGAIN", 0.01)
    failures, calls = [raised], []

    @disk.inbox.after_commit("insert")
    async def follows(received):
        calls.append(received.payload)
        if failures:
            raise failures.pop()

    with pytest.raises(UsageError):
        disk.inbox.after_commit("insert", follows)
    assert await (await disk.outbox()).send("insert", 1) == 1
    await wait_until(lambda: calls == [1, 1])


async def test_what_follows_a_commit_waits_for_its_callback(disk, tmp_path):
    """It may be the callback of another inbox of the store, or of a program that is updated."""
    failures, calls, mine = [ConnectionError()], [], []

    async def follows(received):
        if failures:
            raise failures[0]
        calls.append(received.payload)

    disk.inbox.after_commit("insert", follows)
    assert await (await disk.outbox()).send("insert", 1) == 1
    await disk.stop_server()

    await disk.start_server(SQLiteInboxStore(disk.inbox.store.path))
    outbox = await disk.outbox()
    disk.inbox.on("other", lambda _db, _payload: None)

    @disk.inbox.after_commit("other")
    async def another(received):
        mine.append(received.payload)

    await outbox.send("other", 2)
    await wait_until(lambda: mine == [2])
    failures.clear()
    disk.inbox.after_commit("insert", follows)
    await outbox.send("insert", 3)
    await wait_until(lambda: len(calls) == 2)
    assert sorted(calls) == [1, 3]


async def test_a_handler_that_never_ends_is_cancelled(quiet, url, monkeypatch):
    monkeypatch.setattr("sio_demo.delivery.postgres_inbox.HANDLERS", 0.2)
    bench, sio = DeliveryBench(), socketio.AsyncServer(async_mode="aiohttp")
    bench.inbox = Inbox(sio, PostgresInboxStore(url))
    entered = []

    @bench.inbox.on("wait")
    async def wait(_db, _payload):
        entered.append(1)
        if len(entered) == 1:
            await asyncio.Event().wait()

    await bench.serve(sio)
    outbox = await bench.outbox(ack_timeout=5)
    receipt = outbox.send("wait")
    await wait_until(lambda: isinstance(outbox.last_error, StoreError))
    assert await receipt is None
    await bench.close()


async def test_an_inbox_is_closed_though_a_handler_never_ends(quiet, url, monkeypatch):
    monkeypatch.setattr("sio_demo.delivery.receiver.CLOSE", 0.1)
    bench, sio = DeliveryBench(), socketio.AsyncServer(async_mode="aiohttp")
    bench.inbox = Inbox(sio, PostgresInboxStore(url))
    entered = asyncio.Event()

    @bench.inbox.on("wait")
    async def wait(_db, _payload):
        entered.set()
        await asyncio.Event().wait()

    await bench.serve(sio)
    outbox = await bench.outbox(ack_timeout=5)
    receipt = outbox.send("wait")
    await entered.wait()
    async with asyncio.timeout(5):
        await bench.inbox.close()
    assert not receipt.done
    await bench.close()


async def test_who_waits_for_a_database_that_is_away_does_not_queue_up(quiet):
    store = PostgresInboxStore("postgresql://nobody@127.0.0.1:1/none?connect_timeout=1")
    inbox = Inbox(socketio.AsyncServer(async_mode="aiohttp"), store)
    async with asyncio.timeout(12):
        calls = [inbox.forget(1) for _ in range(4)]
        errors = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(error) for error in errors} == {StoreError}
    await inbox.close()


@pytest.mark.parametrize("arguments", [(5,), ("", 0), ("", None), ("", "x")])
def test_a_postgres_store_refuses_what_it_cannot_use(arguments):
    with pytest.raises(UsageError):
        PostgresInboxStore(*arguments)


def effects(place):
    with closing(sqlite3.connect(place / "inbox.db")) as db:
        return db.execute("SELECT number FROM effects").fetchall()


def use_bank(trouble, place):
    """Fail as another database does than that of the inbox."""
    if trouble == "missing":
        sqlite3.connect(place / "no such folder" / "bank.db")
    with closing(sqlite3.connect(place / "bank.db", isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with closing(sqlite3.connect(place / "bank.db", timeout=0)) as bank:
            bank.execute("CREATE TABLE paid (number)")


@pytest.mark.parametrize("trouble", ["missing", "locked"])
async def test_another_database_than_the_inboxs_is_the_handlers_trouble(disk, tmp_path, trouble):
    @disk.inbox.on("pay")
    def pay(db, number):
        db.execute("INSERT INTO effects VALUES (?)", (number,))
        use_bank(trouble, tmp_path)

    outbox = await disk.outbox()
    with pytest.raises(HandlerError, match="OperationalError"):
        await asyncio.wait_for(outbox.send("pay", 1), 5)
    assert await outbox.send("insert", 2) == 2
    assert effects(tmp_path) == [(2,)]


@pytest.mark.parametrize("depth", [1, 2])
async def test_a_group_of_nothing_but_retries_is_a_retry(bench, depth):
    tries = []

    @bench.inbox.on("group")
    def group(db, _):
        tries.append(1)
        error = Retry("not yet")
        for _ in range(depth):
            error = ExceptionGroup("of tasks", [error, error])
        if len(tries) < 3:
            raise error
        raise ExceptionGroup("of tasks", [error, ValueError("no")])

    outbox = await bench.outbox()
    with pytest.raises(HandlerError, match="of tasks"):
        await outbox.send("group")
    assert len(tries) == 3


# --- calls in odd orders -------------------------------------------------------------------


async def test_a_transaction_that_has_ended_takes_nothing_more(bench, tmp_path):
    outbox = await bench.outbox(SQLiteOutboxStore(tmp_path / "o.db", "CREATE TABLE mine (x)"))
    async with outbox.transaction() as db:
        db.send("note", 1)
    with pytest.raises(UsageError):
        db.send("note", 2)
    with pytest.raises(UsageError):
        db.execute("INSERT INTO mine VALUES (1)")
    await outbox.drain()
    assert bench.applied == [1]


async def test_a_transaction_has_no_more_messages_than_the_limit(bench, tmp_path):
    outbox = await bench.outbox(SQLiteOutboxStore(tmp_path / "outbox.db"), limit=2)

    async def send(count):
        async with outbox.transaction() as db:
            return [db.send("note", number) for number in range(count)]

    with pytest.raises(OutboxFullError):
        await send(3)
    assert [await receipt for receipt in await send(2)] == bench.applied == [0, 1]


async def test_a_new_inbox_and_feed_take_the_place_of_closed_ones(disk, tmp_path):
    sio, outbox, feed = disk.server.sio, await disk.outbox(), Feed(disk.server.sio)
    assert await outbox.send("note", 1) == 1
    for kind in Inbox, Feed:
        with pytest.raises(UsageError, match="is enough"):
            kind(sio)
    await disk.inbox.close()
    await feed.close()
    inbox, feed = Inbox(sio, SQLiteInboxStore(tmp_path / "inbox.db")), Feed(sio)
    inbox.on("note", lambda _, number: -number)
    assert await outbox.send("note", 2) == -2
    assert await inbox.forget(0) == 0  # it is connected, although this inbox heard no hello
    assert await inbox.forget(0) == 0
    await outbox.close()
    for each in inbox, feed:
        await each.close()


async def test_a_connection_that_is_back_is_no_trouble_any_more(bench):
    async with bench.link.refuse():
        outbox = await bench.outbox()
        assert outbox.last_error is not None
    await wait_until(lambda: outbox.last_error is None)


async def test_a_store_that_goes_back_under_a_connection_is_named(disk, tmp_path):
    outbox = await disk.outbox()
    for number in range(3):
        assert await outbox.send("insert", number) == number
    with closing(sqlite3.connect(tmp_path / "inbox.db")) as db, db:
        db.execute("UPDATE inbox_producers SET next = 1, last = 'the id of 0'")
    with pytest.raises(RestoredError, match="expects message 1"):
        await outbox.send("insert", 3)


@pytest.mark.parametrize("other", ["/", "/chat"])
async def test_an_outbox_connects_to_its_namespace_unasked(bench, other):
    inbox = Inbox(bench.server.sio, namespace="/users")
    inbox.on("note", lambda _, number: number)
    bench.server.sio.on("talk", lambda *_: None, namespace="/chat")
    client = socketio.AsyncClient(handle_sigint=False)
    client.on("talk", lambda *_: None, namespace=other)
    async with Outbox(client, namespace="/users", **QUICK) as outbox:
        await outbox.open(bench.link.url)
        assert await asyncio.wait_for(outbox.send("note", 7), 5) == 7
        assert set(client.namespaces) == {"/users", other}
    await inbox.close()


async def test_a_transaction_in_a_transaction_is_refused(bench, tmp_path):
    outbox = await bench.outbox(SQLiteOutboxStore(tmp_path / "outbox.db"))
    async with asyncio.timeout(5), outbox.transaction() as db:
        db.send("note", 1)
        with pytest.raises(UsageError):
            async with outbox.transaction():
                pass
    feed = Feed(bench.server.sio, bench.inbox.store)
    async with asyncio.timeout(5), feed.transaction():
        with pytest.raises(UsageError):
            async with feed.transaction():
                pass
        with pytest.raises(UsageError):
            await bench.inbox.forget(1)
    assert await outbox.send("note", 2) == 2
    await feed.close()


def test_a_child_process_does_not_keep_the_lock_of_a_store_that_is_closed(tmp_path):
    store = SQLiteOutboxStore(tmp_path / "outbox.db")
    held = store._held.fileno()  # a forked process has it too
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[held])
    try:
        with pytest.raises(StoreError, match="locked"):
            SQLiteOutboxStore(tmp_path / "outbox.db")
        store.close()
        store.close()
        SQLiteOutboxStore(tmp_path / "outbox.db").close()
    finally:
        child.communicate()


async def test_a_contact_is_noted_although_forgetting_fails_once(bench, monkeypatch):
    touched = []

    def fail(*_):
        raise StoreError("no disk")

    outbox = await bench.outbox()
    [producer] = bench.inbox._contacts
    await outbox.close()
    await wait_until(lambda: not bench.inbox._online())
    monkeypatch.setattr(bench.inbox.store, "touch", lambda heard: touched.append(set(heard)))
    with monkeypatch.context() as patch:
        patch.setattr(bench.inbox.store, "forget", fail)
        with pytest.raises(StoreError):
            await bench.inbox.forget(60)
    await bench.inbox.forget(60)
    assert touched == [{producer}, {producer}]


@pytest.mark.parametrize("seconds", [-5, float("nan"), 10**400, None, "60"])
async def test_an_inbox_forgets_after_so_many_seconds_and_nothing_else(bench, seconds):
    with pytest.raises(UsageError):
        await bench.inbox.forget(seconds)


async def test_two_outboxes_do_not_share_a_store(bench, tmp_path):
    store = SQLiteOutboxStore(tmp_path / "outbox.db")
    outbox = await bench.outbox(store)
    with pytest.raises(UsageError):
        Outbox(socketio.AsyncClient(handle_sigint=False), store)
    assert await outbox.send("note", 1) == 1


async def test_an_error_that_is_raised_again_does_not_grow(bench):
    outbox = await bench.outbox()
    receipt = outbox.send("refuse")
    outbox_failed = await bench.outbox()
    outbox_failed._storing.fail(StoreError("the disk is gone"))

    async def look_again():
        await receipt

    async def send_again():
        outbox_failed.send("note")

    for call in (look_again, send_again):
        depths = set()
        for _ in range(5):
            with pytest.raises(DeliveryError) as raised:
                await call()
            depths.add(len(raised.traceback))
        assert len(depths) == 1


async def test_a_program_that_ends_without_a_close_leaves_no_connection(bench):
    outbox = await bench.outbox()
    reader = outbox.client.eio.read_loop_task
    for task in outbox._tasks:  # as asyncio.run does; the reader may miss it (CPython gh-86296)
        task.cancel()
    await asyncio.wait({reader}, timeout=3)
    assert reader.done()


@pytest.mark.parametrize("db", [None, {}, 5])
async def test_an_entry_needs_the_db_of_its_own_store(bench, db):
    feed = Feed(bench.server.sio)
    with pytest.raises(UsageError):
        feed.append(db, "orders", "note", 1)
    async with feed.transaction() as mine:
        pass
    with pytest.raises(UsageError):
        feed.append(mine, "orders", "note", 1)
    await feed.close()


@pytest.mark.parametrize("offset", [-1, None, "x", 1.5, 2**53, True])
async def test_a_follower_restarts_at_an_offset_and_nowhere_else(quiet, offset):
    follower = Follower(socketio.AsyncClient(handle_sigint=False))
    with pytest.raises(UsageError):
        await follower.restart("orders", offset)
    await follower.close()


async def test_another_follower_takes_the_place_of_one_that_is_closed(quiet):
    client = socketio.AsyncClient(handle_sigint=False)
    await Follower(client).close()
    await Follower(client).close()


@pytest.mark.parametrize("on_disk", [False, True])
async def test_followers_that_share_a_store_share_the_entries(quiet, tmp_path, on_disk):
    bench = FeedBench(tmp_path)
    await bench.start()
    await bench.append(*range(20))
    path = tmp_path / "client.db"
    store = SQLiteInboxStore(path, "CREATE TABLE seen (number)") if on_disk else MemoryInboxStore()
    seen = []

    def note(db, number):
        if on_disk:
            db.execute("INSERT INTO seen VALUES (?)", (number,))
        seen.append(number)

    both = [await bench.follower(store, (), note) for _ in range(2)]
    async with asyncio.timeout(5):
        await asyncio.gather(*(follower.follow("orders") for follower in both))
    await bench.append(*range(20, 40))
    await until(lambda: seen == [*range(40)])
    await bench.close()


async def test_what_is_told_of_a_gap_may_fail_and_is_told_again(quiet, tmp_path):
    bench = FeedBench(tmp_path)
    failures = [ValueError("not now"), asyncio.CancelledError(), Odd()]
    await bench.start()
    await bench.append(*range(5))
    await bench.feed.trim("orders", 2)

    def on_gap(*_):
        if failures:
            raise failures.pop()

    follower = await bench.follower(on_gap=on_gap)
    assert follower.seen == [3, 4]
    await bench.close()


@pytest.mark.parametrize("call", [Follower.close, partial(Follower.restart, topic="orders")])
async def test_what_is_told_of_a_gap_does_not_wait_for_its_own_end(quiet, tmp_path, call):
    bench = FeedBench(tmp_path)
    await bench.start()
    await bench.append(*range(5))
    await bench.feed.trim("orders", 2)
    refused = []

    async def on_gap(*_):
        if not refused:
            with pytest.raises(UsageError, match="its own end") as caught:
                await call(bench.reader)
            refused.append(caught.value)

    bench.reader = await bench.follower(topics=(), on_gap=on_gap)
    await bench.reader.follow("orders")
    assert bench.reader.seen == [3, 4]
    assert len(refused) == 1
    await bench.close()


async def test_a_call_from_another_event_loop_is_refused_at_once(bench, tmp_path):
    feed = Feed(bench.server.sio, bench.inbox.store)
    follower = Follower(socketio.AsyncClient(handle_sigint=False))
    await (await bench.outbox()).send("note", 1)
    await follower.restart("orders")

    async def append():
        async with feed.transaction():
            pass

    calls = [
        lambda: bench.inbox.forget(1),
        bench.inbox.dead_letters,
        bench.inbox.close,
        append,
        lambda: feed.publish("orders"),
        feed.close,
        lambda: follower.follow("orders"),
        lambda: follower.restart("orders"),
        follower.close,
    ]
    for call in calls:
        with pytest.raises(UsageError):
            await asyncio.to_thread(lambda call=call: asyncio.run(call()))
    await follower.close()
    await feed.close()


@pytest.mark.parametrize(
    "options",
    [
        {"interval": 0},
        {"interval": float("nan")},
        {"retry_delay": -1},
        {"on_gap": 5},
        {"retry_limit": 0},
    ],
    ids=str,
)
async def test_a_follower_refuses_what_it_cannot_use(quiet, options):
    with pytest.raises(UsageError):
        Follower(socketio.AsyncClient(handle_sigint=False), **options)


@pytest.mark.parametrize(
    "options", [{"window": 1.5}, {"ack_timeout": float("inf")}, {"connect_timeout": 10**400}]
)
async def test_an_outbox_refuses_what_it_cannot_use(quiet, options):
    with pytest.raises(UsageError):
        Outbox(socketio.AsyncClient(handle_sigint=False), **options)


@pytest.mark.parametrize(
    "options", [{"user": 5}, {"max_unconfirmed": None}, {"max_unconfirmed": 2**70}]
)
async def test_an_inbox_refuses_what_it_cannot_use(quiet, options):
    with pytest.raises(UsageError):
        Inbox(socketio.AsyncServer(async_mode="aiohttp"), **options)


# --- slow links, slow handlers, callbacks that close -----------------------------------------


async def test_others_have_their_turn_within_a_batch_of_slow_handlers(either, monkeypatch):
    monkeypatch.setattr("sio_demo.delivery.applier.SHARE", 0.0, raising=False)
    outbox, other = await either.outbox(), await either.outbox()
    order = []

    def slow(_db, number):
        if not order:
            other.send("quick")
        order.append(number)
        return number

    either.inbox.on("slow", slow)
    either.inbox.on("quick", lambda _db, _payload: order.append("quick"))
    receipts = [outbox.send("slow", number) for number in range(100)]
    assert await asyncio.wait_for(asyncio.gather(*receipts), 10) == [*range(100)]
    assert order.index("quick") < 50
    assert [one for one in order if one != "quick"] == [*range(100)]


async def test_others_have_their_turn_within_a_batch_that_fails(quiet, tmp_path, monkeypatch):
    monkeypatch.setattr("sio_demo.delivery.applier.SHARE", 0.0, raising=False)
    tables = (
        "CREATE TABLE IF NOT EXISTS accounts (id INTEGER PRIMARY KEY);"
        "CREATE TABLE IF NOT EXISTS late ("
        "id INTEGER REFERENCES accounts DEFERRABLE INITIALLY DEFERRED);"
        "PRAGMA foreign_keys = ON;"
    )
    bench, order = DeliveryBench(), []
    await bench.start_server(SQLiteInboxStore(tmp_path / "late.db", tables))
    outbox, other = await bench.outbox(), await bench.outbox()

    def late(db, number):
        db.execute("INSERT INTO late VALUES (?)", (number,))
        order.append(number)
        if order == [0]:
            other.send("quick")

    bench.inbox.on("late", late)
    bench.inbox.on("quick", lambda _db, _payload: order.append("quick"))
    receipts = [outbox.send("late", number) for number in range(40)]
    done = asyncio.gather(*receipts, return_exceptions=True)
    assert {type(one) for one in await asyncio.wait_for(done, 10)} == {HandlerError}
    assert max(order[: order.index("quick")]) < 20
    await bench.close()


async def test_a_batch_may_take_longer_than_a_transaction(quiet, url, monkeypatch):
    monkeypatch.setattr("sio_demo.delivery.postgres_inbox.HANDLERS", 1.0)
    bench, sio = DeliveryBench(), socketio.AsyncServer(async_mode="aiohttp")
    bench.inbox, calls = Inbox(sio, PostgresInboxStore(url)), []

    @bench.inbox.on("service")
    async def service(_db, number):
        calls.append(number)
        await asyncio.sleep(0.03)  # it calls another one
        return number

    await bench.serve(sio)
    outbox = await bench.outbox(ack_timeout=5)
    receipts = [outbox.send("service", number) for number in range(60)]
    await asyncio.wait(list(map(asyncio.ensure_future, receipts)), timeout=8)
    assert calls == [*range(60)]
    await bench.close()


async def test_an_answer_on_its_way_is_not_asked_for_again_and_again(quiet, tmp_path):
    bench, asked, go = FeedBench(tmp_path), [], asyncio.Event()

    async def may_read(_sid, _topic):
        asked.append(1)
        await go.wait()
        return True

    bench.pings = {}
    await bench.start(may_read=may_read)
    async with bench.feed.transaction() as db:
        for number in range(1200):  # more than two pages
            bench.feed.append(db, "orders", "note", number)
    follower = await bench.follower(topics=(), interval=0.02)
    following = asyncio.create_task(follower.follow("orders"))
    await wait_until(lambda: follower.last_error is not None)
    await asyncio.sleep(0.4)  # in which it would have asked 20 times
    go.set()
    await asyncio.wait_for(following, 5)
    assert follower.seen == [*range(1200)]
    assert len(asked) < 12
    await bench.close()


async def test_what_follows_a_commit_does_not_wait_for_its_own_end(disk):
    refused = []

    @disk.inbox.after_commit("insert")
    async def follows(_received):
        with pytest.raises(UsageError, match="its own end") as caught:
            await disk.inbox.close()
        refused.append(caught.value)

    outbox = await disk.outbox()
    assert await outbox.send("insert", 1) == 1
    await wait_until(lambda: refused, 3)
    assert await outbox.send("insert", 2) == 2


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "UTF8"])
async def test_a_database_may_have_another_encoding(quiet, postgres, encoding):
    name = f"test_{uuid.uuid4().hex}"
    async with connected(postgres.url) as connection:
        await connection.execute(
            f"CREATE DATABASE {name} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' "
            "TEMPLATE template0"
        )
    url = make_conninfo(postgres.url, dbname=name, client_encoding="sql_ascii")
    bench, sio = DeliveryBench(), socketio.AsyncServer(async_mode="aiohttp")
    bench.inbox = Inbox(sio, PostgresInboxStore(url))

    @bench.inbox.on("echo")
    async def echo(_db, payload):
        return payload

    await bench.serve(sio)
    outbox = await bench.outbox()
    try:
        assert await asyncio.wait_for(outbox.send("echo", "für 5 €"), 5) == "für 5 €"
    finally:
        await bench.close()
        async with connected(postgres.url) as connection:
            await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("first", ["follower", "outbox"])
async def test_a_follower_goes_on_with_the_next_outbox_of_its_client(bench, first):
    client, seen = socketio.AsyncClient(handle_sigint=False), []
    feed = Feed(bench.inbox._sio, bench.inbox.store)
    if first == "outbox":
        outbox = await bench.outbox(client=client)
    follower = Follower(client, interval=1e6)
    follower.on("note", lambda _db, number: seen.append(number))
    if first == "follower":
        outbox = await bench.outbox(client=client)
    await asyncio.wait_for(follower.follow("orders"), 5)
    await outbox.close()
    await bench.outbox(client=client)
    async with feed.transaction() as db:
        feed.append(db, "orders", "note", 1)
    try:
        await wait_until(lambda: seen == [1], 3)
    finally:
        await follower.close()
        await feed.close()


async def test_followers_that_are_closed_leave_nothing_on_their_client(quiet):
    client = socketio.AsyncClient(handle_sigint=False)
    for _ in range(3):
        await Follower(client).close()
    assert client._trigger_event == type(client)._trigger_event.__get__(client)


@pytest.mark.parametrize("event", [HELLO, EVENT])
async def test_a_server_that_ends_every_connection_is_named(bench, event):
    """Its limit for a packet, for example, is too small for a hello, or for any batch."""
    sio = bench.inbox._sio

    @sio.on(event)
    async def end(sid, _):
        await sio.eio.disconnect(sio.manager.eio_sid_from_sid(sid, "/"))

    outbox = Outbox(socketio.AsyncClient(handle_sigint=False), **(QUICK | {"ack_timeout": 60}))
    opening = asyncio.create_task(outbox.open(bench.link.url, transports=["websocket"]))
    try:
        await wait_until(lambda: outbox._loop is not None)
        outbox.send("note", 1)
        await wait_until(lambda: "before an answer" in str(outbox.last_error), 3)
    finally:
        await outbox.close()
        await asyncio.wait([opening])
