"""The rules for JavaScript and TypeScript."""

from collections.abc import Callable, Iterable

from . import connections, elsewhere, handlers, left_behind, messages
from .source import Entry, Source

# A call is reported by the first rule that finds it.
_RULES: tuple[Callable[[Source], Iterable[Entry] | None], ...] = (
    connections.listeners_in_connect,
    connections.clients_in_handlers,
    connections.clients_for_calls,
    connections.timers_in_connect,
    elsewhere.run_by_connections,
    handlers.listeners_in_handlers,
    handlers.run_by_handlers,
    left_behind.component_listeners,
    connections.shared_emitters,
    connections.connections_in_requests,
    messages.check_then_await,
    messages.ids_from_socket_id,
    messages.retries_without_timeout,
)


def check_javascript(source: Source) -> list[Entry]:
    """Run the rules; return the functions of other files that this source runs."""
    return [entry for rule in _RULES for entry in rule(source) or ()]
