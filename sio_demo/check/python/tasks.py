"""Tasks and threads that a connect handler starts, and whether they end."""

from __future__ import annotations

import re

from ast_grep_py import SgNode

from .module import TASKS, Module, arguments_of, called

_ENDLESS_NAME = re.compile(
    r"(?i)forever|_loop$|^loop_|ticker|heartbeat|background_(thread|task|loop|worker)|poll|"
    r"monitor|periodic|every_"
)


def started(call: SgNode) -> SgNode | None:
    """Return what a call runs as a task or thread; None if nothing."""
    _, name = called(call)
    if name not in TASKS:
        return None
    positional, named = arguments_of(call)
    if name in ("Thread", "Greenlet"):
        return named.get("target") or (positional[0] if name == "Greenlet" and positional else None)
    if name in ("Timer", "spawn_later"):
        return positional[1] if len(positional) > 1 else named.get("function")
    first = positional[0] if positional else named.get("target") or named.get("coro")
    if first is not None and first.kind() == "call":
        return first.field("function")
    return first


def runs_for_ever(module: Module, target: SgNode) -> bool:
    function = module.function_of(target)
    if function is None:
        return bool(_ENDLESS_NAME.search(target.text().rpartition(".")[2]))
    name = function.field("name")
    for loop in function.find_all(kind="while_statement"):
        condition = loop.field("condition")
        if condition and condition.text() in ("True", "1", "(True)") and not _can_end(loop):
            return True
    for loop in function.find_all(kind="for_statement"):
        right = loop.field("right")
        if right and re.search(r"\.listen\(\)$|\bcount\(\d*\)$", right.text()):
            return not _can_end(loop)
    return any(
        called(call)[1] == "Timer" and name is not None and name.text() in call.text()
        for call in function.find_all(kind="call")
    )


def _can_end(loop: SgNode) -> bool:
    for kind in ("break_statement", "return_statement"):
        for node in loop.find_all(kind=kind):
            for ancestor in node.ancestors():
                if ancestor == loop:
                    return True
                if ancestor.kind() in ("function_definition", "lambda"):
                    break
                if kind == "break_statement" and ancestor.kind() in (
                    "for_statement",
                    "while_statement",
                ):
                    break
    return False


def stopped(module: Module, call: SgNode) -> bool:
    """Return whether the source stops what a call started, by the name that it is assigned to."""
    parent = call.parent()
    while parent is not None and parent.kind() in ("await", "parenthesized_expression"):
        parent = parent.parent()
    if parent is None or parent.kind() == "expression_statement":
        return False
    stops = r"\.(cancel|kill|stop|aclose|close|terminate)\("
    left = parent.field("left") if parent.kind() == "assignment" else None
    if left is not None and left.kind() in ("identifier", "attribute"):
        name = re.escape(left.text().rpartition(".")[2])
        return bool(
            re.search(rf"\b{name}\b[^\n]*{stops}", module.text)
            or re.search(rf"(cancel|kill|stop)\w*\([^\n]*\b{name}\b", module.text)
            or re.search(rf"=\s*(self\.)?{name}\b[\s\S]{{0,300}}{stops}", module.text)
        )
    return bool(re.search(stops, module.text))
