"""Listeners on shared emitters in the server's connection handler."""

import re

from ast_grep_py import SgNode

from ..calls import Call, Step
from ..nodes import text
from ..shared import word_set
from .facts import Role
from .flow import CLOSES, REMOVES
from .removals import takes_off
from .source import Source

ADDS = word_set("on addListener addEventListener prependListener subscribe pSubscribe")
_STOPS = re.compile(r"(?i)unsub|^off|^remove|^un(watch|listen|register)|^(p?)unsubscribe")


def shared_emitters(source: Source) -> None:
    ends = [end for f in source.disconnections for end in source.flow.steps(f)]
    for function in source.connections:
        steps = list(source.flow.steps(function))
        calls = [step.call for step in [*steps, *ends] if step.call.target is not None]
        stops = [c for c in calls if c.name in REMOVES | CLOSES or _STOPS.search(c.name)]
        for step in steps:
            if not _adds_to_shared(source, step, function, stops) or source.first_time(step):
                continue
            emitter = text(step.call.target)[:40]
            source.report(step.call, "shared-emitter-in-connection", "javascript", emitter=emitter)


def _adds_to_shared(source: Source, step: Step, function: SgNode, stops: list[Call]) -> bool:
    call = step.call
    if call.name not in ADDS or call.target is None or len(call.args) < 2 or call.new:
        return False
    if call.args[-1].kind() == "call_expression":
        return False
    target = source.root_of(call.target)
    if target.kind() not in ("identifier", "member_expression"):
        return False
    path = source.script.path(target)
    if path is None:  # such as `io.of("/").adapter`
        inner = target.field("object")
        return inner is not None and source.roles.is_server(inner)
    if path[0] in ("$", "jQuery"):
        return False
    if call.name.lower().endswith("subscribe") and not re.search(
        r"(?i)redis|sub|pub|client|nats|mqtt|bus", path[-1]
    ):
        return False
    role = source.roles.of(target)
    if role in (Role.PEER, Role.ENGINE) or (role is Role.MAYBE and call.name != "subscribe"):
        return False
    outer = path[0] == "this" or source.outlives(target, (function, step.function))
    return outer and not any(
        (other.name not in REMOVES or takes_off(source, other, call))
        and source.root_of(other.target or other.node).text() == target.text()
        for other in stops
    )
