"""An inbox's store on disk: progress, replies and the handlers' effects in one transaction."""

import sqlite3
import time
from collections.abc import Collection
from typing import Any

from ..errors import StoreError
from .inbox_state import Progress, StoredReply
from .sqlite_database import BEGIN, Database, guarded, primary
from .tables import Read, Tables, causes, first_of

# Errors of the disk, not of the statement. (In a handler the file is open, and locked for it: if
# a file cannot be opened, or is locked, then it is another one.)
_TROUBLE = {sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FULL}

SCHEMA = """
CREATE TABLE IF NOT EXISTS inbox_producers (
    producer TEXT PRIMARY KEY, user TEXT, epoch INTEGER, start TEXT, last TEXT, floor INTEGER,
    next INTEGER, attempts INTEGER, seen REAL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS inbox_users ON inbox_producers (user);
CREATE TABLE IF NOT EXISTS inbox_replies (
    producer TEXT, sequence INTEGER, id TEXT, reply TEXT, PRIMARY KEY (producer, sequence)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS inbox_aside (
    number INTEGER PRIMARY KEY, box TEXT, producer TEXT, sequence INTEGER, user TEXT, text TEXT,
    error TEXT
);
CREATE UNIQUE INDEX IF NOT EXISTS inbox_letters
    ON inbox_aside (box, producer, sequence, substr(text, 1, 99));
CREATE TABLE IF NOT EXISTS feed_topics (
    topic TEXT PRIMARY KEY, log TEXT, next INTEGER
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS feed_entries (
    topic TEXT, number INTEGER, text TEXT, PRIMARY KEY (topic, number)
) WITHOUT ROWID;
"""


class SQLiteInboxStore(Database, Tables):
    """Keeps progress in the same database as the handlers' effects.

    `schema` creates the handlers' own tables: ``CREATE TABLE IF NOT EXISTS ...``. A file that is
    locked, or is no database, is a `StoreError`, and so is one that was moved, deleted or replaced
    while it was open. Make the store after a fork, in the process that uses it.
    """

    concurrent = False
    tables = SCHEMA

    @guarded
    def begin(self) -> None:
        self.marked = False
        self.control(BEGIN)

    def commit(self) -> None:
        with self.lock:
            try:
                self.control("COMMIT")
            except sqlite3.Error as error:
                if primary(error) == sqlite3.SQLITE_CONSTRAINT:
                    raise  # a deferred one: a handler is to blame
                raise StoreError(f"{self.name}: {error}.") from error

    @guarded
    def savepoint(self) -> None:
        self._release()
        self.control("SAVEPOINT message")
        self.marked = True

    @guarded
    def undo(self) -> None:
        self.check_transaction()
        self.control("ROLLBACK TO message")

    def is_store_failure(self, error: BaseException) -> bool:
        kinds = ((type(one), one) for one in causes(error))  # not what a `__class__` says
        return any(issubclass(k, sqlite3.Error) and primary(e) in _TROUBLE for k, e in kinds)

    def is_contention(self, error: BaseException) -> bool:
        return False

    def owned(self, user: str | None, limit: int) -> Any:
        return self._run(
            "SELECT count() FROM (SELECT 1 FROM inbox_producers WHERE user IS ? AND epoch LIMIT ?)",
            (user, limit),
            lambda rows: first_of(rows)[0],
        )

    def progress(self, producer: str) -> Any:
        return self._run(
            "SELECT user, epoch, start, last, floor, next, attempts FROM inbox_producers "
            "WHERE producer = ?",
            (producer,),
            lambda rows: first_of(map(Progress._make, rows)),
        )

    def save(self, producer: str, progress: Progress, first: int, kept: list[StoredReply]) -> None:
        self._release()
        self._run(
            "REPLACE INTO inbox_producers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (producer, *progress, time.time()),
        )
        self._run(
            "DELETE FROM inbox_replies WHERE producer = ? AND sequence < ?",
            (producer, progress.floor),
        )
        self._run_many(
            "INSERT INTO inbox_replies VALUES (?, ?, ?, ?)",
            [(producer, number, *one) for number, one in enumerate(kept, first)],
        )

    def touch(self, producers: Collection[str]) -> None:
        rows = [(time.time(), producer) for producer in producers]
        self._run_many("UPDATE inbox_producers SET seen = ? WHERE producer = ?", rows)

    def forget(self, seconds: float, keep: Collection[str]) -> int:
        sql = "SELECT producer FROM inbox_producers WHERE seen <= ? AND epoch > 0"
        found = self._run(sql, (time.time() - seconds,), list)
        silent = [row for row in found if row[0] not in keep]
        self._run_many("DELETE FROM inbox_replies WHERE producer = ?", silent)
        self._run_many("DELETE FROM inbox_producers WHERE producer = ?", silent)
        return len(silent)

    def append(self, db: Any, topic: str, log: str, text: str) -> None:
        self.check_open()
        self._run(
            "INSERT INTO feed_topics VALUES (?, ?, 1) "
            "ON CONFLICT (topic) DO UPDATE SET next = next + 1",
            (topic, log),
        )
        self._run(
            "INSERT INTO feed_entries SELECT topic, next - 1, ? FROM feed_topics WHERE topic = ?",
            (text, topic),
        )

    @guarded
    def _run(self, sql: str, parameters: tuple[Any, ...], read: Read = None) -> Any:
        rows = self.connection.execute(sql, parameters)
        return read(rows) if read else None

    @guarded
    def _run_many(self, sql: str, rows: list[tuple[Any, ...]]) -> None:
        self.connection.executemany(sql, rows)

    @guarded
    def _release(self) -> None:
        """End the savepoint of the previous message, and keep its effects."""
        if self.marked:
            self.check_transaction()
            self.control("RELEASE message")
            self.marked = False
