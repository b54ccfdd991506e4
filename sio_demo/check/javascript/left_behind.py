"""What components register when mounted, and do not remove when unmounted."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ast_grep_py import SgNode

from ..calls import Call, Step
from ..nodes import holds, label, text
from ..shared import word_set
from .entries import run_by_mounts
from .facts import CLIENTS, REGISTERS, Role
from .flow import CLOSES, REMOVES
from .mounts import Mount, mounts_of
from .removals import removed_before, takes_off
from .source import TIDY, Entry, Source

_OWNERS = re.compile(
    r"(?i)socket|service|client|conn|manager|store|realtime|chat|signal|hub|api|^io$|^ws$|"
    r"unsub|cleanup|clean_?up|listener|subscription|dispos|^off|^sub"
)
_LASTING = REGISTERS - word_set("once prependOnceListener onAny prependAny onAnyOutgoing")
_NEW_CLIENT = re.compile(r"(?i)(prev|before|old|last)\w*\.\w*(socket|client)\b")
_OF_OTHERS = word_set(
    "clearInterval clearTimeout cancelAnimationFrame cancelIdleCallback removeItem removeChild "
    "clear stopPropagation removeAttribute removeProperty"
)


def component_listeners(source: Source, root_component: bool) -> list[Entry]:
    """Find listeners and clients that a component leaves behind.

    Return the functions of other files that components run without any cleanup.
    """
    run: list[Entry] = []
    for mount in mounts_of(source, root_component):
        if not mount.opaque:
            _left_behind(source, mount)
        if not (mount.opaque or mount.own or mount.cleanups or mount.others):
            run += run_by_mounts(source, _repeated(source, mount), mount.what != "effect")
    return run


def _repeated(source: Source, mount: Mount) -> Iterator[Call]:
    """Yield the calls that every mount repeats, except on a client of its own."""
    steps = _steps(source, mount)
    for step in steps:
        regions = _regions(step, steps, mount)
        own = any(source.fresh(argument, regions) for argument in step.call.args)
        if not own and not source.first_time(step):
            yield step.call


def _left_behind(source: Source, mount: Mount) -> None:
    ends = (*mount.cleanups, *mount.others)
    steps = [s for s in _steps(source, mount) if not any(holds(end, s.call.node) for end in ends)]
    own = _calls_of(source, mount.own)
    taken = _calls_of(source, mount.cleanups)
    taken += [step.call for step in steps] if mount.again else []
    for step in steps:
        if source.roles.makes_client(step.call):
            if not _closed(source, step.call, own, taken) and not _replaces(source, step, steps):
                how = "render" if mount.what == "render" else "mount"
                source.report(step.call, "client-in-handler", how)
        elif _adds(source, step.call) and not (
            _is_safe(source, step, steps, mount) or _taken_back(source, step.call, taken)
        ):
            event = step.call.args[0].text()
            source.report(step.call, "listener-without-cleanup", mount.what, event=event)


def _steps(source: Source, mount: Mount) -> list[Step]:
    if not mount.body:
        return list(source.flow.steps(mount.function))
    top = mount.function == source.script.root
    home = None if top else mount.function
    return [
        Step(call, mount.function, ())
        for call in source.script.calls_within(mount.function)
        if source.script.enclosing(call.node) == home and (not top or source.in_instance(call))
    ]


def _calls_of(source: Source, functions: tuple[SgNode, ...]) -> list[Call]:
    return [step.call for function in functions for step in source.flow.steps(function, depth=2)]


def _replaces(source: Source, step: Step, steps: list[Step]) -> bool:
    """Return whether a client is created only if there is none, or after the old one is closed."""
    if source.makes_once(step):
        return True
    made = step.call.node
    home, name = source.script.enclosing(made), text(label(made.parent(), "name"))
    for other in steps:
        call = other.call
        if (
            call.name not in CLOSES
            or not call.target
            or source.roles.of(call.target) not in CLIENTS
        ):
            continue
        brief = step.trail and text(call.target) == name and home and holds(home, call.node)
        if brief or source.script.enclosing(call.node) == home:
            return True
    return False


def _is_safe(source: Source, step: Step, steps: list[Step], mount: Mount) -> bool:
    """Return whether a listener is on a new client, is removed first, or is added only once."""
    return (
        source.fresh(step.call.target or step.call.node, _regions(step, steps, mount))
        or source.is_owned(step.call.target or step.call.node)
        or source.first_time(step)
        or (
            mount.again
            and any(map(_NEW_CLIENT.search, source.flow.conditions(step.call.node, step.function)))
        )
        or removed_before(source, step.call, [s for s in steps if s.call.name in REMOVES])
    )


def _regions(step: Step, steps: list[Step], mount: Mount) -> set[SgNode]:
    """Return the functions whose clients belong to the mount."""
    regions = {step.function, *(other.function for other in steps)}
    return regions | ({mount.home} if mount.home is not None else set())


def _adds(source: Source, call: Call) -> bool:
    if call.name not in _LASTING or call.target is None or len(call.args) < 2 or call.new:
        return False
    return source.is_client(call.target, source.event_of(call))


def _cleans(source: Source, call: Call) -> bool:
    """Return whether a call closes a client, or has the name of a cleanup.

    The name of a function of this source does not count, because its calls are followed.
    """
    if call.new or call.name in _OF_OTHERS or (call.name in REMOVES and call.target is not None):
        return False
    named = call.name in CLOSES or TIDY.search(call.name) is not None
    if call.target is None:
        return named and call.name not in source.script.functions
    if source.roles.of(call.target) in (*CLIENTS, Role.MANAGER):
        return named
    path = source.script.path(call.target) or (call.target.text(),)
    owner = path[-2] if path[-1] in ("current", "value") and len(path) > 1 else path[-1]
    if re.search(r"(?i)unsub|clean_?up|dispos|subscription|listeners|^off", owner):
        return True
    return named and _OWNERS.search(owner) is not None


def _closed(source: Source, made: Call, own: list[Call], all_calls: list[Call]) -> bool:
    """Return whether cleanups close a client; in the mount's own, removing listeners is enough."""
    kept = text(label(made.node.parent(), "left"))
    removing = [c for c in own if c.name in REMOVES]
    if any("." not in kept or text(call.target) == kept for call in removing):
        return True
    return any(_cleans(source, call) for call in all_calls)


def _taken_back(source: Source, call: Call, cleanup: list[Call]) -> bool:
    """Return whether a cleanup removes the listener that a call adds."""
    return any(
        takes_off(source, other, call) if other.name in REMOVES else _cleans(source, other)
        for other in cleanup
    )
