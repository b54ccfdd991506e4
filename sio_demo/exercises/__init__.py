"""Ten broken programs, and checks that run the reader's repairs on a link that breaks.

>>> result = await exercises.check(1, chat)
>>> result.show()
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from ..errors import UsageError
from .clients import courier, thermometer
from .exercise import Exercise
from .feedback import Counter, Feedback
from .listeners import card, chat, till
from .page import close
from .races import hotel
from .restarts import wallet
from .retries import shop
from .sessions import restaurant, taxis
from .texts import Observation, load

__all__ = ["EXERCISES", "Counter", "Exercise", "Feedback", "check", "close"]

_TEXTS = load()
_RUNS: list[Callable[..., Awaitable[Observation]]] = [
    *(chat, till, card, thermometer, courier, restaurant, taxis, shop, wallet, hotel)
]
EXERCISES = {number: Exercise(_TEXTS[run.__name__], run) for number, run in enumerate(_RUNS, 1)}


async def check(number: int, *programs: Any) -> Feedback:
    """Run a program on a real link, break the link, and say what the program did.

    Whatever the program does, the check comes to an end within some seconds. One check runs at
    a time.

    Parameters
    ----------
    number : int
        The number of the exercise, from 1.
    *programs
        What the exercise asks for: functions, or JavaScript in a str.

    Raises
    ------
    UsageError
        There is no such exercise.
    """
    if number not in EXERCISES:
        raise UsageError(f"There is no exercise {number!r}: they are 1 to {len(EXERCISES)}.")
    return await EXERCISES[number].check(*programs)
