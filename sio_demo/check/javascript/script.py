"""An index of a parsed JavaScript or TypeScript source: calls, functions, names and values."""

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from operator import attrgetter
from typing import Literal

from ast_grep_py import SgNode

from ..calls import Call, call_of
from ..nodes import WRAPPERS, find_kinds, kind, label, last_name, parts, span, text, unwrap
from ..pages import Parsed
from ..shared import Patience, word_set

FUNCTIONS = word_set(
    "function_declaration function_expression arrow_function method_definition "
    "generator_function generator_function_declaration"
)
ASSIGNMENTS = ("assignment_expression", "augmented_assignment_expression")
_PASS_ON = re.compile(
    "useCallback|useEffectEvent|useEvent|memo|forwardRef|observer|debounce|throttle|useMemoizedFn|"
    "action|asyncHandler"
)
IS_MODULE = re.compile(r"(?m)^[ \t]*(?:import|export)\b|^[^/\n]*\b(?:exports\b|require\()")
MemberPath = tuple[str, ...]
Ask = Callable[[Callable[..., bool], str, str], bool]
"""Asks the file of a module a question about what it exports under a name."""


@dataclass
class Binding:
    """A name in a scope, and its `values`; if destructured, its `key` in the `source`."""

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
    """Yield what `import` binds, and what `export { a as b }`, also `from "m"`, hands on."""
    source = label(statement, "source") or label(statement.parent(), "source")
    module = text(source or statement.find(kind="string"))[1:-1]
    for specifier in find_kinds(statement, ("import_specifier", "export_specifier")):
        name, alias = specifier.field("name"), specifier.field("alias")
        if name and module:
            yield _imported(alias or name, module, name.text())
        elif name and alias:
            yield Binding(alias.text(), None, "variable", alias, [name])
    for clause in statement.children() if statement.kind() == "import_statement" else ():
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
    module, written = required_module(value), text(declarator.field("type"))
    for node, key in _names(declarator.field("name")):
        found = Binding(node.text(), scope, "variable", node, type=written, key=key)
        if module:
            found.kind, found.module, found.imported = "import", module, key or "*"
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


def text_of_string(node: SgNode) -> str | None:
    """Return the text of a string literal; None if it has substitutions."""
    plain = not any(c.kind() == "template_substitution" for c in node.children())
    return node.text()[1:-1] if plain and node.kind() in ("string", "template_string") else None


class Script:
    def __init__(self, parsed: Parsed, text: str) -> None:
        self.root, self.grammar, self.page = parsed.root, parsed.grammar, parsed.page
        self.text = text
        self.patience = Patience()
        self.enclosing = cache(self._find_enclosing)
        self._own: dict[tuple[str, ...], dict[SgNode | None, list[SgNode]]] = {}
        self._functions = _functions_in(self.root)
        self._starts = [start for start, *_ in self._functions]
        self.bindings: dict[tuple[SgNode | None, str], Binding] = {}
        self.members: dict[MemberPath, list[SgNode]] = defaultdict(list)
        self.member_types: dict[MemberPath, str] = {}
        self.properties: dict[str, list[SgNode]] = defaultdict(list)
        self.functions: dict[str, list[SgNode]] = defaultdict(list)
        self.names_of_functions: dict[SgNode, str] = {}
        found = find_kinds(self.root, ("call_expression", "new_expression"))
        self.calls = sorted(map(call_of, found), key=lambda call: (call.end, call.start))
        self.by_name: dict[str, list[Call]] = defaultdict(list)
        for call in self.calls:
            self.by_name[call.name].append(call)
        self._bind()
        self._assign()

    @cached_property
    def classic(self) -> bool:
        """Whether what a script does not define comes from another one of its page."""
        return self.grammar == "javascript" and not IS_MODULE.search(self.text)

    def called(self, *names: str) -> list[Call]:
        return [call for name in names for call in self.by_name.get(name, ())]

    def calls_within(self, node: SgNode) -> list[Call]:
        self.patience.ask()
        start, end = span(node)
        first, last = (
            bisect_left(self.calls, at, key=attrgetter("end")) for at in (start, end + 1)
        )
        return [call for call in self.calls[first:last] if call.start >= start]

    def _find_enclosing(self, node: SgNode) -> SgNode | None:
        """Return the function that contains a node; None at the top level."""
        self.patience.ask()
        start, end = span(node)
        number = bisect_right(self._starts, start) - 1
        while number >= 0:
            _, last, outer, function = self._functions[number]
            if last >= end and function != node:
                return function
            number = outer
        return None

    def part(self, call: Call) -> SgNode:
        """Return the part of the file that a call is in, such as a component."""
        return [call.node, *call.node.ancestors()][-2]

    def own(self, function: SgNode | None, *kinds: str) -> list[SgNode]:
        """Return the nodes of some kinds in a function, without those of inner functions."""
        if kinds not in self._own:
            index = self._own[kinds] = defaultdict(list)
            for node in find_kinds(self.root, kinds):
                index[self.enclosing(node)].append(node)
        return self._own[kinds].get(function, [])

    def returns(self, function: SgNode) -> list[SgNode]:
        """Return the expressions that a function returns: in statements, or as its body."""
        body = function.field("body")
        if kind(body) != "statement_block":
            return [body] if body else []
        return [s for r in self.own(function, "return_statement") for s in parts(r)[:1]]

    def has(self, name: str) -> bool:
        """Return whether a function or a value of this file has a name."""
        values = getattr(self.bindings.get((None, name)), "values", ())
        return name in self.functions or bool(values)

    def exported(self, name: str) -> list[SgNode]:
        """Return the values that other files import under a name."""
        if name not in ("default", "*"):
            binding = self.bindings.get((None, name))
            return binding.values if binding else []
        values = list(self.members.get(("module", "exports"), ()))
        for statement in self.root.find_all(kind="export_statement"):
            if any(child.kind() == "default" for child in statement.children()):
                values += [v for v in map(statement.field, ("value", "declaration")) if v]
        return values

    def resolve(self, node: SgNode | None, name: str = "") -> Binding | None:
        """Return the binding that a name refers to where it is used."""
        if node is None:
            return None
        name = name or node.text()
        scope = self.enclosing(node)
        while True:
            binding = self.bindings.get((scope, name))
            if binding or scope is None:
                return binding
            scope = self.enclosing(scope)

    def path(self, node: SgNode | None) -> MemberPath:
        """Return the names in `a.b.c`, with aliases of `this` as `this`; else `()`."""
        node = unwrap(node) if node else None
        what = kind(node)
        if what == "member_expression":
            before = self.path(label(node, "object"))
            return (*before, text(label(node, "property"))) if before else ()
        if what not in ("identifier", "this"):
            return ()
        binding = self.resolve(node)
        this = binding is not None and any(v.kind() == "this" for v in binding.values)
        return ("this" if this else text(node),)

    def _bind(self) -> None:
        for statement in find_kinds(self.root, ("import_statement", "export_clause")):
            for binding in imports_of(statement):
                self.bindings.setdefault((binding.scope, binding.name), binding)
        for node in find_kinds(self.root, FUNCTIONS):
            self._name_function(node)
            for binding in bindings_of_parameters(node):
                self.bindings.setdefault((binding.scope, binding.name), binding)
                if binding.member:
                    self.member_types.setdefault(("this", binding.name), binding.type)
        for node in self.root.find_all(kind="variable_declarator"):
            for binding in bindings_of_declarator(node, self.enclosing(node)):
                self.bindings.setdefault((binding.scope, binding.name), binding)
        for call in self.calls:  # Nuxt imports what its folder of composables exports
            hook = call.target is None and re.match(r"use[A-Z]", call.name)
            if hook and self.resolve(call.callee) is None:
                self.bindings[None, call.name] = _imported(call.callee, "#imports", call.name)

    def _name_function(self, node: SgNode) -> None:
        name = text(node.field("name"))
        if node.kind() in ("function_declaration", "generator_function_declaration") and name:
            home = self.enclosing(node)
            self.bindings.setdefault((home, name), Binding(name, home, "function", node, [node]))
        elif not name:
            name = _name_given(node)
        if name:
            self.functions[name].append(node)
            self.names_of_functions[node] = name

    def _assign(self) -> None:
        for node in find_kinds(self.root, ASSIGNMENTS):
            left, right = node.field("left"), node.field("right")
            if not left or not right:
                continue
            left = unwrap(left)
            if left.kind() == "identifier":
                binding = self.resolve(left) or Binding(left.text(), None, "global", left)
                binding.values.append(right)
                self.bindings[binding.scope, binding.name] = binding
            elif path := self.path(left):
                self.members[path].append(right)
        field = "field_definition" if self.grammar == "javascript" else "public_field_definition"
        for node in self.root.find_all(kind=field):
            path = ("this", text(label(node, "name", "property")))
            self.member_types.setdefault(path, text(node.field("type")))
            if value := node.field("value"):
                self.members[path].append(value)
        for node in self.root.find_all(kind="pair"):
            key, value = node.field("key"), node.field("value")
            if key and value:
                self.properties[key.text().strip("\"'")].append(value)


def _functions_in(root: SgNode) -> list[tuple[int, int, int, SgNode]]:
    """Return the start and end of each function, and the number of the one around it, or -1."""
    found: list[tuple[int, int, int, SgNode]] = []
    around: list[int] = []
    for function in sorted(find_kinds(root, FUNCTIONS), key=lambda f: (span(f)[0], -span(f)[1])):
        start, end = span(function)
        while around and found[around[-1]][1] < end:
            around.pop()
        found.append((start, end, around[-1] if around else -1, function))
        around.append(len(found) - 1)
    return found


def _name_given(function: SgNode) -> str:
    """Return the name that a function is assigned to, through wrappers such as `useCallback`."""
    parent = function.parent()
    for _ in range(4):
        if parent is None or parent.kind() not in ("arguments", "call_expression", *WRAPPERS):
            break
        called = last_name(parent.field("function"))
        if parent.kind() == "call_expression" and not _PASS_ON.match(called):
            return ""
        parent = parent.parent()
    given = label(parent, "name", "key", "property", "left")
    return last_name(given) if given != function else ""
