"""Bars of counts: what each design does with the same messages."""

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
_LABELS, _VERDICTS = 2.15, 1.5
_BARS = style.WIDTH - _LABELS - _VERDICTS
_TALLEST, _UNIT, _FINEST = 1.1, 0.26, 0.09
_NUMBER, _CROSS = 0.24, 0.16
_ROW_GAP = 0.2
_LINE = 0.2
_CHARACTERS = 20
_HEAD, _FOOT = 0.3, 0.68


@house_style()
def calls_by_design(
    designs: Mapping[str, Sequence[int]],
    *,
    title: str,
    expected: int = 1,
    rounds: str = "reconnects so far",
    first: int = 0,
) -> Figure:
    """Draw the handler calls for each message, one row of bars for each design.

    Every row has the same scale and a line at what is expected. What goes beyond that line has a
    colour of its own; a message that no handler saw is a cross. Words at the right sum up the row.

    Parameters
    ----------
    designs
        For each design, in order from the top, the calls for the message of each round.
    title
        What the figure shows, as a sentence.
    expected
        The calls that each message should get.
    rounds
        What the rounds count.
    first
        The number of the first round.

    Raises
    ------
    UsageError
        If the lists differ in length or do not hold counts, or there are more than eight designs.
    """
    data = table(designs, most=8)
    if isinstance(expected, bool) or not isinstance(expected, int) or expected < 1:
        raise UsageError(
            f"expected={expected!r}: pass how many calls a message should get, 1 or more."
        )
    unit = min(_UNIT, _TALLEST / max(expected, *map(max, data.values())))
    heights = [_height(label, [expected, *values], unit) for label, values in data.items()]
    body = _HEAD + math.fsum(heights) + _ROW_GAP * (len(data) - 1) + _FOOT
    figure = page(title, body)
    bottom = body - _HEAD
    for number, ((label, values), height) in enumerate(zip(data.items(), heights, strict=True), 1):
        bottom -= height
        axes = place(figure, (_LABELS, bottom, _BARS, height))
        axes.set_gid(f"design-{number}")
        axes.set(xlim=(first - 0.6, first + len(values) - 0.4), ylim=(0, height / unit))
        _bars(axes, values, expected, unit, first)
        _words(axes, label, _verdict(values, expected))
        bottom -= _ROW_GAP
    figure.axes[0].set_title(
        f"calls for one message (dashed line: {expected} expected)", loc="left", fontsize=12, pad=6
    )
    axes.set_xlabel(rounds, labelpad=6)
    axes.tick_params(labelbottom=True)
    return figure


def _height(label: str, values: Sequence[int], unit: float) -> float:
    """Return the height of a row: room for its bars and its label."""
    return max(max(max(values) * unit, _CROSS) + _NUMBER, len(wrap(label, _CHARACTERS)) * _LINE)


def _bars(axes: Axes, values: Sequence[int], expected: int, unit: float, first: int) -> None:
    rounds = range(first, first + len(values))
    within = [min(value, expected) for value in values]
    beyond = [value - part for value, part in zip(values, within, strict=True)]
    axes.bar(rounds, within, color=style.ONCE_PALE, width=0.62)
    axes.bar(rounds, beyond, bottom=within, color=style.AGAIN, width=0.62)
    if unit > _FINEST:
        axes.hlines(
            range(1, max(values)), rounds[0] - 0.5, rounds[-1] + 0.5, color="white", linewidth=1.2
        )
    axes.axhline(expected, color=style.INK, linewidth=1, linestyle=(0, (4, 3)))
    cross = max(expected, _CROSS / unit)
    for x, value in zip(rounds, values, strict=True):
        y = max(value, cross if value == 0 else expected) + 0.04 / unit
        axes.text(x, y, str(value), ha="center", va="bottom", fontweight="bold")
    lost = [x for x, value in zip(rounds, values, strict=True) if value == 0]
    axes.plot(
        lost, [cross / 2] * len(lost), "x", color=style.AGAIN, markersize=9, markeredgewidth=3
    )
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
    axes.tick_params(length=0, labelleft=False, labelbottom=False, pad=7)
    axes.set_xticks(rounds)


def _words(axes: Axes, label: str, verdict: str) -> None:
    """Write the design's name at the left of its bars, and what it did at their right."""
    lines = "\n".join(wrap(label, _CHARACTERS))
    axes.set_ylabel(lines, rotation=0, ha="left", va="bottom", linespacing=1.1)
    axes.yaxis.set_label_coords((style.MARGIN - _LABELS) / _BARS, 0)
    axes.text(1.03, 0, verdict, transform=axes.transAxes, va="bottom", linespacing=1.1)


def _verdict(values: Sequence[int], expected: int) -> str:
    """Say in a few words what a design did with its messages."""
    short = sum(value < expected for value in values)
    most = max(values)
    words = []
    if most > expected:
        words.append(f"up to {most} calls")
    if short:
        words.append(f"{short} of {len(values)} missed")
    return "\n".join(words) or ("always once" if expected == 1 else "as expected")
