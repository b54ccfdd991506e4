"""Whether listeners are removed again."""

import re
from collections.abc import Iterable

from ..calls import Call
from ..nodes import span, unwrap
from .flow import REMOVES
from .roles import CLIENTS, Role
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
    emitter = source.root_of(call.target or call.node).text()
    roots = ((c, source.root_of(c.target)) for c in calls if c.name in REMOVES and c.target)
    return any(
        (root.text() == emitter or source.roles.of(root) in (*CLIENTS, Role.MANAGER))
        and takes_off(source, other, call)
        for other, root in roots
    )


def takes_off(source: Source, removes: Call, adds: Call) -> bool:
    return not removes.args or (
        _same_event(source, removes, adds) and not _wrong_function(source, removes, adds)
    )


def _same_event(source: Source, one: Call, two: Call) -> bool:
    """Return whether two calls can be for the same event; a variable can be any."""
    first, second = map(source.event_of, (one, two))
    if first is None or second is None or first == second:
        return True
    literal = all(unwrap(call.args[0]).kind() == "string" for call in (one, two))
    plain = [re.sub(r"[\W_]", "", event).lower() for event in (first, second)]
    return not literal and plain[0] == plain[1]  # `Events.JOIN_ROOM` is "join-room"


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
