"""The causes of duplicates and losses, each with a reproduction that counts before and after.

``await measure(cause("D1"))`` runs one, :func:`measure_all` runs them all.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable
from contextvars import copy_context
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules

from ..counters import Counters
from ..errors import UsageError
from .cause import Cause
from .kit import SharedNode, one_node, shared_node

__all__ = ["CAUSES", "Cause", "Result", "cause", "measure", "measure_all"]

JOBS = 12  # most of them wait most of the time


@dataclass(frozen=True)
class Result:
    """What one message left behind: as the cause has it, and with its fix.

    Attributes
    ----------
    cause : Cause
        What was measured.
    before, after : Counters or None
        The counters without and with the fix; None if it is not reproduced.
    """

    cause: Cause
    before: Counters | None
    after: Counters | None


def _place(cause: Cause) -> tuple[int, int, str]:
    match = re.fullmatch(r"([DLM])(\d+)([a-z]?)", cause.letter)
    assert match is not None, cause.letter
    return "DLM".index(match[1]), int(match[2]), match[3]


_modules = [import_module(f"{__name__}.{each.name}") for each in iter_modules(__path__)]
CAUSES: tuple[Cause, ...] = tuple(
    sorted((cause for module in _modules for cause in getattr(module, "CAUSES", ())), key=_place)
)
"""Every cause, in the order of the catalogue: duplicates, losses, myths."""

_BY_LETTER = {cause.letter.lower(): cause for cause in CAUSES}


def cause(letter: str) -> Cause:
    """Give the cause of that letter, such as ``"D1"``; ``"d1"`` will do.

    Raises
    ------
    UsageError
        There is none.
    """
    found = _BY_LETTER.get(letter.lower()) if isinstance(letter, str) else None
    if found is None:
        known = ", ".join(cause.letter for cause in _BY_LETTER.values())
        raise UsageError(f"There is no cause {letter!r}. There are: {known}.")
    return found


async def measure(cause: Cause) -> Result:
    """Reproduce one cause, without and with its fix, on real connections."""
    if cause.reproduce is None:
        return Result(cause, None, None)
    async with one_node():
        before = await cause.reproduce(False)
        return Result(cause, before, await cause.reproduce(True))


async def measure_all(
    letters: Iterable[str] | None = None, jobs: int = JOBS
) -> AsyncIterator[Result]:
    """Reproduce several causes, some at the same time.

    Parameters
    ----------
    letters : iterable of str, optional
        Which causes; all of them if left out.
    jobs : int
        How many may run at the same time.

    Yields
    ------
    Result
        One for each, in the order of the catalogue.

    Raises
    ------
    UsageError
        There is no cause of that letter, or `jobs` is not 1 or more.
    """
    if not isinstance(jobs, int) or jobs < 1:
        raise UsageError(f"jobs counts how many causes run at once: 1 or more, not {jobs!r}.")
    chosen = CAUSES if letters is None else sorted(set(map(cause, letters)), key=_place)
    turn, node = asyncio.Semaphore(jobs), SharedNode()
    context = copy_context()
    context.run(shared_node.set, node)

    async def run(cause: Cause) -> Result:
        async with turn:
            return await measure(cause)

    tasks = [asyncio.create_task(run(each), context=context.copy()) for each in chosen]
    try:
        for task in tasks:
            yield await task
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await node.close()
