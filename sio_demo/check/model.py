"""What the checker gives back: findings, and the files that it could not read."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..causes import RULES


@dataclass(frozen=True, order=True)
class Finding:
    """A place in a source that will handle messages twice, or lose them.

    Attributes
    ----------
    path : str
        The file, or what `check_source` was given as its name.
    line, column : int
        Where it is; both count from 1, columns in characters.
    rule : str
        Which rule found it: a key of `RULES`.
    message : str
        What happens, and what to do about it.
    """

    path: str
    line: int
    column: int
    rule: str
    message: str = field(compare=False)

    @property
    def atlas(self) -> str:
        """The entry of the atlas that shows it happen: ``"D1"``."""
        return RULES[self.rule].atlas


@dataclass(frozen=True, order=True)
class Skipped:
    """A file that was not checked, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class Report:
    """What a run found.

    Attributes
    ----------
    findings : tuple of Finding
        In order of file and line.
    skipped : tuple of Skipped
        Files that were not checked.
    files, lines : int
        How much was read.
    """

    findings: tuple[Finding, ...]
    skipped: tuple[Skipped, ...]
    files: int
    lines: int
