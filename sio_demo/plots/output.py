"""Figures as words, as SVG and PNG, and shown below a notebook's cell."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Annotation
from numpy.typing import ArrayLike

from ..errors import UsageError
from .style import house_style, unwrap

_CSS_PIXELS = 96  # in an inch
_STEP = re.compile(r"step-(\d+)-(packet|call|lost|fault|note)")


def describe(figure: Figure) -> str:
    """Say in words what a figure shows: its title, its axes and its data.

    The words are read from what is drawn, so they cannot disagree with the picture.

    Parameters
    ----------
    figure
        A figure made by this package.

    Returns
    -------
    str
        The title on the first line; then one line for each series, bar row or event.

    Raises
    ------
    UsageError
        If it is no such figure.
    """
    kinds = {axes.get_gid(): axes for axes in figure.axes} if isinstance(figure, Figure) else {}
    if "chart" in kinds:
        lines = _chart(kinds["chart"])
    elif "design-1" in kinds:
        lines = _designs(figure.axes)
    elif "signatures-1" in kinds:
        lines = _signatures(figure.axes)
    elif "sequence" in kinds:
        lines = _sequence(kinds["sequence"])
    else:
        raise UsageError(f"Pass a figure made by sio_demo.plots, not {figure!r}.")
    return "\n".join([unwrap(figure.get_suptitle()), *lines])


@house_style()
def to_svg(figure: Figure) -> str:
    """Return the figure as SVG: the same data gives the same text, byte for byte.

    It carries `describe` as its description, for readers who do not see it.
    """
    title, _, words = describe(figure).partition("\n")
    metadata = {"Title": title, "Description": words, "Creator": None, "Date": None}
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata=metadata)
    return text.getvalue()


@house_style()
def to_png(figure: Figure) -> bytes:
    """Return the figure as PNG, three pixels for two CSS pixels: sharp on most screens."""
    describe(figure)
    image = io.BytesIO()
    figure.savefig(image, format="png", metadata={"Software": None})
    return image.getvalue()


def show(figure: Figure) -> None:
    """Show a figure below a notebook's cell, as SVG and PNG, with its description in words.

    Raises
    ------
    UsageError
        If it is no figure of this package.
    """
    from IPython.display import display

    words = describe(figure)
    width, height = (round(inches * _CSS_PIXELS) for inches in figure.get_size_inches())
    display(  # type: ignore[no-untyped-call]
        {"image/svg+xml": to_svg(figure), "image/png": to_png(figure)},
        metadata={"image/png": {"width": width, "height": height}},
        raw=True,
    )
    print(words)


def _chart(axes: Axes) -> Iterator[str]:
    lines = [line for line in axes.lines if _gid(line).startswith("series-")]
    yield f"{axes.get_ylabel()}, by {axes.get_xlabel()} ({_range(lines[0].get_xdata())}):"
    for line in lines:
        yield f"- {unwrap(str(line.get_label()))}: {_numbers(line.get_ydata())}"
    if axes.texts:
        yield f"thin curves: {' and '.join(text.get_text() for text in axes.texts)}"


def _designs(rows: Sequence[Axes]) -> Iterator[str]:
    rounds = rows[-1].get_xticks()
    yield f"{rows[0].get_title(loc='left')}, by {rows[-1].get_xlabel()} ({_range(rounds)}):"
    for axes in rows:
        tops = dict.fromkeys(rounds, 0.0)
        for bar in axes.patches:
            if isinstance(bar, Rectangle):
                tops[round(bar.get_x() + bar.get_width() / 2)] += bar.get_height()
        verdict = " and ".join(axes.texts[-1].get_text().splitlines())
        yield f"- {unwrap(axes.get_ylabel())}: {_numbers(list(tops.values()))} ({verdict})"


def _signatures(groups: Sequence[Axes]) -> Iterator[str]:
    columns = [label.get_text() for label in groups[0].get_xticklabels()]
    yield f"{', '.join(columns)}:"
    for axes in groups:
        if not str(axes.get_gid()).startswith("signatures-"):
            continue
        counts = [text.get_text() for text in axes.texts]
        for row, label in enumerate(axes.get_yticklabels()):
            values = counts[row * len(columns) : (row + 1) * len(columns)]
            yield f"- {axes.get_title(loc='left')}, {label.get_text()}: {', '.join(values)}"


def _sequence(axes: Axes) -> Iterator[str]:
    texts = {_gid(text): text for text in axes.texts}
    lifelines = {
        text.get_position()[0]: unwrap(text.get_text())
        for gid, text in texts.items()
        if gid.startswith("lifeline-")
    }
    yield f"events in order, between {', '.join(lifelines.values())}:"
    for shape in axes.get_children():
        if not (match := _STEP.fullmatch(_gid(shape))):
            continue
        number, kind = match.groups()
        words = f"{number}. {kind}"
        if call := texts.get(f"step-{number}-number"):
            words += f" {call.get_text()}"
        if kind != "note":
            words += ", {} to {}".format(*_ends(shape, lifelines))
        label = texts.get(f"step-{number}-{'note' if kind == 'note' else 'label'}")
        yield f"{words}: {unwrap(label.get_text())}" if label else words


def _ends(shape: Artist, lifelines: Mapping[float, str]) -> list[str]:
    """Name the lifelines that an arrow or a zigzag goes from and to."""
    if isinstance(shape, Annotation):
        start, end = shape.xyann[0], shape.xy[0]
    else:
        assert isinstance(shape, Line2D)
        across = np.asarray(shape.get_xdata(), dtype=float)
        start, end = across[0], across[-1]
    if _gid(shape).endswith("-lost"):
        end += end - start
    return [lifelines[min(lifelines, key=lambda x: abs(x - place))] for place in (start, end)]


def _gid(artist: Artist) -> str:
    return str(artist.get_gid() or "")


def _numbers(values: ArrayLike) -> str:
    return ", ".join(f"{value:g}" for value in np.asarray(values, dtype=float))


def _range(values: ArrayLike) -> str:
    numbers = np.asarray(values, dtype=float)
    return f"{numbers[0]:g} to {numbers[-1]:g}" if numbers.size > 1 else f"{numbers[0]:g}"
