"""Observables of a client's events: `socket.fromEvent("news").subscribe(show)`."""

import re
from collections.abc import Callable

from ast_grep_py import SgNode

from ..calls import Call, call_of
from ..nodes import last_name, text, unwrap
from .facts import CLIENTS
from .roles import Roles
from .script import Script

Ask = Callable[[Callable[..., bool], str, str], bool]
"""Asks the file of a module a question about a function that it exports."""

_ENDS = re.compile(r"\b(take\w*|first)\(")


def service_of(script: Script, call: Call) -> tuple[str, str] | None:
    """Return the module and method of a service that an Angular class gets injected."""
    path = script.path(call.target) if call.target is not None else None
    if path is None or path[0] != "this" or len(path) != 2 or call.new:
        return None
    type_of_member = script.member_types.get(path, "")
    for value in script.members.get(path, ()):
        made = re.match(r"inject\((\w+)\)", value.text())
        type_of_member = made[1] if made else type_of_member
    binding = script.bindings.get((None, type_of_member.strip(": ")))
    return (binding.module, call.name) if binding is not None and binding.module else None


def returns_stream(script: Script, name: str, ask: Ask) -> bool:
    """Return whether a function returns the events of a client."""
    roles = Roles(script)
    return any(
        is_stream(roles, returned, ask)
        for function in script.functions.get(name, ())[:1]
        for returned in script.returns(function)
    )


def is_stream(roles: Roles, node: SgNode, ask: Ask) -> bool:
    """Return whether an expression is the events of a client, without an end of its own."""
    node = unwrap(node)
    while node.kind() == "call_expression":
        call = call_of(node)
        if call.name != "pipe" or call.target is None or _ENDS.search(node.text()):
            break
        node = unwrap(call.target)
    else:
        return False
    if call.name == "fromEvent":
        client = call.target or next(iter(call.args), None)
        return client is not None and roles.of(client) in CLIENTS
    service = service_of(roles.script, call)
    return service is not None and ask(returns_stream, *service)


def is_left_open(subscribe: Call, ends: list[Call]) -> bool:
    """Return whether nothing ends a subscription: it is not kept, or not unsubscribed."""
    place = subscribe.node.parent()
    while place is not None and place.kind() in ("as_expression", "non_null_expression"):
        place = place.parent()
    if place is None or place.kind() != "assignment_expression":
        return place is None or place.kind() == "expression_statement"
    kept = last_name(place.field("left"))
    return not any(kept in text(end.target) for end in ends if end.name == "unsubscribe")
