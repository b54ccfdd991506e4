"""Calls in any language, the calls that a function leads to, and names in conditions."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate

from ast_grep_py import SgNode

from .nodes import holds, label, last_name, parts, span, text, unwrap

_DISPATCHED = re.compile(r"[\w$.]{1,99}\(\s*['\"](?:[\w-]+/)*(\w+)['\"]")


@dataclass(frozen=True)
class Call:
    """A call or `new`: the object before it, the last name of its callee, and the arguments."""

    node: SgNode
    callee: SgNode
    target: SgNode | None
    name: str
    args: list[SgNode] = field(hash=False)
    named: dict[str, SgNode] = field(hash=False)
    start: int
    end: int
    new: bool

    def argument(self, index: int, name: str) -> SgNode | None:
        """Return an argument by its position or its name; None if it is not given."""
        return self.args[index] if len(self.args) > index else self.named.get(name)


@lru_cache(maxsize=4096)
def call_of(node: SgNode) -> Call:
    callee = unwrap(label(node, "function", "constructor") or node)
    member = label(callee, "property", "attribute")
    plain = callee.kind() in ("identifier", "import", "super")
    args, named = [], {}
    for argument in parts(node.field("arguments")):
        if argument.kind() != "keyword_argument":
            args.append(argument)
        elif value := argument.field("value"):
            named[text(argument.field("name"))] = value
    target = callee.field("object") if member else None
    name = text(member) or (callee.text() if plain else "")
    new = node.kind() == "new_expression"
    return Call(node, callee, target, name, args, named, *span(node), new)


def dispatched(callee: SgNode) -> str:
    """Return the name in `dispatch("rooms/join")`, of a function in a store, or ``""``."""
    if last_name(callee) not in ("dispatch", "commit"):
        return ""
    named = _DISPATCHED.match(text(callee.parent()))
    return named[1] if named else ""


@dataclass(frozen=True)
class Step:
    """A call that runs, and the function that contains it; the `trail` led there."""

    call: Call
    function: SgNode
    trail: tuple[tuple[SgNode, SgNode], ...] = ()

    @property
    def way(self) -> tuple[tuple[SgNode, SgNode], ...]:
        """The call and those that led to it, each with the function that contains it."""
        return ((self.call.node, self.function), *self.trail)


def steps(
    function: SgNode,
    calls_in: Callable[[SgNode], Iterable[Call]],
    called: Callable[[Call], SgNode | None],
    depth: int,
) -> Iterator[Step]:
    """Yield the calls that a function leads to; `called` is the function that a call runs."""
    seen = {function}

    def follow(function: SgNode, before: Step | None, depth: int) -> Iterator[Step]:
        for call in calls_in(function):
            step = Step(call, function, before.way if before else ())
            yield step
            inner = called(call) if depth else None
            if inner is not None and inner not in seen and not holds(function, inner):
                seen.add(inner)
                yield from follow(inner, step, depth - 1)

    return follow(function, None, depth)


def mentions(condition: str, names: set[str]) -> bool:
    """Return whether a condition mentions one of some names, or a member of one."""
    paths = (path.split(".") for path in re.findall(r"[\w$]+(?:\.[\w$]+)*", condition))
    return any(not names.isdisjoint(accumulate(path, "{}.{}".format)) for path in paths)
