"""What an observer sees at a client; outgoing packets pass ``_send_packet()``."""

from collections.abc import Hashable
from typing import Any

import socketio
from socketio.packet import BINARY_EVENT, EVENT

from .hooks import Ended
from .probes import Probe, UserOf, arguments
from .tally import Name, Tally

CLIENTS = (socketio.AsyncClient, socketio.Client)
AT_FIRST = {"refused": False, "rejected": False, "queued": 0}  # clues of a connection


class ClientProbe(Probe):
    side, other_side = "client", "server"

    def __init__(self, sio: Any, tally: Tally, user: UserOf | None = None) -> None:
        super().__init__(sio, tally, user)
        self.connects: dict[str, int] = {}  # to each namespace, while it was watched
        self._was_connected = bool(sio.connected)
        self._clues: dict[str, Any] = {"reason": None if sio.connected else "", **AT_FIRST}
        self._ended: dict[str, dict[str, Any]] = {}  # namespaces that the server has ended
        self._greeted = False  # while it is being connected
        tally.own_sids.update(sio.namespaces.values())  # internal
        if getattr(sio, "listeners_add_up", False):
            self.library = "javascript"
        self._hooks.method(sio, "_send_packet", self._sending)  # internal
        self._hooks.method(sio, "_handle_error", self._failed)  # internal
        self._hooks.method(sio, "_handle_disconnect", self._dismissed)  # internal
        self._hooks.method(sio, "connect", self._connecting)
        self._hooks.item(sio.eio.handlers, "disconnect", self._disconnected)  # internal

    def now(self, namespace: str) -> dict[str, Any]:
        before = self._was_connected or namespace in self.connects
        clues = {"connected": bool(self.sio.connected), "before": before, **self._clues}
        clues |= self._ended.get(namespace, {})
        task = self.sio._reconnect_task  # internal; in a synchronous client it is a thread
        ended = task is None or getattr(task, "done", lambda: not task.is_alive())()
        # How the attempt ends that it just makes is not known.
        return clues | ({} if ended or clues["refused"] else {"refused": None})

    def reconnects(self, namespace: str) -> int | None:
        """Return how often it has reconnected; None if it was connected before it was watched."""
        return None if self._was_connected else max(0, self.connects.get(namespace, 0) - 1)

    def _user_of(self, connection: str, namespace: str) -> Hashable:
        sid = self.sio.get_sid(namespace)
        return self._user(sid) if self._user and sid else None

    def _facts(self, connection: str, name: Name) -> dict[str, Any]:
        return {"reconnects": self.reconnects(name.namespace)}

    def _emitting(
        self, event: str, data: Any = None, namespace: str | None = None, *_: Any, **__: Any
    ) -> Ended:
        space = namespace or "/"
        name = self._tally.name("server", space, event, None, arguments(data))
        away = space not in self.sio.namespaces  # internal
        asked_for = space in (self.sio.connection_namespaces or ())  # internal
        early = away and asked_for and self.sio.eio.state == "connected"  # internal
        emits, ended = self._tally.emitted(name)
        here, once_away = emits.clues.get("here", False), emits.clues.get("away", False)
        clues = {"early": early, "greeted": self._greeted, "other_loop": self._away_from_home()}
        emits.clues = {**clues, "here": here or not away, "away": once_away or away}
        return ended

    def _sending(self, packet: Any) -> None:
        eio = self.sio.eio  # internal
        event = packet.packet_type in (EVENT, BINARY_EVENT)
        if event and eio.state == "connected":  # internal; otherwise it drops the packet
            parts = packet.encode()  # a list, if something is attached
            size = len(max(parts, key=len) if isinstance(parts, list) else parts)
            if eio.current_transport == "polling":
                waiting = eio.queue.qsize() + 1  # internal
                self._clues["queued"] = max(self._clues["queued"], waiting)
            space, sid = packet.namespace, eio.sid  # internal
            large = size > self._tally.longest
            self._count(sid, space, packet.id, packet.data, came=False, large=large)

    def _connected(self, namespace: str | None, data: Any) -> None:
        space = namespace or "/"
        self.connects[space] = self.connects.get(space, 0) + 1
        self._tally.own_sids.add((data or {}).get("sid", ""))
        self._clues |= AT_FIRST
        self._ended.pop(space, None)
        self._greeted = False

    def _failed(self, *_: Any) -> None:
        self._clues |= {"refused": True, "rejected": True}

    def _dismissed(self, namespace: str | None) -> None:
        self._ended[namespace or "/"] = {"connected": False, "reason": "server disconnect"}

    def _arrived(self, namespace: str | None, packet_id: Any, data: Any) -> None:
        early = (namespace or "/") not in self.sio.namespaces  # internal
        self._greeted |= early
        self._count(self.sio.eio.sid, namespace, packet_id, data, early=early)  # internal

    def _answered(self, namespace: str | None, ack_id: int, _data: Any) -> None:
        self._tally.answered(self.sio.eio.sid, namespace, ack_id)  # internal

    def _connecting(self, *_: Any, **__: Any) -> Ended:
        return lambda error: self._clues.update(refused=self._clues["refused"] or error is not None)

    def _disconnected(self, reason: str = "") -> None:
        self._clues["reason"] = reason

    def _call_name(self, namespace: str, event: str, args: list[Any]) -> Name | None:
        if event in self.sio.reserved_events:
            return None
        return self._named(self.side, namespace, [event, *args], "")
