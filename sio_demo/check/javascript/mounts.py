"""Where components are mounted, and the cleanups that go with it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ast_grep_py import SgNode

from ..words import words
from .script import FUNCTIONS, Call, span, unwrap
from .source import Source

EFFECTS = words(
    "useEffect useLayoutEffect useInsertionEffect useFocusEffect useIsomorphicLayoutEffect "
    "useMount useEffectOnce useAsyncEffect useDeepCompareEffect useUpdateEffect"
)
MOUNTS = {"onMounted": "vue", "onBeforeMount": "vue", "onActivated": "vue", "onMount": "svelte"}
UNMOUNTS = words(
    "onUnmounted onBeforeUnmount onDeactivated onScopeDispose onDestroy onBeforeRouteLeave "
    "onCleanup tryOnScopeDispose tryOnUnmounted tryOnBeforeUnmount useUnmount"
)
MOUNT_METHODS = words(
    "mounted created beforeMount componentDidMount componentWillMount "
    "UNSAFE_componentWillMount activated"
)
UNMOUNT_METHODS = words(
    "beforeDestroy destroyed unmounted beforeUnmount componentWillUnmount deactivated "
    "beforeRouteLeave"
)
_STEADY = re.compile(
    r"(?i)socket|\b(io|client|connection|dispatch|navigate|router|history|toast|t)$|ref$|"
    r"(^|\.)(set|on|handle)[A-Z]"
)


@dataclass(frozen=True)
class Mount:
    """A function that runs when a component appears, and those that run when it goes.

    `own` is what it returns itself. `cleanups` are these and all others that run whenever it is
    about to run again; `others` belong to effects that may run more seldom. An `opaque` effect
    returns what cannot be followed.
    """

    what: str
    function: SgNode
    own: tuple[SgNode, ...]
    cleanups: tuple[SgNode, ...]
    others: tuple[SgNode, ...] = ()
    opaque: bool = False


def mounts_of(source: Source, root_component: bool) -> list[Mount]:
    """Return the effects and mount hooks of a source; of the root component, only effects."""
    found = []
    for name in EFFECTS:
        for call in source.script.by_name.get(name, ()):
            if call.args and (function := _callback(source, call.args[0])) is not None:
                found.append(_effect(source, call, function))
    if root_component:
        return found
    for name, library in MOUNTS.items():
        for call in source.script.by_name.get(name, ()):
            if call.args and (function := _callback(source, call.args[0])) is not None:
                mount = _effect(source, call, function)
                later = _given_to(source, UNMOUNTS)
                cleanups = (*mount.cleanups, *mount.others, *later)
                found.append(Mount(library, function, cleanups, cleanups, (), mount.opaque))
    return found + _methods(source)


def _callback(source: Source, node: SgNode) -> SgNode | None:
    """Return the effect's function, out of `useCallback(...)` if need be."""
    node = unwrap(node)
    if node.kind() == "call_expression":
        call = source.script.call_of(node)
        return source.flow.function_of(call.args[0]) if call.args else None
    return source.flow.function_of(node)


def _effect(source: Source, call: Call, function: SgNode) -> Mount:
    component = source.script.enclosing(call.node)
    cleanups = _given_to(source, UNMOUNTS)
    others: list[SgNode] = []
    for other in source.script.calls_within(component or source.script.root):
        if (other.name not in EFFECTS and other.name not in MOUNTS) or not other.args:
            continue
        effect = _callback(source, other.args[0])
        if effect is not None:
            found = [source.flow.function_of(returned) for returned in _returns(source, effect)]
            home = cleanups if _runs_as_often(other, call) else others
            home += [cleanup for cleanup in found if cleanup is not None]
    returned = _returns(source, function)
    own = [cleanup for r in returned if (cleanup := source.flow.function_of(r)) is not None]
    opaque = any(source.flow.function_of(r) is None and _may_clean(r) for r in returned)
    return Mount("effect", function, tuple(own), tuple(cleanups), tuple(others), opaque)


def _runs_as_often(other: Call, call: Call) -> bool:
    """Tell whether an effect's cleanup runs at each change that makes another effect run again.

    A dependency that hardly changes, or that is the client itself, does not count.
    """
    if other.node == call.node or len(other.args) < 2:
        return True
    if len(call.args) < 2:
        return False
    ours, theirs = (_dependencies(effect.args[1]) for effect in (call, other))
    return not any(name not in theirs and not _STEADY.search(name) for name in ours)


def _dependencies(array: SgNode) -> set[str]:
    return {c.text() for c in array.children() if c.is_named() and c.kind() != "comment"}


def _given_to(source: Source, names: Iterable[str]) -> list[SgNode]:
    calls = [c for name in names for c in source.script.by_name.get(name, ()) if c.args]
    found = [_callback(source, c.args[0]) for c in calls]
    return [f for f in found if f is not None]


def _may_clean(returned: SgNode) -> bool:
    """Tell whether an effect returns something that may be a function."""
    kind = returned.kind()
    if kind in ("call_expression", "identifier", "member_expression", "ternary_expression"):
        return returned.text() not in ("undefined", "null")
    return kind in ("array", "binary_expression")


def _returns(source: Source, function: SgNode) -> list[SgNode]:
    """Return the expressions that a function returns."""
    body = function.field("body")
    if body is None:
        return []
    if body.kind() != "statement_block":
        value = unwrap(body)
        return [value] if value.kind() in FUNCTIONS else []
    found = []
    for statement in body.find_all(kind="return_statement"):
        if source.script.enclosing(statement) == function:
            found += [unwrap(c) for c in statement.children() if c.is_named()][:1]
    return found


def _methods(source: Source) -> list[Mount]:
    """Return the mount hooks of class components and of Vue's options."""
    found = []
    for name in MOUNT_METHODS:
        for function in source.script.functions.get(name, ()):
            home = function.parent()
            if home is not None and home.kind() == "pair":
                home = home.parent()
            if home is None or home.kind() not in ("object", "class_body"):
                continue
            react = name.startswith(("component", "UNSAFE"))
            if react != (home.kind() == "class_body") or not (react or _is_vue(source)):
                continue
            start, end = span(home)
            cleanups = [
                f
                for other in UNMOUNT_METHODS
                for f in source.script.functions.get(other, ())
                if start <= span(f)[0] < end
            ]
            found.append(Mount("hook", function, tuple(cleanups), tuple(cleanups)))
    return found


def _is_vue(source: Source) -> bool:
    return "<template" in source.script.text or any(
        m.startswith(("vue", "nuxt", "@vue", "@nuxt")) for m in source.roles.facts.modules
    )
