"""Whether the cleanup of a component undoes what its mount did."""

from __future__ import annotations

import re

from ..shared import word_set
from .facts import CLIENTS, Role
from .flow import CLOSES, REMOVES
from .script import Call
from .source import TIDY, Source

_OWNERS = re.compile(
    r"(?i)socket|service|client|conn|manager|store|realtime|chat|signal|hub|api|^io$|^ws$|"
    r"unsub|cleanup|clean_?up|listener|subscription|dispos|^off|^sub"
)
_OF_OTHERS = word_set(
    "clearInterval clearTimeout cancelAnimationFrame cancelIdleCallback removeItem removeChild "
    "clear stopPropagation removeAttribute removeProperty"
)


def cleans(source: Source, call: Call) -> bool:
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


def closed(source: Source, own: list[Call], all_calls: list[Call]) -> bool:
    """Return whether cleanups close a client; in the mount's own, removing listeners is enough."""
    if any(call.name in REMOVES and source.is_owner_client(call) for call in own):
        return True
    return any(cleans(source, call) for call in all_calls)


def taken_back(source: Source, call: Call, cleanup: list[Call]) -> bool:
    """Return whether a cleanup removes the listener that a call adds."""
    for other in cleanup:
        if other.name in REMOVES and source.is_owner_client(other):
            if source.takes_off(other, call):
                return True
        elif cleans(source, other):
            return True
    return False
