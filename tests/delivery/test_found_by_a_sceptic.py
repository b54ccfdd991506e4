"""What attack programs have found that were written from the promises alone."""

import asyncio
import json
import sqlite3
import threading
import time
import uuid
from contextlib import asynccontextmanager, closing, suppress

import psycopg
import pytest
import socketio
from kit import QUICK, SCHEMA, DeliveryBench, connected, greet
from psycopg.conninfo import make_conninfo
from test_feed import FeedBench

from sio_demo.delivery import (
    Feed,
    Follower,
    Inbox,
    MemoryInboxStore,
    MemoryOutboxStore,
    Outbox,
    PostgresInboxStore,
    Retry,
    SQLiteInboxStore,
    SQLiteOutboxStore,
)
from sio_demo.delivery.message import EVENT, FEED, write_message
from sio_demo.delivery.postgres_inbox import PostgresTransaction
from sio_demo.errors import (
    ClosedError,
    DeadLetterError,
    HandlerError,
    PayloadError,
    RestoredError,
    StoreError,
    UncertainError,
    UnknownProducerError,
    UsageError,
)
from sio_demo.lab.bench import python_client
from sio_demo.lab.waiting import wait_until

LATE = f"""
PRAGMA foreign_keys = ON; {SCHEMA}
CREATE TABLE IF NOT EXISTS accounts (id INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS late (
    account INTEGER REFERENCES accounts DEFERRABLE INITIALLY DEFERRED
);"""


@asynccontextmanager
async def busy(path):
    """Hold the file's lock, as another process does; yield what ends that."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield lambda: other.execute("COMMIT")


@asynccontextmanager
async def connection(bench, namespace="/"):
    """Connect a client without an outbox or a follower."""
    async with python_client() as client:
        await client.connect(bench.server.url, namespaces=[namespace])
        yield client


def column(path, sql):
    with closing(sqlite3.connect(path)) as db:
        return [row[0] for row in db.execute(sql)]


@pytest.fixture
async def feeds(quiet, tmp_path):
    bench = FeedBench(tmp_path)
    await bench.start()
    yield bench
    await bench.close()


# --- who waits for a file's lock, and gives up ----------------------------------------------


async def test_who_gives_up_waiting_for_the_file_takes_nothing_from_the_next(disk, tmp_path):
    """Its thread went on, and rolled the next one's effects back, which was answered."""

    def slow(db, number):
        db.execute("INSERT INTO effects VALUES (?)", (number,))
        time.sleep(0.02)  # longer than the thread waits between attempts

    disk.inbox.on("slow", slow)
    outbox = await disk.outbox()
    for number in range(5):
        async with busy(tmp_path / "inbox.db") as release:
            waiting = asyncio.create_task(disk.inbox.dead_letters())
            await wait_until(lambda: disk.inbox._transactions.contended)
            receipt = outbox.send("slow", number)
            await wait_until(lambda: disk.inbox.statistics().waiting)
            release()
            waiting.cancel()
            await receipt
        await asyncio.wait({waiting})
        assert waiting.cancelled()
    assert column(tmp_path / "inbox.db", "SELECT number FROM effects") == [*range(5)]


async def test_who_gives_up_waiting_for_the_outboxs_file_does_not_stop_the_loop(bench, tmp_path):
    path = tmp_path / "outbox.db"
    outbox = await bench.outbox(SQLiteOutboxStore(path, "CREATE TABLE mine (x)"))
    loop = asyncio.get_running_loop()

    async def write(number):
        async with outbox.transaction() as db:
            db.execute("INSERT INTO mine VALUES (?)", (number,))
            return db.send("note", number)

    async with busy(path) as release:
        waiting = asyncio.create_task(write(1))
        await wait_until(outbox._storing._busy.locked)
        await asyncio.sleep(0.05)  # for the thread to ask for the lock: nobody tells
        began = loop.time()
        waiting.cancel()
        await asyncio.wait({waiting})
        assert loop.time() - began < 1
        release()
    await (await write(2))
    assert column(path, "SELECT x FROM mine") == bench.applied == [2]


async def test_a_transaction_that_outlives_its_outbox_ends_by_name(bench, tmp_path, monkeypatch):
    """It raised an error of sqlite3, and the transaction behind it waited for ever."""
    monkeypatch.setattr("sio_demo.delivery.outbox.CLOSE", 0.05)
    path = tmp_path / "outbox.db"
    outbox = await bench.outbox(SQLiteOutboxStore(path, "CREATE TABLE mine (x)"))
    receipts, closed = [], asyncio.Event()

    async def write():
        async with outbox.transaction() as db:
            db.execute("INSERT INTO mine VALUES (1)")
            receipts.append(db.send("note", 1))
            await closed.wait()

    first = asyncio.create_task(write())
    await wait_until(lambda: receipts)
    behind = asyncio.create_task(write())
    await asyncio.sleep(0)
    await outbox.close()
    closed.set()
    async with asyncio.timeout(5):
        ended = await asyncio.gather(first, behind, receipts[0], return_exceptions=True)
    assert [type(error) for error in ended] == [ClosedError] * 3
    assert column(path, "SELECT x FROM mine") == []


async def test_a_transaction_that_has_ended_writes_nothing_into_the_next(bench, tmp_path):
    path = tmp_path / "outbox.db"
    outbox = await bench.outbox(SQLiteOutboxStore(path, "CREATE TABLE mine (x)"))
    async with outbox.transaction() as before:
        pass
    async with outbox.transaction() as db:
        db.execute("INSERT INTO mine VALUES (1)")
        with pytest.raises(UsageError):
            before.execute("INSERT INTO mine VALUES (2)")
        with pytest.raises(UsageError):
            before.executemany("INSERT INTO mine VALUES (?)", [(3,)])
    assert column(path, "SELECT x FROM mine") == [1]


# --- counters, and callbacks ----------------------------------------------------------------


async def test_a_message_counts_when_it_is_committed(quiet, tmp_path):
    """Each attempt of a commit that failed was counted."""
    bench, store = DeliveryBench(), SQLiteInboxStore(tmp_path / "inbox.db", LATE)
    await bench.start_server(store)

    @bench.inbox.on("late")
    def late(db, account):
        db.execute("INSERT INTO late VALUES (?)", (account,))

    outbox = await bench.outbox()
    receipts = [outbox.send("insert", 1), outbox.send("late", 9), outbox.send("insert", 2)]
    for receipt in receipts:
        with suppress(HandlerError):
            await receipt
    assert bench.inbox.statistics().applied == 3
    await bench.close()


# --- what a client may cost, and what is called how often -----------------------------------


async def test_the_user_is_looked_up_once_for_a_connection(bench):
    calls, known = [], asyncio.Event()

    async def user(sid):
        calls.append(sid)
        await known.wait()
        return "ann"

    inbox = Inbox(bench.server.sio, namespace="/users", user=user)
    async with connection(bench, "/users") as client:
        batch = {"producer": str(uuid.uuid4()), "epoch": 1, "first": 0, "after": ""}
        batch |= {"confirmed": 0, "messages": [write_message("note", 1)]}
        answers = []
        for _ in range(30):
            await client.emit(EVENT, batch, namespace="/users", callback=answers.append)
        await wait_until(lambda: calls)
        known.set()
        await wait_until(lambda: len(answers) == 30)
    assert len(calls) == 1
    await inbox.close()


async def test_one_connection_has_few_rights_looked_up_at_a_time(quiet, tmp_path, monkeypatch):
    monkeypatch.setattr("sio_demo.delivery.feed.QUESTIONS", 20)
    bench, lookups, known = FeedBench(tmp_path), [], asyncio.Event()

    async def may_read(sid, topic):
        lookups.append(topic)
        await known.wait()
        return True

    await bench.start(may_read=may_read)
    answers = []
    async with connection(bench) as client:
        for number in range(50):
            question = {"topic": f"orders {number}", "next": 0}
            await client.emit(FEED, question, callback=answers.append)
        await wait_until(lambda: len(answers) == 30)
        assert {answer["error"] for answer in answers} == {"QuotaError"}
        assert len(lookups) < 20
        known.set()
        await wait_until(lambda: len(answers) == 50)
    await bench.close()


# --- stores in memory, and stores that are shared -------------------------------------------


async def test_a_log_in_memory_may_be_trimmed_less_than_before(feeds):
    """It looked for entries where none are left: nobody caught up, and the next trim failed."""
    await feeds.append(*range(700))
    for keep in (1, 690, 1):
        await feeds.feed.trim("orders", keep)
    follower = await feeds.follower()
    assert follower.seen == [699]


async def test_an_inbox_that_is_closed_twice_leaves_its_store_to_the_next(bench):
    store = MemoryInboxStore()
    before = Inbox(socketio.AsyncServer(async_mode="aiohttp"), store)
    await before.close()
    inbox = Inbox(bench.server.sio, store, namespace="/next")
    await before.close()
    feed = Feed(bench.server.sio, store, namespace="/next")
    async with feed.transaction():
        looking = asyncio.create_task(inbox.dead_letters())
        await asyncio.wait({looking}, timeout=0.05)
        assert not looking.done()
    assert await looking == []
    await inbox.close()
    await feed.close()


@pytest.mark.parametrize("on_disk", [True, False])
async def test_to_forget_outboxes_is_not_to_forget_what_was_read(feeds, tmp_path, on_disk):
    """A server that also follows another one has one store: it read all entries again."""
    store = SQLiteInboxStore(tmp_path / "relay.db") if on_disk else MemoryInboxStore()
    inbox = Inbox(socketio.AsyncServer(async_mode="aiohttp"), store)
    await feeds.append(0, 1)
    seen = []
    first = await feeds.follower(store, handler=lambda _, number: seen.append(number))
    assert await inbox.forget(0) == 0
    await first.close()
    await feeds.append(2)
    second = await feeds.follower(store, handler=lambda _, number: seen.append(number))
    assert seen == [0, 1, 2]
    await second.close()
    await inbox.close()


async def test_dead_letters_of_a_follower_are_not_those_of_an_inbox(feeds):
    """With one store, an inbox applied them with a handler of its own."""
    store = MemoryInboxStore()
    inbox = Inbox(socketio.AsyncServer(async_mode="aiohttp"), store)

    def later(_db, _number):
        raise Retry("not yet")

    await feeds.append(0)
    follower = await feeds.follower(store, handler=later, retry_limit=1)
    assert await inbox.dead_letters() == []
    assert len(await follower.dead_letters()) == 1
    await inbox.close()


async def test_an_outbox_is_started_at_least_once(bench):
    """An epoch of 0, which only a forger has, would never be forgotten."""
    async with connection(bench) as client:
        assert (await greet(client, epoch=0))["error"] == "UnknownProducerError"


# --- wrong calls, and what JSON cannot be -----------------------------------------------------


@pytest.mark.parametrize("store", ["inbox.db", MemoryInboxStore, MemoryOutboxStore()])
async def test_what_is_no_store_is_refused_at_once(quiet, store):
    sio = socketio.AsyncServer(async_mode="aiohttp")
    for make in (Inbox, Feed):
        with pytest.raises(UsageError):
            make(sio, store)
    with pytest.raises(UsageError):
        Follower(socketio.AsyncClient(handle_sigint=False), store)


@pytest.mark.parametrize("store", ["outbox.db", MemoryInboxStore(), MemoryOutboxStore])
async def test_what_is_no_store_of_an_outbox_is_refused_at_once(quiet, store):
    with pytest.raises(UsageError):
        Outbox(socketio.AsyncClient(handle_sigint=False), store)


@pytest.mark.parametrize("may_read", [5, lambda sid: True])
async def test_a_function_that_cannot_be_asked_is_refused_at_once(quiet, may_read):
    with pytest.raises(UsageError):
        Feed(socketio.AsyncServer(async_mode="aiohttp"), may_read=may_read)


async def test_a_handler_that_closes_its_inbox_is_told_so(quiet, url):
    """It waited for its own end for ten seconds, and its inbox refused everybody."""
    bench = DeliveryBench()
    await bench.start_server(PostgresInboxStore(url))

    @bench.inbox.on("close")
    async def close(_db, _payload):
        await bench.inbox.close()

    outbox = await bench.outbox(ack_timeout=60)
    with pytest.raises(HandlerError, match="UsageError"):
        await outbox.send("close")
    assert await outbox.send("note", 1) == 1
    await bench.close()


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


async def test_what_is_nested_deeper_than_any_reader_takes_is_refused(feeds):
    """At the edge, an entry that was appended could not be read, and stopped its follower."""
    for depth in (299, 900):
        with pytest.raises(PayloadError, match="nested"):
            write_message("note", {"a": nested(depth)})
    await feeds.append(nested(298), [[1]] * 500)
    follower = await feeds.follower()
    assert follower.seen == [nested(298), [[1]] * 500]


@pytest.mark.parametrize("number", ["1e999", "-1e999", "[1e400]"])
async def test_no_handler_gets_an_infinite_number(bench, number):
    async with connection(bench) as client:
        welcome = await greet(client)
        batch = {"producer": welcome["producer"], "epoch": 1, "first": 0, "after": ""}
        batch |= {"confirmed": 0, "messages": [f'["{"A" * 16}","note",{number}]']}
        assert (await client.call(EVENT, batch))["error"] == "BatchError"
    assert bench.applied == []
    assert json.loads(write_message("note", 1.5e300))[2] == 1.5e300


# --- a deploy, a second worker, a rights service: what production does ------------------------


async def test_a_transaction_whose_commit_fails_takes_no_others_message_with_it(bench, tmp_path):
    outbox = await bench.outbox(SQLiteOutboxStore(tmp_path / "outbox.db", LATE))
    receipts = []

    async def write():
        async with outbox.transaction() as db:
            db.execute("INSERT INTO late VALUES (9)")
            receipts.append(db.send("note", 1))
            receipts.append(outbox.send("note", 2))
            # Between the block and its commit:
            asyncio.get_running_loop().call_soon(lambda: receipts.append(outbox.send("note", 3)))

    with pytest.raises(StoreError, match="FOREIGN KEY"):
        await write()
    with pytest.raises(StoreError):
        await receipts[0]
    assert [await receipt for receipt in receipts[1:]] == [2, 3]
    assert bench.applied == [2, 3]


async def test_a_transaction_without_a_message_says_that_its_commit_failed(bench, tmp_path):
    path = tmp_path / "outbox.db"
    outbox = await bench.outbox(SQLiteOutboxStore(path, LATE))
    with pytest.raises(StoreError, match="FOREIGN KEY"):
        async with outbox.transaction() as db:
            db.execute("INSERT INTO late VALUES (9)")
    assert column(path, "SELECT account FROM late") == []


async def test_what_follows_a_commit_that_nobody_waited_for_needs_no_other(disk, monkeypatch):
    """A replay was given up while it was committed: its callback came at the next start."""
    began, go_on, failures, calls = threading.Event(), threading.Event(), [Retry("not yet")], []
    disk.inbox._applier._retry_limit = 1

    @disk.inbox.on("later")
    def later(_db, _number):
        if failures:
            raise failures.pop()

    @disk.inbox.after_commit("later")
    async def follows(received):
        calls.append(received.payload)

    outbox = await disk.outbox()
    with pytest.raises(DeadLetterError):
        await outbox.send("later", 7)
    (letter,) = await disk.inbox.dead_letters()
    commit = disk.inbox.store.commit

    def commit_slowly():
        began.set()
        go_on.wait(10)
        commit()

    with monkeypatch.context() as patch:
        patch.setattr(disk.inbox.store, "commit", commit_slowly)
        replaying = asyncio.create_task(disk.inbox.replay(letter))
        await wait_until(began.is_set)
        replaying.cancel()
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.wait({replaying})
    await wait_until(lambda: calls == [7])
    assert await disk.inbox.dead_letters() == []


@pytest.mark.parametrize("on_disk", [True, False])
async def test_a_dead_letter_outlives_a_restart_in_another_log(feeds, tmp_path, on_disk):
    """The entry of the same number in the new log took its place."""

    def later(_db, _number):
        raise Retry("not yet")

    await feeds.append("old")
    store = SQLiteInboxStore(tmp_path / "client.db") if on_disk else MemoryInboxStore()
    follower = await feeds.follower(store, handler=later, retry_limit=1)
    async with feeds.link.refuse():
        await feeds.link.cut()
        await feeds.restart(MemoryInboxStore())
    await feeds.append("new")
    await wait_until(lambda: isinstance(follower.last_error, RestoredError))
    for _ in range(2):
        await follower.restart("orders")
        await follower.follow("orders")
    letters = await follower.dead_letters()
    assert [json.loads(letter.text)[2] for letter in letters] == ["old", "new"]


async def test_a_service_follows_another_with_its_postgres(feeds, url):
    """To restart it failed: "a handler has ended the inbox's transaction"."""
    seen, closed = [], asyncio.Event()

    async def insert(db, number):
        await db.execute("INSERT INTO effects VALUES (%s)", (number,))
        seen.append(number)
        if number == 9:
            with pytest.raises(UsageError):
                await follower.close()
            closed.set()

    await feeds.append(0, 1, 2)
    follower = await feeds.follower(PostgresInboxStore(url), handler=insert)
    await follower.restart("orders", 1)
    await follower.follow("orders")
    assert seen == [0, 1, 2, 1, 2]
    await feeds.append(9)
    await asyncio.wait_for(closed.wait(), 5)


async def test_a_worker_does_not_send_again_what_others_have_sent_long_ago(quiet, tmp_path):
    """Who publishes seldom sent thousands of entries to all followers, which they had."""
    benches = [FeedBench(tmp_path) for _ in range(2)]
    for bench in benches:
        await bench.start(SQLiteInboxStore(tmp_path / "feed.db"))
    often, seldom = benches
    await seldom.append(0)
    await wait_until(lambda: not seldom.feed._tasks)  # it has published that
    async with often.feed.transaction() as db:
        for number in range(1, 7000):
            often.feed.append(db, "orders", "note", number)
    follower = await seldom.follower()
    sent, emit = [], seldom.sio.emit

    async def counting(event, page, *arguments, **options):
        sent.extend(page["entries"]["messages"])
        await emit(event, page, *arguments, **options)

    seldom.sio.emit = counting
    await seldom.append(7000)
    await wait_until(lambda: follower.seen == [*range(7001)])
    assert len(sent) <= 500
    for bench in benches:
        await bench.close()


@pytest.mark.parametrize("namespace", [None, 5, "", "orders"])
async def test_what_is_no_namespace_is_refused_at_once(quiet, namespace):
    """Nobody ever came there, and nothing said so."""
    sio, client = socketio.AsyncServer(async_mode="aiohttp"), socketio.AsyncClient()
    for make, end in ((Inbox, sio), (Feed, sio), (Outbox, client), (Follower, client)):
        with pytest.raises(UsageError, match="namespace"):
            make(end, namespace=namespace)


async def test_what_cannot_follow_a_commit_is_refused_at_once(bench):
    """It was called for ever, and failed each time."""

    async def nothing():
        pass

    async def more(_received, _db):
        pass

    for callback in (nothing, more):
        with pytest.raises(UsageError):
            bench.inbox.after_commit("note", callback)


async def test_no_message_is_blamed_for_what_fails_before_its_handler(quiet, url, monkeypatch):
    """A migration had renamed a table for a moment: a handler was blamed that nobody had called."""
    bench, left, progress = DeliveryBench(), [], PostgresTransaction.progress

    async def gone_for_a_moment(self, producer):
        if left:
            left.pop()
            raise UsageError("The inbox's tables are gone.")
        return await progress(self, producer)

    await bench.start_server(PostgresInboxStore(url))
    outbox = await bench.outbox()
    assert await outbox.send("note", 0) == 0
    monkeypatch.setattr(PostgresTransaction, "progress", gone_for_a_moment)
    for times in range(1, 6):
        left.extend(range(times))
        assert await outbox.send("note", times) == times
        assert left == []
    assert bench.applied == [*range(6)]
    await bench.close()


@pytest.fixture
def denied(monkeypatch):
    """Let commits be denied that have happened, and perhaps the file not be read again."""
    denied = {"commit": 0, "reading": 0}
    control, read_again = SQLiteOutboxStore.control, SQLiteOutboxStore._read_again

    def lie(store, sql):
        control(store, sql)
        if sql == "COMMIT" and denied["commit"]:
            denied["commit"] -= 1
            raise sqlite3.OperationalError("disk I/O error")

    def fail(store):
        if denied["reading"]:
            denied["reading"] -= 1
            raise UncertainError("The disk is away.")
        read_again(store)

    monkeypatch.setattr(SQLiteOutboxStore, "control", lie)
    monkeypatch.setattr(SQLiteOutboxStore, "_read_again", fail)
    return denied


async def test_rows_whose_commit_was_denied_but_happened_are_not_called_lost(
    bench, tmp_path, denied
):
    """Without a message nothing was found in the file: the caller would have written them again."""
    path = tmp_path / "outbox.db"
    outbox = await bench.outbox(SQLiteOutboxStore(path, "CREATE TABLE IF NOT EXISTS mine (x)"))
    assert await outbox.send("note", 1) == 1
    async with outbox.transaction() as db:
        db.execute("INSERT INTO mine VALUES (1)")
        denied["commit"] = 1
    assert denied["commit"] == 0
    assert column(path, "SELECT x FROM mine") == [1]


async def test_what_is_sent_while_the_disk_is_away_does_not_stop_the_outbox(
    bench, tmp_path, denied
):
    """The file had the first message already: all later ones were refused, for good."""
    outbox = await bench.outbox(SQLiteOutboxStore(tmp_path / "outbox.db"))
    assert await outbox.send("note", 0) == 0
    denied |= {"commit": 1, "reading": 1}
    first = outbox.send("note", 1)
    await wait_until(lambda: not denied["reading"])
    second = outbox.send("note", 2)
    assert [await first, await second, await outbox.send("note", 3)] == [1, 2, 3]
    assert bench.applied == [0, 1, 2, 3]


async def test_a_database_that_hangs_at_its_first_use_is_asked_again(quiet, url, monkeypatch):
    """All requests waited for that first one, for ever."""
    monkeypatch.setattr("sio_demo.delivery.postgres_inbox.HANDLERS", 0.3)
    bench, begun = DeliveryBench(), []

    @asynccontextmanager
    async def begin():
        begun.append(1)
        if len(begun) == 1:
            await asyncio.Event().wait()
        async with await psycopg.AsyncConnection.connect(url) as connection:
            yield connection, connection

    await bench.start_server(PostgresInboxStore(begin))
    outbox = await bench.outbox()
    assert await asyncio.wait_for(outbox.send("note", 1), 10) == 1
    await bench.close()


@pytest.mark.parametrize(
    "wait",
    [
        lambda _, db: db.send("note", 1),
        lambda _, db: db.send("note", 1).accepted,
        lambda outbox, _: outbox.send("note", 1),
        lambda outbox, _: outbox.send("note", 1).accepted,
    ],
    ids=["reply", "acceptance", "another's reply", "another's acceptance"],
)
async def test_who_waits_in_a_transaction_for_what_follows_it_is_told_so(bench, tmp_path, wait):
    """The transaction waited for its own end, and all other messages with it, for ever."""
    outbox = await bench.outbox(SQLiteOutboxStore(tmp_path / "outbox.db"))
    with pytest.raises(UsageError, match="for whose end"):
        async with asyncio.timeout(5), outbox.transaction() as db:
            await wait(outbox, db)
    assert await outbox.send("note", 2) == 2


async def test_who_drains_in_a_transaction_is_told_so(bench, tmp_path):
    outbox = await bench.outbox(SQLiteOutboxStore(tmp_path / "outbox.db"))
    outbox.send("note", 1)
    with pytest.raises(UsageError, match="for whose end"):
        async with asyncio.timeout(5), outbox.transaction():
            await outbox.drain()
    await outbox.drain()
    assert bench.applied == [1]


async def test_the_counts_of_an_outbox_go_on_after_a_reissue(bench):
    outbox = await bench.outbox()
    await asyncio.gather(*[outbox.send("note", number) for number in range(3)])
    async with bench.inbox_lost():
        receipt = outbox.send("note", 3)
    with pytest.raises(UnknownProducerError):
        await receipt
    await outbox.reissue()
    await outbox.drain()
    done = outbox.statistics()
    assert (done.sent, done.resent) == (4, 0)


@pytest.mark.parametrize("store", [SQLiteInboxStore, SQLiteOutboxStore])
@pytest.mark.parametrize("path", [":memory:", "file:inbox?mode=memory"])
def test_what_sqlite_would_not_take_for_a_file_is_none(tmp_path, monkeypatch, store, path):
    """A file of that name was made, and the next test found in it what this one had left."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="is no file"):
        store(path)
    assert not (tmp_path / path).exists()


async def test_a_program_that_waits_for_its_client_outlives_an_outage(bench):
    """The client's own reconnection is off: `wait` returned with the first connection."""
    outbox = await bench.outbox()
    client = outbox.client
    client.sleep = lambda _: asyncio.sleep(0)  # which it leaves to that reconnection
    waiting = asyncio.create_task(client.wait())
    async with bench.link.refuse():
        await bench.link.cut()
        await wait_until(lambda: outbox.last_error is not None)
        assert not waiting.done()
    assert await outbox.send("note", 1) == 1
    assert not waiting.done()
    await outbox.close()
    await waiting
    await client.connect(bench.link.url, transports=["websocket"])
    again = asyncio.create_task(client.wait())
    await asyncio.sleep(0)
    assert not again.done()
    await client.disconnect()
    await again


@pytest.mark.parametrize("kind", [Inbox, Feed, Follower])
async def test_a_store_that_is_closed_is_refused_at_once(quiet, tmp_path, kind):
    """Every request was refused with a StoreError, for as long as the server ran."""
    store = SQLiteInboxStore(tmp_path / "inbox.db")
    await Inbox(socketio.AsyncServer(async_mode="aiohttp"), store).close()
    end = socketio.AsyncServer(async_mode="aiohttp")
    with pytest.raises(UsageError, match="is closed"):
        kind(socketio.AsyncClient() if kind is Follower else end, store)


async def test_a_handler_that_wants_the_sender_does_not_have_the_text_read_twice(bench):
    """A megabyte of numbers held up all others for twice as long."""
    same = []
    bench.inbox.on("size", lambda _, payload, received: same.append(payload is received.payload))
    await (await bench.outbox()).send("size", [1.5, 2.5])
    assert same == [True]


async def test_what_is_no_topic_and_no_letter_is_refused_at_once(bench):
    feed = Feed(bench.server.sio, bench.inbox.store)
    for call in lambda: feed.trim(5, 1), lambda: feed.remove("sid", ["orders"]):
        with pytest.raises(UsageError, match="topic"):
            await call()
    for call in bench.inbox.replay, bench.inbox.drop:
        for letter in None, 5, "1":
            with pytest.raises(TypeError):
                await call(letter)
    await feed.close()


# --- a relay, a second event loop, and mistakes in settings ----------------------------------


@pytest.mark.parametrize("on_disk", [True, False])
async def test_no_client_moves_what_a_follower_of_the_same_store_has_read(feeds, tmp_path, on_disk):
    """A topic that is called after an order's UUID was a producer like any other."""
    store = SQLiteInboxStore(tmp_path / "relay.db") if on_disk else MemoryInboxStore()
    relay, order, seen = DeliveryBench(), str(uuid.uuid4()), []
    await relay.start_server(store)
    client = socketio.AsyncClient(handle_sigint=False)
    follower = Follower(client, store)
    follower.on("note", lambda _, number: seen.append(number))
    await client.connect(feeds.server.url, transports=["websocket"])
    async with feeds.feed.transaction() as db:
        feeds.feed.append(db, order, "note", 1)
    await follower.follow(order)
    async with connection(relay) as attacker:
        read = store.progress(order)
        assert (await greet(attacker, order, 5))["error"] == "UnknownProducerError"
        assert (await greet(attacker, order, 5, known=True))["error"] == "UnknownProducerError"
        batch = {"producer": order, "epoch": 0, "first": 1, "after": read.last, "confirmed": 0}
        batch["messages"] = [write_message("note", "forged")]
        assert (await attacker.call(EVENT, batch))["error"] == "BatchError"
    assert store.progress(order) == read
    async with feeds.feed.transaction() as db:
        feeds.feed.append(db, order, "note", 2)
    await wait_until(lambda: seen == [1, 2])
    await follower.close()
    await client.disconnect()
    await relay.close()


async def test_a_refusal_counts_once_although_its_group_is_applied_again(quiet, tmp_path):
    bench = DeliveryBench()
    await bench.start_server(store := SQLiteInboxStore(tmp_path / "inbox.db", LATE))
    bench.inbox.on("late", lambda db, n: db.execute("INSERT INTO late VALUES (?)", (n,)) and None)
    feed = Feed(bench.server.sio, store)
    async with connection(bench) as client:
        batches = [
            {"producer": (await greet(client))["producer"], "epoch": 1, "first": 0}
            | {"after": after, "confirmed": 0, "messages": [write_message("late", 1)]}
            for after in ("", "another")
        ]
        async with feed.transaction():  # so that both are in one group
            calls = [asyncio.create_task(client.call(EVENT, batch)) for batch in batches]
            await wait_until(lambda: bench.inbox.statistics().waiting == 2)
        late, other = await asyncio.gather(*calls)
    assert "FOREIGN KEY" in late["replies"][0]
    assert other["error"] == "ConflictError"
    assert bench.inbox.statistics()[2:] == (1, 0, 0, 1, 0)
    await feed.close()
    await bench.close()


async def test_every_batch_of_a_group_that_fails_counts_as_refused(disk, monkeypatch):
    feed, store = Feed(disk.server.sio, disk.inbox.store), disk.inbox.store

    def fail():
        raise StoreError("The disk is full.")

    async with connection(disk) as client:
        batches = [
            {"producer": (await greet(client))["producer"], "epoch": 1, "first": 0}
            | {"after": "", "confirmed": 0, "messages": [write_message("note", 1)]}
            for _ in range(2)
        ]
        async with feed.transaction():  # so that both are in one group
            calls = [asyncio.create_task(client.call(EVENT, batch)) for batch in batches]
            await wait_until(lambda: disk.inbox.statistics().waiting == 2)
        monkeypatch.setattr(store, "commit", fail)
        answers = await asyncio.gather(*calls)
    assert [answer["error"] for answer in answers] == ["StoreError"] * 2
    assert disk.inbox.statistics().refused == 2
    monkeypatch.undo()
    await feed.close()


@pytest.mark.parametrize("kind", ["memory", "disk", "postgres"])
def test_what_is_made_once_works_in_one_event_loop_after_another(tmp_path, kind, request):
    """Tests of an application do that: its locks and connections were of the first loop."""

    async def use(store, feed, inbox):
        async def append():
            async with feed.transaction() as db:
                entry = feed.append(db, "orders", "order", 1)
                await (entry if kind == "postgres" else asyncio.sleep(0))
            await feed.publish("orders")

        jobs = [append() for _ in range(4)] + [inbox.forget(10) for _ in range(4)]
        async with asyncio.timeout(4):
            await asyncio.gather(*jobs)

    if kind == "postgres":
        name, url = f"test_{uuid.uuid4().hex}", request.getfixturevalue("postgres").url
        with psycopg.connect(url, autocommit=True) as database:
            database.execute(f"CREATE SCHEMA {name}")
        store = PostgresInboxStore(make_conninfo(url, options=f"-c search_path={name}"))
    else:
        store = SQLiteInboxStore(tmp_path / "i.db") if kind == "disk" else MemoryInboxStore()
    sio = socketio.AsyncServer(async_mode="aiohttp")
    feed, inbox = Feed(sio, store), Inbox(sio, store)
    for _ in range(3):
        asyncio.run(use(store, feed, inbox))


async def test_a_client_reconnects_by_itself_again_when_its_outbox_is_closed(bench):
    outbox = await bench.outbox()
    assert not outbox.client.reconnection
    await outbox.close()
    assert outbox.client.reconnection


@pytest.mark.parametrize("path", ["", "orders", "text", ":memory:"])
def test_a_store_that_cannot_be_opened_leaves_no_lock(tmp_path, monkeypatch, path):
    place = tmp_path / "app"
    (place / "orders").mkdir(parents=True)
    (place / "text").write_text("This is no database.\n" * 50)
    monkeypatch.chdir(place)
    with pytest.raises((StoreError, UsageError)):
        SQLiteOutboxStore(path)
    assert list(tmp_path.rglob("*.lock")) == []


@pytest.mark.parametrize(
    "database", ["orders.db", "hostt=127.0.0.1", "postgres//127.0.0.1/shop", "mysql://shop"]
)
def test_what_is_no_connection_string_is_refused_at_once(database):
    """Every message was refused with a StoreError, for as long as the server ran."""
    with pytest.raises(UsageError, match="connection"):
        PostgresInboxStore(database)


# --- mistakes that are named, and are not tried for ever -------------------------------------


async def test_who_follows_where_the_client_is_not_connected_is_told_so(bench):
    """The outbox had connected before: the words were about a server without a feed."""
    feed = Feed(bench.server.sio, namespace="/news")
    outbox = await bench.outbox()
    follower = Follower(outbox.client, namespace="/news", interval=0.02)
    following = asyncio.create_task(follower.follow("orders"))
    await wait_until(lambda: follower.last_error is not None)
    assert "/news is not a connected namespace" in str(follower.last_error)
    await follower.close()
    with pytest.raises(ClosedError):
        await following
    await feed.close()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT currval('numbers')",
        "INSERT INTO counted VALUES (1)",
        "COPY effects FROM '/nowhere/effects'",
    ],
)
async def test_a_statement_that_can_never_work_is_not_tried_for_ever(quiet, url, sql):
    """PostgreSQL has classes of errors that are the server's, and some of a statement's in them."""
    bench = DeliveryBench()
    await bench.start_server(PostgresInboxStore(url))
    async with connected(url) as db:
        await db.execute("CREATE SEQUENCE numbers")
        await db.execute("CREATE VIEW counted AS SELECT count(*) FROM effects")

    async def mistaken(db, _):
        await db.execute(sql)

    bench.inbox.on("mistaken", mistaken)
    outbox = await bench.outbox()
    with pytest.raises(HandlerError):
        async with asyncio.timeout(5):
            await outbox.send("mistaken")
    assert await outbox.send("note", 1) == 1
    await bench.close()


# --- two who want one thing, and who has gone meanwhile ---------------------------------------


async def test_a_client_has_one_outbox_at_a_time(bench):
    """While the server was down, two of them made their connections with the same client."""
    client, unused = socketio.AsyncClient(handle_sigint=False), "http://127.0.0.1:9"
    pair = [Outbox(client, **QUICK), Outbox(client, namespace="/shop", **QUICK)]
    opened = await asyncio.gather(*[one.open(unused) for one in pair], return_exceptions=True)
    assert [type(one) for one in opened] == [type(None), UsageError]
    with pytest.raises(UsageError, match="Give each outbox a client"):
        await pair[1].open(unused)
    for one in pair:
        await one.close()
    assert await (await bench.outbox(client=client)).send("note", 1) == 1


async def test_a_producer_goes_to_no_user_whose_connection_has_gone(bench):
    """The query took longer than the connection: who was asked then knew the sid no more."""
    users, asked, answered = {"": "nobody"}, [], asyncio.Event()

    async def user(sid):
        asked.append(sid)
        await answered.wait()
        return users.get(sid)

    sio = bench.server.sio
    inbox = Inbox(sio, namespace="/users", user=user)
    inbox.on("note", lambda db, payload, sender: sender.user)
    sio.on("connect", lambda sid, environ: users.update({sid: "ann"}), namespace="/users")
    sio.on("disconnect", lambda sid, reason: users.pop(sid), namespace="/users")
    opening = asyncio.create_task(bench.outbox(namespace="/users", ack_timeout=5))
    await wait_until(lambda: asked)
    await sio.disconnect(asked[0], namespace="/users")
    await wait_until(lambda: asked[0] not in users)
    answered.set()
    outbox = await opening
    assert await outbox.send("note", 1) == "ann"
    await outbox.close()
    await inbox.close()


@pytest.mark.parametrize("kind", ["memory", "disk", "postgres"])
async def test_a_topic_is_no_outbox_of_its_user(feeds, tmp_path, url, kind):
    """Topics that a relay followed counted against `max_producers`."""
    if kind == "postgres":
        store = PostgresInboxStore(url)
    else:
        store = SQLiteInboxStore(tmp_path / "in.db") if kind == "disk" else MemoryInboxStore()
    inbox = Inbox(feeds.server.sio, store, max_producers=1)
    await feeds.append(1)
    await feeds.follower(store, handler=lambda db, number: None)
    client = feeds.followers[-1][1]
    assert "error" not in await greet(client)
    assert (await greet(client))["error"] == "QuotaError"
    await inbox.close()


@pytest.mark.parametrize("url", ["127.0.0.1:5000", "", None, lambda: "127.0.0.1:5000"])
async def test_an_address_without_a_scheme_is_refused_by_name(quiet, url):
    """It was tried for ever, at an address without a host."""
    outbox = Outbox(socketio.AsyncClient(handle_sigint=False), **QUICK)
    with pytest.raises(ValueError, match="A URL begins with http"):
        await outbox.open(url)


@pytest.mark.parametrize("kind", [SQLiteInboxStore, SQLiteOutboxStore])
def test_a_file_that_another_is_just_making_is_waited_for(tmp_path, monkeypatch, kind):
    """Workers that began together met: SQLite does not wait for who writes without a log yet."""
    path = tmp_path / "new.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr(time, "sleep", lambda seconds: other.execute("COMMIT"))
        kind(path).close()
