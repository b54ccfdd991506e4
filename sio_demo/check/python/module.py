"""A parsed Python source: its functions, names, Socket.IO objects and handlers."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from ast_grep_py import SgNode

from ..shared import word_set

Side = Literal["client", "server"]

_CLIENT = re.compile(r"^(socketio\.)?(Async)?(Simple)?Client$")
_SERVER = re.compile(r"^((socketio\.)?(Async)?Server|(flask_socketio\.)?SocketIO)$")
_CLIENT_NAMESPACE = re.compile(r"(Async)?ClientNamespace$")
_SERVER_NAMESPACE = re.compile(r"(^|\.)(Async)?Namespace$")
_NAME = re.compile(r"(?i)^_*(sio|socket_?io|socket|client|io|server|sio_?client|sio_?server)$")


@dataclass(frozen=True)
class EventHandler:
    """A handler of an event, and the side that it runs on."""

    event: str
    side: Side
    function: SgNode


def arguments_of(call: SgNode) -> tuple[list[SgNode], dict[str, SgNode]]:
    positional, named = [], {}
    arguments = call.field("arguments")
    for node in arguments.children() if arguments else []:
        if node.kind() == "keyword_argument":
            name, value = node.field("name"), node.field("value")
            if name and value:
                named[name.text()] = value
        elif node.is_named() and node.kind() != "comment":
            positional.append(node)
    return positional, named


def called(call: SgNode) -> tuple[SgNode | None, str]:
    """Return the object whose method is called, or None, and the name of what is called."""
    function = call.field("function")
    if function is None:
        return None, ""
    if function.kind() == "attribute":
        name = function.field("attribute")
        return function.field("object"), name.text() if name else ""
    return None, function.text() if function.kind() == "identifier" else ""


def string_of(node: SgNode | None) -> str | None:
    """Return the text of a string literal; None if it is not plain."""
    if node is None or node.kind() != "string" or node.find(kind="interpolation"):
        return None
    content = [c for c in node.children() if c.kind() == "string_content"]
    return "".join(c.text() for c in content)


class Module:
    """A Python source as the rules see it."""

    def __init__(self, root: SgNode, text: str) -> None:
        self.root = root
        self.text = text
        self.flask = "flask_socketio" in text
        self.functions: dict[str, list[SgNode]] = defaultdict(list)
        for function in root.find_all(kind="function_definition"):
            if name := function.field("name"):
                self.functions[name.text()].append(function)
        self._sides = dict(self._objects())

    def _objects(self) -> Iterator[tuple[str, Side]]:
        for node in self.root.find_all(kind="assignment"):
            left, right = node.field("left"), node.field("right")
            if left and right and (side := self.side_of_value(right)):
                yield left.text(), side

    def side_of_value(self, node: SgNode) -> Side | None:
        """Return which side of Socket.IO an expression creates, if any."""
        if node.kind() != "call":
            return None
        function = node.field("function")
        name = function.text() if function else ""
        if _CLIENT.match(name) and self._imported(name):
            return "client"
        return "server" if _SERVER.match(name) and self._imported(name) else None

    def _imported(self, name: str) -> bool:
        if "." in name:
            return True
        return bool(
            re.search(rf"from\s+(flask_)?socketio\b[^\n]*import\s[^#]*?\b{name}\b", self.text)
        )

    def is_socketio(self, node: SgNode | None) -> bool:
        if node is None:
            return False
        text = node.text()
        return text in self._sides or bool(_NAME.match(text.rpartition(".")[2]))

    def enclosing(self, node: SgNode) -> SgNode | None:
        """Return the function that contains a node."""
        found = (a for a in node.ancestors() if a.kind() in ("function_definition", "lambda"))
        return next(found, None)

    @cached_property
    def handlers(self) -> list[EventHandler]:
        """All event handlers: registered by decorator or call, or methods of a namespace class."""
        return [*self._decorated(), *self._registered(), *self._in_namespaces()]

    def registration(self, decorator: SgNode) -> tuple[SgNode, str | None] | None:
        """Return the object and the event of ``@sio.on("event")`` or ``@sio.event``."""
        expression = next((c for c in decorator.children() if c.is_named()), None)
        event = None
        if expression is not None and expression.kind() == "call":
            positional, named = arguments_of(expression)
            event = string_of(positional[0]) if positional else string_of(named.get("event"))
            expression = expression.field("function")
        if expression is None or expression.kind() != "attribute":
            return None
        owner, name = expression.field("object"), expression.field("attribute")
        if owner is None or name is None or name.text() not in ("on", "event"):
            return None
        if not self.is_socketio(owner) or (name.text() == "on" and event is None):
            return None
        return owner, event if name.text() == "on" else None

    def _decorated(self) -> Iterator[EventHandler]:
        for node in self.root.find_all(kind="decorated_definition"):
            function = node.field("definition")
            if function is None or function.kind() != "function_definition":
                continue
            for decorator in (c for c in node.children() if c.kind() == "decorator"):
                if found := self.registration(decorator):
                    name = function.field("name")
                    event = found[1] or (name.text() if name else "")
                    yield EventHandler(event, self._side(found[0], function), function)

    def _registered(self) -> Iterator[EventHandler]:
        for call in self.root.find_all(kind="call"):
            owner, name = called(call)
            if name != "on" or not self.is_socketio(owner):
                continue
            positional, named = arguments_of(call)
            event = string_of(positional[0]) if positional else None
            given = positional[1] if len(positional) > 1 else named.get("handler")
            function = self.function_of(given) if given else None
            if owner and event and function:
                yield EventHandler(event, self._side(owner, function), function)

    def _in_namespaces(self) -> Iterator[EventHandler]:
        for node in self.root.find_all(kind="class_definition"):
            bases, body = node.field("superclasses"), node.field("body")
            names = [c.text() for c in bases.children() if c.is_named()] if bases else []
            side: Side | None = None
            if any(_CLIENT_NAMESPACE.search(name) for name in names):
                side = "client"
            elif any(_SERVER_NAMESPACE.search(name) for name in names):
                side = "server"
            for part in body.children() if body and side else []:
                function = part.field("definition") or part
                name = function.field("name")
                if side and name and name.text().startswith("on_"):
                    yield EventHandler(name.text()[3:], side, function)

    def _side(self, owner: SgNode, function: SgNode) -> Side:
        if side := self._sides.get(owner.text()):
            return side
        if self.flask:
            return "server"
        parameters = function.field("parameters")
        names = [c.text() for c in parameters.children() if c.is_named()] if parameters else []
        names = [n for n in names if n not in ("self", "cls")]
        made = set(self._sides.values())
        if len(made) == 1:
            return made.pop()
        return "server" if names and names[0].startswith(("sid", "environ")) else "client"

    def function_of(self, node: SgNode) -> SgNode | None:
        """Return the function that an expression refers to."""
        if node.kind() == "attribute":
            name = node.field("attribute")
            owner = node.field("object")
            if owner is None or owner.text() not in ("self", "cls"):
                return None
        elif node.kind() == "identifier":
            name = node
        else:
            return None
        found = self.functions.get(name.text(), []) if name else []
        return found[0] if len(found) == 1 else self._nearest(found, node)

    def _nearest(self, functions: list[SgNode], node: SgNode) -> SgNode | None:
        homes = list(node.ancestors())
        for home in homes:
            inside = [f for f in functions if home in (a for a in f.ancestors())]
            if len(inside) == 1:
                return inside[0]
        return None

    def steps(self, function: SgNode, depth: int = 2) -> Iterator[tuple[SgNode, SgNode]]:
        """Yield the calls that a function leads to, each with the function that contains it."""
        yield from self._steps(function, {function}, depth)

    def _steps(
        self, function: SgNode, seen: set[SgNode], depth: int
    ) -> Iterator[tuple[SgNode, SgNode]]:
        for call in function.find_all(kind="call"):
            yield call, function
            target = call.field("function")
            if depth <= 0 or target is None or self._is_argument_of_task(call):
                continue
            inner = self.function_of(target)
            if inner is not None and inner not in seen and function not in inner.ancestors():
                seen.add(inner)
                yield from self._steps(inner, seen, depth - 1)

    def _is_argument_of_task(self, call: SgNode) -> bool:
        """Return whether a call only creates a coroutine for a task."""
        parent = call.parent()
        outer = parent.parent() if parent and parent.kind() == "argument_list" else None
        return outer is not None and called(outer)[1] in TASKS


TASKS = word_set(
    "create_task ensure_future start_background_task run_coroutine_threadsafe Thread Timer spawn "
    "spawn_n spawn_later start_soon Greenlet start_new_thread"
)
