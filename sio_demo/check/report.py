"""A report as text, JSON, SARIF 2.1.0, or annotations for GitHub; and the rules as text."""

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote

from ..causes import RULES, Rule, cause
from ..errors import UsageError
from .model import Finding, Report

JsonObject = dict[str, Any]


def as_text(report: Report) -> str:
    """Return each finding with its line of code, then a fix for each rule, then a summary."""
    lines = []
    for f in report.findings:
        lines.append(printable(f"{f.path}:{f.line}:{f.column}: {f.rule} {f.message}"))
        lines += [printable(f"    {f.code}")] if f.code else []
    seen = sorted({finding.rule for finding in report.findings})
    fixes = [f"{rule} [{RULES[rule].atlas}]: {RULES[rule].fix}" for rule in seen]
    return "\n".join([*lines, *(["", *fixes, ""] if seen else []), summary(report)])


def summary(report: Report) -> str:
    findings, files = _number(len(report.findings), "finding"), _number(report.files, "file")
    skipped = f"; {_number(len(report.skipped), 'file')} skipped" if report.skipped else ""
    kinds = Counter(
        ("folder" if path.path.endswith("/") else "file", path.reason) for path in report.left_out
    )
    left = [f"{_number(kinds[kind], kind[0])} ({kind[1]})" for kind in sorted(kinds)]
    left_out = f"; left out: {', '.join(left)}" if left else ""
    return f"{findings} in {files} ({_number(report.lines, 'line')}){skipped}{left_out}"


def printable(text: str) -> str:
    """Return a text with its control characters escaped, so that they do not reach a terminal."""
    return re.sub(
        r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", lambda m: ascii(m[0])[1:-1], text
    )


def list_rules() -> str:
    return "\n".join(f"{rule.id:28}  {rule.atlas:3}  {rule.title}" for rule in RULES.values())


def explain(name: str) -> str:
    """Return what a rule finds, why, what to do, and where others met it."""
    if name not in RULES:
        raise UsageError(f"there is no rule {name!r}: there are {', '.join(RULES)}")
    rule, known = RULES[name], cause(RULES[name].atlas)
    return (
        f"{rule.id} [{rule.atlas}]: {rule.title}\n\n{rule.why}\n\nFix: {rule.fix}\n\n"
        f"{rule.atlas} in notebook 09, {known.title}: {known.symptom} {known.mechanism}\n"
        "See " + "\n    ".join(map(_address, known.evidence))
    )


def _address(evidence: str) -> str:
    """Return the address of a page, or of a thread such as `socketio/socket.io#4919`."""
    repository, _, number = evidence.partition("#")
    thread = re.fullmatch(r"[\w.-]+/[\w.-]+", repository) is not None
    return f"https://github.com/{repository}/issues/{number}" if thread else evidence


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def as_json(report: Report) -> str:
    findings = [asdict(f) | {"atlas": f.atlas, "fix": RULES[f.rule].fix} for f in report.findings]
    counts = {"files": report.files, "lines": report.lines}
    skipped = [asdict(skipped) for skipped in report.skipped]
    record = {"version": 1, "findings": findings, "skipped": skipped, **counts}
    return json.dumps(record, indent=2, ensure_ascii=False)


def without_known(findings: Iterable[Finding], baseline: Path) -> list[Finding]:
    """Leave out what a report that `as_json` wrote has already; its lines may have moved since."""
    try:
        old = json.loads(baseline.read_text("utf-8"))["findings"]
        known = Counter((each["path"], each["rule"], each["code"]) for each in old)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{baseline} is no report to compare with ({type(error).__name__}). Write one: "
            f"sio-demo check --format json PATH > {baseline}"
        ) from error
    new = []
    for finding in findings:
        same = finding.path, finding.rule, finding.code
        known[same] -= 1
        if known[same] < 0:
            new.append(finding)
    return new


def as_sarif(report: Report) -> str:
    """Return a report as SARIF 2.1.0 (OASIS), which code hosts and editors show beside the code."""
    rules = [_rule(rule) for rule in RULES.values()]
    driver = {"name": "sio-demo", "semanticVersion": version("sio-demo"), "rules": rules}
    notes = [
        {"level": "note", "message": {"text": f"Skipped: {s.reason}"}, **_place(s.path)}
        for s in report.skipped
    ]
    results = [
        {
            "ruleId": f.rule,
            "ruleIndex": list(RULES).index(f.rule),
            "message": {"text": f.message},
            **_place(f.path, region={"startLine": f.line, "startColumn": f.column}),
        }
        for f in report.findings
    ]
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": notes}],
        "results": results,
    }
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    sarif = {"$schema": schema, "version": "2.1.0", "runs": [run]}
    return json.dumps(sarif, indent=2, ensure_ascii=False)


def _rule(rule: Rule) -> JsonObject:
    return {
        "id": rule.id,
        "name": rule.id.title().replace("-", ""),
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.why.replace("`", "")},
        "help": {
            "text": f"{rule.why} {rule.fix}".replace("`", ""),
            "markdown": f"{rule.why}\n\n**Fix.** {rule.fix}\n\nAtlas entry {rule.atlas}.",
        },
        "helpUri": _address(cause(rule.atlas).evidence[0]),
        "properties": {"tags": ["socket.io", "reconnection", f"atlas-{rule.atlas}"]},
    }


def _place(path: str, **region: JsonObject) -> JsonObject:
    """Return a place in a file; an absolute path gets a scheme."""
    pure = PurePath(path)
    uri = pure.as_uri() if pure.is_absolute() else quote(pure.as_posix())
    return {"locations": [{"physicalLocation": {"artifactLocation": {"uri": uri}, **region}}]}


def as_github(report: Report) -> str:
    """Return a report as workflow commands, which GitHub shows beside the code."""
    lines = [
        f"::warning file={_escaped(f.path, ',:')},line={f.line},col={f.column},"
        f"title={f.rule}::{_escaped(f.message)}"
        for f in report.findings
    ]
    return "\n".join([*lines, summary(report)])


def _escaped(text: str, more: str = "") -> str:
    return re.sub(rf"[%\r\n{more}]", lambda m: f"%{ord(m[0]):02X}", text)


FORMATS = {"text": as_text, "json": as_json, "sarif": as_sarif, "github": as_github}
