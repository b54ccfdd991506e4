"""The edges of the delivery: users, limits, retries, restored stores, other threads, ends."""

import asyncio
import json
import os
import shutil
import sqlite3
import stat
import uuid
from contextlib import suppress

import pytest
import socketio
from kit import SCHEMA, DeliveryBench, greet

from sio_demo.delivery import (
    Inbox,
    Retry,
    SQLiteInboxStore,
    SQLiteOutboxStore,
    applier,
)
from sio_demo.delivery.inbox import REFUSALS, WAITING
from sio_demo.delivery.message import EVENT, HELLO, Batch, Hello, id_of, read_message, write_message
from sio_demo.delivery.transactions import raise_end
from sio_demo.errors import (
    BatchError,
    ClosedError,
    DeadLetterError,
    FencedError,
    HandlerError,
    PayloadError,
    RestoredError,
    StoreError,
    UncertainError,
    UnknownProducerError,
    UsageError,
)
from sio_demo.lab.waiting import wait_until


def copy(path, target):
    """Copy a database with its log, as a backup does; nobody may be writing."""
    for end in ("", "-wal"):
        source = path.with_name(path.name + end)
        if source.exists():
            shutil.copy(source, target.with_name(target.name + end))


def rows(path, query):
    db = sqlite3.connect(path)
    try:
        return db.execute(query).fetchall()
    finally:
        db.close()


# --- who sent it -------------------------------------------------------------------------


@pytest.fixture
async def users(quiet):
    """A server whose clients name their user, and an inbox that binds producers to it."""
    bench = DeliveryBench()
    sio = socketio.AsyncServer(async_mode="aiohttp")
    names = {}
    sio.on("connect", lambda sid, environ, auth: names.__setitem__(sid, auth))
    bench.inbox = Inbox(sio, user=lambda sid, environ: names[sid], max_producers=2)
    bench.inbox.on("who", lambda db, payload, received: [*received[3::2], received.event])
    bench.inbox.on("note", bench._note)
    await bench.serve(sio)
    yield bench
    await bench.close()


async def connect(bench, user):
    client = socketio.AsyncClient(handle_sigint=False)
    await client.connect(bench.server.url, auth=user, transports=["websocket"])
    return client


async def test_a_handler_learns_who_sent_a_message(users):
    client = await connect(users, "ann")
    producer = (await greet(client))["producer"]
    batch = Batch(producer, 1, 0, "", 0, [write_message("who", 1)])
    answer = await client.call(EVENT, batch.to_wire())
    assert json.loads(answer["replies"][0]) == {"ok": ["ann", producer, "who"]}
    await client.shutdown()


@pytest.mark.parametrize(
    "given",
    [object(), lambda: None, {"name": "ann", "since": 1}, ["ann"], b"ann", True],
    ids=lambda given: type(given).__name__,
)
async def test_what_an_object_looks_like_names_no_user(quiet, given):
    """Another one looks so tomorrow, and this one otherwise: its outboxes would be refused."""
    bench, sio = DeliveryBench(), socketio.AsyncServer(async_mode="aiohttp")
    bench.inbox = Inbox(sio, user=lambda _sid: given)
    await bench.serve(sio)
    client = await connect(bench, "ann")
    assert "no name of a user" in (await greet(client)).get("message", "")
    await client.shutdown()
    await bench.close()


@pytest.mark.parametrize("given", [7, uuid.UUID(int=7), "ann"], ids=repr)
async def test_a_key_of_a_table_names_a_user(quiet, given):
    bench, sio = DeliveryBench(), socketio.AsyncServer(async_mode="aiohttp")
    bench.inbox = Inbox(sio, user=lambda _sid: given)
    bench.inbox.on("who", lambda _, _payload, received: received.user)
    await bench.serve(sio)
    assert await (await bench.outbox()).send("who") == str(given)
    await bench.close()


async def test_a_producer_is_refused_from_another_user(users):
    ann, bob = await connect(users, "ann"), await connect(users, "bob")
    producer = (await greet(ann))["producer"]
    assert (await greet(bob, producer))["error"] == "UnknownProducerError"
    batch = Batch(producer, 1, 0, "", 0, [write_message("note", "forged")]).to_wire()
    assert (await greet(bob, producer, known=True))["error"] == "UnknownProducerError"
    for forged in (batch, batch | {"epoch": 2**53 - 1}):
        assert (await bob.call(EVENT, forged))["error"] == "UnknownProducerError"
    assert (await ann.call(EVENT, batch))["next"] == 1
    await ann.shutdown()
    await bob.shutdown()


async def test_a_user_has_so_many_producers_and_no_more(users):
    ann, bob = await connect(users, "ann"), await connect(users, "bob")
    assert "error" not in await greet(ann)
    assert "error" not in await greet(ann)
    assert (await greet(ann))["error"] == "QuotaError"
    assert "error" not in await greet(bob)
    await ann.shutdown()
    await bob.shutdown()


async def test_a_late_hello_fences_nobody(bench):
    """It was under way when its connection was replaced, and is repeated on the next."""
    client = socketio.AsyncClient(handle_sigint=False)
    await client.connect(bench.server.url)
    producer = (await greet(client, epoch=2))["producer"]
    for late in (greet(client, producer, 1), greet(client, producer, 2, start="copy")):
        assert (await late)["error"] == "FencedError"
    assert (await greet(client, producer, 2))["next"] == 0
    batch = Batch(producer, 2, 0, "", 0, [write_message("note", 1)])
    assert (await client.call(EVENT, batch.to_wire()))["next"] == 1
    await client.shutdown()


async def test_a_copy_from_before_the_first_contact_is_found_out(bench, tmp_path):
    path, backup = tmp_path / "outbox.db", tmp_path / "backup.db"
    async with bench.link.refuse():
        outbox = await bench.outbox(SQLiteOutboxStore(path))
        await outbox.send("note", 1).accepted
        await outbox.close()
    copy(path, backup)
    for name, result in [(path, [1]), (backup, None)]:
        outbox = await bench.outbox(SQLiteOutboxStore(name))
        if result:
            assert await asyncio.gather(*outbox.resumed) == result
        else:
            with pytest.raises(FencedError):
                await outbox.resumed[0]
        await outbox.close()
    assert bench.applied == [1]


# --- limits ------------------------------------------------------------------------------


async def test_replies_that_are_not_confirmed_have_a_limit(quiet):
    bench = DeliveryBench()
    sio = socketio.AsyncServer(async_mode="aiohttp")
    bench.inbox = Inbox(sio, max_unconfirmed=10)
    bench.inbox.on("note", bench._note)
    await bench.serve(sio)
    client = socketio.AsyncClient(handle_sigint=False)
    await client.connect(bench.server.url)
    producer = (await greet(client))["producer"]
    texts = [write_message("note", n) for n in range(11)]
    refused = await client.call(EVENT, Batch(producer, 1, 0, "", 0, texts).to_wire())
    assert (refused["error"], bench.applied) == ("QuotaError", [])
    assert (await client.call(EVENT, Batch(producer, 1, 0, "", 0, texts[:10]).to_wire()))[
        "next"
    ] == 10
    assert (
        await client.call(EVENT, Batch(producer, 1, 10, id_of(texts[9]), 1, texts[10:]).to_wire())
    )["next"] == 11
    outbox = await bench.outbox(window=4000)  # our own keeps to the limit
    receipts = [outbox.send("note", n) for n in range(100)]
    async with asyncio.timeout(10):
        assert await asyncio.gather(*receipts) == list(range(100))
    await client.shutdown()
    await bench.close()


@pytest.mark.parametrize("event", [EVENT, HELLO])
async def test_a_client_that_does_not_await_answers_is_refused_and_then_cut_off(disk, event):
    client = socketio.AsyncClient(handle_sigint=False, reconnection=False)
    gone = asyncio.Event()
    client.on("disconnect", lambda reason: gone.set())
    await client.connect(disk.server.url, transports=["websocket"])
    producer = (await greet(client))["producer"]
    other = await disk.outbox()
    async with disk.inbox._transactions.turn:  # nothing is applied meanwhile
        for first in range(WAITING + REFUSALS + 1):
            batch = Batch(producer, 1, first, "", 0, [write_message("note", first)])
            request = batch if event == EVENT else Hello(producer)
            await client.emit(event, request.to_wire())
        await asyncio.wait_for(gone.wait(), 5)
    assert await other.send("note", "other") == "other"
    assert disk.inbox.statistics().refused > REFUSALS
    await client.shutdown()


async def test_what_the_server_cannot_take_is_refused_by_name_and_blocks_nothing(quiet):
    bench = DeliveryBench()
    sio = socketio.AsyncServer(async_mode="aiohttp", max_http_buffer_size=20_000)
    bench.inbox = Inbox(sio)
    bench.inbox.on("note", lambda db, payload: len(payload))
    await bench.serve(sio)
    outbox = await bench.outbox()
    small = [outbox.send("note", "a" * 1000) for _ in range(50)]
    big, quotes = outbox.send("note", "x" * 30_000), outbox.send("note", '"' * 9_000)
    async with asyncio.timeout(10):
        assert await asyncio.gather(*small) == [1000] * 50
        for receipt in (big, quotes):
            with pytest.raises(PayloadError, match="too long for this server"):
                await receipt
        assert await outbox.send("note", "b") == 1
    assert outbox.statistics().connections == 1
    await bench.close()


async def test_big_replies_cost_what_they_weigh(bench):
    bench.inbox.on("big", lambda db, n: "x" * 100_000)
    outbox = await bench.outbox(ack_timeout=10)
    receipts = [outbox.send("big", n) for n in range(200)]
    async with asyncio.timeout(30):
        assert {len(reply) for reply in await asyncio.gather(*receipts)} == {100_000}
    assert outbox.statistics().sent < 200 * 20


def test_nan_is_refused_on_both_sides():
    with pytest.raises(PayloadError):
        write_message("note", [float("nan")])
    for word in ("NaN", "Infinity", "-Infinity"):
        with pytest.raises(BatchError):
            read_message(f'["id","note",{word}]')


def test_new_files_are_private(tmp_path):
    for store in (SQLiteOutboxStore(tmp_path / "o.db"), SQLiteInboxStore(tmp_path / "i.db")):
        store.close()
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


# --- not yet, not any more ----------------------------------------------------------------


async def test_a_message_is_tried_again_in_its_place(either):
    bench, tries = either, []

    @bench.inbox.on("later")
    def later(db, number):
        tries.append(number)
        if len(tries) < 4:
            raise Retry("the bank is closed")
        bench.applied.append(number)

    outbox = await bench.outbox()
    receipts = [outbox.send("note", 1), outbox.send("later", 2), outbox.send("note", 3)]
    await wait_until(lambda: isinstance(outbox.last_error, Retry))
    assert str(outbox.last_error) == "the bank is closed"
    await asyncio.gather(*receipts)
    assert (bench.applied, tries) == ([1, 2, 3], [2, 2, 2, 2])
    assert bench.inbox.statistics().retried == 3


async def test_an_event_without_a_handler_waits_for_one(bench):
    outbox = await bench.outbox()
    receipt, after = outbox.send("refund", 10), outbox.send("note", 11)
    await wait_until(lambda: isinstance(outbox.last_error, Retry))
    assert "no handler for 'refund' yet" in str(outbox.last_error)
    assert not after.done
    bench.inbox.on("refund", bench._note)
    assert [await receipt, await after] == [10, 11]
    assert bench.applied == [10, 11]


@pytest.fixture
async def limited(quiet, tmp_path):
    """A server that puts a message aside after two attempts; and what its handlers do."""
    bench = DeliveryBench()
    sio = socketio.AsyncServer(async_mode="aiohttp")
    bench.inbox = Inbox(sio, SQLiteInboxStore(tmp_path / "inbox.db", SCHEMA), retry_limit=2)
    bench.inbox.on("note", bench._note)
    await bench.serve(sio)
    yield bench
    await bench.close()


async def test_after_its_last_attempt_a_message_is_a_dead_letter(limited):
    outbox = await limited.outbox()
    receipt, after = outbox.send("refund", 10), outbox.send("note", 11)
    with pytest.raises(DeadLetterError, match="no handler for 'refund'"):
        await receipt
    assert await after == 11
    (letter,) = await limited.inbox.dead_letters()
    assert read_message(letter.text)[1:3] == ("refund", 10)
    with pytest.raises(Retry):
        await limited.inbox.replay(letter)
    assert await limited.inbox.dead_letters() == [letter]
    limited.inbox.on(
        "refund", lambda db, n: db.execute("INSERT INTO effects VALUES (?)", (n,)) and n
    )
    assert await limited.inbox.replay(letter) == 10
    with pytest.raises(UsageError, match="replayed or dropped"):
        await limited.inbox.replay(letter)
    assert rows(limited.inbox.store.path, "SELECT number FROM effects") == [(10,)]


async def test_a_dead_letter_can_be_dropped(limited):
    outbox = await limited.outbox()
    with pytest.raises(DeadLetterError):
        await outbox.send("refund", 10)
    (letter,) = await limited.inbox.dead_letters()
    await limited.inbox.drop(letter)
    assert await limited.inbox.dead_letters() == []


# --- after the commit ---------------------------------------------------------------------


async def test_what_follows_the_commit_sees_it_and_is_tried_until_it_succeeds(disk, tmp_path):
    seen = []

    @disk.inbox.after_commit("insert")
    async def tell(received):
        seen.append((received.id, rows(tmp_path / "inbox.db", "SELECT number FROM effects")))
        if len(seen) == 1:
            raise ConnectionError("the mail server is down")

    outbox = await disk.outbox()
    receipt = outbox.send("insert", 7)
    assert await receipt == 7
    await wait_until(lambda: len(seen) == 2)
    assert seen == [(receipt.id, [(7,)])] * 2
    await wait_until(lambda: disk.inbox.store.aside("after") == [])


async def test_what_follows_the_commit_is_made_up_for_after_a_crash(disk, tmp_path):
    seen, never = [], asyncio.Event()

    @disk.inbox.after_commit("insert")
    async def hang(received):
        seen.append(received.payload)
        await never.wait()

    outbox = await disk.outbox()
    assert await outbox.send("insert", 7) == 7
    await wait_until(lambda: seen == [7])
    async with disk.link.refuse():
        await disk.stop_server()
        await disk.start_server(SQLiteInboxStore(tmp_path / "inbox.db", SCHEMA))

        @disk.inbox.after_commit("insert")
        async def tell(received):
            seen.append(received.payload)

    await wait_until(lambda: seen == [7, 7])
    assert disk.inbox.statistics().applied == 0


async def test_after_a_crash_what_was_done_long_before_is_not_done_again(
    disk, tmp_path, monkeypatch
):
    """All callbacks that were due were noted as done together, after the last of them."""
    monkeypatch.setattr("sio_demo.delivery.receiver.ROUND", 0)
    seen, never = [], asyncio.Event()

    @disk.inbox.after_commit("insert")
    async def hang(received):
        seen.append(received.payload)
        if received.payload == 3:
            await never.wait()

    outbox = await disk.outbox()
    await asyncio.gather(*[outbox.send("insert", number) for number in (1, 2, 3)])
    await wait_until(lambda: seen == [1, 2, 3])
    await disk.stop_server()
    store = SQLiteInboxStore(tmp_path / "inbox.db", SCHEMA)
    assert [read_message(letter.text).payload for letter in store.aside("after")] == [3]
    store.close()


async def test_a_callback_that_fails_does_not_hold_up_the_others(disk, monkeypatch):
    monkeypatch.setattr("sio_demo.delivery.receiver.ROUND", 0)
    monkeypatch.setattr("sio_demo.delivery.receiver.AGAIN", 60)
    seen = []

    @disk.inbox.after_commit("insert")
    async def tell(received):
        seen.append(received.payload)
        if received.payload == 1:
            raise ConnectionError

    outbox = await disk.outbox()
    await asyncio.gather(*[outbox.send("insert", number) for number in (1, 2, 3, 4)])
    await wait_until(lambda: {2, 3, 4} <= {*seen})


# --- the caller's transaction --------------------------------------------------------------

ORDERS = "CREATE TABLE IF NOT EXISTS orders (number INTEGER UNIQUE);"


async def test_rows_and_message_are_written_together_or_not_at_all(bench, tmp_path):
    path = tmp_path / "outbox.db"
    outbox = await bench.outbox(SQLiteOutboxStore(path, ORDERS))
    async with outbox.transaction() as db:
        db.execute("INSERT INTO orders VALUES (?)", (1,))
        receipt = db.send("note", 1)
    assert rows(path, "SELECT * FROM orders") == [(1,)]
    assert await receipt == 1
    lost = []

    async def write_twice():
        async with outbox.transaction() as db:
            db.execute("INSERT INTO orders VALUES (2)")
            lost.append(db.send("note", 2))
            db.execute("INSERT INTO orders VALUES (1)")

    with pytest.raises(sqlite3.IntegrityError):
        await write_twice()
    with pytest.raises(ClosedError, match="IntegrityError"):
        await lost[0]
    with pytest.raises(UsageError, match="must not end it"):
        async with outbox.transaction() as db:
            db.execute("COMMIT")
    async with outbox.transaction() as db:
        db.execute("INSERT INTO orders VALUES (3)")
    assert await outbox.send("note", 4) == 4
    assert rows(path, "SELECT * FROM orders") == [(1,), (3,)]
    assert bench.applied == [1, 4]


async def test_what_a_handler_sets_on_its_db_is_not_the_next_ones(disk):
    @disk.inbox.on("set")
    def set_attribute(db, number):
        db.execute = None

    outbox = await disk.outbox()
    with pytest.raises(HandlerError, match="AttributeError"):
        await outbox.send("set", 0)
    assert await outbox.send("note", 1) == 1


async def test_another_connection_may_write_the_callers_tables(bench, tmp_path):
    outbox = await bench.outbox(SQLiteOutboxStore(tmp_path / "outbox.db", ORDERS))
    other = sqlite3.connect(tmp_path / "outbox.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("INSERT INTO orders VALUES (1)")
    receipt = outbox.send("note", 1)
    other.execute("COMMIT")
    other.close()
    assert await receipt == 1


async def test_a_store_that_always_blames_the_handler_ends_the_attempt(disk, monkeypatch):
    def save(*_):
        raise UsageError("whatever the handler does")

    outbox = await disk.outbox()
    await outbox.send("insert", 1)
    with monkeypatch.context() as patch:
        patch.setattr(disk.inbox.store, "save", save)
        receipt = outbox.send("insert", 2)
        await wait_until(lambda: outbox.last_error)
    assert await receipt == 2


async def test_a_memory_store_has_no_transactions(bench):
    outbox = await bench.outbox()
    with pytest.raises(UsageError, match="SQLiteOutboxStore"):
        async with outbox.transaction():
            pass


# --- restored, copied, refused --------------------------------------------------------------


@pytest.mark.parametrize("texts", ["equal", "distinct"])
async def test_an_older_copy_of_the_outbox_is_found_out(disk, tmp_path, texts):
    path, backup = tmp_path / "outbox.db", tmp_path / "backup.db"
    outbox = await disk.outbox(SQLiteOutboxStore(path))
    await outbox.send("note", "first")
    await outbox.close()
    copy(path, backup)
    outbox = await disk.outbox(SQLiteOutboxStore(path))
    await asyncio.gather(*[outbox.send("note", "coffee") for _ in range(3)])
    await outbox.close()
    async with disk.link.refuse():  # offline: the copy accepts messages before it can say hello
        outbox = await disk.outbox(SQLiteOutboxStore(backup))
        receipts = [
            outbox.send("note", "coffee" if texts == "equal" else f"coffee {n}") for n in range(5)
        ]
        await receipts[-1].accepted
    for receipt in receipts:
        with pytest.raises(FencedError):
            await receipt
    assert disk.applied == ["first", *["coffee"] * 3]
    assert len(outbox.unanswered) == 5
    assert len(await asyncio.gather(*await outbox.reissue())) == 5
    assert len(disk.applied) == 9


async def test_an_inbox_restored_from_a_backup_is_found_out_and_there_is_a_way_on(disk, tmp_path):
    outbox = await disk.outbox(SQLiteOutboxStore(tmp_path / "outbox.db"))
    await outbox.send("insert", 1)
    await disk.inbox.close()
    copy(tmp_path / "inbox.db", tmp_path / "backup.db")
    async with disk.link.refuse():
        await disk.server.close()
        await disk.start_server(SQLiteInboxStore(tmp_path / "inbox.db", SCHEMA))
    assert await outbox.send("insert", 2) == 2
    async with disk.link.refuse():
        await disk.stop_server()
        copy(tmp_path / "backup.db", tmp_path / "inbox.db")
        receipt = outbox.send("insert", 3)
        await receipt.accepted
        await disk.start_server(SQLiteInboxStore(tmp_path / "inbox.db", SCHEMA))
    with pytest.raises(RestoredError, match="restored from a backup"):
        await receipt
    with pytest.raises(RestoredError):
        outbox.send("insert", 4)
    assert [message.payload for message in outbox.unanswered] == [3]
    (again,) = await outbox.reissue()
    assert (again.id, await again) == (receipt.id, 3)
    assert await outbox.send("insert", 4) == 4
    assert rows(tmp_path / "inbox.db", "SELECT number FROM effects") == [(1,), (3,), (4,)]


async def test_what_was_refused_for_good_can_be_dropped(bench, tmp_path):
    outbox = await bench.outbox(SQLiteOutboxStore(tmp_path / "outbox.db"))
    await outbox.send("note", 1)
    async with bench.inbox_lost():
        receipt = outbox.send("note", 2)
        await receipt.accepted
    with pytest.raises(UnknownProducerError):
        await receipt
    assert await outbox.reissue(keep=False) == []
    assert await outbox.send("note", 3) == 3
    with pytest.raises(UsageError, match="No inbox has refused"):
        await outbox.reissue()
    assert bench.applied == [1, 3]


async def test_an_outbox_that_has_sent_nothing_is_registered_again(bench):
    outbox = await bench.outbox()
    async with bench.inbox_lost():
        receipt = outbox.send("note", 1)
    assert await receipt == 1


# --- stores ----------------------------------------------------------------------------------


async def test_a_commit_that_fails_names_the_guilty_message(quiet, tmp_path):
    schema = """
    CREATE TABLE IF NOT EXISTS accounts (name TEXT PRIMARY KEY);
    CREATE TABLE IF NOT EXISTS paid (
        name TEXT REFERENCES accounts (name) DEFERRABLE INITIALLY DEFERRED);
    INSERT OR IGNORE INTO accounts VALUES ('ann');
    PRAGMA foreign_keys = ON;
    """
    bench = DeliveryBench()
    await bench.start_server(store := SQLiteInboxStore(tmp_path / "inbox.db", schema))
    bench.inbox.on("pay", lambda db, name: db.execute("INSERT INTO paid VALUES (?)", (name,)) and 1)
    outbox = await bench.outbox()
    receipts = [outbox.send("pay", name) for name in ("ann", "nobody", "ann")]
    results = await asyncio.gather(*receipts, return_exceptions=True)
    assert [results[0], results[2]] == [1, 1]
    assert isinstance(results[1], HandlerError)
    assert "FOREIGN KEY" in str(results[1])
    assert rows(store.path, "SELECT name FROM paid") == [("ann",), ("ann",)]
    await bench.close()


async def test_two_inboxes_share_a_store(quiet, tmp_path):
    bench = DeliveryBench()
    sio = socketio.AsyncServer(async_mode="aiohttp")
    store = SQLiteInboxStore(tmp_path / "inbox.db", SCHEMA)
    inboxes = [Inbox(sio, store, namespace=name) for name in ("/", "/admin")]
    for inbox in inboxes:
        inbox.on("insert", bench._insert)
    bench.inbox = inboxes[0]
    await bench.serve(sio)
    outboxes = [await bench.outbox(namespace=name) for name in ("/", "/admin")]
    receipts = [outboxes[n % 2].send("insert", n) for n in range(200)]
    assert await asyncio.gather(*receipts) == list(range(200))
    assert len(rows(store.path, "SELECT DISTINCT number FROM effects")) == 200
    await bench.close()


async def test_dead_letters_and_callbacks_belong_to_one_inbox_of_a_store(quiet, tmp_path):
    calls = []
    for life in range(2):
        bench = DeliveryBench()
        sio = socketio.AsyncServer(async_mode="aiohttp")
        store = SQLiteInboxStore(tmp_path / "inbox.db")
        inboxes = [Inbox(sio, store, namespace=name, retry_limit=1) for name in ("/", "/admin")]
        for number, inbox in enumerate(inboxes):

            async def follows(received, inbox=number, life=life):
                if life == 0:
                    raise ConnectionError
                calls.append((inbox, received.payload))

            inbox.on("note", lambda _db, _payload: None)
            inbox.after_commit("note", follows)
        bench.inbox = inboxes[0]
        await bench.serve(sio)
        outboxes = [await bench.outbox(namespace=name) for name in ("/", "/admin")]
        for number, outbox in enumerate(outboxes):
            await outbox.send("note", [life, number])
        with pytest.raises(DeadLetterError):
            await outboxes[1].send("unknown")
        letters = [len(await inbox.dead_letters()) for inbox in inboxes]
        assert letters == [0, life + 1]
        await wait_until(lambda life=life: len(calls) == 4 * life)
        await bench.close()
        await inboxes[1].close()
    assert sorted(calls) == [(0, [0, 0]), (0, [1, 0]), (1, [0, 1]), (1, [1, 1])]


async def test_a_producer_that_is_connected_to_another_inbox_of_the_store_is_not_forgotten(
    quiet, tmp_path
):
    bench = DeliveryBench()
    sio = socketio.AsyncServer(async_mode="aiohttp")
    store = SQLiteInboxStore(tmp_path / "inbox.db")
    first, second = (Inbox(sio, store, namespace=name) for name in ("/", "/admin"))
    second.on("note", bench._note)
    bench.inbox = first
    await bench.serve(sio)
    outbox = await bench.outbox(namespace="/admin")
    assert await outbox.send("note", 1) == 1
    assert await first.forget(0) == 0
    await first.close()  # the other inbox still uses the store
    assert await outbox.send("note", 2) == 2
    await bench.close()
    await second.close()


async def test_a_request_that_is_cancelled_leaves_nothing_of_its_batch(bench, monkeypatch):
    """python-socketio cancels handlers with their connection if they are not tasks of their own."""
    monkeypatch.setattr(applier, "SLICE", 0.0)  # other tasks run after every message
    requests = []

    @bench.inbox.on("count")
    def count(db, name):
        db[name] = db.get(name, 0) + 1
        if name == "b" and requests:
            requests.pop().cancel()

    client = socketio.AsyncClient(handle_sigint=False)
    await client.connect(bench.server.url)
    producer = (await greet(client))["producer"]
    (sid,) = bench.server.sids()
    texts = [write_message("count", name) for name in "abc"]
    batch = Batch(producer, 1, 0, "", 0, texts).to_wire()
    requests.append(request := asyncio.create_task(bench.inbox._receive(sid, batch)))
    await asyncio.wait({request})
    assert request.cancelled()
    assert bench.inbox.store.db == {}
    assert (await client.call(EVENT, batch))["next"] == 3
    assert bench.inbox.store.db == {"a": 1, "b": 1, "c": 1}
    await client.shutdown()


async def test_two_processes_on_a_file_follow_their_own_commits(disk, tmp_path):
    told = []
    other = DeliveryBench()
    await other.start_server(SQLiteInboxStore(tmp_path / "inbox.db", SCHEMA))
    for name, bench in (("one", disk), ("other", other)):

        @bench.inbox.after_commit("insert")
        async def tell(received, name=name):
            told.append((name, received.payload))

    outboxes = [await disk.outbox(), await other.outbox()]
    for number in range(5):
        for outbox in outboxes:
            await outbox.send("insert", number)
    await wait_until(lambda: len(told) >= 10)
    await wait_until(lambda: disk.inbox.store.aside("after") == [])
    assert sorted(told) == [(name, n) for name in ("one", "other") for n in range(5)]
    await other.close()


async def test_a_statement_that_rolls_the_callers_transaction_back_is_named(bench, tmp_path):
    outbox = await bench.outbox(SQLiteOutboxStore(tmp_path / "outbox.db", ORDERS))

    async def roll_back():
        async with outbox.transaction() as db:
            db.send("note", "lost")
            db.execute("INSERT INTO orders VALUES (1)")
            with suppress(sqlite3.IntegrityError):
                db.execute("INSERT OR ROLLBACK INTO orders VALUES (1)")

    with pytest.raises(UsageError, match="rolled back the whole transaction"):
        await roll_back()
    assert await outbox.send("note", 1) == 1
    assert bench.applied == [1]


def test_a_restart_that_was_denied_but_happened_is_found_in_the_file(tmp_path, monkeypatch):
    store = SQLiteOutboxStore(tmp_path / "outbox.db")
    before = store.load().identity.producer
    control = store.control

    def deny(sql):
        control(sql)
        if sql == "COMMIT":
            raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(store, "control", deny)
        after = store.restart(["a"]).producer
    assert store.load()[0].producer == after != before
    store.close()


def test_a_commit_that_was_denied_but_happened_is_found_in_the_file(tmp_path, monkeypatch):
    store = SQLiteOutboxStore(tmp_path / "outbox.db")
    store.load()
    control = store.control

    def deny(sql):
        control(sql)
        if sql == "COMMIT":
            raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(store, "control", deny)
    store.save(0, 0, ["a"], "")
    with monkeypatch.context() as patch:
        patch.setattr(store, "_connect", lambda: (_ for _ in ()).throw(StoreError("gone")))
        with pytest.raises(UncertainError, match="cannot be read"):
            store.save(0, 1, ["b"], "")
    store.save(0, 1, ["b"], "")
    monkeypatch.undo()
    assert store.load().texts == ["a", "b"]
    store.close()


# --- threads, loops, ends ------------------------------------------------------------------------


async def test_calls_from_another_thread_are_refused_at_once(bench):
    outbox = await bench.outbox()
    receipt = outbox.send("note", 1)

    async def wait_for(awaitable):
        return await awaitable

    def elsewhere():
        for call in (
            lambda: outbox.send("note", 2),
            lambda: asyncio.run(outbox.drain()),
            lambda: asyncio.run(outbox.close()),
            lambda: asyncio.run(outbox.reissue()),
            lambda: asyncio.run(wait_for(waiting)),
        ):
            with pytest.raises(UsageError):
                call()

    async with bench.link.refuse():
        await bench.link.cut()
        waiting = outbox.send("note", 3)
        await asyncio.to_thread(elsewhere)
    assert [await receipt, await waiting] == [1, 3]


async def test_close_may_be_cancelled_and_called_again(disk, tmp_path):
    outbox = await disk.outbox(SQLiteOutboxStore(tmp_path / "outbox.db"))
    outbox.send("note", 1)
    closing = asyncio.create_task(outbox.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    await outbox.close()
    SQLiteOutboxStore(tmp_path / "outbox.db").close()  # the lock is free


async def test_close_ends_an_open_that_waits(quiet):
    silent = []
    hole = await asyncio.start_server(lambda _, writer: silent.append(writer), "127.0.0.1", 0)
    bench = DeliveryBench()
    url = f"http://127.0.0.1:{hole.sockets[0].getsockname()[1]}"
    opening = asyncio.create_task(bench.outbox(url=url, connect_timeout=30))
    await wait_until(lambda: bench.outboxes and bench.outboxes[0]._loop)
    await bench.outboxes[0].close()
    with pytest.raises(ClosedError):
        await opening
    hole.close()
    for writer in silent:
        writer.close()
        await writer.wait_closed()


async def test_a_cancelled_open_is_finished_by_the_next(bench):
    async with bench.link.refuse():
        opening = asyncio.create_task(bench.outbox())
        await wait_until(lambda: bench.outboxes)
        await asyncio.sleep(0)
        opening.cancel()
    outbox = bench.outboxes[0]
    with suppress(UsageError):  # raised if the first attempt had ended already
        await outbox.open(bench.link.url, transports=["websocket"])
    assert await outbox.send("note", 1) == 1


@pytest.mark.parametrize("fate", ["moved", "deleted", "replaced"])
async def test_nothing_is_accepted_into_a_file_that_is_no_longer_there(disk, tmp_path, fate):
    path, elsewhere = tmp_path / "outbox.db", tmp_path / "elsewhere.db"
    outbox = await disk.outbox(SQLiteOutboxStore(path))
    await outbox.send("note", 1)
    os.rename(path, elsewhere)
    if fate == "deleted":
        for file in (elsewhere, *tmp_path.glob("outbox.db-*")):
            file.unlink()
    if fate == "replaced":
        path.touch()
    for _ in range(2):  # the second attempt has read the file again
        with pytest.raises(StoreError, match="moved, deleted or replaced"):
            await outbox.send("note", 2).accepted
    if fate == "moved":
        os.rename(elsewhere, path)
        assert await outbox.send("note", 3) == 3


async def test_nothing_is_applied_in_a_file_that_is_no_longer_there(disk, tmp_path):
    outbox = await disk.outbox()
    await outbox.send("insert", 1)
    os.rename(tmp_path / "inbox.db", tmp_path / "elsewhere.db")
    receipt = outbox.send("insert", 2)
    await wait_until(lambda: isinstance(outbox.last_error, StoreError))
    os.rename(tmp_path / "elsewhere.db", tmp_path / "inbox.db")
    assert await receipt == 2
    assert rows(tmp_path / "inbox.db", "SELECT number FROM effects") == [(1,), (2,)]


async def test_what_was_accepted_goes_with_a_file_that_is_moved(disk, tmp_path):
    path, elsewhere = tmp_path / "outbox.db", tmp_path / "elsewhere.db"
    outbox = await disk.outbox(SQLiteOutboxStore(path))
    async with disk.link.refuse():
        await disk.link.cut()
        await outbox.send("note", 1).accepted
        os.rename(path, elsewhere)
        await outbox.close()
    outbox = await disk.outbox(SQLiteOutboxStore(elsewhere))
    assert await asyncio.gather(*outbox.resumed) == [1]


async def test_a_store_stays_where_it_is_when_the_process_changes_its_directory(
    disk, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    outbox = await disk.outbox(SQLiteOutboxStore("outbox.db"))
    monkeypatch.chdir("/")
    assert await outbox.send("note", 1) == 1


def test_what_is_thrown_away_ends_where_no_event_loop_runs():
    """As a coroutine of a loop that was closed with tasks in it."""

    class Forever:
        def __await__(self):
            yield

    async def call():
        try:
            await Forever()
        except BaseException as error:
            raise_end(error)

    calling = call()
    calling.send(None)
    calling.close()
