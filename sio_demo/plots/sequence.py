"""A sequence diagram: what passed between server, link, client and handler, in order."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple, get_args

from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from ..errors import UsageError
from . import style
from .plot import Plot, in_words, one_line
from .rows import CHARACTERS, DRAW, HEIGHT, LINE, Row
from .style import house_style, page, place, wrap

Kind = Literal["packet", "write", "harm", "call", "lost", "fault", "note"]

LIFELINES = ("server", "link", "client", "your handler")
_MOST = 60

# Inches: the unit of the axes, so that texts and shapes can be laid out together.
_LEFT, _MOST_RIGHT = 0.78, 1.9
_HEAD, _FOOT = 0.56, 0.12
_BOX = (1.24, 0.42)


class Step(NamedTuple):
    """One row of a sequence diagram.

    Attributes
    ----------
    source, target
        The lifelines it goes from and to.
    label
        What is written on it. A call may go without.
    kind
        ``"packet"``: an arrow. ``"write"``: an arrow, too, for what the source changes in the
        target; ``"harm"``: the same in the colour of harm. ``"call"``: an arrow that ends in the
        number of the call, counted for the packet that the caller received last, or for one
        message.
        ``"lost"``: an arrow that ends midway in a cross. ``"fault"``: a zigzag between two
        lifelines, or across all of them if source and target are one. ``"note"``: a text in a
        box, midway between source and target.
    """

    source: str
    target: str
    label: str = ""
    kind: Kind = "packet"


@house_style()
def sequence(
    events: Iterable[Step | Mapping[str, str]],
    *,
    title: str,
    lifelines: Sequence[str] = LIFELINES,
    one_message: bool = False,
) -> Plot:
    """Draw events as a sequence diagram: one row for each, in logical time from the top.

    Parameters
    ----------
    events
        `Step` tuples, or mappings with the same fields; at most 60.
    lifelines
        The columns, from the left. Two to five.
    one_message
        All packets carry the same message: calls are numbered across them. A second call is drawn
        as harmful.
    """
    names = _names(lifelines)
    steps = _steps(events, names)
    right = max([_LEFT, *(_beside(step) for step in steps if step.kind == "call")])
    gap = (style.WIDTH - _LEFT - right) / (len(names) - 1)
    columns = {name: _LEFT + gap * index for index, name in enumerate(names)}
    texts = [wrap(step.label, _room(step, columns)) if step.label else [] for step in steps]
    heights = [
        HEIGHT[s.kind] + LINE * max(1, len(lines)) for s, lines in zip(steps, texts, strict=True)
    ]
    body = _HEAD + math.fsum(heights) + _FOOT
    figure = page(title, body + style.MARGIN)
    axes = place(figure, (0, style.MARGIN, style.WIDTH, body))
    axes.set_gid("sequence")
    axes.set(xlim=(0, style.WIDTH), ylim=(body, 0))
    axes.set_axis_off()
    _draw_lifelines(axes, columns, body)
    y, words = _HEAD, []
    rows = zip(steps, _calls(steps, one_message), texts, heights, strict=True)
    for number, (step, call, lines, height) in enumerate(rows, 1):
        row = Row(axes, f"step-{number}", y, height, "\n".join(lines), call)
        DRAW[step.kind](row, columns[step.source], columns[step.target])
        y += height
        words.append(f"{number}. {_words(step, call, names)}")
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


def _words(step: Step, call: int, names: Sequence[str]) -> str:
    words = f"call {call}" if step.kind == "call" else step.kind
    ends = [step.source, step.target]
    if step.kind == "fault" and step.source == step.target:
        ends = [names[0], names[-1]]
    if step.kind != "note":
        words += f", {' to '.join(map(one_line, ends))}"
    return f"{words}: {one_line(step.label)}" if step.label.strip() else words


def _names(lifelines: Sequence[str]) -> list[str]:
    names = list(lifelines) if isinstance(lifelines, list | tuple) else []
    texts = all(isinstance(name, str) and name.strip() for name in names)
    if not texts or not 2 <= len(set(names)) == len(names) <= 5:
        raise UsageError(f"lifelines={lifelines!r}: pass two to five different names.")
    return names


def _steps(events: Iterable[Step | Mapping[str, str]], names: Sequence[str]) -> list[Step]:
    """Return the events as steps, each of them checked."""
    if not isinstance(events, Iterable):
        raise UsageError(f"Pass a list of Step(source, target, label, kind), not {events!r}.")
    steps = []
    for number, event in enumerate(events, 1):
        try:
            step = Step(**event) if isinstance(event, Mapping) else Step(*event)  # type: ignore[arg-type]
        except TypeError:
            raise UsageError(
                f"Event {number} is {event!r}: pass Step(source, target, label, kind), "
                "or a dict with these fields."
            ) from None
        _check(number, step, names)
        steps.append(step)
    if not 1 <= len(steps) <= _MOST:
        raise UsageError(f"{len(steps)} events: draw 1 to {_MOST}; leave out what tells nothing.")
    return steps


def _check(number: int, step: Step, names: Sequence[str]) -> None:
    for name in (step.source, step.target):
        if name not in names:
            raise UsageError(
                f"Event {number} names {name!r}, which is no lifeline: use one of {names}, "
                "or pass lifelines=."
            )
    if step.kind not in get_args(Kind):
        raise UsageError(f"Event {number} is a {step.kind!r}: use one of {get_args(Kind)}.")
    if step.source == step.target and step.kind in ("packet", "write", "harm", "lost"):
        raise UsageError(f"Event {number} goes from {step.source!r} to itself: name its target.")
    if not isinstance(step.label, str) or (not step.label.strip() and step.kind != "call"):
        raise UsageError(f"Event {number}, a {step.kind}, has no label: say what it is.")


def _beside(step: Step) -> float:
    """Return the room that a call and its label take, right of their lifeline."""
    return min(0.35 + len(step.label) / CHARACTERS, _MOST_RIGHT)


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
    return max(8, int((span - 0.3) * CHARACTERS))


def _draw_lifelines(axes: Axes, columns: Mapping[str, float], body: float) -> None:
    gap = min(abs(a - b) for a, b in pairwise(columns.values()))
    width, height = min(_BOX[0], gap - 0.1), _BOX[1]
    for number, (name, x) in enumerate(columns.items(), 1):
        axes.plot([x, x], [height, body], color=style.MUTED, linewidth=1, zorder=1)
        shape: dict[str, Any] = {
            "boxstyle": "round,pad=0,rounding_size=0.06",
            "edgecolor": style.INK,
        }
        box = FancyBboxPatch((x - width / 2, 0.02), width, height, facecolor="white", **shape)
        axes.add_patch(box)
        text = "\n".join(wrap(name, int(width * CHARACTERS)))
        axes.text(x, 0.02 + height / 2, text, ha="center", va="center", gid=f"lifeline-{number}")
