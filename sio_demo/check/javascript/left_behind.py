"""What components register when mounted, and do not remove when unmounted."""

import re
from collections.abc import Iterator
from dataclasses import replace

from ast_grep_py import SgNode

from ..calls import Call, Step, call_of
from ..nodes import beyond, kind, label, text
from ..shared import word_set
from .elsewhere import (
    adds_through,
    imported,
    is_left_open,
    is_owned,
    of_shared,
    opens_stream,
    run_by_mount,
)
from .mounts import EFFECTS, Mount, mounts_of
from .roles import CLIENTS, CLOSES, LASTING, OF_ANY, REMOVES, Role, names_a_client
from .script import FUNCTIONS
from .source import TIDY, Entry, Source

_OWNERS = re.compile(
    r"(?i)socket|service|client|conn|manager|store|realtime|chat|signal|hub|api|^io$|^ws$|"
    r"unsub|cleanup|clean_?up|listener|subscription|dispos|^off|^sub"
)
_ENDS = re.compile(r"(?i)unsub|unlisten|^off|off$|disconn|clos|dispos|destroy|clean|listener|all$")
_NEW_CLIENT = re.compile(r"(?i)(prev|before|old|last)\w*\.\w*(socket|client)\b")
_NO_STATE = re.compile(r"\buseState(<[^()]*>)?\((null|undefined)?\)$")
_FLAG = re.compile(r"\b(\w+)(?:, \w+\])? = (?:\w+\.)?use(?:Ref|State)(?:<\w+>)?\(false\)")
_CHAIN = word_set("await_expression member_expression call_expression")  # `get().subscribe()`
_SOCKET = re.compile(r"(?i)socket(ref)?([?!]?\.(current|value))?$")  # and no service around it
_SUBSCRIBES = re.compile(r"[\w$.]{1,99}\.subscribe\(")
_OF_OTHERS = word_set(
    "clearInterval clearTimeout cancelAnimationFrame cancelIdleCallback removeItem removeChild "
    "clear stopPropagation removeAttribute removeProperty"
)


def component_listeners(source: Source) -> list[Entry]:
    """Find what components leave behind; return what they run of other files, and never end."""
    run: list[Entry] = []
    for mount in mounts_of(source):
        steps = _steps(source, mount)
        regions = {step.function for step in steps} | ({mount.home} if mount.home else set())
        if mount.what == "render":  # what an effect makes is older than the next render
            regions = {step.call.node for step in steps if step.call.name not in EFFECTS}
        _left_behind(source, mount, steps, regions)
        ends = [end.call for f in mount.cleanups for end in source.flow.steps(f)]
        run += _taken_from_others(source, ends)
        if not any(mount.function == function for function, _ in source.run_elsewhere("mount")):
            added = (s.call for s in steps if s.call.name in LASTING and source.listens(s.call))
            run += (entry for call in added for entry in of_shared(source, call, "listens"))
        undone = [end for end in ends if source.roles.of(end.target) not in CLIENTS]
        undone = [end for end in undone if not _is_subscription(source, end.target)]
        found = [imported(source.script, end.callee) for end in undone]
        run += (Entry(*other, "unmount") for other in found if other and TIDY.search(other[1]))
        for call in (s.call for s in steps if not source.first_time(s)):
            kept = kind(beyond(call.node, _CHAIN)) != "expression_statement"
            # What is subscribed to ends by itself; what the call has added to a client does not.
            streamed = text(label(call.node.parent(), "property")) in ("subscribe", "pipe")
            if (
                mount.cleanups
                and not streamed
                and (kept or _ends_owner(source, call, ends, apart=True))
            ):
                continue
            if source.listens(call) or any(source.fresh(given, regions) for given in call.args):
                continue
            if kept or not adds_through(source, call):
                run += run_by_mount(source, call)
            elif not _ends_owner(source, call, ends) and (
                call.target is None or not source.fresh(call.target, regions)
            ):
                event = source.words_for_event(call)
                source.report(call, "listener-without-cleanup", mount.what, event=event)
    return run


def _taken_from_others(source: Source, ends: list[Call]) -> Iterator[Entry]:
    """Report what removes each listener for an event, if another component has one too."""
    added = [call for call in source.script.called(*LASTING) if source.listens(call)]
    closed = any(end.name in CLOSES for end in ends)  # then it is for all
    for end in ends:
        all_of = end.name in ("off", "removeAllListeners") and len(end.args) < 2
        if not all_of or source.roles.of(end.target) not in CLIENTS:
            continue
        event = source.event_of(end)
        same = (c for c in added if not end.args or event == source.event_of(c) is not None)
        others = (c for c in same if source.script.part(c) != source.script.part(end))
        inside = not source.instances  # else the whole file is one component
        removed = [] if closed and not end.args else of_shared(source, end, "removes")
        taken = any(replace(entry, when="taken") in source.entries for entry in removed)
        if taken or (inside and any(source.takes_off(end, c) for c in others)):
            source.report(end, "cleanup-of-others", "component", removal=end.node.text()[:60])
        yield from removed


def _ends_owner(source: Source, call: Call, ends: list[Call], apart: bool = False) -> bool:
    """Return whether a cleanup calls the object that a call is for, or may end all it does."""
    owner = (source.script.path(call.target) or ("",))[-1]
    far = imported(source.script, call.callee) if apart else None  # else asked in that file
    return any(
        owner in text(end.target) or end.name in REMOVES if end.target else not owner
        for end in ends
        if not far or (imported(source.script, end.callee) or ("",))[0] != far[0]
    )


def _is_subscription(source: Source, target: SgNode | None) -> bool:
    return target is not None and any(".subscribe(" in v.text() for v in source.values_of(target))


def _left_behind(source: Source, mount: Mount, steps: list[Step], regions: set[SgNode]) -> None:
    removing = [step.call for step in steps if step.call.name in REMOVES]
    taken = [s.call for end in mount.cleanups for s in source.flow.steps(end, depth=2)]
    taken += [step.call for step in steps] if mount.again else []
    for step in steps:
        call = step.call
        if source.roles.makes_client(call):
            ends = [end for end in taken if not source.other_client(end.target, call.node)]
            ends = [end for end in ends if not _is_stale(source, end)]
            if not (_replaces(source, step, steps) or any(_cleans(source, c) for c in ends)):
                how = "render" if mount.what == "render" else "mount (and each run of an effect)"
                source.report(call, "client-in-handler", "mount", how=how)
        elif opens_stream(source, call):
            if is_left_open(call, [*taken, *(s.call for s in steps)]):
                source.report(call, "listener-without-cleanup", "stream")
        elif call.name in LASTING | OF_ANY and source.listens(call):
            safe = _is_safe(source, step, removing, regions)
            if not safe and not _taken_back(source, call, taken, _reopened(source, steps)):
                event = source.words_for_event(call)
                source.report(call, "listener-without-cleanup", mount.what, event=event)


def _steps(source: Source, mount: Mount) -> list[Step]:
    if not mount.body:
        steps = source.flow.steps(mount.function)
        return [step for step in steps if not _waits(source, step.call)]
    instance = mount.function == source.script.root  # of a component, unlike what is beside it
    home = mount.function if mount.function.kind() in FUNCTIONS else None
    direct = [
        Step(call, mount.function)
        for call in source.script.calls_within(mount.function)
        if _runs_in(source, call) == home
        and (not instance or any(start <= call.start < end for start, end in source.instances))
    ]
    called = ((step, source.flow.called(step.call)) for step in direct)
    return direct + [
        replace(inner, trail=(*inner.trail, *step.way))
        for step, function in called
        for inner in (source.flow.steps(function) if function else ())
    ]


def _runs_in(source: Source, call: Call) -> SgNode | None:
    """Return the function that a call is part of; what `new Promise` gets runs at once."""
    function = source.script.enclosing(call.node)
    while function and text(beyond(function, ("arguments",))).startswith("new Promise"):
        function = source.script.enclosing(function)
    return function


def _waits(source: Source, call: Call) -> bool:
    """Return whether AngularJS runs a call for what a visitor does, and not at the start."""
    function = source.script.enclosing(call.node)
    kept = text(label(function.parent(), "left")) if function else ""
    return kept.startswith("$scope.") and f"{kept}(" not in source.script.text


def _replaces(source: Source, step: Step, steps: list[Step]) -> bool:
    """Return whether a client is created only if there is none, or after the old one is closed."""
    made = step.call.node
    home, name = source.script.enclosing(made), text(label(made.parent(), "name"))
    return source.makes_once(step) or any(
        source.script.enclosing(call.node) == home or (step.trail and text(call.target) == name)
        for call in (other.call for other in steps if other.call.name in CLOSES)
        if source.roles.of(call.target) in CLIENTS
    )


def _is_safe(source: Source, step: Step, removing: list[Call], regions: set[SgNode]) -> bool:
    """Return whether a listener is on a new client, is removed first, or is added only once."""
    target = step.call.target or step.call.node
    return (
        source.fresh(target, regions)
        or is_owned(source, target)
        or (source.first_time(step) and not _has_flag(source, step))
        or any(_NEW_CLIENT.search(text) for _, text in source.flow.conditions(*step.way[0]))
        or source.removed_before(step.call, removing)
    )


def _has_flag(source: Source, step: Step) -> bool:
    """Return whether what guards a step is a flag of the component: the next one has another."""
    flags = {*_FLAG.findall(source.script.text)}
    asked = (text for place in step.way for _, text in source.flow.conditions(*place))
    return any(not flags.isdisjoint(re.findall(r"\w+", condition)) for condition in asked)


def _reopened(source: Source, steps: list[Step]) -> set[str]:
    """Return the clients that a mount opens again: closing them removes no listener."""
    opening = (s.call for s in steps if s.call.name in ("connect", "open") and not s.call.args)
    return {
        source.root_of(target).text()
        for target in (call.target for call in opening)
        if target and (_SOCKET.search(target.text()) or source.roles.of(target) is Role.CLIENT)
    }


def _is_stale(source: Source, end: Call) -> bool:
    """Return whether the cleanup of an effect without dependencies only sees the first state."""
    around = (call_of(a) for a in end.node.ancestors() if a.kind() == "call_expression")
    once = any(c.name in EFFECTS and [a.text() for a in c.args[1:]] == ["[]"] for c in around)
    found = source.script.resolve(end.target)
    state = text(found.source) if found and found.key else ""
    return once and _NO_STATE.search(state) is not None


def _cleans(source: Source, call: Call, kept: bool = True) -> bool:
    """Return whether a call closes a client, or has the name of a cleanup in another file.

    What ends a subscription does not end a listener whose registration is not `kept`.
    """
    if call.new or call.name in _OF_OTHERS or (call.name in REMOVES and call.target is not None):
        return False
    named = TIDY.search(call.name) is not None
    if call.target is None:
        known = call.name in source.script.functions
        values = [] if kept else source.values_of(call.callee)
        return named and not (known or any(_SUBSCRIBES.match(value.text()) for value in values))
    if source.roles.of(call.target) in (*CLIENTS, Role.MANAGER):
        return named
    path = source.script.path(call.target) or (call.target.text(),)
    owner = path[-2] if path[-1] in ("current", "value") and len(path) > 1 else path[-1]
    if not named or _OWNERS.search(owner) is None or (call.name == "unsubscribe" and not kept):
        return False
    return names_a_client(owner) or _ENDS.search(call.name) is not None


def _taken_back(source: Source, call: Call, cleanup: list[Call], reopened: set[str]) -> bool:
    kept = kind(call.node.parent()) != "expression_statement"
    closed = text(call.target) in reopened
    return any(
        source.takes_off(other, call)
        if other.name in REMOVES
        else _cleans(source, other, kept) and not (closed and text(other.target) in reopened)
        for other in cleanup
    )
