"""Values in user interfaces: what functions return, refs, and state."""

from __future__ import annotations

from ast_grep_py import SgNode

from .bindings import Binding
from .script import FUNCTIONS, Call, Script, unwrap


def returned_by(script: Script, node: SgNode) -> SgNode | None:
    """Return the first expression that a function returns."""
    node = unwrap(node)
    if node.kind() not in FUNCTIONS:
        return None
    body = node.field("body")
    if body is None or body.kind() != "statement_block":
        return body
    for statement in body.find_all(kind="return_statement"):
        if script.enclosing(statement) == node:
            return next((c for c in statement.children() if c.is_named()), None)
    return None


def values_of_reference(script: Script, reference: SgNode) -> list[SgNode]:
    """Return the initial values of `useRef(...)` or `ref(...)`."""
    reference = unwrap(reference)
    binding = script.resolve(reference) if reference.kind() == "identifier" else None
    values = binding.values if binding else []
    found: list[SgNode] = []
    for value in map(unwrap, values):
        if value.kind() == "call_expression":
            call = script.call_of(value)
            if call.name in ("useRef", "ref", "shallowRef", "createRef"):
                types = value.field("type_arguments")
                if binding and types and not binding.type:
                    binding.type = types.text()
                found += call.args[:1]
    return found


def values_of_state(script: Script, binding: Binding, call: Call) -> list[SgNode]:
    """Return the initial value of `useState(...)`, and the arguments of its setter."""
    values = [returned_by(script, arg) or arg for arg in call.args[:1]]
    pattern = binding.node.parent()
    names = [c for c in (pattern.children() if pattern else []) if c.kind() == "identifier"]
    if len(names) == 2:
        for use in script.by_name.get(names[1].text(), ()):
            values += use.args[:1]
    return values
