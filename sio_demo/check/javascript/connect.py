"""What a client's connect handler must not do: register, make a client, start a timer."""

from __future__ import annotations

from ast_grep_py import SgNode

from ..words import words
from .facts import REGISTERS, Role
from .flow import REMOVES, Step
from .script import Call, span, unwrap
from .source import Handler, Source

AGAIN = words(
    "connect reconnect disconnect connect_error reconnect_attempt reconnecting reconnect_error"
    " connecting"
)
LOST = AGAIN | {"reconnect_failed", "connect_failed", "connect_timeout", "error", "close"}
STARTS = frozenset({"connect", "reconnect"})


def listeners_in_connect(source: Source) -> None:
    """Find listeners registered in handlers that run at every reconnection."""
    handlers = [h for h in source.handlers if h.event in AGAIN and not _only_once(source, h)]
    undone = [
        step.call
        for h in source.handlers
        if h.event == "disconnect"
        for step in source.flow.steps(h.function)
        if step.call.name in REMOVES
    ]
    for handler in handlers:
        if not source.reconnects(handler.call.target or handler.call.node):
            continue
        steps = list(source.flow.steps(handler.function))
        regions = {handler.function, *(step.function for step in steps)}
        for step in steps:
            call = step.call
            if call.node == handler.call.node or call.target is None:
                continue
            here = not step.trail and _registers_elsewhere(source, call, regions)
            if not here and not _registers(source, call):
                continue
            if source.fresh(call.target, regions):
                continue
            if source.removed_before(call, steps) or source.removed(call, undone):
                continue
            if source.first_time(step):
                continue
            if _inside_once(source, call, handler.function):
                continue
            _report(source, call, handler)


def _registers(source: Source, call: Call) -> bool:
    if call.name not in REGISTERS or call.target is None or call.new:
        return False
    needed = 1 if call.name in ("onAny", "prependAny", "onAnyOutgoing") else 2
    if len(call.args) < needed or not source.is_function(call.args[needed - 1]):
        return False
    return source.is_client(call.target, source.event_of(call))


def _registers_elsewhere(source: Source, call: Call, regions: set[SgNode]) -> bool:
    """Tell whether a call adds a listener to the page, the process or another outer emitter.

    `addEventListener` takes the same named function only once, so it needs a new one to add up.
    """
    if call.name not in ("on", "addEventListener") or call.target is None or len(call.args) < 2:
        return False
    given, target = unwrap(call.args[-1]), source.root_of(call.target)
    if given.kind() not in ("arrow_function", "function_expression"):
        return False
    if target.kind() == "call_expression":
        made = source.script.call_of(target)
        root = made.target.text() if made.target is not None else made.name
        return root in ("$", "jQuery", "document")
    path = source.script.path(target)
    if path is None or source.roles.of(target) in (Role.ENGINE, Role.PEER, Role.MAYBE):
        return False
    if path[0] in ("document", "window", "process"):
        return source.script.resolve(target, path[0]) is None
    binding = source.script.resolve(target, path[0]) if len(path) == 1 else None
    if binding is None or binding.kind not in ("variable", "import"):
        return False
    return binding.scope is None or not any(_holds(region, binding.scope) for region in regions)


def _holds(outer: SgNode, inner: SgNode) -> bool:
    (start, end), (first, last) = span(outer), span(inner)
    return start <= first and last <= end


def _report(source: Source, call: Call, handler: Handler) -> None:
    event = call.args[0].text() if len(call.args) > 1 else "any event"
    source.report(
        call,
        "listener-in-connect",
        f"The listener for {event} is added in the handler of '{handler.event}', which runs again "
        "at every reconnection: its function then runs once more for each message. Register it "
        "once, outside that handler.",
    )


def _only_once(source: Source, handler: Handler) -> bool:
    """Tell whether a handler runs once: `once`, or it removes itself."""
    if handler.call.name in ("once", "prependOnceListener"):
        return True
    return any(
        call.name in ("off", "removeListener")
        and call.args
        and source.event_of(call) == handler.event
        for call in source.script.calls_within(handler.function)
    )


def _inside_once(source: Source, call: Call, function: SgNode) -> bool:
    """Tell whether a call stands in a `once("connect", ...)` that stands in the handler."""
    for ancestor in call.node.ancestors():
        if ancestor == function:
            return False
        if ancestor.kind() == "call_expression" and ancestor != call.node:
            outer = source.script.call_of(ancestor)
            if outer.name == "once" and source.event_of(outer) in AGAIN:
                return span(outer.args[-1])[0] <= call.start
    return False


def clients_in_handlers(source: Source) -> None:
    """Find clients made in handlers of a client's life, and in a server's connection handler."""
    for handler in source.handlers:
        if handler.event in LOST and handler.call.name != "once":
            _clients_made(source, handler)
    for function in source.connections:
        for step in source.flow.steps(function):
            made = source.makes_client(step.call)
            calls = source.script.calls_within(function)
            if made and not source.closes(calls) and not source.makes_once(step):
                source.report(
                    made,
                    "client-in-handler",
                    "Each connection to the server makes another client, which stays connected "
                    "when that connection ends. Make it once at start-up, or disconnect it when "
                    "the socket disconnects.",
                )


def _clients_made(source: Source, handler: Handler) -> None:
    steps = list(source.flow.steps(handler.function))
    for step in steps:
        made = source.makes_client(step.call)
        if made is None or source.makes_once(step):
            continue
        if source.closes(s.call for s in steps if s.call.start < made.start or s.trail):
            continue
        options = made.node.text() if made.args else ""
        manual = "reconnection: false" in options or not source.reconnects(
            handler.call.target or handler.call.node
        )
        if manual and handler.event != "connect":
            continue
        source.report(
            made,
            "client-in-handler",
            f"The handler of '{handler.event}' makes a new client each time it runs; the old one "
            "reconnects by itself, and both handle every message. Make one client, outside.",
        )


def timers_in_connect(source: Source) -> None:
    """Find timers started at each connection that nothing stops."""
    for handler in source.handlers:
        target = handler.call.target or handler.call.node
        if handler.event in STARTS and source.is_client(target) and not _only_once(source, handler):
            _timers(source, handler.function, "at every reconnection")
    for function in source.connections:
        _timers(source, function, "for every connection, also one that comes back")


def _timers(source: Source, function: SgNode, when: str) -> None:
    for step in source.flow.steps(function):
        if not _starts_timer(source, step):
            continue
        if _stopped(source, step.call) or source.first_time(step):
            continue
        source.report(
            step.call,
            "timer-in-connect",
            f"`{step.call.name}` starts another timer {when}, and nothing stops the old one: "
            "what it sends is sent by each of them. Start it once, or clear it in 'disconnect'.",
        )


def _starts_timer(source: Source, step: Step) -> bool:
    call = step.call
    if call.name == "setInterval" and call.args:
        return call.target is None or call.target.text() in ("window", "global", "globalThis")
    return call.name == "setTimeout" and _calls_itself(source, call)


def _calls_itself(source: Source, call: Call) -> bool:
    """Tell whether `setTimeout` runs, without condition, the function that it stands in."""
    if not call.args:
        return False
    function = source.script.enclosing(call.node)
    name = source.script.names_of_functions.get(function) if function else None
    if function is None or not name:
        return False
    again = unwrap(call.args[0])
    if again.kind() in ("arrow_function", "function_expression"):
        inner = source.script.calls_within(again)
        if not any(c.name == name and c.target is None for c in inner):
            return False
    elif again.text().rpartition(".")[2] != name:
        return False
    kinds = ("if_statement", "ternary_expression", "binary_expression", "return_statement")
    if any(a.kind() in kinds for a in _up_to(call.node, function)):
        return False
    returns = function.find_all(kind="return_statement")
    return all(source.script.enclosing(statement) != function for statement in returns)


def _up_to(node: SgNode, end: SgNode) -> list[SgNode]:
    found = []
    for ancestor in node.ancestors():
        if ancestor == end:
            break
        found.append(ancestor)
    return found


def _stopped(source: Source, call: Call) -> bool:
    """Tell whether the source stops a timer: clears the name that it is kept under."""
    kept = _kept_as(call.node)
    clears = [
        c
        for name in ("clearInterval", "clearTimeout")
        for c in source.script.by_name.get(name, ())
        if c.args
    ]
    if kept is None:
        return False
    name, plain = kept
    if not plain:
        return bool(clears)
    return any(name in c.args[0].text().replace("?.", ".") for c in clears) or any(
        name == other for c in clears for other in _aliases(source, c.args[0])
    )


def _aliases(source: Source, node: SgNode) -> list[str]:
    return [value.text().rpartition(".")[2] for value in source.values_of(node)]


def _kept_as(node: SgNode) -> tuple[str, bool] | None:
    """Return the last name that a value is kept under, and whether it is a plain name."""
    parent = node.parent()
    while parent and parent.kind() in (
        "as_expression",
        "parenthesized_expression",
        "non_null_expression",
        "ternary_expression",
        "binary_expression",
    ):
        parent = parent.parent()
    if parent is None or parent.kind() == "expression_statement":
        return None
    if parent.kind() == "variable_declarator" and (name := parent.field("name")):
        return name.text(), True
    if parent.kind() == "assignment_expression" and (left := parent.field("left")):
        plain = left.kind() in ("identifier", "member_expression")
        text = left.text().replace("?.", ".").rpartition(".")[2]
        if text == "current":
            text = left.text().replace("?.", ".").split(".")[-2]
        return text, plain
    return ("", False) if parent.kind() != "arrow_function" else None
