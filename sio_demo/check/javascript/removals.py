"""Whether listeners are removed again."""

import re
from collections.abc import Iterable

from ast_grep_py import SgNode

from ..calls import Call
from ..nodes import span, unwrap
from .facts import CLIENTS, Role
from .flow import REMOVES
from .source import Source


def removed_before(source: Source, call: Call, calls: Iterable[Call]) -> bool:
    """Return whether one of the calls runs before another and removes the listener that it adds.

    Emptying the client's private `_callbacks` counts too.
    """
    before = call.start if call.target is None else span(call.target)[1]
    home = source.script.enclosing(call.node) or source.script.root
    return "._callbacks" in home.text()[: before - span(home)[0]] or removed(
        source, call, (other for other in calls if other.end <= before)
    )


def removed(source: Source, call: Call, calls: Iterable[Call]) -> bool:
    """Return whether one of the calls removes the listener that a call adds."""
    return any(
        other.name in REMOVES
        and _same_target(source, other.target, call.target)
        and takes_off(source, other, call)
        for other in calls
    )


def _same_target(source: Source, one: SgNode | None, two: SgNode | None) -> bool:
    if one is None or two is None:
        return False
    a, b = source.root_of(one), source.root_of(two)
    return a.text() == b.text() or source.roles.of(a) in (*CLIENTS, Role.MANAGER)


def takes_off(source: Source, removes: Call, adds: Call) -> bool:
    """Return whether an `off` removes what an `on` adds."""
    if not removes.args:
        return True
    return _same_event(source, removes, adds) and not _wrong_function(source, removes, adds)


def _same_event(source: Source, one: Call, two: Call) -> bool:
    """Return whether two calls can be for the same event; a variable can be any."""
    first, second = map(source.event_of, (one, two))
    if first is None or second is None or first == second:
        return True
    literal = all(unwrap(call.args[0]).kind() == "string" for call in (one, two))
    return not literal and _plain(first) == _plain(second)


def _plain(event: str) -> str:
    """Return an event so that `Events.JOIN_ROOM` is the same as `"join-room"`."""
    return re.sub(r"[\W_]", "", event).lower()


def _wrong_function(source: Source, removes: Call, adds: Call) -> bool:
    """Return whether `off` gets a function that was never added."""
    if len(removes.args) < 2 or len(adds.args) < 2:
        return False
    functions = [unwrap(adds.args[1]), unwrap(removes.args[1])]
    for function in functions:
        bound = function.kind() == "call_expression" and ".bind(" in function.text()
        if bound or function.kind() in ("arrow_function", "function_expression"):
            return True
    one, two = map(source.flow.function_of, functions)
    return one is not None and two is not None and one != two
