"""Timers that connect handlers start, on the client or the server, and nothing stops."""

from __future__ import annotations

from ast_grep_py import SgNode

from .connect import only_once
from .flow import CallStep
from .script import Call, unwrap
from .source import Source

STARTS = frozenset({"connect", "reconnect"})


def timers_in_connect(source: Source) -> None:
    for handler in source.handlers:
        target = handler.call.target or handler.call.node
        if handler.event in STARTS and source.is_client(target) and not only_once(source, handler):
            _timers(source, handler.function, "at every reconnection")
    for function in source.connections:
        _timers(source, function, "for every connection, also one that comes back")


def _timers(source: Source, function: SgNode, when: str) -> None:
    for step in source.flow.steps(function):
        if not _starts_timer(source, step):
            continue
        if _stopped(source, step.call) or source.first_time(step):
            continue
        source.report(
            step.call,
            "timer-in-connect",
            f"`{step.call.name}` starts another timer {when}, and nothing stops the old one: "
            "what it sends is sent by each of them. Start it once, or clear it in 'disconnect'.",
        )


def _starts_timer(source: Source, step: CallStep) -> bool:
    call = step.call
    if call.name == "setInterval" and call.args:
        return call.target is None or call.target.text() in ("window", "global", "globalThis")
    return call.name == "setTimeout" and _calls_itself(source, call)


def _calls_itself(source: Source, call: Call) -> bool:
    """Return whether `setTimeout` unconditionally runs the function that contains it."""
    if not call.args:
        return False
    function = source.script.enclosing(call.node)
    name = source.script.names_of_functions.get(function) if function else None
    if function is None or not name:
        return False
    again = unwrap(call.args[0])
    if again.kind() in ("arrow_function", "function_expression"):
        inner = source.script.calls_within(again)
        if not any(c.name == name and c.target is None for c in inner):
            return False
    elif again.text().rpartition(".")[2] != name:
        return False
    kinds = ("if_statement", "ternary_expression", "binary_expression", "return_statement")
    if any(a.kind() in kinds for a in _up_to(call.node, function)):
        return False
    returns = function.find_all(kind="return_statement")
    return all(source.script.enclosing(statement) != function for statement in returns)


def _up_to(node: SgNode, end: SgNode) -> list[SgNode]:
    found = []
    for ancestor in node.ancestors():
        if ancestor == end:
            break
        found.append(ancestor)
    return found


def _stopped(source: Source, call: Call) -> bool:
    """Return whether the source clears the name that a timer is assigned to."""
    kept = _kept_as(call.node)
    clears = [
        c
        for name in ("clearInterval", "clearTimeout")
        for c in source.script.by_name.get(name, ())
        if c.args
    ]
    if kept is None:
        return False
    name, plain = kept
    if not plain:
        return bool(clears)
    return any(name in c.args[0].text().replace("?.", ".") for c in clears) or any(
        name == other for c in clears for other in _aliases(source, c.args[0])
    )


def _aliases(source: Source, node: SgNode) -> list[str]:
    return [value.text().rpartition(".")[2] for value in source.values_of(node)]


def _kept_as(node: SgNode) -> tuple[str, bool] | None:
    """Return the last name that a value is assigned to, and whether it is a plain name."""
    parent = node.parent()
    while parent and parent.kind() in (
        "as_expression",
        "parenthesized_expression",
        "non_null_expression",
        "ternary_expression",
        "binary_expression",
    ):
        parent = parent.parent()
    if parent is None or parent.kind() == "expression_statement":
        return None
    if parent.kind() == "variable_declarator" and (name := parent.field("name")):
        return name.text(), True
    if parent.kind() == "assignment_expression" and (left := parent.field("left")):
        plain = left.kind() in ("identifier", "member_expression")
        text = left.text().replace("?.", ".").rpartition(".")[2]
        if text == "current":
            text = left.text().replace("?.", ".").split(".")[-2]
        return text, plain
    return ("", False) if parent.kind() != "arrow_function" else None
