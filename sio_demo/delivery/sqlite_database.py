"""What the SQLite stores share: a file with a write-ahead log and ``synchronous=FULL``.

When a commit returns, its data is on disk. An SQLite error is a `StoreError`, after a rollback.
"""

from __future__ import annotations

import functools
import os
import random
import re
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from os import PathLike
from typing import Any, Self, TypeVar
from weakref import WeakSet

from ..errors import StoreError, UsageError

# What a handler must not do: end the inbox's transaction, or write to another file, which would
# not be committed together with this one. Nor must it change the store's own tables.
_REFUSED = {sqlite3.SQLITE_TRANSACTION, sqlite3.SQLITE_SAVEPOINT}
_REFUSED |= {sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH}
# Pragmas whose argument changes nothing, or for this transaction only.
_HARMLESS = {"defer_foreign_keys", "foreign_key_check", "foreign_key_list", "index_info"}
_HARMLESS |= {"index_list", "index_xinfo", "table_info", "table_list", "table_xinfo"}
_OURS = (
    "A handler runs inside the inbox's transaction and must not end it, attach another file, set a "
    "pragma, nor change the inbox's tables. To undo its effects, raise an exception."
)

BEGIN = "BEGIN IMMEDIATE"

F = TypeVar("F", bound=Callable[..., Any])


class Database:
    """A database file; its methods may be called from any thread, one at a time."""

    durable = True
    tables: str  # the statements that create the store's own
    _busy_timeout = 0  # milliseconds

    def __init__(self, path: str | PathLike[str], schema: str = "") -> None:
        if os.fspath(path).startswith((":memory:", "file:")):
            raise UsageError(f"{path} is no file. Without a store, all is kept in memory.")
        self.path = os.path.abspath(path)
        self.name = os.path.basename(self.path)  # clients may read it in an error
        self._schema = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;" + self.tables + schema
        self._own = set(re.findall("TABLE IF NOT EXISTS (\\w+)", self.tables))
        self.lock = threading.RLock()
        self.guest = False  # while a statement of a handler's is prepared
        self.marked = False  # whether a savepoint is set
        with suppress(OSError):  # a file that is there keeps its mode
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        self._file = file_at(self.path)
        self.connection = patiently(self._connect, 1)  # others may be making the tables
        self.db = Transaction(self)

    def _connect(self) -> sqlite3.Connection:
        self._check_file()
        if self._file and os.stat(self.path).st_nlink > 1:  # SQLite would keep a log for each name
            raise StoreError(f"{self.path} has a hard link, another name. Use a copy instead.")
        connection = None
        try:
            connection = sqlite3.connect(
                self.path, timeout=1, isolation_level=None, check_same_thread=False
            )
            connection.executescript(self._schema)
            connection.execute(f"PRAGMA busy_timeout={self._busy_timeout}")
        except (sqlite3.Error, ValueError) as error:  # ValueError: a NUL in the schema
            if connection is not None:
                connection.close()
            raise StoreError(f"{self.path} cannot be opened: {error}.") from error
        connection.set_authorizer(self._authorize)
        return connection

    def close(self) -> None:
        """Close the file; may be called twice."""
        with self.lock, closing(self.connection), suppress(StoreError):
            self._check_file()

    def rollback(self) -> None:
        with self.lock:
            self.marked = False
            if self.connection.in_transaction:
                self.control("ROLLBACK")

    def check_transaction(self) -> None:
        """Raise UsageError if a caller's statement has rolled the transaction back."""
        if self.marked and not self.connection.in_transaction:
            raise UsageError(
                "A statement rolled back the whole transaction, with the effects of other "
                "messages. Use OR ABORT or RAISE(ABORT) instead of ROLLBACK."
            )

    def check_open(self) -> None:
        """Raise UsageError if a caller's transaction is not under way."""
        self.check_transaction()
        if not self.connection.in_transaction:
            raise UsageError("The transaction of this `db` has ended.")

    def control(self, sql: str) -> None:
        """Run a statement that the authorizer refuses to callers."""
        if sql == BEGIN:
            self._check_file()
        try:
            self.connection.execute(sql)
        except sqlite3.OperationalError as error:
            if sql == BEGIN or primary(error) != sqlite3.SQLITE_BUSY:
                raise
            self.db.close_cursors()  # one with rows to come (RETURNING) counts as a write
            self.connection.execute(sql)

    def _check_file(self) -> None:
        """Raise StoreError if the next process would not find what is written now."""
        if file_at(self.path) != self._file:
            with suppress(sqlite3.Error):  # what was accepted so far is to go with the file
                self.control("PRAGMA wal_checkpoint(TRUNCATE)")
            raise StoreError(f"{self.name} was moved, deleted or replaced while it was open.")

    def _authorize(self, action: int, name: str | None, value: str | None, *_: str | None) -> int:
        """Return SQLITE_DENY for a handler's statement that only the store may run."""
        if not self.guest:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_PRAGMA:  # one that changes the connection stays changed
            refused = value is not None and name not in _HARMLESS
        else:
            own = {str(one).lower() for one in (name, value)} & self._own
            refused = action in _REFUSED or (bool(own) and action != sqlite3.SQLITE_READ)
            refused |= action == sqlite3.SQLITE_ALTER_TABLE and name == "temp"  # to one of ours
        return sqlite3.SQLITE_DENY if refused else sqlite3.SQLITE_OK


def file_at(path: str | int) -> tuple[int, int] | None:
    with suppress(OSError):
        found = os.stat(path)
        return found.st_dev, found.st_ino
    return None


def patiently(attempt: Callable[[], Any], seconds: float) -> Any:
    """Try again, for some seconds, while another process has the file locked."""
    until = time.monotonic() + seconds
    while True:
        try:
            return attempt()
        except StoreError as error:
            if primary(error.__cause__) != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                raise
        time.sleep(random.uniform(0.001, 0.003))


def guarded(method: F) -> F:
    """Turn SQLite errors into StoreError, after a rollback."""

    @functools.wraps(method)
    def inner(self: Database, *args: Any, **kwargs: Any) -> Any:
        with self.lock:
            try:
                return method(self, *args, **kwargs)
            except sqlite3.Error as error:
                with suppress(sqlite3.Error):  # the first error matters more
                    self.rollback()
                raise StoreError(f"{self.name}: {error}.") from error

    return inner  # type: ignore[return-value]


class Cursor(sqlite3.Cursor):
    """A cursor that ends no transaction, and runs nothing outside of one."""

    store: Database

    @property
    def connection(self) -> sqlite3.Connection:
        raise UsageError(_OURS)

    def execute(self, sql: str, parameters: Any = (), /) -> Self:
        return self._run(super().execute, sql, parameters)

    def executemany(self, sql: str, parameters: Any, /) -> Self:
        return self._run(super().executemany, sql, parameters)

    def executescript(self, _script: str, /) -> Self:
        raise UsageError(_OURS)  # it commits first

    def _run(self, execute: Callable[[str, Any], Self], sql: str, parameters: Any) -> Self:
        self.store.check_open()
        self.store.guest = True
        try:
            # sqlite3 caches statements by their texts, and asks the authorizer once for each.
            return execute(f"{sql}\n/* handler's */", parameters)
        except sqlite3.DatabaseError as error:
            if primary(error) != sqlite3.SQLITE_AUTH:
                raise
            raise UsageError(_OURS) from error
        finally:
            self.store.guest = False


class Transaction:
    """What a handler writes to: ``execute`` and ``executemany`` of ``sqlite3.Connection``.

    It does not commit: the inbox commits the effects together with the mark.

    Raises UsageError: the statement would end the transaction, set a savepoint, attach another
    file, or change a table of the store's own.
    """

    __slots__ = ("_cursors", "_store")  # what one handler sets would meet the next one

    def __init__(self, store: Database) -> None:
        self._store = store
        self._cursors: WeakSet[Cursor] = WeakSet()

    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        return self._cursor().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Any) -> sqlite3.Cursor:
        return self._cursor().executemany(sql, parameters)

    def close_cursors(self) -> None:
        for cursor in list(self._cursors):
            cursor.close()

    def _cursor(self) -> Cursor:
        cursor: Cursor = self._store.connection.cursor(Cursor)
        cursor.store = self._store
        self._cursors.add(cursor)
        return cursor


def primary(error: BaseException | None) -> int:
    """Return the primary result code (sqlite.org/rescode.html)."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
