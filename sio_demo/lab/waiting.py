"""Ways to wait: for what nothing tells of, and for what must not be left half done."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

LOOK_EVERY = 0.002  # seconds

Condition = Callable[[], bool | Awaitable[bool]]


async def wait_until(condition: Condition, within: float) -> bool:
    """Wait until a condition holds, for so many seconds at most, and tell whether it does.

    Parameters
    ----------
    condition : callable
        Gives a bool, or an awaitable of one.
    within : float
        Seconds.
    """
    deadline = asyncio.get_running_loop().time() + within
    while True:
        holds = condition()
        if await holds if inspect.isawaitable(holds) else holds:
            return True
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(LOOK_EVERY)


async def shielded(work: Awaitable[Any]) -> None:
    """Await something that must not be left half done; who is cancelled waits for its end, too."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
