"""The figures of delivery: what a round trip carries, and what a run of chaos did."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from read_back import unwrap

from sio_demo import plots
from sio_demo.errors import UsageError
from sio_demo.plots import Timeline

PER_TRIP = {"retries": 1, "outbox, window=100": 100, "outbox": 4000}
LANES = {
    "seed 8": Timeline(43, [(9, "clean close"), (9, "server kill")], "43 accepted,\nall once"),
    "seed 16": Timeline(50, [(1, "black hole"), (48, "lost handshake")], "50 accepted"),
}


def rates() -> plots.Plot:
    return plots.throughput(PER_TRIP, title="One message, or thousands")


def lanes() -> plots.Plot:
    return plots.timelines(LANES, title="Whatever strikes, all is applied once")


FIGURES = pytest.mark.parametrize("draw", [rates, lanes])


def test_words_give_what_a_round_trip_carries_and_what_follows() -> None:
    """n messages in each round trip of t milliseconds are 1000 n / t a second."""
    assert rates().words.splitlines()[1:] == [
        "messages in one round trip; messages a second, at most, at 20 ms, at 100 ms, at 500 ms:",
        "- retries: 1; 50, 10, 2",
        "- outbox, window=100: 100; 5,000, 1,000, 200",
        "- outbox: 4,000; 200,000, 40,000, 8,000",
    ]


def test_each_dot_is_drawn_where_its_count_says() -> None:
    """Dot, number and rates of a row are those of the words."""
    [axes] = rates().figure.axes
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    names = [unwrap(label.get_text()) for label in axes.get_yticklabels()]
    rows = []
    for name, dot in zip(names, dots, strict=True):
        [x], [y] = dot.get_xdata(), dot.get_ydata()  # type: ignore[misc]
        written = [text for text in axes.texts if text.get_position()[1] == y]
        numbers = [text.get_text() for text in sorted(written, key=lambda text: at(text))]
        assert f"{x:,}" in [text.get_text() for text in axes.texts]
        rows.append(f"- {name}: {x:,}; {', '.join(numbers)}")
    assert rows == rates().words.splitlines()[2:]


def at(text: Text) -> float:
    return float(text.get_position()[0])


def test_words_give_each_lane_with_its_faults() -> None:
    assert lanes().words.splitlines()[1:] == [
        "faults, by message after which a fault strikes; each mark on the line is a message:",
        "- seed 8, 43 messages: clean close after 9, server kill after 9; 43 accepted, all once",
        "- seed 16, 50 messages: black hole after 1, lost handshake after 48; 50 accepted",
    ]


def test_each_lane_is_drawn_as_its_words_say() -> None:
    """The marks, the faults at their messages, and what was found, read back."""
    figure = lanes().figure
    assert [read_lane(axes) for axes in figure.axes] == lanes().words.splitlines()[2:]


def read_lane(axes: Axes) -> str:
    [messages] = [line for line in axes.lines if line.get_gid() == "messages"]
    [found] = [text for text in axes.texts if text.get_gid() == "found"]
    faults = [t for t in axes.texts if t is not found]
    struck = ", ".join(f"{text.get_text()} after {text.xy[0]}" for text in faults)  # type: ignore[attr-defined]
    count = len(messages.get_xdata())  # type: ignore[arg-type]
    return f"- {axes.get_ylabel()}, {count} messages: {struck}; {unwrap(found.get_text())}"


@FIGURES
def test_no_text_covers_another_or_leaves_the_page(draw: Any) -> None:
    figure = draw().figure
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]
    placed = {f"{n} {text.get_text()!r}": text.get_window_extent() for n, text in enumerate(texts)}
    width, height = figure.get_size_inches() * figure.dpi
    for name, box in placed.items():
        assert box.x0 >= 4, name
        assert box.x1 <= width - 4, name
        assert box.y0 >= 2, name
        assert box.y1 <= height - 2, name
    assert not [(a, b) for a, b in combinations(placed, 2) if placed[a].overlaps(placed[b])]


@FIGURES
def test_svg_is_the_same_each_time(draw: Any) -> None:
    assert plots.to_svg(draw()) == plots.to_svg(draw())


def test_more_senders_than_fit_are_refused() -> None:
    with pytest.raises(UsageError, match="draw at most 6"):
        plots.throughput({str(n): n for n in range(1, 8)}, title="Title")
