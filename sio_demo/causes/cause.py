"""What is known of a cause, and the program that reproduces it."""

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
    """How a cause shows itself."""

    patterns: tuple[Pattern, ...]  # what its counters may show
    needs: tuple[Need, ...] = ()  # what must hold beside it: if one does not, it is ruled out
    hints: tuple[Need, ...] = ()  # what speaks for it, and does not rule it out otherwise


@dataclass(frozen=True)
class Rule:
    """A pattern in a source that leads to a cause; the checker looks for it."""

    id: str  # its name, such as "listener-in-connect"
    atlas: str  # the letter of the cause
    title: str  # the pattern in a few words
    why: str  # what happens at run time
    fix: str  # what to do instead


@dataclass(frozen=True)
class Cause:
    """A cause of duplicates or losses, or what is wrongly taken for one."""

    letter: str  # its name in the catalogue: "D1", "L16a", "M1"
    title: str  # the cause in one line
    family: Family  # what it does; a myth does nothing
    symptom: str  # what you see, in a sentence or two
    mechanism: str  # why
    fix: str  # what to do
    evidence: tuple[str, ...]  # threads ("socketio/socket.io#4919") and addresses of pages
    measured_with: tuple[Library, ...] = ()  # whose servers and clients the program connects
    also_known_from: tuple[Library, ...] = ()  # others that the evidence reports it from
    reason: str = ""  # why it is not reproduced; empty if it is
    look: str = ""  # what would prove it: the place in the program to look at, or what to try
    signatures: tuple[Signature, ...] = ()  # the ways in which it shows itself
    twins: tuple[str, ...] = ()  # can leave the same counters and clues; one names the others
    rule: Rule | None = None  # what the checker looks for

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
    """Mark the program that reproduces the cause of that letter; only one may."""

    def mark(program: Program) -> Program:
        if letter in REPRODUCTIONS:
            raise UsageError(f"{letter} has two programs that reproduce it.")
        REPRODUCTIONS[letter] = program
        return program

    return mark
