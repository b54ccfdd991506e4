"""An index of a parsed JavaScript or TypeScript source: calls, functions, names and values."""

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from functools import cached_property

from ast_grep_py import SgNode

from ..calls import Call, call_of
from ..nodes import WRAPPERS, find_kinds, label, last_name, parts, span, text, unwrap
from ..shared import Patience, word_set
from .bindings import Binding, bindings_of_declarator, bindings_of_parameters, imports_of

FUNCTIONS = word_set(
    "function_declaration function_expression arrow_function method_definition "
    "generator_function generator_function_declaration"
)
_PASS_ON = re.compile(
    "useCallback|useEffectEvent|useEvent|memo|forwardRef|observer|debounce|throttle|useMemoizedFn|"
    "action|asyncHandler"
)
MemberPath = tuple[str, ...]


def text_of_string(node: SgNode) -> str | None:
    """Return the text of a string literal; None if it has substitutions."""
    if node.kind() not in ("string", "template_string"):
        return None
    if any(c.kind() == "template_substitution" for c in node.children()):
        return None
    return node.text()[1:-1]


class Script:
    """A source, indexed for the rules."""

    def __init__(self, root: SgNode, text: str, grammar: str) -> None:
        self.root = root
        self.grammar = grammar
        self.text = text
        self.patience = Patience()
        self._enclosing: dict[SgNode, SgNode | None] = {}
        self._own: dict[tuple[str, ...], dict[SgNode | None, list[SgNode]]] = {}
        self._functions = _functions_in(root)
        self._starts = [start for start, *_ in self._functions]
        self.bindings: dict[tuple[SgNode | None, str], Binding] = {}
        self.members: dict[MemberPath, list[SgNode]] = defaultdict(list)
        self.member_types: dict[MemberPath, str] = {}
        self.properties: dict[str, list[SgNode]] = defaultdict(list)
        self.functions: dict[str, list[SgNode]] = defaultdict(list)
        self.names_of_functions: dict[SgNode, str] = {}
        self._bind()
        self._assign()

    @cached_property
    def calls(self) -> list[Call]:
        """All calls, in the order of their ends."""
        found = find_kinds(self.root, ("call_expression", "new_expression"))
        return sorted(map(call_of, found), key=lambda call: (call.end, call.start))

    @cached_property
    def _ends(self) -> list[int]:
        return [call.end for call in self.calls]

    @cached_property
    def by_name(self) -> dict[str, list[Call]]:
        """All calls, by the last name of what is called."""
        named: dict[str, list[Call]] = defaultdict(list)
        for call in self.calls:
            named[call.name].append(call)
        return named

    def called(self, *names: str) -> list[Call]:
        return [call for name in names for call in self.by_name.get(name, ())]

    def calls_within(self, node: SgNode) -> list[Call]:
        self.patience.ask()
        start, end = span(node)
        first = bisect_left(self._ends, start)
        last = bisect_left(self._ends, end + 1)
        return [call for call in self.calls[first:last] if call.start >= start]

    def enclosing(self, node: SgNode) -> SgNode | None:
        """Return the function that contains a node; None at the top level."""
        self.patience.ask()
        if node not in self._enclosing:
            self._enclosing[node] = self._find_enclosing(node)
        return self._enclosing[node]

    def _find_enclosing(self, node: SgNode) -> SgNode | None:
        start, end = span(node)
        number = bisect_right(self._starts, start) - 1
        while number >= 0:
            _, last, outer, function = self._functions[number]
            if last >= end and function != node:
                return function
            number = outer
        return None

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
        if body is None or body.kind() != "statement_block":
            return [body] if body else []
        return [s for r in self.own(function, "return_statement") for s in parts(r)[:1]]

    def resolve(self, identifier: SgNode, name: str | None = None) -> Binding | None:
        """Return the binding that a name refers to where it is used."""
        name = name or identifier.text()
        scope = self.enclosing(identifier)
        while True:
            binding = self.bindings.get((scope, name))
            if binding or scope is None:
                return binding
            scope = self.enclosing(scope)

    def path(self, node: SgNode) -> MemberPath | None:
        """Return the names in `a.b.c`, with aliases of `this` as `this`."""
        node = unwrap(node)
        kind = node.kind()
        if kind == "this":
            return ("this",)
        if kind == "identifier":
            binding = self.resolve(node)
            if binding and any(v.kind() == "this" for v in binding.values):
                return ("this",)
            return (node.text(),)
        if kind == "member_expression":
            inner, member = node.field("object"), node.field("property")
            before = self.path(inner) if inner else None
            return (*before, member.text()) if before and member else None
        return None

    def _add(self, binding: Binding) -> None:
        known = self.bindings.setdefault((binding.scope, binding.name), binding)
        if known is not binding:
            known.values += binding.values
            known.module = known.module or binding.module
            known.imported = known.imported or binding.imported

    def _bind(self) -> None:
        for statement in self.root.find_all(kind="import_statement"):
            for binding in imports_of(statement):
                self._add(binding)
        for node in find_kinds(self.root, FUNCTIONS):
            self._name_function(node)
            for binding in bindings_of_parameters(node):
                self._add(binding)
                if binding.member:
                    self.member_types.setdefault(("this", binding.name), binding.type)
        for node in self.root.find_all(kind="variable_declarator"):
            for binding in bindings_of_declarator(node, self.enclosing(node)):
                self._add(binding)

    def _name_function(self, node: SgNode) -> None:
        name = text(node.field("name"))
        if node.kind() in ("function_declaration", "generator_function_declaration") and name:
            self._add(Binding(name, self.enclosing(node), "function", node, [node]))
        elif not name:
            name = _name_given(node)
        if name:
            self.functions[name].append(node)
            self.names_of_functions[node] = name

    def _assign(self) -> None:
        for node in find_kinds(
            self.root, ("assignment_expression", "augmented_assignment_expression")
        ):
            left, right = node.field("left"), node.field("right")
            if not left or not right:
                continue
            left = unwrap(left)
            if left.kind() == "identifier":
                binding = self.resolve(left)
                if binding is None:
                    binding = Binding(left.text(), None, "global", left)
                    self._add(binding)
                binding.values.append(right)
            elif path := self.path(left):
                self.members[path].append(right)
        field = "field_definition" if self.grammar == "javascript" else "public_field_definition"
        for node in self.root.find_all(kind=field):
            if name := label(node, "name", "property"):
                path = ("this", name.text())
                if value := node.field("value"):
                    self.members[path].append(value)
                if written := node.field("type"):
                    self.member_types[path] = written.text()
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
