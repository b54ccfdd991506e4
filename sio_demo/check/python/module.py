"""A parsed Python source: its functions, names, Socket.IO objects and handlers."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Literal

from ast_grep_py import SgNode

from ..calls import Call, Step, call_of, mentions, steps
from ..nodes import kind, label, last_name, nearest, parts, span, text, up_to
from ..shared import Patience, Reporter, word_set

Side = Literal["client", "server"]

TASKS = word_set(
    "create_task ensure_future start_background_task run_coroutine_threadsafe Thread Timer spawn "
    "spawn_n spawn_later start_soon Greenlet start_new_thread submit run_in_executor add_job"
)
_CLIENT = re.compile(r"^(Async)?(Simple)?Client$")
_SERVER = re.compile(r"^((Async)?Server|SocketIO)$")
_MODULE = re.compile(
    r"(?m)^[ \t]*import[ \t][^#\n]{0,200}?\b((?:flask_)?socketio)(?:[ \t]+as[ \t]+(\w+))?"
)
_NAMESPACE = re.compile(r"(?:^|\.)(?:Async)?(Client)?Namespace$")
_NAME = re.compile(r"(?i)^_*(sio|socket_?io|socket|client|io|server|sio_?client|sio_?server)$")


@dataclass(frozen=True)
class EventHandler:
    event: str
    side: Side
    function: SgNode


def calls_in(node: SgNode) -> Iterator[Call]:
    return map(call_of, node.find_all(kind="call"))


def assignments_in(node: SgNode) -> Iterator[tuple[str, SgNode]]:
    for assignment in node.find_all(kind="assignment"):
        yield text(assignment.field("left")), assignment


def enclosing(node: SgNode) -> SgNode | None:
    found = (a for a in node.ancestors() if a.kind() in ("function_definition", "lambda"))
    return next(found, None)


def string_of(node: SgNode | None) -> str | None:
    """Return the text of a string literal; None if it is not plain."""
    if node is None or node.kind() != "string" or node.find(kind="interpolation"):
        return None
    return text(node.find(kind="string_content"))


def _guards(function: SgNode) -> tuple[set[str], list[SgNode]]:
    """Return the names that a function assigns or adds to, and where it may be left early."""
    assigned = {name for name, _ in assignments_in(function)}
    assigned |= {text(c.target) for c in calls_in(function) if c.name in ("add", "append", "set")}
    conditions = function.find_all(kind="if_statement")
    exits = [statement for statement in conditions if statement.find(kind="return_statement")]
    return {name.partition("[")[0] for name in assigned} - {""}, exits


class Module:
    def __init__(self, root: SgNode, source: str, report: Reporter) -> None:
        self.root = root
        self.text = source
        self.report = report
        self.patience = Patience()
        self._guards = cache(_guards)
        self.flask = "flask_socketio" in source
        self._modules = {"socketio", *(m[2] or m[1] for m in _MODULE.finditer(source))}
        self._renamed = {new: old for old, new in re.findall(r"\b(\w+) as (\w+)", source)}
        self.functions: dict[str, list[SgNode]] = defaultdict(list)
        for function in root.find_all(kind="function_definition"):
            self.functions[text(function.field("name"))].append(function)
        self._sides = {
            name: side
            for name, node in assignments_in(root)
            if (side := self.side_of_value(node.field("right")))
        }

    def side_of_value(self, node: SgNode | None) -> Side | None:
        """Return which side of Socket.IO an expression creates, if any."""
        if node is None or node.kind() != "call":
            return None
        owner, _, name = text(node.field("function")).rpartition(".")
        name = self._renamed.get(name, name)
        side: Side | None
        side = "client" if _CLIENT.match(name) else "server" if _SERVER.match(name) else None
        if owner or side is None:
            return side if owner in self._modules else None
        imports = rf"from\s+(flask_)?socketio\b[^\n]*import\s[^#]*?\b{name}\b"
        return side if re.search(imports, self.text) else None

    def is_socketio(self, node: SgNode | None) -> bool:
        self.patience.ask()
        return text(node) in self._sides or _NAME.match(last_name(node)) is not None

    @cached_property
    def handlers(self) -> list[EventHandler]:
        return [*self._decorated(), *self._registered(), *self._in_namespaces()]

    def registration(self, decorator: SgNode) -> tuple[SgNode, str | None] | None:
        """Return the object and the event of ``@sio.on("event")`` or ``@sio.event``."""
        expression = parts(decorator)[0]
        called = expression.field("function") or expression
        owner, name = called.field("object"), text(called.field("attribute"))
        event = self.event_of(call_of(expression)) if called != expression else None
        if owner is None or not self.is_socketio(owner) or (event is None and name != "event"):
            return None
        return owner, event

    def first_time(self, step: Step) -> bool:
        """Return whether a step, or what leads to it, has a condition on what it changes."""
        return any(self._guarded(*place) for place in step.way)

    def _guarded(self, node: SgNode, function: SgNode) -> bool:
        names, exits = self._guards(function)
        statements = [around for around in up_to(node, function) if around.kind() == "if_statement"]
        statements += [exit for exit in exits if span(exit)[1] <= span(node)[0]]
        conditions = " ".join(text(statement.field("condition")) for statement in statements)
        return mentions(conditions, names)

    def event_of(self, call: Call) -> str | None:
        """Return the event of ``sio.on("event")``; None if it is another call."""
        registers = call.name in ("on", "on_event") and self.is_socketio(call.target)
        return string_of(call.argument(0, "event")) if registers else None

    def _decorated(self) -> Iterator[EventHandler]:
        for decorator in self.root.find_all(kind="decorator"):
            function = label(decorator.parent(), "definition")
            found = self.registration(decorator)
            if found and function and function.kind() == "function_definition":
                event = found[1] or text(function.field("name"))
                yield EventHandler(event, self._side(found[0], function), function)

    def _registered(self) -> Iterator[EventHandler]:
        for call in calls_in(self.root):
            event = self.event_of(call)
            function = self.function_of(call.argument(1, "handler")) if event else None
            if event and function and call.target:
                yield EventHandler(event, self._side(call.target, function), function)

    def _in_namespaces(self) -> Iterator[EventHandler]:
        for node in self.root.find_all(kind="class_definition"):
            bases = [base.text() for base in parts(node.field("superclasses"))]
            kinds = [match[1] for base in bases if (match := _NAMESPACE.search(base))]
            for part in parts(node.field("body")) if kinds else ():
                function = part.field("definition") or part
                name = text(function.field("name"))
                if name.startswith("on_"):
                    yield EventHandler(name[3:], "client" if any(kinds) else "server", function)

    def _side(self, owner: SgNode, function: SgNode) -> Side:
        if side := self._sides.get(owner.text()):
            return side
        first = re.match(r"\W*((self|cls),\s*)?(sid|environ)", text(function.field("parameters")))
        flask = self.flask or last_name(owner) == "socketio"  # python-socketio's has no `on`
        return "server" if flask or first else "client"

    def function_of(self, node: SgNode | None) -> SgNode | None:
        """Return the function that an expression is, or refers to as `name` or `self.name`."""
        self.patience.ask()
        if kind(node) == "lambda":
            return node
        method = text(label(node, "object")) in ("self", "cls")
        if node is None or not (node.kind() == "identifier" or method):
            return None
        found = self.functions.get(last_name(node), [])
        before = [f for f in found if span(f)[0] < span(node)[0] and node.kind() == "identifier"]
        return nearest(before or found, node)

    def steps(self, function: SgNode) -> Iterator[Step]:
        return steps(function, calls_in, self.called, depth=2)

    def called(self, call: Call) -> SgNode | None:
        """Return the function that a call runs, if it does not only make a coroutine for a task."""
        parent = call.node.parent()
        outer = parent.parent() if parent and parent.kind() == "argument_list" else None
        return None if outer and call_of(outer).name in TASKS else self.function_of(call.callee)
