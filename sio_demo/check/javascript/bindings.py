"""What declares a name: imports, `require`, variables, parameters, destructuring."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from ast_grep_py import SgNode

from ..nodes import parts, text

BindingKind = Literal["import", "variable", "parameter", "function", "global"]


@dataclass
class Binding:
    """A name in a scope, with the `values` assigned to it.

    A destructured name has a `key`, and the `source` that is destructured; a parameter its
    `index`. An import has its `module`, and the name that is `imported` from there.
    """

    name: str
    scope: SgNode | None
    kind: BindingKind
    node: SgNode
    values: list[SgNode] = field(default_factory=list)
    type: str = ""
    module: str = ""
    imported: str = ""
    source: SgNode | None = None
    key: str = ""
    index: int = -1
    member: bool = False


def imports_of(statement: SgNode) -> Iterator[Binding]:
    source = statement.field("source") or statement.find(kind="string")
    module = source.text()[1:-1] if source else ""
    for specifier in statement.find_all(kind="import_specifier"):
        if name := specifier.field("name"):
            yield _imported(specifier.field("alias") or name, module, name.text())
    for clause in statement.children():
        imported = "default" if clause.kind() == "import_clause" else "*"
        for node in parts(clause):
            if node.kind() == "identifier":
                yield _imported(node, module, imported)
            elif node.kind() == "namespace_import":
                yield from (_imported(name, module, "*") for name in parts(node))


def _imported(node: SgNode, module: str, imported: str) -> Binding:
    return Binding(node.text(), None, "import", node, module=module, imported=imported)


def required_module(value: SgNode | None) -> str:
    """Return the module that `require("m")` or `await import("m")` loads, or ``""``."""
    while value is not None and value.kind() in ("await_expression", "parenthesized_expression"):
        value = next((c for c in value.children() if c.is_named()), None)
    if value is None or text(value.field("function")) not in ("require", "import"):
        return ""
    string = next((a for a in parts(value.field("arguments")) if a.kind() == "string"), None)
    return text(string)[1:-1]


def bindings_of_declarator(declarator: SgNode, scope: SgNode | None) -> Iterator[Binding]:
    pattern, value = declarator.field("name"), declarator.field("value")
    module = required_module(value)
    kind: BindingKind = "import" if module else "variable"
    if pattern and pattern.kind() == "identifier":
        values, written = [value] if value else [], text(declarator.field("type"))
        whole = "*" if module else ""
        yield Binding(pattern.text(), scope, kind, pattern, values, written, module, whole)
        return
    for name, key in _names(pattern):
        found = Binding(name.text(), scope, kind, name, source=value, key=key)
        found.module, found.imported = module, key if module else ""
        yield found


def _names(pattern: SgNode | None) -> Iterator[tuple[SgNode, str]]:
    """Yield each name in `{a, b: c, d = 1}` or `[a, b]`, with its key."""
    for part in map(_without_default, parts(pattern)):
        if part.kind() in ("shorthand_property_identifier_pattern", "identifier"):
            yield part, part.text()
        elif part.kind() == "pair_pattern" and (value := part.field("value")):
            value = _without_default(value)
            if value.kind() == "identifier":
                yield value, text(part.field("key"))
            elif value.kind() == "object_pattern":
                yield from _names(value)


def _without_default(pattern: SgNode) -> SgNode:
    if pattern.kind() in ("object_assignment_pattern", "assignment_pattern"):
        return pattern.field("left") or pattern
    return pattern


def bindings_of_parameters(function: SgNode) -> Iterator[Binding]:
    single = function.field("parameter")
    if single:
        yield Binding(single.text(), function, "parameter", single, index=0)
        return
    for index, node in enumerate(parts(function.field("parameters"))):
        written = text(node.field("type"))
        member = any(c.kind() in ("accessibility_modifier", "readonly") for c in node.children())
        pattern = _without_default(node.field("pattern") or node)
        if pattern.kind() == "identifier":
            found = Binding(pattern.text(), function, "parameter", pattern, type=written)
            found.index, found.member = index, member
            yield found
        elif pattern.kind() in ("object_pattern", "array_pattern"):
            for name, key in _names(pattern):
                yield Binding(name.text(), function, "parameter", name, key=key or "?", index=index)
