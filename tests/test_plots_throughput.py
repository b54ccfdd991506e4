"""What a round trip allows: computed from counts, straight on two logarithmic scales."""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from sio_demo import plots
from sio_demo.errors import UsageError

UNDER_WAY = {"retries": 1, "outbox": 4000, "outbox, window=100": 100}
TITLE = "One message in each round trip, or thousands"


def draw(**options: Any) -> plots.Plot:
    return plots.throughput(UNDER_WAY, title=TITLE, **options)


def test_words_give_the_messages_per_second_for_each_round_trip() -> None:
    """n messages in each round trip of t milliseconds are 1000 n / t a second."""
    assert plots.describe(draw()).splitlines() == [
        TITLE,
        "messages per second, at most, by round trip in milliseconds (20 to 500):",
        "- retries: 50, 20, 10, 5, 2",
        "- outbox: 200000, 80000, 40000, 20000, 8000",
        "- outbox, window=100: 5000, 2000, 1000, 500, 200",
    ]


def test_round_trips_can_be_chosen() -> None:
    words = plots.describe(draw(trips=(10, 1000)))
    assert "(10 to 1000)" in words
    assert "- retries: 100, 1" in words


def test_lines_are_straight_and_keep_their_distance() -> None:
    """On the paper a line falls as fast as the round trip grows, whatever its count."""
    figure = draw().figure
    axes = figure.axes[0]
    slopes = []
    for line in axes.lines:
        points = axes.transData.transform(line.get_xydata())
        slopes += [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(points)]
    assert len(slopes) == 12
    assert slopes == pytest.approx([slopes[0]] * 12)


def test_no_text_covers_another_or_leaves_the_page() -> None:
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


def test_each_name_stands_at_the_end_of_its_line() -> None:
    """The names have the order of the lines, from below."""
    heights = {text.get_text(): text.get_position()[1] for text in draw().figure.axes[1].texts}
    assert sorted(heights, key=heights.__getitem__) == ["retries", "outbox, window=100", "outbox"]


def test_svg_is_the_same_each_time() -> None:
    assert plots.to_svg(draw()) == plots.to_svg(draw())


@pytest.mark.parametrize(
    "wrong",
    [{}, {"none": 0}, {"half": 0.5}, [1, 2], {str(n): n for n in range(1, 6)}],
    ids=["nobody", "zero", "half", "list", "five"],
)
def test_what_is_no_count_is_refused(wrong: Any) -> None:
    with pytest.raises(UsageError):
        plots.throughput(wrong, title=TITLE)


@pytest.mark.parametrize("trips", [(), (0, 20), (50, 20), (20, 20), (0.5,)])
def test_round_trips_must_grow(trips: Any) -> None:
    with pytest.raises(UsageError):
        draw(trips=trips)
