"""Hooks and composables that make a client of their own for each component that calls them."""

from ast_grep_py import SgNode

from ..calls import Call
from ..nodes import label, unwrap, up_to
from .flow import Flow
from .roles import Roles
from .script import Script
from .streams import Ask


def exported(flow: Flow, name: str) -> list[SgNode]:
    """Return the functions that a source exports under a name."""
    script = flow.script
    if name not in ("default", "*"):
        return script.functions.get(name, [])[:1]
    values = list(script.members.get(("module", "exports"), ()))
    for statement in script.root.find_all(kind="export_statement"):
        if any(child.kind() == "default" for child in statement.children()):
            values += [v for v in map(statement.field, ("value", "declaration")) if v]
    found = [flow.function_of(value) for value in values]
    return [function for function in found if function is not None]


def owns_client(script: Script, name: str, _ask: Ask) -> bool:
    """Return whether an exported function makes a client, and keeps it in a name of its own."""
    roles = Roles(script)
    return any(
        roles.makes_client(call) and not _is_shared(script, call, function)
        for function in exported(Flow(script), name)
        for call in script.calls_within(function)
    )


def _is_shared(script: Script, made: Call, function: SgNode) -> bool:
    """Return whether a client is kept outside of the function that makes it."""
    for around in up_to(made.node, function):
        kept = label(around, "left") if around.kind() == "assignment_expression" else None
        path = script.path(unwrap(kept)) if kept is not None else None
        if kept is not None and path:
            binding = script.resolve(kept, path[0])
            return binding is None or binding.scope is None
    return False
