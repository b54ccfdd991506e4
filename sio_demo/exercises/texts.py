"""The words of the exercises, from ``exercises.toml``, and the hint for what was observed."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

JAVASCRIPT = "JavaScript"


@dataclass(frozen=True)
class Observation:
    """What the reader's programs did."""

    rows: Mapping[str, Sequence[int]]  # how often each part did its work: each count should be 1
    findings: Mapping[str, bool]  # in the order of the hints: the first that holds is the hint
    counters: Mapping[str, int] = field(default_factory=dict)  # what else was counted
    words: Mapping[str, Any] = field(default_factory=dict)  # for the braces in the hints
    faults: Sequence[str] = ()  # the name of each count, if only the run knows how many

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
        """Return the hint of the first finding that holds, or an empty text."""
        hints = {**self.shared, **self.hints}
        values = {"What": self.one.capitalize(), **seen.counters, **seen.words}
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
