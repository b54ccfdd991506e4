"""Where an observer looks: between python-socketio and python-engineio.

A client or server of python-socketio has an Engine.IO object in its attribute ``eio``. Incoming
packets pass the handler that python-socketio has registered with ``eio.on("message")``, outgoing
ones pass ``eio.send()`` or ``eio.send_packet()``. Calls are counted by a wrapper around each
handler in ``handlers``, which is put there when the next packet comes. These names are public, but
wrapping what they refer to is not documented. `Probe.close` undoes it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from typing import Any

from socketio.packet import BINARY_EVENT, EVENT

from .hooks import Ended, Function, Hooks, fits, layers
from .seen import Language, Recipient
from .tally import Name, Sighting, Tally

UserOf = Callable[[str], Hashable]


class Probe:
    """Watches a client or a server of python-socketio; a tally counts what is seen.

    Without `user`, which returns the user of a sid, all sids belong to one user.
    """

    side: Recipient
    other_side: Recipient
    library: Language = "python"

    def __init__(self, sio: Any, tally: Tally, user: UserOf | None = None) -> None:
        self.sio = sio
        self._tally = tally
        self._user = user
        self._hooks = Hooks(sio.eio, tally.failed)  # internal
        self._halves: dict[tuple[bool, str], Any] = {}  # packets that wait for their attachments
        self._handlers: dict[tuple[str, str], tuple[Function, Function]] = {}
        self._spaces: list[Any] = []  # namespace objects that are watched
        self._hooks.handler("message", self._received)

    def close(self) -> None:
        """Stop watching, and remove the wrappers that nothing else has wrapped."""
        self._hooks.close()
        for (namespace, event), (wrapper, handler) in self._handlers.items():
            if self.sio.handlers.get(namespace, {}).get(event) is wrapper:  # internal
                self.sio.handlers[namespace][event] = handler  # internal

    def listeners(self, event: str, namespace: str) -> int:
        """Return how many handlers would be called for an event now."""
        for space in (namespace, "*"):
            table = self.sio.handlers.get(space, {})  # internal
            for name in (event, *(["*"] if event not in self.sio.reserved_events else [])):
                if name in table:
                    return self._registered(name, space)
        for space in (namespace, "*"):
            if space in self.sio.namespace_handlers:  # internal
                return int(hasattr(self.sio.namespace_handlers[space], f"on_{event}"))  # internal
        return 0

    def _registered(self, name: str, space: str) -> int:
        """Return how many handlers are registered under a name in ``handlers``."""
        return 1

    # --- packets -----------------------------------------------------------------------

    def _received(self, *args: Any) -> None:
        raise NotImplementedError

    def _user_of(self, connection: str, namespace: str) -> Hashable:
        raise NotImplementedError

    def _sighting(self, connection: str, namespace: str, first: bool) -> Sighting:
        """Return what is known about a packet; more is counted for the `first` of a message."""
        raise NotImplementedError

    def _decoded(self, inbound: bool, connection: str, data: Any) -> Any:
        """Return the Socket.IO packet; None until it is complete, or if it cannot be decoded."""
        packet = self._halves.pop((inbound, connection), None)
        try:
            if packet is None:
                packet = self.sio.packet_class(encoded_packet=data)
                complete = packet.attachment_count == 0
            else:
                complete = packet.add_attachment(data)
        except Exception:  # python-socketio will report it
            return None
        if not complete:
            self._halves[inbound, connection] = packet
        return packet if complete else None

    def _named(self, side: Recipient, packet: Any, connection: str) -> Name:
        namespace = packet.namespace or "/"
        event, *data = packet.data
        user = self._user_of(connection, namespace)
        return self._tally.name(side, namespace, event, user, tuple(data))

    def _count_arrived(self, packet: Any, connection: str) -> None:
        name = self._named(self.side, packet, connection)
        sighting = self._sighting(connection, name.namespace, first=True)._replace(
            listeners=self.listeners(name.event, name.namespace)
        )
        self._tally.arrived(name, sighting, packet.id is not None)

    def _count_sent(self, connection: str, data: Any) -> None:
        packet = self._decoded(False, connection, data)
        if packet is not None and packet.packet_type in (EVENT, BINARY_EVENT):
            name = self._named(self.other_side, packet, connection)
            first = not self._tally.sent_before(name, id(self.sio))
            sighting = self._sighting(connection, name.namespace, first)._replace(early=None)
            self._tally.sent(name, sighting, packet.id is not None)

    # --- calls -------------------------------------------------------------------------

    def _wrap_handlers(self) -> None:
        """Wrap the handlers that have no wrapper yet, including those registered just now."""
        for namespace, table in list(self.sio.handlers.items()):  # internal
            for event, handler in list(table.items()):
                wrapper, _ = self._handlers.get((namespace, event), (None, None))
                if wrapper is None or wrapper not in layers(handler):
                    look = functools.partial(self._handling, namespace, event, handler)
                    table[event] = self._hooks.around(handler, look)
                    self._handlers[namespace, event] = (table[event], handler)
        for namespace, space in list(self.sio.namespace_handlers.items()):  # internal
            if space not in self._spaces:
                self._spaces.append(space)
                look = functools.partial(self._triggering, namespace, space)
                self._hooks.method(space, "trigger_event", look)

    def _handling(self, space: str, name: str, handler: Function, *args: Any) -> Ended | None:
        """Count a call of ``handlers[space][name]``."""
        rest = list(args)
        event = rest.pop(0) if name == "*" else name
        namespace = rest.pop(0) if space == "*" else space
        calls = self._registered(name, space) if fits(handler, args) else 0
        return self._called(namespace, event, rest, calls)

    def _triggering(self, space: str, handler: Any, event: str, *args: Any) -> Ended | None:
        """Count a call of a method of a namespace class."""
        rest = list(args)
        namespace = rest.pop(0) if space == "*" else space
        method = getattr(handler, f"on_{event}", None)
        if method is None:
            return None
        # A dispatcher of the application's own, as in Flask-SocketIO, may pass on other arguments.
        own = not type(handler).trigger_event.__module__.startswith("socketio.")
        return self._called(namespace, event, rest, int(own or fits(method, args)))

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

    def _call_name(self, namespace: str, event: str, args: list[Any]) -> Name | None:
        """Return the name of the message that a handler is called with; None if not counted."""
        raise NotImplementedError
