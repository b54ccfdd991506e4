"""The causes of duplicates and losses. Each is written once, in the TOML files beside this one.

An entry holds the texts, the threads that report it, the signature by which a diagnosis finds it,
and the checker's rule; :class:`Cause` describes its keys. ``symptoms.toml`` leads from what people
say to the causes. The atlas has the programs; the one marked ``@reproduces("D1")`` reproduces D1.
"""

import re
import tomllib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NewType, get_args

from ..counters import Counters
from ..errors import UsageError

Family = Literal["duplicate", "loss", "myth"]
Library = Literal[
    "socket.io",
    "socket.io-client",
    "python-socketio server",
    "python-socketio client",
    "Flask-SocketIO",
]
Pattern = NewType("Pattern", str)  # one of `PATTERNS`
PATTERNS = {
    "listeners": "several listeners",
    "clients": "several clients",
    "sessions": "several sessions",
    "zombies": "dead session",
    "copies": "sent again",
    "runs": "handled again",
    "effects": "counted again",
    "not connected": "not connected",
    "not sent": "never sent",
    "not emitted": "never emitted",
    "emitted elsewhere": "emitted elsewhere",
    "lost": "lost on the way",
    "nobody waits": "answer unheard",
    "nobody listens": "no listener yet",
    "in vain": "no effect",
}
"""What the counters show, the factor that is odd or where it was lost, and in a reader's words."""

Reproduction = Callable[[bool], Awaitable[Counters]]
"""Makes a cause happen, or its fix work if the argument is true; returns what one message left."""


def _ended_by(reason: str) -> str:
    """Return who ended a connection, by the library's reason; "nobody" if it was not ended."""
    sides = (side for side in ("client", "server") if side in reason)
    return next(sides, "network" if reason else "nobody")


COMPARISONS: dict[str, Callable[[Any, Any, int], bool]] = {
    "is": lambda seen, value, _: bool(seen == value),
    "is not": lambda seen, value, _: bool(seen != value),
    "at least": lambda seen, value, _: bool(seen >= value),
    "at most": lambda seen, value, _: bool(seen <= value),
    "ended by": lambda seen, who, _: _ended_by(seen) in who,
    "one for each": lambda seen, value, number: (number == seen + 1) is value,
    "as many": lambda seen, value, number: (number == seen) is value,
}


def text(name: str) -> str:
    """Return the text of a file beside this one."""
    return Path(__file__).with_name(name).read_text("utf-8")


@dataclass(frozen=True)
class Need:
    """Something that must hold for a clue, or that speaks for a cause."""

    clue: str
    comparison: str  # one of `COMPARISONS`
    value: str | int | tuple[str, ...]
    words: str  # what holds, such as "the client had reconnected"

    def holds(self, seen: Any, number: int) -> bool:
        """Whether it holds for a value of the clue; `number` is 4 for four listeners."""
        return COMPARISONS[self.comparison](seen, self.value, number)


_CLUES = tomllib.loads(text("needs.toml"))

QUESTIONS: dict[str, str] = _CLUES["questions"]
"""How to find out each clue."""
COUNTING: dict[str, str] = _CLUES["counting"]
"""How to find out each counter."""
FINDINGS: dict[str, str] = _CLUES["findings"]
"""What it means that a factor of the counters is odd."""
TOLD_BY = {end: set(clues) for end, clues in _CLUES["told_by"].items()}
"""The clues that only one end can know, by end."""

NEEDS = {
    name: Need(clue, comparison, tuple(value) if isinstance(value, list) else value, words)
    for name, (clue, comparison, value, words) in _CLUES["needs"].items()
}
"""The needs, by the names that the files of causes have for them."""


@dataclass(frozen=True)
class Signature:
    """How a cause shows itself; a file of causes has it as "patterns: needs; hints"."""

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


def reproduces(letter: str) -> Callable[[Reproduction], Reproduction]:
    """Mark the program that reproduces the cause of that letter; only one may."""

    def mark(program: Reproduction) -> Reproduction:
        if letter in REPRODUCTIONS:
            raise UsageError(f"{letter} has two programs that reproduce it.")
        REPRODUCTIONS[letter] = program
        return program

    return mark


FILES: dict[Family, str]
FILES = {"duplicate": "duplicates.toml", "loss": "losses.toml", "myth": "myths.toml"}


def _place(cause: Cause) -> tuple[int, int, str]:
    match = re.fullmatch(r"\D(\d+)(\w?)", cause.letter)
    assert match is not None, cause.letter
    return get_args(Family).index(cause.family), int(match[1]), match[2]


def read(text: str, family: Family) -> list[Cause]:
    """Read a file of causes of one family; UsageError names one with an unknown or missing key."""
    causes = []
    for letter, table in tomllib.loads(text).items():
        try:
            causes.append(_cause(letter, family, **table))
        except (KeyError, TypeError) as error:
            raise UsageError(f"{letter} does not fit: {error}") from None
    return causes


def _cause(
    letter: str,
    family: Family,
    signatures: Sequence[str] = (),
    rule: dict[str, str] | None = None,
    **fields: Any,
) -> Cause:
    return Cause(
        letter=letter,
        family=family,
        signatures=tuple(_signature(**parts(each)) for each in signatures),
        rule=Rule(atlas=letter, **_plain(rule)) if rule else None,
        **_plain(fields),
    )


def parts(signature: str) -> dict[str, Any]:
    """Return the names that a written signature has, by the field that they are for."""
    patterns, _, rest = " ".join(signature.split()).partition(": ")
    needs, _, hints = rest.partition("; ")
    written = {"patterns": patterns, "needs": needs, "hints": hints}
    return {field: names.split(", ") for field, names in written.items() if names}


def _signature(patterns: list[Pattern], **needs: list[str]) -> Signature:
    found = {key: tuple(NEEDS[name] for name in names) for key, names in needs.items()}
    return Signature(tuple(patterns), **found)


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    """Return texts on one line, and arrays as tuples."""
    return {
        key: " ".join(value.split()) if isinstance(value, str) else tuple(value)
        for key, value in fields.items()
    }


BY_THEME = tuple(cause for family, name in FILES.items() for cause in read(text(name), family))
"""Every cause in the order of the files; causes that fit equally well are listed in this order."""

CAUSES = tuple(sorted(BY_THEME, key=_place))
"""Every cause in the order of the catalogue: duplicates, losses, myths, each by its number."""

RULES = {cause.rule.id: cause.rule for cause in CAUSES if cause.rule}
"""What the checker looks for, by id."""


def cause(letter: str) -> Cause:
    """Return the cause of that letter, ``"D1"`` or ``"d1"``; UsageError says that there is none."""
    for each in CAUSES:
        if isinstance(letter, str) and each.letter.lower() == letter.lower():
            return each
    known = ", ".join(each.letter for each in CAUSES)
    raise UsageError(f"There is no cause {letter!r}. There are: {known}.")
