"""``sio-demo check``: finds patterns that lead to duplicates in the user's own code."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from ..errors import UsageError

CLEAN, FOUND, MISUSED = 0, 1, 2


def add(commands: Any) -> None:
    command = commands.add_parser(
        "check",
        help="find the patterns that lead to duplicates in your own code",
        description="Reads JavaScript, TypeScript, Vue, Svelte, HTML and Python sources and "
        "executes none. Exit code: 0 nothing found, 1 something found, 2 called wrongly. A "
        "comment 'sio-demo: ignore[rule-id]' on a line, or on the line above, silences a finding.",
    )
    command.add_argument("paths", nargs="+", metavar="PATH", help="a file or a directory")
    command.add_argument(
        "--format",
        choices=("text", "json", "sarif"),
        default="text",
        help="how to write the findings (default: text)",
    )
    command.add_argument(
        "--score",
        action="store_true",
        help="print recall and precision against the 'expect: rule-id' comments in the sources",
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Check the paths and print the findings; return whether there are any as the exit code."""
    try:
        return _score(options.paths) if options.score else _check(options.paths, options.format)
    except UsageError as error:
        print(f"sio-demo check: {error}", file=sys.stderr)
        return MISUSED


def _check(paths: list[str], form: str) -> int:
    from ..check import check_paths
    from ..check.report import FORMATS

    report = check_paths(paths)
    for skipped in report.skipped:
        print(f"{skipped.path}: skipped, {skipped.reason}", file=sys.stderr)
    print(FORMATS[form](report))
    return FOUND if report.findings else CLEAN


def _score(paths: list[str]) -> int:
    from ..check.score import as_table, score

    code = CLEAN
    for path in paths:
        result = score(path)
        print(as_table(result))
        if result.missed or result.false or result.skipped:
            code = FOUND
    return code
