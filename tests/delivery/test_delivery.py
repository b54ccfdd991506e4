"""Outbox and inbox over a real connection, under each fault of the link."""

import asyncio
import sqlite3
import uuid

import pytest
import socketio
from kit import DeliveryBench, greet

from sio_demo.cleanup import clean_up
from sio_demo.delivery import (
    Inbox,
    MemoryInboxStore,
    Outbox,
    SQLiteInboxStore,
    SQLiteOutboxStore,
    turns,
)
from sio_demo.delivery.inbox_state import Progress
from sio_demo.delivery.message import EVENT, HELLO, Batch, write_message
from sio_demo.errors import (
    BatchError,
    ClosedError,
    ConflictError,
    DeliveryError,
    FencedError,
    HandlerError,
    OutboxFullError,
    PayloadError,
    SequenceError,
    StoreError,
    UnknownProducerError,
    UsageError,
)
from sio_demo.lab.server import serve
from sio_demo.lab.waiting import wait_until

NUMBERS = list(range(200))


async def send_all(outbox, numbers=NUMBERS):
    """Send, wait until all is applied, and see each reply."""
    receipts = [outbox.send("note", number) for number in numbers]
    async with asyncio.timeout(10):
        assert await asyncio.gather(*receipts) == list(numbers)


# --- without a fault ---------------------------------------------------------------------


async def test_messages_are_applied_in_order_and_answered(bench):
    outbox = await bench.outbox()
    await send_all(outbox)
    assert bench.applied == NUMBERS
    assert outbox.pending == 0


async def test_clean_up_closes_an_outbox_whose_variable_was_overwritten(bench):
    outbox = await bench.outbox()
    await clean_up()
    with pytest.raises(ClosedError):
        outbox.send("note", 1)


async def test_a_packet_carries_many_messages(bench):
    outbox = await bench.outbox()
    await send_all(outbox)
    assert bench.link.count(EVENT) == 1


async def test_both_halves_on_disk(disk, tmp_path):
    outbox = await disk.outbox(SQLiteOutboxStore(tmp_path / "outbox.db"))
    receipts = [outbox.send("insert", number) for number in NUMBERS]
    assert await asyncio.gather(*receipts) == NUMBERS
    assert [n for (n,) in rows(tmp_path, "SELECT number FROM effects")] == NUMBERS


async def test_drain_waits_also_for_what_is_on_its_way_to_the_disk(disk, tmp_path):
    store = SQLiteOutboxStore(tmp_path / "outbox.db")
    outbox = await disk.outbox(store)
    with store.lock:
        receipt = outbox.send("note", 1)
        await wait_until(lambda: not outbox._storing._wanted.is_set())
        assert outbox.pending == 1
    await outbox.drain()
    assert receipt.done
    assert disk.applied == [1]


async def test_what_is_sent_offline_waits(bench):
    async with bench.link.refuse():
        outbox = await bench.outbox()
        assert isinstance(outbox.last_error, socketio.exceptions.ConnectionError)
        receipt = outbox.send("note", 1)
        await receipt.accepted
        assert not receipt.done
    assert await receipt == 1
    assert outbox.last_error is None


async def test_the_accepted_message_is_in_the_file(disk, tmp_path):
    async with disk.link.refuse():
        outbox = await disk.outbox(SQLiteOutboxStore(tmp_path / "outbox.db"))
        receipt = outbox.send("note", 7)
        await receipt.accepted
        await outbox.close()
    assert rows(tmp_path, "SELECT * FROM outbox_messages", "outbox.db") == [(0, receipt.text)]


async def test_the_users_handlers_and_emits_work_beside_it(bench):
    client = socketio.AsyncClient(handle_sigint=False)
    seen = []
    client.on("connect", lambda: seen.append("connect"))
    client.on("disconnect", lambda reason: seen.append(reason))
    bench.server.sio.on("ask", lambda sid, x: x + 1)
    outbox = await bench.outbox(client=client)
    assert await client.call("ask", 1) == 2
    await bench.link.cut()
    await outbox.send("note", 1)
    assert seen == ["connect", "transport error", "connect"]


async def test_another_namespace_can_be_used(quiet):
    sio = socketio.AsyncServer(async_mode="aiohttp")
    inbox = Inbox(sio, namespace="/pay")
    inbox.on("note", lambda db, n: n)
    client = socketio.AsyncClient(handle_sigint=False)
    async with await serve(sio) as server, Outbox(client, namespace="/pay") as outbox:
        await outbox.open(server.url, namespaces=["/pay"])
        assert await outbox.send("note", 1) == 1


async def test_long_polling_works(bench):
    outbox = Outbox(socketio.AsyncClient(handle_sigint=False))
    bench.outboxes.append(outbox)
    await outbox.open(bench.server.url, transports=["polling"])
    await send_all(outbox)
    assert bench.applied == NUMBERS


async def test_big_messages_go_in_packets_that_engine_io_lets_through(bench):
    outbox = await bench.outbox()
    payloads = ['"' * 190_000] * 5
    receipts = [outbox.send("note", payload) for payload in payloads]
    assert await asyncio.gather(*receipts) == payloads
    assert len(bench.applied) == 5


async def test_a_waiter_that_gives_up_does_not_disturb_the_others(bench):
    async with bench.link.refuse():
        outbox = await bench.outbox()
        receipt = outbox.send("note", 1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(receipt, 0.01)
    assert await receipt == await receipt == 1


# --- the network ---------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["reset", "close", "half-open"])
async def test_a_cut_connection(bench, how):
    outbox = await bench.outbox(window=16)
    receipts = [outbox.send("note", number) for number in NUMBERS]
    await receipts[20]
    await bench.link.cut(how)
    assert await asyncio.gather(*receipts) == NUMBERS
    assert bench.applied == NUMBERS


async def test_a_lost_acknowledgement_is_asked_for_again(bench):
    outbox = await bench.outbox()
    async with bench.link.cut_when("ACK") as cut:
        reply = await outbox.send("note", 1)
        await cut
    assert reply == 1
    assert bench.applied == [1]
    assert bench.link.count(EVENT) == 2


async def test_a_lost_batch_is_sent_again(bench):
    outbox = await bench.outbox()
    async with bench.link.cut_when(EVENT) as cut:
        assert await outbox.send("note", 1) == 1
        await cut
    assert bench.applied == [1]


@pytest.mark.parametrize("direction", ["client→server", "server→client", None])
async def test_a_black_hole_is_left_by_the_watchdog(bench, direction):
    outbox = await bench.outbox(connect_timeout=0.3)
    async with bench.link.black_hole(direction):
        receipt = outbox.send("note", 1)
        await wait_until(lambda: outbox.last_error is not None)
        assert "No answer for" in str(outbox.last_error)
    assert await receipt == 1
    assert bench.applied == [1]


async def test_a_silent_line_is_hung_up_without_waiting_for_the_other_side(bench):
    outbox = await bench.outbox()
    async with bench.link.black_hole():
        async with asyncio.timeout(0.9):
            await outbox._connector.hang_up()
        assert outbox.client.eio.state == "disconnected"


async def test_latency_changes_nothing_but_the_time(bench):
    async with bench.link.latency(0.01):
        outbox = await bench.outbox(window=40)
        await send_all(outbox)
    assert bench.applied == NUMBERS


async def test_refused_connections_are_tried_again(bench):
    outbox = await bench.outbox()
    async with bench.link.refuse():
        await bench.link.cut()
        receipts = [outbox.send("note", number) for number in NUMBERS]
        await wait_until(lambda: outbox.last_error is not None)
    assert await asyncio.gather(*receipts) == NUMBERS


async def test_a_server_that_disconnects_the_client_is_connected_to_again(bench):
    outbox = await bench.outbox()
    for sid in bench.server.sids():
        await bench.server.sio.disconnect(sid)
    await send_all(outbox)
    assert bench.applied == NUMBERS


async def test_the_dead_connection_of_a_slow_connect_handler_is_left(bench):
    """CAUSES L16a: python-socketio says connected, on a transport that is gone."""
    client = socketio.AsyncClient(handle_sigint=False)
    held, going_on = asyncio.Event(), asyncio.Event()
    connects = []

    @client.event
    async def connect():
        connects.append(client.eio.state)
        if len(connects) == 2:
            held.set()
            await going_on.wait()

    outbox = await bench.outbox(client=client)
    await bench.link.cut()
    await held.wait()
    reader = client.eio.read_loop_task
    await bench.link.cut()
    await wait_until(lambda: client.eio.state == "disconnected" and reader.done())
    going_on.set()
    await send_all(outbox)
    assert bench.applied == NUMBERS
    assert len(connects) == 3


async def test_it_reconnects_when_the_client_would_have_given_up(bench):
    """CAUSES L16b: one attempt, and never again."""
    client = socketio.AsyncClient(
        handle_sigint=False, reconnection_attempts=1, reconnection_delay=0.001
    )
    outbox = await bench.outbox(client=client)
    assert client.reconnection is False
    for _ in range(2):
        async with bench.link.refuse():
            await bench.link.cut()
            await wait_until(lambda: outbox.last_error is not None)
        assert await outbox.send("note", 1) == 1


async def test_a_thousand_messages_are_resent_in_order_after_a_reset(bench):
    outbox = await bench.outbox(window=1000)
    async with bench.link.black_hole("client→server"):
        receipts = [outbox.send("note", number) for number in range(1000)]
        async with bench.link.cut_when(lambda packet: packet.event == EVENT):
            await bench.link.cut()
    assert await asyncio.gather(*receipts) == list(range(1000))
    assert bench.applied == list(range(1000))


# --- the processes -------------------------------------------------------------------------


async def test_a_server_that_restarts_on_its_file_applies_nothing_twice(disk, tmp_path):
    outbox = await disk.outbox()
    assert await outbox.send("insert", 1) == 1
    async with disk.link.cut_when("ACK") as cut:
        receipt = outbox.send("insert", 2)
        await cut
        async with disk.link.refuse():
            await restart(disk, SQLiteInboxStore(tmp_path / "inbox.db"))
    assert await receipt == 2
    assert await outbox.send("insert", 3) == 3
    assert rows(tmp_path, "SELECT number FROM effects") == [(1,), (2,), (3,)]


async def restart(bench, store):
    """Start the server anew, on another port, behind the same link."""
    await bench.stop_server()
    await bench.start_server(store)


async def test_a_server_that_lost_its_memory_is_found_out(bench):
    outbox = await bench.outbox()
    await outbox.send("note", 1)
    async with bench.link.refuse():
        await bench.link.cut()
        await restart(bench, MemoryInboxStore())
        receipt = outbox.send("note", 2)
    with pytest.raises(SequenceError, match="no such producer"):
        await receipt
    with pytest.raises(SequenceError):
        outbox.send("note", 3)
    with pytest.raises(SequenceError):
        await outbox.drain()


async def test_a_client_that_starts_again_sends_what_was_accepted(disk, tmp_path):
    async with disk.link.refuse():
        first = await disk.outbox(SQLiteOutboxStore(tmp_path / "outbox.db"))
        receipts = [first.send("note", number) for number in NUMBERS]
        await receipts[-1].accepted
        await first.close()
    with pytest.raises(ClosedError):
        await receipts[0]
    second = await disk.outbox(SQLiteOutboxStore(tmp_path / "outbox.db"))
    assert len(second.resumed) == len(NUMBERS)
    assert await asyncio.gather(*second.resumed) == NUMBERS
    assert await second.send("note", -1) == -1
    assert disk.applied == [*NUMBERS, -1]


async def test_a_client_that_dies_with_the_ack_under_way_gets_the_stored_reply(disk, tmp_path):
    first = await disk.outbox(SQLiteOutboxStore(tmp_path / "outbox.db"))
    await first.send("note", 1)
    async with disk.link.cut_when("ACK") as cut, disk.link.refuse():
        first.send("note", 2)
        await cut
        await first.close()
    second = await disk.outbox(SQLiteOutboxStore(tmp_path / "outbox.db"))
    assert [await receipt for receipt in second.resumed][-1] == 2
    assert disk.applied == [1, 2]


async def test_a_client_that_has_finished_starts_again_with_nothing(disk, tmp_path):
    for number in range(3):
        outbox = await disk.outbox(SQLiteOutboxStore(tmp_path / "outbox.db"))
        assert outbox.resumed == []
        assert await outbox.send("note", number) == number
        await outbox.close()
    assert disk.applied == [0, 1, 2]


def test_a_save_that_fails_leaves_the_store_as_it_was(tmp_path):
    store = SQLiteOutboxStore(tmp_path / "outbox.db")
    store.load()
    store.save(0, 0, ["a"], "")
    with pytest.raises(StoreError, match="NOT NULL"):
        store.save(0, 1, ["b", None], "")
    store.save(0, 1, ["c"], "")
    assert store.load().texts == ["a", "c"]
    store.close()


@pytest.mark.parametrize("name", ["inbox", "outbox"])
def test_a_file_that_is_no_database_is_a_store_error(tmp_path, name):
    path = tmp_path / "file.db"
    path.write_bytes(b"this is not a database, and never was one" * 100)
    with pytest.raises(StoreError, match="not a database"):
        SQLiteInboxStore(path) if name == "inbox" else SQLiteOutboxStore(path)
    with pytest.raises(StoreError, match="cannot be opened"):
        SQLiteInboxStore(tmp_path / "nowhere" / "file.db")


async def test_a_file_that_breaks_meanwhile_is_a_store_error_and_no_ack(disk, tmp_path):
    outbox = await disk.outbox()
    assert await outbox.send("insert", 1) == 1
    for path in tmp_path.glob("inbox.db*"):
        path.write_bytes(b"\xff" * path.stat().st_size)
    receipt = outbox.send("insert", 2)
    await wait_until(lambda: isinstance(outbox.last_error, StoreError))
    assert not receipt.done


async def test_close_saves_what_was_just_sent(disk, tmp_path):
    first = await disk.outbox(SQLiteOutboxStore(tmp_path / "outbox.db"))
    receipt = first.send("note", 1)
    await first.close()
    await receipt.accepted
    second = await disk.outbox(SQLiteOutboxStore(tmp_path / "outbox.db"))
    await second.drain()
    assert disk.applied == [1]


async def test_the_inbox_keeps_no_more_replies_than_the_windows_need(disk, tmp_path):
    outbox = await disk.outbox(SQLiteOutboxStore(tmp_path / "outbox.db"), window=50)
    for _ in range(20):
        for number in range(50):
            outbox.send("note", number)
        await outbox.drain()
    (kept,) = rows(tmp_path, "SELECT count(*) FROM inbox_replies")[0]
    assert kept <= 150
    assert len(disk.applied) == 1000


async def test_an_inbox_in_memory_keeps_no_more_either(bench):
    outbox = await bench.outbox(window=50)
    for number in range(1000):
        outbox.send("note", number)
    await outbox.drain()
    (kept,) = bench.inbox.store._kept.values()
    assert len(kept) <= 100


# --- bad input, at the client ----------------------------------------------------------------


async def test_what_is_not_json_is_refused_and_uses_no_number(bench):
    outbox = await bench.outbox()
    with pytest.raises(PayloadError):
        outbox.send("note", {1, 2})
    with pytest.raises(UsageError):
        outbox.send("", 1)
    await send_all(outbox)


async def test_a_payload_changed_after_send_is_sent_as_it_was(bench):
    outbox = await bench.outbox()
    payload = {"amount": 1}
    receipt = outbox.send("note", payload)
    payload["amount"] = 2
    assert await receipt == {"amount": 1}


async def test_an_outbox_over_its_limit_refuses_and_keeps_what_it_has(bench):
    async with bench.link.refuse():
        outbox = await bench.outbox(limit=3)
        receipts = [outbox.send("note", number) for number in range(3)]
        with pytest.raises(OutboxFullError, match="3 messages wait"):
            outbox.send("note", 3)
    assert await asyncio.gather(*receipts) == [0, 1, 2]
    await send_all(outbox, range(3))


async def test_an_outbox_is_opened_once_and_used_open(bench):
    outbox = Outbox(socketio.AsyncClient(handle_sigint=False))
    with pytest.raises(ClosedError, match="Open the outbox first"):
        outbox.send("note", 1)
    opened = await bench.outbox()
    with pytest.raises(UsageError, match="open it once"):
        await opened.open(bench.link.url)
    await opened.close()
    await opened.close()
    with pytest.raises(ClosedError):
        opened.send("note", 1)


async def test_bad_connect_arguments_are_raised_by_open(bench):
    outbox = Outbox(socketio.AsyncClient(handle_sigint=False))
    with pytest.raises(ValueError, match="No valid transports"):
        await outbox.open(bench.link.url, transports=["pigeon"])


@pytest.mark.parametrize("change", [{"window": 0}, {"limit": "x"}, {"retry_delay": -1}])
async def test_bad_options_are_refused(change):
    with pytest.raises(UsageError):
        Outbox(socketio.AsyncClient(handle_sigint=False), **change)
    with pytest.raises(UsageError):
        Outbox("client")
    with pytest.raises(UsageError):
        Inbox("server")


async def test_a_full_disk_at_the_client_fails_those_messages_only(disk, tmp_path):
    store = SQLiteOutboxStore(tmp_path / "outbox.db")
    outbox = await disk.outbox(store)
    assert await outbox.send("note", 1) == 1
    fill(store)
    receipt = outbox.send("note", "x" * 100_000)
    with pytest.raises(StoreError, match="full"):
        await receipt.accepted
    with pytest.raises(StoreError, match="full"):
        await receipt
    await outbox.drain()
    make_room(store)
    assert await outbox.send("note", 2) == 2
    assert disk.applied == [1, 2]


async def test_two_outboxes_cannot_share_a_file(disk, tmp_path):
    await disk.outbox(SQLiteOutboxStore(tmp_path / "outbox.db"))
    with pytest.raises(StoreError, match="locked"):
        SQLiteOutboxStore(tmp_path / "outbox.db")


async def test_a_copied_file_is_found_out(disk, tmp_path):
    first = await disk.outbox(SQLiteOutboxStore(tmp_path / "outbox.db"))
    await first.send("note", 1)
    await first.close()
    for name in ("outbox.db", "outbox.db-wal"):
        if (tmp_path / name).exists():
            (tmp_path / f"copy-{name}").write_bytes((tmp_path / name).read_bytes())
    second = await disk.outbox(SQLiteOutboxStore(tmp_path / "outbox.db"))
    copy = await disk.outbox(SQLiteOutboxStore(tmp_path / "copy-outbox.db"))
    with pytest.raises(FencedError, match="taken over"):
        await copy.drain()
    assert await second.send("note", 2) == 2
    await copy.close()
    copy = await disk.outbox(SQLiteOutboxStore(tmp_path / "copy-outbox.db"))  # a later start
    with pytest.raises(ConflictError, match="restored from a copy"):
        await copy.drain()
    assert disk.applied == [1, 2]


# --- bad input, at the server ----------------------------------------------------------------


async def test_a_handler_that_raises_leaves_no_effect_and_its_error_is_the_reply(bench):
    outbox = await bench.outbox()
    receipt = outbox.send("refuse", 7)
    after = outbox.send("note", 8)
    with pytest.raises(HandlerError, match="ValueError: no account 7"):
        await receipt
    assert await after == 8
    assert bench.inbox.store.db == {}


async def test_a_handler_that_raises_on_disk(disk, tmp_path):
    @disk.inbox.on("half")
    def half(db, number):
        db.execute("INSERT INTO effects VALUES (?)", (number,))
        raise KeyError(number)

    outbox = await disk.outbox()
    receipts = [outbox.send(event, n) for n, event in enumerate(["insert", "half", "insert"])]
    with pytest.raises(HandlerError, match="KeyError: 1"):
        await receipts[1]
    await outbox.drain()
    assert rows(tmp_path, "SELECT number FROM effects") == [(0,), (2,)]


ENDS = {
    "commit": lambda db: db.execute(" commit"),
    "end": lambda db: db.execute("END;"),
    "end transaction": lambda db: db.execute("END TRANSACTION"),
    "after a semicolon": lambda db: db.execute("; COMMIT"),
    "after a comment": lambda db: db.execute("/* x */ COMMIT"),
    "after a line comment": lambda db: db.execute("-- x\nCOMMIT"),
    "many": lambda db: db.executemany("COMMIT", [()]),
    "rollback": lambda db: db.execute("ROLLBACK"),
    "savepoint": lambda db: db.execute("SAVEPOINT mine"),
    "release": lambda db: db.execute("RELEASE message"),
    "attach": lambda db: db.execute("ATTACH ':memory:' AS other"),
    "the connection's commit": lambda db: connection(db).commit(),
    "the connection's rollback": lambda db: connection(db).rollback(),
    "the connection's block": lambda db: connection(db).__exit__(None, None, None),
    "a script": lambda db: connection(db).executescript("SELECT 1"),  # it commits first
}


def connection(db):
    return db.execute("SELECT 1").connection


@pytest.mark.parametrize("swallowed", [False, True], ids=["raised", "swallowed"])
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
async def test_a_handler_cannot_end_the_transaction(disk, tmp_path, end, swallowed):
    refused = []

    @disk.inbox.on("end")
    def handle(db, number):
        db.execute("INSERT INTO effects VALUES (?)", (number,))
        try:
            end(db)
        except (UsageError, sqlite3.DatabaseError) as error:
            refused.append(error)
            if not swallowed:
                raise

    outbox = await disk.outbox()
    async with asyncio.timeout(5):
        assert await outbox.send("insert", 1) == 1  # our own statements are in the cache now
        if swallowed:
            assert await outbox.send("end", 2) is None
        else:
            with pytest.raises(HandlerError, match=r"must not end it|not authorized"):
                await outbox.send("end", 2)
        assert await outbox.send("insert", 3) == 3
    assert len(refused) == 1
    effects = rows(tmp_path, "SELECT number FROM effects")
    assert effects == ([(1,), (2,), (3,)] if swallowed else [(1,), (3,)])


@pytest.mark.parametrize("swallowed", [False, True], ids=["raised", "swallowed"])
async def test_a_transaction_that_a_handler_rolled_back_leaves_nothing(disk, tmp_path, swallowed):
    tries = []

    @disk.inbox.on("conflict")
    def conflict(db, number):
        tries.append(number)
        db.execute("INSERT INTO effects VALUES (?)", (number,))
        try:
            db.execute("CREATE TABLE once (id INTEGER PRIMARY KEY)")
            db.executemany("INSERT OR ROLLBACK INTO once VALUES (?)", [(1,), (1,)])
        except sqlite3.IntegrityError:
            if not swallowed:
                raise
        db.execute("INSERT INTO effects VALUES (?)", (number,))

    outbox = await disk.outbox()
    await outbox.send("insert", 1)
    receipts = [
        outbox.send(*message) for message in [("insert", 2), ("conflict", 3), ("insert", 4)]
    ]
    with pytest.raises(HandlerError, match="OR ABORT"):
        await receipts[1]
    assert [await receipts[0], await receipts[2]] == [2, 4]
    assert tries == [3, 3]
    assert rows(tmp_path, "SELECT number FROM effects") == [(1,), (2,), (4,)]


class UnspeakableError(Exception):
    def __str__(self):
        raise self.args[0]

    __repr__ = __str__


class NoStringError(Exception):
    def __str__(self):
        return 42


class FalsyError(Exception):
    def __len__(self):
        return 0

    def __eq__(self, other):
        raise ValueError("compared")

    __hash__ = None


class AbortError(BaseException):
    """As frameworks have it: neither to be caught by accident, nor the end of the process."""


def in_a_circle():
    error = ValueError("round and round")
    error.__cause__ = error
    return error


ODD_ERRORS = [
    (UnspeakableError(KeyError(1)), r"UnspeakableError, whose str\(\) raised KeyError"),
    (UnspeakableError(UnspeakableError(1)), r"UnspeakableError, whose str\(\) raised Unspeak"),
    (NoStringError(), r"NoStringError, whose str\(\) raised TypeError"),
    (FalsyError("no"), "FalsyError: no"),
    (in_a_circle(), "ValueError: round and round"),
    (ValueError({1: [b"2"]}, None), r"ValueError: \(\{1: \[b'2'\]\}, None\)"),
    (ValueError("\ud800 \x00 \U0001f600"), "ValueError: \ud800 \x00 \U0001f600"),
    (ValueError("x" * 10_000_000), "ValueError: x{900}"),
    (StoreError("not the store's"), "StoreError: not the store's"),
    (ExceptionGroup("two", [ValueError(1), ValueError(2)]), "ExceptionGroup: two"),
    (RecursionError("too deep"), "RecursionError: too deep"),
    (asyncio.CancelledError("not the task"), "CancelledError: not the task"),
    (GeneratorExit("no generator"), "GeneratorExit: no generator"),
    (AbortError("stop"), "AbortError: stop"),
]


@pytest.mark.parametrize(
    ("error", "words"), ODD_ERRORS, ids=[type(error).__name__ for error, _ in ODD_ERRORS]
)
async def test_whatever_a_handler_raises_is_its_reply(either, error, words):
    bench, calls = either, []

    @bench.inbox.on("odd")
    def odd(db, _):
        calls.append(1)
        raise error

    one, other = await bench.outbox(), await bench.outbox()
    receipts = [one.send("odd"), one.send("note", 1), other.send("note", 2)]
    async with asyncio.timeout(5):
        with pytest.raises(HandlerError, match=f"^{words}"):
            await receipts[0]
        assert await asyncio.gather(*receipts[1:]) == [1, 2]
    assert calls == [1]


@pytest.mark.parametrize("method", ["begin", "savepoint", "save", "commit", "rollback"])
async def test_a_store_that_fails_in_its_own_way_is_answered_by_name(disk, monkeypatch, method):
    outboxes = [await disk.outbox(ack_timeout=5.0) for _ in range(2)]
    trouble = UnspeakableError(KeyError(1))

    def fail(*_):
        raise trouble

    with monkeypatch.context() as patch:
        patch.setattr(disk.inbox.store, method, fail)
        if method == "rollback":
            patch.setattr(disk.inbox.store, "save", fail)
        receipts = [outbox.send("note", 1) for outbox in outboxes]
        for outbox in outboxes:
            await wait_until(lambda outbox=outbox: isinstance(outbox.last_error, StoreError))
            assert "The inbox failed: UnspeakableError" in str(outbox.last_error)
        assert disk.inbox.last_error.__cause__ is trouble
    async with asyncio.timeout(5):
        assert await asyncio.gather(*receipts) == [1, 1]


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
async def test_a_process_that_is_to_end_answers_all_who_wait_and_ends(disk, tmp_path, end):
    @disk.inbox.on("end")
    def handle(db, number):
        db.execute("INSERT INTO effects VALUES (?)", (number,))
        raise end

    inbox, answers = disk.inbox, []
    for events in (["insert", "end"], ["insert"]):
        texts = [write_message(event, 1) for event in events]
        inbox.store.save(producer := str(uuid.uuid4()), Progress(), 0, [])
        answers.append(asyncio.get_running_loop().create_future())
        batch = Batch(producer, 0, 0, "", 0, texts)
        session = turns.Session("sid", None, inbox._turns)
        session.waiting.append(turns.Item(session, batch, answers[-1]))
        inbox._turns.waiting.append(session)
    with pytest.raises(end):
        await inbox._turns.run()
    assert [type(answer.result().error) for answer in answers] == [StoreError] * 2
    assert rows(tmp_path, "SELECT number FROM effects") == []


async def test_a_reply_that_is_not_json_is_a_handler_error(bench):
    bench.inbox.on("odd", lambda db, _: {1, 2})
    outbox = await bench.outbox()
    with pytest.raises(HandlerError, match="PayloadError"):
        await outbox.send("odd")
    assert await outbox.send("note", 1) == 1


async def test_a_handler_is_a_plain_function_and_registered_once(bench):
    async def slow(db, payload):
        pass

    with pytest.raises(UsageError, match="plain function"):
        bench.inbox.on("slow", slow)
    with pytest.raises(UsageError, match="has a handler"):
        bench.inbox.on("note", lambda db, n: n)
    with pytest.raises(UsageError, match="One inbox is enough"):
        Inbox(bench.server.sio)


async def test_malformed_batches_are_answered_with_a_named_error(bench):
    client = socketio.AsyncClient(handle_sigint=False)
    await client.connect(bench.server.url)
    producer = (await greet(client))["producer"]
    good = Batch(producer, 1, 0, "", 0, [write_message("note", 1)]).to_wire()
    for data in (
        None,
        (),
        (good, good),
        good | {"producer": "me"},
        good | {"first": -1},
        good | {"messages": ["note"]},
        good | {"messages": []},
        good | {"messages": good["messages"] * 1001},
    ):
        answer = await client.call(EVENT, data, timeout=5)
        assert answer["error"] == "BatchError"
        assert isinstance(bench.inbox.last_error, BatchError)
    assert bench.applied == []
    assert await client.call(EVENT, good) == {"next": 1, "replies": ['{"ok":1}']}
    await client.shutdown()


async def test_a_jump_a_step_back_another_payload_and_another_client_are_named(bench):
    client = socketio.AsyncClient(handle_sigint=False)
    await client.connect(bench.server.url)

    producer = (await greet(client))["producer"]

    async def ask(epoch, first, confirmed, *payloads):
        texts = [f'["{payload}","note","{payload}"]' for payload in payloads]
        after = chr(ord(payloads[0]) - 1) if first else ""
        batch = Batch(producer, epoch, first, after, confirmed, texts)
        return await client.call(EVENT, batch.to_wire())

    assert (await ask(1, 0, 0, "a", "b", "c"))["next"] == 3
    assert (await ask(1, 3, 2, "d"))["next"] == 4
    jump = await ask(1, 5, 2, "f")
    assert (jump["error"], jump["next"]) == ("SequenceError", 4)
    assert (await ask(1, 1, 1, "b"))["error"] == "SequenceError"
    assert (await ask(1, 2, 2, "c", "other"))["error"] == "ConflictError"
    assert (await ask(1, 2, 2, "c", "d"))["replies"] == ['{"ok":"c"}', '{"ok":"d"}']
    assert (await ask(1, 4, 2, "f"))["error"] == "ConflictError"  # after another message
    assert (await greet(client, producer, 2))["last"] == "d"
    assert (await ask(2, 4, 2, "e"))["next"] == 5
    assert (await ask(1, 5, 2, "f"))["error"] == "FencedError"
    assert bench.applied == ["a", "b", "c", "d", "e"]
    await client.shutdown()


async def test_a_conflict_stops_the_outbox_and_says_so(bench):
    outbox = await bench.outbox()
    client = socketio.AsyncClient(handle_sigint=False)
    await client.connect(bench.server.url)
    producer = outbox._storing.window.identity.producer
    batch = Batch(producer, 1, 0, "", 0, [write_message("note", "x")])
    await client.call(EVENT, batch.to_wire())
    receipt = outbox.send("note", "y")
    with pytest.raises(ConflictError, match="Another message with the number 0"):
        await receipt
    assert isinstance(outbox.last_error, ConflictError)
    await client.shutdown()


async def test_overlapping_batches_of_one_producer_keep_their_order(disk):
    """python-socketio runs handlers as tasks that overlap."""
    client = socketio.AsyncClient(handle_sigint=False)
    await client.connect(disk.server.url, transports=["websocket"])
    producer = (await greet(client))["producer"]
    answers = [asyncio.get_running_loop().create_future() for _ in range(16)]
    for n, answer in enumerate(answers):
        text = f'["{n}","note",{n}]'
        batch = Batch(producer, 1, n, str(n - 1) if n else "", 0, [text])
        await client.emit(EVENT, batch.to_wire(), callback=answer.set_result)
    assert [(await answer)["next"] for answer in answers] == list(range(1, 17))
    assert disk.applied == list(range(16))
    await client.shutdown()


@pytest.mark.parametrize("trouble", ["full", "locked"])
async def test_a_store_in_trouble_gives_no_ack_and_the_client_tries_again(disk, tmp_path, trouble):
    outbox = await disk.outbox()
    assert await outbox.send("insert", 1) == 1
    other = sqlite3.connect(tmp_path / "inbox.db", isolation_level=None)
    if trouble == "locked":
        other.execute("BEGIN IMMEDIATE")
    else:
        fill(disk.inbox.store)
    receipt = outbox.send("note", "x" * 100_000)
    await wait_until(lambda: isinstance(outbox.last_error, StoreError))
    assert trouble in str(outbox.last_error)
    assert not receipt.done
    other.close()
    if trouble == "full":
        make_room(disk.inbox.store)
    await receipt
    assert await outbox.send("insert", 2) == 2
    assert rows(tmp_path, "SELECT number FROM effects") == [(1,), (2,)]


async def test_a_disk_that_fills_up_in_a_handler_is_the_stores_trouble(disk, tmp_path):
    tries = []

    @disk.inbox.on("big")
    def big(db, number):
        db.execute("INSERT INTO effects VALUES (?)", (number,))
        tries.append(number)
        if len(tries) < 3:
            full = sqlite3.OperationalError("database or disk is full")
            full.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise RuntimeError("wrapped") from full

    outbox = await disk.outbox()
    assert await outbox.send("big", 1) is None
    assert tries == [1, 1, 1]
    assert rows(tmp_path, "SELECT number FROM effects") == [(1,)]


async def test_a_bad_statement_in_a_handler_is_the_handlers_trouble(disk):
    disk.inbox.on("wrong", lambda db, _: db.execute("SELECT nonsense"))
    outbox = await disk.outbox()
    with pytest.raises(HandlerError, match="no such column"):
        await outbox.send("wrong")


async def test_a_store_without_the_reply_to_a_duplicate_is_in_trouble(disk, tmp_path):
    outbox = await disk.outbox()
    async with disk.link.cut_when("ACK") as cut, disk.link.refuse():
        receipt = outbox.send("note", 1)
        await cut
        disk.inbox.store.connection.execute("DELETE FROM inbox_replies")
    await wait_until(lambda: isinstance(outbox.last_error, StoreError))
    assert "are missing in the store" in str(outbox.last_error)
    assert not receipt.done


async def test_a_closed_inbox_is_worth_a_retry(disk):
    outbox = await disk.outbox()
    await disk.inbox.close()
    receipt = outbox.send("note", 1)
    await wait_until(lambda: outbox.last_error is not None)
    assert "The inbox is closed" in str(outbox.last_error)
    assert not receipt.done


async def test_a_server_without_an_inbox_is_told_of(quiet):
    sio = socketio.AsyncServer(async_mode="aiohttp")
    bench = DeliveryBench()
    async with await serve(sio) as server:
        outbox = await bench.outbox(url=server.url, ack_timeout=0.1)
        outbox.send("note", 1)
        await wait_until(lambda: outbox.last_error is not None)
        assert type(outbox.last_error) is DeliveryError
        assert "no inbox on the server" in str(outbox.last_error)
        await outbox.close()


async def test_a_server_whose_handler_is_no_inbox_is_told_of(quiet):
    sio = socketio.AsyncServer(async_mode="aiohttp")
    sio.on(HELLO, lambda sid, data: "thanks")
    bench = DeliveryBench()
    async with await serve(sio) as server:
        outbox = await bench.outbox(url=server.url)
        with pytest.raises(BatchError, match="A welcome is an object"):
            await outbox.send("note", 1)
        await outbox.close()


async def test_silent_producers_can_be_forgotten(bench, tmp_path):
    outbox = await bench.outbox(SQLiteOutboxStore(tmp_path / "outbox.db"))
    await outbox.send("note", 1)
    assert await bench.inbox.forget(0) == 0  # it is connected
    assert await outbox.send("note", 2) == 2
    await outbox.close()
    await wait_until(lambda: bench.inbox.statistics().connected == 0)
    assert await bench.inbox.forget(3600) == 0
    assert await bench.inbox.forget(0) == 1
    again = await bench.outbox(SQLiteOutboxStore(tmp_path / "outbox.db"))
    with pytest.raises(UnknownProducerError, match="has forgotten it"):
        await again.send("note", 3)
    assert bench.applied == [1, 2]


def rows(directory, query, name="inbox.db"):
    with sqlite3.connect(directory / name) as db:
        found = db.execute(query).fetchall()
    db.close()
    return found


def fill(store):
    """Let SQLite find the disk full: no page may be added."""
    (pages,) = store.connection.execute("PRAGMA page_count").fetchone()
    store.control(f"PRAGMA max_page_count = {pages}")


def make_room(store):
    store.control("PRAGMA max_page_count = 1000000")


async def test_an_outbox_says_how_it_is(bench):
    outbox = Outbox(socketio.AsyncClient(handle_sigint=False))
    assert repr(outbox) == "<Outbox offline, 0 pending>"
    outbox = await bench.outbox()
    assert repr(outbox) == "<Outbox online, 0 pending>"
    await outbox.close()
    assert repr(outbox) == "<Outbox closed, 0 pending>"
