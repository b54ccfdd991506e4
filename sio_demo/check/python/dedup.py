"""Deduplication that checks before an `await` and marks after it."""

import re
from collections.abc import Iterator

from ast_grep_py import SgNode

from ..calls import Call
from ..nodes import span, text, up_to
from ..shared import REMEMBERED, SURELY_REMEMBERED, Reporter, has_id_of
from .module import Module, assignments_in, calls_in, enclosing

_ASKS = re.compile(  # `key in memory`, `memory.get(key)`, `await store.exists(key)`
    r"\(?(?:not )?(?:(?P<key>[^()]+|[^()]+\(.*\)) (?:not )?in (?P<memory>[\w.]+)"
    r"|(?P<map>[\w.]+)\.get\((?P<entry>[^,]+)\)(?: is (?:not )?None)?"
    r"|await (?P<store>[\w.]+)\.(?:exists|get|sismember)\((?P<name>.+)\))\)?"
)
_MARKS = ("add", "append", "appendleft", "set", "setex", "sadd")


def check_then_await(module: Module, report: Reporter) -> None:
    """Find `if id in seen: return`, an await, and only then `seen.add(id)`."""
    for function, question, then in _questions(module):
        match = _ASKS.fullmatch(question.text()[:300])
        if match is None:
            continue
        memory = match["memory"] or match["map"] or match["store"]
        key = match["key"] or match["entry"] or match["name"]
        known = SURELY_REMEMBERED if ".get(" in question.text() else REMEMBERED
        given = text(function.field("parameters"))
        named = known.search(f"{memory} {key}" if match["store"] else memory) is not None
        if not named and not (match["store"] and then and has_id_of(given, key)):
            continue
        if re.search(rf"\b{re.escape(memory)}\[.*\] *= ", text(then)):
            continue
        store = named and match["store"] is not None
        if _waits_before_mark(module, function, question, key, memory, store):
            report(question, "check-then-await", "memory", memory=memory)


def _questions(module: Module) -> Iterator[tuple[SgNode, SgNode, SgNode | None]]:
    """Yield what decides an `if`: its condition, or the value of the name in it; and what follows.

    The function around it comes first.
    """
    for statement in module.root.find_all(kind="if_statement"):
        condition, function = statement.field("condition"), enclosing(statement)
        if condition is not None and function is not None:
            yield function, condition, statement.field("consequence")
    for name, assignment in assignments_in(module.root):
        value, function = assignment.field("right"), enclosing(assignment)
        if value is not None and function is not None and name.isidentifier():
            after = function.text()[span(assignment)[1] - span(function)[0] :]
            if re.search(rf"\bif (not )?{name}\b", after):
                yield function, value, None


def _waits_before_mark(
    module: Module, function: SgNode, condition: SgNode, key: str, memory: str, store: bool
) -> bool:
    end = span(condition)[1]
    marks = [call.node for call in calls_in(function) if _marks(call, key, memory)]
    marks += [node for name, node in assignments_in(function) if name == f"{memory}[{key}]"]
    after = [span(node)[0] for node in marks if span(node)[0] > end]
    waits = store or any(
        end < span(node)[0]
        and span(node)[1] <= min(after, default=0)
        and enclosing(node) == function
        for node in function.find_all(kind="await")
    )
    return bool(after) and waits and not _locked(condition, function)


def _marks(call: Call, key: str, memory: str) -> bool:
    return (
        call.name in _MARKS
        and text(call.target) == memory
        and "nx" not in call.named
        and text(call.argument(0, "name")) in (key, key.partition(",")[0])
    )


def _locked(node: SgNode, function: SgNode) -> bool:
    """Return whether code is inside a `with` on a lock."""
    return any(
        around.kind() == "with_statement" and "lock" in around.text()[:200].lower()
        for around in up_to(node, function)
    )
