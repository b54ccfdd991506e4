"""Bars of counts: a row for each design, all on one scale, with the number on each bar."""

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from itertools import zip_longest
from typing import NamedTuple

from matplotlib.axes import Axes

from . import style
from .plot import Counts, Plot, by, in_words, row, table
from .style import Look, house_style, page, place, wrap

# Inches.
_TALLEST, _UNIT, _FINEST = 1.1, 0.26, 0.09
_NUMBER, _LINE, _ROW_GAP = 0.24, 0.2, 0.2
_HEAD, _FOOT = 0.3, 0.68

_MOST_ROWS = 8
_CHARACTERS = 11  # of a fault, in an inch


class _Layout(NamedTuple):
    """The room around the bars, in inches, and what is written there."""

    left: float
    right: float
    characters: int  # of a label, on a line
    cross: float  # the height of the mark for a count of none; 0 for no mark
    expected: int = 1  # each count; 0 stands for no such number
    zeros: bool = True  # whether a count of none is written

    @property
    def width(self) -> float:
        return style.WIDTH - self.left - self.right


_FEW = _Layout(left=1.8, right=1.42, characters=18, cross=0.16)
_MANY = _Layout(left=1.75, right=1.0, characters=17, cross=0)


def calls_by_design(
    designs: Counts, *, title: str, rounds: str = "reconnects so far", first: int = 0
) -> Plot:
    """Draw the handler calls for the message of each round, one row of bars for each design.

    A line shows the one that is expected. What goes beyond it has a colour of its own; a message
    that no handler saw is a cross. Words at the right sum up the row. There may be eight designs;
    `rounds` says what the rounds count, from `first` on.
    """
    verdict = partial(_compare, more="calls", fewer="missed")
    counted = "calls for one message"
    return _draw(designs, _FEW, verdict, title=title, counted=counted, across=rounds, first=first)


def effects_by_design(
    designs: Counts, *, title: str, faults: Sequence[str], counted: str = "effects of one message"
) -> Plot:
    """Draw the effects of one message for each design, eight at most, one bar for each fault.

    What `faults` call each of them, in two or three short words, is written below the bars.
    `counted` says what the effects are; its first word names more than one of them.
    """
    verdict = partial(_compare, more=counted.split()[0], fewer="lost")
    return _draw(designs, _FEW, verdict, title=title, counted=counted, names=faults)


def tally(
    rows: Counts,
    *,
    title: str,
    counted: str,
    rounds: str,
    first: int = 0,
    expected: int | None = None,
    harmful: Collection[str] = (),
    zeros: bool = True,
) -> Plot:
    """Draw counts of any kind and size, up to 14 in each of eight rows at most.

    A line shows what is expected, if there is such a number; then words at the right give the
    greatest count. `counted` says what the counts count, `rounds` what the positions across do,
    from `first` on. Rows with a label in `harmful` have the colour of harm. Without `zeros`, a
    count of 0 is not written.
    """
    return _draw(
        rows,
        _MANY._replace(expected=expected or 0, zeros=zeros),
        partial(_extent, expected=expected),
        title=title,
        counted=counted,
        across=rounds,
        first=first,
        harmful=harmful,
    )


def _extent(counts: Sequence[int], *, expected: int | None) -> list[str]:
    """Return the greatest count in words; nothing if counts differ and none is expected."""
    if len(set(counts)) == 1:
        return [f"always {counts[0]}"]
    return [f"up to {max(counts)}"] if expected else []


def _compare(counts: Sequence[int], *, more: str, fewer: str) -> list[str]:
    """Return in a few words, on a line or two, how the counts differ from one."""
    words = [f"up to {max(counts)} {more}"] if max(counts) > 1 else []
    if none := counts.count(0):
        words.append(f"{none} of {len(counts)} {fewer}")
    return words or ["always once"]


@house_style()
def _draw(
    counts: Counts,
    layout: _Layout,
    verdict: Callable[[Sequence[int]], list[str]],
    *,
    title: str,
    counted: str,
    across: str = "",
    first: int = 1,
    names: Sequence[str] = (),
    harmful: Collection[str] = (),
) -> Plot:
    """Draw a row for each label."""
    data, expected = table(counts, most=_MOST_ROWS), layout.expected
    places = range(first, first + len(next(iter(data.values()))))
    unit = min(_UNIT, _TALLEST / max(1, expected, *map(max, data.values())))
    texts = {label: wrap(label, layout.characters) for label in data}
    tops = {label: max(max(expected, *data[label]) * unit, layout.cross) for label in data}
    heights = {label: max(tops[label] + _NUMBER, len(texts[label]) * _LINE) for label in data}
    bottom = math.fsum(heights.values()) + _ROW_GAP * (len(data) - 1) + _FOOT
    figure = page(title, _HEAD + bottom)
    rows = []
    for number, (label, values) in enumerate(data.items(), 1):
        bottom -= heights[label]
        box = (layout.left, bottom, layout.width, heights[label])
        axes = place(figure, box, f"design-{number}")
        axes.set(xlim=(first - 0.6, first + len(values) - 0.4), ylim=(0, heights[label] / unit))
        color = style.AGAIN if label in harmful else style.ONCE_PALE
        _bars(axes, dict(zip(places, values, strict=True)), unit, color, layout)
        _write(axes, texts[label], verdict(values), layout)
        found = " and ".join(verdict(values))
        rows.append(row(label, values) + (f" ({found})" if found else ""))
        bottom -= _ROW_GAP
    heading = f"{counted} (dashed line: {expected} expected)" if expected else counted
    margin = (style.MARGIN - layout.left) / layout.width
    figure.axes[0].set_title(heading, loc="left", fontsize=12, pad=6, x=margin)
    axes.tick_params(labelbottom=True)
    words = by(heading, across, places)
    if names:
        words = f"{heading}; from the left: {', '.join(names)}"
        fit = min(10, int(layout.width / len(names) * _CHARACTERS))
        axes.set_xticks(places, _of_equal_height(wrap(name, fit) for name in names))
    else:
        axes.set_xlabel(across, labelpad=6)
    return Plot(figure, in_words(title, words, rows))


def _of_equal_height(texts: Iterable[list[str]]) -> list[str]:
    """Return texts of as many lines each, so that their first lines are on one level."""
    lines = zip_longest(*([line.strip() for line in text] for text in texts), fillvalue="")
    return ["\n".join(text) for text in zip(*lines, strict=True)]


def _bars(axes: Axes, bars: dict[int, int], unit: float, color: str, layout: _Layout) -> None:
    """Draw bars, and numbers on them; `unit` is the height of a count of one, in inches."""
    places, most, expected = list(bars), max(bars.values()), layout.expected
    within = [min(count, expected or most) for count in bars.values()]
    beyond = [count - part for count, part in zip(bars.values(), within, strict=True)]
    axes.bar(places, within, color=color, width=0.62)
    axes.bar(places, beyond, bottom=within, color=style.AGAIN, width=0.62)
    cross = max(expected, layout.cross / unit)
    if layout.cross and unit > _FINEST:
        gaps: Look = {"color": "white", "linewidth": 1.2}
        axes.hlines(range(1, most), places[0] - 0.5, places[-1] + 0.5, **gaps)
    if expected:
        axes.axhline(expected, color=style.INK, linewidth=1, linestyle=(0, (4, 3)))
    for x, count in bars.items():
        if count or layout.zeros:
            y = max(count, expected if count else cross) + 0.04 / unit
            axes.text(x, y, str(count), ha="center", va="bottom", fontweight="bold")
    if layout.cross:
        lost = [x for x, count in bars.items() if count == 0]
        look: Look = {"color": style.AGAIN, "markersize": 9, "markeredgewidth": 3}
        axes.plot(lost, [cross / 2] * len(lost), "x", **look)
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
    axes.tick_params(length=0, labelleft=False, labelbottom=False, pad=7)
    axes.set_xticks(places)


def _write(axes: Axes, label: list[str], verdict: list[str], layout: _Layout) -> None:
    look: Look = {"va": "baseline", "linespacing": 1.1}
    above = 4 / axes.bbox.height  # the bars' foot
    axes.set_ylabel("\n".join(label), rotation=0, ha="left", **look)
    axes.yaxis.set_label_coords((style.MARGIN - layout.left) / layout.width, above)
    axes.text(1.03, above, "\n".join(verdict), transform=axes.transAxes, **look)
