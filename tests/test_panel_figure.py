"""The panel's figure has a part for all that was sent, and says the same in words."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from sio_demo.counters import Counters
from sio_demo.panel.figure import svg
from sio_demo.panel.history import ListenerPlace, Sent, headline, words
from sio_demo.plots import style

NAMESPACE = "{http://www.w3.org/2000/svg}"
STORY = [
    Sent(1, "inside", (), Counters(1, 1, 1, 1, 1)),
    Sent(2, "inside", ("cut", "cut", "cut"), Counters(4, 1, 1, 4, 4)),
    Sent(3, "outside", (), Counters(1, 1, 1, 1, 1)),
    Sent(4, "outside", ("half-open",), Counters(0, 1, 1, 0, 0)),
]
TOLD = (
    "Listener inside connect: message 1: 1 call, cut 3 times, message 2: 4 calls. "
    "Listener outside connect: message 3: 1 call, half-open, message 4: 0 calls. "
    "Since then: cut 2 times, restart."
)
FAULTS = ["cut", "cut", "restart"]


def drawn(text: str) -> ElementTree.Element:
    """Read a figure as the XML that it is."""
    return ElementTree.fromstring(text.replace("<svg", f'<svg xmlns="{NAMESPACE[1:-1]}"', 1))


def texts(figure: ElementTree.Element) -> list[str]:
    """Give all that is written in a figure."""
    return [text.text or "" for text in figure.iter(f"{NAMESPACE}text")]


def message(calls: int, number: int = 1, place: ListenerPlace = "inside") -> Sent:
    """Give a message that was handled so often."""
    return Sent(number, place, (), Counters(calls, 1, 1, calls, calls))


def test_words_tell_the_story() -> None:
    assert words(STORY, FAULTS) == TOLD
    assert words([], []) == ""


@pytest.mark.parametrize(
    ("calls", "how_often"), [(0, "0 times"), (1, "once"), (2, "twice"), (7, "7 times")]
)
def test_headline_says_what_became_of_the_last_message(calls: int, how_often: str) -> None:
    assert headline([]) == "No message yet: press Send"
    assert headline([*STORY, message(calls, 5)]) == f"Message 5 was handled {how_often}"


def test_first_call_is_blue_and_what_is_beyond_is_vermillion() -> None:
    fills = [bar.get("fill") for bar in drawn(svg(STORY, FAULTS)).iter(f"{NAMESPACE}rect")]
    assert fills == [style.ONCE, style.ONCE, *[style.AGAIN] * 3, style.ONCE]


def test_numbers_places_and_faults_are_written() -> None:
    figure = drawn(svg(STORY, FAULTS))
    written = texts(figure)
    assert [text for text in written if text.isdigit()] == ["1", "1", "4", "2", "1", "3", "0", "4"]
    assert [text for text in written if text in {"inside", "outside"}] == ["inside", "outside"]
    assert [text for text in written if text.endswith("x")] == ["3x", "3x"]
    assert len(list(figure.iter(f"{NAMESPACE}polyline"))) == 3


def test_figure_is_an_image_with_its_words() -> None:
    figure = drawn(svg(STORY, FAULTS))
    assert figure.get("role") == "img"
    assert figure.get("aria-label") == f"Message 4 was handled 0 times. {TOLD}"
    assert drawn(svg([], [])).get("aria-label") == "No message yet: press Send."


@pytest.mark.parametrize("sent", [[message(200)], [message(2, n) for n in range(1, 13)]])
def test_everything_stays_within_the_figure(sent: list[Sent]) -> None:
    figure = drawn(svg(sent, FAULTS))
    _, _, width, height = map(float, figure.get("viewBox", "").split())
    for bar in figure.iter(f"{NAMESPACE}rect"):
        x, y, across, up = (float(bar.get(name, "nan")) for name in ("x", "y", "width", "height"))
        assert 0 <= x < x + across <= width
        assert 30 <= y < y + up <= height
        assert up > 0


def test_same_story_gives_the_same_figure() -> None:
    assert svg(STORY, FAULTS) == svg(list(STORY), tuple(FAULTS))
