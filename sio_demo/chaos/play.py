"""Plays schedules: a server and clients in processes of their own, and faults between them."""

import asyncio
import tempfile
from collections import deque
from collections.abc import AsyncGenerator, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..lab.waiting import shielded
from .faults import STRIKES
from .forkserver import ForkServer
from .schedule import Schedule
from .stage import ProgramError, Stage

LIMIT = 60.0  # seconds that a schedule may take; it takes about one


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the checker found."""

    seed: int  # the schedule's
    variant: str  # what was tested: "none", or a broken variant
    faults: tuple[str, ...]  # the kinds of those that struck, in order
    messages: int  # how many were to be accepted
    accepted: int  # how many were
    lost: int  # of these
    duplicated: int
    reordered: int
    findings: tuple[str, ...] = field(repr=False)  # what is wrong, a sentence each

    @property
    def ok(self) -> bool:
        return not self.findings


async def run(seed: int, variant: str = "none") -> Verdict:
    """Play the schedule of one seed, as :func:`run_all` does."""
    [verdict] = [verdict async for verdict in run_all([seed], variant)]
    return verdict


async def run_all(
    seeds: Iterable[int], variant: str = "none", *, jobs: int = 4, stage: type[Stage] = Stage
) -> AsyncGenerator[Verdict, None]:
    """Play schedules, `jobs` at once; yield the verdicts in the order of their seeds.

    UsageError: the `stage`, `Stage` or `WorkerStage`, has no such variant, or `jobs` is below 1;
    EngineMissingError: a `WorkerStage` has no PostgreSQL, or no Valkey.
    """
    if variant not in stage.variants:
        names = ", ".join(stage.variants)
        raise UsageError(f"There is no variant {variant!r}: take one of {names}.")
    if type(jobs) is not int or jobs < 1:
        raise UsageError(f"jobs is an integer, 1 or more, not {jobs!r}.")
    schedules = deque(map(stage.draw, seeds))
    tasks: deque[asyncio.Task[Verdict]] = deque()
    grounds = asyncio.Queue[Any]()
    async with AsyncExitStack() as exits:
        fork_server = await ForkServer.open()
        exits.push_async_callback(fork_server.close)
        for _ in range(min(jobs, len(schedules))):
            grounds.put_nowait(await stage.ground(exits))

        async def play(schedule: Schedule) -> Verdict:
            ground = await grounds.get()
            with tempfile.TemporaryDirectory(prefix="sio-demo-chaos-") as folder:
                verdict = await _play(stage(schedule, variant, fork_server, Path(folder), ground))
            grounds.put_nowait(ground)
            return verdict

        try:
            while schedules or tasks:
                while schedules and len(tasks) < 4 * jobs:  # one that is slow holds up no other
                    tasks.append(asyncio.create_task(play(schedules.popleft())))
                yield await tasks[0]
                tasks.popleft()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _play(stage: Stage) -> Verdict:
    schedule = stage.schedule
    try:
        await _perform(stage)
    finally:
        await shielded(stage.close())
    found = await stage.check()
    return Verdict(
        schedule.seed,
        stage.variant,
        tuple(stage.struck),
        schedule.total,
        sum(len(client.journal.accepted) for client in stage.clients),
        *found._replace(findings=(*found.findings, *stage.findings)),
    )


async def _perform(stage: Stage) -> None:
    """Let all happen that the schedule says, or note what kept it from its end."""
    strikes = STRIKES | stage.strikes
    try:
        async with asyncio.timeout(LIMIT), asyncio.TaskGroup() as tasks:
            watch = tasks.create_task(stage.trouble())
            async with asyncio.TaskGroup() as stage.tasks:
                await stage.open()
                for fault in stage.schedule.faults:
                    await stage.client(fault).is_due(fault)
                    await strikes[fault.kind](stage, fault)
                    stage.back_up()
                for client in stage.clients:
                    await client.says("done")  # all its messages are answered
                await stage.settle()
            watch.cancel()
    except* TimeoutError:
        progress = "; ".join(map(str, stage.clients))
        stage.findings.append(f"stuck: {len(stage.struck)} faults in {LIMIT:g} s; {progress}")
    except* ProgramError as errors:
        stage.findings += map(str, errors.exceptions)
