"""What declares a name: imports, `require`, variables, parameters, destructuring."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from ast_grep_py import SgNode

from ..nodes import label, parts, text, unwrap


@dataclass
class Binding:
    """A name in a scope, with the `values` assigned to it.

    A destructured name has a `key`, and the `source` that is destructured; a parameter its
    `index`. An import has its `module`, and the name that is `imported` from there.
    """

    name: str
    scope: SgNode | None
    kind: Literal["import", "variable", "parameter", "function", "global"]
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
    value = unwrap(value) if value else None
    if value is None or text(value.field("function")) not in ("require", "import"):
        return ""
    string = next((a for a in parts(value.field("arguments")) if a.kind() == "string"), None)
    return text(string)[1:-1]


def bindings_of_declarator(declarator: SgNode, scope: SgNode | None) -> Iterator[Binding]:
    value = declarator.field("value")
    module = required_module(value)
    for node, key in _names(declarator.field("name")):
        found = Binding(node.text(), scope, "import" if module else "variable", node, key=key)
        found.module, found.imported = module, (key or "*") if module else ""
        if key:
            found.source = value
        elif value:
            found.values.append(value)
        yield found


def bindings_of_parameters(function: SgNode) -> Iterator[Binding]:
    single = function.field("parameter")
    for index, node in enumerate([single] if single else parts(function.field("parameters"))):
        member = any(c.kind() in ("accessibility_modifier", "readonly") for c in node.children())
        written = text(node.field("type"))
        for name, key in _names(node.field("pattern") or node):
            found = Binding(name.text(), function, "parameter", name, type=written, key=key)
            found.index, found.member = index, member
            yield found


def _names(pattern: SgNode | None, key: str = "") -> Iterator[tuple[SgNode, str]]:
    """Yield the names in `a`, `{a, b: c, d = 1}` or `[a, b]`, each with its key; `a` has none."""
    pattern = label(pattern, "left") or pattern  # without its default
    if pattern is None:
        return
    if pattern.kind() in ("identifier", "shorthand_property_identifier_pattern"):
        yield pattern, key
    elif pattern.kind() in ("object_pattern", "array_pattern"):
        for part in parts(pattern):
            value = part.field("value") or part
            key = text(label(part, "key")) or text(label(value, "left") or value)
            yield from _names(value, key)
