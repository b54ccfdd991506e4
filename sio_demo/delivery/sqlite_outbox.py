"""An outbox's store on disk."""

import os
import sqlite3
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from typing import IO, Any

from ..errors import StoreError, UncertainError
from .message import Hello
from .sqlite_database import BEGIN, Database, file_at, guarded
from .stores import Saved

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

SCHEMA = """
CREATE TABLE IF NOT EXISTS outbox_producer (
    producer TEXT, known INTEGER, epoch INTEGER, base INTEGER, after TEXT, saved TEXT
);
CREATE TABLE IF NOT EXISTS outbox_messages (sequence INTEGER PRIMARY KEY, text TEXT NOT NULL);
"""
_REGISTER = "INSERT INTO outbox_producer VALUES (?, 0, ?, 0, '', '')"  # id and epoch


class SQLiteOutboxStore(Database):
    """Keeps the messages of one outbox, and tables of yours that `schema` creates, in a file.

    One outbox at a time: the lock on a file beside it, ``path.lock``, holds until the store is
    closed. (SQLite's own lock vanishes when this process closes any descriptor of the database:
    sqlite.org/howtocorrupt.html.) Other connections may read the file, and write your tables.
    A file that is in use, or is no database, is a `StoreError`, and so is one that was moved,
    deleted or replaced: close the store first. A commit that is under way may miss it.
    Give each user a file: what one has sent before the first contact would go out in the name of
    the next one.
    """

    taken = _broken = False  # broken: to be read again, after an error
    tables = SCHEMA
    _busy_timeout = 5000  # others may write the caller's tables

    def __init__(self, path: str | PathLike[str], schema: str = "") -> None:
        self._lock = os.path.realpath(path) + ".lock"
        self._held, self._process = _lock_file(self._lock), os.getpid()
        self._lock_at = file_at(self._held.fileno())
        try:
            super().__init__(path, schema)
        except BaseException:
            with suppress(OSError):
                if file_at(self._lock) == self._lock_at:
                    os.unlink(self._lock)  # another that has it open will see that
            self._held.close()
            raise

    def close(self) -> None:
        super().close()
        if sys.platform != "win32" and self._process == os.getpid() and not self._held.closed:
            fcntl.flock(self._held, fcntl.LOCK_UN)  # a forked child may have it open for longer
        self._held.close()

    def _check_file(self) -> None:
        super()._check_file()
        if file_at(self._lock) != self._lock_at:
            raise StoreError(f"{self._lock} was deleted or replaced: another outbox may be open.")

    @guarded
    def load(self) -> Saved:
        db = self.connection
        self.control(BEGIN)
        if not self._finds("SELECT 1 FROM outbox_producer"):
            db.execute(_REGISTER, (str(uuid.uuid4()), 0))
        db.execute("UPDATE outbox_producer SET epoch = epoch + 1")
        name, known, epoch, base, after, _ = db.execute("SELECT * FROM outbox_producer").fetchone()
        texts = [t for (t,) in db.execute("SELECT text FROM outbox_messages ORDER BY sequence")]
        self.control("COMMIT")
        return Saved(Hello(name, bool(known), epoch), base, after, texts)

    @guarded
    def known(self) -> None:
        self.connection.execute("UPDATE outbox_producer SET known = 1")

    @guarded
    def begin(self) -> None:
        """Begin a transaction of the caller, which `save` will commit."""
        if self._broken:
            self._read_again()
        self.control(BEGIN)
        self.marked = True

    def save(self, base: int, first: int, texts: list[str], after: str) -> None:
        saved = str(uuid.uuid4())
        with self._committed("SELECT 1 FROM outbox_producer WHERE saved = ?", saved):
            if self._broken:
                self._read_again()
            self.check_transaction()
            db = self.connection
            if not db.in_transaction:
                self.control(BEGIN)
            self.marked = False
            state = (base, after, saved)
            db.execute("UPDATE outbox_producer SET base = ?, after = ?, saved = ?", state)
            db.execute("DELETE FROM outbox_messages WHERE sequence < ?", (base,))
            # The file may have some of them: what is uncertain is saved again, with what follows.
            db.executemany("REPLACE INTO outbox_messages VALUES (?, ?)", enumerate(texts, first))
            self.control("COMMIT")

    def restart(self, texts: list[str]) -> Hello:
        producer, db = str(uuid.uuid4()), self.connection
        with self._committed("SELECT 1 FROM outbox_producer WHERE producer = ?", producer):
            self.control(BEGIN)
            db.execute("DELETE FROM outbox_producer")
            db.execute(_REGISTER, (producer, 1))
            db.execute("DELETE FROM outbox_messages")
            db.executemany("INSERT INTO outbox_messages VALUES (?, ?)", enumerate(texts))
            self.control("COMMIT")
        return Hello(producer)

    @contextmanager
    def _committed(self, sql: str, *values: Any) -> Iterator[None]:
        """Run a block that commits; if it fails, look for a row: the disk may have it."""
        with self.lock:
            try:
                yield
            except sqlite3.Error as error:
                self._broken = True
                self._read_again()
                if not self._finds(sql, *values):
                    raise StoreError(f"{self.path}: {error}.") from error

    def _finds(self, sql: str, *values: Any) -> bool:
        return self.connection.execute(sql, values).fetchone() is not None

    def _read_again(self) -> None:
        """Open the file again after an error, and write what is in its log to the disk."""
        try:
            with suppress(sqlite3.Error):
                self.connection.close()
            self.connection = self._connect()
            self.control("PRAGMA wal_checkpoint(TRUNCATE)")
        except (StoreError, sqlite3.Error) as error:
            raise UncertainError(f"{self.path} cannot be read after an error: {error}.") from error
        self._broken = False


def _lock_file(path: str) -> IO[bytes]:
    """Return a file that is locked until it is closed."""
    try:
        file = open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "wb")  # noqa: SIM115
    except OSError as error:
        raise StoreError(f"{path} cannot be opened: {error}.") from error
    try:
        if sys.platform == "win32":
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        why = "another outbox uses it" if isinstance(error, BlockingIOError) else error
        raise StoreError(f"{path} is locked: {why}.") from error
    return file
