"""What an entry of the atlas is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from ..counters import Counters

Family = Literal["duplicate", "loss", "myth"]
Library = Literal[
    "socket.io",
    "socket.io-client",
    "python-socketio server",
    "python-socketio client",
    "Flask-SocketIO",
]
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
    symptom, mechanism, fix : str
        What one sees, why, and what to do: a sentence or two each.
    evidence : tuple of str
        Threads (``"socketio/socket.io#4919"``) and pages (their address) that show it.
    measured_with : tuple of str
        The libraries whose servers and clients the reproduction connects.
    also_known_from : tuple of str
        Other libraries that the evidence reports it from.
    reproduce : callable or None
        Makes it happen on a real connection, or with the fix applied if its argument is true,
        and counts what one message left behind. None where that cannot be done here.
    reason : str
        Why it is not reproduced.
    """

    letter: str
    title: str
    family: Family
    symptom: str
    mechanism: str
    fix: str
    evidence: tuple[str, ...]
    measured_with: tuple[Library, ...] = ()
    also_known_from: tuple[Library, ...] = ()
    reproduce: Reproduction | None = None
    reason: str = ""
