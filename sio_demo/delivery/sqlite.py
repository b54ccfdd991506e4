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

# What a handler must not do: end the inbox's transaction, or write to another file, which would
# not be committed together with this one. SQLite itself refuses the pragmas that matter here.
_REFUSED = {
    sqlite3.SQLITE_TRANSACTION,
    sqlite3.SQLITE_SAVEPOINT,
    sqlite3.SQLITE_ATTACH,
    sqlite3.SQLITE_DETACH,
}

P = ParamSpec("P")
R = TypeVar("R")


class _Database:
    """A database file; its methods may be called from any thread, one at a time."""

    durable = True

    def __init__(self, path: str | PathLike[str], *pragmas: str, schema: str) -> None:
        self.path = str(path)
        self._lock = threading.RLock()
        self._in_control = False  # while the store runs a transaction statement
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
                self._control("ROLLBACK")

    def _control(self, sql: str) -> None:
        """Run a transaction statement, which an inbox's authorizer refuses to handlers."""
        self._in_control = True
        try:
            # sqlite3 caches statements by their text and asks the authorizer once for each. The
            # comment makes this text different from the same statement in a handler.
            self._connection.execute(f"{sql} /* store */")
        finally:
            self._in_control = False


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

    Raises
    ------
    UsageError
        The statement would end the transaction, set a savepoint, or attach another file.
    """

    def __init__(self, store: SQLiteInboxStore) -> None:
        self._store = store
        self._connection = store._connection

    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        return self._run(self._connection.execute, sql, parameters)

    def executemany(self, sql: str, parameters: Any) -> sqlite3.Cursor:
        return self._run(self._connection.executemany, sql, parameters)

    def _run(
        self, execute: Callable[[str, Any], sqlite3.Cursor], sql: str, parameters: Any
    ) -> sqlite3.Cursor:
        self._store.check_transaction()
        try:
            return execute(sql, parameters)
        except sqlite3.DatabaseError as error:
            if _primary(error) != sqlite3.SQLITE_AUTH:
                raise
            raise UsageError(
                "A handler runs inside the inbox's transaction and must not end it, nor attach "
                "another file. To undo its effects, raise an exception."
            ) from error


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
        self._connection.set_authorizer(self._authorize)
        self.db: Any = Transaction(self)
        self._marked = False  # whether a savepoint is set

    @_guarded
    def begin(self) -> None:
        self._marked = False
        self._control("BEGIN IMMEDIATE")

    @_guarded
    def commit(self) -> None:
        self._control("COMMIT")

    @_guarded
    def savepoint(self) -> None:
        self._release()
        self._control("SAVEPOINT message")
        self._marked = True

    @_guarded
    def undo(self) -> None:
        self.check_transaction()
        self._control("ROLLBACK TO message")

    def rollback(self) -> None:
        self._marked = False
        super().rollback()

    def check_transaction(self) -> None:
        """Raise StoreError if a handler's statement has rolled the transaction back."""
        if self._marked and not self._connection.in_transaction:
            raise StoreError(
                f"{self.path}: a handler's statement rolled back the transaction, with the "
                "effects of other messages. Use OR ABORT or RAISE(ABORT) instead of ROLLBACK."
            )

    def is_store_failure(self, error: BaseException) -> bool:
        """Return whether a handler failed because of the disk or the file."""
        seen = set()
        cause: BaseException | None = error
        while cause is not None and id(cause) not in seen:  # `raise e from e` makes a cycle
            if isinstance(cause, sqlite3.Error) and _primary(cause) in _TROUBLE:
                return True
            seen.add(id(cause))
            cause = cause.__context__ if cause.__cause__ is None else cause.__cause__
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
        self._control("BEGIN IMMEDIATE")
        db.execute(
            "DELETE FROM inbox_replies WHERE producer IN "
            "(SELECT producer FROM inbox_producers WHERE seen <= ?)",
            (last,),
        )
        count = db.execute("DELETE FROM inbox_producers WHERE seen <= ?", (last,)).rowcount
        self._control("COMMIT")
        return count

    def _authorize(self, action: int, *_: str | None) -> int:
        """Return SQLITE_DENY for a statement that only the store may run."""
        refused = action in _REFUSED and not self._in_control
        return sqlite3.SQLITE_DENY if refused else sqlite3.SQLITE_OK

    def _release(self) -> None:
        """End the savepoint of the previous message, and keep its effects."""
        if self._marked:
            self.check_transaction()
            self._control("RELEASE message")
            self._marked = False


def _primary(error: sqlite3.Error) -> int:
    """Return the primary result code (sqlite.org/rescode.html)."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
