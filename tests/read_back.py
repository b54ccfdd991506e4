"""Reads a figure back from what is drawn, so that its words can be held against the picture."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from math import inf

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Annotation
from numpy.typing import ArrayLike

_SIGNATURES = ("column", "label", "group", "count")
_STEP = re.compile(r"step-(\d+)-(packet|call|lost|fault|note)")


def unwrap(text: str) -> str:
    return " ".join(text.split())


def read_back(figure: Figure) -> str:
    """Return the words that follow from the drawn artists alone."""
    kinds = {axes.get_gid(): axes for axes in figure.axes}
    if "chart" in kinds:
        lines = _chart(kinds["chart"])
    elif "design-1" in kinds:
        lines = _designs(figure.axes)
    elif "signatures" in kinds:
        lines = _signatures(figure.axes[0])
    else:
        lines = _sequence(kinds["sequence"])
    return "\n".join([unwrap(figure.get_suptitle()), *lines])


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


def _signatures(axes: Axes) -> Iterator[str]:
    texts = {kind: [text for text in axes.texts if _gid(text) == kind] for kind in _SIGNATURES}
    columns = [text.get_text() for text in texts["column"]]
    yield f"{', '.join(columns)}:"
    counts = iter(
        text.get_text().replace("\N{MULTIPLICATION SIGN}", "0") for text in texts["count"]
    )
    rows = [
        (text.get_position()[1], f"{text.get_text()} {' '.join(islice(counts, len(columns)))}")
        for text in texts["label"]
    ]
    tops = [text.get_position()[1] for text in texts["group"]]
    for group, top, end in zip(texts["group"], tops, [*tops[1:], inf], strict=True):
        yield f"- {group.get_text()}: {'; '.join(row for y, row in rows if top <= y < end)}"


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
