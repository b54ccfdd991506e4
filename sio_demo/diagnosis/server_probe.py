"""What an observer sees at a server; outgoing packets pass ``eio.send_packet()``."""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import Any

import socketio
from engineio.packet import MESSAGE
from socketio.packet import BINARY_EVENT, CONNECT, CONNECT_ERROR, EVENT

from .hooks import Ended
from .probes import Probe, UserOf, arguments
from .seen import Sids
from .tally import Census, Name, Tally, remember

SERVERS = (socketio.AsyncServer, socketio.Server)


class ServerProbe(Probe):
    side, other_side = "server", "client"
    _arrived = Probe._count

    def __init__(self, sio: Any, tally: Tally, user: UserOf | None = None) -> None:
        super().__init__(sio, tally, user)
        spaces = [*sio.manager.rooms]  # internal
        self.ever = {sid: space for space in spaces for sid in self.live(space)}
        self._entered: dict[tuple[str, Any], None] = {}  # rooms, by namespace
        self._halves: dict[str, Any] = {}  # packets that wait for their attachments
        self._last: tuple[Any, Any] = (None, None)  # encoded, and decoded: a broadcast is one
        self._census: dict[str, Census] = {}  # by namespace
        self._reasons: dict[tuple[str, Hashable], str | None] = {}  # by namespace and user
        self._late = bool(self.ever)
        self.rejects = False  # whether it has rejected anybody
        self.queue = hasattr(sio.manager, "_publish")  # internal; to and from other servers
        tally.servers.append(self)
        tally.longest = sio.eio.max_http_buffer_size  # internal
        self._hooks.method(sio.eio, "send_packet", self._sending)  # internal
        again = self._census.clear  # one comes, or goes
        for method in ("connect", "pre_disconnect", "disconnect"):
            self._hooks.method(sio.manager, method, lambda *_, **__: lambda _: again())  # internal
        self._out: dict[tuple[str, str], dict[str, None]] = {}  # who has left a room last
        self._hooks.method(sio.manager, "enter_room", self._entering)  # internal
        self._hooks.method(sio.manager, "leave_room", self._leaving)  # internal

    def live(self, namespace: str) -> Sids:
        """Return the sids that the server considers live."""
        manager = self.sio.manager  # internal
        sids = [sid for sid, _ in manager.get_participants(namespace, None)]  # internal
        return frozenset(sid for sid in sids if manager.is_connected(sid, namespace))  # internal

    def entering(self, namespace: str) -> set[str]:
        """Return the sids whose connect handler has not returned."""
        return {*getattr(self.sio.manager, "pending_connect", {}).get(namespace, ())}  # internal

    def _user_of(self, connection: str, namespace: str) -> Hashable:
        sid = self.sio.manager.sid_from_eio_sid(connection, namespace)  # internal
        if self._user is None or not self.sio.manager.is_connected(sid, namespace):  # internal
            return None  # before it is connected, its user is not known
        user = self._user(sid)
        if sid not in self._census.get(namespace, {}).get(user, ()):
            self._census.clear()
        return user

    def reason(self, namespace: str, user: Hashable) -> str | None:
        """Return why the last session of a user has ended, or all if users are not told apart."""
        unknown = self._late or (self._user is not None and user is None)
        return self._reasons.get((namespace, user), None if unknown else "")

    def _handling(self, event: str, namespace: str, *args: Any) -> Ended | None:
        if event != "disconnect":
            return super()._handling(event, namespace, *args)
        sid, reason = args[:2]
        if not self.sio.manager.is_connected(sid, namespace):  # internal
            user = self._user(sid) if self._user else None
            same = self._user is not None or self._reasons.get((namespace, user), reason) == reason
            remember(self._reasons, (namespace, user), reason if same else None)
        return None

    def _entering(self, _sid: str, namespace: str | None, room: Any, *_: Any, **__: Any) -> None:
        remember(self._entered, (namespace or "/", room), None)

    def _leaving(self, sid: str, namespace: str, room: Any) -> None:
        key = namespace, repr(room)
        remember(remember(self._out, key, self._out.get(key) or {}), sid, None, 100)

    def census(self, namespace: str) -> Census:
        """Return the live sids of each user; that of a sid may be known later."""
        ask = self._user or (lambda _: None)
        census = self._census.get(namespace)
        unknown = census.get(None, ()) if census and self._user else ()
        if census is None or any(ask(sid) is not None for sid in unknown):
            sids = defaultdict[Hashable, set[str]](set)
            for sid in self.live(namespace):
                sids[ask(sid)].add(sid)
            census = {each: frozenset(theirs) for each, theirs in sids.items()}
            self._census[namespace] = census
        return census

    def _facts(self, connection: str, name: Name) -> dict[str, Any]:
        sids = self.census(name.namespace).get(name.user, frozenset())
        sid = self.sio.manager.sid_from_eio_sid(connection, name.namespace)  # internal
        sids = sids if sid in sids else sids | {sid}
        return {"servers": {id(self.sio)}, "live": sids, "sent_to": {sid}}

    def _emitting(self, event: str, data: Any = None, *rest: Any, **options: Any) -> Ended:
        options |= dict(zip(("to", "room", "skip_sid", "namespace"), rest, strict=False))
        manager, space = self.sio.manager, options.get("namespace") or "/"  # internal
        room, skip_sid = options.get("to") or options.get("room"), options.get("skip_sid")
        rooms = room if isinstance(room, (list, tuple)) else [room]
        held, here = dict(manager.get_participants(space, room)), self.sio.eio.sockets  # internal
        members = {sid for sid, connection in held.items() if connection in here}
        left_out = set(skip_sid if isinstance(skip_sid, list) else [skip_sid])
        name = self._tally.name("client", space, event, None, arguments(data))
        emits, ended = self._tally.emitted(name)
        sids = members - left_out
        emits.live = [server.census(space) for server in self._tally.servers]
        emits.ever[id(self.sio)] = self.ever
        left = {sid for one in rooms for sid in self._out.get((space, repr(one)), ())} - members
        out = {sid for sid in left if manager.is_connected(sid, space)}  # internal
        emits.who = {"skipped": members & left_out, "out": out}
        emits.who |= {} if self.queue else {"sent": sids}
        emits.rooms.add(repr(room))
        emits.clues = {"astray": False} if members or self.queue else self._aim(space, rooms)
        emits.clues["reached"] = None if self.queue and not sids else len(sids)
        emits.clues["ghosts"] = len(held) - len(members)
        emits.clues["other_loop"] = None if self.queue else self._away_from_home()
        if members and rooms[0] in self.ever:
            emits.clues["sid"] = "live" if sids else "skipped"
        emits.users.update(map(self._user, sids) if self._user else ())
        return ended

    def _aim(self, namespace: str, rooms: Sequence[Any]) -> dict[str, Any]:
        """Return clues to why there was nobody that an emit was for."""
        tables = {space: set(table) for space, table in self.sio.manager.rooms.items()}  # internal
        here = tables.pop(namespace, set())
        used = any((namespace, one) in self._entered or one in {None, *self.ever} for one in rooms)
        astray = not set().union(*tables.values()).isdisjoint(rooms)
        return {
            "room": "" if rooms[0] is None else ", ".join(map(repr, rooms)),
            "vacant": not used and not self._late,
            "astray": astray,
            "lookalike": bool({*map(_bare, here - {*rooms, None})} & {*map(_bare, rooms)}),
            "sid": ("astray" if astray else "ended") if rooms[0] in self.ever else None,
        }

    def _connected(self, connection: str, namespace: str | None, _data: Any) -> None:
        self._count(connection, namespace, None, ["connect", connection])

    def _answered(self, connection: str, namespace: str | None, ack_id: int, _data: Any) -> None:
        self._tally.answered(connection, namespace, ack_id)

    def _sending(self, connection: str, packet: Any, *_: Any) -> None:
        if packet.packet_type == MESSAGE and connection in self.sio.eio.sockets:  # internal
            event = self._decoded(connection, packet.data)
            if event is not None and event.packet_type == CONNECT:
                remember(self.ever, event.data["sid"], event.namespace or "/")
            elif event is not None and event.packet_type == CONNECT_ERROR:
                self.rejects = True
            elif event is not None and event.packet_type in (EVENT, BINARY_EVENT):
                self._count(connection, event.namespace, event.id, event.data, came=False)

    def _decoded(self, connection: str, data: Any) -> Any:
        """Return the Socket.IO packet; None until it is complete, or if it cannot be decoded."""
        if data is self._last[0]:
            return self._last[1]
        packet = self._halves.pop(connection, None)
        try:
            if packet is None:
                packet = self.sio.packet_class(encoded_packet=data)
                complete = packet.attachment_count == 0
                if complete:
                    self._last = (data, packet)
            else:
                complete = packet.add_attachment(data)
        except Exception:  # python-socketio will report it
            return None
        if not complete:
            self._halves[connection] = packet
        return packet if complete else None

    def _call_name(self, namespace: str, event: str, args: list[Any]) -> Name | None:
        sid, *data = args
        connection = self.sio.manager.eio_sid_from_sid(sid, namespace)  # internal
        told = [connection] if event == "connect" else data
        return self._named(self.side, namespace, [event, *told], connection)


def _bare(room: Any) -> str:
    """Return the letters and digits of a room's name; the name if it has none."""
    name = room.decode(errors="replace") if isinstance(room, bytes) else str(room)
    return "".join(filter(str.isalnum, name.lower())) or name
