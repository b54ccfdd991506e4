"""The rules for JavaScript and TypeScript."""

from collections.abc import Collection

from ..shared import Reporter
from .connections import (
    clients_for_calls,
    clients_in_handlers,
    connections_in_requests,
    listeners_in_connect,
    shared_emitters,
    timers_in_connect,
)
from .elsewhere import run_by_connections
from .handlers import handlers_of, listeners_in_handlers, run_by_handlers
from .left_behind import component_listeners
from .messages import check_then_await, ids_from_socket_id, retries_without_timeout
from .script import IS_MODULE, Ask, Script
from .source import Entry, Source

__all__ = ["IS_MODULE", "Ask", "Entry", "Script", "check_javascript"]


def check_javascript(
    script: Script, report: Reporter, root_component: bool, entries: Collection[Entry], ask: Ask
) -> list[Entry]:
    """Run the rules; return the functions of other files that this source runs."""
    source = Source(script, report, entries, ask)
    run = listeners_in_connect(source)
    clients_in_handlers(source)
    clients_for_calls(source)
    timers_in_connect(source)
    run += [*run_by_connections(source), *listeners_in_handlers(source, handlers_of(source))]
    run += run_by_handlers(source)
    run += component_listeners(source, root_component)
    run += listeners_in_handlers(source, source.messages.items())
    shared_emitters(source)
    run += connections_in_requests(source)
    check_then_await(source)
    ids_from_socket_id(source)
    retries_without_timeout(source)
    return run
