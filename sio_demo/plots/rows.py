"""How each kind of step in a sequence diagram is drawn.

A step's shape, label and number carry its name as their gid, by which the tests find them.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from matplotlib.axes import Axes

from . import style
from .style import Look

# Inches.
LINE = 0.19
HEIGHT = {"call": 0.12, "lost": 0.25, "fault": 0.24, "note": 0.22}
HEIGHT |= dict.fromkeys(("packet", "write", "harm"), 0.19)
CHARACTERS = 10.5  # of a label, in an inch
_BADGE = 0.125
_TOOTH = (0.12, 0.09)


class Row(NamedTuple):
    """The place of a step, and what is to be written there."""

    axes: Axes
    name: str
    top: float
    height: float
    text: str
    call: int

    @property
    def foot(self) -> float:
        """Where an arrow lies that has its label above it."""
        return self.top + self.height - 0.1

    @property
    def middle(self) -> float:
        """Where something lies that has its label beside it."""
        return self.top + self.height / 2

    def write(self, x: float, y: float, name: str = "label", **look: Any) -> None:
        """Write the label, on white so that no lifeline runs through it."""
        white = {"facecolor": "white", "edgecolor": "none", "pad": 1}
        look = {"ha": "center", "va": "center", "linespacing": 1.1, "bbox": white, **look}
        self.axes.text(x, y, self.text, gid=f"{self.name}-{name}", zorder=3, **look)

    def arrow(self, kind: str, start: float, end: float, y: float, color: str) -> None:
        """Draw an arrow: an empty annotation, which keeps both of its ends."""
        shape = {"arrowstyle": "-|>", "mutation_scale": 15, "shrinkA": 0, "shrinkB": 0}
        props = {**shape, "color": color, "linewidth": 1.6}
        self.axes.annotate("", (end, y), (start, y), arrowprops=props, gid=f"{self.name}-{kind}")


def _arrow(kind: str, color: str, row: Row, source: float, target: float) -> None:
    row.arrow(kind, source, target, row.foot, color)
    row.write((source + target) / 2, row.foot - 0.05, va="bottom")


def _lost(row: Row, source: float, target: float) -> None:
    ends, y = [source, (source + target) / 2], [row.foot] * 2
    line: Look = {"color": style.INK, "linewidth": 1.6, "linestyle": (0, (4, 3))}
    cross: Look = {"color": style.AGAIN, "markersize": 11, "markeredgewidth": 3.2, "zorder": 4}
    row.axes.plot(ends, y, gid=f"{row.name}-lost", **line)
    row.axes.plot(ends[1:], y[1:], "x", **cross)
    row.write(ends[1], row.foot - 0.11, va="bottom")


def _call(row: Row, source: float, target: float) -> None:
    color = style.ONCE if row.call == 1 else style.AGAIN
    badge: Look = {"color": color, "markersize": 2 * 72 * _BADGE, "zorder": 4}
    if source == target:
        badge["gid"] = f"{row.name}-call"
    else:
        edge = target - math.copysign(_BADGE, target - source)
        row.arrow("call", source, edge, row.middle, color)
    row.axes.plot([target], [row.middle], "o", **badge)
    number: Look = {"color": "white", "fontweight": "bold", "ha": "center", "zorder": 5}
    row.axes.text(
        target, row.middle, str(row.call), va="center_baseline", gid=f"{row.name}-number", **number
    )
    if row.text:
        row.write(target + 0.2, row.middle, ha="left")


def _fault(row: Row, source: float, target: float) -> None:
    step, height = _TOOTH
    if source == target:
        source, target = style.MARGIN, style.WIDTH - style.MARGIN
    teeth = 2 * round(abs(target - source) / step / 2)
    x = [source + (target - source) * tooth / teeth for tooth in range(teeth + 1)]
    y = [row.middle + (0, -height, 0, height)[tooth % 4] for tooth in range(teeth + 1)]
    row.axes.plot(x, y, color=style.AGAIN, linewidth=2, gid=f"{row.name}-fault", zorder=2)
    white = {"facecolor": "white", "edgecolor": "none", "pad": 5}
    row.write((source + target) / 2, row.middle, fontweight="bold", bbox=white)


def _note(row: Row, source: float, target: float) -> None:
    box = {"facecolor": "#f3f3f3", "edgecolor": style.MUTED, "boxstyle": "round,pad=0.3"}
    half = max(map(len, row.text.splitlines())) / CHARACTERS / 2 + style.MARGIN
    x = min(max((source + target) / 2, half), style.WIDTH - half)
    row.write(x, row.middle, "note", bbox=box)


#: By kind: draws a row, given the positions of its source and its target.
DRAW: dict[str, Callable[[Row, float, float], None]] = {
    "packet": partial(_arrow, "packet", style.INK),
    "write": partial(_arrow, "write", style.INK),
    "harm": partial(_arrow, "harm", style.AGAIN),
    "call": _call,
    "lost": _lost,
    "fault": _fault,
    "note": _note,
}
