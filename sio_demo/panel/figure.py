"""The panel's figure: a bar for each message sent so far, as SVG.

It is drawn anew at every click, so it is plain text and not matplotlib's. Letters take the colour
of the page, bars are Okabe and Ito's blue and vermillion, which stand out on light and on dark.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from ..plots import style
from .history import Sent, headline, words

_WIDTH, _HEIGHT = 480, 230
_LEFT, _RIGHT = 34, 14
_FLOOR, _CEILING = 170, 56  # where the bars stand, and how far up they reach
_TALLEST_UNIT = 34
_INK = f"var(--jp-content-font-color1, {style.INK})"
_MUTED = f"var(--jp-content-font-color2, {style.MUTED})"


def svg(sent: Sequence[Sent], faults: Sequence[str]) -> str:
    """Draw the handler calls for each message.

    Parameters
    ----------
    sent
        The messages, twelve at most: more would be narrow.
    faults
        What broke the connection since the last message.
    """
    label = escape(f"{headline(sent)}. {words(sent, faults)}".strip(), quote=True)
    parts = "".join(_parts(sent, faults))
    return (
        f'<svg role="img" aria-label="{label}" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'style="display: block; width: 100%; font-family: var(--jp-ui-font-family, sans-serif)">'
        f"{parts}</svg>"
    )


def _parts(sent: Sequence[Sent], faults: Sequence[str]) -> Iterator[str]:
    most = max([1, *(one.counters.calls for one in sent)])
    unit = min(_TALLEST_UNIT, (_FLOOR - _CEILING) / most)
    slot = (_WIDTH - _LEFT - _RIGHT) / max(6, len(sent) + 1)
    yield _text(0, 16, "calls for each message (dashed line: 1 expected)", anchor="start")
    for index, one in enumerate(sent):
        x = _LEFT + (index + 0.5) * slot
        if index == 0 or one.place != sent[index - 1].place:
            yield from _part_of(one.place, x - slot / 2, divided=index > 0)
        yield from _breaks(x - slot / 2, len(one.faults))
        yield from _bar(x, one.counters.calls, unit, slot * 0.55)
        yield _text(x, _FLOOR + 20, str(one.number))
    yield from _breaks(_LEFT + len(sent) * slot, len(faults))
    yield _line(_LEFT, _FLOOR, _WIDTH - _RIGHT, _FLOOR, _MUTED)
    y = _FLOOR - unit
    yield _line(_LEFT, y, _WIDTH - _RIGHT, y, _INK, 'stroke-dasharray="5 4"')
    yield _text(_LEFT, _HEIGHT - 6, "message; a zigzag: the connection broke", anchor="start")


def _part_of(place: str, x: float, *, divided: bool) -> Iterator[str]:
    """Name the client that got the messages from here on."""
    if divided:
        yield _line(x, 24, x, _FLOOR + 24, _MUTED)
    yield _text(x + 4, 36, place, anchor="start", colour=_MUTED)


def _breaks(x: float, number: int) -> Iterator[str]:
    """Mark how often the connection broke between two messages."""
    if number == 0:
        return
    points = f"{x - 3},{_FLOOR - 9} {x + 3},{_FLOOR - 3} {x - 3},{_FLOOR + 3} {x + 3},{_FLOOR + 9}"
    yield f'<polyline points="{points}" fill="none" stroke="{_INK}" stroke-width="2"/>'
    if number > 1:
        yield _text(x, _FLOOR + 36, f"{number}x")


def _bar(x: float, calls: int, unit: float, width: float) -> Iterator[str]:
    for call in range(calls):
        colour = style.ONCE if call == 0 else style.AGAIN
        gap = 1 if unit > 4 else 0
        yield (
            f'<rect x="{x - width / 2:.1f}" y="{_FLOOR - (call + 1) * unit + gap:.1f}" '
            f'width="{width:.1f}" height="{unit - gap:.1f}" fill="{colour}"/>'
        )
    yield _text(x, _FLOOR - max(1, calls) * unit - 5, str(calls), bold=True)


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, more: str = "") -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" {more}/>'
    )


def _text(
    x: float, y: float, text: str, *, anchor: str = "middle", colour: str = _INK, bold: bool = False
) -> str:
    weight = "bold" if bold else "normal"
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="15" '
        f'font-weight="{weight}" fill="{colour}">{escape(text)}</text>'
    )
