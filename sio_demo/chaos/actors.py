"""The driver's side of a process: what it is told, what it says, and the files that it leaves."""

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from ..delivery.message import id_of
from .checker import Journal
from .forkserver import Child, ForkServer
from .schedule import PlannedFault

RESTORED_OUTBOX = {"ConflictError", "FencedError", "SequenceError"}
APPLIED = "SELECT client, id, reply FROM applied ORDER BY position"

Reason = tuple[set[str], set[int]]


class Actor:
    """A program that is killed and started again; `failed` is called with its traceback."""

    program: str

    def __init__(
        self, fork_server: ForkServer, failed: Callable[[str], None], **order: Any
    ) -> None:
        self._fork_server = fork_server
        self._failed = failed
        self.order = order
        self.path = Path(order.get("path", ""))
        self._copy = self.path.with_suffix(".copy")
        self._child: Child | None = None
        self._said: dict[str, list[Any]] = {}  # by this process: the last message of each kind
        self._news = asyncio.Event()
        self._ending = False  # the end of the process is intended

    async def start(self, **order: Any) -> None:
        """Start the process, with what is new in its order."""
        self._said.clear()
        self._ending = False
        order = self.order | order
        self._child = await self._fork_server.start(self.program, order, self._hear)

    def back_up(self) -> None:
        """Copy the database, while the process runs."""
        if self.path.is_file():
            with closing(_open(self.path)) as database, closing(_open(self._copy)) as copy:
                database.backup(copy)

    def restore(self) -> None:
        """Put the last copy in place of the database, or nothing if there is none."""
        for end in ("", "-wal", "-shm"):
            Path(f"{self.path}{end}").unlink(missing_ok=True)
        if self._copy.exists():
            shutil.copy(self._copy, self.path)

    def rows(self, query: str, path: Path | None = None) -> list[tuple[Any, ...]]:
        """Read the database; no process may have come so far as to make the table."""
        with closing(_open(path or self.path)) as database, suppress(sqlite3.OperationalError):
            return database.execute(query).fetchall()
        return []

    async def arm(self, point: str, count: int = 0) -> None:
        """Have the process killed when it reaches a point, from now on."""
        self._ending = True
        self._said.pop("armed", None)
        self.tell("arm", point, count)
        await self.says("armed", "gone")

    async def dead(self) -> None:
        """Wait until it is dead, of itself, and nothing of it is left."""
        await self.says("gone")
        await self.kill()

    async def kill(self) -> None:
        """Kill the process with SIGKILL, and hear all that it had said."""
        self._ending = True
        if self._child is not None:
            await self._child.kill()

    def tell(self, *message: Any) -> None:
        """Send the process a message; it is lost if the process is dead."""
        assert self._child is not None
        self._child.tell(*message)

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._news.clear()
            await self._news.wait()

    async def says(self, *kinds: str) -> list[Any]:
        """Wait for a message of one of these kinds, and return what is in the first of them."""
        await self.until(lambda: not self._said.keys().isdisjoint(kinds))
        return self._said.get(kinds[0], [])

    def _hear(self, message: tuple[Any, ...]) -> None:
        kind, *rest = message
        self._said[kind] = rest
        if kind == "failed":
            self._failed(f"the {self.program} failed: {rest[0]}")
        elif kind == "gone" and not self._ending:
            self._failed(f"the {self.program} has ended, and was not asked to")
        self._note(message)
        self._news.set()

    def _note(self, message: tuple[Any, ...]) -> None:
        """Take note of a message; the subclasses do."""


class ServerActor(Actor):
    program = "server"

    def __init__(self, *args: Any, **order: Any) -> None:
        super().__init__(*args, **order)
        # The rows that `APPLIED` would have read, had a handler not raised, or the copy had them.
        self.undone: set[tuple[Any, ...]] = set()
        self.url = ""

    async def start(self, **order: Any) -> None:
        await super().start(**order)
        [self.url] = await self.says("url")

    async def stop(self) -> None:
        """Have it close all that it opened, and end."""
        self._ending = True
        self.tell("stop")
        await self.dead()

    async def forget(self, client: int) -> set[int]:
        """Have it forget who is away, the client if it has left; return those that have not."""
        self._said.pop("forgot", None)
        self.tell("forget", client)
        [stayed] = await self.says("forgot")
        return set(stayed)

    def restore(self) -> None:
        before = self.rows(APPLIED)
        super().restore()
        self.undone |= {*before} - {*self.rows(APPLIED)}

    def _note(self, message: tuple[Any, ...]) -> None:
        if message[0] == "undone":
            self.undone.add(message[1:])


class ClientActor(Actor):
    """A client, and all that its processes wrote down."""

    program = "client"

    def __init__(self, *args: Any, **order: Any) -> None:
        super().__init__(*args, **order)
        self.journal = Journal()
        self.numbers: dict[str, int] = {}  # of its messages, by their ids
        self._reasons: list[Reason] = []  # for a refusal
        self._refused: Reason | None = None  # and has not reissued yet
        self._copied: tuple[set[int], list[Reason]] = set(), []  # accepted, reasons

    async def start(self, **order: Any) -> None:
        """Start it, with what is new in its order; it goes on where the last process was."""
        self.order |= order
        await super().start(accepted=len(self.journal.accepted))

    def allow(self, count: int) -> None:
        """Let it send until it has had so many messages accepted."""
        self.order["allowance"] = count
        self.tell("allow", count)

    async def is_due(self, fault: PlannedFault) -> None:
        """Wait until the client had the messages accepted, or answered, that a fault counts."""
        journal = self.journal
        await self.until(
            lambda: (
                len(journal.accepted) >= fault.after
                and (fault.counts == "accepted" or journal.settled >= fault.after)
            )
        )

    async def gets_answers(self, count: int) -> None:
        """Wait until the client got so many more answers, or has no more to come."""
        wanted = len(self.journal.answers) + count
        await self.until(lambda: "done" in self._said or len(self.journal.answers) >= wanted)

    def back_up(self) -> None:
        reasons = [*self._reasons, *([self._refused] if self._refused else [])]
        self._copied = {*self.journal.accepted}, reasons
        super().back_up()

    def restore(self) -> None:
        """Put the copy in place of the outbox; a reason to refuse its producer is one again."""
        super().restore()
        texts = self.rows("SELECT text FROM outbox_messages")
        again = {self.numbers[id_of(text)] for (text,) in texts}
        accepted, reasons = self._copied
        self.journal.gone |= {*self.journal.accepted} - accepted
        reasons = [(names, more | again) for names, more in reasons]
        self._reasons = [(RESTORED_OUTBOX, again), *reasons]

    def may_be_refused(self, names: set[str], again: set[int]) -> Reason:
        """Note that the inbox may refuse it once, and what may then be applied again."""
        self._reasons.append((names, again))
        return self._reasons[-1]

    def must_not_be_refused(self, reason: Reason) -> None:
        """Take a reason back, unless it has served."""
        self._reasons = [other for other in self._reasons if other is not reason]

    def _note(self, message: tuple[Any, ...]) -> None:
        journal = self.journal
        match message:
            case ("sent", name):
                self.numbers[name] = len(self.numbers) + 1
                journal.sent.append(self.numbers[name])
            case ("accepted", name):
                journal.accepted.append(self.numbers[name])
            case ("unsaved", name):
                journal.unsaved.add(self.numbers[name])
            case ("answered", name, reply):
                journal.answers[self.numbers[name]] = reply
            case ("refused", error):
                self._note_refusal(error)
            case ("reissued",):
                self._refused = None

    def _note_refusal(self, error: str) -> None:
        """Find the reason; it holds until the client has reissued its messages."""
        if self._refused is not None and error in self._refused[0]:
            return
        served = [at for at, reason in enumerate(self._reasons) if error in reason[0]]
        if not served:
            self.journal.refusals.append(f"refused without a reason: {self} got a {error}")
            return
        due, self._reasons = self._reasons[: served[-1] + 1], self._reasons[served[-1] + 1 :]
        # It may be for an earlier one: a new producer id settles them all.
        self._refused = due[-1][0], set().union(*(again for _, again in due))
        self.journal.again.update(self._refused[1])

    def __str__(self) -> str:
        accepted, answers = len(self.journal.accepted), len(self.journal.answers)
        return f"client {self.order['client']} has {accepted} accepted, {answers} answered"


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path)
    database.execute("PRAGMA synchronous=OFF")
    return database
