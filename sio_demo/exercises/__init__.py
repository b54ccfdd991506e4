"""Ten broken programs, and checks that run the reader's repairs on a link that breaks.

>>> result = await exercises.check(1, chat)
>>> result.show()
"""

from __future__ import annotations

from typing import Any

from ..errors import UsageError
from .cards import CARD
from .chat import CHAT
from .clients import COURIER, THERMOMETER
from .exercise import Exercise
from .hotel import HOTEL
from .page import close
from .restarts import WALLET
from .result import Counter, Result
from .sessions import RESTAURANT, TAXIS
from .shop import SHOP
from .till import TILL

__all__ = ["EXERCISES", "Counter", "Exercise", "Result", "check", "close"]

EXERCISES: dict[int, Exercise] = dict(
    enumerate(
        [CHAT, TILL, CARD, THERMOMETER, COURIER, RESTAURANT, TAXIS, SHOP, WALLET, HOTEL], start=1
    )
)


async def check(number: int, *programs: Any) -> Result:
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
