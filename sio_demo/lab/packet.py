"""A packet as the link saw it, and the way from Engine.IO text to it; no I/O.

Sources: the protocol pages socket.io/docs/v4/engine-io-protocol and socket-io-protocol.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

from engineio.packet import Packet as EngineIOPacket
from engineio.packet import packet_names as engineio_names
from socketio.packet import BINARY_ACK, BINARY_EVENT, EVENT
from socketio.packet import Packet as SocketIOPacket
from socketio.packet import packet_names as socketio_names

Direction = Literal["client→server", "server→client"]
TO_SERVER: Final[Direction] = "client→server"
TO_CLIENT: Final[Direction] = "server→client"
DIRECTIONS: Final[tuple[Direction, Direction]] = (TO_SERVER, TO_CLIENT)


@dataclass(slots=True, eq=False)
class Packet:
    """One packet, as the link saw it pass.

    `name` is Socket.IO's ``"CONNECT"``, ``"DISCONNECT"``, ``"EVENT"``, ``"ACK"``,
    ``"CONNECT_ERROR"``, ``"BINARY_EVENT"``, ``"BINARY_ACK"``; Engine.IO's ``"open"``, ``"close"``,
    ``"ping"``, ``"pong"``, ``"upgrade"``, ``"noop"``; or ``"undecoded"``. `data` is the list of
    arguments of an event or of its acknowledgement, the object of a ``CONNECT`` or ``open``; for
    ``"undecoded"`` the reason, in words.
    """

    direction: Direction
    name: str
    event: str | None = None  # for EVENT and BINARY_EVENT
    data: Any = None
    id: int | None = None  # it ties an event to its ACK
    namespace: str = "/"
    transport: str = "websocket"  # or "polling"
    connection: int = 0  # TCP connections are counted from 1, as the link accepted them
    order: int = 0  # the place of the packet among all that the link saw, from 1
    delivered: bool = True  # False: the link took it in, but a fault kept it from the other side

    def __repr__(self) -> str:
        """Return what passed, without session ids: they differ at every run."""
        words = [self.direction, self.name]
        if self.namespace != "/":
            words.append(self.namespace)
        if self.event is not None:
            words.append(repr(self.event))
        if self.name in {"EVENT", "BINARY_EVENT", "ACK", "BINARY_ACK", "undecoded"}:
            words.append(repr(self.data))
        if self.id is not None:
            words.append(f"id={self.id}")
        if not self.delivered:
            words.append("(lost)")
        return f"<{' '.join(words)}>"


class PacketDecoder:
    """Engine.IO packets of one direction -> packets, binary attachments put in their places."""

    def __init__(self, direction: Direction, transport: str) -> None:
        self._direction = direction
        self._transport = transport
        self._waiting: SocketIOPacket | None = None

    def feed(self, encoded: str | bytes) -> list[Packet]:
        """Decode one Engine.IO packet; a binary event is given with its last attachment."""
        protocol = "Engine.IO"
        try:
            outer = EngineIOPacket(encoded_packet=encoded)
            if outer.binary:
                return self._on_attachment(outer.data)
            name = engineio_names[outer.packet_type].lower()
            if name != "message":
                return [self._packet(name, data=outer.data or None)]
            protocol = "Socket.IO"
            return self._on_message(SocketIOPacket(encoded_packet=encoded[1:]))
        except Exception as error:  # whatever passes must not stop the link
            return [self._undecoded(f"not {protocol}: {type(error).__name__}: {error}")]

    def _on_message(self, inner: SocketIOPacket) -> list[Packet]:
        packets: list[Packet] = []
        if self._waiting is not None:
            name = socketio_names[self._waiting.packet_type]
            packets.append(self._undecoded(f"{name} whose attachments did not follow"))
            self._waiting = None
        if inner.packet_type in (BINARY_EVENT, BINARY_ACK) and inner.attachment_count:
            self._waiting = inner
        else:
            packets.append(self._socketio(inner))
        return packets

    def _on_attachment(self, data: bytes) -> list[Packet]:
        if self._waiting is None:
            return [self._undecoded(f"{len(data)} bytes that no packet announced")]
        inner, self._waiting = self._waiting, None
        if not inner.add_attachment(data):
            self._waiting = inner
            return []
        return [self._socketio(inner)]

    def _socketio(self, inner: SocketIOPacket) -> Packet:
        is_event = inner.packet_type in (EVENT, BINARY_EVENT)
        return self._packet(
            socketio_names[inner.packet_type],
            event=inner.data[0] if is_event else None,
            data=inner.data[1:] if is_event else inner.data,
            id=inner.id,
            namespace=inner.namespace or "/",
        )

    def _packet(self, name: str, **fields: Any) -> Packet:
        return Packet(self._direction, name, transport=self._transport, **fields)

    def _undecoded(self, reason: str) -> Packet:
        return self._packet("undecoded", data=reason)


def undecoded(direction: Direction, transport: str, reason: str) -> Packet:
    return Packet(direction, "undecoded", data=reason, transport=transport)
