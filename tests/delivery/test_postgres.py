"""The inbox in PostgreSQL: effect, mark and reply in one transaction of a real server."""

import asyncio
import json
from contextlib import asynccontextmanager, suppress

import psycopg
import pytest
import socketio
from kit import DeliveryBench, connected, greet
from psycopg import sql
from psycopg.rows import dict_row

from sio_demo.delivery import Feed, Inbox, PostgresInboxStore, Retry, postgres_inbox, receiver
from sio_demo.delivery.message import EVENT
from sio_demo.delivery.postgres_inbox import PostgresTransaction
from sio_demo.errors import (
    DeadLetterError,
    HandlerError,
    QuotaError,
    StoreError,
    UnknownProducerError,
    UsageError,
)
from sio_demo.lab.waiting import wait_until


class PostgresBench(DeliveryBench):
    """A bench whose inbox has a pool of its own."""

    def __init__(self, url):
        super().__init__()
        self.url = url

    async def start_server(self, store=None, **options):
        sio = socketio.AsyncServer(async_mode="aiohttp")
        self.inbox = Inbox(sio, store or PostgresInboxStore(self.url), **options)
        for event in ("effects", "once", "late"):
            self.inbox.on(event, self._inserts(event))
        await self.serve(sio)

    def _inserts(self, table):
        insert = sql.SQL("INSERT INTO {} VALUES (%s)").format(sql.Identifier(table))

        async def handler(db, number):
            await db.execute(insert, [number])
            return number

        return handler

    async def rows(self, statement="SELECT number FROM effects"):
        async with connected(self.url) as connection:
            return [row[0] for row in await (await connection.execute(statement)).fetchall()]


@pytest.fixture
async def pg(quiet, url):
    bench = PostgresBench(url)
    await bench.start_server()
    yield bench
    await bench.close()


async def test_every_message_is_applied_once_whatever_the_line_does(pg):
    outbox = await pg.outbox()
    receipts = []
    for number in range(300):
        receipts.append(outbox.send("effects", number))
        if number % 50 == 20:
            await receipts[-1].accepted
            await pg.link.cut()
    async with asyncio.timeout(20):
        assert await asyncio.gather(*receipts) == list(range(300))
    assert await pg.rows() == list(range(300))
    assert pg.inbox.statistics().applied == 300


async def test_an_error_undoes_its_own_effects_and_no_others(pg):
    @pg.inbox.on("fail")
    async def fail(db, number):
        await db.execute("INSERT INTO effects VALUES (%s)", [number])
        raise ValueError("no such account")

    outbox = await pg.outbox()
    receipts = [outbox.send("fail" if n == 2 else "effects", n) for n in range(5)]
    with pytest.raises(HandlerError, match="ValueError: no such account"):
        await receipts.pop(2)
    assert await asyncio.gather(*receipts) == [0, 1, 3, 4]
    assert await pg.rows() == [0, 1, 3, 4]


async def test_a_statement_that_fails_names_its_own_message(pg):
    outbox = await pg.outbox()
    receipts = [outbox.send("once", n) for n in (1, 2, 2, 3)]
    with pytest.raises(HandlerError, match="UniqueViolation"):
        await receipts.pop(2)
    assert await asyncio.gather(*receipts) == [1, 2, 3]
    assert await pg.rows("SELECT number FROM once") == [1, 2, 3]


async def test_a_constraint_that_is_checked_at_the_commit_names_its_own_message(pg):
    outbox = await pg.outbox()
    receipts = [outbox.send(event, 7) for event in ("effects", "late", "effects")]
    with pytest.raises(HandlerError, match="ForeignKeyViolation"):
        await receipts.pop(1)
    assert await asyncio.gather(*receipts) == [7, 7]
    assert await pg.rows() == [7, 7]


@pytest.mark.parametrize(
    "statement",
    ["COMMIT", "ROLLBACK", "END; BEGIN", "ROLLBACK; BEGIN", "ABORT AND CHAIN", "commit and chain"],
)
async def test_no_handler_ends_the_transaction(pg, statement):
    @pg.inbox.on("end")
    async def end(db, number):
        await db.execute("INSERT INTO effects VALUES (%s)", [number])
        for part in statement.split(";"):
            await db.execute(part)

    outbox = await pg.outbox()
    receipts = [outbox.send(event, n) for n, event in enumerate(["effects", "end", "effects"])]
    with pytest.raises(HandlerError, match=r"UsageError|ForeignKeyViolation"):
        await receipts.pop(1)
    assert await asyncio.gather(*receipts) == [0, 2]
    assert await pg.rows() == [0, 2]


@pytest.mark.parametrize("method", ["commit", "rollback"])
async def test_nor_does_it_by_a_method(pg, method):
    @pg.inbox.on("end")
    async def end(db, number):
        await db.execute("INSERT INTO effects VALUES (%s)", [number])
        await getattr(db, method)()

    outbox = await pg.outbox()
    with pytest.raises(HandlerError, match="ProgrammingError"):
        await outbox.send("end", 1)
    assert await outbox.send("effects", 2) == 2
    assert await pg.rows() == [2]


async def test_a_handler_that_swallows_an_error_is_named(pg):
    @pg.inbox.on("swallow")
    async def swallow(db, number):
        try:
            await db.execute("SELECT 1 / 0")
        except psycopg.Error:
            return "fine"

    outbox = await pg.outbox()
    receipts = [outbox.send(event, n) for n, event in enumerate(["effects", "swallow", "effects"])]
    with pytest.raises(HandlerError, match="savepoint"):
        await receipts.pop(1)
    assert await asyncio.gather(*receipts) == [0, 2]


async def test_a_handler_may_go_on_after_an_error_in_a_savepoint(pg):
    @pg.inbox.on("try")
    async def attempt(db, number):
        try:
            async with db.transaction():
                await db.execute("INSERT INTO once VALUES (1), (1)")
        except psycopg.errors.UniqueViolation:
            await db.execute("INSERT INTO effects VALUES (%s)", [number])
            return "second try"

    outbox = await pg.outbox()
    receipts = [outbox.send("effects", 1), outbox.send("try", 2), outbox.send("effects", 3)]
    assert await asyncio.gather(*receipts) == [1, "second try", 3]
    assert await pg.rows() == [1, 2, 3]


async def test_a_retry_stays_in_its_place(pg):
    tries = []

    @pg.inbox.on("later")
    async def later(db, number):
        tries.append(number)
        await db.execute("INSERT INTO effects VALUES (%s)", [number])
        if len(tries) < 4:
            raise Retry("not yet")

    outbox = await pg.outbox()
    receipts = [outbox.send("effects", 1), outbox.send("later", 2), outbox.send("effects", 3)]
    await asyncio.gather(*receipts)
    assert await pg.rows() == [1, 2, 3]


async def test_dead_letters_are_listed_replayed_and_dropped(pg):
    await pg.stop_server()
    await pg.start_server(retry_limit=2)
    outbox = await pg.outbox()
    receipts = [outbox.send("later", n) for n in (1, 2)]
    for receipt in receipts:
        with pytest.raises(DeadLetterError, match="no handler"):
            await receipt
    first, second = await pg.inbox.dead_letters()
    pg.inbox.on("later", pg._inserts("effects"))
    assert await pg.inbox.replay(first) == 1
    await pg.inbox.drop(second)
    assert await pg.inbox.dead_letters() == []
    assert await pg.rows() == [1]
    with pytest.raises(UsageError, match="no dead letter"):
        await pg.inbox.replay(first)


async def test_a_dead_letter_that_is_replayed_twice_at_once_is_applied_once(pg):
    """As when two people press the button, or one twice."""
    await pg.stop_server()
    await pg.start_server(retry_limit=1)
    with pytest.raises(DeadLetterError):
        await (await pg.outbox()).send("later", 1)
    [letter] = await pg.inbox.dead_letters()
    pg.inbox.on("later", pg._inserts("effects"))
    results = await asyncio.gather(
        *[pg.inbox.replay(letter) for _ in range(4)], return_exceptions=True
    )
    assert await pg.rows() == [1]
    assert sorted(map(repr, results)) == ["1"] + [r for r in map(repr, results) if "Usage" in r]
    assert await pg.inbox.dead_letters() == []


CANCELED = "SET LOCAL statement_timeout = 1", "SELECT pg_sleep(0.1)"
SERIAL = ["DO $$ BEGIN RAISE EXCEPTION SQLSTATE '40001'; END $$"]


@pytest.mark.parametrize("statements", [CANCELED, SERIAL])
async def test_a_statement_that_never_gets_through_ends_as_a_dead_letter(pg, statements):
    """It was tried without a limit, and so were the messages before it in the batch."""
    await pg.stop_server()
    await pg.start_server(retry_limit=2)

    @pg.inbox.on("stuck")
    async def stuck(db, _):
        for statement in statements:
            await db.execute(statement)

    outbox = await pg.outbox()
    receipts = [outbox.send(*one) for one in (("effects", 1), ("stuck",), ("effects", 2))]
    with pytest.raises(DeadLetterError, match=r"Canceled|Serialization"):
        await receipts[1]
    assert [await receipts[0], await receipts[2]] == [1, 2]
    assert await pg.rows() == [1, 2]


async def test_a_handler_that_closes_its_connection_is_named(pg):
    pg.inbox.on("close", lambda db, _: db.close())
    outbox = await pg.outbox()
    receipts = [outbox.send("close"), outbox.send("effects", 1)]
    with pytest.raises(HandlerError, match=r"ended|closed"):
        await receipts[0]
    assert await receipts[1] == 1
    assert await pg.rows() == [1]


async def test_what_is_committed_while_older_ones_are_looked_for_is_followed(pg, monkeypatch):
    aside, looking, go_on = PostgresTransaction.aside, asyncio.Event(), asyncio.Event()

    async def slowly(self, box):
        found = await aside(self, box)
        looking.set()
        await go_on.wait()
        return found

    async def follow(received):
        called.append(received.payload)

    called = []
    monkeypatch.setattr(PostgresTransaction, "aside", slowly)
    pg.inbox.after_commit("effects", follow)
    outbox = await pg.outbox()
    await looking.wait()
    await outbox.send("effects", 5)
    go_on.set()
    await wait_until(lambda: called == [5])


async def test_what_follows_a_commit(pg):
    called = []

    async def follow(received):
        called.append((received.payload, await pg.rows()))
        if len(called) == 1:
            raise RuntimeError("once more")

    pg.inbox.after_commit("effects", follow)
    outbox = await pg.outbox()
    await outbox.send("effects", 5)
    await wait_until(lambda: len(called) == 2)
    assert called == [(5, [5])] * 2


@asynccontextmanager
async def held(url, statement):
    """Hold what a statement locks, within the block."""
    async with connected(url) as other, other.transaction():
        await other.execute(statement)
        yield


async def test_a_locked_table_holds_up_nobody_else(pg):
    first, second = await pg.outbox(ack_timeout=5), await pg.outbox()
    await asyncio.gather(first.send("effects", 0), second.send("once", 0))
    async with held(pg.url, "LOCK TABLE effects"):
        waits = first.send("effects", 1)
        await waits.accepted
        assert await asyncio.gather(*[second.send("once", n) for n in range(1, 50)])
        assert not waits.done
        # It gives up after a second, and is tried again.
        await wait_until(lambda: isinstance(first.last_error, StoreError))
        assert "lock timeout" in str(first.last_error)
    assert await waits == 1
    assert await pg.rows() == [0, 1]


async def test_another_database_than_the_inboxs_is_the_handlers_trouble(pg):
    @pg.inbox.on("pay")
    async def pay(db, number):
        await db.execute("INSERT INTO effects VALUES (%s)", [number])
        await psycopg.AsyncConnection.connect("host=127.0.0.1 port=1 dbname=bank")

    outbox = await pg.outbox(ack_timeout=5)
    with pytest.raises(HandlerError, match="OperationalError"):
        await asyncio.wait_for(outbox.send("pay", 1), 5)
    assert await outbox.send("effects", 2) == 2
    assert await pg.rows() == [2]


async def test_a_serialization_failure_in_a_group_of_tasks_is_tried_again(pg):
    tries = []

    @pg.inbox.on("group")
    async def group(db, number):
        async with asyncio.TaskGroup() as tasks:
            tries.append(tasks.create_task(fail(len(tries) < 2)))
            await db.execute("INSERT INTO effects VALUES (%s)", [number])

    async def fail(wanted):
        if wanted:
            raise psycopg.errors.SerializationFailure("could not serialize access")

    outbox = await pg.outbox()
    await asyncio.wait_for(outbox.send("group", 1), 5)
    assert len(tries) == 3
    assert await pg.rows() == [1]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TEMP TABLE inbox_replies (LIKE inbox_replies) ON COMMIT DROP",
        "CREATE TEMP TABLE feed_topics (topic TEXT UNIQUE, log TEXT, next INT) ON COMMIT DROP",
    ],
)
async def test_the_inbox_finds_its_tables_whatever_a_handler_puts_before_them(pg, statement):
    feed = Feed(pg.sio, pg.inbox.store)

    @pg.inbox.on("hide")
    async def hide(db, number):
        await db.execute("INSERT INTO effects VALUES (%s)", [number])
        await db.execute(statement)
        await feed.append(db, "orders", "note", number)
        return number

    client = socketio.AsyncClient(handle_sigint=False)
    await client.connect(pg.link.url, transports=["websocket"])
    hello = await greet(client)
    batch = {"producer": hello["producer"], "epoch": 1, "first": 0, "after": "", "confirmed": 0}
    batch["messages"] = [json.dumps(["one", "hide", 1])]
    for _ in range(2):  # the second time, from what is stored
        answer = await client.call(EVENT, batch, timeout=5)
        assert answer == {"next": 1, "replies": ['{"ok":1}']}
    await client.shutdown()
    assert await pg.rows("SELECT number FROM effects") == [1]
    assert await pg.rows("SELECT next FROM feed_topics") == [1]
    await feed.close()


async def test_an_entry_is_appended_on_a_connection_of_ones_own_before_the_store_is_used(pg):
    outbox = await pg.outbox()
    await outbox.send("effects", 0)  # the tables are there
    store = PostgresInboxStore(pg.url)
    feed = Feed(socketio.AsyncServer(async_mode="aiohttp"), store)
    async with connected(pg.url) as connection:
        await feed.append(connection, "orders", "note", 1)
    assert await pg.rows("SELECT next FROM feed_topics") == [1]
    await feed.close()


async def test_tables_that_are_gone_are_named(pg):
    outbox = await pg.outbox()
    await outbox.send("effects", 0)
    async with connected(pg.url) as connection:
        await connection.execute("DROP TABLE inbox_producers")
    outbox.send("effects", 1)
    await wait_until(lambda: outbox.last_error)
    assert isinstance(outbox.last_error, StoreError)
    cause, question, _ = str(outbox.last_error).partition("Is a table or a right missing?")
    assert 'relation "inbox_producers" does not exist' in cause  # first, before any suspicion
    assert question


async def test_a_timeout_of_the_callers_own_is_not_taken_for_a_long_transaction(pg):
    feed = Feed(socketio.AsyncServer(async_mode="aiohttp"), pg.inbox.store)
    with pytest.raises(TimeoutError, match="the bank"):
        async with feed.transaction():
            raise TimeoutError("the bank")
    await feed.close()


async def test_a_deadlock_is_no_failure_of_the_message(pg):
    meet = asyncio.Barrier(2)

    @pg.inbox.on("move")
    async def move(db, accounts):
        for turn, account in enumerate(accounts):
            await (
                await db.execute(
                    "UPDATE accounts SET balance = balance + 1 WHERE id = %s RETURNING 1",
                    [account],
                )
            ).fetchone()
            if not turn and meet.n_waiting < 2 and not done:
                await meet.wait()
        done.append(accounts)

    done = []
    async with connected(pg.url) as connection:
        await connection.execute("INSERT INTO accounts VALUES (1, 0), (2, 0)")
    outboxes = [await pg.outbox(), await pg.outbox()]
    async with asyncio.timeout(10):
        await asyncio.gather(outboxes[0].send("move", [1, 2]), outboxes[1].send("move", [2, 1]))
    assert await pg.rows("SELECT balance FROM accounts") == [2, 2]


async def test_backends_that_are_killed_cost_no_effect(pg, postgres):
    outboxes = [await pg.outbox() for _ in range(3)]
    ended = asyncio.Event()

    async def kill():
        killed = 0
        async with connected(postgres.url) as killer:
            while not ended.is_set():
                found = await killer.execute(
                    "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM "
                    "pg_stat_activity WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() "
                    "AND backend_type = 'client backend' LIMIT 1) AS one"
                )
                killed += (await found.fetchone())[0]
        return killed

    killer = asyncio.create_task(kill())
    for start in range(0, 600, 20):
        receipts = [one.send("effects", n) for one in outboxes for n in range(start, start + 20)]
        await receipts[-1].accepted
        await asyncio.sleep(0)
    async with asyncio.timeout(60):
        await wait_until(lambda: any(one.last_error for one in outboxes), 20)
        ended.set()
        for outbox in outboxes:
            await outbox.drain()
    assert await killer > 0
    assert sorted(await pg.rows()) == sorted([*range(600)] * 3)


async def test_a_task_group_that_fails_does_not_spoil_the_next_handlers(pg):
    async def fail():
        raise ValueError("no service")

    async def parallel(_db, _payload):
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())

    async def cancelled(_db, _payload):
        child = asyncio.create_task(fail())
        child.cancel()
        await child

    pg.inbox.on("parallel", parallel)
    pg.inbox.on("cancelled", cancelled)
    outbox = await pg.outbox()
    receipts = [outbox.send(event) for event in ("parallel", "cancelled")]
    await wait_until(lambda: all(receipt.done for receipt in receipts), 3)
    for receipt in receipts:
        with pytest.raises(HandlerError):
            await receipt


async def test_another_worker_takes_over_a_producer(pg):
    """A zombie holds the producer's row: the other worker refuses for a while, and goes on."""
    outbox = await pg.outbox(ack_timeout=5)
    assert await outbox.send("effects", 1) == 1
    [producer] = await pg.rows("SELECT producer FROM inbox_producers")
    zombie = PostgresInboxStore(pg.url)
    async with zombie.transaction(False) as transaction:
        await transaction.progress(producer)
        receipt = outbox.send("effects", 2)
        await wait_until(lambda: isinstance(outbox.last_error, StoreError))
        assert "lock timeout" in str(outbox.last_error)
    await zombie.close()
    assert await receipt == 2
    assert await pg.rows() == [1, 2]


async def test_a_worker_that_never_goes_on_loses_its_transaction(pg, monkeypatch):
    outbox = await pg.outbox(ack_timeout=5)
    assert await outbox.send("effects", 1) == 1
    [producer] = await pg.rows("SELECT producer FROM inbox_producers")
    monkeypatch.setattr(postgres_inbox, "LONGEST", "1s")
    zombie = PostgresInboxStore(pg.url)
    with pytest.raises(StoreError):  # noqa: PT012 - the transaction is the statement
        async with zombie.transaction(False) as transaction:
            await transaction.progress(producer)
            assert await outbox.send("effects", 2) == 2  # while the zombie is in its block
    await zombie.close()
    assert await pg.rows() == [1, 2]


async def test_users_quotas_and_forgetting(pg):
    await pg.stop_server()
    await pg.start_server(max_producers=2)
    outboxes = [await pg.outbox() for _ in range(3)]
    for outbox in outboxes[:2]:
        await outbox.send("effects", 1)
    outboxes[2].send("effects", 2)
    await wait_until(lambda: isinstance(outboxes[2].last_error, QuotaError))
    await outboxes[0].close()
    await wait_until(lambda: pg.inbox.statistics().connected < 3)
    assert await pg.inbox.forget(0) == 1
    await wait_until(lambda: outboxes[2].statistics().pending == 0)


async def test_to_forget_waits_for_no_handler(pg):
    """Not even for the one that asks for it, whose row it would touch."""

    @pg.inbox.on("forget")
    async def forget(_db, _):
        return await pg.inbox.forget(0)

    outbox = await pg.outbox()
    async with asyncio.timeout(1.5):  # a lock is awaited for two seconds
        assert await outbox.send("forget") == 0
    assert await outbox.send("effects", 1) == 1


async def test_one_who_is_forgotten_is_refused_by_name(pg):
    outbox = await pg.outbox()
    await outbox.send("effects", 1)
    async with connected(pg.url) as connection:
        await connection.execute("DELETE FROM inbox_producers")
    receipt = outbox.send("effects", 2)
    with pytest.raises(UnknownProducerError):
        await receipt


async def test_an_id_that_postgres_cannot_store_is_refused_as_no_message(pg):
    client = socketio.AsyncClient(handle_sigint=False)
    await client.connect(pg.link.url, transports=["websocket"])
    hello = await greet(client)
    batch = {"producer": hello["producer"], "epoch": 1, "first": 0, "after": "", "confirmed": 0}
    for name in ("\0", "a\ud800"):
        text = json.dumps([name, "effects", 1])
        answer = await client.call(EVENT, {**batch, "messages": [text]}, timeout=5)
        assert answer["error"] == "BatchError"
    await client.shutdown()
    assert await (await pg.outbox()).send("effects", 2) == 2


async def test_an_inbox_whose_handler_waits_can_be_closed(pg):
    entered, leave = asyncio.Event(), asyncio.Event()

    @pg.inbox.on("wait")
    async def wait(db, _):
        await db.execute("INSERT INTO effects VALUES (1)")
        entered.set()
        await leave.wait()

    outbox = await pg.outbox()
    receipt = outbox.send("wait")
    await entered.wait()
    closing = asyncio.create_task(pg.inbox.close())
    await asyncio.sleep(0)
    leave.set()
    await closing
    assert await receipt is None
    assert await pg.rows() == [1]


async def test_handlers_that_never_end_hold_up_the_end_together(pg, monkeypatch):
    monkeypatch.setattr(receiver, "CLOSE", 0.5)
    entered = []

    @pg.inbox.on("hang")
    async def hang(_db, _):
        entered.append(1)
        await asyncio.Event().wait()

    outboxes = [await pg.outbox(ack_timeout=10) for _ in range(4)]
    for outbox in outboxes:
        outbox.send("hang")
    await wait_until(lambda: len(entered) == 4)
    async with asyncio.timeout(1.5):
        await pg.inbox.close()


async def test_a_plain_function_is_a_handler_too(pg):
    pg.inbox.on("plain", lambda db, payload: payload * 2)
    assert await (await pg.outbox()).send("plain", 21) == 42


async def test_a_handler_that_reads_after_anothers_error_is_tried_again(pg):
    @pg.inbox.on("count")
    async def count(db, _):
        found = await db.execute("SELECT count(*) FROM once")
        return (await found.fetchone())[0]

    outbox = await pg.outbox()
    receipts = [outbox.send("once", 1), outbox.send("once", 1), outbox.send("count")]
    with pytest.raises(HandlerError, match="UniqueViolation"):
        await receipts.pop(1)
    assert await asyncio.gather(*receipts) == [1, 1]


@pytest.mark.parametrize("steps", range(4, 12))
async def test_what_a_handler_leaves_to_a_task_undoes_no_answer(pg, steps):
    tasks = []

    @pg.inbox.on("stray")
    async def stray(db, number):
        async def fail():
            for _ in range(steps):
                await asyncio.sleep(0)
            await db.execute("SELECT 1 / 0")

        tasks.append(asyncio.create_task(fail()))
        await db.execute("INSERT INTO effects VALUES (%s)", [number])

    outbox = await pg.outbox()
    async with asyncio.timeout(10):
        for start in (0, 5):
            receipts = [
                outbox.send("stray" if n % 5 == 1 else "effects", n)
                for n in range(start, start + 5)
            ]
            found = await asyncio.gather(*receipts, return_exceptions=True)
            done = [n for n, value in enumerate(found, start) if not isinstance(value, Exception)]
            assert [n for n in await pg.rows() if n >= start] == done
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_block_that_a_handler_leaves_open_undoes_no_answer(pg):
    @pg.inbox.on("leave")
    async def leave(db, number):
        await db.transaction().__aenter__()

    outbox = await pg.outbox()
    receipts = [outbox.send(event, n) for n, event in enumerate(["effects", "leave", "effects"])]
    await asyncio.gather(*receipts, return_exceptions=True)
    assert await outbox.send("effects", 3) == 3
    assert await pg.rows() == [0, 2, 3]


async def test_a_factory_that_a_handler_sets_is_not_the_next_ones(pg):
    @pg.inbox.on("set")
    async def set_factory(db, number):
        db.cursor_factory = psycopg.AsyncRawCursor

    outbox = await pg.outbox()
    receipts = [outbox.send(event, n) for n, event in enumerate(["set", "effects"])]
    assert await asyncio.gather(*receipts) == [None, 1]


async def test_a_plan_that_a_migration_has_made_old_is_no_failure_of_the_message(pg):
    @pg.inbox.on("look")
    async def look(db, number):
        await db.execute("SELECT * FROM once")
        await db.execute("INSERT INTO effects VALUES (%s)", [number])

    outbox = await pg.outbox()
    for number in range(8):  # psycopg prepares what it has seen five times
        await outbox.send("look", number)
    async with connected(pg.url) as connection:
        await connection.execute("ALTER TABLE once ADD COLUMN more TEXT")
    await outbox.send("look", 8)
    assert await pg.rows() == list(range(9))


async def test_replies_that_were_deleted_are_not_looked_for_again(pg, monkeypatch):
    """Until a VACUUM they are in the index: each message took longer than the one before."""
    seen = []
    run = PostgresTransaction._run

    async def note(self, statement, parameters=(), read=None):
        if statement.startswith("DELETE FROM inbox_replies"):
            seen.append(parameters[1:])
        return await run(self, statement, parameters, read)

    monkeypatch.setattr(PostgresTransaction, "_run", note)
    outbox = await pg.outbox(window=4)
    for number in range(20):
        assert await outbox.send("effects", number) == number
    floors = [upto for *_, upto in seen]
    assert floors[-1] > 4
    assert [start for start, *_ in seen[1:]] == floors[:-1]
    assert await pg.rows("SELECT min(sequence) FROM inbox_replies") == floors[-1:]


async def test_a_failure_that_was_hidden_is_not_taken_for_a_commit(pg):
    """PostgreSQL answers COMMIT with ROLLBACK then, and with no error."""

    async def fail_unseen():
        async with pg.inbox.store.transaction(careful=True) as work:
            with suppress(psycopg.Error):
                await work.db.execute("SELECT 1 / 0")

    with pytest.raises(UsageError, match="transaction"):
        await fail_unseen()


async def test_a_connection_of_the_callers_keeps_its_factories_and_its_commit(quiet, url):
    bench, after = PostgresBench(url), []

    @asynccontextmanager
    async def begin():
        async with connected(url) as connection, connection.transaction():
            connection.row_factory = dict_row
            number = (await (await connection.execute("SELECT txid_current()")).fetchone()).values()
            yield connection, connection
            now = (await (await connection.execute("SELECT txid_current()")).fetchone()).values()
            after.append(list(now) == list(number))

    await bench.start_server(PostgresInboxStore(begin))

    @bench.inbox.on("read")
    async def read(db, number):
        return await (await db.execute("SELECT 1 AS one")).fetchone()

    outbox = await bench.outbox()
    assert await outbox.send("read") == {"one": 1}
    assert set(after) == {True}
    await bench.close()
