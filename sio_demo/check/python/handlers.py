"""The rules for Python: python-socketio and Flask-SocketIO."""

from __future__ import annotations

import re

from ast_grep_py import SgNode

from ..nodes import label, last_name, text
from ..shared import MESSAGE_ID, RANDOM, Reporter, remakes_client
from .dedup import check_then_await
from .module import EventHandler, Module, assignments_in
from .tasks import endless_loop, runs_for_ever, started, stopped

_USES = re.compile(r"(?m)^[ \t]*(from|import)[ \t][^#\n]{0,200}\bsocketio\b|flask_socketio|\bsio\b")
_LOST = frozenset({"connect", "disconnect", "connect_error", "reconnect"})


def check_python(root: SgNode, source: str, report: Reporter) -> None:
    """Run the rules on a parsed source, and report each finding."""
    if not _USES.search(source):
        return
    module = Module(root, source)
    for handler in module.handlers:
        if handler.event in ("connect", "reconnect"):
            _handlers_in_connect(module, handler, report)
            _tasks_in_connect(module, handler, report)
            _loops_in_connect(module, handler, report)
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
        if call.owner is None or module.event_of(call) is None or not call.argument(1, "handler"):
            continue
        made = _made_within(module, call.owner, functions)
        if not made and not module.guarded(call.node, inside):
            _report_handler(handler, call.node, report)


def _made_within(module: Module, owner: SgNode, functions: set[SgNode]) -> bool:
    """Return whether the functions that register on an object also create it."""
    return any(
        name == owner.text() and module.side_of_value(node.field("right"))
        for function in functions
        for name, node in assignments_in(function)
    )


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
        if target is None or not runs_for_ever(module, target) or stopped(module, call.node):
            continue
        name = text(inside.field("name"))
        way = [(call, inside)]
        if inside != handler.function:
            way += [step for step in module.steps(handler.function) if step[0].name == name]
        if not any(module.guarded(step.node, function) for step, function in way):
            _report_loop(call.node, f"`{target.text()}`", report)


def _report_loop(node: SgNode, what: str, report: Reporter) -> None:
    report(
        node,
        "timer-in-connect",
        f"{what} is started again at every connection and never ends: after n reconnects n + 1 of "
        "them run, and each sends. Start it once, under a guard, or cancel it in `disconnect`.",
    )


def _loops_in_connect(module: Module, handler: EventHandler, report: Reporter) -> None:
    """Find endless loops that are part of the handler, or that it waits for."""
    loops = [endless_loop(handler.function)]
    for call, inside in module.steps(handler.function, depth=1):
        function = module.function_of(call.node.field("function"))
        if function is None or module.is_argument_of_task(call.node):
            continue
        if endless_loop(function) and not module.guarded(call.node, inside):
            loops.append(call.node)
    for node in filter(None, loops[:1] if loops[0] else loops):
        _report_loop(node, "This loop", report)


def _clients_in_handler(module: Module, handler: EventHandler, report: Reporter) -> None:
    for call, inside in module.steps(handler.function):
        if module.side_of_value(call.node) != "client" or module.guarded(call.node, inside):
            continue
        closes = re.search(r"\.(disconnect|shutdown)\(", inside.text())
        if not closes and "reconnection=False" not in call.node.text():
            report(call.node, "client-in-handler", remakes_client(handler.event))


def _shared_emitters(module: Module, handler: EventHandler, report: Reporter) -> None:
    for call, inside in module.steps(handler.function):
        owner = call.owner
        if call.name not in ("on", "add_listener") or owner is None or len(call.args) < 2:
            continue
        if module.is_socketio(owner) or owner.kind() not in ("identifier", "attribute"):
            continue
        local = any(name == owner.text() for name, _ in assignments_in(inside))
        if local or re.search(r"\.(off|remove_listener|remove_all_listeners)\(", module.text):
            continue
        report(
            call.node,
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
        name = label(node.parent(), "left", "key", "name")
        if MESSAGE_ID.search(last_name(name)):
            report(
                node,
                "id-from-socket-id",
                "An id made of the sid is not unique: it is None while offline, and another after "
                "a reconnection. Mint a UUID once for each message.",
            )
