"""The causes of duplicates and losses. Each is written once, in the TOML files beside this one.

An entry holds the texts, the threads that report it, the signature by which a diagnosis finds it,
and the checker's rule; :class:`Cause` describes its keys. ``symptoms.toml`` leads from what people
say to the causes. The atlas adds the programs: the one that is marked with ``@reproduces("D1")``
reproduces D1.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from ..errors import UsageError
from .cause import REPRODUCTIONS, Cause, Family, Pattern, Rule, Signature, reproduces
from .needs import QUESTIONS, Need
from .read import check_together, read, read_symptoms

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


BY_THEME = tuple(
    cause
    for family, name in FILES.items()
    for cause in read(Path(__file__).with_name(name).read_text("utf-8"), family)
)
"""Every cause in the order of the files; causes that fit equally well are listed in this order."""

check_together(BY_THEME)

CAUSES = tuple(sorted(BY_THEME, key=_place))
"""Every cause in the order of the catalogue: duplicates, losses, myths, each by its number."""

RULES = {cause.rule.id: cause.rule for cause in CAUSES if cause.rule}
"""What the checker looks for, by id."""

TWINS = tuple((cause.letter, *cause.twins) for cause in CAUSES if cause.twins)
"""Causes that can leave the same counters and clues: a look at the program tells them apart."""


SYMPTOMS = read_symptoms(Path(__file__).with_name("symptoms.toml").read_text("utf-8"), CAUSES)
"""What people say when they ask, by heading, and the causes that it can be."""


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
