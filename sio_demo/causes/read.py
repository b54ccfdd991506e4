"""Reads the files of causes; that they fit their schema is tested, not looked at here."""

import tomllib
from collections.abc import Sequence
from typing import Any

from ..errors import UsageError
from .cause import Cause, Family, Pattern, Rule, Signature
from .needs import NEEDS, Need


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
    signatures: Sequence[dict[str, Any]] = (),
    rule: dict[str, str] | None = None,
    **fields: Any,
) -> Cause:
    return Cause(
        letter=letter,
        family=family,
        signatures=tuple(_signature(**each) for each in signatures),
        rule=Rule(atlas=letter, **_plain(rule)) if rule else None,
        **_plain(fields),
    )


def _signature(
    patterns: list[Pattern], needs: Sequence[str] = (), hints: Sequence[str] = ()
) -> Signature:
    return Signature(tuple(patterns), _needs(needs), _needs(hints))


def _needs(names: Sequence[str]) -> tuple[Need, ...]:
    return tuple(NEEDS[name] for name in names)


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    """Return texts on one line, and arrays as tuples."""
    return {
        key: " ".join(value.split()) if isinstance(value, str) else tuple(value)
        for key, value in fields.items()
    }
