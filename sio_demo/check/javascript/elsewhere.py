"""What functions of other files are, and which of them run: for connections, or when mounted."""

import re
from collections.abc import Iterator

from ast_grep_py import SgNode

from ..calls import Call, call_of
from ..nodes import beyond, kind, label, last_name, text, unwrap, up_to
from .flow import Flow
from .roles import CLIENTS, Role, Roles
from .script import Script, required_module
from .source import Ask, Entry, Source

_ENDS = re.compile(r"\b(take\w*|first)\(")


def service_of(script: Script, call: Call) -> tuple[str, str] | None:
    """Return the module and method of a service that an Angular class gets injected."""
    path = script.path(call.target)
    if path[:1] != ("this",) or len(path) != 2 or call.new:
        return None
    type_of_member = script.member_types.get(path, "")
    for value in script.members.get(path, ()):
        made = re.match(r"inject\((\w+)\)", value.text())
        type_of_member = made[1] if made else type_of_member
    binding = script.bindings.get((None, type_of_member.strip(": ")))
    return (binding.module, call.name) if binding is not None and binding.module else None


def returns_stream(script: Script, name: str, ask: Ask) -> bool:
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
        return roles.of(call.target or next(iter(call.args), None)) in CLIENTS
    service = service_of(roles.script, call)
    return service is not None and ask(returns_stream, *service)


def is_left_open(subscribe: Call, ends: list[Call]) -> bool:
    """Return whether nothing ends a subscription: it is not kept, or not unsubscribed."""
    place = beyond(subscribe.node, ("as_expression", "non_null_expression"))
    if kind(place) != "assignment_expression":
        return kind(place) in ("", "expression_statement")
    kept = last_name(label(place, "left"))
    return not any(kept in text(end.target) for end in ends if end.name == "unsubscribe")


def owns_client(script: Script, name: str, _ask: Ask) -> bool:
    """Return whether an exported function makes a client, and keeps it in a name of its own."""
    roles = Roles(script)
    return any(
        roles.makes_client(call) and not _is_shared(script, call, function)
        for function in Flow(script).exported(name)
        for call in script.calls_within(function)
    )


def _is_shared(script: Script, made: Call, function: SgNode) -> bool:
    for around in up_to(made.node, function):
        kept = label(around, "left") if around.kind() == "assignment_expression" else None
        if path := script.path(kept):
            binding = script.resolve(kept, path[0])
            return binding is None or binding.scope is None
    return False


def is_owned(source: Source, target: SgNode) -> bool:
    """Return whether a client comes from a hook that makes one for each of its callers."""
    path = source.script.path(source.root_of(target))
    binding = source.script.resolve(target, path[0]) if path else None
    if binding is None:
        return False
    for made in map(unwrap, filter(None, (binding.source, *binding.values))):
        call = call_of(made)
        if made.kind() == "call_expression" and call.name.startswith("use"):
            hook = source.script.resolve(call.callee, call.name)
            if hook is not None and hook.module:
                return source.ask(owns_client, hook.module, hook.imported)
            return owns_client(source.script, call.name, source.ask)
    return False


def run_by_connections(source: Source) -> Iterator[Entry]:
    """Yield functions of other files that are connection handlers, or get their socket."""
    for call in source.script.calls:
        if source.roles.is_server_connection(call) and (found := _imported(source, call.args[1])):
            yield Entry(*found, "connection", 0)
    for function in source.connections:
        for call in source.script.calls_within(function):
            found = _imported(source, call.callee)
            for index, argument in enumerate(call.args):
                if found and source.roles.of(argument) is Role.PEER:
                    yield Entry(*found, "connection", index)


def run_by_mount(source: Source, call: Call, composed: bool) -> list[Entry]:
    """Return what a mount runs of another file as a statement; if `composed`, of a composable."""
    found = service_of(source.script, call)
    statement = kind(call.node.parent()) in ("", "expression_statement", "variable_declarator")
    if found is None and call.target is None and not call.new and statement:
        found = _imported(source, call.callee, composed)
    return [Entry(*found, "mount")] if found else []


def _imported(source: Source, node: SgNode, composed: bool = False) -> tuple[str, str] | None:
    if module := required_module(node):
        return module, "default"
    if node.kind() == "member_expression":
        owner = source.script.resolve(node.field("object"))
        whole = owner is not None and owner.imported in ("*", "default")
        return (owner.module, text(node.field("property"))) if owner and whole else None
    binding = source.script.resolve(node)
    if binding is None or binding.module:
        return (binding.module, binding.imported) if binding else None
    if composed and binding.key and kind(binding.source) == "call_expression":
        maker = source.script.resolve(label(binding.source, "function"))
        if maker is not None and maker.module:
            return maker.module, binding.key
    return None
