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
from .feedback import Feedback, judge
from .reader import Reader, StoppedError
from .texts import JAVASCRIPT, Observation, Texts


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Attributes
    ----------
    texts : Texts
        What the exercise asks for, and what it says.
    run : callable
        Puts the programs on the bench, breaks the link, and counts.
    """

    texts: Texts
    run: Callable[..., Awaitable[Observation]]

    async def check(self, *programs: Any) -> Feedback:
        """Run the reader's programs; whatever they do, feedback comes back."""
        if problem := self._problem(programs):
            return Feedback(False, problem)
        reader = Reader(programs)
        with reader.watched():
            try:
                if JAVASCRIPT in self.texts.takes.values():
                    await page.shared_node()  # a busy machine may take seconds to start it
                async with open_bench(reader) as bench:
                    feedback = await self._run(bench, programs)
            except BaseException:
                await page.close()
                raise
            if not feedback.solved and (note := reader.note()):
                return replace(feedback, hint=f"{feedback.hint} {note}")
            return feedback

    async def _run(self, bench: ExerciseBench, programs: tuple[Any, ...]) -> Feedback:
        reader = bench.reader
        running = asyncio.ensure_future(self.run(bench, *programs))
        waiting: set[asyncio.Future[Any]] = {running, reader.stopped}
        try:
            await asyncio.wait(waiting, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
            if reader.stopped.done():
                return Feedback(False, reader.stopped.result())
            if not running.done():
                raise NotSeenError
            return judge(self.texts, running.result())
        except StoppedError as error:
            return Feedback(False, str(error))
        except NotSeenError:
            return Feedback(
                False,
                "Your program has not come to an end, or does not answer. Look for what it "
                "waits for: an answer that never comes, or a loop that nothing ends.",
            )
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) or not reader.wrote(error):
                raise
            return Feedback(False, reader.explain(error))
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    def _problem(self, programs: tuple[Any, ...]) -> str:
        takes = self.texts.takes
        names = " and ".join(f"`{name}`" for name in takes)
        if len(programs) != len(takes):
            return f"Pass {names} to the check, as in the cell as it was."
        for (name, parameters), program in zip(takes.items(), programs, strict=True):
            if parameters == JAVASCRIPT:
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
