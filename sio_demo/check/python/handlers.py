"""The rules for Python: python-socketio and Flask-SocketIO."""

from __future__ import annotations

import re

from ast_grep_py import SgNode

from ..shared import MESSAGE_ID, RANDOM, Reporter, remakes_client
from .dedup import check_then_await
from .module import EventHandler, Module, arguments_of, called, string_of
from .tasks import runs_for_ever, started, stopped

_LOST = frozenset({"connect", "disconnect", "connect_error", "reconnect"})


def check_python(root: SgNode, text: str, report: Reporter) -> None:
    """Run the rules on a parsed source, and report each finding."""
    if not re.search(r"(?m)^\s*(from|import)\s+(flask_)?socketio\b|\bsio\b", text):
        return
    module = Module(root, text)
    for handler in module.handlers:
        if handler.event in ("connect", "reconnect"):
            _handlers_in_connect(module, handler, report)
            _tasks_in_connect(module, handler, report)
            if handler.side == "server":
                _shared_emitters(module, handler, report)
        if handler.event in _LOST:
            _clients_in_handler(module, handler, report)
    check_then_await(module, report)
    _ids_from_sid(module, report)


def _handlers_in_connect(module: Module, handler: EventHandler, report: Reporter) -> None:
    functions = {handler.function, *(inside for _, inside in module.steps(handler.function))}
    for function in functions:
        for decorator in function.find_all(kind="decorator"):
            found = module.registration(decorator)
            if found and not _made_within(module, found[0], functions):
                _report_handler(handler, decorator, report)
    for call, inside in module.steps(handler.function):
        owner, name = called(call)
        positional, named = arguments_of(call)
        if name != "on" or owner is None or not module.is_socketio(owner):
            continue
        given = len(positional) > 1 or "handler" in named
        if not given or string_of(positional[0] if positional else None) is None:
            continue
        if not _made_within(module, owner, functions) and not _guarded(call, inside):
            _report_handler(handler, call, report)


def _made_within(module: Module, owner: SgNode, functions: set[SgNode]) -> bool:
    """Return whether the functions that register on an object also create it."""
    for function in functions:
        for node in function.find_all(kind="assignment"):
            left, right = node.field("left"), node.field("right")
            if left and right and left.text() == owner.text() and module.side_of_value(right):
                return True
    return False


def _report_handler(handler: EventHandler, node: SgNode, report: Reporter) -> None:
    if handler.side == "server":
        report(
            node,
            "handler-in-server-connect",
            "Each connection replaces this handler for all clients, by one that knows only the "
            "newest client: messages from the others are attributed to it. Register it once, at "
            "the top level, and use its `sid` argument.",
        )
        return
    report(
        node,
        "listener-in-connect",
        "This handler is registered again at every reconnection. python-socketio replaces it, so "
        "it does not run twice, but what the server sends before `connect` has run is lost (L9), "
        "and in JavaScript the same code handles messages n + 1 times. Register it once, before "
        "connecting.",
    )


def _tasks_in_connect(module: Module, handler: EventHandler, report: Reporter) -> None:
    for call, inside in module.steps(handler.function):
        target = started(call)
        if target is None or not runs_for_ever(module, target):
            continue
        if (
            stopped(module, call)
            or _guarded(call, inside)
            or _guarded_on_the_way(module, handler.function, inside)
        ):
            continue
        report(
            call,
            "timer-in-connect",
            f"`{target.text()}` is started again at every connection and never ends: after n "
            "reconnects n + 1 of them run, and each sends. Start it once, under a guard, or "
            "cancel it in `disconnect`.",
        )


def _guarded_on_the_way(module: Module, start: SgNode, inside: SgNode) -> bool:
    """Return whether the call that leads from `start` to the function `inside` is guarded."""
    name = inside.field("name")
    if inside == start or name is None:
        return False
    return any(
        _guarded(call, function)
        for call, function in module.steps(start)
        if called(call)[1] == name.text()
    )


def _guarded(node: SgNode, function: SgNode) -> bool:
    """Return whether code runs only the first time: under a condition on what it assigns."""
    assigned = set()
    for statement in function.find_all(kind="assignment"):
        if left := statement.field("left"):
            assigned.add(left.text())
    for call in function.find_all(kind="call"):
        owner, name = called(call)
        if owner is not None and name in ("add", "append", "set"):
            assigned.add(owner.text())
    conditions = []
    for ancestor in node.ancestors():
        if ancestor == function:
            break
        if ancestor.kind() == "if_statement" and (condition := ancestor.field("condition")):
            conditions.append(condition.text())
    start = node.range().start.index
    for statement in function.find_all(kind="if_statement"):
        if statement.range().end.index > start or statement.find(kind="return_statement") is None:
            continue
        if condition := statement.field("condition"):
            conditions.append(condition.text())
    words = {w for text in conditions for w in re.findall(r"[\w.]+", text)}
    names = {re.sub(r"\[.*", "", a) for a in assigned}
    return any(w in names or w.rpartition(".")[0] in names for w in words)


def _clients_in_handler(module: Module, handler: EventHandler, report: Reporter) -> None:
    for call, inside in module.steps(handler.function):
        if module.side_of_value(call) != "client" or _guarded(call, inside):
            continue
        closes = re.search(r"\.(disconnect|shutdown)\(", inside.text())
        if closes or "reconnection=False" in call.text():
            continue
        report(call, "client-in-handler", remakes_client(handler.event))


def _shared_emitters(module: Module, handler: EventHandler, report: Reporter) -> None:
    for call, inside in module.steps(handler.function):
        owner, name = called(call)
        positional, _ = arguments_of(call)
        if name not in ("on", "add_listener") or owner is None or len(positional) < 2:
            continue
        if module.is_socketio(owner) or owner.kind() not in ("identifier", "attribute"):
            continue
        local = any(
            (left := node.field("left")) is not None and left.text() == owner.text()
            for node in inside.find_all(kind="assignment")
        )
        if local or re.search(r"\.(off|remove_listener|remove_all_listeners)\(", module.text):
            continue
        report(
            call,
            "shared-emitter-in-connection",
            f"`{owner.text()}` is shared by all connections: each adds a handler and none is "
            "removed, so every event is handled once for each. Register once, at start-up.",
        )


def _ids_from_sid(module: Module, report: Reporter) -> None:
    for node in module.root.find_all(kind="string"):
        parts = [p.text().strip("{}") for p in node.find_all(kind="interpolation")]
        own = [p for p in parts if re.search(r"\b(sio|client|self\.\w+)\.(sid|get_sid\(.*\))$", p)]
        if not own or len(parts) < 2 or RANDOM.search(node.text()):
            continue
        parent = node.parent()
        label = None
        for name in ("left", "key", "name"):
            label = label or (parent.field(name) if parent else None)
        if label and MESSAGE_ID.search(label.text().rpartition(".")[2].strip("\"'")):
            report(
                node,
                "id-from-socket-id",
                "An id made of the sid is not unique: it is None while offline, and another after "
                "a reconnection. Mint a UUID once for each message.",
            )
