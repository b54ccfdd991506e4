"""Stores on disk: SQLite with a write-ahead log and ``synchronous=FULL``.

When a commit returns, its data is on disk. Every SQLite error becomes a `StoreError`, after a
rollback.
"""

from __future__ import annotations

import functools
import os
import random
import sqlite3
import sys
import threading
import time
import uuid
from collections.abc import Callable, Collection
from contextlib import suppress
from os import PathLike
from typing import IO, Any, Concatenate, ParamSpec, TypeVar

from ..errors import StoreError, UncertainError, UsageError
from .inbox_state import Progress, StoredReply
from .send_window import Identity
from .stores import Letter, Saved, fitting

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

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
CREATE TABLE IF NOT EXISTS outbox_producer (
    producer TEXT, known INTEGER, epoch INTEGER, base INTEGER, after TEXT
);
CREATE TABLE IF NOT EXISTS outbox_messages (sequence INTEGER PRIMARY KEY, text TEXT NOT NULL);
"""

_INBOX = """
CREATE TABLE IF NOT EXISTS inbox_producers (
    producer TEXT PRIMARY KEY, user TEXT, epoch INTEGER, start TEXT, last TEXT, floor INTEGER,
    next INTEGER, attempts INTEGER, seen REAL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS inbox_users ON inbox_producers (user);
CREATE TABLE IF NOT EXISTS inbox_replies (
    producer TEXT, sequence INTEGER, id TEXT, reply TEXT, PRIMARY KEY (producer, sequence)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS inbox_aside (
    box TEXT, producer TEXT, sequence INTEGER, user TEXT, text TEXT, error TEXT,
    UNIQUE (box, producer, sequence)
);
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
    _busy_timeout = 0  # milliseconds

    def __init__(self, path: str | PathLike[str], schema: str) -> None:
        self.path = str(path)
        self._schema = schema
        self._lock = threading.RLock()
        self._in_control = False  # while the store runs a statement of its own
        self._marked = False  # whether a savepoint is set
        with suppress(OSError):  # a file that is there keeps its mode
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        self._connection = self._connect()
        self.db = Transaction(self)

    def _connect(self) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(
                self.path, timeout=1, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise StoreError(f"{self.path} cannot be opened: {error}.") from error
        try:
            for pragma in ("journal_mode=WAL", "synchronous=FULL"):
                connection.execute(f"PRAGMA {pragma}")
            connection.executescript(self._schema)
            connection.execute(f"PRAGMA busy_timeout={self._busy_timeout}")
        except sqlite3.Error as error:
            connection.close()
            raise StoreError(f"{self.path} cannot be used: {error}.") from error
        connection.set_authorizer(self._authorize)
        return connection

    def close(self) -> None:
        """Close the file; may be called twice."""
        with self._lock:
            self._connection.close()

    def rollback(self) -> None:
        """Roll the transaction back, if there is one."""
        with self._lock:
            self._marked = False
            if self._connection.in_transaction:
                self._control("ROLLBACK")

    def check_transaction(self) -> None:
        """Raise UsageError if a caller's statement has rolled the transaction back."""
        if self._marked and not self._connection.in_transaction:
            raise UsageError(
                "A statement rolled back the whole transaction, with the effects of other "
                "messages. Use OR ABORT or RAISE(ABORT) instead of ROLLBACK."
            )

    def _control(self, sql: str) -> None:
        """Run a transaction statement, which the authorizer refuses to callers."""
        self._in_control = True
        try:
            # sqlite3 caches statements by their text and asks the authorizer once for each. The
            # comment makes this text different from the same statement in a handler.
            self._connection.execute(f"{sql} /* store */")
        finally:
            self._in_control = False

    def _authorize(self, action: int, *_: str | None) -> int:
        """Return SQLITE_DENY for a statement that only the store may run."""
        refused = action in _REFUSED and not self._in_control
        return sqlite3.SQLITE_DENY if refused else sqlite3.SQLITE_OK


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
    """Keeps the messages of one outbox, and tables of yours, in a file.

    One outbox at a time: the lock on a file beside it, ``path.lock``, holds until the store is
    closed. (SQLite's own lock vanishes when this process closes any descriptor of the database:
    sqlite.org/howtocorrupt.html.) Other connections may read the file, and write your tables.

    Parameters
    ----------
    path : str or path-like
    schema : str
        Statements that create your own tables: ``CREATE TABLE IF NOT EXISTS ...``.

    Raises
    ------
    StoreError
        The file is in use, or is no database.
    """

    _busy_timeout = 5000  # others may write the caller's tables

    def __init__(self, path: str | PathLike[str], schema: str = "") -> None:
        self._held = _lock_file(path)
        self._broken = False
        try:
            super().__init__(path, _OUTBOX + schema)
        except StoreError:
            self._held.close()
            raise

    def close(self) -> None:
        super().close()
        self._held.close()

    @_guarded
    def load(self) -> Saved:
        db = self._connection
        self._control("BEGIN IMMEDIATE")
        if db.execute("SELECT 1 FROM outbox_producer").fetchone() is None:
            self._new_producer(0)
        db.execute("UPDATE outbox_producer SET epoch = epoch + 1")
        producer, known, epoch, base, after = db.execute("SELECT * FROM outbox_producer").fetchone()
        texts = [t for (t,) in db.execute("SELECT text FROM outbox_messages ORDER BY sequence")]
        self._control("COMMIT")
        return Saved(Identity(producer, bool(known), epoch), base, after, texts)

    @_guarded
    def known(self) -> None:
        self._connection.execute("UPDATE outbox_producer SET known = 1")

    @_guarded
    def begin(self) -> None:
        """Begin a transaction of the caller, which `save` will commit."""
        if self._broken:
            self._read_again()
        self._control("BEGIN IMMEDIATE")
        self._marked = True

    def save(self, base: int, first: int, texts: list[str], after: str) -> None:
        with self._lock:
            if self._broken and self._read_again() and self._has(first, texts):
                return
            try:
                self._save(base, first, texts, after)
            except sqlite3.Error as error:
                self._broken = True  # the disk may have what the error denies
                if not (self._read_again() and self._has(first, texts)):
                    raise StoreError(f"{self.path}: {error}.") from error

    @_guarded
    def restart(self, texts: list[str]) -> Identity:
        db = self._connection
        self._control("BEGIN IMMEDIATE")
        db.execute("DELETE FROM outbox_producer")
        producer = self._new_producer(1)
        db.execute("DELETE FROM outbox_messages")
        db.executemany("INSERT INTO outbox_messages VALUES (?, ?)", enumerate(texts))
        self._control("COMMIT")
        return Identity(producer)

    def _new_producer(self, epoch: int) -> str:
        producer = str(uuid.uuid4())
        values = (producer, epoch)
        self._connection.execute("INSERT INTO outbox_producer VALUES (?, 0, ?, 0, '')", values)
        return producer

    def _save(self, base: int, first: int, texts: list[str], after: str) -> None:
        self.check_transaction()
        db = self._connection
        if not db.in_transaction:
            self._control("BEGIN IMMEDIATE")
        self._marked = False
        db.execute("UPDATE outbox_producer SET base = ?, after = ?", (base, after))
        db.execute("DELETE FROM outbox_messages WHERE sequence < ?", (base,))
        db.executemany("INSERT INTO outbox_messages VALUES (?, ?)", enumerate(texts, first))
        self._control("COMMIT")

    def _read_again(self) -> bool:
        """Open the file again after an error, and write what is in its log to the disk."""
        try:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = self._connect()
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except (StoreError, sqlite3.Error) as error:
            raise UncertainError(f"{self.path} cannot be read after an error: {error}.") from error
        self._broken = False
        return True

    def _has(self, first: int, texts: list[str]) -> bool:
        last = (first + len(texts) - 1, texts[-1] if texts else "")
        found = self._connection.execute(
            "SELECT 1 FROM outbox_messages WHERE sequence = ? AND text = ?", last
        )
        return found.fetchone() is not None


def _lock_file(path: str | PathLike[str]) -> IO[bytes]:
    """Return the lock file of a database, locked until it is closed."""
    try:
        file = open(os.path.realpath(path) + ".lock", "ab", opener=_private)  # noqa: SIM115
    except OSError as error:
        raise StoreError(f"{path} cannot be opened: {error}.") from error
    try:
        if sys.platform == "win32":
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise StoreError(f"{path} is locked: another outbox uses it.") from error
    return file


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


class Transaction:
    """What a handler writes to: ``execute`` and ``executemany`` of ``sqlite3.Connection``.

    It does not commit: the inbox commits the effects together with the mark.

    Raises
    ------
    UsageError
        The statement would end the transaction, set a savepoint, or attach another file.
    """

    def __init__(self, store: _Database) -> None:
        self._store = store

    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        return self._run(self._store._connection.execute, sql, parameters)

    def executemany(self, sql: str, parameters: Any) -> sqlite3.Cursor:
        return self._run(self._store._connection.executemany, sql, parameters)

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
        super().__init__(path, _INBOX + schema)

    def begin(self, patience: float = 0.0) -> None:
        self._marked = False
        until = time.monotonic() + patience
        while not self._begun(time.monotonic() >= until):
            time.sleep(random.uniform(0.001, 0.003))

    @_guarded
    def _begun(self, last: bool) -> bool:
        try:
            self._control("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if last or _primary(error) != sqlite3.SQLITE_BUSY:
                raise
            return False
        return True

    def commit(self) -> None:
        with self._lock:
            try:
                self._control("COMMIT")
            except sqlite3.Error as error:
                with suppress(sqlite3.Error):
                    self.rollback()
                if self.is_store_failure(error):
                    raise StoreError(f"{self.path}: {error}.") from error
                raise  # a deferred constraint: a handler is to blame

    @_guarded
    def savepoint(self) -> None:
        self._release()
        self._control("SAVEPOINT message")
        self._marked = True

    @_guarded
    def undo(self) -> None:
        self.check_transaction()
        self._control("ROLLBACK TO message")

    def is_store_failure(self, error: BaseException) -> bool:
        """Return whether an error comes from the disk or the file."""
        seen = set()
        cause: BaseException | None = error
        while cause is not None and id(cause) not in seen:  # `raise e from e` makes a cycle
            if isinstance(cause, sqlite3.Error) and _primary(cause) in _TROUBLE:
                return True
            seen.add(id(cause))
            cause = cause.__context__ if cause.__cause__ is None else cause.__cause__
        return False

    @_guarded
    def owned(self, user: str | None, limit: int) -> int:
        (count,) = self._connection.execute(
            "SELECT count(*) FROM (SELECT 1 FROM inbox_producers WHERE user IS ? LIMIT ?)",
            (user, limit),
        ).fetchone()
        return int(count)

    @_guarded
    def progress(self, producer: str) -> Progress | None:
        found = self._connection.execute(
            "SELECT user, epoch, start, last, floor, next, attempts FROM inbox_producers "
            "WHERE producer = ?",
            (producer,),
        ).fetchone()
        return Progress(*found) if found else None

    @_guarded
    def kept(self, producer: str, first: int, count: int, size: int) -> list[StoredReply]:
        rows = self._connection.execute(
            "SELECT id, reply FROM inbox_replies WHERE producer = ? "
            "AND sequence >= ? AND sequence < ? ORDER BY sequence",
            (producer, first, first + count),
        )
        return fitting((StoredReply(*row) for row in rows), size)

    @_guarded
    def save(self, producer: str, progress: Progress, first: int, kept: list[StoredReply]) -> None:
        self._release()
        db = self._connection
        db.execute(
            "REPLACE INTO inbox_producers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
    def put_aside(self, box: str, letter: Letter) -> None:
        self._connection.execute(
            "REPLACE INTO inbox_aside VALUES (?, ?, ?, ?, ?, ?)", (box, *letter)
        )

    @_guarded
    def aside(self, box: str) -> list[Letter]:
        rows = self._connection.execute(
            "SELECT producer, sequence, user, text, error FROM inbox_aside WHERE box = ? "
            "ORDER BY rowid",
            (box,),
        )
        return [Letter(*row) for row in rows]

    @_guarded
    def take_out(self, box: str, letters: Collection[Letter]) -> None:
        self._connection.executemany(
            "DELETE FROM inbox_aside WHERE box = ? AND producer = ? AND sequence = ?",
            [(box, letter.producer, letter.sequence) for letter in letters],
        )

    @_guarded
    def touch(self, producers: Collection[str]) -> None:
        now = time.time()
        self._connection.executemany(
            "UPDATE inbox_producers SET seen = ? WHERE producer = ?",
            [(now, producer) for producer in producers],
        )

    @_guarded
    def forget(self, seconds: float, keep: Collection[str]) -> int:
        db, last = self._connection, time.time() - seconds
        found = db.execute("SELECT producer FROM inbox_producers WHERE seen <= ?", (last,))
        silent = [(name,) for (name,) in found if name not in keep]
        db.executemany("DELETE FROM inbox_replies WHERE producer = ?", silent)
        db.executemany("DELETE FROM inbox_producers WHERE producer = ?", silent)
        return len(silent)

    def _release(self) -> None:
        """End the savepoint of the previous message, and keep its effects."""
        if self._marked:
            self.check_transaction()
            self._control("RELEASE message")
            self._marked = False


def _primary(error: sqlite3.Error) -> int:
    """Return the primary result code (sqlite.org/rescode.html)."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
