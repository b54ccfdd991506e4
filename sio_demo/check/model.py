"""What the checker returns: findings, and the files that it did not check."""

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
    code : str
        The line of the source.
    """

    path: str
    line: int
    column: int
    rule: str
    message: str = field(compare=False)
    code: str = field(default="", compare=False)

    @property
    def atlas(self) -> str:
        """The atlas entry that reproduces it, such as ``"D1"``."""
        return RULES[self.rule].atlas


@dataclass(frozen=True, order=True)
class Skipped:
    """A file that was not checked, or not all of it, and why."""

    path: str
    reason: str


@dataclass(frozen=True, order=True)
class Remark:
    """A comment ``sio-demo: ignore[...]`` that does nothing, and why."""

    path: str
    line: int
    text: str


@dataclass(frozen=True)
class Report:
    """The result of a run.

    Attributes
    ----------
    findings : tuple of Finding
        In order of file and line.
    skipped : tuple of Skipped
        Files that should have been checked.
    files, lines : int
        How much was checked.
    left_out : tuple of Skipped
        Files and folders that are not the reader's own code.
    remarks : tuple of Remark
        Comments that silence nothing.
    """

    findings: tuple[Finding, ...]
    skipped: tuple[Skipped, ...]
    files: int
    lines: int
    left_out: tuple[Skipped, ...] = ()
    remarks: tuple[Remark, ...] = ()
