"""A plot: a figure and the same data in words; as SVG, as PNG, and below a notebook's cell."""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Any

from matplotlib.figure import Figure
from PIL import Image

from ..errors import UsageError
from .style import house_style

SVG = "application/vnd.sio-demo.svg"  # the mime type under which a notebook stores a figure
_CSS_PIXELS = 96  # in an inch

Counts = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class Plot:
    """A figure, and its words: the title, then one line for each series, bar row or event."""

    figure: Figure
    words: str


def to_svg(plot: Plot) -> str:
    """Return the figure as SVG, described by its words; the same data gives the same bytes."""
    title, _, words = plot.words.partition("\n")
    metadata = {"Title": title, "Description": words, "Creator": None, "Date": None}
    return _save(plot.figure, format="svg", metadata=metadata).decode()


def to_png(plot: Plot) -> bytes:
    """Return the figure as PNG with a palette, three pixels for two CSS pixels."""
    drawn = Image.open(io.BytesIO(_save(plot.figure, format="png", metadata={"Software": None})))
    file = io.BytesIO()
    few_colours = drawn.convert("RGB").quantize(64, Image.Quantize.FASTOCTREE)  # the right ones
    few_colours.save(file, format="png", optimize=True)
    return file.getvalue()


@house_style()
def _save(figure: Figure, **options: Any) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, **options)
    return file.getvalue()


def show(plot: Plot) -> None:
    """Show a plot below a notebook's cell, and its words, folded.

    The page shows the PNG: JupyterLab makes it as narrow as its cell, and an SVG never. The SVG is
    stored beside it under a name that no page knows: its text is what nbval compares.
    """
    from IPython.display import display

    show_raw: Any = partial(display, raw=True)
    width, height = (round(inches * _CSS_PIXELS) for inches in plot.figure.get_size_inches())
    size = {"image/png": {"width": width, "height": height}}
    show_raw({SVG: to_svg(plot), "image/png": to_png(plot)}, metadata=size)
    folded = (
        f"<details><summary>The figure in words</summary><pre>{escape(plot.words)}</pre></details>"
    )
    show_raw({"text/html": folded, "text/plain": plot.words})


# The words, made of the data that is drawn


def in_words(title: str, heading: str, rows: Iterable[str]) -> str:
    """Return a title, on one line however it is wrapped in the figure, with rows below it."""
    return "\n".join([one_line(title), f"{heading}:", *rows])


def by(up: str, across: str, positions: Sequence[float]) -> str:
    """Return what the two axes count, with the first and the last position across."""
    first, last = f"{positions[0]:g}", f"{positions[-1]:g}"
    return f"{up}, by {across} ({first if len(positions) == 1 else f'{first} to {last}'})"


def row(label: str, values: Iterable[object]) -> str:
    return f"- {one_line(label)}: {', '.join(map(str, values))}"


def one_line(text: str) -> str:
    return " ".join(text.split())


def table(data: Counts, most: int) -> dict[str, list[int]]:
    """Return labels and their counts; UsageError: there are too many, or one has more counts."""
    if len(data) > most:
        raise UsageError(
            f"{len(data)} labels do not fit: draw at most {most}, or make two figures."
        )
    lengths = {label: len(counts) for label, counts in data.items()}
    if len(set(lengths.values())) != 1:
        raise UsageError(f"Every label needs as many counts as the others, not {lengths}.")
    return {label: list(counts) for label, counts in data.items()}
