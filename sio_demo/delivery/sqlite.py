"""Stores on disk: SQLite with a write-ahead log and ``synchronous=FULL``.

When a commit returns, its data is on disk. Every SQLite error becomes a `StoreError`, after a
rollback.
"""

from __future__ import annotations

import functools
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from os import PathLike
from typing import Any, Concatenate, ParamSpec, TypeVar

from ..errors import StoreError, UsageError
from .inbox_state import Progress, StoredReply
from .stores import Saved, new_identity

# Errors of the disk or the file, not of the statement.
_TROUBLE = {
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOTADB,
}

_OUTBOX = """
CREATE TABLE IF NOT EXISTS outbox_producer (producer TEXT, epoch INTEGER, base INTEGER);
CREATE TABLE IF NOT EXISTS outbox_messages (sequence INTEGER PRIMARY KEY, text TEXT NOT NULL);
"""

_INBOX = """
CREATE TABLE IF NOT EXISTS inbox_producers (
    producer TEXT PRIMARY KEY, epoch INTEGER, floor INTEGER, next INTEGER, seen REAL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS inbox_replies (
    producer TEXT, sequence INTEGER, digest BLOB, reply TEXT, PRIMARY KEY (producer, sequence)
) WITHOUT ROWID;
"""

_CONTROL = {"BEGIN", "BEGIN ", "COMMIT", "END", "ROLLBA", "SAVEPO", "RELEAS"}

P = ParamSpec("P")
R = TypeVar("R")


class _Database:
    """A database file; its methods may be called from any thread, one at a time."""

    durable = True

    def __init__(self, path: str | PathLike[str], *pragmas: str, schema: str) -> None:
        self.path = str(path)
        self._lock = threading.RLock()
        try:
            self._connection = sqlite3.connect(
                self.path, timeout=0, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise StoreError(f"{self.path} cannot be opened: {error}.") from error
        try:
            for pragma in (*pragmas, "journal_mode=WAL", "synchronous=FULL"):
                self._connection.execute(f"PRAGMA {pragma}")
            self._connection.executescript(schema)
        except sqlite3.Error as error:
            self._connection.close()
            raise StoreError(f"{self.path} cannot be used: {error}.") from error

    def close(self) -> None:
        """Close the file; may be called twice."""
        with self._lock:
            self._connection.close()

    def rollback(self) -> None:
        """Roll the transaction back, if there is one."""
        with self._lock:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")


D = TypeVar("D", bound=_Database)


def _guarded(method: Callable[Concatenate[D, P], R]) -> Callable[Concatenate[D, P], R]:
    """Turn SQLite errors into StoreError, after a rollback."""

    @functools.wraps(method)
    def guarded(self: D, *args: P.args, **kwargs: P.kwargs) -> R:
        with self._lock:
            try:
                return method(self, *args, **kwargs)
            except sqlite3.Error as error:
                with suppress(sqlite3.Error):  # the first error matters more
                    self.rollback()
                raise StoreError(f"{self.path}: {error}.") from error

    return guarded  # type: ignore[return-value]


class SQLiteOutboxStore(_Database):
    """Keeps the messages of one outbox in a file of its own.

    One process at a time: the file stays locked until the store is closed.

    Raises
    ------
    StoreError
        The file is in use, or is no database.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        super().__init__(path, "locking_mode=EXCLUSIVE", schema=_OUTBOX)

    @_guarded
    def load(self) -> Saved:
        db = self._connection
        db.execute("BEGIN IMMEDIATE")
        producer, epoch, base = db.execute(
            "SELECT producer, epoch, base FROM outbox_producer"
        ).fetchone() or (None, 0, 0)
        identity = new_identity(producer, epoch)
        db.execute("DELETE FROM outbox_producer")
        db.execute(
            "INSERT INTO outbox_producer VALUES (?, ?, ?)",
            (identity.producer, identity.epoch, base),
        )
        texts = [t for (t,) in db.execute("SELECT text FROM outbox_messages ORDER BY sequence")]
        db.execute("COMMIT")
        return Saved(identity, base, texts)

    @_guarded
    def save(self, base: int, first: int, texts: list[str]) -> None:
        db = self._connection
        db.execute("BEGIN IMMEDIATE")
        db.execute("UPDATE outbox_producer SET base = ?", (base,))
        db.execute("DELETE FROM outbox_messages WHERE sequence < ?", (base,))
        db.executemany("INSERT INTO outbox_messages VALUES (?, ?)", enumerate(texts, first))
        db.execute("COMMIT")


class Transaction:
    """What a handler writes to: ``execute`` and ``executemany`` of ``sqlite3.Connection``.

    It does not commit: the inbox commits the effects together with the mark.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._execute = connection.execute
        self.executemany = connection.executemany

    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        """Run a statement; it raises `UsageError` for ``COMMIT`` and its kin."""
        if sql.lstrip()[:6].upper() in _CONTROL:
            raise UsageError(
                "A handler runs inside the inbox's transaction and must not end it. To undo its "
                "effects, raise an exception."
            )
        return self._execute(sql, parameters)


class SQLiteInboxStore(_Database):
    """Keeps progress in the same database as the handlers' effects.

    Parameters
    ----------
    path : str or path-like
    schema : str
        Statements that create the handlers' own tables: ``CREATE TABLE IF NOT EXISTS ...``.

    Raises
    ------
    StoreError
        The file is locked, or is no database.
    """

    def __init__(self, path: str | PathLike[str], schema: str = "") -> None:
        super().__init__(path, schema=_INBOX + schema)
        self.db: Any = Transaction(self._connection)
        self._marked = False  # whether a savepoint is set

    @_guarded
    def begin(self) -> None:
        self._marked = False
        self._connection.execute("BEGIN IMMEDIATE")

    @_guarded
    def commit(self) -> None:
        self._connection.execute("COMMIT")

    @_guarded
    def savepoint(self) -> None:
        self._release()
        self._connection.execute("SAVEPOINT message")
        self._marked = True

    @_guarded
    def undo(self) -> None:
        self._connection.execute("ROLLBACK TO message")

    def is_store_failure(self, error: BaseException | None) -> bool:
        """Return whether a handler failed because of the disk or the file."""
        while error is not None:
            if isinstance(error, sqlite3.Error) and _primary(error) in _TROUBLE:
                return True
            error = error.__cause__ or error.__context__
        return False

    @_guarded
    def progress(self, producer: str) -> Progress:
        found = self._connection.execute(
            "SELECT epoch, floor, next FROM inbox_producers WHERE producer = ?", (producer,)
        ).fetchone()
        return Progress(*found) if found else Progress()

    @_guarded
    def kept(self, producer: str, first: int, count: int) -> list[StoredReply]:
        rows = self._connection.execute(
            "SELECT digest, reply FROM inbox_replies WHERE producer = ? "
            "AND sequence >= ? AND sequence < ? ORDER BY sequence",
            (producer, first, first + count),
        )
        return [StoredReply(*row) for row in rows]

    @_guarded
    def save(self, producer: str, progress: Progress, first: int, kept: list[StoredReply]) -> None:
        self._release()
        db = self._connection
        db.execute(
            "REPLACE INTO inbox_producers VALUES (?, ?, ?, ?, ?)",
            (producer, *progress, time.time()),
        )
        db.execute(
            "DELETE FROM inbox_replies WHERE producer = ? AND sequence < ?",
            (producer, progress.floor),
        )
        db.executemany(
            "INSERT INTO inbox_replies VALUES (?, ?, ?, ?)",
            [(producer, number, *one) for number, one in enumerate(kept, first)],
        )

    @_guarded
    def forget(self, seconds: float) -> int:
        db, last = self._connection, time.time() - seconds
        db.execute("BEGIN IMMEDIATE")
        db.execute(
            "DELETE FROM inbox_replies WHERE producer IN "
            "(SELECT producer FROM inbox_producers WHERE seen <= ?)",
            (last,),
        )
        count = db.execute("DELETE FROM inbox_producers WHERE seen <= ?", (last,)).rowcount
        db.execute("COMMIT")
        return count

    def _release(self) -> None:
        """End the savepoint of the previous message, and keep its effects."""
        if self._marked:
            self._connection.execute("RELEASE message")
            self._marked = False


def _primary(error: sqlite3.Error) -> int:
    """Return the primary result code (sqlite.org/rescode.html)."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
