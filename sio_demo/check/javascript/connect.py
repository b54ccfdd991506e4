"""What a client's connect handler must not do: register listeners, create another client."""

from collections.abc import Iterable

from ast_grep_py import SgNode

from ..calls import Call, call_of
from ..nodes import unwrap
from ..shared import word_set
from .facts import Role
from .flow import REMOVES
from .removals import removed, removed_before
from .source import TIDY, EventHandler, Source

AGAIN = word_set(
    "connect reconnect disconnect connect_error reconnect_attempt reconnecting reconnect_error"
    " connecting"
)
_OPPOSITES = {"connect": "disconnect", "reconnect": "disconnect", "disconnect": "connect"}
LOST = AGAIN | {"reconnect_failed", "connect_failed", "connect_timeout", "error", "close"}


def listeners_in_connect(source: Source) -> None:
    """Find listeners registered in handlers that run at every reconnection."""
    handlers = [h for h in source.handlers if h.event in AGAIN and not only_once(source, h)]
    lost = (h.function for h in source.handlers if h.event == "disconnect")
    undone = [step.call for function in lost for step in source.flow.steps(function)]
    for handler in handlers:
        if not source.reconnects(handler.call.target or handler.call.node):
            continue
        steps = list(source.flow.steps(handler.function))
        regions = {handler.function, *(step.function for step in steps)}
        removing = [step.call for step in steps if step.call.name in REMOVES]
        for step in steps:
            call = step.call
            if call.node == handler.call.node or call.target is None:
                continue
            here = not step.trail and _registers_elsewhere(source, call, regions)
            if not here and not source.listens(call):
                continue
            once = call.name in ("once", "prependOnceListener")
            if once and source.event_of(call) == _OPPOSITES.get(handler.event):
                continue  # used up before the handler runs again
            if source.fresh(call.target, regions) or source.first_time(step):
                continue
            if removed_before(source, call, removing) or removed(source, call, undone):
                continue
            source.report(
                call,
                "listener-in-connect",
                "once" if once else "on",
                event=call.args[0].text() if len(call.args) > 1 else "any event",
                handler=handler.event,
            )


def _registers_elsewhere(source: Source, call: Call, regions: set[SgNode]) -> bool:
    """Return whether a call adds a listener to the page, the process or another outer emitter.

    Only with a new function: `addEventListener` ignores a function that was added before.
    """
    if call.name not in ("on", "addEventListener") or call.target is None or len(call.args) < 2:
        return False
    given, target = unwrap(call.args[-1]), source.root_of(call.target)
    if given.kind() not in ("arrow_function", "function_expression"):
        return False
    if target.kind() == "call_expression":
        made = call_of(target)
        root = made.target.text() if made.target is not None else made.name
        return root in ("$", "jQuery", "document")
    if source.roles.of(target) in (Role.ENGINE, Role.PEER, Role.MAYBE):
        return False
    return source.outlives(target, regions)


def only_once(source: Source, handler: EventHandler) -> bool:
    """Return whether a handler runs once: registered with `once`, or it removes itself."""
    inner = source.script.calls_within(handler.function)
    removes = (call for call in inner if call.name in REMOVES)
    return handler.call.name in ("once", "prependOnceListener") or any(
        source.event_of(call) == handler.event for call in removes
    )


def clients_in_handlers(source: Source) -> None:
    """Find clients created in connection handlers, of the client and of the server."""
    for handler in source.handlers:
        if handler.event in LOST and handler.call.name != "once":
            _clients_made(source, handler)
    for function in source.connections:
        for step in source.flow.steps(function):
            made = source.roles.makes_client(step.call) and not source.makes_once(step)
            if made and not _closes(source.script.calls_within(function)):
                source.report(step.call, "client-in-handler", "connection")


def _clients_made(source: Source, handler: EventHandler) -> None:
    steps = list(source.flow.steps(handler.function))
    for step in steps:
        made = step.call
        if not source.roles.makes_client(made) or source.makes_once(step):
            continue
        if _closes(s.call for s in steps if s.call.start < made.start or s.trail):
            continue
        options = made.node.text() if made.args else ""
        manual = "reconnection: false" in options or not source.reconnects(
            handler.call.target or handler.call.node
        )
        if manual and handler.event != "connect":
            continue
        source.report(made, "client-in-handler", "handler", event=handler.event)


def _closes(calls: Iterable[Call]) -> bool:
    return any(TIDY.search(call.name) and not call.new for call in calls)
