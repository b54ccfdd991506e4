"""What a check answers: counters, a figure, and a hint; and how it is shown."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .. import plots
from .texts import Observation, Texts

_COLUMNS = 88  # of the text below a figure


class Counter(NamedTuple):
    """Something that was counted: what, how much it should be, how much it was."""

    name: str
    right: int
    seen: int


@dataclass(frozen=True)
class Feedback:
    """What a program did on a link that was broken.

    Attributes
    ----------
    solved : bool
        Whether all that was counted is right.
    hint : str
        What to think about next; empty if it is solved.
    counters : tuple of Counter
        What was counted besides what the figure shows.
    figure : plots.Plot or None
        The calls or the effects; None if the program did not run to the end.
    """

    solved: bool
    hint: str
    counters: tuple[Counter, ...] = ()
    figure: plots.Plot | None = None

    def show(self) -> None:
        """Show the figure, the counters, and the hint or ``Solved.`` below a notebook's cell."""
        if self.figure is not None:
            plots.show(self.figure)
            print()
        print(self)

    def __str__(self) -> str:
        words = "Solved." if self.solved else f"Not yet. {self.hint}"
        lines = textwrap.wrap(words, _COLUMNS, break_on_hyphens=False)
        return "\n".join([*_table(self.counters), *lines])


def _table(counters: Sequence[Counter]) -> list[str]:
    if not counters:
        return []
    rows = [("", "right", "yours"), *((c.name, str(c.right), str(c.seen)) for c in counters)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        f"{name:{widths[0]}}  {right:>{widths[1]}}  {seen:>{widths[2]}}"
        for name, right, seen in rows
    ]
    return [*lines, ""]


def judge(texts: Texts, seen: Observation) -> Feedback:
    """Compare what was counted with what is right, and draw it."""
    hint = texts.hint(seen) or "Something differs from what is right: compare the columns."
    counters = tuple(
        Counter(what, len(seen.counts) if right == "all" else int(right), seen.counters[name])
        for name, (what, right) in texts.counters.items()
    )
    solved = set(seen.counts) == {1} and all(c.right == c.seen for c in counters)
    return Feedback(solved, "" if solved else hint, counters, _figure(texts, seen))


def _figure(texts: Texts, seen: Observation) -> plots.Plot:
    title = texts.title(seen.counts)
    if texts.counted:
        return plots.tally(
            seen.rows,
            title=title,
            counted=texts.counted,
            rounds=texts.rounds,
            first=1,
            expected=1,
        )
    if texts.rounds:
        return plots.calls_by_design(seen.rows, title=title, rounds=texts.rounds, first=1)
    return plots.effects_by_design(seen.rows, title=title, faults=seen.faults or texts.faults)
