"""Recall and precision on sources that declare what should be found in them.

A line that should be reported ends in a comment ``expect: rule-id``; several ids take commas.
Files that the checker leaves out count too. ``python tests/check/scoring.py DIRECTORY`` prints it.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sio_demo.check import RULES, Skipped, check_paths

_EXPECTED = re.compile(r"expect:\s*([a-z][a-z-]*(?:\s*,\s*[a-z][a-z-]*)*)")
Occurrence = tuple[str, int, str]  # path, line, rule


@dataclass(frozen=True)
class Score:
    """What should have been found, and what was.

    Attributes
    ----------
    expected, found : frozenset of (str, int, str)
        Path, line and rule.
    skipped : tuple of Skipped
        Files that could not be checked; whatever they expect counts as missed.
    """

    expected: frozenset[Occurrence]
    found: frozenset[Occurrence]
    skipped: tuple[Skipped, ...]

    @property
    def missed(self) -> list[Occurrence]:
        return sorted(self.expected - self.found)

    @property
    def false(self) -> list[Occurrence]:
        return sorted(self.found - self.expected)

    @property
    def recall(self) -> float:
        """The share of the expected findings that were found; 1 if none was expected."""
        return len(self.expected & self.found) / len(self.expected) if self.expected else 1.0

    @property
    def precision(self) -> float:
        """The share of the findings that were expected; 1 if there was none."""
        return len(self.expected & self.found) / len(self.found) if self.found else 1.0


def score(directory: str | Path) -> Score:
    """Compare the findings below a directory with what its comments expect."""
    report = check_paths([directory])
    found = frozenset((f.path, f.line, f.rule) for f in report.findings)
    return Score(frozenset(_expected(Path(directory))), found, report.skipped)


def _expected(directory: Path) -> Iterator[Occurrence]:
    for path in [directory] if directory.is_file() else directory.rglob("*"):
        text = path.read_text(errors="replace") if path.is_file() else ""
        for number, line in enumerate(text.split("\n"), 1):
            for rule in re.split(r"[\s,]+", match[1]) if (match := _EXPECTED.search(line)) else ():
                if rule not in (*RULES, "nothing"):
                    raise ValueError(f"{path}:{number} expects {rule!r}, which is no rule")
                if rule != "nothing":
                    yield path.as_posix(), number, rule


def as_table(result: Score) -> str:
    """Return a table with a line for each rule, then what is missed or false."""
    wanted = Counter(rule for *_, rule in result.expected)
    right = Counter(rule for *_, rule in result.expected & result.found)
    given = Counter(rule for *_, rule in result.found)
    width = max(map(len, RULES))
    lines = [f"{'rule':{width}}  expected  found  false"]
    lines += [
        f"{rule:{width}}  {wanted[rule]:8}  {right[rule]:5}  {given[rule] - right[rule]:5}"
        for rule in RULES
    ]
    lines += [f"missed {path}:{line} {rule}" for path, line, rule in result.missed]
    lines += [f"false  {path}:{line} {rule}" for path, line, rule in result.false]
    lines.append(
        f"recall {result.recall:.3f}  precision {result.precision:.3f}  "
        f"({len(result.expected)} expected, {len(result.found)} found)"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(as_table(score(name)))
