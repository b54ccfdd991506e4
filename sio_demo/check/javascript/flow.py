"""What runs when a handler runs: its calls, the calls that these lead to, and their guards."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from ast_grep_py import SgNode

from ..shared import word_set
from .facts import REGISTERS
from .script import FUNCTIONS, Call, Script, span, unwrap

REMOVES = word_set("off removeListener removeEventListener removeAllListeners offAny")
CLOSES = word_set("disconnect close destroy end terminate")
CALL_DEPTH = 3
_CONNECTED = re.compile(r"[\w$.]+\.(connected|disconnected|active)\b")
_LISTENERS = re.compile(r"\b(hasListeners|listeners|listenerCount)\b")


@dataclass(frozen=True)
class CallStep:
    """A call that runs, the function that contains it, and the calls that led there."""

    call: Call
    function: SgNode
    trail: tuple[tuple[Call, SgNode], ...]


class Flow:
    """Follows functions through one source."""

    def __init__(self, script: Script) -> None:
        self.script = script

    def function_of(self, node: SgNode) -> SgNode | None:
        """Return the function that an expression is or refers to."""
        node = unwrap(node)
        kind = node.kind()
        if kind in FUNCTIONS:
            return node
        if kind == "identifier":
            return self._function_named(node)
        if kind == "member_expression":
            member = node.field("property")
            found = self.script.functions.get(member.text(), []) if member else []
            return self._nearest(found, node)
        if kind == "call_expression":
            call = self.script.call_of(node)
            if call.name == "bind" and call.target is not None:
                return self.function_of(call.target)
            inner = [a for a in call.args if a.kind() in FUNCTIONS]
            return inner[0] if inner and call.name.startswith(("use", "debounce", "thr")) else None
        return None

    def _function_named(self, node: SgNode) -> SgNode | None:
        binding = self.script.resolve(node)
        if binding is None or binding.kind in ("import", "parameter"):
            return None
        for value in binding.values:
            if (function := self.function_of(value)) is not None:
                return function
        return None

    def _nearest(self, functions: list[SgNode], node: SgNode) -> SgNode | None:
        """Return the one of several methods that is in the same class or object as the caller."""
        if len(functions) < 2:
            return functions[0] if functions else None
        homes = [a for a in node.ancestors() if a.kind() in ("class_body", "object")]
        for home in homes:
            start, end = span(home)
            inside = [f for f in functions if start <= span(f)[0] < end]
            if len(inside) == 1:
                return inside[0]
        return None

    def steps(self, function: SgNode, depth: int = CALL_DEPTH) -> Iterator[CallStep]:
        """Yield all calls in this source that a function leads to."""
        yield from self._steps(function, (), {function}, depth)

    def _steps(
        self,
        function: SgNode,
        trail: tuple[tuple[Call, SgNode], ...],
        seen: set[SgNode],
        depth: int,
    ) -> Iterator[CallStep]:
        start, end = span(function)
        for call in self.script.calls_within(function):
            yield CallStep(call, function, trail)
            if depth <= 0 or call.name in REGISTERS or call.name in REMOVES:
                continue
            target = self._called(call)
            if target is None or target in seen:
                continue
            first, last = span(target)
            if start <= first and last <= end:
                continue
            seen.add(target)
            yield from self._steps(target, ((call, function), *trail), seen, depth - 1)

    def _called(self, call: Call) -> SgNode | None:
        """Return the function that a call runs: its callee, or what a timer or promise gets."""
        if call.new:
            return None
        if call.name in ("setTimeout", "then", "nextTick", "finally", "setImmediate", "run"):
            args = [a for a in call.args if a.kind() in ("identifier", "member_expression")]
            return self.function_of(args[0]) if args else None
        if call.target is None:
            if call.callee.kind() == "identifier":
                return self.function_of(call.callee)
            return None
        path = self.script.path(call.target)
        if path and path[0] in ("this", "self", "that", "_this", "methods", "actions"):
            return self.function_of(call.callee) if len(path) == 1 else None
        if path and len(path) == 1 and path[0] in self._objects:
            return self.function_of(call.callee)
        return None

    @cached_property
    def _objects(self) -> set[str]:
        """Names of object literals in this source, whose methods can be followed."""
        return {
            binding.name
            for binding in self.script.bindings.values()
            if any(unwrap(v).kind() == "object" for v in binding.values)
        }

    def guarded(self, node: SgNode, function: SgNode) -> bool:
        """Return whether code runs only the first time: under a condition that it changes.

        The condition of an `if` around it, or of an early `return` before it, mentions something
        that the function assigns, or the listeners that exist.
        """
        texts = self.conditions(node, function)
        if not texts:
            return False
        homes = {function, self._home(node, function)}
        assigned = self._assigned(function, homes)
        return any(_says_first_time(text, assigned) for text in texts)

    def conditions(self, node: SgNode, function: SgNode) -> list[str]:
        """Return the conditions under which code in a function runs, as source text."""
        return list(self._conditions(node, function, span(node)[0]))

    def _conditions(self, node: SgNode, function: SgNode, start: int) -> Iterator[str]:
        for ancestor in node.ancestors():
            if ancestor == function:
                break
            if ancestor.kind() in ("if_statement", "ternary_expression"):
                condition = ancestor.field("condition")
                if condition and span(condition)[1] <= start:
                    yield condition.text()
            elif ancestor.kind() in ("binary_expression", "augmented_assignment_expression"):
                operator = ancestor.field("operator")
                left = ancestor.field("left")
                if operator and left and operator.text() in ("&&", "||", "??", "??=", "||="):
                    yield left.text() + ("\0" if "=" in operator.text() else "")
        for statement in function.find_all(kind="if_statement"):
            if span(statement)[1] <= start and _leaves(statement):
                condition = statement.field("condition")
                if condition and self.script.enclosing(statement) == self._home(node, function):
                    yield condition.text()

    def _home(self, node: SgNode, function: SgNode) -> SgNode:
        return self.script.enclosing(node) or function

    def _assigned(self, function: SgNode, homes: set[SgNode]) -> set[str]:
        kinds = ("assignment_expression", "augmented_assignment_expression", "update_expression")
        found = set()
        for node in function.find_all(any=[{"kind": kind} for kind in kinds]):
            left = node.field("left") or node.field("argument")
            if left and self.script.enclosing(node) in homes:
                found.add(left.text().replace("?.", ".").replace("!", ""))
        for call in self.script.calls_within(function):
            if self.script.enclosing(call.node) not in homes:
                continue
            if call.name in ("add", "set", "push") and call.target is not None:
                found.add(call.target.text())
            if re.match(r"set[A-Z]", call.name) and call.target is None:
                found.add(call.name[3].lower() + call.name[4:])
        return found


def _leaves(statement: SgNode) -> bool:
    consequence = statement.field("consequence")
    if consequence is None or statement.field("alternative") is not None:
        return False
    if consequence.kind() == "return_statement":
        return True
    last = [c for c in consequence.children() if c.is_named() and c.kind() != "comment"]
    return bool(last) and last[-1].kind() == "return_statement"


def _says_first_time(condition: str, assigned: set[str]) -> bool:
    if condition.endswith("\0") or _LISTENERS.search(condition):
        return True
    condition = _CONNECTED.sub("", condition.replace("?.", ".").replace("!", ""))
    names = set()
    for path in re.findall(r"[\w$]+(?:\.[\w$]+)*", condition):
        parts = path.split(".")
        names |= {".".join(parts[:n]) for n in range(1, len(parts) + 1)}
    return bool(names & assigned)
