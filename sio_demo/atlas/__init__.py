"""The causes of duplicates and losses, each with a reproduction that counts before and after."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules

from ..causes import CAUSES, Cause, cause
from ..counters import Counters
from ..errors import NodeMissingError
from .kit import one_node

__all__ = ["CAUSES", "Cause", "Result", "cause", "measure", "measure_all"]

JOBS = 12  # at once: most of them wait most of the time

for module in iter_modules(__path__):
    import_module(f"{__name__}.{module.name}")


@dataclass(frozen=True)
class Result:
    """What one message left behind: as the cause has it, and with its fix."""

    cause: Cause
    before: Counters | None  # without the fix; None if it is not reproduced
    after: Counters | None  # with it
    missing: NodeMissingError | None = None  # why it could not be reproduced here


async def measure(cause: Cause) -> Result:
    """Reproduce one cause, without and with its fix, on real connections."""
    if cause.reproduce is None:
        return Result(cause, None, None)
    try:
        async with one_node():
            before = await cause.reproduce(False)
            return Result(cause, before, await cause.reproduce(True))
    except NodeMissingError as error:
        return Result(cause, None, None, error)


async def measure_all(letters: Iterable[str] | None = None) -> AsyncIterator[Result]:
    """Reproduce these causes, or all; yield each in the catalogue's order. UsageError: no such."""
    chosen = CAUSES if letters is None else sorted(set(map(cause, letters)), key=CAUSES.index)
    turn = asyncio.Semaphore(JOBS)

    async def run(cause: Cause) -> Result:
        async with turn:
            return await measure(cause)

    tasks = [asyncio.create_task(run(each)) for each in chosen]
    try:
        async with one_node():
            for task in tasks:
                yield await task
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
