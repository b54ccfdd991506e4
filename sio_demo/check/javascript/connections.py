"""What handlers of connections must not leave behind: listeners, clients, timers."""

import re
from collections.abc import Iterable, Iterator

from ast_grep_py import SgNode

from ..calls import Call, Step, call_of
from ..nodes import WRAPPERS, beyond, find_kinds, holds, kind, label, last_name, text, unwrap, up_to
from ..shared import word_set
from .elsewhere import adds_through, imported
from .handlers import handlers_of
from .roles import CLOSES, LASTING, OF_JQUERY, REMOVES, Role
from .source import TIDY, Entry, EventHandler, Source

_TRIES = word_set("connect_error reconnect_attempt reconnecting reconnect_error connecting")
_AGAIN = _TRIES | {"connect", "reconnect", "disconnect"}
_OPPOSITES = {"connect": "disconnect", "reconnect": "disconnect", "disconnect": "connect"}
_LOST = _AGAIN | {"reconnect_failed", "connect_failed", "connect_timeout", "error", "close"}
_ADDS = LASTING | {"subscribe", "pSubscribe", "watchFile", "consume"}
_PILES = (
    "its function then runs once more for each message",
    "until the event comes they pile up, and then all of them run",
)
_CLEARS = re.compile(r"(?i)(clear|stop|cancel)\w*$")
_STOPS = re.compile(r"(?i)unsub|^off|^remove|^un(watch|listen|register)|^(quit|cancel)")
_PUT = r"(\w+)(?:\.(?:set|push|add)\([^()\n]*\b(\w+)\)|\[[^\n]*\] = (\w+)\b)"  # into a collection
_REQUEST = re.compile(r"\(\s*_?req(uest)?\b[^,]{0,99},\s*_?(res(ponse)?|reply)\b|\(ctx\b")
_KEEPS = ("variable_declarator", "assignment_expression")  # what is returned: `unsubscribe`
_PASSES_ON = WRAPPERS | {"ternary_expression", "binary_expression"}


def listeners_in_connect(source: Source) -> list[Entry]:
    """Find what handlers of connections add; return the functions of other files that they run."""
    rule, script, run = "listener-in-connect", source.script, list[Entry]()
    handlers = [h for h in source.handlers if h.event in _AGAIN and not _only_once(source, h)]
    lost = (h.function for h in source.handlers if h.event == "disconnect")
    undone = [step.call for function in lost for step in source.flow.steps(function)]
    tidy = [c for c in undone if TIDY.search(c.name)]
    given_back = any(c.name in REMOVES or imported(script, c.callee) for c in tidy)
    again = [(h.event, h.function) for h in handlers if source.reconnects(h.target)]
    again += [(event, f) for event in _AGAIN for f, _ in source.run_elsewhere(event)]
    for call in (c for c in script.called(*LASTING) if source.listens(c)):
        event = source.event_of(call)
        if event in _AGAIN and call.target and source.reconnects(call.target):
            run += (Entry(*found, event) for found in [imported(script, call.args[1])] if found)
    for event, function in again:
        steps = source.flow.steps(function)
        regions = {function, *(step.function for step in steps)}
        removing = [step.call for step in steps if step.call.name in REMOVES]
        for step in steps:
            call, once = step.call, step.call.name in ("once", "prependOnceListener")
            names = {"event": source.words_for_event(call), "handler": event, "what": _PILES[once]}
            if source.first_time(step):
                continue
            if adds_through(source, call):
                source.report(call, rule, "javascript", **names | {"event": f"`{call.name}`"})
            elif not given_back and (found := imported(script, call.callee)):
                run.append(Entry(*found, event))
            here = not step.trail and _registers_elsewhere(source, call, regions)
            if call.target is None or not (here or source.listens(call)):
                continue
            if once and source.event_of(call) == _OPPOSITES.get(event):
                continue  # used up before the handler runs again
            removed = source.removed_before(call, removing) or source.removed(call, undone)
            if not removed and not source.fresh(call.target, regions):
                source.report(call, rule, "javascript", **names)
    return run


def _registers_elsewhere(source: Source, call: Call, regions: set[SgNode]) -> bool:
    """Return whether a call adds a new function to the page, or to another outer emitter."""
    short = call.name in OF_JQUERY
    known = short or call.name in ("on", "addEventListener")
    if not known or call.target is None or len(call.args) < 2 - short:
        return False
    given, target = unwrap(call.args[-1]), source.root_of(call.target)
    if given.kind() not in ("arrow_function", "function_expression"):
        return False
    if target.kind() == "call_expression":  # such as `$(window)`
        made = call_of(target)
        return (text(made.target) or made.name) in ("$", "jQuery", "document")
    other = not short and source.roles.of(target) not in (Role.ENGINE, Role.PEER, Role.MAYBE)
    return other and source.outlives(target, regions)


def _only_once(source: Source, handler: EventHandler) -> bool:
    """Return whether a handler runs once: registered with `once`, or it removes itself."""
    return handler.call.name in ("once", "prependOnceListener") or any(
        call.name in REMOVES and source.event_of(call) == handler.event
        for call in source.script.calls_within(handler.function)
    )


def clients_in_handlers(source: Source) -> None:
    roles = source.roles
    homes = {source.script.enclosing(c.node) for c in source.script.calls if roles.makes_client(c)}
    running = dict.fromkeys(source.connections, ("again", "connection"))
    running |= {f: ("again", "request") for f in homes if f is not None and _answers_request(f)}
    for handler in source.handlers:
        again = handler.event == "connect" or source.reconnects(handler.target)
        if again and handler.event in _LOST and handler.call.name != "once":
            running[handler.function] = "handler", handler.event
    for function, (message, what) in running.items():
        steps, lost = source.flow.steps(function), what in _LOST
        for call in (
            s.call for s in steps if roles.makes_client(s.call) and not source.makes_once(s)
        ):
            closing = (s.call for s in steps if not lost or s.trail or s.call.start < call.start)
            ends = {text(c.target) for c in closing if TIDY.search(c.name) and not c.new}
            needed = lost and what != "connect" and "reconnection: false" in call.node.text()
            if not needed and ends <= {"res", "response", "reply"}:
                source.report(call, "client-in-handler", message, what=what, event=what)


def clients_for_calls(source: Source) -> None:
    """Find clients that a function makes each time it is called, and then forgets."""
    script, names = source.script, source.script.names_of_functions
    made = [c for c in script.calls if source.roles.makes_client(c) and script.enclosing(c.node)]
    if not made:
        return
    often = [f for f, _ in (*handlers_of(source), *source.messages.items())]
    again = {s.call.node for f in often for s in source.flow.steps(f) if not source.makes_once(s)}
    at_start = {c.name for c in script.calls if script.enclosing(c.node) is None}
    for call in made:
        home = script.enclosing(call.node) or script.root
        ended = any(TIDY.search(c.name) for c in script.calls_within(home))
        uses = None if ended or home == script.root else _uses(source, call, home)
        sends = {c.name if source.event_of(c) not in _AGAIN else "emit" for c in uses or ()}
        called = re.match("[a-z]", names.get(home, "")) and names[home] not in at_start
        alone = called and sends == {"emit"} and not source.makes_once(Step(call, home))
        if uses is not None and (alone or call.node in again):
            source.report(call, "client-in-handler", "again", what="call")


def _uses(source: Source, made: Call, home: SgNode) -> list[Call] | None:
    """Return the calls on a client; None if more than the function `home` may refer to it."""
    place = beyond(made.node, (*WRAPPERS, "member_expression", "call_expression"))
    chained = kind(place) == "expression_statement"
    name = label(place, "name") if kind(place) == "variable_declarator" else None
    found = find_kinds(home, ("identifier", "shorthand_property_identifier"))
    uses = [n for n in found if name and n.text() == name.text() and n != name]
    known = [c for c in source.script.calls_within(home) if c.target in (uses or [made.node])]
    return known if (name or chained) and len(known) >= len(uses) else None


def shared_emitters(source: Source) -> None:
    ends = [end for f in source.disconnections for end in source.flow.steps(f)]
    for function in source.connections:
        steps = source.flow.steps(function)
        calls = [step.call for step in [*steps, *ends] if step.call.target is not None]
        stops = [c for c in calls if c.name in REMOVES | CLOSES or _STOPS.search(c.name)]
        for step in steps:
            adds = _adds_to_shared(source, step, function, stops) and not source.first_time(step)
            if adds and kind(beyond(step.call.node, ("array",))) not in _KEEPS:
                rule, emitter = "shared-emitter-in-connection", text(step.call.target)[:40]
                source.report(step.call, rule, "listener", emitter=emitter)


def _adds_to_shared(source: Source, step: Step, function: SgNode, stops: list[Call]) -> bool:
    call = step.call
    if call.name not in _ADDS or call.target is None or len(call.args) < 2 or call.new:
        return False
    target = source.root_of(call.target)
    own = target.kind() == "this" and kind(source.script.enclosing(target)) == "arrow_function"
    if not own and target.kind() not in ("identifier", "member_expression"):
        return source.roles.is_server(target) and not holds(call.node, function)
    path = source.script.path(target)
    if not path:  # such as `io.of("/").adapter`
        return source.roles.is_server(target.field("object"))
    outer = path[0] == "this" or source.outlives(target, (function, step.function))
    if source.roles.of(target) is Role.PEER:  # kept outside, it is still the one that connects
        outer = outer and not any(holds(function, value) for value in source.values_of(target))
    return outer and not any(
        (other.name not in REMOVES or source.takes_off(other, call))
        and source.root_of(other.target or other.node).text() == target.text()
        for other in stops
    )


def connections_in_requests(source: Source) -> Iterator[Entry]:
    """Find what listens for connections at each request; yield what requests run of others."""
    script = source.script
    run = {function for function, _ in source.run_elsewhere("request")}
    for call in filter(source.roles.is_server_connection, script.called(*LASTING)):
        if (function := script.enclosing(call.node)) is None:
            continue
        uses = script.called(script.names_of_functions.get(function, ""))
        again = function in run or any(_is_in_request(source, use) for use in (call, *uses))
        old = not source.fresh(call.target or call.node, (function,))
        if again and old and not source.first_time(Step(call, function)):
            source.report(call, "connection-in-request", "request")
    for call in script.calls if _REQUEST.search(script.text) else ():
        if (found := imported(script, call.callee)) and _is_in_request(source, call):
            yield Entry(*found, "request")


def _is_in_request(source: Source, call: Call) -> bool:
    """Return whether a call is in what answers requests, and runs for each."""
    function = source.script.enclosing(call.node)
    answers = function is not None and _answers_request(function)
    return answers and not source.first_time(Step(call, function or call.node))


def _answers_request(function: SgNode) -> bool:
    return _REQUEST.match(text(function.field("parameters"))) is not None


def timers_in_connect(source: Source) -> None:
    lost = [*(handler.function for handler in source.handlers), *source.disconnections]
    ends = _cleared(step.call for function in lost for step in source.flow.steps(function))
    starts = [h for h in source.handlers if h.event in ("connect", "reconnect")]
    again = [h.function for h in starts if source.is_client(h.target) and not _only_once(source, h)]
    for function in (*again, *(f for f, _ in source.run_elsewhere("connect"))):
        _timers(source, function, "at every reconnection", ends)
    for function in source.connections:
        _timers(source, function, "for every connection, also one that comes back", ends)


def _timers(source: Source, function: SgNode, when: str, ends: list[SgNode]) -> None:
    steps = source.flow.steps(function)
    cleared = [*_cleared(step.call for step in steps), *ends]
    for step in steps:
        call = step.call
        starts = _starts_timer(source, call) and not source.first_time(step)
        if starts and not _stopped(source, call, cleared):
            source.report(call, "timer-in-connect", "timer", timer=call.name, when=when)


def _starts_timer(source: Source, call: Call) -> bool:
    if call.name in ("scheduleJob", "CronJob") or re.search(r"(?i)cron\.sch", call.callee.text()):
        return True
    if call.name == "setInterval" and call.args:
        return call.target is None or call.target.text() in ("window", "global", "globalThis")
    return call.name == "setTimeout" and _calls_itself(source, call)


def _calls_itself(source: Source, call: Call) -> bool:
    """Return whether `setTimeout` unconditionally runs the function that contains it."""
    function = source.script.enclosing(call.node)
    name = source.script.names_of_functions.get(function) if function else None
    again = text(next(iter(call.args), None))
    if function is None or not name or not re.search(rf"\b{re.escape(name)}\b", again):
        return False
    kinds = ("if_statement", "ternary_expression", "binary_expression")
    unconditional = not any(around.kind() in kinds for around in up_to(call.node, function))
    return unconditional and not source.script.own(function, "return_statement")


def _cleared(calls: Iterable[Call]) -> list[SgNode]:
    ends = [*calls]
    found = [c.args[0] for c in ends if _CLEARS.match(c.name) and c.args]
    each = [c for c in ends if c.name == "forEach" and c.args and _CLEARS.match(c.args[0].text())]
    stopping = [c for c in ends if c.name in ("stop", "cancel")]
    return found + [c.target for c in each + stopping if c.target]


def _stopped(source: Source, call: Call, cleared: list[SgNode]) -> bool:
    place = beyond(call.node, _PASSES_ON)
    if kind(place) in ("", "expression_statement", "arrow_function"):
        return False
    kept = label(place, "name", "left")
    if kept is None or kept.kind() not in ("identifier", "member_expression"):
        return bool(cleared)
    name = last_name(kept)
    if kept.kind() == "identifier":
        home = source.script.resolve(kept)
        if any(t.text() == name and source.script.resolve(t) is home for t in cleared):
            return True
        around = text(source.script.enclosing(kept) or source.script.root)
        name = next((m[1] for m in re.finditer(_PUT, around) if name in (m[2], m[3])), "")
    return name != "" and any(
        name in value.text() for timer in cleared for value in (timer, *source.values_of(timer))
    )
