"""The driver's side of a run: servers, a link to them, and clients, each in its own process."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from ..errors import UsageError
from ..lab.link import Link
from ..lab.waiting import shielded
from .actors import APPLIED, Actor, ClientActor, ServerActor
from .checker import Applied, Discrepancies, Verdict, check
from .faults import STRIKES, Strike
from .forkserver import ForkServer
from .schedule import KINDS, PlannedFault, Schedule
from .stores import PARTS

LIMIT = 60.0  # seconds that a schedule may take; it takes about one


class Stage:
    """A server, a link to it, and clients, for one schedule."""

    variants: ClassVar = PARTS
    kinds: ClassVar = KINDS
    strikes: ClassVar[dict[str, Strike]] = STRIKES
    servers_at_once = 1
    modules: ClassVar[tuple[str, ...]] = ()  # that processes need besides
    link: Link  # once it is open
    tasks: asyncio.TaskGroup  # for faults that last while others strike

    @classmethod
    def draw(cls, seed: int) -> Schedule:
        return Schedule.from_seed(seed, cls.kinds)

    def __init__(
        self, schedule: Schedule, variant: str, fork_server: ForkServer, folder: Path
    ) -> None:
        self.findings: list[str] = []  # what is wrong already
        self.struck: list[str] = []  # the kinds of faults that have struck
        self.refusing = asyncio.Lock()  # a link cannot refuse twice at a time
        self.schedule, self.variant = schedule, variant
        both = {"parts": self.variants[variant], "run": {"folder": str(folder)}}
        self.servers = [
            ServerActor(fork_server, self._fail, path=str(folder / "inbox.db"), **both)
            for _ in range(self.servers_at_once)
        ]
        self.clients = [
            ClientActor(
                fork_server,
                self._fail,
                client=number,
                path=str(folder / f"outbox-{number}.db"),
                schedule=schedule,
                allowance=schedule.allowance(0),
                **both,
            )
            for number in range(1, schedule.clients + 1)
        ]

    def client(self, fault: PlannedFault) -> ClientActor:
        """Return the client whose messages a fault counts."""
        return self.clients[fault.client - 1]

    async def play(self) -> Verdict:
        """Let all happen that the schedule says, and judge it; close all, whatever comes."""
        self._performing = asyncio.create_task(self._perform())
        try:
            _, late = await asyncio.wait({self._performing}, timeout=LIMIT)
            if late:
                progress = "; ".join(map(str, self.clients))
                words = f"stuck: {len(self.struck)} faults in {LIMIT:g} s; {progress}"
                self.findings.append(words)
        finally:
            self._performing.cancel()
            await shielded(self._end())
        found = await self.check()
        return Verdict(
            self.schedule.seed,
            self.variant,
            tuple(self.struck),
            sum(len(client.journal.accepted) for client in self.clients),
            *found._replace(findings=(*found.findings, *self.findings)),
        )

    async def _perform(self) -> None:
        async with asyncio.TaskGroup() as self.tasks:
            await self.open()
            for fault in self.schedule.faults:
                await self.client(fault).is_due(fault)
                await self.strikes[fault.kind](self, fault)
                self.back_up()
            for client in self.clients:
                await client.says("done")  # all its messages are answered

    async def _end(self) -> None:
        try:
            with suppress(asyncio.CancelledError):
                await self._performing
        finally:
            await self.close()

    @property
    def server(self) -> ServerActor:
        return self.servers[0]

    def half(self, fault: PlannedFault) -> Actor:
        is_client = (fault.half or fault.kind).startswith("client")
        return self.client(fault) if is_client else self.server

    async def start(self, actor: Actor, **order: Any) -> None:
        await actor.start(**order)
        self.link.retarget(*(server.url for server in self.servers))

    async def open(self) -> None:
        for server in self.servers:
            await server.start()
        sticky = self.schedule.transport != "websocket"  # polling is many connections
        self.link = await Link.to(*(server.url for server in self.servers), sticky=sticky)
        for client in self.clients:
            await client.start(url=self.link.url)

    def go_on(self, fault: PlannedFault) -> None:
        """Take note of a fault, and let the clients send on, until the next."""
        self.struck.append(fault.kind)
        for client in self.clients:
            client.allow(self.schedule.allowance(len(self.struck)))

    def back_up(self) -> None:
        """Copy all databases; a later fault restores one of them."""
        for actor in (*self.servers, *self.clients):
            actor.back_up()

    async def applied(self) -> list[tuple[Any, ...]]:
        return self.server.rows(APPLIED)

    async def check(self) -> Discrepancies:
        """Compare what the clients wrote down with what the inbox holds, when all are dead."""
        journals = {number: client.journal for number, client in enumerate(self.clients, 1)}
        for server in self.servers:
            for client, name, reply in server.undone:
                journals[client].undone.add((self.clients[client - 1].numbers[name], reply))
        return check(
            journals,
            (
                Applied(client, self.clients[client - 1].numbers.get(name, 0), reply)
                for client, name, reply in await self.applied()
            ),
        )

    async def close(self) -> None:
        """Kill all: what was accepted, or answered, must be on the disk."""
        for actor in (*self.servers, *self.clients):
            await actor.kill()
        if hasattr(self, "link"):
            await self.link.close()

    def _fail(self, words: str) -> None:
        """End the run with the last words of a process that has failed of itself."""
        if not (self._performing.done() or self._performing.cancelling()):
            self.findings.append(words)
            self._performing.cancel()


async def run(seed: int, variant: str = "none") -> Verdict:
    """Play the schedule of one seed, as :func:`run_all` does."""
    [verdict] = [verdict async for verdict in run_all([seed], variant)]
    return verdict


async def run_all(
    seeds: Iterable[int], variant: str = "none", *, jobs: int = 4, stage: type[Stage] = Stage
) -> AsyncGenerator[Verdict, None]:
    """Play schedules, `jobs` at once; yield the verdicts in the order of their seeds.

    UsageError: the `stage` has no such variant, or `jobs` is below 1.
    """
    if variant not in stage.variants:
        names = ", ".join(stage.variants)
        raise UsageError(f"There is no variant {variant!r}: take one of {names}.")
    if type(jobs) is not int or jobs < 1:
        raise UsageError(f"jobs is an integer, 1 or more, not {jobs!r}.")
    turn = asyncio.Semaphore(jobs)
    fork_server = await ForkServer.open(*stage.modules)

    async def play(seed: int) -> Verdict:
        async with turn:
            with tempfile.TemporaryDirectory(prefix="sio-demo-chaos-") as folder:
                return await stage(stage.draw(seed), variant, fork_server, Path(folder)).play()

    tasks = [asyncio.create_task(play(seed)) for seed in seeds]
    try:
        for task in tasks:
            yield await task
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await fork_server.close()
