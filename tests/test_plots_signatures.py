"""The map of signatures: what the cells show, what they say in words, and what is refused."""

from __future__ import annotations

import pytest
from matplotlib.colors import to_hex
from read_back import read_back

from sio_demo import plots
from sio_demo.atlas import CAUSES
from sio_demo.errors import UsageError
from sio_demo.plots import style

COLUMNS = ["listeners", "packets", "effects"]
GROUPS = {
    "duplicates": {"D1": [4, 1, 4], "D8": [1, 4, 4]},
    "losses": {"L1": [1, 0, 0]},
}


def draw() -> plots.Plot:
    names = {"D1": "A cause", "D8": "Another", "L1": "A loss"}
    return plots.signatures(GROUPS, title="A mark for each family", columns=COLUMNS, names=names)


def test_words_give_every_count() -> None:
    assert draw().words.splitlines() == [
        "A mark for each family",
        "listeners, packets, effects:",
        "- duplicates: D1 4 1 4; D8 1 4 4",
        "- losses: L1 1 0 0",
    ]


def test_words_can_be_read_back_from_the_drawing() -> None:
    plot = draw()
    assert read_back(plot.figure) == plot.words


def test_colours_tell_none_one_and_more_apart() -> None:
    axes = draw().figure.axes[0]
    boxes = [(to_hex(box.get_facecolor()), to_hex(box.get_edgecolor())) for box in axes.patches]
    harmful, lost = style.AGAIN.lower(), "#ffffff"
    assert boxes == [(harmful, harmful)] * 4 + [(lost, harmful)] * 2
    ones = [text for text in axes.texts if text.get_text() == "1"]
    assert {text.get_color() for text in ones} == {style.ONCE}


def test_every_row_has_its_name() -> None:
    texts = [text.get_text() for text in draw().figure.axes[0].texts]
    assert {"A cause", "Another", "A loss"} <= set(texts)


def test_the_same_data_gives_the_same_svg() -> None:
    assert plots.to_svg(draw()) == plots.to_svg(draw())


def test_a_name_is_no_markdown() -> None:
    names = {"D1": "`retries` without `ackTimeout`"}
    plot = plots.signatures(GROUPS, title="A title", columns=COLUMNS, names=names)
    texts = [text.get_text() for text in plot.figure.axes[0].texts]
    assert "retries without ackTimeout" in texts


def test_nothing_is_drawn_outside_the_page() -> None:
    columns = ["listeners", "live sids", "packets", "calls", "effects"]
    rows = {cause.letter: [1] * 5 for cause in CAUSES}
    names = {cause.letter: cause.title for cause in CAUSES}
    groups = {"a group": dict(list(rows.items())[:40]), "other": dict(list(rows.items())[40:])}
    figure = plots.signatures(groups, title="A title", columns=columns, names=names).figure
    figure.set_dpi(144)  # of the picture; a coarser one makes letters wider
    for axes in figure.axes:
        box = axes.get_tightbbox()
        assert box is not None
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1


def test_more_rows_than_fit_are_refused() -> None:
    groups = {"duplicates": {f"D{n}": [1, 1, 1] for n in range(61)}}
    with pytest.raises(UsageError, match="61 labels do not fit"):
        plots.signatures(groups, title="A title", columns=COLUMNS)
