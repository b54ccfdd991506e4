"""What is known of a cause, and the program that reproduces it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from ..counters import Counters
from ..errors import UsageError
from .needs import Need

Family = Literal["duplicate", "loss", "myth"]
Library = Literal[
    "socket.io",
    "socket.io-client",
    "python-socketio server",
    "python-socketio client",
    "Flask-SocketIO",
]
Pattern = Literal[
    "listeners",
    "clients",
    "sessions",
    "zombies",
    "copies",
    "runs",
    "effects",
    "lost",
    "nobody listens",
    "nobody waits",
    "not connected",
    "not sent",
    "in vain",
]
"""What the counters show: the factor that is odd, or where the message was lost."""

PATTERNS: dict[Pattern, str] = {
    "listeners": "several listeners",
    "clients": "several clients",
    "sessions": "several sessions",
    "zombies": "dead session",
    "copies": "sent again",
    "runs": "handled again",
    "effects": "counted again",
    "not connected": "not connected",
    "not sent": "never sent",
    "lost": "lost on the way",
    "nobody waits": "answer unheard",
    "nobody listens": "no listener yet",
    "in vain": "no effect",
}
"""The patterns in a reader's words."""

Reproduction = Callable[[bool], Awaitable[Counters]]
"""Makes a cause happen on a real connection, or, if its argument is true, with the fix applied.

It returns what one message left behind.
"""


@dataclass(frozen=True)
class Signature:
    """How a cause shows itself.

    Attributes
    ----------
    patterns : tuple of str
        What its counters may show.
    needs : tuple of Need
        What must hold beside it: if one does not, the cause is ruled out.
    hints : tuple of Need
        What speaks for it, and does not rule it out if it is otherwise.
    """

    patterns: tuple[Pattern, ...]
    needs: tuple[Need, ...] = ()
    hints: tuple[Need, ...] = ()


@dataclass(frozen=True)
class Rule:
    """A pattern in a source that leads to a cause; the checker looks for it.

    Attributes
    ----------
    id : str
        Its name, as in ``sio-demo: ignore[listener-in-connect]``.
    atlas : str
        The letter of the cause.
    title : str
        The pattern in a few words.
    why : str
        What happens at run time.
    fix : str
        What to do instead.
    """

    id: str
    atlas: str
    title: str
    why: str
    fix: str


@dataclass(frozen=True)
class Cause:
    """A cause of duplicates or losses, or what is wrongly taken for one.

    Attributes
    ----------
    letter : str
        Its name in the catalogue: ``"D1"``, ``"L16a"``, ``"M1"``.
    title : str
        The cause in one line.
    family : {"duplicate", "loss", "myth"}
        What it does; a myth does nothing.
    symptom, mechanism, fix : str
        What you see, why, and what to do: a sentence or two each.
    evidence : tuple of str
        Threads (``"socketio/socket.io#4919"``) and pages (their address) that show it.
    measured_with : tuple of str
        The libraries whose servers and clients the reproduction connects.
    also_known_from : tuple of str
        Other libraries that the evidence reports it from.
    reason : str
        Why it is not reproduced; empty if it is.
    look : str
        What would prove it: the place in the program to look at, or what to try.
    signatures : tuple of Signature
        The ways in which it shows itself.
    twins : tuple of str
        The letters of causes that can leave the same counters and clues; only one of them
        names the others.
    rule : Rule or None
        What the checker looks for.
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
    reason: str = ""
    look: str = ""
    signatures: tuple[Signature, ...] = ()
    twins: tuple[str, ...] = ()
    rule: Rule | None = None

    @property
    def group(self) -> str:
        """What its counters show, in a reader's words; empty if it is not reproduced."""
        return PATTERNS[self.signatures[0].patterns[0]] if self.signatures else ""

    @property
    def reproduce(self) -> Reproduction | None:
        """The program that makes it happen; :mod:`sio_demo.atlas` has them, once imported."""
        return REPRODUCTIONS.get(self.letter)


REPRODUCTIONS: dict[str, Reproduction] = {}
"""The programs of the atlas, by letter."""

Program = TypeVar("Program", bound=Reproduction)


def reproduces(letter: str) -> Callable[[Program], Program]:
    """Mark the program that reproduces the cause of that letter.

    Raises
    ------
    UsageError
        Another program does already.
    """

    def mark(program: Program) -> Program:
        if letter in REPRODUCTIONS:
            raise UsageError(f"{letter} has two programs that reproduce it.")
        REPRODUCTIONS[letter] = program
        return program

    return mark
