"""What declares a name: imports, `require`, variables, parameters, destructuring."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from ast_grep_py import SgNode

BindingKind = Literal["import", "variable", "parameter", "function", "global"]


@dataclass
class Binding:
    """A name in a scope, with the `values` assigned to it.

    A destructured name has a `key` or an `index`, and the `source` that is destructured. An
    import has its `module`, and the name that is `imported` from there.
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
    for node in statement.find_all(kind="import_specifier"):
        name = node.field("name")
        alias = node.field("alias") or name
        if name and alias:
            yield _imported(alias, module, name.text())
    for clause in statement.children():
        if clause.kind() == "import_require_clause":
            yield from (_imported(c, module, "*") for c in _identifiers(clause))
        if clause.kind() == "import_clause":
            yield from (_imported(c, module, "default") for c in _identifiers(clause))
            for star in clause.children():
                if star.kind() == "namespace_import":
                    yield from (_imported(c, module, "*") for c in _identifiers(star))


def _imported(node: SgNode, module: str, imported: str) -> Binding:
    return Binding(node.text(), None, "import", node, module=module, imported=imported)


def _identifiers(node: SgNode) -> list[SgNode]:
    return [c for c in node.children() if c.kind() == "identifier"]


def required_module(value: SgNode | None) -> str:
    """Return the module that `require("m")` or `await import("m")` loads, or ``""``."""
    while value is not None and value.kind() in ("await_expression", "parenthesized_expression"):
        value = next((c for c in value.children() if c.is_named()), None)
    if value is None or value.kind() != "call_expression":
        return ""
    callee, arguments = value.field("function"), value.field("arguments")
    if callee is None or arguments is None or callee.text() not in ("require", "import"):
        return ""
    string = next((c for c in arguments.children() if c.kind() == "string"), None)
    return string.text()[1:-1] if string else ""


def bindings_of_pattern(
    pattern: SgNode, declarator: SgNode, scope: SgNode | None
) -> Iterator[Binding]:
    value, type_ = declarator.field("value"), declarator.field("type")
    module = required_module(value)
    if pattern.kind() == "identifier":
        yield Binding(
            pattern.text(),
            scope,
            "import" if module else "variable",
            pattern,
            [value] if value else [],
            type_.text() if type_ else "",
            module,
            "*" if module else "",
        )
        return
    for name, key, index in _parts(pattern):
        yield Binding(
            name.text(),
            scope,
            "import" if module else "variable",
            name,
            module=module,
            imported=key if module else "",
            source=value,
            key=key,
            index=index,
        )


def _parts(pattern: SgNode) -> Iterator[tuple[SgNode, str, int]]:
    """Yield name, key and index of each name in `{a, b: c, d = 1}` or `[a, b]`."""
    position = -1
    for part in pattern.children():
        if not part.is_named() or part.kind() == "comment":
            continue
        position += 1
        index = position if pattern.kind() == "array_pattern" else -1
        kind = part.kind()
        if kind in ("object_assignment_pattern", "assignment_pattern"):
            part = part.field("left") or part
            kind = part.kind()
        if kind in ("shorthand_property_identifier_pattern", "identifier"):
            yield part, part.text(), index
        elif kind == "pair_pattern":
            key, value = part.field("key"), part.field("value")
            if key and value and value.kind() == "assignment_pattern":
                value = value.field("left")
            if key and value and value.kind() == "identifier":
                yield value, key.text(), -1
            elif value and value.kind() == "object_pattern":
                yield from _parts(value)


def bindings_of_parameters(function: SgNode) -> Iterator[Binding]:
    single = function.field("parameter")
    if single:
        yield Binding(single.text(), function, "parameter", single, index=0)
        return
    parameters = function.field("parameters")
    index = -1
    for node in parameters.children() if parameters else []:
        if not node.is_named() or node.kind() == "comment":
            continue
        index += 1
        type_ = node.field("type")
        member = any(c.kind() in ("accessibility_modifier", "readonly") for c in node.children())
        pattern = node.field("pattern") or node
        if pattern.kind() == "assignment_pattern":
            pattern = pattern.field("left") or pattern
        written = type_.text() if type_ else ""
        if pattern.kind() == "identifier":
            yield Binding(
                pattern.text(),
                function,
                "parameter",
                pattern,
                type=written,
                index=index,
                member=member,
            )
        elif pattern.kind() in ("object_pattern", "array_pattern"):
            for name, key, _ in _parts(pattern):
                yield Binding(name.text(), function, "parameter", name, key=key or "?", index=index)
