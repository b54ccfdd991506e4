"""A report as text, JSON, or SARIF 2.1.0."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from ..causes import RULES, Rule
from .model import Finding, Report, Skipped

JsonObject = dict[str, Any]

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def as_text(report: Report) -> str:
    """Return a line for each finding, then a fix for each rule, then a summary.

    Skipped files are not included: the command prints them on standard error.
    """
    lines = [f"{f.path}:{f.line}:{f.column} {f.rule} {f.message}" for f in report.findings]
    seen = sorted({finding.rule for finding in report.findings})
    if seen:
        lines.append("")
        lines += [f"{rule} [{RULES[rule].atlas}]: {RULES[rule].fix}" for rule in seen]
        lines.append("")
    lines.append(summary(report))
    return "\n".join(lines)


def summary(report: Report) -> str:
    counts = [
        _number(len(report.findings), "finding"),
        _number(report.files, "file"),
        _number(report.lines, "line"),
    ]
    skipped = f"; {_number(len(report.skipped), 'file')} skipped" if report.skipped else ""
    return f"{counts[0]} in {counts[1]} ({counts[2]}){skipped}"


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def as_json(report: Report) -> str:
    record = {
        "version": 1,
        "findings": [_finding(f) for f in report.findings],
        "skipped": [{"path": s.path, "reason": s.reason} for s in report.skipped],
        "files": report.files,
        "lines": report.lines,
    }
    return json.dumps(record, indent=2, ensure_ascii=False)


def _finding(finding: Finding) -> JsonObject:
    return {
        "path": finding.path,
        "line": finding.line,
        "column": finding.column,
        "rule": finding.rule,
        "atlas": finding.atlas,
        "message": finding.message,
        "fix": RULES[finding.rule].fix,
    }


def as_sarif(report: Report) -> str:
    """Return a report as SARIF 2.1.0, which code hosts and editors show beside the code.

    See the OASIS standard "Static Analysis Results Interchange Format (SARIF) Version 2.1.0".
    """
    order = list(RULES)
    run = {
        "tool": {
            "driver": {
                "name": "sio-demo",
                "semanticVersion": version("sio-demo"),
                "rules": [_rule(rule) for rule in RULES.values()],
            }
        },
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": True,
                "toolExecutionNotifications": [_notification(s) for s in report.skipped],
            }
        ],
        "results": [_result(finding, order.index(finding.rule)) for finding in report.findings],
    }
    sarif = {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(sarif, indent=2, ensure_ascii=False)


def _rule(rule: Rule) -> JsonObject:
    return {
        "id": rule.id,
        "name": "".join(word.capitalize() for word in rule.id.split("-")),
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.why.replace("`", "")},
        "help": {
            "text": f"{rule.why} {rule.fix}".replace("`", ""),
            "markdown": f"{rule.why}\n\n**Fix.** {rule.fix}\n\nAtlas entry {rule.atlas}.",
        },
        "defaultConfiguration": {"level": "warning"},
        "properties": {"tags": ["socket.io", "reconnection", f"atlas-{rule.atlas}"]},
    }


def _result(finding: Finding, index: int) -> JsonObject:
    return {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": "warning",
        "message": {"text": finding.message},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(finding.path)},
                    "region": {"startLine": finding.line, "startColumn": finding.column},
                }
            }
        ],
    }


def _notification(skipped: Skipped) -> JsonObject:
    return {
        "level": "note",
        "message": {"text": f"Skipped: {skipped.reason}"},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": _uri(skipped.path)}}}],
    }


def _uri(path: str) -> str:
    """Return a path as a URI, with a scheme if it is absolute."""
    pure = PurePath(path)
    return pure.as_uri() if pure.is_absolute() else quote(pure.as_posix())


FORMATS: dict[str, Callable[[Report], str]] = {"text": as_text, "json": as_json, "sarif": as_sarif}
