"""Line charts: calls across reconnects, and total work."""

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..errors import UsageError
from . import style
from .plot import Counts, Plot, by, in_words, row, table
from .style import Look, house_style, page, place, wrap

# Inches.
_BOTTOM, _UP, _TOP = 0.72, 3.3, 0.3
_LEFT, _WIDTH = 0.62, 3.5
_SIDE = style.WIDTH - _LEFT - _WIDTH  # right of the chart
_LINE, _GAP = 0.2, 0.12  # of a label
_LEADER, _KEY, _TEXT = (0.02, 0.2), (0.22, 0.41, 0.6), 0.68

_CHARACTERS = 19  # of a label

_MOST_SERIES = 6
_MOST_MARKERS = 16


class _Series(NamedTuple):
    label: str
    values: Sequence[float]
    look: Look


def _hollow(color: str, marker: str, size: float, width: float, dashes: str) -> Look:
    edge = {"markerfacecolor": "white", "markeredgecolor": color, "markeredgewidth": 3.2}
    line = {"color": color, "linewidth": width, "linestyle": dashes}
    return {"marker": marker, "markersize": size, **edge, **line}


def _solid(color: str, marker: str, size: float) -> Look:
    edge = {"markeredgecolor": "white", "markeredgewidth": 0.6}
    line = {"color": color, "linewidth": 1.8, "linestyle": (0, (3, 2))}
    return {"marker": marker, "markersize": size, **edge, **line}


# The looks of a family nest, so that lines on one another all show.
_AGAIN = (
    _hollow(style.AGAIN_PALE, "o", 19, 6.5, "-"),
    _solid(style.AGAIN, "o", 9),
    _hollow(style.AGAIN_TOO, "|", 30, 1.2, ":"),
)
_ONCE = (
    _hollow(style.ONCE_PALE, "s", 13.5, 6.5, "-"),
    _solid(style.ONCE, "D", 5.5),
    _hollow(style.ONCE_TOO, "|", 24, 1.2, ":"),
)


def invocations(series: Counts, *, title: str) -> Plot:
    """Draw the handler calls of each client for one message, after 0, 1, 2, … reconnects.

    At most three series may stay at one call, and three others, in warm colours, may not. Lines on
    one another all show.
    """
    drawn = _looks(series)
    return _draw_counts(drawn, title, "handler calls for one message", "reconnects so far", first=0)


def total_work(series: Counts, *, title: str) -> Plot:
    """Draw all handler calls so far against the messages sent, one message per reconnect.

    Takes what `invocations` takes, and adds it up. Two thin curves give the expectation: n for one
    call per message, n(n + 1)/2 for one more after each reconnect.
    """
    drawn = []
    for label, values, look in _looks(series):
        marker = {"markersize": look["markersize"] * 0.7, "linewidth": 0, "linestyle": "none"}
        drawn.append(_Series(label, list(accumulate(values)), look | marker))
    sent = range(1, len(drawn[0].values) + 1)
    curves = {"n(n + 1)/2": [n * (n + 1) // 2 for n in sent], "n": list(sent)}
    up, across = "handler calls in all", "messages sent, one after each reconnect"
    return _draw_counts(drawn, title, up, across, first=1, curves=curves)


def _looks(series: Counts) -> list[_Series]:
    """Return each series with its look: a warm one if a message is handled other than once."""
    drawn = []
    again, once = iter(_AGAIN), iter(_ONCE)
    for label, values in table(series, most=_MOST_SERIES).items():
        look = next(once if set(values) == {1} else again, None)
        if look is None:
            raise UsageError(
                "Draw at most three series that stay at one call and three that do not; "
                "make two figures of the rest."
            )
        drawn.append(_Series(label, values, look))
    return drawn


@house_style()
def _draw_counts(
    drawn: Sequence[_Series],
    title: str,
    up: str,
    across: str,
    *,
    first: int,
    curves: Counts | None = None,
) -> Plot:
    """Draw series of counts; if there are curves too, the labels name the last counts."""
    figure, axes = _chart(title, up, across)
    places = range(first, first + len(drawn[0].values))
    every = -(-len(places) // _MOST_MARKERS)
    marked = list(range((len(places) - 1) % every, len(places), every))
    for number, (label, values, look) in enumerate(drawn, 1):
        (line,) = axes.plot(places, values, label=label, clip_on=False, markevery=marked, **look)
        line.set(gid=f"series-{number}", zorder=5 - look["markersize"] / 10)  # the smaller on top
    last, most = places[-1], max(1, *(max(one.values) for one in drawn))
    room = 0.05 * (last - first) + 0.12
    axes.set(xlim=(first - room, last + room), xticks=_whole(first, last))
    axes.set(ylim=(0, most * 1.06 + 0.35), yticks=_whole(0, most))
    rows = [row(one.label, one.values) for one in drawn]
    ends = {one.label: one for one in drawn}
    if curves:
        for formula, values in curves.items():
            _curve(axes, places, values, formula)
        rows.append(f"thin curves: {' and '.join(curves)}")
        ends = {f"{one.label}: {one.values[-1]}": one for one in drawn}
    _label(figure, axes, ends)
    return Plot(figure, in_words(title, by(up, across, places), rows))


def _whole(first: float, last: float) -> list[float]:
    """Return round whole numbers, a handful of them, from first to last."""
    locator = MaxNLocator(nbins=8, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10])
    return [tick for tick in locator.tick_values(first, last) if first <= tick <= last]


def _curve(axes: Axes, places: Sequence[int], values: Sequence[int], formula: str) -> None:
    axes.plot(places, values, color=style.MUTED, linewidth=1.2, zorder=1.5)
    index = max(1, round(len(values) * 0.75)) - 1
    at = (places[index], values[index])
    axes.annotate(formula, at, (-9, 7), textcoords="offset points", ha="right", va="bottom")


def _chart(title: str, up: str, across: str) -> tuple[Figure, Axes]:
    figure = page(title, _BOTTOM + _UP + _TOP)
    axes = place(figure, (_LEFT, _BOTTOM, _WIDTH, _UP), "chart")
    axes.set_xlabel(across, labelpad=5)
    axes.set_ylabel(up, rotation=0, ha="left", va="bottom")
    axes.yaxis.set_label_coords((style.MARGIN - _LEFT) / _WIDTH, 1.02)
    axes.tick_params(length=0, pad=8)
    return figure, axes


def _label(figure: Figure, axes: Axes, ends: Mapping[str, _Series]) -> None:
    """Write at the end of each line what it is, with a piece of it as a key."""
    side = place(figure, (_LEFT + _WIDTH, _BOTTOM, _SIDE, _UP))
    side.set(xlim=(0, _SIDE), ylim=(0, _UP))
    side.set_axis_off()
    x, to_axes = axes.get_xlim()[1], axes.transData - axes.transAxes
    targets = [to_axes.transform((x, one.values[-1]))[1] * _UP for one in ends.values()]
    texts = [wrap(label, _CHARACTERS) for label in ends]
    places = spread(targets, [len(t) * _LINE + _GAP for t in texts], (-_GAP, _UP + 2 * _GAP))
    for one, lines, target, y in zip(ends.values(), texts, targets, places, strict=True):
        key = one.look | {"markersize": min(one.look["markersize"], 14)}
        side.plot(_LEADER, [target, y], color=style.MUTED, linewidth=0.8, clip_on=False)
        side.plot(_KEY, [y] * 3, markevery=[1], solid_capstyle="butt", clip_on=False, **key)
        side.text(_TEXT, y, "\n".join(lines), va="center", linespacing=1.1)


def spread(
    targets: Sequence[float], heights: Sequence[float], limits: tuple[float, float]
) -> list[float]:
    """Return the middles of labels: near their targets, none over another.

    Labels that would overlap form a stack, centred on the mean of its targets and kept within the
    limits. Of labels with the same target, the first comes uppermost.
    """
    stacks: list[tuple[list[int], float]] = []  # the labels of each, and where it ends
    places = [0.0] * len(targets)
    for index in sorted(range(len(targets)), key=lambda i: (targets[i], -i)):
        stack = [index]
        while True:
            height = math.fsum(heights[i] for i in stack)
            middle = math.fsum(targets[i] for i in stack) / len(stack)
            y = max(limits[0], min(middle - height / 2, limits[1] - height))
            if not stacks or stacks[-1][1] <= y:
                break
            stack = stacks.pop()[0] + stack
        stacks.append((stack, y + height))
        for i in stack:
            places[i] = y + heights[i] / 2
            y += heights[i]
    return places
