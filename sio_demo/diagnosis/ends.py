"""Where an observer looks: at the seam between python-socketio and python-engineio.

Each end of the application has an Engine.IO object in its attribute ``eio``. All that comes passes
the handler that python-socketio has given to ``eio.on("message")``, and all that goes passes
``eio.send()`` or ``eio.send_packet()``. Calls are seen by a wrapper around each handler of the
application, which is put there when the next packet comes. All of these are public names.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import socketio
from engineio.packet import MESSAGE
from socketio.packet import BINARY_EVENT, CONNECT, CONNECT_ERROR, DISCONNECT, EVENT

from .hooks import Function, Hooks, around, fits, layers
from .seen import Library, Reason, Recipient
from .tally import Place, Tally

CLIENTS = (socketio.AsyncClient, socketio.Client)
SERVERS = (socketio.AsyncServer, socketio.Server)


class End:
    """What a client and a server have in common.

    Parameters
    ----------
    sio
        The client or the server, as python-socketio knows it.
    tally : Tally
        Gets what is seen.
    """

    side: Recipient
    other_side: Recipient
    library: Library = "python"

    def __init__(self, sio: Any, tally: Tally) -> None:
        self.sio = sio
        self.tally = tally
        self._hooks = Hooks(sio.eio, self._failed)
        self._halves: dict[tuple[bool, str], Any] = {}  # packets that wait for their attachments
        self._handlers: dict[tuple[str, str], tuple[Function, Function]] = {}
        self._spaces: list[Any] = []  # classes of namespaces that are hooked
        self._hooks.handler("message", self._received)

    def close(self) -> None:
        """Look no more, and take the wrappers away where nobody has put another around them."""
        self._hooks.close()
        for (namespace, event), (wrapper, handler) in self._handlers.items():
            if self.sio.handlers.get(namespace, {}).get(event) is wrapper:
                self.sio.handlers[namespace][event] = handler

    def listeners(self, event: str, namespace: str) -> int:
        """Count the handlers that would be called for an event now."""
        for space in (namespace, "*"):
            table = self.sio.handlers.get(space, {})
            if event in table or ("*" in table and event not in self.sio.reserved_events):
                return 1
        for space in (namespace, "*"):
            if space in self.sio.namespace_handlers:
                return int(hasattr(self.sio.namespace_handlers[space], f"on_{event}"))
        return 0

    def is_early(self, namespace: str) -> bool | None:
        """Tell whether what comes now comes before the client is connected."""
        return None

    # --- packets -----------------------------------------------------------------------

    def _received(self, *args: Any) -> None:
        raise NotImplementedError

    def _place(self, connection: str, namespace: str) -> Place:
        raise NotImplementedError

    def _decoded(self, inbound: bool, connection: str, data: Any) -> Any:
        """Decode a Socket.IO packet; None until all of it is there, or if it is none."""
        packet = self._halves.pop((inbound, connection), None)
        try:
            if packet is None:
                packet = self.sio.packet_class(encoded_packet=data)
                complete = packet.attachment_count == 0
            else:
                complete = packet.add_attachment(data)
        except Exception:  # python-socketio will say what is wrong with it
            return None
        if not complete:
            self._halves[inbound, connection] = packet
        return packet if complete else None

    def _event(self, packet: Any) -> tuple[str, str, tuple[Any, ...]]:
        return packet.namespace or "/", packet.data[0], tuple(packet.data[1:])

    def _count_arrived(self, packet: Any, connection: str) -> None:
        namespace, event, data = self._event(packet)
        place = self._place(connection, namespace)._replace(
            listeners=self.listeners(event, namespace), early=self.is_early(namespace)
        )
        name = self.tally.name(self.side, namespace, event, data)
        self.tally.arrived(name, place, packet.id is not None)

    def _count_sent(self, connection: str, data: Any) -> None:
        packet = self._decoded(False, connection, data)
        if packet is not None and packet.packet_type in (EVENT, BINARY_EVENT):
            namespace, event, arguments = self._event(packet)
            name = self.tally.name(self.other_side, namespace, event, arguments)
            self.tally.sent(name, self._place(connection, namespace), packet.id is not None)

    def _failed(self, error: Exception) -> None:
        """Note what went wrong here: it must not reach the application."""
        self.tally.error = self.tally.error or error

    # --- calls -------------------------------------------------------------------------

    def _wrap_handlers(self) -> None:
        """Put a wrapper around each handler that has none, also one registered just now."""
        for namespace, table in list(self.sio.handlers.items()):
            for event, handler in list(table.items()):
                wrapper, _ = self._handlers.get((namespace, event), (None, None))
                if wrapper is None or wrapper not in layers(handler):
                    look = functools.partial(self._calling, namespace, event, handler)
                    table[event] = around(handler, look)
                    self._handlers[namespace, event] = (table[event], handler)
        for namespace, space in list(self.sio.namespace_handlers.items()):
            if space not in self._spaces:
                self._spaces.append(space)
                look = functools.partial(self._triggering, namespace, space)
                self._hooks.method(space, "trigger_event", look)

    def _calling(
        self, namespace: str, event: str, handler: Function, *args: Any
    ) -> AbstractContextManager[None]:
        """Count a call of a handler in ``handlers[namespace][event]``."""
        rest = list(args)
        if event == "*":
            event = rest.pop(0)
        if namespace == "*":
            namespace = rest.pop(0)
        return self._called(namespace, event, rest, fits=fits(handler, args))

    def _triggering(
        self, namespace: str, handler: Any, event: str, *args: Any
    ) -> AbstractContextManager[None]:
        """Count a call of a method of a namespace class."""
        rest = list(args)
        if namespace == "*":
            namespace = rest.pop(0)
        method = getattr(handler, f"on_{event}", None)
        return self._called(namespace, event, rest, fits=method is not None)

    def _called(
        self, namespace: str, event: str, args: list[Any], *, fits: bool
    ) -> AbstractContextManager[None]:
        """Count a call with these arguments; one that they do not fit does not run its body."""
        raise NotImplementedError


class Client(End):
    """A ``socketio.AsyncClient`` or ``Client``.

    Attributes
    ----------
    connects : dict of str to int
        How often each namespace was connected while it was observed.
    refused : bool
        Whether an attempt to connect has failed since the last one that did not.
    reason : {"network", "server", "client"} or None
        Who ended the last connection.
    """

    side, other_side = "client", "server"

    def __init__(self, sio: Any, tally: Tally) -> None:
        super().__init__(sio, tally)
        self.connects = dict.fromkeys(sio.namespaces, 1)
        self.refused = False
        self.reason: Reason | None = None
        self._left: Reason | None = None
        if hasattr(sio, "listeners"):  # they add up, as in JavaScript
            self.library = "javascript"
        self._hooks.handler("disconnect", self._disconnected)
        self._hooks.watch("send", self._sending)
        self._hooks.method(sio.eio, "connect", self._connecting)

    def listeners(self, event: str, namespace: str) -> int:
        """Count the listeners that would be called for an event now."""
        if self.library == "javascript" and self.sio.listeners(event, namespace):
            return len(self.sio.listeners(event, namespace))
        return super().listeners(event, namespace)

    def is_early(self, namespace: str) -> bool | None:
        """Tell whether what comes now comes before the client is connected."""
        return namespace not in self.sio.namespaces

    def reconnects(self, namespace: str) -> int:
        """Count how often it has come back."""
        return max(0, self.connects.get(namespace, 0) - 1)

    def _place(self, connection: str, namespace: str) -> Place:
        return Place(connection, id(self.sio), reconnects=self.reconnects(namespace))

    def _received(self, data: Any) -> None:
        self._wrap_handlers()
        packet = self._decoded(True, self.sio.eio.sid, data)
        if packet is None:
            return
        namespace = packet.namespace or "/"
        if packet.packet_type == CONNECT:
            self.connects[namespace] = self.connects.get(namespace, 0) + 1
            self.refused, self._left = False, None
        elif packet.packet_type == CONNECT_ERROR:
            self.refused = True
        elif packet.packet_type == DISCONNECT:
            self._left = "server"
        elif packet.packet_type in (EVENT, BINARY_EVENT):
            self._count_arrived(packet, self.sio.eio.sid)

    def _sending(self, data: Any) -> None:
        if self.sio.eio.state == "connected":  # else it is dropped
            self._count_sent(self.sio.eio.sid, data)

    def _disconnected(self, reason: str = "") -> None:
        words: dict[str, Reason] = {"client disconnect": "client", "server disconnect": "server"}
        self.reason = self._left or words.get(reason, "network")

    @contextmanager
    def _connecting(self, *_: Any, **__: Any) -> Iterator[None]:
        try:
            yield
        except Exception:
            self.refused = True
            raise

    def _called(
        self, namespace: str, event: str, args: list[Any], *, fits: bool
    ) -> AbstractContextManager[None]:
        if not (self._hooks.open and fits) or event in self.sio.reserved_events:
            return nullcontext()
        name = self.tally.name(self.side, namespace, event, tuple(args))
        return self.tally.called(name, self.listeners(event, namespace))


class Server(End):
    """A ``socketio.AsyncServer`` or ``Server``.

    Parameters
    ----------
    user : callable, optional
        Gives the user of a sid; if left out, all sids are one user's.
    """

    side, other_side = "server", "client"

    def __init__(
        self, sio: Any, tally: Tally, user: Callable[[str], Hashable] | None = None
    ) -> None:
        super().__init__(sio, tally)
        self._user = user
        self._hooks.watch("send_packet", self._sending)

    def live(self, namespace: str) -> list[str]:
        """Give the sids that the server holds for live."""
        return [sid for sid, _ in self.sio.manager.get_participants(namespace, None)]

    def _place(self, connection: str, namespace: str) -> Place:
        sid = self.sio.manager.sid_from_eio_sid(connection, namespace)
        live = self.live(namespace)
        if sid is None:  # it is about to connect
            return Place(connection, id(self.sio), sids=len(live) + 1)
        if self._user is not None:
            live = [each for each in live if self._user(each) == self._user(sid)]
        return Place(connection, id(self.sio), sids=len(live))

    def _received(self, connection: str, data: Any) -> None:
        self._wrap_handlers()
        packet = self._decoded(True, connection, data)
        if packet is None:
            return
        if packet.packet_type == CONNECT:
            packet.data = ["connect"]
        elif packet.packet_type not in (EVENT, BINARY_EVENT):
            return
        self._count_arrived(packet, connection)

    def _sending(self, connection: str, packet: Any) -> None:
        if packet.packet_type == MESSAGE and connection in self.sio.eio.sockets:
            self._count_sent(connection, packet.data)

    def _called(
        self, namespace: str, event: str, args: list[Any], *, fits: bool
    ) -> AbstractContextManager[None]:
        if not (self._hooks.open and fits) or event == "disconnect":
            return nullcontext()
        name = self.tally.name(self.side, namespace, event, tuple(args[1:]))  # without the sid
        return self.tally.called(name, 1)
