"""A sequence diagram: what passed between server, link, client and handler, in order."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple

from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from ..errors import UsageError
from . import style
from .plot import Plot, in_words, one_line
from .style import Look, house_style, page, place, wrap

Kind = Literal["packet", "call", "lost", "fault", "note"]

# Inches: the unit of the axes, so that texts and shapes can be laid out together.
_LEFT, _MOST_RIGHT = 0.78, 1.9
_HEAD, _FOOT = 0.56, 0.12
_BOX = (1.24, 0.42)
_LINE = 0.19
_HEIGHT = {"packet": 0.19, "call": 0.12, "lost": 0.25, "fault": 0.24, "note": 0.22}
_CHARACTERS = 10.5  # of a label, in an inch
_BADGE = 0.125
_TOOTH = (0.12, 0.09)


class Step(NamedTuple):
    """One row of a sequence diagram, from a lifeline to a lifeline.

    By kind: ``"packet"`` is an arrow. ``"call"`` ends in the number of the call, counted for the
    packet that the caller received last, or for one message. ``"lost"`` ends midway in a cross.
    ``"fault"`` is a zigzag between two lifelines. ``"note"`` is a text in a box between them.
    """

    source: str
    target: str
    label: str = ""  # a call may go without
    kind: Kind = "packet"


@house_style()
def sequence(
    events: Iterable[Step],
    *,
    title: str,
    lifelines: Sequence[str] = ("server", "link", "client", "your handler"),
    one_message: bool = False,
) -> Plot:
    """Draw events as a sequence diagram, in logical time from the top.

    `lifelines` are the columns from the left, two to five. With `one_message`, all packets carry
    the same one, and calls are numbered across them. A second call is drawn as harmful.

    UsageError: a step other than a note leads from a lifeline to itself.
    """
    names, steps = list(lifelines), list(events)
    if any(step.kind != "note" and step.source == step.target for step in steps):
        raise UsageError("Only a note may have one lifeline: name another as the target.")
    beside = [0.35 + len(step.label) / _CHARACTERS for step in steps if step.kind == "call"]
    right = max(_LEFT, min(max(beside, default=0), _MOST_RIGHT))
    gap = (style.WIDTH - _LEFT - right) / (len(names) - 1)
    columns = {name: _LEFT + gap * index for index, name in enumerate(names)}
    texts = [wrap(step.label, _room(step, columns)) if step.label else [] for step in steps]
    heights = [
        _HEIGHT[s.kind] + _LINE * max(1, len(lines)) for s, lines in zip(steps, texts, strict=True)
    ]
    body = _HEAD + math.fsum(heights) + _FOOT
    figure = page(title, body + style.MARGIN)
    axes = place(figure, (0, style.MARGIN, style.WIDTH, body), "sequence")
    axes.set(xlim=(0, style.WIDTH), ylim=(body, 0))
    axes.set_axis_off()
    _draw_lifelines(axes, columns, body)
    y, words = _HEAD, []
    rows = zip(steps, _calls(steps, one_message), texts, heights, strict=True)
    for number, (step, call, lines, height) in enumerate(rows, 1):
        row = _Row(axes, f"step-{number}", y, height, "\n".join(lines), call)
        getattr(row, step.kind)(columns[step.source], columns[step.target])
        y += height
        words.append(f"{number}. {_words(step, call)}")
    between = ", ".join(map(one_line, names))
    return Plot(figure, in_words(title, f"events in order, between {between}", words))


def _calls(steps: Sequence[Step], one_message: bool) -> Iterator[int]:
    """Yield for each step how often its source has called for the message or for the packet."""
    calls: Counter[str] = Counter()
    for step in steps:
        if step.kind == "packet" and not one_message:
            calls[step.target] = 0
        elif step.kind == "call":
            calls[step.source] += 1
        yield calls[step.source]


def _words(step: Step, call: int) -> str:
    words = f"call {call}" if step.kind == "call" else step.kind
    if step.kind != "note":
        words += f", {one_line(step.source)} to {one_line(step.target)}"
    return f"{words}: {one_line(step.label)}" if step.label.strip() else words


def _room(step: Step, columns: Mapping[str, float]) -> int:
    """Return how many characters of the label fit on a line."""
    source, target = columns[step.source], columns[step.target]
    span = abs(source - target) or max(columns.values()) - min(columns.values())
    if step.kind == "call":
        later = [x for x in columns.values() if x > target]
        span = min(later, default=style.WIDTH) - target
    elif step.kind == "fault":
        span = max(span - 0.7, 1.2)
    elif step.kind == "note":
        span = max(span, 3.0)
    return max(8, int((span - 0.3) * _CHARACTERS))


def _draw_lifelines(axes: Axes, columns: Mapping[str, float], body: float) -> None:
    gap = min(abs(a - b) for a, b in pairwise(columns.values()))
    width, height = min(_BOX[0], gap - 0.1), _BOX[1]
    for number, (name, x) in enumerate(columns.items(), 1):
        axes.plot([x, x], [height, body], color=style.MUTED, linewidth=1, zorder=1)
        shape: Look = {"boxstyle": "round,pad=0,rounding_size=0.06", "edgecolor": style.INK}
        box = FancyBboxPatch((x - width / 2, 0.02), width, height, facecolor="white", **shape)
        axes.add_patch(box)
        text = "\n".join(wrap(name, int(width * _CHARACTERS)))
        axes.text(x, 0.02 + height / 2, text, ha="center", va="center", gid=f"lifeline-{number}")


class _Row(NamedTuple):
    """The place of a step, and what is to be written there."""

    axes: Axes
    name: str
    top: float
    height: float
    text: str
    number: int  # of a call

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

    # --- what each kind of step draws, from the position of its source to that of its target

    def packet(self, source: float, target: float) -> None:
        self.arrow("packet", source, target, self.foot, style.INK)
        self.write((source + target) / 2, self.foot - 0.05, va="bottom")

    def lost(self, source: float, target: float) -> None:
        ends, y = [source, (source + target) / 2], [self.foot] * 2
        line: Look = {"color": style.INK, "linewidth": 1.6, "linestyle": (0, (4, 3))}
        cross: Look = {"color": style.AGAIN, "markersize": 11, "markeredgewidth": 3.2, "zorder": 4}
        self.axes.plot(ends, y, gid=f"{self.name}-lost", **line)
        self.axes.plot(ends[1:], y[1:], "x", **cross)
        self.write(ends[1], self.foot - 0.11, va="bottom")

    def call(self, source: float, target: float) -> None:
        color = style.ONCE if self.number == 1 else style.AGAIN
        badge: Look = {"color": color, "markersize": 2 * 72 * _BADGE, "zorder": 4}
        edge = target - math.copysign(_BADGE, target - source)
        self.arrow("call", source, edge, self.middle, color)
        self.axes.plot([target], [self.middle], "o", **badge)
        look: Look = {"color": "white", "fontweight": "bold", "zorder": 5, "ha": "center"}
        look |= {"va": "center_baseline", "gid": f"{self.name}-number"}
        self.axes.text(target, self.middle, str(self.number), **look)
        if self.text:
            self.write(target + 0.2, self.middle, ha="left")

    def fault(self, source: float, target: float) -> None:
        step, height = _TOOTH
        teeth = 2 * round(abs(target - source) / step / 2)
        x = [source + (target - source) * tooth / teeth for tooth in range(teeth + 1)]
        y = [self.middle + (0, -height, 0, height)[tooth % 4] for tooth in range(teeth + 1)]
        self.axes.plot(x, y, color=style.AGAIN, linewidth=2, gid=f"{self.name}-fault", zorder=2)
        white = {"facecolor": "white", "edgecolor": "none", "pad": 5}
        self.write((source + target) / 2, self.middle, fontweight="bold", bbox=white)

    def note(self, source: float, target: float) -> None:
        box = {"facecolor": "#e8e8e8", "edgecolor": style.MUTED, "boxstyle": "round,pad=0.3"}
        half = max(map(len, self.text.splitlines())) / _CHARACTERS / 2 + style.MARGIN
        x = min(max((source + target) / 2, half), style.WIDTH - half)
        self.write(x, self.middle, "note", bbox=box)
