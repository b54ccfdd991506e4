"""Bars of counts of any kind: one row of bars for each design, all on one scale."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..errors import UsageError
from . import style
from .checks import table
from .style import house_style, page, place, wrap

# Inches.
_LABELS, _VERDICTS = 1.9, 1.25
_BARS = style.WIDTH - _LABELS - _VERDICTS
_TALLEST, _UNIT = 1.1, 0.26
_NUMBER = 0.24
_ROW_GAP = 0.2
_LINE = 0.2
_CHARACTERS = 17
_HEAD, _FOOT = 0.3, 0.68
_MOST_BARS = 14  # beyond this the numbers on the bars would touch


@house_style()
def tally(
    rows: Mapping[str, Sequence[int]],
    *,
    title: str,
    counted: str,
    rounds: str,
    first: int = 0,
    expected: int | None = None,
) -> Figure:
    """Draw counts as bars, one row for each design, with the number on each bar.

    Every row has the same scale. With `expected`, a line is drawn there, and what goes beyond it
    has a colour of its own. Words at the right give the greatest count of the row.

    Parameters
    ----------
    rows
        For each design, in order from the top, its counts.
    title
        What the figure shows, as a sentence.
    counted
        What the counts count.
    rounds
        What the positions across count.
    first
        The number of the first position.
    expected
        What each count should be, if there is such a number.

    Raises
    ------
    UsageError
        If the lists differ in length, are longer than 14, or do not hold counts, or there are
        more than eight rows.
    """
    data = table(rows, most=8)
    length = len(next(iter(data.values())))
    if length > _MOST_BARS:
        raise UsageError(f"{length} bars in a row do not fit: pass at most {_MOST_BARS}.")
    if expected is not None and (
        isinstance(expected, bool) or not isinstance(expected, int) or expected < 1
    ):
        raise UsageError(f"expected={expected!r}: pass the count that is right, 1 or more.")
    unit = min(_UNIT, _TALLEST / max(1, expected or 0, *map(max, data.values())))
    heights = [_height(label, [expected or 0, *values], unit) for label, values in data.items()]
    body = _HEAD + math.fsum(heights) + _ROW_GAP * (len(data) - 1) + _FOOT
    figure = page(title, body)
    bottom = body - _HEAD
    for number, ((label, values), height) in enumerate(zip(data.items(), heights, strict=True), 1):
        bottom -= height
        axes = place(figure, (_LABELS, bottom, _BARS, height))
        axes.set_gid(f"design-{number}")
        axes.set(xlim=(first - 0.6, first + length - 0.4), ylim=(0, height / unit))
        _bars(axes, values, expected, unit, first)
        _words(axes, label, values)
        bottom -= _ROW_GAP
    line = "" if expected is None else f" (dashed line: {expected} expected)"
    figure.axes[0].set_title(f"{counted}{line}", loc="left", fontsize=12, pad=6)
    axes.set_xlabel(rounds, labelpad=6)
    axes.tick_params(labelbottom=True)
    return figure


def _height(label: str, values: Sequence[int], unit: float) -> float:
    """Return the height of a row: room for its bars and its label."""
    return max(max(values) * unit + _NUMBER, len(wrap(label, _CHARACTERS)) * _LINE)


def _bars(axes: Axes, values: Sequence[int], expected: int | None, unit: float, first: int) -> None:
    places = range(first, first + len(values))
    limit = max(values) if expected is None else expected
    within = [min(value, limit) for value in values]
    beyond = [value - part for value, part in zip(values, within, strict=True)]
    axes.bar(places, within, color=style.ONCE_PALE, width=0.62)
    axes.bar(places, beyond, bottom=within, color=style.AGAIN, width=0.62)
    if expected is not None:
        axes.axhline(expected, color=style.INK, linewidth=1, linestyle=(0, (4, 3)))
    for x, value in zip(places, values, strict=True):
        y = max(value, expected or 0) + 0.04 / unit
        axes.text(x, y, str(value), ha="center", va="bottom", fontsize=10, fontweight="bold")
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
    axes.tick_params(length=0, labelleft=False, labelbottom=False, pad=7)
    axes.set_xticks(places)


def _words(axes: Axes, label: str, values: Sequence[int]) -> None:
    """Write the row's name at the left of its bars, and its greatest count at their right."""
    lines = "\n".join(wrap(label, _CHARACTERS))
    axes.set_ylabel(lines, rotation=0, ha="left", va="bottom", linespacing=1.1)
    axes.yaxis.set_label_coords((style.MARGIN - _LABELS) / _BARS, 0)
    most = max(values)
    verdict = f"always {most}" if min(values) == most else f"at most {most}"
    axes.text(1.03, 0, verdict, transform=axes.transAxes, va="bottom")
