"""Where an observer looks at python-socketio: what is alike at a client and at a server.

Incoming packets pass the methods in `LOOKS`; for outgoing ones see the two. Calls are counted by
a wrapper around each handler in ``handlers``, which is put there when the next packet comes.
`Probe.close` undoes it.
"""

import functools
from collections.abc import Callable, Hashable
from typing import Any

from .hooks import Ended, Function, Hooks, fits, layers
from .seen import Language, Recipient
from .tally import Name, Sighting, Tally

LOOKS = {  # the methods of both ends that are looked at, all but the first internal
    **{"emit": "_emitting", "_handle_connect": "_connected"},
    **{"_handle_event": "_arrived", "_handle_ack": "_answered"},
    "_handle_disconnect": "_dismissed",
}
UserOf = Callable[[str], Hashable]


class Probe:
    """Watches a client or a server of python-socketio; a tally counts what is seen."""

    side: Recipient
    other_side: Recipient
    library: Language = "python"

    _user_of: Callable[[str, str], Hashable]  # of a connection in a namespace
    _sighting: Callable[[str, Name], Sighting]  # what is known about a packet
    _call_name: Callable[[str, str, list[Any]], Name | None]  # of the message that is handled

    def __init__(self, sio: Any, tally: Tally, user: UserOf | None = None) -> None:
        self.sio = sio
        self._tally = tally
        self._user = user
        self._hooks = Hooks(tally.errors.append)
        self._wrappers: dict[tuple[str, str], Function] = {}
        self._spaces: list[Any] = []  # namespace objects that are watched
        for method, look in LOOKS.items():
            self._hooks.method(sio, method, getattr(self, look))

    def close(self) -> None:
        """Stop watching, and remove the wrappers that nothing else has wrapped."""
        self._hooks.close()

    def listeners(self, event: str, namespace: str) -> int:
        """Return how many handlers would be called for an event now."""
        for space in (namespace, "*"):
            table = self.sio.handlers.get(space, {})  # internal
            for name in (event, *(["*"] if event not in self.sio.reserved_events else [])):
                if name in table:
                    return self._registered(name, space)
        for space in (namespace, "*"):
            if space in self.sio.namespace_handlers:  # internal
                handler = self.sio.namespace_handlers[space]  # internal
                return int(_dispatches(handler) or hasattr(handler, f"on_{event}"))
        return 0

    def _registered(self, name: str, space: str) -> int:
        """Return how many handlers are registered under a name in ``handlers``."""
        return 1

    # --- packets -----------------------------------------------------------------------

    def _named(self, side: Recipient, namespace: str, data: Any, connection: str) -> Name:
        event, *args = data
        user = self._user_of(connection, namespace)
        return self._tally.name(side, namespace, event, user, tuple(args))

    def _count_arrived(
        self, connection: str, space: str | None, data: Any, ack_id: int | None
    ) -> None:
        """Count a packet that came; with an id it asks for an acknowledgement."""
        self._wrap_handlers()
        name = self._named(self.side, space or "/", data, connection)
        listeners = self.listeners(name.event, name.namespace)
        sighting = self._sighting(connection, name)._replace(listeners=listeners)
        self._tally.packet(name, sighting, ack_id, came=True)

    def _count_sent(self, connection: str, packet: Any, data: Any, **more: Any) -> None:
        name = self._named(self.other_side, packet.namespace or "/", data, connection)
        sighting = self._sighting(connection, name)._replace(early=None, **more)
        self._tally.packet(name, sighting, packet.id, came=False)

    # --- calls -------------------------------------------------------------------------

    def _wrap_handlers(self) -> None:
        """Wrap the handlers that have no wrapper yet, including those registered just now."""
        for namespace, table in list(self.sio.handlers.items()):  # internal
            for event, handler in list(table.items()):
                wrapper = self._wrappers.get((namespace, event))
                if wrapper is None or wrapper not in layers(handler):
                    look = functools.partial(self._handling, namespace, event, handler)
                    wrapper = self._hooks.item(table, event, look)
                    self._wrappers[namespace, event] = wrapper
        for namespace, space in list(self.sio.namespace_handlers.items()):  # internal
            if space not in self._spaces:
                self._spaces.append(space)
                look = functools.partial(self._triggering, namespace, space)
                self._hooks.method(space, "trigger_event", look)

    def _handling(self, space: str, name: str, handler: Function, *args: Any) -> Ended | None:
        rest = list(args)
        event = rest.pop(0) if name == "*" else name
        namespace = rest.pop(0) if space == "*" else space
        calls = self._registered(name, space) if fits(handler, args) else 0
        return self._called(namespace, event, rest, calls)

    def _triggering(self, space: str, handler: Any, event: str, *args: Any) -> Ended | None:
        rest = list(args)
        namespace = rest.pop(0) if space == "*" else space
        if _dispatches(handler):
            return self._called(namespace, event, rest, 1)
        method = getattr(handler, f"on_{event}", None)
        return method and self._called(namespace, event, rest, int(fits(method, args)))

    def _called(self, namespace: str, event: str, args: list[Any], calls: int) -> Ended | None:
        """Count calls with these arguments; `calls` is 0 if they do not fit the handler."""
        name = self._call_name(namespace, event, args)
        if name is None:
            return None
        if calls == 0:
            if event != "connect":  # python-socketio tries it with fewer arguments
                self._tally.misfit(name)
            return None
        ended = self._tally.begun(name, calls)
        return lambda error: ended(isinstance(error, Exception))


def _dispatches(space: Any) -> bool:
    """Whether a namespace class dispatches by itself, other arguments too, as in Flask-SocketIO."""
    return not type(space).trigger_event.__module__.startswith("socketio.")


def arguments(data: Any) -> tuple[Any, ...]:
    """Return the arguments of the event that ``emit(event, data)`` sends."""
    given = data if isinstance(data, tuple) else () if data is None else (data,)
    return tuple(map(plain, given))


def plain(data: Any) -> Any:
    """Return data as they are when they arrive."""
    if isinstance(data, (list, tuple)):
        return [plain(each) for each in data]
    if isinstance(data, dict):
        return {str(key): plain(value) for key, value in data.items()}
    return data
