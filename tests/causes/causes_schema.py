"""The schema of the files of causes: reads them, and says which key of which cause does not fit.

The schema is the dataclasses of :mod:`sio_demo.causes`: their fields are the keys of a
table, those with a default may be left out, and their types are what a key may hold. The package
itself reads these files without looking: they come with it.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, fields, is_dataclass
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from sio_demo.causes import NEEDS, PATTERNS, Cause, Family, Need, Pattern, Signature, parts
from sio_demo.errors import UsageError

INITIAL: dict[Family, str] = {"duplicate": "D", "loss": "L", "myth": "M"}
SOURCE = re.compile(r"[\w.-]+/[\w.-]+#\d+|https://\S+")
RULE_ID = re.compile(r"[a-z]+(-[a-z]+)+")

Symptoms = dict[str, dict[str, tuple[Cause, ...]]]
"""By heading, what people say, and the causes that it can be."""

types_of = functools.cache(get_type_hints)


def read(text: str, family: Family) -> list[Cause]:
    """Read a file of causes of one family.

    Raises
    ------
    UsageError
        It does not fit the schema; the message names the cause and the key.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"The causes of the family {family!r} are no TOML: {error}") from None
    return [_Entry(letter, family).cause(table) for letter, table in tables.items()]


def check_together(causes: Sequence[Cause]) -> None:
    """Check what causes say of each other.

    Raises
    ------
    UsageError
        A twin is no cause or is named twice, or two rules have one id.
    """
    letters = {cause.letter for cause in causes}
    twins = Counter(twin for each in causes if each.twins for twin in (each.letter, *each.twins))
    ids = Counter(cause.rule.id for cause in causes if cause.rule)
    for cause in causes:
        for twin in cause.twins:
            if twin not in letters:
                raise UsageError(f"{cause.letter}: 'twins' has {twin!r}, which is no cause.")
            if max(twins[twin], twins[cause.letter]) > 1:
                raise UsageError(f"{cause.letter}: 'twins' has {twin!r}: name a group only once.")
        if cause.rule and ids[cause.rule.id] > 1:
            raise UsageError(f"{cause.letter}.rule: 'id' is {cause.rule.id!r}, as another one's.")


def read_symptoms(text: str, causes: Sequence[Cause]) -> Symptoms:
    """Read what people say, and the causes that it can be.

    Raises
    ------
    UsageError
        A symptom leads to no cause, or no symptom leads to a cause.
    """
    by_letter = {cause.letter: cause for cause in causes}
    symptoms: Symptoms = {}
    for heading, table in tomllib.loads(text).items():
        symptoms[heading] = {}
        for said, letters in table.items():
            if not letters or (wrong := [each for each in letters if each not in by_letter]):
                raise UsageError(f"{said!r} leads to {wrong[0] if letters else 'no cause'}.")
            symptoms[heading][said] = tuple(by_letter[letter] for letter in letters)
    found = {cause for said in symptoms.values() for each in said.values() for cause in each}
    for cause in causes:
        if cause not in found:
            raise UsageError(f"No symptom leads to {cause.letter}: add it to symptoms.toml.")
    return symptoms


class _Entry:
    """One entry of a file."""

    def __init__(self, letter: str, family: Family) -> None:
        if not re.fullmatch(rf"{INITIAL[family]}\d+[a-z]?", letter):
            raise UsageError(
                f"{letter!r} is no letter of a {family}: {INITIAL[family]}1, and so on."
            )
        self._letter = letter
        self._given = {"letter": letter, "family": family, "atlas": letter}  # fields, and no keys

    def cause(self, table: object) -> Cause:
        cause: Cause = self._build(Cause, self._letter, table)
        for key, problem in _problems(cause):
            raise UsageError(f"{self._letter}: {key!r} {problem}.")
        return cause

    def _build(self, kind: Any, where: str, table: object) -> Any:
        """Make a dataclass of a table."""
        if not isinstance(table, dict):
            raise UsageError(f"{where} is to be a table, not {table!r}.")
        types = types_of(kind)
        keys = {each.name: each for each in fields(kind) if each.name not in self._given}
        if unknown := [key for key in table if key not in keys]:
            raise UsageError(f"{where}: {unknown[0]!r} is no key. There are: {', '.join(keys)}.")
        for name, each in keys.items():
            if name not in table and each.default is MISSING:
                raise UsageError(f"{where}: {name!r} is missing.")
        values = {key: self._value(types[key], where, key, table[key]) for key in table}
        return kind(**{name: self._given[name] for name in types if name in self._given}, **values)

    def _value(self, kind: Any, where: str, key: str, value: Any) -> Any:
        """Make what a field takes of what its key holds."""
        if get_origin(kind) is UnionType:  # with None, for a key that is left out
            kind = get_args(kind)[0]
        if kind is Signature:
            value = parts(value)
        if is_dataclass(kind) and kind is not Need:
            return self._build(kind, f"{where}.{key}", value)
        if get_origin(kind) is tuple:
            if not isinstance(value, list) or not value:
                raise UsageError(f"{where}: {key!r} is an array, and not empty.")
            if again := [each for each in value if value.count(each) > 1]:
                raise UsageError(f"{where}: {key!r} has {again[0]!r} twice.")
            return tuple(self._value(get_args(kind)[0], where, key, each) for each in value)
        if not isinstance(value, str) or not value.strip():
            raise UsageError(f"{where}: {key!r} takes text, not {value!r}.")
        tables: dict[Any, Any] = {Need: NEEDS, Pattern: PATTERNS}
        allowed = tables.get(kind, get_args(kind) if get_origin(kind) is Literal else None)
        if allowed is not None and value not in allowed:
            raise UsageError(
                f"{where}: {key!r} has {value!r}, which is none of: {', '.join(allowed)}."
            )
        return NEEDS[value] if kind is Need else " ".join(value.split())


def _problems(cause: Cause) -> Iterator[tuple[str, str]]:
    """Find what the types do not say."""
    for source in cause.evidence:
        if not SOURCE.fullmatch(source):
            yield "evidence", f"has {source!r}; it takes threads (owner/name#1) and https:// pages"
    for library in set(cause.measured_with) & set(cause.also_known_from):
        yield "also_known_from", f"has {library!r}, which it was measured with"
    if bool(cause.measured_with) == bool(cause.reason):
        yield "measured_with", "or 'reason' is needed, and only one of them"
    is_diagnosed = cause.family != "myth" and not cause.reason
    for key in ("look", "signatures"):
        if bool(getattr(cause, key)) != is_diagnosed:
            yield key, "is " + ("missing" if is_diagnosed else "only for what can be diagnosed")
    if cause.rule and not RULE_ID.fullmatch(cause.rule.id):
        yield "rule", f"has the id {cause.rule.id!r}; it takes words-like-these"
