"""Timers that connect handlers start, on the client or the server, and nothing stops."""

import re
from collections.abc import Iterable

from ast_grep_py import SgNode

from ..calls import Call
from ..nodes import beyond, label, last_name, text, unwrap, up_to
from ..shared import word_set
from .connect import only_once
from .source import Source

_PASSES_ON = word_set(
    "as_expression parenthesized_expression non_null_expression ternary_expression "
    "binary_expression"
)
STARTS = frozenset({"connect", "reconnect"})


def timers_in_connect(source: Source) -> None:
    lost = [*(handler.function for handler in source.handlers), *source.disconnections]
    ends = _cleared(step.call for function in lost for step in source.flow.steps(function))
    for handler in source.handlers:
        target = handler.call.target or handler.call.node
        if handler.event in STARTS and source.is_client(target) and not only_once(source, handler):
            _timers(source, handler.function, "client", ends)
    for function in source.connections:
        _timers(source, function, "server", ends)


def _timers(source: Source, function: SgNode, side: str, ends: list[SgNode]) -> None:
    steps = source.flow.steps(function)
    cleared = [*_cleared(step.call for step in steps), *ends]
    for step in steps:
        call = step.call
        starts = _starts_timer(source, call) and not source.first_time(step)
        if starts and not _stopped(source, call, cleared):
            source.report(call, "timer-in-connect", side, timer=call.name)


def _starts_timer(source: Source, call: Call) -> bool:
    if call.name == "setInterval" and call.args:
        return call.target is None or call.target.text() in ("window", "global", "globalThis")
    return call.name == "setTimeout" and _calls_itself(source, call)


def _calls_itself(source: Source, call: Call) -> bool:
    """Return whether `setTimeout` unconditionally runs the function that contains it."""
    function = source.script.enclosing(call.node)
    name = source.script.names_of_functions.get(function) if function else None
    if function is None or not name or not call.args:
        return False
    again = unwrap(call.args[0])
    if again.kind() in ("arrow_function", "function_expression"):
        inner = source.script.calls_within(again)
        if not any(c.name == name and c.target is None for c in inner):
            return False
    elif last_name(again) != name:
        return False
    kinds = ("if_statement", "ternary_expression", "binary_expression", "return_statement")
    if any(around.kind() in kinds for around in up_to(call.node, function)):
        return False
    return not source.script.own(function, "return_statement")


def _cleared(calls: Iterable[Call]) -> list[SgNode]:
    return [c.args[0] for c in calls if c.name in ("clearInterval", "clearTimeout") and c.args]


def _stopped(source: Source, call: Call, cleared: list[SgNode]) -> bool:
    """Return whether one of the cleared timers is the one that a call starts."""
    place = beyond(call.node, _PASSES_ON)
    if place is None or place.kind() in ("expression_statement", "arrow_function"):
        return False
    kept = label(place, "name", "left")
    if kept is None or kept.kind() not in ("identifier", "member_expression"):
        return bool(cleared)
    name = last_name(kept)
    if kept.kind() == "identifier":
        home = source.script.resolve(kept)
        alike = (timer for timer in cleared if timer.text() == kept.text())
        if any(source.script.resolve(timer) is home for timer in alike):
            return True
        name = _collection_of(source, kept)
    if name in ("current", "value"):
        name = last_name(kept.field("object"))
    return name != "" and any(
        name in value.text() for timer in cleared for value in (timer, *source.values_of(timer))
    )


def _collection_of(source: Source, kept: SgNode) -> str:
    """Return the name of the map, array or object that a variable is put into, or ``""``."""
    home = text(source.script.enclosing(kept) or source.script.root)
    put = re.search(
        rf"(\w+)(\.(set|push|add)\([^()\n]*\b{kept.text()}\)|\[[^\n]*\] = {kept.text()}\b)", home
    )
    return put[1] if put else ""
