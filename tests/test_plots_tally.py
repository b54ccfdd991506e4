"""Tallies: what the bars show, what they say in words, and what is refused."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from sio_demo import plots
from sio_demo.errors import UsageError
from sio_demo.plots import style

TICKERS = {
    "task started in connect": [1, 2, 3, 4],
    "started once, outside, and that for good": [1, 1, 1, 1],
}
STORM = {"no jitter": [0] * 5 + [500] + [0] * 5, "jitter 0.5": [28, 52, 46, 54, 38, 43] + [47] * 5}


def tickers(expected: int = 1) -> plots.Plot:
    return plots.tally(
        TICKERS,
        title="One task more after each cut",
        counted="reports in one second",
        rounds="reconnects so far",
        expected=expected,
    )


def storm(**options: Any) -> plots.Plot:
    words = {"title": "Jitter spreads them", "counted": "clients", "rounds": "tenths of a second"}
    return plots.tally(STORM, first=5, **words, **options)


FIGURES = pytest.mark.parametrize("draw", [tickers, storm])


def test_words_give_every_count_and_the_greatest() -> None:
    """The description holds the title, what is counted, the positions, and the data."""
    assert tickers().words.splitlines() == [
        "One task more after each cut",
        "reports in one second (dashed line: 1 expected), by reconnects so far (0 to 3):",
        "- task started in connect: 1, 2, 3, 4 (up to 4)",
        "- started once, outside, and that for good: 1, 1, 1, 1 (always 1)",
    ]


def test_without_an_expected_count_the_greatest_is_no_verdict() -> None:
    """It stands on its bar; beside the row it would look like a limit."""
    assert storm().words.splitlines()[-2] == "- no jitter: 0, 0, 0, 0, 0, 500, 0, 0, 0, 0, 0"
    written = {text.get_text() for axes in storm().figure.axes for text in axes.texts}
    assert "up to 500" not in written


def bars(figure: Figure) -> list[Rectangle]:
    """Return the bars of the first row."""
    return [bar for bar in figure.axes[0].patches if isinstance(bar, Rectangle)]


def test_first_position_is_where_it_was_said_to_be() -> None:
    """The bars stand at the positions that the words name."""
    plot = storm()
    assert "tenths of a second (5 to 15):" in plot.words
    tallest = max(bars(plot.figure), key=lambda bar: bar.get_height())
    assert round(tallest.get_x() + tallest.get_width() / 2) == 10
    assert tallest.get_height() == 500


@pytest.mark.parametrize(("draw", "heights"), [(tickers, [1, 2, 3]), (storm, [])])
def test_what_goes_beyond_the_expected_has_its_own_colour(draw: Any, heights: list[int]) -> None:
    """Above the line the bars are vermillion; without a line nothing is."""
    beyond = [
        bar for bar in bars(draw().figure) if to_hex(bar.get_facecolor()) == style.AGAIN.lower()
    ]
    assert [bar.get_height() for bar in beyond if bar.get_height()] == heights


def test_harmful_rows_have_the_colour_of_harm() -> None:
    """Every bar of the row has it, and no bar of the others."""
    calm, harm = (
        {to_hex(bar.get_facecolor()) for bar in axes.patches if bar.get_height()}
        for axes in reversed(storm(harmful=["no jitter"]).figure.axes)
    )
    assert (calm, harm) == ({style.ONCE_PALE.lower()}, {style.AGAIN.lower()})


def test_zeros_are_left_out_on_demand() -> None:
    """The words still have them."""
    plot = storm(zeros=False)
    written = {text.get_text() for axes in plot.figure.axes for text in axes.texts}
    assert "500" in written
    assert "0" not in written
    assert "- no jitter: 0, 0, 0, 0, 0, 500," in plot.words


def test_all_rows_have_one_scale() -> None:
    """An inch stands for the same count in each row."""
    figure = storm().figure
    height = figure.get_size_inches()[1]
    scales = [axes.get_ylim()[1] / (axes.get_position().height * height) for axes in figure.axes]
    assert scales[0] == pytest.approx(scales[1])


@FIGURES
def test_no_text_covers_another_or_leaves_the_page(draw: Any) -> None:
    """Numbers, labels and words keep clear of one another, with room at the edges."""
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
def test_same_data_gives_the_same_svg(draw: Any) -> None:
    """Two drawings are equal byte for byte."""
    assert plots.to_svg(draw()) == plots.to_svg(draw())


def test_nothing_counted_is_a_figure_too() -> None:
    """Rows of zeros are drawn."""
    plot = plots.tally({"quiet": [0, 0]}, title="Nobody came", counted="n", rounds="round")
    assert "- quiet: 0, 0 (always 0)" in plot.words


def test_rows_that_differ_in_length_are_refused() -> None:
    """Each row needs as many counts as the others."""
    with pytest.raises(UsageError, match="as many counts"):
        plots.tally({"a": [1], "b": [1, 2]}, title="Uneven", counted="n", rounds="round")
