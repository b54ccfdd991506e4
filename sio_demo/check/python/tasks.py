"""Tasks and threads that a connect handler starts, and whether they end."""

import re
from typing import Any

from ast_grep_py import SgNode

from ..calls import Call
from ..nodes import beyond, last_name, parts, text
from .module import TASKS, Module, calls_in, enclosing

_ENDLESS_NAME = re.compile(
    r"(?i)forever|_loop$|^loop_|ticker|heartbeat|background_(thread|task|loop|worker)|poll|"
    r"monitor|periodic|every_"
)

_INNER = [{"kind": "function_definition"}, {"kind": "lambda"}]
_LOOPS = [{"kind": "for_statement"}, {"kind": "while_statement"}]
_ENDLESS: Any = {
    "any": [
        {"kind": "while_statement", "has": {"field": "condition", "regex": r"^\(?(True|1)\)?$"}},
        {
            "kind": "for_statement",
            "has": {"field": "right", "regex": r"\.listen\(\)$|\bcount\(\d*\)$"},
        },
    ],
    "not": {
        "any": [
            {"has": {"kind": "return_statement", "stopBy": {"any": _INNER}}},
            {"has": {"kind": "break_statement", "stopBy": {"any": _INNER + _LOOPS}}},
        ]
    },
}
_PLACES = {  # where the function is among the arguments, if it is not the first
    "Thread": (1, "target"),
    "Greenlet": (0, "target"),
    "Timer": (1, "function"),
    "spawn_later": (1, "function"),
}


def started(call: Call) -> SgNode | None:
    """Return what a call runs as a task or thread; None if nothing."""
    if call.name not in TASKS:
        return None
    if place := _PLACES.get(call.name):
        return call.argument(*place)
    first = call.argument(0, "target") or call.named.get("coro")
    return first.field("function") if first and first.kind() == "call" else first


def runs_for_ever(module: Module, target: SgNode) -> bool:
    if target.kind() in ("lambda", "call"):  # also the call of `partial(watch, 1)`
        inner = [call.node.field("function") for call in calls_in(target)]
        inner += parts(target.field("arguments"))[:1]
        names = [n for n in inner if n is not None and n.kind() in ("identifier", "attribute")]
        return any(runs_for_ever(module, name) for name in names)
    function = module.function_of(target)
    if function is None:
        return bool(_ENDLESS_NAME.search(last_name(target)))
    name = text(function.field("name"))
    timers = (call.node.text() for call in calls_in(function) if call.name == "Timer")
    return endless_loop(function) is not None or any(name in timer for timer in timers)


def endless_loop(function: SgNode) -> SgNode | None:
    """Return the first loop of a function that never ends, without those of inner functions."""
    loops = function.find_all(**_ENDLESS)
    return next((loop for loop in loops if enclosing(loop) == function), None)


def stopped(module: Module, call: SgNode) -> bool:
    """Return whether the source stops what a call started, by the name that it is assigned to."""
    parent = beyond(call, ("await", "parenthesized_expression"))
    if parent is None or parent.kind() == "expression_statement":
        return False
    stops = r"\.(cancel|kill|stop|aclose|close|terminate)\("
    left = parent.field("left") if parent.kind() == "assignment" else None
    if left is not None and left.kind() in ("identifier", "attribute"):
        name = re.escape(last_name(left))
        return bool(
            re.search(rf"\b{name}\b[^\n]*{stops}", module.text)
            or re.search(rf"(cancel|kill|stop)\w*\([^\n]*\b{name}\b", module.text)
            or re.search(rf"=\s*(self\.)?{name}\b[\s\S]{{0,300}}{stops}", module.text)
        )
    return bool(re.search(stops, module.text))
