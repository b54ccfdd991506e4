"""What runs when a handler runs: its calls, the calls that these lead to, and their guards."""

import re
from collections.abc import Iterator
from functools import cache
from math import inf

from ast_grep_py import SgNode

from ..calls import Call, Step, call_of, dispatched, mentions, steps
from ..nodes import kind, label, nearest, parts, span, text, unwrap, up_to
from ..shared import word_set
from .script import ASSIGNMENTS, FUNCTIONS, Script

_OWNERS = word_set("this self that _this methods actions")
_MADE = ("new_expression",)
_OBJECTS = ("object", *_MADE)
_LATER = word_set("setTimeout then nextTick finally setImmediate run")
_LISTENERS = re.compile(r"\b(hasListeners|listeners|listenerCount)\b")


class Flow:
    def __init__(self, script: Script) -> None:
        self.script = script
        self.steps = cache(self._find_steps)
        self.guarded = cache(self._is_guarded)
        self._changes = cache(self._find_changes)

    def function_of(self, node: SgNode) -> SgNode | None:
        """Return the function that an expression is or refers to."""
        node = unwrap(node)
        match node.kind():
            case "identifier":
                found = self.script.resolve(node)
                written = found.values if found and found.kind != "parameter" else []
                return next(filter(None, map(self.function_of, written)), None)
            case "member_expression":
                return nearest(self.script.functions.get(text(node.field("property")), []), node)
            case "array":  # of AngularJS: the names of what it needs come first
                return next(map(self.function_of, parts(node)[-1:]), None)
            case "call_expression":
                call = call_of(node)
                if call.name == "bind" and call.target is not None:
                    return self.function_of(call.target)
                if call.name.startswith(("use", "debounce", "thr")):
                    return next((a for a in call.args if a.kind() in FUNCTIONS), None)
        return node if node.kind() in FUNCTIONS else None

    def exported(self, name: str) -> list[SgNode]:
        name = name.rpartition(".")[2]  # `App.chat.bind`
        if name not in ("default", "*"):
            return self.script.functions.get(name, [])[:1]
        return list(filter(None, map(self.function_of, self.script.exported(name))))

    def _find_steps(self, function: SgNode, depth: int = 3) -> tuple[Step, ...]:
        return tuple(steps(function, self.script.calls_within, self.called, depth))

    def called(self, call: Call) -> SgNode | None:
        """Return the function that a call runs: its callee, or what a timer or promise gets."""
        if call.name in _LATER:
            args = [a for a in call.args if a.kind() in ("identifier", "member_expression")]
            return self.function_of(args[0]) if args else None
        if named := dispatched(call.callee):
            return next(iter(self.script.functions.get(named, ())), None)
        if call.new:
            made = self.script.functions.get("constructor", ())
            return next((c for c in made if _class_of(c) == call.name), None)
        if call.target is None:
            return self.function_of(call.callee) if call.callee.kind() == "identifier" else None
        path = self.script.path(call.target)
        binding = self.script.resolve(call.target)
        here = any(self._has_methods(value) for value in (binding.values if binding else ()))
        known = len(path) == 1 and (path[0] in _OWNERS or here)
        return self.function_of(call.callee) if known else None

    def _has_methods(self, value: SgNode) -> bool:
        """Return whether an object has methods that may be written in this file."""
        made = self.script.resolve(call_of(value).callee) if value.kind() in _MADE else None
        return value.kind() in _OBJECTS and not (made and made.module)

    def _is_guarded(self, node: SgNode, function: SgNode) -> bool:
        """Return whether code runs once: its condition then changes, or is about listeners."""
        home = self.script.enclosing(node) or function
        changes = (*self._changes(function), *self._changes(home))
        left = (a for a in up_to(node, function) if a.kind() == "if_statement" and _leaves(a))
        last = min((span(statement)[1] for statement in left), default=inf)
        for end, condition in self.conditions(node, function):
            later = {name for place, name in changes if end < place < last or place == inf}
            sure = condition.endswith("\0") or _LISTENERS.search(condition)
            if sure or mentions(_plain(condition), later):
                return True
        return False

    def conditions(self, node: SgNode, function: SgNode) -> Iterator[tuple[int, str]]:
        """Yield the conditions under which code in a function runs: their ends, and their text."""
        start = span(node)[0]
        for ancestor in up_to(node, function):
            if ancestor.kind() in ("if_statement", "ternary_expression"):
                condition = ancestor.field("condition")
                if condition and span(condition)[1] <= start:
                    yield span(condition)[1], condition.text()
            elif ancestor.kind() in ("binary_expression", "augmented_assignment_expression"):
                operator = text(ancestor.field("operator"))
                if operator in ("&&", "||", "??", "??=", "||="):
                    left = text(ancestor.field("left"))
                    yield span(ancestor)[0], left + ("\0" if "=" in operator else "")
        for statement in self.script.own(self.script.enclosing(node) or function, "if_statement"):
            if span(statement)[1] <= start and _leaves(statement):
                yield span(statement)[1], text(statement.field("condition"))

    def _find_changes(self, function: SgNode) -> list[tuple[float, str]]:
        """Return where a function assigns what; a count or a state is changed everywhere."""
        found: list[tuple[float, str]] = []
        for node in self.script.own(function, *ASSIGNMENTS, "update_expression"):
            place = span(node)[0] if node.kind() == "assignment_expression" else inf
            found.append((place, _plain(text(label(node, "left", "argument")))))
        for call in map(call_of, self.script.own(function, "call_expression")):
            target, given = text(call.target), text(next(iter(call.args), None))
            if call.name in ("add", "set", "push") and target:
                found.append((inf, target))
            elif call.name in ("connect", "open", "init"):  # the client in a service
                found.append((call.start, f"{target}.socket"))
            elif call.name in ("set", "setState"):  # `set({ listening: true })`
                found += ((inf, name) for name in re.findall(r"(\w+)\s*[:,}]", given))
            elif re.match(r"set[A-Z]", call.name) and not target:
                found.append((inf, call.name[3].lower() + call.name[4:]))
        return found


def _class_of(constructor: SgNode) -> str:
    body = constructor.parent()
    return text(label(body.parent() if body else None, "name"))


def _plain(expression: str) -> str:
    """Return an expression without what only says that it may be missing."""
    return expression.replace("?.", ".").replace("!", "")


def _leaves(statement: SgNode) -> bool:
    body = statement.field("consequence")
    returns = any(kind(node) == "return_statement" for node in (body, *parts(body)[-1:]))
    return returns and statement.field("alternative") is None
