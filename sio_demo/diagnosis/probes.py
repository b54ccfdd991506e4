"""What is specific to watching a client, and to watching a server."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import socketio
from engineio.packet import MESSAGE
from socketio.packet import BINARY_EVENT, CONNECT, CONNECT_ERROR, DISCONNECT, EVENT

from .hooks import Ended
from .probe import Probe, UserOf
from .seen import Reason
from .tally import Name, Sighting, Tally

CLIENTS = (socketio.AsyncClient, socketio.Client)
SERVERS = (socketio.AsyncServer, socketio.Server)


class ClientProbe(Probe):
    """Watches a ``socketio.AsyncClient`` or ``Client``.

    Attributes
    ----------
    connects : dict of str to int
        How often each namespace was connected while it was watched.
    refused : bool
        Whether an attempt to connect has failed since the last success.
    reason : {"network", "server", "client"} or None
        Who ended the last connection.
    """

    side, other_side = "client", "server"

    def __init__(self, sio: Any, tally: Tally, user: UserOf | None = None) -> None:
        super().__init__(sio, tally, user)
        self.connects: dict[str, int] = {}
        self.refused = False
        self.reason: Reason | None = None
        self._from_the_start = not sio.connected
        self._left: Reason | None = None
        if getattr(sio, "listeners_add_up", False):
            self.library = "javascript"
        self._hooks.handler("disconnect", self._disconnected)
        self._hooks.method(sio.eio, "send", self._sending)  # internal
        self._hooks.method(sio.eio, "connect", self._connecting)  # internal

    def reconnects(self, namespace: str) -> int | None:
        """Return how often it has reconnected; None if it was connected before it was watched."""
        if not self._from_the_start:
            return None
        return max(0, self.connects.get(namespace, 0) - 1)

    def _registered(self, name: str, space: str) -> int:
        if self.library == "javascript":
            return len(self.sio.listeners(name, space))
        return super()._registered(name, space)

    def _user_of(self, connection: str, namespace: str) -> Hashable:
        sid = self.sio.get_sid(namespace)
        return self._user(sid) if self._user and sid else None

    def _sighting(self, connection: str, namespace: str, first: bool) -> Sighting:
        early = namespace not in self.sio.namespaces  # internal
        return Sighting(
            connection, id(self.sio), reconnects=self.reconnects(namespace), early=early
        )

    def _received(self, data: Any) -> None:
        self._wrap_handlers()
        packet = self._decoded(True, self.sio.eio.sid, data)  # internal
        if packet is None:
            return
        namespace = packet.namespace or "/"
        if packet.packet_type == CONNECT:
            self.connects[namespace] = self.connects.get(namespace, 0) + 1
            self.refused, self._left = False, None
        elif packet.packet_type == CONNECT_ERROR:
            self.refused = True
        elif packet.packet_type == DISCONNECT:
            if not set(self.sio.namespaces) - {namespace}:  # internal
                self._left = "server"
        elif packet.packet_type in (EVENT, BINARY_EVENT):
            self._count_arrived(packet, self.sio.eio.sid)  # internal

    def _sending(self, data: Any, *_: Any) -> None:
        if self.sio.eio.state == "connected":  # else it is dropped; internal
            self._count_sent(self.sio.eio.sid, data)  # internal

    def _connecting(self, *_: Any) -> Ended:
        def ended(error: BaseException | None) -> None:
            self.refused = self.refused or error is not None

        return ended

    def _disconnected(self, reason: str = "") -> None:
        words: dict[str, Reason] = {"client disconnect": "client", "server disconnect": "server"}
        self.reason = self._left or words.get(reason, "network")

    def _call_name(self, namespace: str, event: str, args: list[Any]) -> Name | None:
        if event in self.sio.reserved_events:
            return None
        user = self._user_of("", namespace)
        return self._tally.name(self.side, namespace, event, user, tuple(args))


class ServerProbe(Probe):
    """Watches a ``socketio.AsyncServer`` or ``Server``."""

    side, other_side = "server", "client"

    def __init__(self, sio: Any, tally: Tally, user: UserOf | None = None) -> None:
        super().__init__(sio, tally, user)
        self._hooks.method(sio.eio, "send_packet", self._sending)  # internal

    def live(self, namespace: str) -> list[str]:
        """Return the sids that the server considers live."""
        manager = self.sio.manager  # internal
        sids = [sid for sid, _ in manager.get_participants(namespace, None)]  # internal
        return [sid for sid in sids if manager.is_connected(sid, namespace)]  # internal

    def _user_of(self, connection: str, namespace: str) -> Hashable:
        sid = self.sio.manager.sid_from_eio_sid(connection, namespace)  # internal
        if self._user is None or not self.sio.manager.is_connected(sid, namespace):  # internal
            return None  # before it is connected, its user is not known
        return self._user(sid)

    def _sighting(self, connection: str, namespace: str, first: bool) -> Sighting:
        sighting = Sighting(connection, id(self.sio), by_server=True)
        if not first:
            return sighting
        live = self.live(namespace)
        sid = self.sio.manager.sid_from_eio_sid(connection, namespace)  # internal
        if self._user is None:
            return sighting._replace(sids=len(live) + (sid not in live))
        if sid not in live:
            return sighting
        user = self._user(sid)
        return sighting._replace(sids=sum(self._user(each) == user for each in live))

    def _received(self, connection: str, data: Any) -> None:
        self._wrap_handlers()
        packet = self._decoded(True, connection, data)
        if packet is None:
            return
        if packet.packet_type == CONNECT:
            packet.data = ["connect", connection]
        elif packet.packet_type not in (EVENT, BINARY_EVENT):
            return
        self._count_arrived(packet, connection)

    def _sending(self, connection: str, packet: Any, *_: Any) -> None:
        if packet.packet_type == MESSAGE and connection in self.sio.eio.sockets:  # internal
            self._count_sent(connection, packet.data)

    def _call_name(self, namespace: str, event: str, args: list[Any]) -> Name | None:
        if event == "disconnect":
            return None
        sid, *data = args
        connection = self.sio.manager.eio_sid_from_sid(sid, namespace)  # internal
        if event == "connect":
            data = [connection]
        user = self._user_of(connection, namespace)
        return self._tally.name(self.side, namespace, event, user, tuple(data))
