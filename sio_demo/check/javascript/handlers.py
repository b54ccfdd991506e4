"""What the handler of another event, or of a click, adds to an old socket each time it runs."""

import re
from collections.abc import Iterator
from functools import lru_cache

from ast_grep_py import SgNode

from ..calls import Call, Step
from ..nodes import find_kinds, holds, kind, last_name, parts
from .elsewhere import imported, is_left_open, opens_stream, run_by_event
from .roles import LASTING, OF_JQUERY, REMOVES, Role
from .script import Script
from .source import Entry, Source

_OF_CONNECTIONS = re.compile(r"connect|reconnect|disconnect|error$|close$|ping$|pong$")
_AT_START = r"(?i)(?<!up)(?<!down)load|ready|init|mount|layout|connect|hook:"  # of a page
_RARE = re.compile(  # what comes once, or once for each new object
    rf"{_AT_START}|creat|open|clos|^end$|exit|err(or)?$|destroy|finish|success|listening|install|"
    r"activ|sig[a-z]+$|boot|launch|start|upgrade"
)
_PROPERTY = re.compile(r"(?:on|handle(?=[A-Z]))([A-Z]\w*|[a-z]+)$")  # `onclick`, `handleJoin`
_IN_TEMPLATE = re.compile(  # `@click="ask"`, `on:click={() => ask(1)}`, `onclick="ask()"`
    r"(?:@|\bv-on:|\bon:?)([a-z][\w:-]{0,40})((?:[.|]\w{1,20}){0,4})=[\"'{]{1,2}\s{0,9}"
    r"(?:return )?(?:\(?[\w, ]{0,40}\)? ?=> ?\{?\s{0,9})?([\w$]{1,60})\b"
)


def listeners_in_handlers(source: Source) -> set[Entry]:
    """Find what handlers add; return the functions of other files that they run."""
    run, script = set[Entry](), source.script
    entered = [*handlers_of(source), *source.messages.items()]
    unused = {returned for function, _ in entered for returned in script.returns(function)}
    ends = [c for c in script.called(*REMOVES) if script.enclosing(c.node) not in unused]
    for function, event in entered:
        steps = source.flow.steps(function)
        regions = [*dict.fromkeys([function, *(step.function for step in steps)])]
        for step in steps:
            call = step.call
            added = opens_stream(source, call) and is_left_open(call, [s.call for s in steps])
            if call.name not in LASTING and not added:
                run.update(run_by_event(source, step, function, event))
            elif added or (_adds_to_old(source, step, regions) and not source.removed(call, ends)):
                names = {"event": source.words_for_event(call), "handler": event}
                source.report(call, "listener-in-handler", "javascript", **names)
    return run


def _adds_to_old(source: Source, step: Step, regions: list[SgNode]) -> bool:
    call = step.call
    if call.target is None or holds(call.node, regions[0]) or source.first_time(step):
        return False
    if _of_peer(source, call):
        entered = regions[0] in source.roles.peers
        return entered or source.outlives(source.root_of(call.target), regions[:1])
    found = source.script.resolve(source.root_of(call.target))
    if found and found.kind == "parameter" and found.scope == regions[0]:
        return False
    return source.listens(call) and not source.fresh(call.target, regions)


def _of_peer(source: Source, call: Call) -> bool:
    return source.roles.of(call.target) is Role.PEER and len(call.args) > (call.name != "use")


def run_by_handlers(source: Source) -> Iterator[Entry]:
    """Yield the functions of other files that are handlers, or that templates call."""
    script = source.script
    found = [imported(script, handler) for _, handler in _registered(source)]
    for name in (name for _, name in _of_templates(script) if name not in script.functions):
        known = script.bindings.get((None, name))
        if known is not None and known.module:
            found.append((known.module, known.imported))
        elif known is None and script.classic:
            found.append(("#page", name))
    yield from (Entry(*other, "event") for other in found if other)


def handlers_of(source: Source) -> Iterator[tuple[SgNode, str]]:
    """Yield the handlers of events that may come again on one connection or page."""
    for event, handler in _registered(source):
        if function := source.flow.function_of(handler):
            yield function, event
    for call in source.script.called("subscribe"):
        if opens_stream(source, call) and (function := source.flow.function_of(call.args[0])):
            yield function, "subscribe"
    for outer in source.script.root.find_all(kind="arrow_function"):  # a middleware of Redux
        if re.match(r"\(?next\b[^=]{0,40}=> ?(async )?\(?action\b", outer.text()):
            yield outer.field("body") or outer, "action"
    for event, name in _of_templates(source.script):
        yield from ((function, event) for function in source.script.functions.get(name, ()))


@lru_cache(maxsize=8)
def _registered(source: Source) -> list[tuple[str, SgNode]]:
    return [*_given(source), *_assigned(source)]


def _given(source: Source) -> Iterator[tuple[str, SgNode]]:
    for call in source.script.called(*LASTING, "use", "handle", *OF_JQUERY):
        own = _of_peer(source, call) or source.listens(call)
        short = call.name in OF_JQUERY  # jQuery's `.click(ask)`
        event = call.name if short or call.name == "use" else source.event_of(call) or ""
        again = own or short or (event and call.name != "use" and len(call.args) > 1)
        if source.roles.is_server(call.target):
            continue  # each call gets another socket
        if again and call.args and not (_OF_CONNECTIONS.match if own else _RARE.search)(event):
            capture = call.name == "addEventListener" and call.args[2:]
            if not (capture and re.search(r"\bonce: true", call.args[-1].text())):
                yield event, call.args[1 if capture else -1]


def _assigned(source: Source) -> Iterator[tuple[str, SgNode]]:
    """Yield what `button.onclick = ask` assigns, and `<button onClick={ask}>`."""
    kinds = ["assignment_expression"]
    kinds += ["jsx_attribute"] if source.script.grammar != "typescript" else []
    for node in find_kinds(source.script.root, kinds):
        name, *values = parts(node)
        found = _PROPERTY.match(last_name(name))
        rare = _RARE.pattern if kind(node) == "assignment_expression" else _AT_START
        if found and values and not re.search(rare, found[1]):
            given = parts(values[0]) if kind(values[0]) == "jsx_expression" else values
            yield from ((found[1].lower(), value) for value in given)


def _of_templates(script: Script) -> Iterator[tuple[str, str]]:
    """Yield the names that templates call; of Angular, the methods that nothing else calls."""
    named = _IN_TEMPLATE.findall(script.text) if script.page else []
    if "@Component(" in script.text:
        used = {"constructor", *re.findall(r"\bthis\.(\w+)", script.text)}
        own = (name for name in script.functions if not re.match("ng[A-Z]|ion[A-Z]", name))
        named = [(name, "", name) for name in own if name not in used]
    for event, marks, name in named:
        if not re.search(_AT_START, event) and "once" not in marks:
            yield event, name
