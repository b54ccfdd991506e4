"""The most that a round trip allows: messages per second, against the time of a round trip."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from ..errors import UsageError
from . import style
from .checks import counts, table
from .labels import beside
from .style import house_style, page, place

# Inches.
_LEFT, _BOTTOM, _TOP = 1.15, 0.72, 0.3
_ACROSS, _UP = 3.55, 3.3

_LOOKS: tuple[dict[str, Any], ...] = (
    {"color": style.AGAIN, "marker": "o", "linestyle": "-"},
    {"color": style.ONCE_PALE, "marker": "s", "linestyle": (0, (5, 2))},
    {"color": style.ONCE, "marker": "D", "linestyle": "-"},
    {"color": style.ONCE_TOO, "marker": "^", "linestyle": (0, (1, 1.5))},
)


@house_style()
def throughput(
    per_trip: Mapping[str, int],
    *,
    title: str,
    trips: Sequence[int] = (20, 50, 100, 200, 500),
) -> Figure:
    """Draw the messages per second that a round trip allows; both scales are logarithmic.

    A sender that may have n messages under way sends n in each round trip, whatever the speed of
    the machines. The figure is computed from n: no clock was read.

    Parameters
    ----------
    per_trip
        For each sender, how many messages it may have under way.
    title
        What the figure shows, as a sentence.
    trips
        The round trips, in milliseconds, from the shortest.

    Raises
    ------
    UsageError
        If a count is 0 or no whole number, there are more than four senders, or `trips` does not
        grow from above 0.
    """
    data = table({name: [n] for name, n in _mapping(per_trip).items()}, most=len(_LOOKS))
    times = counts("trips", trips)
    if min(min(times), *(n for [n] in data.values())) < 1 or times != sorted(set(times)):
        raise UsageError("Pass counts of 1 or more, and round trips that grow: (20, 50, 100).")
    rates = {name: [n * 1000 / time for time in times] for name, [n] in data.items()}
    figure = page(title, _BOTTOM + _UP + _TOP)
    axes = place(figure, (_LEFT, _BOTTOM, _ACROSS, _UP))
    axes.set_gid("chart")
    for number, (name, look) in enumerate(zip(rates, _LOOKS, strict=False), 1):
        (line,) = axes.plot(times, rates[name], label=name, **_drawn(look))
        line.set_gid(f"series-{number}")
    lowest, highest = _scales(axes, times, [rate for row in rates.values() for rate in row])
    size = (style.WIDTH - _LEFT - _ACROSS, _UP)
    side = place(figure, (_LEFT + _ACROSS, _BOTTOM, *size))
    height = math.log10(highest / lowest)
    ends = [math.log10(row[-1] / lowest) / height * _UP for row in rates.values()]
    beside(side, size, list(rates), ends, [_drawn(look) for look in _LOOKS[: len(rates)]])
    return figure


def _mapping(per_trip: object) -> Mapping[str, int]:
    if not isinstance(per_trip, Mapping):
        raise UsageError('Pass a dict with a count for each sender: {"outbox": 4000}.')
    return per_trip


def _drawn(look: Mapping[str, Any]) -> dict[str, Any]:
    return {**look, "linewidth": 2, "markersize": 8, "markeredgecolor": "white"}


def _scales(axes: Axes, times: Sequence[int], rates: Sequence[float]) -> tuple[float, float]:
    """Give both axes their scales, ticks and names; return the limits of the rates."""
    low = 10.0 ** math.floor(math.log10(min(rates)))
    high = 10.0 ** math.ceil(math.log10(max(rates) * 1.01))
    axes.set(xscale="log", yscale="log", ylim=(low, high))
    axes.set_xlim(times[0] / 1.15, times[-1] * 1.15)
    powers = [10**power for power in range(round(math.log10(low)), round(math.log10(high)) + 1)]
    for axis, ticks in ((axes.xaxis, list(times)), (axes.yaxis, powers)):
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_minor_locator(NullLocator())
        axis.set_ticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.set_xlabel("round trip in milliseconds", labelpad=5)
    axes.set_ylabel("messages per second, at most", rotation=0, ha="left", va="bottom")
    axes.yaxis.set_label_coords((style.MARGIN - _LEFT) / _ACROSS, 1.02)
    axes.tick_params(length=0, pad=8)
    return low, high
