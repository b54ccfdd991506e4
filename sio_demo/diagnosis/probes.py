"""Where an observer looks at python-socketio: at a client, and at a server.

Incoming packets pass the methods in `LOOKS`; outgoing ones ``_send_packet()`` of a client, and
``eio.send_packet()`` of a server. Calls are counted by a wrapper around each handler in
``handlers``, which is put there when the next packet comes. `Probe.close` undoes it.
"""

import functools
from collections.abc import Callable, Hashable
from typing import Any

import socketio
from engineio.packet import MESSAGE
from socketio.packet import BINARY_EVENT, CONNECT, CONNECT_ERROR, EVENT

from .hooks import Ended, Function, Hooks, fits, layers
from .seen import Language, Recipient, Sids
from .tally import Census, Name, Sighting, Tally

CLIENTS = (socketio.AsyncClient, socketio.Client)
SERVERS = (socketio.AsyncServer, socketio.Server)
AT_FIRST = {"refused": False, "rejected": False, "queued": 0}  # clues of a connection
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


class ClientProbe(Probe):
    side, other_side = "client", "server"

    def __init__(self, sio: Any, tally: Tally, user: UserOf | None = None) -> None:
        super().__init__(sio, tally, user)
        self.connects: dict[str, int] = {}  # to each namespace, while it was watched
        self._was_connected = bool(sio.connected)
        self._clues: dict[str, Any] = {"reason": None if sio.connected else "", **AT_FIRST}
        self._left = ""
        self._greeted = False  # while it is being connected
        tally.own_sids.update(sio.namespaces.values())  # internal
        if getattr(sio, "listeners_add_up", False):
            self.library = "javascript"
        self._hooks.method(sio, "_send_packet", self._sending)  # internal
        self._hooks.method(sio, "_handle_error", self._failed)  # internal
        self._hooks.method(sio, "connect", self._connecting)
        self._hooks.item(sio.eio.handlers, "disconnect", self._disconnected)  # internal

    def now(self, namespace: str) -> dict[str, Any]:
        before = self._was_connected or namespace in self.connects
        clues = {"connected": bool(self.sio.connected), "before": before, **self._clues}
        return clues | ({"refused": None} if self._tries() and not clues["refused"] else {})

    def _tries(self) -> bool:
        """Whether it is just connecting again: how that ends is not known."""
        task = self.sio._reconnect_task  # internal; in a synchronous client it is a thread
        ended = getattr(task, "done", lambda: not task.is_alive())
        return task is not None and not ended()

    def reconnects(self, namespace: str) -> int | None:
        """Return how often it has reconnected; None if it was connected before it was watched."""
        if self._was_connected:
            return None
        return max(0, self.connects.get(namespace, 0) - 1)

    def _registered(self, name: str, space: str) -> int:
        if self.library == "javascript":
            return len(self.sio.listeners(name, space))
        return super()._registered(name, space)

    def _user_of(self, connection: str, namespace: str) -> Hashable:
        sid = self.sio.get_sid(namespace)
        return self._user(sid) if self._user and sid else None

    def _sighting(self, connection: str, name: Name) -> Sighting:
        return Sighting(
            connection,
            id(self.sio),
            reconnects=self.reconnects(name.namespace),
            early=name.namespace not in self.sio.namespaces,  # internal
        )

    def _emitting(
        self, event: str, data: Any = None, namespace: str | None = None, *_: Any, **__: Any
    ) -> Ended:
        space = namespace or "/"
        name = self._tally.name("server", space, event, None, _arguments(data))
        away = space not in self.sio.namespaces  # internal
        asked_for = space in (self.sio.connection_namespaces or ())  # internal
        early = away and asked_for and self.sio.eio.state == "connected"  # internal
        emits = self._tally.emitted(name, away)
        emits.clues = {"raised": False, "early": early, "greeted": self._greeted}
        return emits.ended

    def _sending(self, packet: Any) -> None:
        eio = self.sio.eio  # internal
        connected = eio.state == "connected"  # internal; otherwise it drops the packet
        if packet.packet_type in (EVENT, BINARY_EVENT) and connected:
            data = _plain(packet.data)
            large = _size(data) > self._tally.longest
            if eio.current_transport == "polling":
                waiting = eio.queue.qsize() + 1  # internal
                self._clues["queued"] = max(self._clues["queued"], waiting)
            self._count_sent(eio.sid, packet, data, large=large)  # internal

    def _connected(self, namespace: str | None, data: Any) -> None:
        self._wrap_handlers()
        space = namespace or "/"
        self.connects[space] = self.connects.get(space, 0) + 1
        self._tally.own_sids.add((data or {}).get("sid", ""))
        self._clues |= AT_FIRST
        self._left, self._greeted = "", False

    def _failed(self, *_: Any) -> None:
        self._clues |= {"refused": True, "rejected": True}

    def _dismissed(self, namespace: str | None) -> None:
        if not set(self.sio.namespaces) - {namespace or "/"}:  # internal
            self._left = "server disconnect"

    def _arrived(self, namespace: str | None, packet_id: Any, data: Any) -> None:
        self._greeted |= (namespace or "/") not in self.sio.namespaces  # internal
        eio_sid = self.sio.eio.sid  # internal
        self._count_arrived(eio_sid, namespace, data, packet_id)

    def _answered(self, namespace: str | None, ack_id: int, _data: Any) -> None:
        self._tally.answered(self.sio.eio.sid, namespace, ack_id)  # internal

    def _connecting(self, *_: Any, **__: Any) -> Ended:
        def ended(error: BaseException | None) -> None:
            self._clues["refused"] |= error is not None

        return ended

    def _disconnected(self, reason: str = "") -> None:
        self._clues["reason"] = self._left or reason

    def _call_name(self, namespace: str, event: str, args: list[Any]) -> Name | None:
        if event in self.sio.reserved_events:
            return None
        user = self._user_of("", namespace)
        return self._tally.name(self.side, namespace, event, user, tuple(args))


class ServerProbe(Probe):
    side, other_side = "server", "client"

    def __init__(self, sio: Any, tally: Tally, user: UserOf | None = None) -> None:
        super().__init__(sio, tally, user)
        self.spaces_used = {*sio.manager.rooms}  # internal
        self.ever = {sid for space in self.spaces_used for sid in self.live(space)}
        self._halves: dict[str, Any] = {}  # packets that wait for their attachments
        self._last: tuple[Any, Any] = (None, None)  # encoded, and decoded: a broadcast is one
        self._users: dict[str, dict[str, Hashable]] = {}  # by namespace and sid
        self._census: dict[str, Census] = {}  # by namespace
        self._reasons: dict[tuple[str, Hashable], str | None] = {}  # by namespace and user
        self._late = bool(self.ever)
        self.rejects = False  # whether it has rejected anybody
        tally.servers.append(self)
        tally.longest = sio.eio.max_http_buffer_size  # internal
        self._hooks.method(sio.eio, "send_packet", self._sending)  # internal
        self._hooks.method(sio, "disconnect", self._disconnecting)
        for method in ("connect", "pre_disconnect", "disconnect"):
            self._hooks.method(sio.manager, method, self._changing)  # internal

    @property
    def queue(self) -> bool:
        """Whether other servers can send to its clients, and it to theirs."""
        return hasattr(self.sio.manager, "_publish")  # internal

    def live(self, namespace: str) -> Sids:
        """Return the sids that the server considers live."""
        manager = self.sio.manager  # internal
        sids = [sid for sid, _ in manager.get_participants(namespace, None)]  # internal
        return frozenset(sid for sid in sids if manager.is_connected(sid, namespace))  # internal

    def _user_of(self, connection: str, namespace: str) -> Hashable:
        sid = self.sio.manager.sid_from_eio_sid(connection, namespace)  # internal
        if self._user is None or not self.sio.manager.is_connected(sid, namespace):  # internal
            return None  # before it is connected, its user is not known
        user, users = self._user(sid), self._users.setdefault(namespace, {})
        if sid not in users or users[sid] != user:
            users[sid] = user
            self._census.clear()
        return user

    def reason(self, namespace: str, user: Hashable) -> str | None:
        """Return why the last session of a user has ended, or all if users are not told apart."""
        if self._user is not None and user is None:
            return None
        return self._reasons.get((namespace, user), None if self._late else "")

    def _disconnecting(self, sid: str, namespace: str | None = None, **_: Any) -> None:
        self._note_end(sid, namespace or "/", "server disconnect")

    def _dismissed(self, connection: str, namespace: str | None, reason: str = "") -> None:
        sid = self.sio.manager.sid_from_eio_sid(connection, namespace or "/")  # internal
        self._note_end(sid, namespace or "/", reason or "client disconnect")

    def _note_end(self, sid: str, space: str, reason: str) -> None:
        if self.sio.manager.is_connected(sid, space):  # internal
            user = self._user(sid) if self._user else None
            same = self._user is not None or self._reasons.get((space, user), reason) == reason
            self._reasons[space, user] = reason if same else None

    def _changing(self, *_: Any, **__: Any) -> Ended:
        """Count the live sids again: one comes, or goes."""
        self._census.clear()
        return lambda _: self._census.clear()

    def census(self, namespace: str) -> Census:
        """Return the live sids of each user; that of a sid may be known later."""
        ask = self._user or (lambda _: None)
        census = self._census.get(namespace)
        unknown = census.get(None, ()) if census and self._user else ()
        if census is None or any(ask(sid) is not None for sid in unknown):
            known = self._users.get(namespace, {})
            users = {sid: known.get(sid) or ask(sid) for sid in self.live(namespace)}
            self._users[namespace] = users
            sids: dict[Hashable, set[str]] = {}
            for sid, each in users.items():
                sids.setdefault(each, set()).add(sid)
            census = {each: frozenset(theirs) for each, theirs in sids.items()}
            self._census[namespace] = census
        return census

    def _sighting(self, connection: str, name: Name) -> Sighting:
        sighting = Sighting(connection, id(self.sio), by_server=True)
        sids = self.census(name.namespace).get(name.user, frozenset())
        sid = self.sio.manager.sid_from_eio_sid(connection, name.namespace)  # internal
        if sid not in sids and self._user is not None:
            return sighting  # before it is connected, its user is not known
        return sighting._replace(live=sids if sid in sids else sids | {sid}, sid=sid)

    def _emitting(self, event: str, data: Any = None, *rest: Any, **options: Any) -> Ended:
        options |= dict(zip(("to", "room", "skip_sid", "namespace"), rest, strict=False))
        manager, space = self.sio.manager, options.get("namespace") or "/"  # internal
        room, skip_sid = options.get("to") or options.get("room"), options.get("skip_sid")
        members = {sid for sid, _ in manager.get_participants(space, room)}  # internal
        left_out = set(skip_sid if isinstance(skip_sid, list) else [skip_sid])
        name = self._tally.name("client", space, event, None, _arguments(data))
        emits = self._tally.emitted(name)
        sids = members - left_out
        emits.live = [server.census(space) for server in self._tally.servers]
        emits.ever[id(self.sio)] = self.ever
        emits.recipients = None if self.queue else frozenset(sids)
        emits.skipped = frozenset(members & left_out)
        emits.rooms.add(repr(room))
        emits.clues = {"astray": False} if members or self.queue else self._aim(space, room)
        emits.clues |= {
            "raised": False,
            "skipped": bool(emits.skipped),
            "reached": None if self.queue and not sids else len(sids),
        }
        if self._user is not None:
            emits.users.update(map(self._user, sids))
        return emits.ended

    def _aim(self, namespace: str, room: Any) -> dict[str, Any]:
        """Return clues to why there was nobody that an emit was for."""
        rooms = {space: set(table) for space, table in self.sio.manager.rooms.items()}  # internal
        here = rooms.pop(namespace, set())
        return {
            "room": "" if room is None else repr(room),
            "astray": any(room in there for there in rooms.values()),
            "lookalike": any(_bare(each) == _bare(room) for each in here - {room, None}),
            "ended": room in self.ever and not any(room in there for there in rooms.values()),
        }

    def _connected(self, connection: str, namespace: str | None, _data: Any) -> None:
        self.spaces_used.add(namespace or "/")
        self._count_arrived(connection, namespace, ["connect", connection], None)

    def _arrived(self, connection: str, namespace: str | None, packet_id: Any, data: Any) -> None:
        self._count_arrived(connection, namespace, data, packet_id)

    def _answered(self, connection: str, namespace: str | None, ack_id: int, _data: Any) -> None:
        self._tally.answered(connection, namespace, ack_id)

    def _sending(self, connection: str, packet: Any, *_: Any) -> None:
        if packet.packet_type == MESSAGE and connection in self.sio.eio.sockets:  # internal
            event = self._decoded(connection, packet.data)
            if event is not None and event.packet_type == CONNECT:
                self.ever.add(event.data["sid"])
            elif event is not None and event.packet_type == CONNECT_ERROR:
                self.rejects = True
            elif event is not None and event.packet_type in (EVENT, BINARY_EVENT):
                self._count_sent(connection, event, event.data)

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
        if event == "disconnect":
            return None
        sid, *data = args
        connection = self.sio.manager.eio_sid_from_sid(sid, namespace)  # internal
        if event == "connect":
            data = [connection]
        user = self._user_of(connection, namespace)
        return self._tally.name(self.side, namespace, event, user, tuple(data))


def _bare(room: Any) -> str:
    """Return the letters and digits of a room's name; the name if it has none."""
    return "".join(filter(str.isalnum, str(room).lower())) or str(room)


def _arguments(data: Any) -> tuple[Any, ...]:
    """Return the arguments of the event that ``emit(event, data)`` sends."""
    given = data if isinstance(data, tuple) else () if data is None else (data,)
    return tuple(map(_plain, given))


def _plain(data: Any) -> Any:
    """Return data as they are when they arrive."""
    if isinstance(data, (list, tuple)):
        return [_plain(each) for each in data]
    if isinstance(data, dict):
        return {str(key): _plain(value) for key, value in data.items()}
    return data


def _size(data: Any) -> int:
    """Return about how many characters these data are."""
    if isinstance(data, dict):
        return sum(_size(key) + _size(value) for key, value in data.items())
    if isinstance(data, (list, tuple)):
        return sum(map(_size, data))
    return len(data) if isinstance(data, (str, bytes, bytearray)) else len(str(data))
