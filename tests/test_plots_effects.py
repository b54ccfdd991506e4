"""The figures of effects: they say what was changed, where those of calls say what was called."""

from __future__ import annotations

from itertools import pairwise

from sio_demo import plots

DESIGNS = {"never retry": [1, 0, 1], "no id": [1, 1, 2], "one transaction": [1, 1, 1]}
FAULTS = ["no fault", "request lost", "answer lost"]
TITLE = "One transaction holds"


def test_effects_are_named_by_fault_and_not_called_calls():
    words = plots.effects_by_design(DESIGNS, title=TITLE, faults=FAULTS).words
    assert words.splitlines() == [
        TITLE,
        "effects of one message (dashed line: 1 expected); "
        "from the left: no fault, request lost, answer lost:",
        "- never retry: 1, 0, 1 (1 of 3 lost)",
        "- no id: 1, 1, 2 (up to 2 effects)",
        "- one transaction: 1, 1, 1 (always once)",
    ]


def test_each_fault_stands_below_its_bar_and_inside_the_figure():
    designs = {name: [*counts, 1, 1] for name, counts in DESIGNS.items()}
    faults = [*FAULTS, "killed halfway", "killed at end"]
    figure = plots.effects_by_design(designs, title=TITLE, faults=faults).figure
    figure.canvas.draw()
    labels = figure.axes[-1].get_xticklabels()
    texts = [text.get_text() for text in labels]
    lost = ["request\nlost", "answer\nlost"]
    assert texts == ["no\nfault", *lost, "killed\nhalfway", "killed\nat end"]
    boxes = [text.get_window_extent() for text in labels]
    assert min(box.y0 for box in boxes) > 0
    assert all(a.x1 < b.x0 for a, b in pairwise(boxes))


def test_svg_is_the_same_each_time_and_carries_the_description():
    drawn = [
        plots.to_svg(plots.effects_by_design(DESIGNS, title=TITLE, faults=FAULTS)) for _ in range(2)
    ]
    assert drawn[0] == drawn[1]
    assert "no fault, request lost, answer lost" in drawn[0]
