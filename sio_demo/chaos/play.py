"""Plays schedules: a server and clients in processes of their own, and faults between them."""

import asyncio
import tempfile
from collections import deque
from collections.abc import AsyncGenerator, Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from ..errors import UsageError
from .checker import Verdict
from .forkserver import ForkServer
from .schedule import Schedule
from .stage import Stage


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
                verdict = await stage(schedule, variant, fork_server, Path(folder), ground).play()
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
