"""Deduplication that checks before an `await` and marks after it."""

from __future__ import annotations

import re

from ast_grep_py import SgNode

from ..nodes import span, text, up_to
from ..shared import REMEMBERED, Reporter, waits_between
from .module import Call, Module, assignments_in, calls_in


def check_then_await(module: Module, report: Reporter) -> None:
    """Find `if id in seen: return`, an await, and only then `seen.add(id)`."""
    for statement in module.root.find_all(kind="if_statement"):
        condition = statement.field("condition")
        function = module.enclosing(statement)
        if condition is None or function is None:
            continue
        match = re.fullmatch(r"\(?(.+?)\s+(?:not\s+)?in\s+([\w.]+)\)?", condition.text())
        if match is None or not REMEMBERED.search(match[2]):
            continue
        if f"{match[2]}[" in text(statement.field("consequence")):
            continue
        if _waits_before_mark(module, function, condition, match[1], match[2]):
            report(condition, "check-then-await", waits_between(match[2]))


def _waits_before_mark(
    module: Module, function: SgNode, condition: SgNode, key: str, memory: str
) -> bool:
    end = span(condition)[1]
    marks = [call.node for call in calls_in(function) if _marks(call, key, memory)]
    marks += [node for name, node in assignments_in(function) if name == f"{memory}[{key}]"]
    after = [span(node)[0] for node in marks if span(node)[0] > end]
    waits = any(
        end < span(node)[0] < min(after, default=0) and module.enclosing(node) == function
        for node in function.find_all(kind="await")
    )
    return waits and not _locked(condition, function)


def _marks(call: Call, key: str, memory: str) -> bool:
    return (
        call.name in ("add", "append", "appendleft")
        and text(call.owner) == memory
        and [argument.text() for argument in call.args[:1]] == [key]
    )


def _locked(node: SgNode, function: SgNode) -> bool:
    """Return whether code is inside a `with` on a lock."""
    return any(
        around.kind() == "with_statement" and "lock" in around.text()[:200].lower()
        for around in up_to(node, function)
    )
