"""Bytes of one TCP connection in, Socket.IO packets out; no I/O.

HTTP (h11) carries Engine.IO's long-polling or is upgraded to WebSocket frames (wsproto); these
carry Engine.IO packets, and these Socket.IO's. What cannot be decoded is an ``"undecoded"`` packet.

Sources: the Engine.IO and Socket.IO protocol pages (socket.io/docs/v4/engine-io-protocol and
socket-io-protocol), RFC 6455 (WebSocket), RFC 7692 (permessage-deflate).
"""

import zlib
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from http import HTTPStatus
from typing import Any

import h11
from wsproto.extensions import Extension, PerMessageDeflate
from wsproto.frame_protocol import Frame, FrameDecoder, MessageDecoder, Opcode, ParseFailed

from .packet import DIRECTIONS, TO_CLIENT, TO_SERVER, Direction, Packet, PacketDecoder, undecoded

RECORD_SEPARATOR = "\x1e"  # between the packets of one long-polling payload
GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS  # zlib looks at the header


class Conversation:
    """Decodes one TCP connection between a Socket.IO client and its server.

    First HTTP: long-polling requests, or the handshake of a WebSocket. Two h11 machines watch, one
    in each role; what one parses, the other is told to have sent.
    """

    def __init__(self, connection: int = 0) -> None:
        self.connection = connection  # its number
        self.broken = False  # nothing more is decoded
        self._bodies: dict[Direction, bytearray] = defaultdict(bytearray)
        self._target = ""
        self._is_engineio = False
        self._status = 0
        self._encoding = ""
        self._streams: dict[Direction, _WebSocketStream] = {}  # from the upgrade on

    @cached_property
    def _machines(self) -> dict[Direction, h11.Connection]:
        """The parsers: those of thousands of connections that nobody reads are never made."""
        return {TO_SERVER: h11.Connection(h11.SERVER), TO_CLIENT: h11.Connection(h11.CLIENT)}

    @cached_property
    def _decoder(self) -> dict[Direction, PacketDecoder]:
        return {way: PacketDecoder(way, "polling") for way in DIRECTIONS}

    def feed(self, direction: Direction, data: bytes) -> Iterator[tuple[bytes, list[Packet]]]:
        """Yield what one side sent, cut behind every WebSocket frame.

        Each piece has the packets that it completes: who forwards it can stop at an exact one.
        """
        if data and not self._streams:  # h11 would take no bytes for the end of the stream
            packets = self._feed_http(direction, data)
            # What follows the 101 response at once are frames.
            frames = self._machines[direction].trailing_data[0] if self._streams else b""
            yield data[: len(data) - len(frames)], packets
            data = frames
        if data:
            yield from self._streams[direction].feed(data)

    def give_up(self) -> None:
        """Decode nothing more: some of its bytes are missing."""
        self.broken = True
        self._streams.clear()

    def _feed_http(self, direction: Direction, data: bytes) -> list[Packet]:
        """Return the packets of the HTTP messages that `data` completes."""
        if self.broken:
            return []
        machine = self._machines[direction]
        other = self._machines[TO_CLIENT if direction == TO_SERVER else TO_SERVER]
        packets: list[Packet] = []
        try:
            machine.receive_data(data)
            while not self._streams:
                event = machine.next_event()
                if event in (h11.NEED_DATA, h11.PAUSED):
                    break
                other.send(event)  # type: ignore[arg-type]
                packets += self._on_event(direction, event)
        except h11.ProtocolError as error:
            self.broken = True
            packets.append(undecoded(direction, "polling", f"not HTTP: {error}"))
        return packets

    def _on_event(self, direction: Direction, event: Any) -> list[Packet]:
        match event:
            case h11.Request():
                self._target = event.target.decode("latin-1")
                self._is_engineio = "?EIO=" in self._target or "&EIO=" in self._target
            case h11.InformationalResponse(status_code=101):
                extensions = _header(event, b"sec-websocket-extensions")
                self._streams = {way: _WebSocketStream(way, extensions) for way in DIRECTIONS}
            case h11.Response():
                self._status = event.status_code
                self._encoding = _header(event, b"content-encoding")
            case h11.Data() if self._is_engineio:
                self._bodies[direction] += event.data
            case h11.EndOfMessage():
                packets = self._on_message(direction)
                self._start_next_cycle()
                return packets
        return []

    def _on_message(self, direction: Direction) -> list[Packet]:
        body, self._bodies[direction] = bytes(self._bodies[direction]), bytearray()
        if not self._is_engineio:
            return [undecoded(direction, "polling", f"HTTP outside Engine.IO: {self._target}")]
        try:
            packed = direction == TO_CLIENT and self._encoding in ("gzip", "deflate")
            payload = (zlib.decompress(body, GZIP_OR_ZLIB) if packed else body).decode()
        except (UnicodeDecodeError, zlib.error) as error:
            return [undecoded(direction, "polling", f"{len(body)} bytes of body: {error}")]
        if direction == TO_CLIENT and self._status != HTTPStatus.OK:
            return [undecoded(direction, "polling", f"HTTP {self._status}: {payload}")]
        if payload.lower() in ("", "ok"):  # python-engineio says OK, engine.io says ok
            return []
        return [
            packet
            for encoded in payload.split(RECORD_SEPARATOR)
            for packet in self._decoder[direction].feed(encoded)
        ]

    def _start_next_cycle(self) -> None:
        machines = self._machines.values()
        if all(m.our_state is h11.DONE and m.their_state is h11.DONE for m in machines):
            for machine in machines:
                machine.start_next_cycle()


class _WebSocketStream:
    """One direction of an upgraded connection: frames in, packets out."""

    def __init__(self, direction: Direction, extensions: str) -> None:
        self._direction = direction
        self._decoder = PacketDecoder(direction, "websocket")
        self._messages = MessageDecoder()
        self._message: list[str | bytes] = []
        self._reason = ""  # why nothing more is decoded: said at the next bytes, once
        self._said = False
        known: list[Extension] = []
        try:
            known = _negotiated(extensions)
        except (ValueError, IndexError):
            self._reason = f"extension not understood: {extensions}"
        self._frames = FrameDecoder(direction == TO_CLIENT, known)

    def feed(self, data: bytes) -> Iterator[tuple[bytes, list[Packet]]]:
        """Yield `data` in pieces that end where a frame does, each with its packets."""
        start, packets = 0, list[Packet]()
        try:
            if not self._reason:
                self._frames.receive_bytes(data)
            while not self._reason and (frame := self._frames.process_buffer()):
                packets += self._on_frame(frame)
                if frame.frame_finished:
                    end = len(data) - len(self._frames.buffer)
                    yield data[start:end], packets
                    start, packets = end, []
        except ParseFailed as error:
            self._reason = f"not a WebSocket frame: {error}"
        if start < len(data):
            if self._reason and not self._said:
                packets.append(undecoded(self._direction, "websocket", self._reason))
                self._said = True
            yield data[start:], packets

    def _on_frame(self, frame: Frame) -> list[Packet]:
        if frame.opcode is Opcode.CLOSE:
            self._reason = "bytes behind the close frame"
            return [Packet(self._direction, "close", transport="websocket")]
        if frame.opcode.iscontrol():  # WebSocket's own pings are no packets to us
            return []
        frame = self._messages.process_frame(frame)
        assert not isinstance(frame.payload, tuple)  # only a close frame's is
        self._message.append(frame.payload)
        return self._on_message() if frame.message_finished else []

    def _on_message(self) -> list[Packet]:
        parts, self._message = self._message, []
        if all(isinstance(part, str) for part in parts):
            return self._decoder.feed("".join(parts))  # type: ignore[arg-type]
        return self._decoder.feed(b"".join(bytes(part) for part in parts))  # type: ignore[arg-type]


def _header(event: h11.InformationalResponse | h11.Response, name: bytes) -> str:
    return b", ".join(value for key, value in event.headers if key == name).decode("latin-1")


def _negotiated(extensions: str) -> list[Extension]:
    """Return the extensions in use. ValueError, IndexError: they are not understood."""
    if not extensions:
        return []
    if extensions.split(";")[0].strip() != PerMessageDeflate.name or "," in extensions:
        raise ValueError(extensions)
    deflate = PerMessageDeflate()
    deflate.finalize(extensions)
    return [deflate]
