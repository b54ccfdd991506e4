"""Stores whose process can be killed at an exact point."""

from __future__ import annotations

import os
import signal
from os import PathLike
from typing import Any

from ..delivery import SQLiteInboxStore, SQLiteOutboxStore
from ..delivery.inbox_state import Progress, StoredReply

SCHEMA = """
CREATE TABLE IF NOT EXISTS applied (
    position INTEGER PRIMARY KEY AUTOINCREMENT, client INTEGER, number INTEGER, reply TEXT
);
"""


class FailPoint:
    """Kills its own process at a point: no handler, no ``finally``, no commit comes after it."""

    def __init__(self) -> None:
        self.point = ""

    def hit(self, point: str) -> None:
        if point == self.point:
            os.kill(os.getpid(), signal.SIGKILL)


class KillableInboxStore(SQLiteInboxStore):
    """The inbox's store, with points before and after each commit."""

    def __init__(self, path: str | PathLike[str], fail_point: FailPoint) -> None:
        super().__init__(path, SCHEMA)
        self._fail_point = fail_point

    def commit(self) -> None:
        self._fail_point.hit("before commit")
        super().commit()
        self._fail_point.hit("after commit")


class KillableOutboxStore(SQLiteOutboxStore):
    """The outbox's store, with points before and after each commit."""

    def __init__(self, path: str | PathLike[str], fail_point: FailPoint) -> None:
        super().__init__(path)
        self._fail_point = fail_point

    def save(self, base: int, first: int, texts: list[str], after: str) -> None:
        self._fail_point.hit("before save")
        super().save(base, first, texts, after)
        self._fail_point.hit("after save")


class MarkOutside(KillableInboxStore):
    """Broken: commits the effects, and then the mark in another transaction."""

    def save(self, producer: str, progress: Progress, first: int, kept: list[StoredReply]) -> None:
        """Commit the effects before anything is noted."""
        SQLiteInboxStore.commit(self)
        self.begin()
        super().save(producer, progress, first, kept)


class MarkFirst(KillableInboxStore):
    """Broken: commits the mark, and then the effects in another transaction."""

    def __init__(self, path: str | PathLike[str], fail_point: FailPoint) -> None:
        super().__init__(path, fail_point)
        self._database: Any = self.db
        self.db: Any = self
        self._statements: list[tuple[str, tuple[object, ...]]] = []

    def execute(self, sql: str, parameters: tuple[object, ...]) -> None:
        """Put off what a handler does."""
        self._statements.append((sql, parameters))

    def commit(self) -> None:
        """Commit the mark; then do what was put off, and commit that."""
        super().commit()
        self.begin()
        for sql, parameters in self._statements:
            self._database.execute(sql, parameters)
        self._statements.clear()
        SQLiteInboxStore.commit(self)
