"""A heat map of signatures: what one message left behind, counted in several places, by cause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from ..errors import UsageError
from . import style
from .checks import Counts, table
from .plot import Plot, in_words, row
from .style import Look, house_style, page, place

# Inches.
_LABELS, _GAP = 0.52, 0.2
_ROW, _HEAD, _FOOT = 0.23, 1.25, 0.35
_WIDTH = style.WIDTH - 2 * style.MARGIN

_MOST_ROWS, _MOST_GROUPS = 40, 3

#: By count, from 2 on the last: the colours of the cell and of the number in it, and what it means.
_COLOURS = (
    (style.ONCE_PALE, style.INK, "0: lost"),
    ("white", style.MUTED, "1: as it should be"),
    (style.AGAIN, "white", "more"),
)


@house_style()
def signatures(groups: Mapping[str, Counts], *, title: str, columns: Sequence[str]) -> Plot:
    """Draw a table of counts for each group, side by side; colour tells 0, 1 and more apart.

    Parameters
    ----------
    groups
        For each group, three at most, the counts of each of its rows, up to 40.
    columns
        What the counts of a row count.
    """
    if not isinstance(groups, Mapping) or not 1 <= len(groups) <= _MOST_GROUPS:
        raise UsageError(f"Pass one to {_MOST_GROUPS} groups, each a dict of rows.")
    tables = {name: table(rows, most=_MOST_ROWS) for name, rows in groups.items()}
    cells = [(n, label, counts) for n, rows in tables.items() for label, counts in rows.items()]
    for _, label, counts in cells:
        if len(counts) != len(columns):
            raise UsageError(f"{label!r} has {len(counts)} counts for {len(columns)} columns.")
    height = max(map(len, tables.values())) * _ROW
    figure = page(title, _HEAD + height + _FOOT)
    width = (_WIDTH - _GAP * (len(tables) - 1)) / len(tables) - _LABELS
    left = style.MARGIN
    for number, (name, rows) in enumerate(tables.items(), 1):
        low = _FOOT + height - len(rows) * _ROW
        axes = place(figure, (left + _LABELS, low, width, len(rows) * _ROW))
        axes.set_gid(f"signatures-{number}")
        _group(axes, name, rows, columns)
        left += _LABELS + width + _GAP
    _key(place(figure, (style.MARGIN, 0, _WIDTH, _FOOT)))
    words = [row(f"{name}, {label}", counts) for name, label, counts in cells]
    return Plot(figure, in_words(title, ", ".join(columns), words))


def _group(axes: Axes, name: str, rows: Counts, columns: Sequence[str]) -> None:
    axes.set(xlim=(0, len(columns)), ylim=(len(rows), 0))
    middle: Look = {"ha": "center", "va": "center", "fontsize": 10}
    for y, counts in enumerate(rows.values()):
        for x, count in enumerate(counts):
            cell, ink, _ = _COLOURS[min(count, 2)]
            axes.add_patch(Rectangle((x, y), 1, 1, facecolor=cell, edgecolor=style.PALE))
            axes.text(x + 0.5, y + 0.5, str(count), color=ink, **middle)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set_title(name, loc="left", fontsize=12, pad=72)
    axes.tick_params(length=0, labeltop=True, labelbottom=False, pad=4)
    axes.set_xticks([x + 0.5 for x in range(len(columns))], columns, rotation=90, va="bottom")
    axes.set_yticks([y + 0.5 for y in range(len(rows))], list(rows))


def _key(axes: Axes) -> None:
    """Say below the tables what the colours mean."""
    axes.set_axis_off()
    axes.set(xlim=(0, _WIDTH), ylim=(0, _FOOT))
    x = _LABELS
    for colour, _, words in _COLOURS:
        axes.add_patch(Rectangle((x, 0.08), 0.2, 0.16, facecolor=colour, edgecolor=style.MUTED))
        axes.text(x + 0.28, 0.16, words, va="center", fontsize=11)
        x += 0.6 + 0.09 * len(words)
