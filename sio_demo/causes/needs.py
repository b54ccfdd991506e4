"""The clues to a cause: how to find each out, and what must hold for a cause or speaks for it."""

import operator
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "is": operator.eq,
    "is not": operator.ne,
    "at least": operator.ge,
    "at most": operator.le,
    "ended by": lambda seen, who: _ended_by(seen) in who,
}


@dataclass(frozen=True)
class Need:
    """Something that must hold for a clue, or that speaks for a cause."""

    clue: str
    # One of `COMPARISONS`; or "one for each" or "as many", with the number of the pattern.
    comparison: str
    value: str | int | tuple[str, ...]
    words: str  # what holds, such as "the client had reconnected"

    def holds(self, seen: Any, number: int) -> bool:
        """Whether it holds for a value of the clue; `number` is 4 for four listeners."""
        if self.comparison == "one for each":
            return (number == seen + 1) is self.value
        if self.comparison == "as many":
            return bool(number == seen) is self.value
        return COMPARISONS[self.comparison](seen, self.value)


def _ended_by(reason: str) -> str:
    """Return who ended a connection, by the library's reason; "nobody" if it was not ended."""
    sides = (side for side in ("client", "server") if side in reason)
    return next(sides, "network" if reason else "nobody")


_CLUES = tomllib.loads(Path(__file__).with_name("needs.toml").read_text("utf-8"))

QUESTIONS: dict[str, str] = {clue: table.pop("question") for clue, table in _CLUES.items()}
"""How to find out each clue."""

NEEDS = {
    name: Need(clue, comparison, tuple(value) if isinstance(value, list) else value, words)
    for clue, table in _CLUES.items()
    for name, (comparison, value, words) in table.items()
}
"""The needs, by the names that the files of causes have for them."""
