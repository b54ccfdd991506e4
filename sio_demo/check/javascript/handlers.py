"""What the handler of another event, or of a click, adds to an old socket each time it runs."""

import re
from collections.abc import Iterator

from ast_grep_py import SgNode

from ..calls import Call, Step
from ..nodes import find_kinds, holds, kind, last_name, parts
from ..shared import word_set
from .roles import LASTING, REMOVES, Role
from .source import Source

_OF_PAGES = word_set(
    "click dblclick submit change input keydown keypress keyup press touchstart touchend "
    "mousedown mouseup pointerdown"
)
_OF_CONNECTIONS = re.compile(r"connect|reconnect|disconnect|error$|close$|ping$|pong$")
_PROPERTY = re.compile(r"on([A-Z]?[a-z]+)$")  # `onclick`, `onClick`


def listeners_in_handlers(source: Source) -> None:
    removing = source.script.called(*REMOVES)
    for event, function in _handlers(source):
        steps = source.flow.steps(function)
        regions = {function: None} | dict.fromkeys(step.function for step in steps)
        for step in steps:
            if _adds_to_old(source, step, [*regions]) and not source.removed(step.call, removing):
                names = {"event": source.words_for_event(step.call), "handler": event}
                source.report(step.call, "listener-in-handler", "javascript", **names)


def _adds_to_old(source: Source, step: Step, regions: list[SgNode]) -> bool:
    call = step.call
    apart = call.node in source.reported or holds(call.node, regions[0])
    if apart or call.name not in LASTING or call.target is None or source.first_time(step):
        return False
    if _of_peer(source, call):
        return source.outlives(source.root_of(call.target), regions[:1])
    return source.listens(call) and not source.fresh(call.target, regions)


def _of_peer(source: Source, call: Call) -> bool:
    return source.roles.of(call.target) is Role.PEER and len(call.args) > 1


def _handlers(source: Source) -> Iterator[tuple[str, SgNode]]:
    """Yield the handlers of events that may come again on one connection or page."""
    for event, handler in (*_given(source), *_assigned(source)):
        if function := source.flow.function_of(handler):
            yield event, function


def _given(source: Source) -> Iterator[tuple[str, SgNode]]:
    for call in source.script.called(*LASTING, *_OF_PAGES):
        short = call.name in _OF_PAGES  # jQuery's `.click(ask)`
        event = call.name if short else source.event_of(call) or ""
        again = _of_peer(source, call) or source.listens(call)
        if call.args and (event in _OF_PAGES or (again and not _OF_CONNECTIONS.match(event))):
            yield event, call.args[-1]


def _assigned(source: Source) -> Iterator[tuple[str, SgNode]]:
    """Yield what `button.onclick = ask` assigns, and `<button onClick={ask}>`."""
    kinds = ["assignment_expression"]
    kinds += ["jsx_attribute"] if source.script.grammar != "typescript" else []
    for node in find_kinds(source.script.root, kinds):
        name, *values = parts(node)
        found = _PROPERTY.match(last_name(name))
        if found and values and found[1].lower() in _OF_PAGES:
            given = parts(values[0]) if kind(values[0]) == "jsx_expression" else values
            yield from ((found[1].lower(), value) for value in given)
