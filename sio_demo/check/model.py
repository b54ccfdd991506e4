"""What the checker returns: findings, and the files that it skipped."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..causes import RULES


@dataclass(frozen=True, order=True)
class Finding:
    """A line of source code that handles messages twice, or loses them.

    Attributes
    ----------
    path : str
        The file, or the `language` that `check_source` was called with.
    line, column : int
        Both from 1; columns in characters.
    rule : str
        The rule that found it: a key of `RULES`.
    message : str
        What happens at run time, and what to do about it.
    """

    path: str
    line: int
    column: int
    rule: str
    message: str = field(compare=False)

    @property
    def atlas(self) -> str:
        """The atlas entry that reproduces it, such as ``"D1"``."""
        return RULES[self.rule].atlas


@dataclass(frozen=True, order=True)
class Skipped:
    """A file that was not checked, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class Report:
    """The result of a run.

    Attributes
    ----------
    findings : tuple of Finding
        In order of file and line.
    skipped : tuple of Skipped
        Files that were not checked.
    files, lines : int
        How much was checked.
    """

    findings: tuple[Finding, ...]
    skipped: tuple[Skipped, ...]
    files: int
    lines: int
