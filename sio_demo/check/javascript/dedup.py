"""Deduplication that checks before an `await` and marks after it."""

from __future__ import annotations

import re

from ast_grep_py import SgNode

from ..words import words
from .script import FUNCTIONS, Call, span
from .source import Source

_CHECKS = words("has includes")
_MARKS = words("add set push unshift")
_MEMORY = re.compile(
    r"(?i)seen|processed|handled|done|dedup|duplicate|received|applied|known|delivered|"
    r"message|msg|event|ids?$|recent|finished|complete|executed|acked"
)


def check_then_await(source: Source) -> None:
    """Find `if (seen.has(id)) return; await ...; seen.add(id)` in asynchronous functions."""
    if "await" not in source.script.text:
        return
    if not (
        source.roles.facts.client_imported
        or source.roles.facts.server_imported
        or source.connections
        or source.handlers
    ):
        return
    for check in source.script.calls:
        if check.name in _CHECKS and check.target is not None and len(check.args) == 1:
            _check(source, check)


def _check(source: Source, check: Call) -> None:
    function = source.script.enclosing(check.node)
    statement = _condition_of(check.node, function)
    if function is None or statement is None or not _asynchronous(function):
        return
    assert check.target is not None
    memory, key = check.target.text(), check.args[0].text()
    if not _MEMORY.search(memory):
        return
    marks = [
        call
        for call in source.script.calls_within(function)
        if call.name in _MARKS
        and call.target is not None
        and call.target.text() == memory
        and call.args
        and call.args[0].text() == key
        and call.start > check.end
    ]
    if not marks:
        return
    first = marks[0]
    waits = [
        span(node)[0]
        for node in function.find_all(kind="await_expression")
        if source.script.enclosing(node) == function
    ]
    if any(check.end < wait < first.start for wait in waits):
        source.report(
            check,
            "check-then-await",
            f"`{memory}` is asked before the await and told after it: a retry that comes in "
            "between passes the same check, and the message takes effect twice. Add the id "
            "before the await, and take it back if the work fails.",
        )


def _condition_of(node: SgNode, function: SgNode | None) -> SgNode | None:
    """Return the `if` that a call is the condition of."""
    for ancestor in node.ancestors():
        if ancestor == function or ancestor.kind() in FUNCTIONS:
            return None
        if ancestor.kind() == "if_statement":
            condition = ancestor.field("condition")
            inside = condition is not None and span(node)[1] <= span(condition)[1]
            return ancestor if inside else None
    return None


def _asynchronous(function: SgNode) -> bool:
    return any(child.kind() == "async" for child in function.children())
