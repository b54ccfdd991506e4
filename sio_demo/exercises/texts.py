"""The words of the exercises, from ``exercises.toml``, and the hint for what was observed."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from string import Formatter
from typing import Any

JAVASCRIPT = "JavaScript"


@dataclass(frozen=True)
class Observation:
    """What the reader's programs did.

    Attributes
    ----------
    rows : dict
        For each part of the program, how often it did its work; each count should be 1.
    findings : dict
        Whether each finding holds, in the order of the hints: the first that does is the hint.
    counters : dict
        What else was counted.
    words : dict
        What stands in the braces of the hints, besides the counters.
    faults : sequence of str
        A name for each count, where only the run knows how many there are.
    """

    rows: Mapping[str, Sequence[int]]
    findings: Mapping[str, bool]
    counters: Mapping[str, int] = field(default_factory=dict)
    words: Mapping[str, Any] = field(default_factory=dict)
    faults: Sequence[str] = ()

    @property
    def counts(self) -> list[int]:
        """All counts of all rows."""
        return [count for row in self.rows.values() for count in row]


@dataclass(frozen=True)
class Texts:
    """A table of ``exercises.toml``, whose head says what the fields are."""

    takes: Mapping[str, Sequence[str]]
    one: str
    many: str
    done: str
    hints: Mapping[str, str]
    counters: Mapping[str, tuple[str, int | str]]
    rounds: str = ""
    counted: str = ""
    faults: Sequence[str] = ()
    shared: Mapping[str, str] = field(default_factory=dict)

    def hint(self, seen: Observation) -> str:
        """Return the hint of the first finding that holds, or an empty text.

        Raises
        ------
        LookupError
            The observation does not fit: not these findings in this order, not these counters, or
            not what the hints have in their braces.
        """
        own = [name for name in seen.findings if name not in self.shared]
        _same("findings", own, list(self.hints))
        _same("counters", list(seen.counters), list(self.counters))
        hints = {**self.shared, **self.hints}
        values = {"What": self.one.capitalize(), **seen.counters, **seen.words}
        used = {each for name in seen.findings for each in _placeholders(hints[name])}
        _same("words", set(seen.words), used - {"What"} - set(seen.counters))
        first = next((hints[name] for name, holds in seen.findings.items() if holds), "")
        return " ".join(first.split()).format_map(values)

    def title(self, counts: Sequence[int]) -> str:
        """Return what the counts show, as a sentence."""
        lost = counts.count(0)
        parts = []
        if max(counts) > 1:
            parts.append(f"{self.one} is {self.done} up to {max(counts)} times")
        if lost:
            are = "is" if lost == 1 else "are"
            parts.append(f"{lost} of {len(counts)} {self.many} {are} not {self.done}")
        title = ", and ".join(parts) or f"{self.one} is {self.done} once"
        return title[0].upper() + title[1:]


def load() -> dict[str, Texts]:
    """Return the words of each exercise by its name, in the order of their numbers."""
    file = resources.files(__package__) / "exercises.toml"
    shared, *tables = tomllib.loads(file.read_text(encoding="utf-8")).items()
    return {name: Texts(**table, shared=shared[1]["hints"]) for name, table in tables}


def _placeholders(hint: str) -> list[str]:
    return [name for _, name, _, _ in Formatter().parse(hint) if name is not None]


def _same(what: str, seen: object, written: object) -> None:
    if seen != written:
        raise LookupError(f"The {what} are {seen}, and in exercises.toml {written}.")
