"""A map of signatures: what one message left behind, counted in several places, by cause."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from . import style
from .plot import Counts, Plot, in_words, table
from .style import Look, house_style, page, place

# Inches.
_LETTER, _CELL, _NAME = 0.52, 0.34, 0.12
_ROW, _GAP, _HEAD, _FOOT = 0.19, 0.1, 0.85, 0.4
_WIDTH = style.WIDTH - 2 * style.MARGIN

_MOST_ROWS = 60

#: By count, from 2 on the last: the colour of the cell and of what is in it, and what it means.
_LOOKS = (
    ("white", style.AGAIN, "0: lost"),
    ("white", style.ONCE, "1: as it should be"),
    (style.AGAIN, "white", "more"),
)
_LOST = "\N{MULTIPLICATION SIGN}"


@house_style()
def signatures(
    groups: Mapping[str, Counts],
    *,
    title: str,
    columns: Sequence[str],
    names: Mapping[str, str] | None = None,
) -> Plot:
    """Draw a row of counts for each label, by group; 0, 1 and more look different.

    `columns` say what the counts of a row count, `names` what a label stands for.
    """
    tables = {name: table(rows, most=_MOST_ROWS) for name, rows in groups.items()}
    height = sum(map(len, tables.values())) * _ROW + (len(tables) - 1) * _GAP
    figure = page(title, _HEAD + height + _FOOT)
    axes = place(figure, (style.MARGIN, _FOOT, _WIDTH, height))
    axes.set(xlim=(0, _WIDTH), ylim=(height, 0))
    axes.set_gid("signatures")
    axes.set_axis_off()
    for number, column in enumerate(columns):
        x = _LETTER + (number + 0.5) * _CELL
        upright: Look = {"rotation": 90, "ha": "center", "va": "bottom", "fontsize": 10}
        axes.text(x, -0.06, column, gid="column", **upright)
    top = 0.0
    for name, rows in tables.items():
        look: Look = {"ha": "right", "va": "center", "weight": "bold", "color": style.MUTED}
        axes.text(_WIDTH, top + _ROW / 2, name, fontsize=9, gid="group", **look)
        for label, counts in rows.items():
            _row(axes, top, label, counts, (names or {}).get(label, ""))
            top += _ROW
        top += _GAP
    _key(place(figure, (style.MARGIN, 0, _WIDTH, _FOOT)))
    words = []
    for name, rows in tables.items():
        found = (f"{label} {' '.join(map(str, each))}" for label, each in rows.items())
        words.append(f"- {name}: {'; '.join(found)}")
    return Plot(figure, in_words(title, ", ".join(columns), words))


def _row(axes: Axes, top: float, label: str, counts: Sequence[int], name: str) -> None:
    middle = top + _ROW / 2
    axes.text(_LETTER - 0.1, middle, label, ha="right", va="center", fontsize=9, gid="label")
    axes.text(_LETTER + len(counts) * _CELL + _NAME, middle, name, va="center", fontsize=9)
    for number, count in enumerate(counts):
        face, ink, _ = _LOOKS[min(count, 2)]
        left = _LETTER + number * _CELL
        if count != 1:
            box = (left + 0.015, top + 0.015), _CELL - 0.03, _ROW - 0.03
            axes.add_patch(Rectangle(*box, facecolor=face, edgecolor=style.AGAIN))
        look: Look = {"color": ink, "weight": "bold" if count == 0 else "normal", "gid": "count"}
        x = left + _CELL / 2
        axes.text(x, middle, str(count or _LOST), ha="center", va="center", fontsize=9, **look)


def _key(axes: Axes) -> None:
    axes.set_axis_off()
    axes.set(xlim=(0, _WIDTH), ylim=(0, _FOOT))
    x = _LETTER
    for count, (face, ink, words) in enumerate(_LOOKS):
        edge = "white" if count == 1 else style.AGAIN
        axes.add_patch(Rectangle((x, 0.1), 0.24, 0.16, facecolor=face, edgecolor=edge))
        sign = (_LOST, "1", "2")[count]
        axes.text(x + 0.12, 0.18, sign, color=ink, ha="center", va="center", fontsize=9)
        axes.text(x + 0.32, 0.18, words, va="center", fontsize=10)
        x += 0.7 + 0.085 * len(words)
