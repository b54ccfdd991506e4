"""Ten broken programs, and checks that run the reader's repairs on a link that breaks.

:func:`attempt` runs what the reader writes in the other notebooks, in their own rigs, and
:func:`prediction` compares a guess with what was measured.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..errors import UsageError
from ..lab.waiting import PATIENCE
from . import feedback, page
from .bench import ExerciseBench
from .feedback import Counter, Feedback, attempt, prediction
from .listeners import card, chat, till
from .page import close
from .reader import Reader, StoppedError, kind, shorten
from .retries import hotel, shop, wallet
from .sessions import courier, restaurant, taxis, thermometer

__all__ = ["EXERCISES", "Counter", "Feedback", "attempt", "check", "close", "prediction"]

Run = Callable[..., Awaitable[feedback.Observation]]  # breaks the link, and counts

shorten()
_ALL: list[Run] = [chat, till, card, thermometer, courier, restaurant, taxis, shop, wallet, hotel]
EXERCISES = {number: (feedback.load()[run.__name__], run) for number, run in enumerate(_ALL, 1)}


async def check(number: int, *programs: Any) -> Feedback:
    """Run the programs of an exercise on a real link, break the link, and return what they did.

    Whatever they do, feedback comes back within seconds. One check runs at a time. UsageError
    says that there is no such exercise.
    """
    if number not in EXERCISES:
        raise UsageError(f"There is no exercise {number!r}: they are 1 to {len(EXERCISES)}.")
    texts, run = EXERCISES[number]
    answer = Feedback(False, error=_problem(texts.takes, programs))
    if not answer.error:
        answer = await _run(texts, run, programs)
    return replace(answer, name=str(number), of=len(EXERCISES))


async def _run(texts: feedback.Texts, run: Run, programs: tuple[Any, ...]) -> Feedback:
    reader = Reader(programs)
    try:
        with reader.watched():
            if feedback.JAVASCRIPT in texts.takes.values():
                await page.shared_node()  # a busy machine may take seconds to start it
            bench = ExerciseBench(reader)
            await bench.serve_reader(ping_interval=(0.2, 1), ping_timeout=5)
            try:
                async with reader.limited(PATIENCE):
                    seen = await run(bench, *programs)
            finally:
                await bench.close()
    except StoppedError as error:
        return Feedback(False, error=str(error))
    except BaseException:
        await close()
        raise
    answer = feedback.judge(texts, seen)
    return answer if answer.solved else replace(answer, error=reader.note)


def _problem(takes: Mapping[str, Sequence[str]], programs: tuple[Any, ...]) -> str:
    """Return, in Markdown, why the programs cannot be run; an empty text if they can."""
    if len(programs) != len(takes):
        names = " and ".join(f"`{name}`" for name in takes)
        return f"Pass {names} to the check, as in the cell as it was."
    for (name, parameters), program in zip(takes.items(), programs, strict=True):
        if parameters == feedback.JAVASCRIPT:
            if not isinstance(program, str):
                return f"`{name}` must be a text of JavaScript, not {kind(program)}."
        elif not callable(program):
            return f"`{name}` must be a function, not {kind(program)}."
    return ""
