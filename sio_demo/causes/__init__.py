"""The causes of duplicates and losses. Each is written once, in the TOML files beside this one.

An entry holds the texts, the threads that report it, the signature by which a diagnosis finds it,
and the checker's rule; :class:`Cause` describes its keys. ``symptoms.toml`` leads from what people
say to the causes. The atlas adds the programs: the one that is marked with ``@reproduces("D1")``
reproduces D1.
"""

import re
import tomllib
from pathlib import Path
from typing import get_args

from ..errors import UsageError
from .cause import REPRODUCTIONS, Cause, Family, Pattern, Rule, Signature, reproduces
from .needs import QUESTIONS, Need
from .read import read

__all__ = [
    "BY_THEME",
    "CAUSES",
    "QUESTIONS",
    "REPRODUCTIONS",
    "RULES",
    "SYMPTOMS",
    "TWINS",
    "Cause",
    "Need",
    "Pattern",
    "Rule",
    "Signature",
    "cause",
    "reproduces",
]

FILES: dict[Family, str] = {
    "duplicate": "duplicates.toml",
    "loss": "losses.toml",
    "myth": "myths.toml",
}


def _place(cause: Cause) -> tuple[int, int, str]:
    match = re.fullmatch(r"\D(\d+)(\w?)", cause.letter)
    assert match is not None, cause.letter
    return get_args(Family).index(cause.family), int(match[1]), match[2]


def text(name: str) -> str:
    """Return the text of a file beside this one."""
    return Path(__file__).with_name(name).read_text("utf-8")


BY_THEME = tuple(cause for family, name in FILES.items() for cause in read(text(name), family))
"""Every cause in the order of the files; causes that fit equally well are listed in this order."""

CAUSES = tuple(sorted(BY_THEME, key=_place))
"""Every cause in the order of the catalogue: duplicates, losses, myths, each by its number."""

RULES = {cause.rule.id: cause.rule for cause in CAUSES if cause.rule}
"""What the checker looks for, by id."""

TWINS = tuple((cause.letter, *cause.twins) for cause in CAUSES if cause.twins)
"""Causes that can leave the same counters and clues: a look at the program tells them apart."""


def cause(letter: str) -> Cause:
    """Return the cause of that letter, such as ``"D1"``; ``"d1"`` will do.

    Raises
    ------
    UsageError
        There is none.
    """
    for each in CAUSES:
        if isinstance(letter, str) and each.letter.lower() == letter.lower():
            return each
    known = ", ".join(each.letter for each in CAUSES)
    raise UsageError(f"There is no cause {letter!r}. There are: {known}.")


SYMPTOMS = {
    heading: {said: tuple(map(cause, letters)) for said, letters in table.items()}
    for heading, table in tomllib.loads(text("symptoms.toml")).items()
}
"""What people say when they ask, by heading, and the causes that it can be."""
