"""What the checker returns: findings, and the files that it did not check."""

from dataclasses import dataclass, field

from ..causes import RULES


@dataclass(frozen=True, order=True)
class Finding:
    """A line of source code that handles messages twice, or loses them.

    The `path` is the file, or the `language` that `check_source` was called with. `line` and
    `column` count from 1, in characters. The `rule` is a key of `RULES`; `code` is the line.
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

    `skipped` should have been checked, and could not; `left_out` is not the reader's own code.
    `files` and `lines` say how much was checked, and `remarks` which comments silence nothing.
    """

    findings: tuple[Finding, ...]
    skipped: tuple[Skipped, ...]
    files: int
    lines: int
    left_out: tuple[Skipped, ...] = ()
    remarks: tuple[Remark, ...] = ()
