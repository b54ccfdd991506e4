"""Where an observer looks at python-socketio: what is alike at a client and at a server."""

import asyncio
from collections.abc import Callable, Hashable
from typing import Any

from .hooks import Ended, Function, Hooks, fits
from .seen import Language, Recipient
from .tally import Name, Tally

LOOKS = {  # the methods of both ends that are looked at, all but the first internal
    **{"emit": "_emitting", "_handle_connect": "_connected"},
    **{"_handle_event": "_arrived", "_handle_ack": "_answered"},
    "_trigger_event": "_handling",
}
UserOf = Callable[[str], Hashable]


class Probe:
    """Watches a client or a server of python-socketio; a tally counts what is seen."""

    side: Recipient
    other_side: Recipient
    library: Language = "python"
    _home: Any = None  # the event loop that handles what comes

    _user_of: Callable[[str, str], Hashable]  # of a connection in a namespace
    _facts: Callable[[str, Name], dict[str, Any]]  # what is known about a packet, as it is noted
    _call_name: Callable[[str, str, list[Any]], Name | None]  # of the message that is handled

    def __init__(self, sio: Any, tally: Tally, user: UserOf | None = None) -> None:
        self.sio = sio
        self._tally = tally
        self._user = user
        self._hooks = Hooks(tally.errors.append)
        self.close = self._hooks.close
        for method, look in LOOKS.items():
            self._hooks.method(sio, method, getattr(self, look))

    def _away_from_home(self) -> bool | None:
        """Return whether this is another event loop; None if there is none, or none is known."""
        return self._home and self._home is not asyncio._get_running_loop()

    def listeners(self, event: str, namespace: str) -> int:
        """Return how many handlers would be called for an event now."""
        handler, _ = self._handler(event, namespace, ())
        if handler is None or self.library == "python":
            return int(handler is not None)
        return len(self.sio.listeners(event, namespace))

    def _handler(
        self, event: str, namespace: str, args: tuple[Any, ...]
    ) -> tuple[Function | None, tuple[Any, ...]]:
        """Return what python-socketio calls for an event, and with which arguments."""
        handler, given = self.sio._get_event_handler(event, namespace, args)  # internal
        if handler is not None:
            return handler, given
        space, given = self.sio._get_namespace_handler(namespace, args)  # internal
        if space and not type(space).trigger_event.__module__.startswith("socketio."):
            # It dispatches by itself, other arguments too, as in Flask-SocketIO.
            return space.trigger_event, (event, *given)
        return getattr(space, f"on_{event}", None), given

    def _named(self, side: Recipient, namespace: str, data: Any, connection: str) -> Name:
        event, *args = data
        user = self._user_of(connection, namespace)
        return self._tally.name(side, namespace, event, user, tuple(args))

    def _count(
        self,
        connection: str,
        space: str | None,
        ack_id: Any,
        data: Any,
        came: bool = True,
        **m: Any,
    ) -> None:
        """Count a packet that came, or is sent; with an id it asks for an acknowledgement."""
        name = self._named(self.side if came else self.other_side, space or "/", data, connection)
        if came:
            m["listeners"] = {id(self.sio): self.listeners(name.event, name.namespace)}
        self._tally.packet(name, connection, ack_id, came, **self._facts(connection, name), **m)

    def _handling(self, event: str, namespace: str, *args: Any) -> Ended | None:
        """Count a call; one whose arguments do not fit the handler counts as failed."""
        self._home = asyncio._get_running_loop()
        name = self._call_name(namespace, event, list(args))
        handler, given = self._handler(event, namespace, args)
        if name is None or handler is None:
            return None
        if not fits(handler, given):
            if event != "connect" or args[-1] is not None:  # else it is tried with fewer
                self._tally.misfit(name)
            return None
        ended = self._tally.begun(name, self.listeners(event, namespace))
        return lambda error: ended(isinstance(error, Exception))


def arguments(data: Any) -> tuple[Any, ...]:
    """Return the arguments of the event that ``emit(event, data)`` sends."""
    return data if isinstance(data, tuple) else () if data is None else (data,)
