"""What functions of other files are, and which of them run: for connections, or when mounted."""

import re
from collections.abc import Iterator
from functools import lru_cache

from ast_grep_py import SgNode

from ..calls import Call, Step, call_of, dispatched
from ..nodes import beyond, kind, label, last_name, text, unwrap, up_to
from ..shared import word_set
from .mounts import UNMOUNTS, cleanups_of_effects, given_to
from .roles import CLIENTS, HOLDERS, LASTING, LOCAL, OBSERVABLE, REMOVES, Role, Roles
from .script import FUNCTIONS, Ask, Binding, Script, bindings_of_parameters, required_module
from .source import Entry, Source

_HOLDERS = HOLDERS | {"useContext"}
_OF_BROWSER = word_set("this document console JSON Math Object $ setTimeout fetch alert parseInt")
_ENDS = re.compile(r"\b(take\w*|first)\(")
_NAMES = ("identifier", "member_expression")
_SPEAKS = re.compile(r"[a-z]+[A-Z]|.*[sS]ocket")  # a name that libraries hardly have too
_OF_COLLECTIONS = word_set("add set push unshift delete get has join leave emit send on once off")
_SELECTS = re.compile(r"use\w+\(\s*\(?(\w+)\b[^=]*=>\s*\1\.(\w+)\s*\)$")  # from a store


def origin_of(script: Script, node: SgNode | None, depth: int = 6) -> Binding | None:
    """Return the import or the function that an object comes from, such as its class."""
    node = unwrap(node) if node and depth else None
    if node is None:
        return None
    if node.kind() in ("call_expression", "new_expression"):
        call = call_of(node)
        held = unwrap(call.args[0]) if call.name in _HOLDERS and call.args else None
        made = next(iter(script.returns(held)), held) if held else call.target or call.callee
        return origin_of(script, made, depth - 1)
    path = script.path(node)
    binding = script.resolve(node, path[0]) if path[:1] not in ((), ("this",)) else None
    values = [binding.source, *binding.values] if binding else script.members.get(path, ())
    if binding is not None and (binding.module or any(kind(v) in FUNCTIONS for v in values)):
        return binding
    written = binding.type if binding else script.member_types.get(path, "")
    typed = script.bindings.get((None, written.strip(": ")))
    found = (origin_of(script, value, depth - 1) for value in values)
    return typed if typed and typed.module else next(filter(None, found), None)


def returns_stream(script: Script, name: str, ask: Ask) -> bool:
    roles = Roles(script, ask)
    found = [r for function in script.functions.get(name, ())[:1] for r in script.returns(function)]
    found += script.members.get(("this", name), ())
    named = [value for f in found for value in getattr(script.resolve(f), "values", ())]
    return any(_is_stream(roles, value, ask) for value in found + named)


def opens_stream(source: Source, call: Call) -> bool:
    """Return whether a call subscribes to the events of a client, as with RxJS."""
    if call.name != "subscribe" or call.target is None or not call.args:
        return False
    made = source.values_of(call.target) or [call.target]
    return any(_is_stream(source.roles, stream, source.ask) for stream in made)


def _is_stream(roles: Roles, node: SgNode, ask: Ask) -> bool:
    """Return whether an expression is the events of a client, without an end of its own."""
    node = unwrap(node)
    if OBSERVABLE.match(node.text()):  # one without an end is found where it is made
        adding = (c for c in roles.script.calls_within(node) if c.name in LASTING)
        ends = map(kind, roles.script.returns(next(iter(call_of(node).args), node)))
        return any(roles.of(c.target) in CLIENTS for c in adding) and not FUNCTIONS.isdisjoint(ends)
    while (call := call_of(node)).name == "pipe" and call.target and not _ENDS.search(node.text()):
        node = unwrap(call.target)
    if call.name == "fromEvent":
        return any(roles.of(given) in CLIENTS for given in (call.target, *call.args[:1]))
    service = imported(roles.script, call.callee) if call.target else None
    return service is not None and ask(returns_stream, *service)


def is_left_open(subscribe: Call, ends: list[Call]) -> bool:
    """Return whether nothing ends a subscription: it is not kept, or not unsubscribed."""
    place = beyond(subscribe.node, ("as_expression", "non_null_expression"))
    if kind(place) != "assignment_expression":
        return kind(place) in ("", "expression_statement")
    kept = last_name(label(place, "left"))
    return not any(kept in text(end.target) for end in ends if end.name == "unsubscribe")


def owns_client(script: Script, name: str, ask: Ask) -> bool:
    """Return whether an exported function makes a client of its own, or gives up a shared one."""
    source = Source(script, ask)
    return any(
        source.roles.makes_client(call) and not _is_shared(source, call, function)
        for function in source.flow.exported(name)
        for call in script.calls_within(function)
    )


def _is_shared(source: Source, made: Call, function: SgNode) -> bool:
    for around in up_to(made.node, function):
        kept = label(around, "left") if around.kind() == "assignment_expression" else None
        while kind(kept) == "subscript_expression":
            kept = label(kept, "object")
        if path := source.script.path(kept):
            binding = source.script.resolve(kept, path[0])
            outer = binding is None or binding.scope is None
            return outer and not _forgets(source, function, path[-1])
    return False


def _forgets(source: Source, function: SgNode, name: str) -> bool:
    """Return whether a hook gives up the client of all when its component goes."""
    ends = given_to(source, UNMOUNTS, function)
    ends += [end for _, found in cleanups_of_effects(source, function) for end in found]
    empties = re.compile(rf"\b{re.escape(name)} *= *(null|undefined)\b")
    return any(empties.search(s.function.text()) for end in ends for s in source.flow.steps(end))


def is_owned(source: Source, target: SgNode) -> bool:
    """Return whether a client comes from a hook that makes one for each of its callers."""
    hook = origin_of(source.script, source.root_of(target))
    if hook is None or not hook.name.startswith("use"):
        return False
    if hook.module:
        return source.ask(owns_client, hook.module, hook.imported)
    return owns_client(source.script, hook.name, source.ask)


def of_shared(source: Source, call: Call, when: str) -> list[Entry]:
    """Return what a call does to the listeners of a client that other files import too."""
    root = source.root_of(call.target or call.node)
    origin, event = origin_of(source.script, root), source.event_of(call)
    if origin is None or not origin.module or is_owned(source, root) or (call.args and not event):
        return []
    path = source.script.path(root)
    key = path[-1] if path[1:] else getattr(source.script.resolve(root), "key", "")
    return [
        Entry(
            origin.module, origin.imported, when, event=f"{key} {event}\n" if event else f"{key} "
        )
    ]


def hands_on(script: Script, name: str, ask: Ask) -> bool:
    """Return whether an exported function adds to a client, each time, a listener it is given."""
    source = Source(script, ask)
    return any(_hands_on(source, function) for function in source.flow.exported(name))


def _hands_on(source: Source, function: SgNode) -> bool:
    given = {parameter.name for parameter in bindings_of_parameters(function)}
    calls = source.script.calls_within(function)
    removing = [call for call in calls if call.name in REMOVES]
    for call in calls:
        if not _gives(call, given) or source.first_time(Step(call, function)):
            continue
        if call.name in LASTING and source.listens(call):
            old = not source.fresh(call.target or call.node, (function,))
            if old and not source.removed_before(call, removing):
                return True
        elif adds_through(source, call):
            return True
    return False


def _gives(call: Call, given: set[str]) -> bool:
    """Return whether the last argument of a call is a parameter, or uses one."""
    handler = unwrap(call.args[-1]) if call.args else call.node
    own = [parameter.name for parameter in bindings_of_parameters(handler)]
    other = " ".join([*own, *(argument.text() for argument in call.args[:-1])])
    used, known = (set(re.findall(r"\w+", written)) for written in (handler.text(), other))
    return not given.isdisjoint(used - known)


def adds_through(source: Source, call: Call) -> bool:
    """Return whether a call gives a listener to a function of another file that adds it."""
    found = imported(source.script, call.callee) if call.args else None
    handed = found is not None and not call.new and source.ask(hands_on, *found)
    return handed and not is_owned(source, call.callee)


def run_by_connections(source: Source) -> Iterator[Entry]:
    """Yield functions of other files that are connection handlers, or get their socket."""
    for call in filter(source.roles.is_server_connection, source.script.calls):
        if found := imported(source.script, call.args[1]):
            yield Entry(*found, "connection", 0)
    for function in source.connections:
        for call in (step.call for step in source.flow.steps(function)):
            if found := _gets_socket(source, call):
                yield from (Entry(*found, "connection", peer) for peer in _sockets_in(source, call))


def run_by_event(source: Source, step: Step, handler: SgNode, event: str) -> Iterator[Entry]:
    """Yield the function of another file that a step in the handler of an event runs."""
    found, call = _gets_socket(source, step.call), step.call
    if found and not source.first_time(step):
        name = f"{found[1]}.constructor" if call.new else found[1]
        old = [i for i, given in enumerate(call.args) if source.outlives(given, [handler])]
        peer = next((i for i in _sockets_in(source, call, *CLIENTS) if i in old), -1)
        peer = next(iter(_sockets_in(source, call)), peer)
        yield Entry(found[0], name, "event", peer, handles=event)


def _sockets_in(source: Source, call: Call, *roles: Role) -> list[int]:
    """Return which arguments of a call are sockets, by default the server's."""
    named = [(i, given) for i, given in enumerate(call.args) if given.kind() in _NAMES]
    return [i for i, given in named if source.roles.of(given) in (roles or (Role.PEER,))]


def _gets_socket(source: Source, call: Call) -> tuple[str, str] | None:
    """Return the function of another file that a call runs, or the method that gets a socket."""
    found = imported(source.script, call.callee)
    unknown = found is None and call.target is not None and call.name not in _OF_COLLECTIONS
    if unknown and call.name not in source.script.functions and _sockets_in(source, call):
        return "#project", call.name
    return found


def run_by_mount(source: Source, call: Call) -> list[Entry]:
    """Return what a mount runs of another file, and does not hand on."""
    if call.target is None and kind(call.node.parent()) in ("return_statement", "arrow_function"):
        return []
    found, known = imported(source.script, call.callee), source.script.resolve(call.callee)
    if not found or (not (known and known.module) and is_owned(source, call.callee)):
        return []
    return [Entry(found[0], "constructor" if call.new else found[1], "mount")]


@lru_cache(maxsize=4096)
def imported(script: Script, node: SgNode) -> tuple[str, str] | None:
    if module := required_module(node):
        return module, "default"
    if named := dispatched(node):
        return None if named in script.functions else ("#store", named)
    binding = script.resolve(node)
    if binding is not None and binding.module:
        return binding.module, binding.imported
    if binding is None and script.classic and node.kind() == "identifier":
        return None if node.text() in _OF_BROWSER else ("#page", node.text())
    if node.kind() == "member_expression":
        path = script.path(node) if script.classic else ()
        if path and path[0] not in _OF_BROWSER and script.resolve(node, path[0]) is None:
            return "#page", path[-1]
        owner, name = origin_of(script, node.field("object")), text(node.field("property"))
        if module := required_module(node.field("object")):
            return module, name
        if owner is None and name not in script.functions and _SPEAKS.match(name):
            return "#project", name
    elif binding is not None and binding.kind == "variable":  # from a composable or a store
        hook = binding.source or next(iter(binding.values), None)
        selected = _SELECTS.match(text(hook))
        owner, name = origin_of(script, hook), selected[2] if selected else binding.key
    else:
        return None
    return (owner.module, name) if name and owner and LOCAL.match(owner.module) else None
