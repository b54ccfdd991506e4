"""Reports as text, JSON and SARIF."""

from __future__ import annotations

import json

from sio_demo.check import RULES, Finding, Report, Skipped
from sio_demo.check.report import as_json, as_sarif, as_text

FINDING = Finding("src/a b.js", 3, 5, "listener-in-connect", "It is registered again. [D1]")
REPORT = Report((FINDING,), (Skipped("old.js", "minified"),), 2, 1200)
CLEAN = Report((), (), 1, 1)


def test_text_has_a_line_for_each_finding_and_a_summary():
    lines = as_text(REPORT).split("\n")
    assert lines[0] == "src/a b.js:3:5: listener-in-connect It is registered again. [D1]"
    assert lines[2].startswith("listener-in-connect [D1]: Register the listener once")
    assert lines[-1] == "1 finding in 2 files (1,200 lines); 1 file skipped"


def test_text_of_a_clean_report_is_its_summary():
    assert as_text(CLEAN) == "0 findings in 1 file (1 line)"


def test_json_holds_findings_and_skipped_files():
    record = json.loads(as_json(REPORT))
    assert record["findings"] == [
        {
            "path": "src/a b.js",
            "line": 3,
            "column": 5,
            "rule": "listener-in-connect",
            "atlas": "D1",
            "message": "It is registered again. [D1]",
            "code": "",
            "fix": RULES["listener-in-connect"].fix,
        }
    ]
    assert record["skipped"] == [{"path": "old.js", "reason": "minified"}]
    assert (record["version"], record["files"], record["lines"]) == (1, 2, 1200)


def test_sarif_describes_every_rule():
    [run] = json.loads(as_sarif(CLEAN))["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == list(RULES)
    for rule in rules:
        assert rule["shortDescription"]["text"]
        assert rule["fullDescription"]["text"].endswith(".")
        assert rule["help"]["text"]
        assert "**Fix.**" in rule["help"]["markdown"]
    assert run["results"] == []


def test_sarif_result_points_at_its_rule_and_place():
    sarif = json.loads(as_sarif(REPORT))
    assert sarif["version"] == "2.1.0"
    [run] = sarif["runs"]
    [result] = run["results"]
    rule = run["tool"]["driver"]["rules"][result["ruleIndex"]]
    assert rule["id"] == result["ruleId"] == "listener-in-connect"
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "src/a%20b.js"
    assert place["region"] == {"startLine": 3, "startColumn": 5}
    assert run["columnKind"] == "unicodeCodePoints"


def test_sarif_names_skipped_files():
    [run] = json.loads(as_sarif(REPORT))["runs"]
    [invocation] = run["invocations"]
    assert invocation["executionSuccessful"] is True
    [note] = invocation["toolExecutionNotifications"]
    assert note["message"]["text"] == "Skipped: minified"


def test_sarif_writes_absolute_paths_with_their_scheme():
    finding = Finding("/srv/a.js", 1, 1, "listener-in-connect", "Text.")
    sarif = json.loads(as_sarif(Report((finding,), (), 1, 1)))
    place = sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "file:///srv/a.js"
