"""A heat map of signatures: what one message left behind, counted in several places, by cause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..errors import UsageError
from . import style
from .checks import table
from .style import house_style, page, place

# Inches.
_LABELS, _GAP = 0.52, 0.2
_ROW, _HEAD, _FOOT = 0.23, 1.25, 0.35
_MOST_ROWS, _MOST_GROUPS = 40, 3

#: The colours of a count: of the cell, and of the number in it.
_NONE, _ONE, _MORE = (style.ONCE_PALE, style.INK), ("white", style.MUTED), (style.AGAIN, "white")


@house_style()
def signatures(
    groups: Mapping[str, Mapping[str, Sequence[int]]], *, title: str, columns: Sequence[str]
) -> Figure:
    """Draw a table of counts for each group, side by side; colour tells 0, 1 and more apart.

    Parameters
    ----------
    groups
        For each group, from the left, the counts of each of its rows, from the top.
    title
        What the figure shows, as a sentence.
    columns
        What the counts of a row count.

    Raises
    ------
    UsageError
        If a row does not have one count for each column, or there are more than three groups, or
        more than 40 rows in one.
    """
    if not isinstance(groups, Mapping) or not 1 <= len(groups) <= _MOST_GROUPS:
        raise UsageError(f"Pass one to {_MOST_GROUPS} groups, each a dict of rows.")
    tables = {name: table(rows, most=_MOST_ROWS) for name, rows in groups.items()}
    for rows in tables.values():
        for label, counts in rows.items():
            if len(counts) != len(columns):
                raise UsageError(f"{label!r} has {len(counts)} counts for {len(columns)} columns.")
    height = max(map(len, tables.values())) * _ROW
    figure = page(title, _HEAD + height + _FOOT)
    room = style.WIDTH - 2 * style.MARGIN - _GAP * (len(tables) - 1)
    width = room / len(tables) - _LABELS
    left = style.MARGIN
    for number, (name, rows) in enumerate(tables.items(), 1):
        low = _FOOT + height - len(rows) * _ROW
        axes = place(figure, (left + _LABELS, low, width, len(rows) * _ROW))
        axes.set_gid(f"signatures-{number}")
        _group(axes, name, rows, columns)
        left += _LABELS + width + _GAP
    _key(place(figure, (style.MARGIN, 0, style.WIDTH - 2 * style.MARGIN, _FOOT)))
    return figure


def _group(
    axes: Axes, name: str, rows: Mapping[str, Sequence[int]], columns: Sequence[str]
) -> None:
    axes.set(xlim=(0, len(columns)), ylim=(len(rows), 0))
    for y, counts in enumerate(rows.values()):
        for x, count in enumerate(counts):
            cell, number = _colours(count)
            axes.add_patch(Rectangle((x, y), 1, 1, facecolor=cell, edgecolor=style.PALE))
            axes.text(
                x + 0.5, y + 0.5, str(count), ha="center", va="center", fontsize=10, color=number
            )
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_title(name, loc="left", fontsize=12, pad=72)
    axes.tick_params(length=0, labeltop=True, labelbottom=False, pad=4)
    axes.set_xticks([x + 0.5 for x in range(len(columns))], columns, rotation=90, va="bottom")
    axes.set_yticks([y + 0.5 for y in range(len(rows))], list(rows))


def _colours(count: int) -> tuple[str, str]:
    return _NONE if count == 0 else _ONE if count == 1 else _MORE


def _key(axes: Axes) -> None:
    """Say below the tables what the colours mean."""
    axes.set_axis_off()
    axes.set(xlim=(0, style.WIDTH - 2 * style.MARGIN), ylim=(0, _FOOT))
    x = _LABELS
    for (colour, _), words in ((_NONE, "0: lost"), (_ONE, "1: as it should be"), (_MORE, "more")):
        axes.add_patch(Rectangle((x, 0.08), 0.2, 0.16, facecolor=colour, edgecolor=style.MUTED))
        axes.text(x + 0.28, 0.16, words, va="center", fontsize=11)
        x += 0.6 + 0.09 * len(words)
