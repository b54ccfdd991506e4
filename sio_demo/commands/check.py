"""``sio-demo check``: find the patterns that lead to duplicates in your own code."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError

if TYPE_CHECKING:
    from ..check import Report

CLEAN, FOUND, MISUSED = 0, 1, 2


def add(command: argparse.ArgumentParser) -> None:
    command.description = (
        "Reads JavaScript, TypeScript, Vue, Svelte, HTML and Python sources and "
        "executes none. Exit code: 0 nothing found, 1 something found, 2 called wrongly, or "
        "nothing to check. A comment 'sio-demo: ignore[rule-id]' on a line, or on the line above, "
        "silences a finding; 'ignore-file[rule-id]' does so in the whole file. [tool.sio-demo] in "
        "pyproject.toml, or 'sio-demo' in package.json, sets select, ignore, exclude and "
        "per-file-ignores."
    )
    command.add_argument(
        "paths", nargs="*", metavar="PATH", help="a file or a directory; - reads standard input"
    )
    how = "how to write the findings (default: text)"
    formats = ("text", "json", "sarif", "github")
    command.add_argument("--format", choices=formats, default="text", help=how)
    command.add_argument("--select", metavar="RULES", help="only these rules, with commas")
    command.add_argument("--ignore", metavar="RULES", help="all but these rules, with commas")
    command.add_argument(
        "--baseline", type=Path, metavar="FILE", help="leave out what this report in JSON has"
    )
    command.add_argument("--exit-zero", action="store_true", help="exit with 0 also if it finds")
    command.add_argument("--quiet", action="store_true", help="print the findings, and no summary")
    command.add_argument("--verbose", action="store_true", help="name the files that are left out")
    command.add_argument(
        "--stdin-filename", metavar="NAME", default="stdin.js", help="the file that - stands for"
    )
    command.add_argument("--rules", action="store_true", help="list the rules")
    command.add_argument(
        "--explain", metavar="RULE", help="say what a rule finds, why, and the fix"
    )
    command.set_defaults(misused=command.error)


def run(options: argparse.Namespace) -> int:
    from ..check.report import explain, list_rules

    try:
        if options.rules or options.explain:
            print(explain(options.explain) if options.explain else list_rules())
            return CLEAN
        return _check(options)
    except UsageError as error:
        print(f"sio-demo check: {error}", file=sys.stderr)
        return MISUSED


def _check(options: argparse.Namespace) -> int:
    from ..check.report import FORMATS, printable

    if not options.paths:
        options.misused("the following arguments are required: PATH")
    report = _report(options)
    for stream in (sys.stdout, sys.stderr):
        getattr(stream, "reconfigure", dict)(errors="backslashreplace")
    notes = [f"{skipped.path}: skipped, {skipped.reason}" for skipped in report.skipped]
    notes += [f"{remark.path}:{remark.line}: {remark.text}" for remark in report.remarks]
    if options.verbose:
        notes += [f"{path.path}: left out, {path.reason}" for path in report.left_out]
    nothing = not report.files and not report.skipped
    for note in [*notes, "nothing was checked"] if nothing else notes:
        print(printable(note), file=sys.stderr)
    text = FORMATS[options.format](report)
    print("\n".join(text.split("\n")[:-1]) if options.quiet and options.format == "text" else text)
    if nothing:
        return MISUSED
    return FOUND if report.findings and not options.exit_zero else CLEAN


def _report(options: argparse.Namespace) -> Report:
    from ..check import Report, check_paths, check_source
    from ..check.config import Config
    from ..check.report import without_known

    config = Config(options.paths[0], options.select, options.ignore)
    if options.paths == ["-"]:
        text = sys.stdin.read()
        findings = tuple(check_source(text, options.stdin_filename))
        report = Report(findings, (), 1, text.count("\n") + 1)
    else:
        report = check_paths(options.paths, config.exclude)
    wanted = list(filter(config.wants, report.findings))
    new = without_known(wanted, options.baseline) if options.baseline else wanted
    return replace(report, findings=tuple(new))
