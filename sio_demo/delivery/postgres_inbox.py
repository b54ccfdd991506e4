"""An inbox's store in the reader's own PostgreSQL: many transactions at the same time.

Install it with ``pip install "sio-demo[workers]"``. Several server processes may share the
database: a row lock lets one of them at a time apply the messages of a producer.
"""

from __future__ import annotations

import asyncio
import functools
import re
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from typing import Any

import psycopg
from psycopg import AsyncConnection, errors, pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import tuple_row
from psycopg_pool import AsyncConnectionPool

from ..errors import StoreError, UsageError
from .inbox_state import Progress, StoredReply
from .send_window import check_positive
from .tables import Read, Tables, causes, first_of

# A handler that commits would commit effects without the mark. So each transaction first refers
# to a row that there never is, and takes that back when the mark is made. PostgreSQL checks a
# deferred reference at the commit, and refuses it in between.
SCHEMA = """
CREATE TABLE inbox_never (id INTEGER PRIMARY KEY CHECK (false));
CREATE TABLE inbox_producers (
    producer TEXT PRIMARY KEY, "user" TEXT, epoch BIGINT, start TEXT, last TEXT, floor BIGINT,
    next BIGINT, attempts INTEGER, seen TIMESTAMPTZ DEFAULT now(),
    unmarked INTEGER REFERENCES inbox_never (id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX inbox_users ON inbox_producers ("user");
CREATE TABLE inbox_replies (
    producer TEXT, sequence BIGINT, id TEXT, reply TEXT, PRIMARY KEY (producer, sequence)
);
CREATE TABLE inbox_aside (
    number BIGSERIAL PRIMARY KEY, box TEXT, producer TEXT, sequence BIGINT, "user" TEXT,
    text TEXT, error TEXT
);
CREATE UNIQUE INDEX inbox_letters ON inbox_aside (box, producer, sequence, substr(text, 1, 99));
CREATE TABLE feed_topics (topic TEXT PRIMARY KEY, log TEXT, next BIGINT);
CREATE TABLE feed_entries (
    topic TEXT, number BIGINT, text TEXT, PRIMARY KEY (topic, number)
);
"""

# A worker that was stopped in a transaction must not keep a producer's messages from the others.
# And outside of the inbox's transactions nothing can be written: what a handler does after it has
# rolled back would not be in the transaction. Locks are awaited for longer than the second after
# which PostgreSQL looks for a deadlock, and ends one of two: else both would end, and meet again.
_OPTIONS = (
    "-c lock_timeout=2s -c idle_in_transaction_session_timeout=10s "
    "-c default_transaction_read_only=on"
)
_TIMEOUTS = "SET LOCAL lock_timeout = '2s'; SET LOCAL idle_in_transaction_session_timeout = '10s'"
# Beginnings of SQLSTATE: connection, rolled back (deadlock, serialization), resources, lock not
# available, ended by the operator, input and output: "PostgreSQL Error Codes" in its manual.
_TROUBLE = "08", "40", "53", "55P03", "57", "580"
# What a savepoint undoes: the message is tried again, and the others of its batch are applied.
_CONTENTION = errors.DeadlockDetected, errors.SerializationFailure, errors.QueryCanceled
# Whose messages are being applied is in contact: to wait for that row would take as long.
_FREE = "WHERE producer IN (SELECT producer FROM inbox_producers WHERE {} FOR UPDATE SKIP LOCKED)"
LONGEST = "10s"  # that a transaction lasts, from PostgreSQL 17 on
HANDLERS = 10.0  # seconds that the block of a transaction may take
PATIENCE = 5.0  # seconds to wait for a free connection

Begin = Callable[[], AbstractAsyncContextManager[tuple[AsyncConnection[Any], Any]]]


class PostgresInboxStore:
    """Keeps progress in the database of the handlers' effects, which may be coroutine functions.

    Each connection's messages are applied in transactions of their own, so a handler that waits
    for the database does not hold up the other connections. Messages are sent to PostgreSQL in
    pipeline mode; if one of them fails, the batch is undone and applied again with a savepoint for
    each message. A deadlock, a serialization failure and a canceled statement count as a `Retry`. A
    handler that waits for a lock for two seconds, that takes ten, or that cancels its own task, is
    tried again without a limit. A handler that reads no result of a slow statement does not wait
    for it in a pipeline, and the batch takes the time of all. A transaction has many messages, and
    connections are used again: write ``SET LOCAL`` in each handler, and ``ON COMMIT DROP``.

    Parameters
    ----------
    database : str or callable
        A connection string: the store opens its own connections, and handlers get a
        `psycopg.AsyncConnection` as ``db``. Or a function that returns an asynchronous context
        manager, which begins a transaction, yields the `AsyncConnection` and what the handlers
        are to get as ``db``, and commits: so the session of an ORM and the inbox share one
        transaction. The connection must not be in autocommit mode, and nobody else may use it
        meanwhile: what is answered for one of two users would be undone with the other's. And a
        handler must not roll it back: on a connection of yours, that is not noticed.
    connections : int
        How many transactions there may be at the same time, with those that handlers begin.

    All methods raise StoreError if the database cannot be reached, or has ended the transaction.
    """

    durable = concurrent = True

    def __init__(self, database: str | Begin, connections: int = 10) -> None:
        try:
            _ = callable(database) or conninfo_to_dict(database)
        except (AttributeError, psycopg.Error) as error:
            raise UsageError(f"Pass a connection string or a function: {error}") from error
        check_positive(int, connections=connections)
        self._begin = database
        self._connections = connections
        self._pool: AsyncConnectionPool[AsyncConnection[Any]] | None = None
        self._opening: asyncio.Task[None] | None = None
        self._schema = ""  # of the tables, with a dot
        self._connection_of: dict[int, AsyncConnection[Any]] = {}  # by id(db)

    @asynccontextmanager
    async def transaction(self, careful: bool) -> AsyncIterator[PostgresTransaction]:
        """Run the block in a transaction; `careful` means with savepoints, not in a pipeline."""
        limit = asyncio.timeout(HANDLERS)
        pipeline = False
        try:
            if self._opening is None or self._opening.get_loop().is_closed():
                self._pool = None  # of that event loop
                self._opening = asyncio.create_task(self._open())
                self._opening.add_done_callback(lambda task: task.cancelled() or task.exception())
            await asyncio.shield(self._opening)  # who waits for it meanwhile fails with it
            pipeline = self._pool is not None and not careful
            async with limit, self._begun(pipeline) as (connection, db):
                work = PostgresTransaction(connection, db, self._pool, pipeline, self._schema)
                yield work
                await work.finish()
        except Exception as error:
            if limit.expired():
                raise StoreError(f"A transaction has taken {HANDLERS} s.") from error
            again = isinstance(error, _ApplyAgain) or (pipeline and _is_contention(error))
            if is_store_failure(error) and not again:
                raise StoreError(f"The database failed: {error}") from error
            raise

    async def _open(self) -> None:
        """Open the pool and create the tables, at the first use."""
        try:
            if self._pool is None and isinstance(self._begin, str):
                given = conninfo_to_dict(self._begin).get("options", "")
                self._pool = AsyncConnectionPool(
                    make_conninfo(self._begin, options=f"{given} {_OPTIONS}"),
                    kwargs={"autocommit": True, "client_encoding": "utf8"},
                    configure=_configure,
                    reset=_reset,
                    min_size=1,
                    max_size=self._connections,
                    timeout=PATIENCE,
                    open=False,
                )
                await self._pool.open()
            async with asyncio.timeout(HANDLERS), self._begun(False) as (connection, _):
                self._schema = await _create(connection)
        except BaseException:
            self._opening = None
            raise

    @asynccontextmanager
    async def _begun(self, pipeline: bool) -> AsyncIterator[tuple[AsyncConnection[Any], Any]]:
        """Begin a transaction, yield its connection and the handlers' ``db``, and commit."""
        async with AsyncExitStack() as stack:
            if self._pool is None:
                assert callable(self._begin)
                connection, db = await stack.enter_async_context(self._begin())
                await connection.execute(_TIMEOUTS)
                self._connection_of[id(db)] = connection
                stack.callback(self._connection_of.pop, id(db))
            else:
                connection = db = await stack.enter_async_context(self._pool.connection())
                if pipeline:
                    await stack.enter_async_context(connection.pipeline())
                await stack.enter_async_context(connection.transaction())
            yield connection, db

    def is_open(self, db: Any) -> bool:
        """Return whether a handler's ``db`` can be used to append."""
        return id(db) in self._connection_of or isinstance(db, AsyncConnection)

    async def append(self, db: Any, topic: str, log: str, text: str) -> None:
        """Append an entry; it waits for other transactions that have appended to the topic."""
        sql = (
            "WITH topic AS (INSERT INTO feed_topics VALUES (?, ?, 1) "
            "ON CONFLICT (topic) DO UPDATE SET next = feed_topics.next + 1 RETURNING topic, next) "
            "INSERT INTO feed_entries SELECT topic, next - 1, ? FROM topic"
        )
        connection = self._connection_of.get(id(db), db)
        await connection.execute(_statement(sql, self._schema), (topic, log, text))

    async def close(self) -> None:
        """Close the store's own connections; may be called twice."""
        if self._pool is not None:
            await self._pool.close()


async def _configure(connection: AsyncConnection[Any]) -> None:
    if connection.info.server_version >= 170000:  # in a pipeline, one that waits is not "idle"
        await connection.execute(f"SET transaction_timeout = '{LONGEST}'")
    await connection.set_read_only(False)


async def _reset(connection: AsyncConnection[Any]) -> None:
    """Undo what a handler has set in Python."""
    connection.row_factory, connection.cursor_factory = tuple_row, psycopg.AsyncCursor
    connection.prepare_threshold = 5


async def _create(connection: AsyncConnection[Any]) -> str:
    """Create the tables, unless there are some; return the name of their schema, with a dot."""
    cursor = psycopg.AsyncCursor(connection, row_factory=tuple_row)
    await cursor.execute("SELECT pg_advisory_xact_lock(hashtext('inbox'))")
    await cursor.execute("SELECT to_regclass('inbox_producers')")
    if await cursor.fetchone() == (None,):
        await cursor.execute(SCHEMA)
    await cursor.execute(
        "SELECT relnamespace::regnamespace::text || '.' FROM pg_class "
        "WHERE oid = 'inbox_producers'::regclass"
    )
    (schema,) = await cursor.fetchone() or ("",)
    return str(schema)


@functools.cache
def _statement(sql: str, schema: str) -> str:
    """Return a statement for psycopg, whatever temporary tables hide the inbox's.

    A transaction that no more finds the producers is refused: its path would stay changed.
    """
    names = re.sub(r"\b(inbox_(?!producers)|feed_)\w+", lambda found: schema + found[0], sql)
    return names.replace("%", "%%").replace("?", "%s")


class PostgresTransaction(Tables):
    """A transaction of the store; the methods are those of `MemoryInboxStore`."""

    durable = concurrent = True

    def __init__(
        self, connection: AsyncConnection[Any], db: Any, pool: Any, pipeline: bool, schema: str
    ) -> None:
        self.db, self._schema = db, schema
        self._ours = pool is not None  # the connection, with its factories and its commit
        self._connection, self._pipeline = connection, pipeline
        self._unmarked: dict[str, int] = {}  # producers, and from where on they have replies
        self._savepoint = False

    async def finish(self) -> None:
        """Make sure that the transaction is whole, before it is committed."""
        await self._release()
        for producer in self._unmarked:
            await self._mark("SET unmarked = NULL", producer)
        if not self._ours:
            return
        # PostgreSQL says ROLLBACK, and no error, if a statement has failed that was hidden: one of
        # a task that a handler has left. The block of the transaction commits an empty one.
        # The end of a pipeline waits for the answer.
        async with self._connection.pipeline() if self._pipeline else nullcontext():
            committed = await self._connection.execute("COMMIT AND CHAIN")
        if committed.statusmessage != "COMMIT":
            raise UsageError(_ENDED)

    async def savepoint(self) -> None:
        if self._ours:
            await _reset(self._connection)
        if not self._pipeline:
            await self._release()
            await self._run("SAVEPOINT message")
            self._savepoint = True

    async def undo(self) -> None:
        if self._pipeline:
            raise _ApplyAgain
        self._check(pq.TransactionStatus.INTRANS, pq.TransactionStatus.INERROR)
        await self._run("ROLLBACK TO message")

    def is_store_failure(self, error: BaseException) -> bool:
        return not self.is_contention(error) and is_store_failure(error, self._connection.broken)

    def is_contention(self, error: BaseException) -> bool:
        return not self._connection.closed and _is_contention(error)

    async def owned(self, user: str | None, limit: int) -> Any:
        await self._run("SELECT pg_advisory_xact_lock(hashtext('inbox'), hashtext(?))", (user,))
        return await self._run(
            'SELECT count(*) FROM (SELECT FROM inbox_producers WHERE "user" IS NOT DISTINCT FROM '
            "? AND epoch > 0 LIMIT ?) AS owned",
            (user, limit),
            lambda rows: first_of(rows)[0],
        )

    async def progress(self, producer: str) -> Progress | None:
        found = await self._run(
            "UPDATE inbox_producers SET unmarked = 1 WHERE producer = ? "
            'RETURNING "user", epoch, start, last, floor, next, attempts',
            (producer,),
            first_of,
        )
        if found is None:
            return None
        progress = Progress(*found)
        self._unmarked[producer] = progress.floor
        return progress

    async def save(
        self, producer: str, progress: Progress, first: int, kept: list[StoredReply]
    ) -> None:
        await self._release()
        if kept:
            rows = [(producer, number, *one) for number, one in enumerate(kept, first)]
            await self._run(
                "INSERT INTO inbox_replies "
                "SELECT * FROM unnest(?::text[], ?::bigint[], ?::text[], ?::text[])",
                tuple(list(column) for column in zip(*rows, strict=True)),
            )
        # Not from 0 on: what is deleted stays in the index, and is read again, until a VACUUM.
        await self._run(
            "DELETE FROM inbox_replies WHERE producer = ? AND sequence >= ? AND sequence < ?",
            (producer, self._unmarked.get(producer, 0), progress.floor),
        )
        if producer in self._unmarked:
            await self._mark(
                'SET ("user", epoch, start, last, floor, next, attempts, seen, unmarked) = '
                "(?, ?, ?, ?, ?, ?, ?, now(), NULL)",
                producer,
                *progress,
            )
            del self._unmarked[producer]
        else:
            await self._run(
                "INSERT INTO inbox_producers VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (producer, *progress),
            )

    async def touch(self, producers: Collection[str]) -> None:
        await self._run(
            f"UPDATE inbox_producers SET seen = now() {_FREE.format('producer = ANY(?)')}",
            (list(producers),),
        )

    async def forget(self, seconds: float, keep: Collection[str]) -> int:
        silent = "epoch > 0 AND seen <= now() - make_interval(secs => ?) AND producer <> ALL(?)"
        rows = await self._run(
            f"DELETE FROM inbox_producers {_FREE.format(silent)} RETURNING producer",
            (seconds, list(keep)),
            list,
        )
        gone = [producer for (producer,) in rows]
        await self._run("DELETE FROM inbox_replies WHERE producer = ANY(?)", (gone,))
        return len(gone)

    async def _run(self, sql: str, parameters: tuple[Any, ...] = (), read: Read = None) -> Any:
        try:
            cursor = psycopg.AsyncCursor(self._connection, row_factory=tuple_row)
            await cursor.execute(_statement(sql, self._schema), parameters)
            return read(await cursor.fetchall()) if read else None  # in a pipeline, this waits
        except psycopg.Error as error:
            if self._pipeline or is_store_failure(error, self._connection.broken):
                raise
            # A statement of the inbox does not fail by itself, unless its tables are gone.
            raise UsageError(f"{error}. Is a table or a right missing? Else: {_ENDED}") from error

    async def _mark(self, assignment: str, producer: str, *values: Any) -> None:
        """Update a producer's row, if this is still the transaction that `progress` was in."""
        sql = f"UPDATE inbox_producers {assignment} WHERE producer = ? AND unmarked = 1 RETURNING 1"
        if not await self._run(sql, (*values, producer), list):
            raise UsageError(_ENDED)

    async def _release(self) -> None:
        """End the savepoint of the previous message, and keep its effects."""
        if self._savepoint:
            self._check(pq.TransactionStatus.INTRANS)
            await self._run("RELEASE message")
            self._savepoint = False

    def _check(self, *allowed: pq.TransactionStatus) -> None:
        if self._connection.info.transaction_status not in allowed:
            raise UsageError(_ENDED)


class _ApplyAgain(Exception):
    """An effect cannot be undone alone in a pipeline. Never leaves the inbox."""


_ENDED = (
    "A handler has ended the inbox's transaction, or has gone on after an error in it. To go on "
    "after an error of the database, use a savepoint: `async with db.transaction():`."
)


def is_store_failure(error: BaseException, lost: bool = True) -> bool:
    """Return whether an error comes from the database, not from a statement, or from another."""
    return any(_is_trouble(one, lost) for one in causes(error))


def _is_contention(error: BaseException) -> bool:
    return any(issubclass(type(one), _CONTENTION) or _is_old_plan(one) for one in causes(error))


def _is_old_plan(error: Any) -> bool:
    """Return whether a prepared statement is older than a table that was altered."""
    known = issubclass(type(error), errors.FeatureNotSupported)
    return known and error.diag.source_function == "RevalidateCachedQuery"


def _is_trouble(error: Any, lost: bool) -> bool:
    if not issubclass(type(error), psycopg.OperationalError | psycopg.InterfaceError):
        return False
    state: str | None = error.sqlstate
    if state is None:  # a connection is lost, or was not made
        return lost and not isinstance(error, errors.PipelineAborted)
    return state.startswith(_TROUBLE)
