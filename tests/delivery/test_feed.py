"""Feeds and followers, on a real server, with a link that breaks in between."""

import asyncio
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

import psycopg
import pytest
import socketio
from kit import connected

from sio_demo.delivery import (
    Feed,
    Follower,
    Inbox,
    MemoryInboxStore,
    Outbox,
    PostgresInboxStore,
    SQLiteInboxStore,
)
from sio_demo.delivery.message import FEED, Batch, Page, Question
from sio_demo.delivery.transactions import settled
from sio_demo.errors import (
    DeadLetterError,
    ForbiddenError,
    GapError,
    HandlerError,
    PayloadError,
    RestoredError,
    Retry,
    SequenceError,
    StoreError,
    UsageError,
)
from sio_demo.lab.bench import Bench, new_client, shut_down
from sio_demo.lab.waiting import wait_until

SCHEMA = "CREATE TABLE IF NOT EXISTS seen (number INTEGER)"
QUICK = {"retry_delay": 0.01, "retry_delay_max": 0.05}
PROCESS = str(Path(__file__).with_name("feed_process.py"))


class FeedBench(Bench):
    """A server with a feed, and followers whose client comes back within milliseconds."""

    def __init__(self, path):
        super().__init__()
        self.path, self.followers = path, []
        self.pings = {"ping_interval": 0.5, "ping_timeout": 0.5}

    async def start(self, store=None, **options):
        sio = socketio.AsyncServer(async_mode="aiohttp", **self.pings)
        self.feed = Feed(sio, store, **options)
        await self.serve(sio)

    async def restart(self, store):
        await self.server.close()
        await self.feed.close()
        await self.start(store)

    async def append(self, *numbers, topic="orders"):
        for number in numbers:
            async with self.feed.transaction() as db:
                await settled(self.feed.append(db, topic, "note", number))

    async def follower(self, store=None, topics=("orders",), handler=None, **options):
        """Make a follower that notes what it reads in `seen`, or in its database."""
        client = new_client()
        follower = Follower(client, store, **(QUICK | options))
        follower.seen = []
        follower.note = lambda _, number: follower.seen.append(number)
        self.followers.append((follower, client))
        on_disk = isinstance(store, SQLiteInboxStore)
        follower.on(
            "note", handler or (insert if on_disk else lambda _, n: follower.seen.append(n))
        )
        await self.connect(client)
        for topic in topics:
            async with asyncio.timeout(10):
                await follower.follow(topic)
        return follower

    async def leave(self):
        follower, client = self.followers.pop()
        await follower.close()
        await shut_down(client)

    async def close(self):
        while self.followers:
            await self.leave()
        await super().close()
        await self.feed.close()


def insert(db, number):
    db.execute("INSERT INTO seen VALUES (?)", (number,))


def rows(path):
    with closing(sqlite3.connect(path)) as db:
        return [number for (number,) in db.execute("SELECT number FROM seen ORDER BY rowid")]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


async def until(condition):
    await wait_until(condition, 20, "The follower does not get there.")


@pytest.fixture
async def disk(quiet, tmp_path):
    bench = FeedBench(tmp_path)
    await bench.start(SQLiteInboxStore(tmp_path / "feed.db", SCHEMA))
    yield bench
    await bench.close()


@pytest.fixture(params=["memory", "disk", "postgres"])
async def either(request, quiet, tmp_path, url):
    bench = FeedBench(tmp_path)
    stores = {
        "memory": MemoryInboxStore,
        "disk": lambda: SQLiteInboxStore(tmp_path / "feed.db"),
        "postgres": lambda: PostgresInboxStore(url),
    }
    await bench.start(stores[request.param]())
    yield bench
    await bench.close()


@pytest.fixture
async def pg(quiet, tmp_path, url):
    bench = FeedBench(tmp_path)
    await bench.start(PostgresInboxStore(url))
    yield bench
    await bench.close()


async def test_what_was_there_before_and_what_comes(either):
    await either.append(0, 1)
    follower = await either.follower()
    assert follower.seen == [0, 1]
    await either.append(2)
    await until(lambda: follower.seen == [0, 1, 2])


async def test_an_empty_topic_can_be_followed(either):
    follower = await either.follower()
    await either.append(0)
    await until(lambda: follower.seen == [0])


async def test_many_pages_and_many_characters(either):
    async with either.feed.transaction() as db:
        for number in range(1200):
            await settled(either.feed.append(db, "orders", "note", number))
        for letter in "abc":
            await settled(either.feed.append(db, "orders", "note", letter * 600_000))
    follower = await either.follower()
    assert follower.seen == [*range(1200), *(letter * 600_000 for letter in "abc")]


async def test_topics_are_apart(either):
    follower = await either.follower(topics=["orders", "news"])
    other = await either.follower(topics=["news"])
    await either.append(0, 1)
    await either.append(2, topic="news")
    await until(lambda: sorted(follower.seen) == [0, 1, 2] and other.seen == [2])


async def test_who_is_not_connected_waits_for_no_answer(disk):
    follower = await disk.follower(interval=0.02)
    reading, client = follower._topics["orders"], follower._client
    async with disk.link.refuse():
        await disk.link.cut()
        await until(lambda: not client.connected)
        before, times = follower.last_error, set()  # before: on a slow machine it has waited
        await until(lambda: times.add(reading.due) or len(times) > 3)  # it has tried to ask
        assert follower.last_error is before


async def test_resets_and_half_open_lines_while_entries_are_appended(disk):
    follower = await disk.follower(SQLiteInboxStore(disk.path / "client.db", SCHEMA))
    for number in range(120):
        await disk.append(number)
        if number % 20 == 5:
            await disk.link.cut()
        if number % 40 == 15:
            await disk.link.cut("half-open")
    await until(lambda: len(rows(disk.path / "client.db")) == 120)
    assert rows(disk.path / "client.db") == list(range(120))
    assert follower.last_error is None


async def test_a_server_that_is_restarted(disk):
    follower = await disk.follower()
    await disk.append(0)
    async with disk.link.refuse():
        await disk.link.cut()
        await disk.restart(SQLiteInboxStore(disk.path / "feed.db"))
        await disk.append(1)
    await until(lambda: follower.seen == [0, 1])


async def test_a_client_that_is_restarted(disk):
    path = disk.path / "client.db"
    await disk.follower(SQLiteInboxStore(path, SCHEMA))
    await disk.append(0)
    await until(lambda: rows(path) == [0])
    await disk.leave()
    await disk.append(1, 2)
    await disk.follower(SQLiteInboxStore(path, SCHEMA))
    assert rows(path) == [0, 1, 2]


@pytest.mark.parametrize("failing", range(5))
async def test_a_commit_that_fails_takes_back_effect_and_offset(disk, failing, monkeypatch):
    store, commits = SQLiteInboxStore(disk.path / "client.db", SCHEMA), []
    commit = store.commit

    def fail_once():
        commits.append(None)
        if len(commits) == failing + 1:
            raise StoreError("The disk is full.")
        commit()

    monkeypatch.setattr(store, "commit", fail_once)
    await disk.append(0, 1)
    await disk.follower(store)
    await disk.append(2)
    await disk.append(3)
    async with asyncio.timeout(5):
        await until(lambda: len(rows(store.path)) == 4)
    assert rows(store.path) == [0, 1, 2, 3]


async def test_both_processes_are_killed_again_and_again(tmp_path):
    """The server appends numbers, the client stores them; kill -9 hits in the middle of either."""
    server, client = tmp_path / "server.db", tmp_path / "client.db"

    def spawn(*arguments):
        return subprocess.Popen([sys.executable, PROCESS, *map(str, arguments)])

    def count(path):
        return len(rows(path)) if path.exists() else 0

    async def killed(process, path, more):
        goal = count(path) + more
        await until(lambda: count(path) >= goal)
        process.send_signal(signal.SIGKILL)
        process.wait()

    for path in (server, client):
        SQLiteInboxStore(path, SCHEMA).close()
    port = free_port()
    serving, following = spawn("server", server, port), spawn("client", client, port)
    try:
        for _ in range(3):
            await killed(following, client, 20)
            following = spawn("client", client, port)
            await killed(serving, server, 20)
            serving = spawn("server", server, port)
        await killed(serving, server, 20)
        serving = spawn("server-quiet", server, port)
        await until(lambda: count(client) == count(server))
    finally:
        for process in (serving, following):
            process.kill()
            process.wait()
    assert rows(client) == rows(server) == list(range(count(server)))


async def test_what_was_not_published_comes_with_the_next_entry(disk):
    follower = await disk.follower()
    await disk.append(0)
    store = disk.feed.store
    store.begin()  # as another process does, which dies before it publishes
    disk.feed.append(store.db, "orders", "note", 1)
    store.commit()
    disk.feed._published.clear()  # only the last entry is sent: a gap
    await disk.append(2)
    await until(lambda: follower.seen == [0, 1, 2])
    assert follower.last_error is None


async def test_what_was_not_published_comes_after_the_interval(disk):
    follower = await disk.follower(interval=0.05)
    store = disk.feed.store
    store.begin()
    disk.feed.append(store.db, "orders", "note", 0)
    store.commit()
    await until(lambda: follower.seen == [0])


async def test_a_gap_that_stays_is_reported_and_passed(either):
    gaps = []
    follower = await either.follower(on_gap=lambda *gap: gaps.append(gap))
    await either.append(0)
    await until(lambda: follower.seen == [0])
    async with either.link.refuse():
        await either.link.cut()
        await either.append(*range(1, 10))
        await either.feed.trim("orders", keep=3)
    await until(lambda: follower.seen == [0, 7, 8, 9])
    assert gaps == [("orders", 1, 7)]
    assert isinstance(follower.last_error, GapError)


async def test_a_follower_that_has_read_up_to_the_trimmed_edge_has_no_gap(either):
    follower = await either.follower()
    await either.append(0, 1, 2)
    await until(lambda: follower.seen == [0, 1, 2])
    async with either.link.refuse():
        await either.link.cut()
        await either.append(3, 4)
        await either.feed.trim("orders", keep=2)
    await until(lambda: follower.seen == [0, 1, 2, 3, 4])
    assert follower.last_error is None


@pytest.mark.parametrize("after", [0, 1, 3], ids=["shorter", "as long", "longer"])
async def test_a_log_that_was_restored_is_refused_by_name(disk, after):
    path = disk.path / "client.db"
    follower = await disk.follower(SQLiteInboxStore(path, SCHEMA))
    await disk.append(0)
    with closing(sqlite3.connect(disk.path / "feed.db")) as db:
        db.execute("VACUUM INTO ?", [str(disk.path / "backup.db")])
    await disk.append(1)
    await until(lambda: rows(path) == [0, 1])
    async with disk.link.refuse():
        await disk.link.cut()
        await disk.restart(SQLiteInboxStore(disk.path / "backup.db"))
        await disk.append(*range(2, 2 + after))
    await until(lambda: isinstance(follower.last_error, RestoredError))
    with pytest.raises(RestoredError, match=r"Follower\.restart"):
        await follower.follow("orders")
    assert rows(path) == [0, 1]
    await follower.restart("orders", 1)
    await follower.follow("orders")
    assert rows(path) == [0, 1, *range(2, 2 + after)]


async def test_another_log_is_refused_by_name(disk):
    follower = await disk.follower()
    await disk.append(0)
    await until(lambda: follower.seen == [0])
    async with disk.link.refuse():
        await disk.link.cut()
        await disk.restart(MemoryInboxStore())
        await disk.append(1)
    await until(lambda: isinstance(follower.last_error, RestoredError))
    await follower.restart("orders")
    await follower.follow("orders")
    assert follower.seen == [0, 1]


async def test_a_follower_that_was_restored_reads_again_what_it_lost(disk):
    await disk.append(0, 1)
    await disk.follower(SQLiteInboxStore(disk.path / "client.db", SCHEMA))
    await disk.leave()
    shutil.copy(disk.path / "client.db", disk.path / "copy.db")
    await disk.append(2)
    for name in ("client.db", "copy.db"):
        await disk.follower(SQLiteInboxStore(disk.path / name, SCHEMA))
        assert rows(disk.path / name) == [0, 1, 2]


async def test_a_client_that_goes_while_it_asks_is_no_error_of_the_feed(quiet, tmp_path, caplog):
    bench, gone = FeedBench(tmp_path), asyncio.Event()

    async def may_read(sid, _topic):
        if not gone.is_set():
            await bench.sio.disconnect(sid)
            gone.set()
        return True

    await bench.start(may_read=may_read)
    client = new_client()
    await bench.connect(client)
    await client.emit(FEED, Question("orders", 0).to_wire())
    await gone.wait()
    await shut_down(client)
    await bench.follower()
    assert "failed" not in caplog.text
    await bench.close()


async def test_who_may_not_read_is_told_so(quiet, tmp_path):
    bench, allowed = FeedBench(tmp_path), {"orders"}

    async def may_read(_sid, topic):
        return topic in allowed

    await bench.start(may_read=may_read)
    follower = await bench.follower()
    with pytest.raises(ForbiddenError, match="secrets"):
        await follower.follow("secrets")
    await bench.append(0, topic="secrets")
    await bench.append(1)
    await until(lambda: follower.seen == [1])
    allowed.add("secrets")
    await follower.follow("secrets")
    assert follower.seen == [1, 0]
    allowed.discard("secrets")
    await bench.feed.remove(bench.live()[0], "secrets")
    await bench.append(2, topic="secrets")
    await bench.append(3)
    await until(lambda: 3 in follower.seen)
    assert follower.seen == [1, 0, 3]
    await bench.close()


async def test_a_right_that_is_withdrawn_while_it_is_looked_up_is_gone(quiet, tmp_path):
    bench, allowed, asked, answer = FeedBench(tmp_path), True, asyncio.Event(), asyncio.Event()

    async def may_read(_sid, _topic):
        found = allowed
        asked.set()
        await answer.wait()
        return found

    await bench.start(may_read=may_read)
    await bench.append(0)
    client = new_client()
    await bench.connect(client)
    page = asyncio.create_task(client.call(FEED, Question("orders", 0).to_wire()))
    await asked.wait()
    allowed = False
    await bench.feed.remove(sid := bench.live()[0], "orders")
    answer.set()
    assert (await page)["error"] == "ForbiddenError"
    assert bench.sio.rooms(sid) == [sid]
    await shut_down(client)
    await bench.close()


async def test_a_question_that_waits_is_not_answered_after_a_withdrawal(quiet, tmp_path):
    bench, allowed = FeedBench(tmp_path), {"orders"}
    await bench.start(may_read=lambda _sid, topic: topic in allowed)
    client = new_client()
    await bench.connect(client)
    async with bench.feed.transaction() as db:
        page = asyncio.create_task(client.call(FEED, Question("orders", 0).to_wire()))
        await until(lambda: len(bench.sio.rooms(bench.live()[0])) == 2)
        bench.feed.append(db, "orders", "note", 1)
        allowed.clear()
        await bench.feed.remove(bench.live()[0], "orders")
    assert (await page).get("error") == "ForbiddenError"
    await shut_down(client)
    await bench.close()


async def test_a_handler_that_raises_leaves_no_effect_and_is_visible(disk):
    path = disk.path / "client.db"

    def odd_is_wrong(db, number):
        insert(db, number)
        if number % 2:
            raise ValueError(f"{number} is odd")

    await disk.append(0, 1, 2)
    follower = await disk.follower(SQLiteInboxStore(path, SCHEMA), handler=odd_is_wrong)
    assert rows(path) == [0, 2]
    assert isinstance(follower.last_error, HandlerError)
    assert "1 is odd" in str(follower.last_error)


async def test_a_retry_stays_in_its_place(either):
    seen, attempts = [], []

    def later(_, number):
        attempts.append(number)
        if attempts.count(1) < 3 and number == 1:
            raise Retry("not yet")
        seen.append(number)

    await either.append(0, 1, 2)
    await either.follower(handler=later)
    assert seen == [0, 1, 2]
    assert attempts == [0, 1, 1, 1, 2]


async def test_an_answer_that_takes_longer_than_the_interval_counts(quiet, tmp_path):
    bench, asked = FeedBench(tmp_path), []

    async def may_read(_sid, _topic):
        asked.append(asyncio.Event())
        for earlier in asked[:-2]:  # they wait until two more have been asked
            earlier.set()
        if len(asked) < 10:
            await asked[-1].wait()
        return True

    await bench.start(may_read=may_read)
    await bench.append(0)
    follower = await bench.follower(interval=0.02)
    assert follower.seen == [0]
    assert len(asked) < 10
    for one in asked:
        one.set()
    await bench.close()


async def test_while_an_entry_is_tried_again_no_answers_heap_up(either):
    waiting = []

    def later(_, number):
        waiting.append(len(follower._topics["orders"].arrived))
        if len(waiting) < 30:
            raise Retry("not yet")

    follower = await either.follower(handler=later, interval=0.05)
    await either.append(0)
    await until(lambda: len(waiting) == 30)
    assert max(waiting) <= 3


async def test_an_entry_that_cannot_be_applied_becomes_a_dead_letter(either):
    def never(_, number):
        if number == 1:
            raise Retry("never")
        seen.append(number)

    seen = []
    await either.append(0, 1, 2)
    follower = await either.follower(handler=never, retry_limit=2)
    assert seen == [0, 2]
    assert isinstance(follower.last_error, DeadLetterError)
    [letter] = await follower.dead_letters()
    assert (letter.producer, letter.sequence) == ("orders", 1)


async def test_a_handler_of_an_inbox_appends_in_its_transaction(disk):
    inbox = Inbox(disk.sio, disk.feed.store)

    @inbox.on("order")
    def order(db, number):
        disk.feed.append(db, "orders", "note", number)
        if number == 1:
            raise ValueError("no")

    @inbox.after_commit("order")
    async def tell(_):
        await disk.feed.publish("orders")

    follower = await disk.follower()
    outbox = Outbox(socketio.AsyncClient(handle_sigint=False))
    await outbox.open(disk.link.url, transports=["websocket"])
    for number in range(3):
        outbox.send("order", number)
    await outbox.drain()
    await until(lambda: follower.seen == [0, 2])
    await outbox.close()
    await inbox.close()


async def test_a_coroutine_of_an_inbox_appends_in_its_transaction(pg):
    inbox = Inbox(pg.sio, pg.feed.store)

    @inbox.on("order")
    async def order(db, number):
        await pg.feed.append(db, "orders", "note", number)
        if number == 1:
            raise ValueError("no")

    @inbox.after_commit("order")
    async def tell(_):
        await pg.feed.publish("orders")

    follower = await pg.follower()
    outbox = Outbox(socketio.AsyncClient(handle_sigint=False), **QUICK)
    await outbox.open(pg.link.url, transports=["websocket"])
    for number in range(40):
        receipt = outbox.send("order", number)
        await pg.append(100 + number)
        if number == 20:
            await receipt.accepted
            await pg.link.cut()
    await outbox.drain()
    await until(lambda: len(follower.seen) >= 79)
    assert [n for n in follower.seen if n < 100] == [0, *range(2, 40)]
    assert [n for n in follower.seen if n >= 100] == list(range(100, 140))
    assert follower.last_error is None
    await outbox.close()
    await inbox.close()


async def test_the_session_of_an_application_appends_too(quiet, tmp_path, url):
    """Whatever the handlers get as ``db``: the entry is in the transaction of its connection."""

    @asynccontextmanager
    async def begin():
        async with await psycopg.AsyncConnection.connect(url) as connection:
            yield connection, object()

    bench = FeedBench(tmp_path)
    await bench.start(PostgresInboxStore(begin))
    with suppress(ZeroDivisionError):
        async with bench.feed.transaction() as db:
            await bench.feed.append(db, "orders", "note", 0)
            raise ZeroDivisionError
    await bench.append(1, 2)
    follower = await bench.follower()
    assert follower.seen == [1, 2]
    await bench.close()


async def test_postgres_shows_offsets_in_order_and_without_gaps(pg, url):
    """A transaction that has appended holds up the next one, which so has the next offset."""
    appended, leave = asyncio.Event(), asyncio.Event()

    async def append(number):
        async with pg.feed.transaction() as db:
            await pg.feed.append(db, "orders", "note", number)
            appended.set()
            await leave.wait()

    async def waiting():
        found = await (
            await watch.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        ).fetchone()
        return found[0]

    await pg.append(0)
    follower = await pg.follower()
    async with connected(url) as watch:
        one = asyncio.create_task(append(1))
        await appended.wait()
        appended.clear()
        two = asyncio.create_task(append(2))
        while not await waiting():
            assert not appended.is_set()
        assert follower.seen == [0]
        leave.set()
        await asyncio.gather(one, two)
        await until(lambda: follower.seen == [0, 1, 2])
        found = await watch.execute("SELECT number FROM feed_entries ORDER BY number")
        assert await found.fetchall() == [(0,), (1,), (2,)]
    assert follower.last_error is None


async def test_workers_of_one_postgres_append_while_others_read(pg, url):
    """Several stores append to a topic at the same time; a reader never sees one come late."""
    others = [Feed(socketio.AsyncServer(), PostgresInboxStore(url)) for _ in range(3)]
    await pg.append(0)
    follower = await pg.follower(interval=0.1)

    async def work(feed, worker):
        for number in range(40):
            async with feed.transaction() as db:
                await feed.append(db, "orders", "note", [worker, number])
                if number % 5 == 0:
                    await db.execute("SELECT pg_sleep(0.01)")

    tasks = [asyncio.create_task(work(feed, n)) for n, feed in enumerate(others)]
    await until(lambda: len(follower.seen) > 30)
    await pg.link.cut()
    await asyncio.gather(*tasks)
    await until(lambda: len(follower.seen) == 121)
    for worker in range(3):
        assert [n for n in follower.seen[1:] if n[0] == worker] == [[worker, n] for n in range(40)]
    assert not isinstance(follower.last_error, SequenceError)
    for feed in others:
        await feed.close()


async def test_offsets_of_two_transactions_become_visible_in_order(disk):
    first, second = asyncio.Event(), asyncio.Event()

    async def append(number, entered, leave):
        async with disk.feed.transaction() as db:
            disk.feed.append(db, "orders", "note", number)
            entered.set()
            await leave.wait()

    follower, leave = await disk.follower(), asyncio.Event()
    one = asyncio.create_task(append(0, first, leave))
    await first.wait()
    two = asyncio.create_task(append(1, second, leave))
    await asyncio.sleep(0)
    assert not second.is_set()
    leave.set()
    await asyncio.gather(one, two)
    await until(lambda: follower.seen == [0, 1])


async def test_a_transaction_that_fails_leaves_no_entry_and_no_number(either):
    follower = await either.follower()
    with suppress(ZeroDivisionError):
        async with either.feed.transaction() as db:
            await settled(either.feed.append(db, "orders", "note", 0))
            raise ZeroDivisionError
    await either.append(1)
    await until(lambda: follower.seen == [1])


async def test_a_feed_is_closed_though_a_transaction_never_ends(either, monkeypatch):
    monkeypatch.setattr("sio_demo.delivery.feed.CLOSE", 0.1, raising=False)
    opened, go_on = asyncio.Event(), asyncio.Event()

    async def append_slowly():
        async with either.feed.transaction() as db:
            await settled(either.feed.append(db, "orders", "note", 1))
            opened.set()
            await go_on.wait()

    appending = asyncio.create_task(append_slowly())
    await opened.wait()
    closing = asyncio.create_task(either.feed.close())
    ended = await asyncio.wait({closing}, timeout=2)
    go_on.set()
    await asyncio.wait({closing, appending})
    assert closing in ended[0]
    with pytest.raises(StoreError, match="closed"):
        await appending


async def test_a_hundred_followers(either):
    either.pings = {}  # the defaults: on a busy machine so many do not answer within half a second
    await either.server.close()
    before = either.feed
    await either.start(before.store)
    await before.close()
    followers = [await either.follower() for _ in range(100)]
    await asyncio.gather(*(either.append(number) for number in range(20)))
    await until(lambda: all(len(follower.seen) == 20 for follower in followers))
    assert all(follower.seen == followers[0].seen for follower in followers)


async def test_awaits_can_be_cancelled(disk):
    client = new_client()
    follower = Follower(client)
    waiting = asyncio.create_task(follower.follow("orders"))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await disk.connect(client)
    await follower.follow("orders")
    await follower.close()
    await follower.close()
    await shut_down(client)


async def test_wrong_calls(disk):
    for wrong in (lambda: Feed("sio"), lambda: Feed(disk.sio), lambda: Follower("client")):
        with pytest.raises(UsageError):
            wrong()
    with pytest.raises(UsageError, match="at least 1"):
        await disk.feed.trim("orders", 0)
    async with disk.feed.transaction() as db:
        with pytest.raises(UsageError, match="topic"):
            disk.feed.append(db, "x" * 201, "note")
        with pytest.raises(PayloadError):
            disk.feed.append(db, "orders", "note", float("nan"))


async def test_what_is_garbled_is_answered_with_an_error(disk):
    client = new_client()
    await disk.connect(client)
    for garbled in (None, 1, {}, {"topic": 1, "next": 0}, {"topic": "t", "next": -1}):
        assert (await client.call(FEED, garbled))["error"] == "BatchError"
    await shut_down(client)


async def test_late_early_and_doubled_pages(disk):
    """Whatever the order in which pages come, entries are read once and in order."""
    await disk.append(*range(6))
    follower = await disk.follower()
    question = Question("orders", 0).to_wire()
    batch = Page.from_wire(await follower._client.call(FEED, question)).entries
    await disk.append(*range(6, 9))
    whole = Page.from_wire(await follower._client.call(FEED, question)).entries
    for first, last in [(2, 4), (0, 9), (5, 6), (8, 9)]:
        after = whole.messages[first - 1][2:18] if first else ""
        part = Batch(batch.producer, 0, first, after, first, whole.messages[first:last])
        follower._hear(Page("orders", last, part).to_wire())
    await until(lambda: len(follower.seen) >= 9)
    assert follower.seen == list(range(9))
