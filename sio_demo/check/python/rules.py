"""The rules for Python: python-socketio and Flask-SocketIO."""

import re
from collections.abc import Iterator
from typing import Any

from ast_grep_py import SgNode

from ..calls import Call, Step
from ..nodes import beyond, find_kinds, kind, label, last_name, parts, span, text, up_to
from ..shared import MESSAGE_ID, RANDOM, REMEMBERED, SURELY_REMEMBERED, Reporter, has_id_of
from .module import TASKS, EventHandler, Module, assignments_in, calls_in, enclosing

_USES = re.compile(r"(?m)^[ \t]*(from|import)[ \t][^#\n]{0,200}\bsocketio\b|flask_socketio|\bsio\b")
_ADDS = re.compile(r"[\w.]+\.(on|add_listener)|([\w.]*(bus|pub|sub|events))\.subscribe")
_LOST = frozenset({"connect", "disconnect", "connect_error", "reconnect"})
_ENDLESS_NAME = re.compile(
    r"(?i)forever|_loop$|^loop_|ticker|heartbeat|background_(thread|task|loop|worker)|poll|"
    r"monitor|periodic|every_|^run$"
)
_INNER = [{"kind": "function_definition"}, {"kind": "lambda"}]
_LOOPS = [{"kind": "for_statement"}, {"kind": "while_statement"}]
_FOR_EVER = {"field": "condition", "regex": r"^\(?(True|1)\)?$"}
_ALL_THAT_COMES = {"field": "right", "regex": r"\.listen\(\)$|\bcount\(\d*\)$"}
_LEFT = [
    {"has": {"kind": "return_statement", "stopBy": {"any": _INNER}}},
    {"has": {"kind": "break_statement", "stopBy": {"any": _INNER + _LOOPS}}},
]
_ENDLESS: Any = {
    "any": [
        {"kind": "while_statement", "has": _FOR_EVER},
        {"kind": "for_statement", "has": _ALL_THAT_COMES},
    ],
    "not": {"any": _LEFT},
}
_PLACES = {  # where the function is among the arguments, if it is not the first
    "Thread": (1, "target"),
    "Greenlet": (0, "target"),
    "Timer": (1, "function"),
    "spawn_later": (1, "function"),
    "run_in_executor": (1, "func"),
}
_REPEATS = re.compile(r"\.add_job\((?![\s\S]*replace_existing=True)[\s\S]*\b(interval|cron)\b")
_ASKS = re.compile(  # `key in memory`, `memory.get(key)`, `await store.exists(key)`
    r"\(?(?:not )?(?:(?P<key>[^()]+?|[^()]+?\(.*\)) (?:not )?in (?P<memory>[\w.]+)"
    r"|(?P<map>[\w.]+)\.get\((?P<entry>[^,]+)\)(?: is (?:not )?None)?"
    r"|await (?P<store>[\w.]+)\.(?:exists|get|sismember)\((?P<name>.+)\))\)?"
)
_OWN_SID = re.compile(r"\b(sio|client|self\.\w+)\.(sid\b|get_sid\([^()]*\))")
_LOCKED = re.compile(r"(?i)lock|^(async )?with [\w.]+:")  # `async with gate:`
_MARKS = ("add", "append", "appendleft", "set", "setex", "sadd")


def check_python(root: SgNode, source: str, report: Reporter) -> None:
    if not _USES.search(source):
        return
    module = Module(root, source, report)
    for handler in module.handlers:
        steps = list(module.steps(handler.function))
        if handler.event in ("connect", "reconnect"):
            _handlers_in_connect(module, handler, steps)
            _loops_in_connect(module, handler, steps)
            if handler.side == "server":
                _shared_emitters(module, steps)
        if handler.event in _LOST:
            _clients_in_handler(module, handler, steps)
    _check_then_await(module)
    _ids_from_sid(module)


def _handlers_in_connect(module: Module, handler: EventHandler, steps: list[Step]) -> None:
    functions = {handler.function, *(step.function for step in steps)}
    rule = "handler-in-server-connect" if handler.side == "server" else "listener-in-connect"
    own = {name for function in functions for name, _ in assignments_in(function)}
    for function in functions:
        for decorator in function.find_all(kind="decorator"):
            found = module.registration(decorator)
            if found and text(found[0]) not in own:
                module.report(decorator, rule, "python")
    for step in steps:
        call = step.call
        adds = module.event_of(call) is not None and call.argument(1, "handler")
        if adds and text(call.target) not in own and not module.first_time(step):
            module.report(call.node, rule, "python")


def _loops_in_connect(module: Module, handler: EventHandler, steps: list[Step]) -> None:
    """Find endless loops in tasks, in the handler, or in functions that it waits for."""
    own = _endless_loop(handler.function)
    if own:
        module.report(own, "timer-in-connect", "loop", loop="This loop")
    for step in steps:
        node, target = step.call.node, _started(step.call)
        endless = target and (_REPEATS.search(node.text()) or _runs_for_ever(module, target))
        if target and endless and not _stopped(module, node):
            loop = f"`{target.text()}`"
        elif kind(enclosing(node)) == "lambda":
            continue  # what is given to a task
        elif not own and (function := module.called(step.call)) and _endless_loop(function):
            loop = "This loop"
        else:
            continue
        if not module.first_time(step):
            module.report(node, "timer-in-connect", "loop", loop=loop)


def _clients_in_handler(module: Module, handler: EventHandler, steps: list[Step]) -> None:
    for step in steps:
        node = step.call.node
        if module.side_of_value(node) != "client" or module.first_time(step):
            continue
        closes = re.search(r"\.(disconnect|shutdown)\(", step.function.text())
        if not closes and "reconnection=False" not in node.text():
            module.report(node, "client-in-handler", "handler", event=handler.event)


def _shared_emitters(module: Module, steps: list[Step]) -> None:
    removes = re.search(r"\.(off|unsubscribe|remove_listener|remove_all_listeners)\(", module.text)
    for step in () if removes else steps:
        call, emitter = step.call, text(step.call.target)
        adds = len(call.args) > 1 and _ADDS.fullmatch(call.callee.text())
        own = any(name == emitter for name, _ in assignments_in(step.function))
        if adds and not own and not module.is_socketio(call.target):
            module.report(call.node, "shared-emitter-in-connection", "listener", emitter=emitter)


def _ids_from_sid(module: Module) -> None:
    for node in find_kinds(module.root, ("string", "binary_operator")):
        values = " ".join(part.text() for part in node.find_all(kind="interpolation"))
        if node.kind() == "binary_operator":
            values = re.sub("'[^']*'|\"[^\"]*\"", "", node.text())
        rest, found = _OWN_SID.subn("", values)
        if not found or not re.search(r"\w", rest) or RANDOM.search(values):
            continue
        name = label(node.parent(), "left", "key", "name")
        if MESSAGE_ID.search(last_name(name)):
            module.report(node, "id-from-socket-id", "joined", id="sid", none="None")


def _started(call: Call) -> SgNode | None:
    """Return what a call runs as a task or thread; None if nothing."""
    if call.name not in TASKS:
        return None
    if place := _PLACES.get(call.name):
        return call.argument(*place)
    first = call.argument(0, "target") or call.named.get("coro")
    return first.field("function") if first and first.kind() == "call" else first


def _runs_for_ever(module: Module, target: SgNode) -> bool:
    if target.kind() in ("lambda", "call"):  # also the call of `partial(watch, 1)`
        inner = [call.node.field("function") for call in calls_in(target)]
        inner += parts(target.field("arguments"))[:1]
        return any(_runs_for_ever(module, name) for name in filter(None, inner))
    named = module.functions.get(last_name(target), [])
    function = named[0] if len(named) == 1 else module.function_of(target)
    if function is None:
        return bool(_ENDLESS_NAME.search(last_name(target)))
    name = text(function.field("name"))
    timers = (call.node.text() for call in calls_in(function) if call.name == "Timer")
    return _endless_loop(function) is not None or any(name in timer for timer in timers)


def _endless_loop(function: SgNode) -> SgNode | None:
    """Return the first loop of a function that never ends, without those of inner functions."""
    loops = function.find_all(**_ENDLESS)
    return next((loop for loop in loops if enclosing(loop) == function), None)


def _stopped(module: Module, call: SgNode) -> bool:
    """Return whether the source stops what a call started, by the name that it is assigned to."""
    parent = beyond(call, ("await", "parenthesized_expression"))
    if kind(parent) in ("", "expression_statement"):
        return False
    stops = r"\.(cancel|kill|stop|aclose|close|terminate)\("
    left = label(parent, "left") if kind(parent) == "assignment" else None
    if kind(left) in ("identifier", "attribute"):
        name = re.escape(last_name(left))
        called = rf"\b{name}\b[^\n]*{stops}|=\s*(self\.)?{name}\b[\s\S]{{0,300}}{stops}"
        stops = rf"{called}|(cancel|kill|stop)\w*\([^\n]*\b{name}\b"
    return re.search(stops, module.text) is not None


def _check_then_await(module: Module) -> None:
    """Find `if id in seen: return`, an await, and only then `seen.add(id)`."""
    for function, question, then in _questions(module):
        match = _ASKS.fullmatch(question.text()[:300])
        if match is None:
            continue
        memory = match["memory"] or match["map"] or match["store"]
        key = match["key"] or match["entry"] or match["name"]
        known = SURELY_REMEMBERED if ".get(" in question.text() else REMEMBERED
        given = text(function.field("parameters"))
        named = known.search(f"{memory} {key}" if match["store"] else memory) is not None
        if not named and not (match["store"] and then and has_id_of(given, key)):
            continue
        filled = re.search(rf"\b{re.escape(memory)}\[.*\] *= ", text(then))
        store = named and match["store"] is not None
        cached = filled and not SURELY_REMEMBERED.search(memory)
        if not cached and _waits_before_mark(function, question, key, memory, store):
            module.report(question, "check-then-await", "memory", memory=memory)


def _questions(module: Module) -> Iterator[tuple[SgNode, SgNode, SgNode | None]]:
    """Yield functions with what decides an `if`: its condition or its name; and what follows."""
    for statement in module.root.find_all(kind="if_statement"):
        condition, function = statement.field("condition"), enclosing(statement)
        if condition is not None and function is not None:
            yield function, condition, statement.field("consequence")
    for name, assignment in assignments_in(module.root):
        value, function = assignment.field("right"), enclosing(assignment)
        if value is not None and function is not None and name.isidentifier():
            after = function.text()[span(assignment)[1] - span(function)[0] :]
            if re.search(rf"\bif (not )?{name}\b", after):
                only_asked = len(re.findall(rf"\b{name}\b", function.text())) == 2
                yield function, value, value if only_asked else None


def _waits_before_mark(
    function: SgNode, condition: SgNode, key: str, memory: str, store: bool
) -> bool:
    end = span(condition)[1]
    calls = [c for c in calls_in(function) if c.name in _MARKS and text(c.target) == memory]
    keys, added = (key, key.partition(",")[0]), [c for c in calls if "nx" not in c.named]
    marks = [c.node for c in added if text(c.argument(0, "name")) in keys]
    marks += [node for name, node in assignments_in(function) if name == f"{memory}[{key}]"]
    after = [span(node)[0] for node in marks if span(node)[0] > end]
    waits = store or any(
        end < span(node)[0]
        and span(node)[1] <= min(after, default=0)
        and enclosing(node) == function
        for node in function.find_all(kind="await")
    )
    locked = any(
        around.kind() == "with_statement" and _LOCKED.search(around.text()[:200])
        for around in up_to(condition, function)
    )
    return bool(after) and waits and not locked
