"""The map of signatures: what the cells show, what they say in words, and what is refused."""

from __future__ import annotations

import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from sio_demo import plots
from sio_demo.errors import UsageError
from sio_demo.plots import style

COLUMNS = ["listeners", "packets", "effects"]
GROUPS = {
    "duplicates": {"D1": [4, 1, 4], "D8": [1, 4, 4]},
    "losses": {"L1": [1, 0, 0]},
}


def draw() -> plots.Plot:
    return plots.signatures(GROUPS, title="A mark for each family", columns=COLUMNS)


def test_words_give_every_count() -> None:
    assert plots.describe(draw()).splitlines() == [
        "A mark for each family",
        "listeners, packets, effects:",
        "- duplicates, D1: 4, 1, 4",
        "- duplicates, D8: 1, 4, 4",
        "- losses, L1: 1, 0, 0",
    ]


def test_colours_tell_none_one_and_more_apart() -> None:
    axes = draw().figure.axes[1]
    cells = [to_hex(cell.get_facecolor()) for cell in axes.patches if isinstance(cell, Rectangle)]
    assert cells == ["#ffffff", style.ONCE_PALE.lower(), style.ONCE_PALE.lower()]
    first = draw().figure.axes[0].patches[0]
    assert to_hex(first.get_facecolor()) == style.AGAIN.lower()


def test_the_same_data_gives_the_same_svg() -> None:
    assert plots.to_svg(draw()) == plots.to_svg(draw())


def test_nothing_is_drawn_outside_the_page() -> None:
    figure = draw().figure
    for axes in figure.axes:
        box = axes.get_tightbbox()
        assert box is not None
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({}, "one to 3 groups"),
        ({str(n): {"D1": [1, 1, 1]} for n in range(4)}, "one to 3 groups"),
        ({"duplicates": {"D1": [1, 1]}}, "'D1' has 2 counts for 3 columns"),
        ({"duplicates": {"D1": [1, -1, 1]}}, "negative"),
        ({"duplicates": {f"D{n}": [1, 1, 1] for n in range(41)}}, "41 labels do not fit"),
    ],
)
def test_what_cannot_be_drawn_is_refused(groups: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plots.signatures(groups, title="A title", columns=COLUMNS)  # type: ignore[arg-type]
