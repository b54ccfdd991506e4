"""What an entry of the atlas is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from ..counters import Counters

Family = Literal["duplicate", "loss", "myth"]
Reproduction = Callable[[bool], Awaitable[Counters]]


@dataclass(frozen=True)
class Cause:
    """A cause of duplicates or losses, or what is wrongly taken for one.

    Attributes
    ----------
    letter : str
        Its name in the catalogue: ``"D1"``, ``"L16a"``, ``"M1"``.
    title : str
        It in a line.
    family : {"duplicate", "loss", "myth"}
        What it does; a myth does nothing.
    hits : tuple of str
        The libraries that it can happen to, such as ``"socket.io-client"``.
    symptom, mechanism, fix : str
        What one sees, why, and what to do: a sentence or two each.
    evidence : tuple of str
        Threads (``"socketio/socket.io#4919"``) and pages (their address) that show it.
    reproduce : callable or None
        Makes it happen on a real connection, or with the fix applied if its argument is true,
        and counts what one message left behind. None where that cannot be done here.
    reason : str
        Why it is not reproduced.
    """

    letter: str
    title: str
    family: Family
    hits: tuple[str, ...]
    symptom: str
    mechanism: str
    fix: str
    evidence: tuple[str, ...]
    reproduce: Reproduction | None = None
    reason: str = ""
