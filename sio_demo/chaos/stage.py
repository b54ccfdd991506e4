"""The driver's side of a run: a server, a link to it, and clients."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from ..errors import SioDemoError
from ..lab.link import Link
from .checker import Journal
from .forkserver import Child, ForkServer
from .schedule import PlannedFault, Schedule

NUMBERS = 1000  # for the messages of each process of a client: no number is used again


class ProgramError(SioDemoError):
    """A process of a run failed by itself. Never leaves the run."""


class Actor:
    """A program whose process can be killed and started again.

    Parameters
    ----------
    fork_server : ForkServer
        Where its processes come from.
    failed : callable
        Called with the traceback if the program fails of itself.
    order
        What the program is started with.
    """

    program: str

    def __init__(
        self, fork_server: ForkServer, failed: Callable[[str], None], **order: Any
    ) -> None:
        self._fork_server = fork_server
        self._failed = failed
        self._order = order
        self._child: Child | None = None
        self._news = asyncio.Event()
        self._armed = self._gone = False
        self._ending = False  # the end of the process is intended

    async def arm(self, point: str) -> None:
        """Have the process killed when it reaches a point, from now on."""
        self._ending, self._armed = True, False
        self.tell("arm", point)
        await self.until(lambda: self._armed or self._gone)

    async def dead(self) -> None:
        """Wait until it is dead, of itself, and nothing of it is left."""
        await self.until(lambda: self._gone)
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
        """Wait for something that the process says."""
        while not condition():
            self._news.clear()
            await self._news.wait()

    async def _start(self, **order: Any) -> None:
        self._gone = self._ending = False
        order = self._order | order
        self._child = await self._fork_server.start(self.program, order, self._hear)

    def _hear(self, message: tuple[Any, ...]) -> None:
        match message:
            case ("armed",):
                self._armed = True
            case ("failed", words):
                self._failed(f"the {self.program} failed: {words}")
            case ("gone",):
                self._gone = True
                if not self._ending:
                    self._failed(f"the {self.program} has ended, and was not asked to")
            case _:
                self._note(message)
        self._news.set()

    def _note(self, message: tuple[Any, ...]) -> None:
        raise NotImplementedError


class ServerActor(Actor):
    """The server; its store stays where it is."""

    program = "server"
    _url = ""

    async def start(self) -> str:
        """Start it; return its URL."""
        self._url = ""
        await self._start()
        await self.until(lambda: bool(self._url))
        return self._url

    async def stop(self) -> None:
        """Have it close all that it opened, and end."""
        self._ending = True
        self.tell("stop")
        await self.dead()

    def _note(self, message: tuple[Any, ...]) -> None:
        _, self._url = message


class ClientActor(Actor):
    """A client, and all that its processes wrote down."""

    program = "client"

    def __init__(
        self, fork_server: ForkServer, failed: Callable[[str], None], **order: Any
    ) -> None:
        super().__init__(fork_server, failed, **order)
        self.journal = Journal()
        self.done = False
        self._starts = 0

    async def start(self, **order: Any) -> None:
        """Start it, with what is new in its order; it goes on where the last process was."""
        self._order |= order
        first = self._starts * NUMBERS + 1
        self._starts += 1
        await self._start(first=first, accepted=len(self.journal.accepted))

    def allow(self, count: int) -> None:
        """Let it send until it has had so many messages accepted."""
        self._order["allowance"] = count
        self.tell("allow", count)

    async def is_due(self, fault: PlannedFault) -> None:
        """Wait until the client had the messages accepted, or answered, that a fault counts."""
        counts = {"accepted": self.journal.accepted, "answered": self.journal.answers}[fault.counts]
        await self.until(lambda: len(counts) >= fault.after)

    async def gets_answers(self, count: int) -> None:
        """Wait until the client got so many more answers, or has no more to come."""
        wanted = len(self.journal.answers) + count
        await self.until(lambda: self.done or len(self.journal.answers) >= wanted)

    async def finished(self) -> None:
        """Wait until all its messages are answered."""
        await self.until(lambda: self.done)

    def _note(self, message: tuple[Any, ...]) -> None:
        match message:
            case ("sent", number):
                self.journal.sent.append(number)
            case ("accepted", number):
                self.journal.accepted.append(number)
            case ("answered", number, reply):
                self.journal.answers[number] = reply
            case ("done",):
                self.done = True

    def __str__(self) -> str:
        accepted, answers = len(self.journal.accepted), len(self.journal.answers)
        return f"client {self._order['client']} has {accepted} accepted, {answers} answered"


class Stage:
    """A server, a link to it, and clients, for one schedule.

    Attributes
    ----------
    tasks : asyncio.TaskGroup
        For faults that last while others strike.
    database : Path
        That of the server.
    struck : list of str
        The kinds of faults that have struck.
    refusing : asyncio.Lock
        A link cannot refuse twice at a time.
    """

    tasks: asyncio.TaskGroup

    def __init__(
        self, schedule: Schedule, variant: str, fork_server: ForkServer, folder: Path
    ) -> None:
        self.database = folder / "inbox.db"
        self.struck: list[str] = []
        self.refusing = asyncio.Lock()
        self._schedule = schedule
        self._link: Link | None = None
        self._trouble: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        both = {"variant": variant, "run": {"folder": str(folder)}}
        self.server = ServerActor(fork_server, self._fail, path=str(self.database), **both)
        self.clients = [
            ClientActor(
                fork_server,
                self._fail,
                client=number,
                path=str(folder / f"outbox-{number}.db"),
                **both,
                messages=schedule.messages,
                window=schedule.window,
                burst=schedule.burst,
                unanswered=schedule.unanswered,
                allowance=schedule.allowance(0),
            )
            for number in range(1, schedule.clients + 1)
        ]

    @property
    def link(self) -> Link:
        assert self._link is not None
        return self._link

    def client(self, fault: PlannedFault) -> ClientActor:
        """Return the client whose messages a fault counts."""
        return self.clients[fault.client - 1]

    async def open(self) -> None:
        self._link = await Link.to(await self.server.start())
        for client in self.clients:
            await client.start(url=self.link.url)

    async def trouble(self) -> NoReturn:
        """Wait until a process fails of itself.

        Raises
        ------
        ProgramError
            It did; the message has its last words.
        """
        raise ProgramError(await self._trouble)

    def go_on(self, fault: PlannedFault) -> None:
        """Take note of a fault, and let the clients send on, until the next."""
        self.struck.append(fault.kind)
        for client in self.clients:
            client.allow(self._schedule.allowance(len(self.struck)))

    async def close(self) -> None:
        """Kill all: what was accepted, or answered, must be on the disk."""
        for actor in (self.server, *self.clients):
            await actor.kill()
        if self._link is not None:
            await self._link.close()

    def _fail(self, words: str) -> None:
        if not self._trouble.done():
            self._trouble.set_result(words)
