"""What a link takes as arguments, and checks that raise before anything is done."""

import math
from typing import Any, Literal, get_args

from ..errors import UsageError
from .packet import DIRECTIONS

Cut = Literal["reset", "close", "half-open"]
CUTS: tuple[Cut, ...] = get_args(Cut)


def check_direction(direction: Any) -> None:
    """Accept one of the two directions, or None."""
    if direction is not None and direction not in DIRECTIONS:
        raise UsageError(
            f"There is no direction {direction!r}: take TO_SERVER, TO_CLIENT, or None for both."
        )


def check_cut(how: Any) -> None:
    """Accept the name of a way to cut."""
    if how not in CUTS:
        raise UsageError(f"There is no cut {how!r}: take one of {', '.join(map(repr, CUTS))}.")


def check_seconds(name: str, seconds: Any) -> None:
    """Accept a finite number greater than 0."""
    if not isinstance(seconds, (int, float)) or not 0 < seconds < math.inf:
        raise UsageError(f"{name} is a number of seconds greater than 0, not {seconds!r}.")
