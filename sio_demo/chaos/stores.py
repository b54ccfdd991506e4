"""What a delivery is made of, and two with one thing wrong, which the schedules must catch.

The process of its stores can be killed at an exact point, and their disk can fail.
"""

import os
import resource
import signal
import sqlite3
import sys
from functools import partial
from types import FrameType
from typing import Any, NamedTuple

from .. import delivery
from ..delivery import Follower, Inbox, SQLiteInboxStore, SQLiteOutboxStore
from ..delivery.applier import Applier
from ..delivery.inbox_state import Progress
from ..delivery.message import Answer, Batch, read_message
from ..delivery.sqlite_database import Database
from ..delivery.stores import InboxStore
from ..delivery.transactions import settled
from ..delivery.turns import Session

SCHEMA = """
CREATE TABLE IF NOT EXISTS applied (
    position INTEGER PRIMARY KEY AUTOINCREMENT, client INTEGER, id TEXT, reply TEXT
);
"""

_DELIVERY = os.path.dirname(delivery.__file__)


class FailPoint:
    """Kills its own process, so that no handler, ``finally`` or commit follows; or fails its disk.

    That "writes fail" is done by the operating system, which lets no file grow. That "commits
    fail", or do "after all", is raised here, as when fsync fails.
    """

    def __init__(self, path: str) -> None:
        self.point = self.trouble = ""
        self._count = 0
        self._log = f"{path}-wal"

    def arm(self, point: str, count: int = 0) -> None:
        """Kill the process at a point, or after `count` of something."""
        self.point, self._count = point, count
        if point == "line kill":
            sys.settrace(self._trace)
        elif point == "write kill":  # the system does it, in the middle of the write
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            self._limit(count)

    def fail(self, trouble: str, count: int) -> None:
        """Let the disk fail from now on, or no more."""
        self.trouble = trouble
        if self.point != "write kill":
            self._limit(count if trouble == "writes fail" else None)

    def hit(self, point: str) -> None:
        """Be at a point; who is to die in a write does so before the commit has returned."""
        late = self.point in ("write kill", "statement kill") and point.startswith("after ")
        if late or point == self.point:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.point == "line kill":  # this may be another thread
            sys.settrace(self._trace)

    def tick(self, what: str) -> None:
        self._count -= what == self.point
        if what == self.point and self._count <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def _limit(self, growth: int | None) -> None:
        size = os.path.getsize(self._log) if os.path.exists(self._log) else 0
        limit = resource.RLIM_INFINITY if growth is None else size + growth
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    def _trace(self, frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(_DELIVERY):
            return None
        if event == "line":
            self.tick("line kill")
        return self._trace


class _Killable(Database):
    """Counts SQLite's instructions, and fails at a commit or after it."""

    def __init__(self, path: str, fail_point: FailPoint, *schema: str) -> None:
        self._fail_point = fail_point
        super().__init__(path, *schema)

    def _connect(self) -> sqlite3.Connection:
        connection = super()._connect()
        connection.set_progress_handler(partial(self._fail_point.tick, "statement kill"), 1)
        return connection

    def control(self, sql: str) -> None:
        trouble = self._fail_point.trouble if sql == "COMMIT" else ""
        if trouble != "commits fail":
            super().control(sql)
        if trouble.startswith("commits fail"):
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
            raise error


class KillableInboxStore(_Killable, SQLiteInboxStore):
    def __init__(self, path: str, fail_point: FailPoint) -> None:
        super().__init__(path, fail_point, SCHEMA)

    def commit(self) -> None:
        self._fail_point.hit("before commit")
        super().commit()
        self._fail_point.hit("after commit")


class KillableOutboxStore(_Killable, SQLiteOutboxStore):
    def save(self, base: int, first: int, texts: list[str], after: str) -> None:
        self._fail_point.hit("before save")
        super().save(base, first, texts, after)
        self._fail_point.hit("after save")


class MarkFirst(KillableInboxStore):
    """Broken: commits the mark, and then the effects in another transaction."""

    def __init__(self, path: str, fail_point: FailPoint) -> None:
        super().__init__(path, fail_point)
        self._database: Any = self.db
        self.db: Any = self
        self._statements: list[tuple[str, tuple[object, ...]]] = []

    def execute(self, sql: str, parameters: tuple[object, ...]) -> None:
        self._statements.append((sql, parameters))

    def commit(self) -> None:
        super().commit()
        self.begin()
        for sql, parameters in self._statements:
            self._database.execute(sql, parameters)
        self._statements.clear()
        SQLiteInboxStore.commit(self)


class ApplyAll(Applier):
    """Broken: applies all that comes, as often as it comes."""

    async def apply_batch(
        self, store: InboxStore, batch: Batch, session: Session, verdict: str | None = None
    ) -> Answer:
        messages = list(map(read_message, batch.messages))
        before = Progress(next=batch.first)
        done, why = await self._apply_new(store, batch, session, messages, before, verdict)
        end = batch.first + len(done)
        if done and (progress := await settled(store.progress(batch.producer))):
            ahead = progress._replace(next=max(progress.next, end), last=done[-1].id)
            await settled(store.save(batch.producer, ahead, end, []))
        return Answer(end, [one.reply for one in done], why)


class NoDedup(Inbox):
    applier = ApplyAll


class Parts(NamedTuple):
    inbox: type[Inbox] = Inbox
    inbox_store: type[KillableInboxStore] = KillableInboxStore
    outbox_store: type[KillableOutboxStore] = KillableOutboxStore
    follower: type[Follower] = Follower
    follower_store: type[KillableInboxStore] = KillableInboxStore


PARTS = {
    "none": Parts(),
    "no-dedup": Parts(inbox=NoDedup),
    "mark-first": Parts(inbox_store=MarkFirst),
}
