"""A map of signatures: what one message left behind, counted in several places, by cause."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from . import style
from .plot import Counts, Plot, in_words, table
from .style import Look, house_style, page, place

# Inches.
_LETTER, _CELL, _NAME = 0.5, 0.26, 0.1
_ROW, _GAP, _HEAD, _FOOT = 0.21, 0.08, 0.85, 0.42
_WIDTH = style.WIDTH - 2 * style.MARGIN

_MOST_ROWS = 60

#: By count, from 2 on the last: the colour of the cell and of what is in it, and what it means.
_LOOKS = (
    ("white", style.AGAIN, "0: lost"),
    ("white", style.ONCE, "1: as it should be"),
    (style.AGAIN, "white", "more"),
)
_LOST = "\N{MULTIPLICATION SIGN}"
_TEXT: Look = {"va": "center", "fontsize": 10.5}


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
    height = sum(len(rows) + 1 for rows in tables.values()) * _ROW + (len(tables) - 1) * _GAP
    figure = page(title, _HEAD + height + _FOOT)
    axes = place(figure, (style.MARGIN, _FOOT, _WIDTH, height), "signatures")
    axes.set(xlim=(0, _WIDTH), ylim=(height, 0))
    axes.set_axis_off()
    for number, column in enumerate(columns):
        x = _LETTER + (number + 0.5) * _CELL
        upright: Look = {"rotation": 90, "ha": "center", "va": "bottom"}
        axes.text(x, -0.06, column, gid="column", **upright)
    top, words = 0.0, []
    for name, rows in tables.items():
        found = (f"{label} {' '.join(map(str, counts))}" for label, counts in rows.items())
        words.append(f"- {name}: {'; '.join(found)}")
        look: Look = _TEXT | {"weight": "bold", "color": style.MUTED, "gid": "group"}
        axes.text(_LETTER + len(columns) * _CELL + _NAME, top + _ROW / 2, name, **look)
        top += _ROW
        for label, counts in rows.items():
            _row(axes, top, label, counts, (names or {}).get(label, "").replace("`", ""))
            top += _ROW
        top += _GAP
    _key(place(figure, (style.MARGIN, 0, _WIDTH, _FOOT)))
    return Plot(figure, in_words(title, ", ".join(columns), words))


def _row(axes: Axes, top: float, label: str, counts: Sequence[int], name: str) -> None:
    middle = top + _ROW / 2
    axes.text(_LETTER - 0.08, middle, label, ha="right", gid="label", **_TEXT)
    axes.text(_LETTER + len(counts) * _CELL + _NAME, middle, name, **_TEXT)
    for number, count in enumerate(counts):
        _cell(axes, _LETTER + number * _CELL, top, count)


def _cell(axes: Axes, left: float, top: float, count: int) -> None:
    face, ink, _ = _LOOKS[min(count, 2)]
    if count != 1:
        box = (left + 0.015, top + 0.015), _CELL - 0.03, _ROW - 0.03
        axes.add_patch(Rectangle(*box, facecolor=face, edgecolor=style.AGAIN))
    look: Look = {"color": ink, "weight": "normal" if count else "bold", "gid": "count"} | _TEXT
    axes.text(left + _CELL / 2, top + _ROW / 2, str(count or _LOST), ha="center", **look)


def _key(axes: Axes) -> None:
    axes.set_axis_off()
    axes.set(xlim=(0, _WIDTH), ylim=(_FOOT, 0))
    x, top = _LETTER, 0.1
    for count, (_, _, words) in enumerate(_LOOKS):
        _cell(axes, x, top, count)
        axes.text(x + _CELL + 0.08, top + _ROW / 2, words, **_TEXT)
        x += 0.7 + 0.09 * len(words)
