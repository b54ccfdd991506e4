"""The rules for Python: python-socketio and Flask-SocketIO."""

import re

from ast_grep_py import SgNode

from ..calls import Step
from ..nodes import label, last_name, text
from ..shared import MESSAGE_ID, RANDOM, Reporter
from .dedup import check_then_await
from .module import EventHandler, Module, assignments_in
from .tasks import endless_loop, runs_for_ever, started, stopped

_USES = re.compile(r"(?m)^[ \t]*(from|import)[ \t][^#\n]{0,200}\bsocketio\b|flask_socketio|\bsio\b")
_ADDS = re.compile(r"[\w.]+\.(on|add_listener)|([\w.]*(bus|pub|sub|events))\.subscribe")
_LOST = frozenset({"connect", "disconnect", "connect_error", "reconnect"})


def check_python(root: SgNode, source: str, report: Reporter) -> None:
    """Run the rules on a parsed source, and report each finding."""
    if not _USES.search(source):
        return
    module = Module(root, source)
    for handler in module.handlers:
        steps = list(module.steps(handler.function))
        if handler.event in ("connect", "reconnect"):
            _handlers_in_connect(module, handler, steps, report)
            _tasks_in_connect(module, steps, report)
            _loops_in_connect(module, handler, steps, report)
            if handler.side == "server":
                _shared_emitters(module, steps, report)
        if handler.event in _LOST:
            _clients_in_handler(module, handler, steps, report)
    check_then_await(module, report)
    _ids_from_sid(module, report)


def _handlers_in_connect(
    module: Module, handler: EventHandler, steps: list[Step], report: Reporter
) -> None:
    functions = {handler.function, *(step.function for step in steps)}
    for function in functions:
        for decorator in function.find_all(kind="decorator"):
            found = module.registration(decorator)
            if found and not _made_within(module, found[0], functions):
                _report_handler(handler, decorator, report)
    for step in steps:
        call = step.call
        if call.target is None or module.event_of(call) is None or not call.argument(1, "handler"):
            continue
        if not _made_within(module, call.target, functions) and not module.first_time(step):
            _report_handler(handler, call.node, report)


def _made_within(module: Module, owner: SgNode, functions: set[SgNode]) -> bool:
    """Return whether the functions that register on an object also create it."""
    return any(
        name == owner.text() and module.side_of_value(node.field("right"))
        for function in functions
        for name, node in assignments_in(function)
    )


def _report_handler(handler: EventHandler, node: SgNode, report: Reporter) -> None:
    rule = "handler-in-server-connect" if handler.side == "server" else "listener-in-connect"
    report(node, rule, "python")


def _tasks_in_connect(module: Module, steps: list[Step], report: Reporter) -> None:
    for step in steps:
        call = step.call
        target = started(call)
        if target is None or not runs_for_ever(module, target) or stopped(module, call.node):
            continue
        if not module.first_time(step):
            report(call.node, "timer-in-connect", "loop", loop=f"`{target.text()}`")


def _loops_in_connect(
    module: Module, handler: EventHandler, steps: list[Step], report: Reporter
) -> None:
    """Find an endless loop that is part of the handler, or those that it waits for."""
    if loop := endless_loop(handler.function):
        report(loop, "timer-in-connect", "loop", loop="This loop")
        return
    for step in steps:
        function = module.called(step.call)
        if function and endless_loop(function) and not module.first_time(step):
            report(step.call.node, "timer-in-connect", "loop", loop="This loop")


def _clients_in_handler(
    module: Module, handler: EventHandler, steps: list[Step], report: Reporter
) -> None:
    for step in steps:
        node = step.call.node
        if module.side_of_value(node) != "client" or module.first_time(step):
            continue
        closes = re.search(r"\.(disconnect|shutdown)\(", step.function.text())
        if not closes and "reconnection=False" not in node.text():
            report(node, "client-in-handler", "handler", event=handler.event)


def _shared_emitters(module: Module, steps: list[Step], report: Reporter) -> None:
    removes = re.search(r"\.(off|unsubscribe|remove_listener|remove_all_listeners)\(", module.text)
    for step in () if removes else steps:
        call, emitter = step.call, text(step.call.target)
        if len(call.args) < 2 or module.is_socketio(call.target):
            continue
        if not _ADDS.fullmatch(call.callee.text()):
            continue
        if any(name == emitter for name, _ in assignments_in(step.function)):
            continue
        report(call.node, "shared-emitter-in-connection", "python", emitter=emitter)


def _ids_from_sid(module: Module, report: Reporter) -> None:
    for node in module.root.find_all(kind="string"):
        parts = [p.text().strip("{}") for p in node.find_all(kind="interpolation")]
        own = [p for p in parts if re.search(r"\b(sio|client|self\.\w+)\.(sid|get_sid\(.*\))$", p)]
        if not own or len(parts) < 2 or RANDOM.search(node.text()):
            continue
        name = label(node.parent(), "left", "key", "name")
        if MESSAGE_ID.search(last_name(name)):
            report(node, "id-from-socket-id", "python")
