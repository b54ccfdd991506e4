"""What a panel has sent so far, as data and in words."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Literal, NamedTuple

from ..counters import Counters

ListenerPlace = Literal["inside", "outside"]
PLACES: tuple[ListenerPlace, ...] = ("inside", "outside")


class Sent(NamedTuple):
    """One message, and what it left behind.

    Attributes
    ----------
    number : int
        The number of the message, from 1.
    place : {"inside", "outside"}
        Where the client registered its listener: inside ``connect``, or outside.
    faults : tuple of str
        What broke the connection since the previous message: "cut", "half-open", "restart", or
        "reload" of the page.
    counters : Counters
    """

    number: int
    place: ListenerPlace
    faults: tuple[str, ...]
    counters: Counters


class State(NamedTuple):
    """Everything that the panel shows."""

    place: ListenerPlace
    counters: Counters
    sent: Sequence[Sent]
    faults: Sequence[str]  # since the last message
    delayed: bool
    ready: bool  # the client is connected, the buttons work
    status: str


def headline(sent: Sequence[Sent]) -> str:
    if not sent:
        return "No message yet: press Send"
    return f"Message {sent[-1].number} was handled {times(sent[-1].counters.calls)}"


def times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def words(sent: Sequence[Sent], faults: Sequence[str]) -> str:
    """Return what the figure shows, in words."""
    lines = []
    for place, group in groupby(sent, lambda one: one.place):
        parts = []
        for one in group:
            parts += _faults(one.faults)
            parts.append(f"message {one.number}: {counted(one.counters.calls, 'call')}")
        lines.append(f"Listener {place} connect: {', '.join(parts)}.")
    if faults:
        lines.append(f"Since then: {', '.join(_faults(faults))}.")
    return " ".join(lines)


def _faults(faults: Sequence[str]) -> list[str]:
    return [_several(name, len(list(same))) for name, same in groupby(faults)]


def _several(name: str, number: int) -> str:
    return name if number == 1 else f"{name} {number} times"
