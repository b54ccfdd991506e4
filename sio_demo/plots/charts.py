"""Line charts of counts: calls across reconnects, and total work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..errors import UsageError
from . import style
from .checks import table
from .labels import beside
from .style import house_style, page, place

# Inches.
_LEFT, _BOTTOM, _TOP = 0.62, 0.72, 0.3
_ACROSS, _UP = 4.1, 3.3
_MOST_MARKERS = 16


class _Look(NamedTuple):
    """How a series is drawn; the looks nest, so that lines on one another all show."""

    color: str
    marker: str
    size: float
    width: float
    dashes: str | tuple[float, tuple[float, ...]]
    hollow: bool

    def arguments(self) -> dict[str, Any]:
        """Return the look as matplotlib's arguments for a line."""
        return {
            "color": self.color,
            "linewidth": self.width,
            "linestyle": self.dashes if self.width else "none",
            "marker": self.marker,
            "markersize": self.size,
            "markerfacecolor": "white" if self.hollow else self.color,
            "markeredgecolor": self.color if self.hollow else "white",
            "markeredgewidth": 3.2 if self.hollow else 0.6,
        }


class _Series(NamedTuple):
    label: str
    values: Sequence[int]
    look: _Look


_AGAIN = (
    _Look(style.AGAIN_PALE, "o", 19, 6.5, "-", True),
    _Look(style.AGAIN, "o", 9, 1.8, (0, (3, 2)), False),
    _Look(style.AGAIN_TOO, "|", 30, 1.2, ":", True),
)
_ONCE = (
    _Look(style.ONCE_PALE, "s", 13.5, 6.5, "-", True),
    _Look(style.ONCE, "D", 5.5, 1.8, (0, (3, 2)), False),
    _Look(style.ONCE_TOO, "|", 24, 1.2, ":", True),
)


@house_style()
def invocations(series: Mapping[str, Sequence[int]], *, title: str) -> Figure:
    """Draw how often one message is handled, after 0, 1, 2, … reconnects.

    Lines on one another all show: a wide one with hollow markers lies below a narrow one with
    small ones. Warm colours are for series that do not stay at one call.

    Parameters
    ----------
    series
        For each client, the handler calls for one message after 0, 1, 2, … reconnects.
    title
        What the figure shows, as a sentence.

    Raises
    ------
    UsageError
        If the lists differ in length or do not hold counts, or there are more than three that
        stay at one call, or than three that do not.
    """
    drawn = _looks(table(series, most=6))
    figure = page(title, _BOTTOM + _UP + _TOP)
    axes = _axes(figure, "reconnects so far", "handler calls for one message")
    _draw(axes, drawn, first=0)
    _label(figure, axes, {one.label: one for one in drawn})
    return figure


@house_style()
def total_work(series: Mapping[str, Sequence[int]], *, title: str) -> Figure:
    """Draw all handler calls so far against the messages sent, one message per reconnect.

    Two thin curves give the expectation: one call per message makes n calls for n messages, one
    more call after each reconnect makes n(n + 1)/2.

    Parameters
    ----------
    series
        For each client, the handler calls for the first, second, … message: what `invocations`
        takes. This function adds them up.
    title
        What the figure shows, as a sentence.

    Raises
    ------
    UsageError
        As for `invocations`.
    """
    drawn = [
        _Series(label, list(accumulate(values)), look._replace(size=look.size * 0.7, width=0))
        for label, values, look in _looks(table(series, most=6))
    ]
    figure = page(title, _BOTTOM + _UP + _TOP)
    axes = _axes(figure, "messages sent, one after each reconnect", "handler calls in all")
    sent = range(1, len(drawn[0].values) + 1)
    _draw(axes, drawn, first=1)
    _expectation(axes, [n * (n + 1) // 2 for n in sent], "n(n + 1)/2")
    _expectation(axes, sent, "n")
    _label(figure, axes, {f"{one.label}: {one.values[-1]}": one for one in drawn})
    return figure


def _looks(data: Mapping[str, Sequence[int]]) -> list[_Series]:
    """Give each series its look: a warm one if a message is handled other than once."""
    drawn = []
    again, once = iter(_AGAIN), iter(_ONCE)
    for label, values in data.items():
        look = next(once if set(values) == {1} else again, None)
        if look is None:
            raise UsageError(
                "Draw at most three series that stay at one call and three that do not; "
                "make two figures of the rest."
            )
        drawn.append(_Series(label, values, look))
    return drawn


def _axes(figure: Figure, across: str, up: str) -> Axes:
    axes = place(figure, (_LEFT, _BOTTOM, _ACROSS, _UP))
    axes.set_gid("chart")
    axes.set_xlabel(across, labelpad=5)
    axes.set_ylabel(up, rotation=0, ha="left", va="bottom")
    axes.yaxis.set_label_coords((style.MARGIN - _LEFT) / _ACROSS, 1.02)
    axes.tick_params(length=0, pad=8)
    return axes


def _draw(axes: Axes, drawn: Sequence[_Series], first: int) -> None:
    """Draw the series from the first position on, the larger below the smaller."""
    for number, (label, values, look) in enumerate(drawn, 1):
        x = range(first, first + len(values))
        (line,) = axes.plot(x, values, label=label, clip_on=False, **look.arguments())
        line.set_zorder(5 - look.size / 10)
        line.set_gid(f"series-{number}")
        every = -(-len(values) // _MOST_MARKERS)
        line.set_markevery(list(range((len(values) - 1) % every, len(values), every)))
    last = first + len(drawn[0].values) - 1
    most = max(1, *(max(one.values) for one in drawn))
    room = 0.05 * (last - first) + 0.12
    axes.set(xlim=(first - room, last + room), xticks=_whole(first, last))
    axes.set(ylim=(0, most * 1.06 + 0.35), yticks=_whole(0, most))


def _whole(first: int, last: int) -> list[float]:
    """Return round whole numbers, a handful of them, from first to last."""
    locator = MaxNLocator(nbins=8, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10])
    return [tick for tick in locator.tick_values(first, last) if first <= tick <= last]


def _expectation(axes: Axes, totals: Sequence[int], formula: str) -> None:
    """Draw a thin curve through totals that were computed, and its formula above it."""
    axes.plot(range(1, len(totals) + 1), totals, color=style.MUTED, linewidth=1.2, zorder=1.5)
    place = max(1, round(len(totals) * 0.75))
    at = (place, totals[place - 1])
    axes.annotate(formula, at, (-9, 7), textcoords="offset points", ha="right", va="bottom")


def _label(figure: Figure, axes: Axes, ends: Mapping[str, _Series]) -> None:
    """Write at the end of each line what it is, with a piece of it as a key."""
    most = axes.get_ylim()[1]
    size = (style.WIDTH - _LEFT - _ACROSS, _UP)
    side = place(figure, (_LEFT + _ACROSS, _BOTTOM, *size))
    targets = [one.values[-1] / most * _UP for one in ends.values()]
    keys = [{**look.arguments(), "markersize": min(look.size, 14)} for _, _, look in ends.values()]
    beside(side, size, list(ends), targets, keys)
