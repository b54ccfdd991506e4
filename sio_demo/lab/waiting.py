"""How to wait: for what sends no signal, and for work that must not be left half done."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

from ..errors import NotSeenError

PATIENCE = 10.0  # seconds that a server, a client or a process may take on a busy machine
LOOK_EVERY = 0.002  # seconds
STALL = 0.05  # seconds that one look counts at most: a machine that stalls is not out of patience

patience: ContextVar[float] = ContextVar("patience", default=PATIENCE)  # a check sets it lower

Condition = Callable[[], object]


async def wait_until(
    condition: Condition, within: float | None = None, otherwise: str = ""
) -> None:
    """Look until a condition returns something true, or an awaitable of it.

    After so many seconds, `patience` if left out, NotSeenError says `otherwise`.
    """
    now = asyncio.get_running_loop().time
    within = left = patience.get() if within is None else within
    before = now()
    while not await called(condition()):
        if left <= 0:
            raise NotSeenError(otherwise or f"What was awaited did not come within {within:g} s.")
        await asyncio.sleep(LOOK_EVERY)
        left -= min(now() - before, STALL)
        before = now()


async def called(value: Any) -> Any:
    """Return what a function has returned, awaited if it is awaitable."""
    return await value if inspect.isawaitable(value) else value


async def shielded(work: Awaitable[Any]) -> None:
    """Await work to its end, also when the task that waits for it is cancelled."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
