"""Runs the reader's program on a real link, and never lets it hang or harm the notebook."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from ..errors import NotSeenError
from ..lab.waiting import PATIENCE
from . import page
from .bench import ExerciseBench, open_bench
from .reader import Reader, StoppedError
from .result import Result


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Attributes
    ----------
    takes : dict
        For each program that the reader passes, its name, and the names of what it is called
        with; None if it is not a function but JavaScript in a str.
    run : callable
        Puts the programs on the bench, breaks the link, counts, and judges.
    """

    takes: dict[str, tuple[str, ...] | None]
    run: Callable[..., Awaitable[Result]]

    async def check(self, *programs: Any) -> Result:
        """Run the reader's programs; whatever they do, a result comes back."""
        if problem := self._problem(programs):
            return Result(False, problem)
        reader = Reader(programs)
        with reader.watched():
            try:
                if None in self.takes.values():
                    await page.shared_node()  # a busy machine may take seconds to start it
                async with open_bench(reader) as bench:
                    result = await self._result(bench, programs)
            except BaseException:
                await page.close()
                raise
            if not result.solved and (note := reader.note()):
                return replace(result, hint=f"{result.hint} {note}")
            return result

    async def _result(self, bench: ExerciseBench, programs: tuple[Any, ...]) -> Result:
        reader = bench.reader
        running = asyncio.ensure_future(self.run(bench, *programs))
        waiting: set[asyncio.Future[Any]] = {running, reader.stopped}
        try:
            await asyncio.wait(waiting, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
            if reader.stopped.done():
                return Result(False, reader.stopped.result())
            if not running.done():
                raise NotSeenError
            return running.result()
        except StoppedError as error:
            return Result(False, str(error))
        except NotSeenError:
            return Result(
                False,
                "Your program has not come to an end, or does not answer. Look for what it "
                "waits for: an answer that never comes, or a loop that nothing ends.",
            )
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) or not reader.wrote(error):
                raise
            return Result(False, reader.explain(error))
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    def _problem(self, programs: tuple[Any, ...]) -> str:
        names = " and ".join(f"`{name}`" for name in self.takes)
        if len(programs) != len(self.takes):
            return f"Pass {names} to the check, as in the cell as it was."
        for (name, parameters), program in zip(self.takes.items(), programs, strict=True):
            if parameters is None:
                if not isinstance(program, str):
                    return f"`{name}` must be a text of JavaScript, not {_kind(program)}."
                continue
            if not callable(program):
                return f"`{name}` must be a function, not {_kind(program)}."
            try:
                inspect.signature(program).bind(*parameters)
            except TypeError:
                return f"`{name}` must take {len(parameters)} arguments: {', '.join(parameters)}."
        return ""


def _kind(thing: Any) -> str:
    return "None" if thing is None else f"a {type(thing).__name__}"
