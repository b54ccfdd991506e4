"""Deduplication that checks before an `await` and marks after it."""

from __future__ import annotations

import re

from ast_grep_py import SgNode

from ..nodes import span, text, up_to
from ..shared import REMEMBERED, SURELY_REMEMBERED, Reporter, waits_between
from .module import Call, Module, assignments_in, calls_in

_ASKS = re.compile(  # `key in memory`, `memory.get(key)`, `await store.exists(key)`
    r"\(?(?:not )?(?:(?P<key>[^()]+|[^()]+\(.*\)) (?:not )?in (?P<memory>[\w.]+)"
    r"|(?P<map>[\w.]+)\.get\((?P<entry>[^,]+)\)(?: is None)?"
    r"|await (?P<store>[\w.]+)\.(?:exists|get|sismember)\((?P<name>.+)\))\)?"
)
_MARKS = ("add", "append", "appendleft", "set", "setex", "sadd")


def check_then_await(module: Module, report: Reporter) -> None:
    """Find `if id in seen: return`, an await, and only then `seen.add(id)`."""
    for statement in module.root.find_all(kind="if_statement"):
        condition = statement.field("condition")
        function = module.enclosing(statement)
        if condition is None or function is None:
            continue
        match = _ASKS.fullmatch(condition.text()[:300])
        if match is None:
            continue
        memory = match["memory"] or match["map"] or match["store"]
        key = match["key"] or match["entry"] or match["name"]
        known = REMEMBERED if match["memory"] else SURELY_REMEMBERED
        if not known.search(f"{memory} {key}" if match["store"] else memory):
            continue
        if f"{memory}[" in text(statement.field("consequence")):
            continue
        if _waits_before_mark(module, function, condition, key, memory, match["store"] is not None):
            report(condition, "check-then-await", waits_between(memory))


def _waits_before_mark(
    module: Module, function: SgNode, condition: SgNode, key: str, memory: str, store: bool
) -> bool:
    end = span(condition)[1]
    marks = [call.node for call in calls_in(function) if _marks(call, key, memory)]
    marks += [node for name, node in assignments_in(function) if name == f"{memory}[{key}]"]
    after = [span(node)[0] for node in marks if span(node)[0] > end]
    waits = store or any(
        end < span(node)[0] < min(after, default=0) and module.enclosing(node) == function
        for node in function.find_all(kind="await")
    )
    return bool(after) and waits and not _locked(condition, function)


def _marks(call: Call, key: str, memory: str) -> bool:
    return (
        call.name in _MARKS
        and text(call.owner) == memory
        and "nx" not in call.named
        and text(call.argument(0, "name")) in (key, key.partition(",")[0])
    )


def _locked(node: SgNode, function: SgNode) -> bool:
    """Return whether code is inside a `with` on a lock."""
    return any(
        around.kind() == "with_statement" and "lock" in around.text()[:200].lower()
        for around in up_to(node, function)
    )
