"""What a check answers: counters, a figure, and a hint; and how it is shown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from .. import plots

_COLUMNS = 88  # of the text below a figure


class Counter(NamedTuple):
    """Something that was counted: what, how much it should be, how much it was."""

    name: str
    right: int | str
    seen: int | str

    @property
    def is_right(self) -> bool:
        """Whether the two agree."""
        return self.right == self.seen


@dataclass(frozen=True)
class Result:
    """What a program did on a link that was broken.

    Attributes
    ----------
    solved : bool
        Whether all that was counted is right.
    hint : str
        What to think about next; empty if it is solved.
    counters : tuple of Counter
        What was counted besides what the figure shows.
    figure : Figure or None
        The calls or the effects; None if the program did not run to the end.
    """

    solved: bool
    hint: str
    counters: tuple[Counter, ...] = ()
    figure: Figure | None = None

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


class Thing(NamedTuple):
    """How the title of a figure speaks: "a message is shown", "2 of 8 messages are not shown"."""

    one: str
    many: str
    done: str


def judge(
    thing: Thing,
    rows: Mapping[str, Sequence[int]],
    hints: Iterable[tuple[bool, str]],
    *,
    counters: Iterable[Counter] = (),
    **axis: Any,
) -> Result:
    """Compare what was counted with what is right, and draw it.

    Parameters
    ----------
    thing
        What the rows count, for the title.
    rows
        For each part of the program, its counts; each of them should be 1.
    hints
        Conditions with hints: the first that is true speaks, if something is wrong.
    counters
        What else was counted.
    **axis
        ``rounds`` and ``first`` for :func:`sio_demo.plots.calls_by_design`, with ``counted`` for
        :func:`sio_demo.plots.tally`; or ``faults`` for
        :func:`sio_demo.plots.effects_by_design`.
    """
    counters = tuple(counters)
    once = all(set(counts) == {1} for counts in rows.values())
    solved = once and all(counter.is_right for counter in counters)
    figure = _draw(rows, axis | {"title": _title(thing, rows)})
    hint = next((words for condition, words in hints if condition), "")
    hint = hint or "Something differs from what is right: compare the columns."
    return Result(solved, "" if solved else hint, counters, figure)


def _draw(rows: Mapping[str, Sequence[int]], options: dict[str, Any]) -> Figure:
    if "faults" in options:
        return plots.effects_by_design(rows, **options)
    if "counted" in options:
        return plots.tally(rows, expected=1, **options)
    return plots.calls_by_design(rows, **options)


def _title(thing: Thing, rows: Mapping[str, Sequence[int]]) -> str:
    counts = [count for row in rows.values() for count in row]
    lost = counts.count(0)
    parts = []
    if max(counts) > 1:
        parts.append(f"{thing.one} is {thing.done} up to {max(counts)} times")
    if lost:
        are = "is" if lost == 1 else "are"
        parts.append(f"{lost} of {len(counts)} {thing.many} {are} not {thing.done}")
    title = ", and ".join(parts) or f"{thing.one} is {thing.done} once"
    return title[0].upper() + title[1:]
