"""What components register when mounted, and do not remove when unmounted."""

from __future__ import annotations

from collections.abc import Iterator

from ast_grep_py import SgNode

from .cleanup import closed, taken_back
from .entries import run_by_mounts
from .facts import CLIENTS, REGISTERS, Role
from .flow import CLOSES, CallStep
from .mounts import Mount, mounts_of
from .script import Call, span
from .source import Entry, Source


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
        if not source.first_time(step) and not any(
            source.fresh(argument, regions) for argument in step.call.args
        ):
            yield step.call


def _left_behind(source: Source, mount: Mount) -> None:
    cleanups = (*mount.cleanups, *mount.others)
    steps = [
        step
        for step in _steps(source, mount)
        if not any(_within(step, cleanup) for cleanup in cleanups)
    ]
    own = _calls_of(source, mount.own)
    taken = _calls_of(source, mount.cleanups)
    for step in steps:
        if made := source.makes_client(step.call):
            if not closed(source, own, taken) and not _replaces(source, step, steps):
                _report_client(source, made, mount)
            continue
        if not _adds(source, step.call) or _is_safe(source, step, steps, mount):
            continue
        if not taken_back(source, step.call, taken):
            _report_listener(source, step.call, mount)


def _steps(source: Source, mount: Mount) -> list[CallStep]:
    if not mount.body:
        return list(source.flow.steps(mount.function))
    top = mount.function == source.script.root
    home = None if top else mount.function
    return [
        CallStep(call, mount.function, ())
        for call in source.script.calls_within(mount.function)
        if source.script.enclosing(call.node) == home and (not top or source.in_instance(call))
    ]


def _calls_of(source: Source, functions: tuple[SgNode, ...]) -> list[Call]:
    return [step.call for function in functions for step in source.flow.steps(function, depth=2)]


def _replaces(source: Source, step: CallStep, steps: list[CallStep]) -> bool:
    """Return whether a client is created only if there is none, or after the old one is closed."""
    if source.makes_once(step):
        return True
    home = source.script.enclosing(step.call.node)
    closing = [
        other.call
        for other in steps
        if other.call.name in CLOSES
        and other.call.target is not None
        and source.roles.of(other.call.target) in CLIENTS
    ]
    if any(source.script.enclosing(call.node) == home for call in closing):
        return True
    return bool(step.trail) and _is_brief(source, step.call, closing)


def _is_brief(source: Source, made: Call, closing: list[Call]) -> bool:
    """Return whether the function that creates a local client also closes it."""
    parent = made.node.parent()
    name = parent.field("name") if parent and parent.kind() == "variable_declarator" else None
    home = source.script.enclosing(made.node)
    if name is None or home is None:
        return False
    start, end = span(home)
    return any(
        call.target is not None and call.target.text() == name.text() and start <= call.start < end
        for call in closing
    )


def _is_safe(source: Source, step: CallStep, steps: list[CallStep], mount: Mount) -> bool:
    """Return whether a listener is on a new client, is removed first, or is added only once."""
    if source.fresh(_target(step.call), _regions(step, steps, mount)) or source.first_time(step):
        return True
    return source.removed_before(step.call, steps)


def _regions(step: CallStep, steps: list[CallStep], mount: Mount) -> set[SgNode]:
    """Return the functions whose clients belong to the mount."""
    regions = {step.function, *(other.function for other in steps)}
    return regions | ({mount.home} if mount.home is not None else set())


def _within(step: CallStep, cleanup: SgNode) -> bool:
    start, end = span(cleanup)
    return start <= step.call.start and step.call.end <= end


def _target(call: Call) -> SgNode:
    return call.target if call.target is not None else call.node


def _adds(source: Source, call: Call) -> bool:
    if call.name not in REGISTERS or call.target is None or len(call.args) < 2 or call.new:
        return False
    if call.name in ("once", "prependOnceListener", "onAny", "prependAny"):
        return False
    if not source.is_function(call.args[1]) or _used(call):
        return False
    role = source.roles.of(call.target)
    return role is not Role.ENGINE and source.is_client(call.target, source.event_of(call))


def _used(call: Call) -> bool:
    """Return whether the result of `on` is used: it may be a function that removes the listener."""
    parent = call.node.parent()
    return parent is not None and parent.kind() not in (
        "expression_statement",
        "member_expression",
        "arrow_function",
        "binary_expression",
        "ternary_expression",
        "unary_expression",
        "sequence_expression",
    )


def _report_listener(source: Source, call: Call, mount: Mount) -> None:
    cleanup = {
        "effect": "return a function from the effect that calls `off` with the same event and "
        "function",
        "svelte": "return a function from `onMount` that calls `off`",
        "vue": "call `off` in `onUnmounted`",
        "hook": "call `off` in the hook that runs when the component goes",
        "render": "move it into an effect that returns its cleanup",
    }[mount.what]
    often = "each render" if mount.what == "render" else "each mount (and each run of an effect)"
    source.report(
        call,
        "listener-without-cleanup",
        f"The listener for {call.args[0].text()} stays when the component goes: {often} adds "
        f"another, and all of them run for every message. Name its function and {cleanup}.",
    )


def _report_client(source: Source, made: Call, mount: Mount) -> None:
    when = "render" if mount.what == "render" else "mount (and each run of an effect)"
    source.report(
        made,
        "client-in-handler",
        f"Each {when} makes another client; the old one stays connected, and its listeners run "
        "as well. Make it outside the component, or disconnect it in the cleanup.",
    )
