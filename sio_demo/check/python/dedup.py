"""Deduplication that checks before an `await` and marks after it."""

from __future__ import annotations

import re

from ast_grep_py import SgNode

from ..shared import REMEMBERED, Reporter, waits_between
from .module import Module, arguments_of, called


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
        consequence = statement.field("consequence")
        if consequence is None or f"{match[2]}[" in consequence.text():
            continue
        if _waits_before_mark(module, function, condition, match[1], match[2]):
            report(condition, "check-then-await", waits_between(match[2]))


def _waits_before_mark(
    module: Module, function: SgNode, condition: SgNode, key: str, memory: str
) -> bool:
    end = condition.range().end.index
    marks = [
        call.range().start.index
        for call in function.find_all(kind="call")
        if _marks(call, key, memory) and call.range().start.index > end
    ]
    for node in function.find_all(kind="assignment"):
        left = node.field("left")
        if left and left.text() == f"{memory}[{key}]" and node.range().start.index > end:
            marks.append(node.range().start.index)
    if not marks:
        return False
    waits = [
        node
        for node in function.find_all(kind="await")
        if end < node.range().start.index < min(marks) and module.enclosing(node) == function
    ]
    return bool(waits) and not _locked(condition, function)


def _marks(call: SgNode, key: str, memory: str) -> bool:
    owner, name = called(call)
    positional, _ = arguments_of(call)
    return (
        name in ("add", "append", "appendleft")
        and owner is not None
        and owner.text() == memory
        and bool(positional)
        and positional[0].text() == key
    )


def _locked(node: SgNode, function: SgNode) -> bool:
    """Return whether code is inside a `with` on a lock."""
    for ancestor in node.ancestors():
        if ancestor == function:
            return False
        if ancestor.kind() == "with_statement" and "lock" in ancestor.text()[:200].lower():
            return True
    return False
