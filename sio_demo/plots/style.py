"""The one style and the one palette of every figure, and the page they are drawn on."""

import textwrap
from functools import partial
from typing import Any

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

#: Okabe and Ito's colours, which colour-blind readers tell apart, by the role they play here.
INK = "#222222"
MUTED = "#767676"
ONCE = "#0072B2"  # blue: handled as it should be
ONCE_PALE = "#56B4E9"  # sky blue: the same, where something dark is drawn on top
ONCE_TOO = "#009E73"  # bluish green: a third of that family
AGAIN = "#D55E00"  # vermillion: handled once more than it should be
AGAIN_PALE = "#E69F00"  # orange
AGAIN_TOO = "#CC79A7"  # reddish purple

#: Width of every figure in inches: in a window of 480 pixels, 12 points are nine pixels high.
WIDTH = 6.7
#: Inches around the title, and below the body.
MARGIN = 0.14

#: Arguments of matplotlib's that say how something is drawn.
Look = dict[str, Any]

_TITLE_CHARACTERS = 48
_TITLE_LINE = 0.27


#: Applies ``sio.mplstyle`` to matplotlib's defaults, and puts the reader's settings back.
house_style = partial(matplotlib.style.context, "sio_demo.sio", after_reset=True)


def page(title: str, height: float) -> Figure:
    """Return a figure with its title, wrapped, above room for a body of that height in inches."""
    lines = wrap(title, _TITLE_CHARACTERS)
    total = height + 2 * MARGIN + len(lines) * _TITLE_LINE
    figure = Figure(figsize=(WIDTH, total))
    figure.suptitle("\n".join(lines), x=MARGIN / WIDTH, y=1 - MARGIN / total, ha="left", va="top")
    return figure


def place(figure: Figure, box: tuple[float, float, float, float], name: str = "") -> Axes:
    """Add axes at ``(left, bottom, width, height)``, in inches; the name is their id."""
    left, bottom, width, height = box
    across, up = figure.get_size_inches()
    places = (left / across, bottom / up, width / across, height / up)
    return figure.add_axes(places, gid=name or None)


def wrap(text: str, characters: int) -> list[str]:
    """Return the lines of a text, at most so many characters long; two get about equal lengths.

    A line break in the text stays. A line that ends between words keeps its space, so that a reader
    who copies the text from the SVG gets it whole.
    """
    lines = [part for line in text.splitlines() for part in _wrap_line(line, characters)] or [""]
    return [*lines[:-1], lines[-1].rstrip()]


def _wrap_line(line: str, characters: int) -> list[str]:
    line = " ".join(line.split())
    parts = textwrap.wrap(line, characters, break_on_hyphens=False)
    if len(parts) == 2:
        for shorter in range(max(map(len, line.split())), characters):
            balanced = textwrap.wrap(line, shorter, break_on_hyphens=False)
            if len(balanced) == 2:
                parts = balanced
                break
    marked, rest = [], f"{line} "
    for part in parts:
        rest = rest.removeprefix(part)
        marked.append(f"{part} " if rest.startswith(" ") else part)
        rest = rest.lstrip()
    return marked
