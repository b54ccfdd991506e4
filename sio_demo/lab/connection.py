"""TCP through the link: a listener, and connections of two sides that send to each other.

What becomes of the bytes on their way is up to the faults of their direction.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import NamedTuple, cast

from . import HOST
from .faults import Cut, CutHere, Fault
from .packet import TO_CLIENT, TO_SERVER, Direction
from .tap import Chunk, Tap
from .wire import Conversation

BACKLOG = 1_000  # connections that may wait to be accepted
FILES = 4_096  # sockets and other files that this process may have open
BYTES_HELD = 2**20  # beyond this nothing more is read, and TCP slows its sender down
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, zero seconds

Faults = dict[Direction, list[Fault]]
Action = Callable[[], None]


class Listener:
    """A listening socket whose port stays the same.

    Before Python 3.13, ``asyncio.Server`` loses a connection that it accepts while it is closed.
    """

    def __init__(self, on_accepted: Callable[[socket.socket, str], None]) -> None:
        _allow_files()
        self._on_accepted = on_accepted
        self._loop = asyncio.get_running_loop()
        self._sock = _bound(0)
        self.port: int = self._sock.getsockname()[1]
        self.is_open = False

    def open(self) -> None:
        self._sock.listen(BACKLOG)
        self._loop.add_reader(self._sock, self._accept)
        self.is_open = True

    def refuse(self) -> None:
        """Refuse connections until :meth:`open`, and keep the port from other programs."""
        self.close()
        self._sock = _bound(self.port)

    def close(self) -> None:
        """Refuse connections, and give the port up."""
        self._loop.remove_reader(self._sock)
        self._sock.close()
        self.is_open = False

    def _accept(self) -> None:
        try:
            sock, (host, _) = self._sock.accept()
        except OSError:  # the other side has gone already
            return
        sock.setblocking(False)
        self._on_accepted(sock, host)


def _allow_files() -> None:
    """Raise the limit on open files, where there is one: a crowd of clients takes many sockets."""
    with suppress(ImportError):  # Windows has no such limit
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if 0 <= soft < FILES:
            most = FILES if hard < 0 else min(FILES, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _bound(port: int) -> socket.socket:
    # Named as TCP: else asyncio leaves TCP_NODELAY off, and small packets wait for 40 ms.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setblocking(False)
    sock.bind((HOST, port))
    return sock


class Connection:
    """A client's TCP connection to the link, and the link's own to the server."""

    def __init__(
        self, number: int, accepted: socket.socket, faults: Faults, tap: Tap | None
    ) -> None:
        self.conversation = Conversation(number)
        self.client = _Side(self, TO_SERVER, faults[TO_SERVER], tap)
        self._server = _Side(self, TO_CLIENT, faults[TO_CLIENT], tap)
        self.client.peer, self._server.peer = self._server, self.client
        self._sides = (self.client, self._server)
        self._accepted = accepted

    @property
    def is_cut(self) -> bool:
        """Whether nothing passes any more, in either direction."""
        return all(side.ended for side in self._sides)

    async def run(self, host: str, port: int) -> None:
        """Connect to the server and carry bytes until both sides are gone."""
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(lambda: self.client, self._accepted)
            await loop.create_connection(lambda: self._server, host, port)
            for side in self._sides:
                await side.lost.wait()
        except OSError:
            pass  # the server cannot be reached, or the client has gone already
        finally:
            self.cut("reset")
            for side in self._sides:
                if side.transport is not None:
                    await side.lost.wait()
                side.lost.set()
            self._accepted.close()  # asyncio may not have taken it over

    def cut(self, how: Cut, deliver_to: _Side | None = None) -> None:
        """End the connection, as :meth:`Link.cut` says.

        The side `deliver_to` must first get what was already passed on to it: it sees a FIN after
        that, for a RST may overtake it.
        """
        for side in self._sides:
            side.end()
        for side in self._sides:
            if how == "half-open" and side is self._server:
                continue
            if side is deliver_to:
                side.send_eof()
            elif how == "reset":
                side.reset()
            else:
                side.hang_up()

    def pump(self) -> None:
        """Pass on what a fault held that is over."""
        for side in self._sides:
            side.pump()


class _Held(NamedTuple):
    """What waits on its way: bytes, or what happens after them."""

    due: float  # on the clock of the event loop
    size: int
    deliver: Action
    lose: Action


class _Side(asyncio.Protocol):
    """The link's socket towards one side of a connection, and what that side sends to its peer.

    That is passed on at once, later, or not at all, but always in order.
    """

    peer: _Side

    def __init__(
        self, connection: Connection, direction: Direction, faults: list[Fault], tap: Tap | None
    ) -> None:
        self.transport: asyncio.Transport | None = None
        self.lost = asyncio.Event()
        self.finished = False  # the end of the stream was passed on
        self.ended = False  # nothing more is accepted
        self._connection = connection
        self._direction = direction
        self._faults = faults
        self._tap = tap
        self._queue: deque[_Held] = deque()
        self._queued_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._peer_is_full = False
        self._loop = asyncio.get_running_loop()

    # --- what asyncio says of the socket ------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        if self._connection.is_cut:
            self.reset()
        else:
            self.peer.pump()  # what the client has sent meanwhile

    def data_received(self, data: bytes) -> None:
        """Take what this side has sent; look into it while a packet is awaited."""
        chunk = Chunk(data, self._connection.conversation, self._direction)
        if self._tap is None:
            self._push_chunk(chunk)
        elif not self._tap.expectations:
            self._tap.note(chunk)
            self._push_chunk(chunk)
        else:
            for piece in self._tap.read(chunk):
                self._pass_piece(self._tap, piece)

    def eof_received(self) -> bool:
        """Pass the end of the stream on after the data; what comes back may still pass."""
        self._push(self._pass_eof)
        return not self.ended  # when it was cut, nothing comes back: close

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()
        self._push(self._pass_reset)

    def pause_writing(self) -> None:
        self.peer.slow_down(True)

    def resume_writing(self) -> None:
        self.peer.slow_down(False)

    # --- the ways to end it -------------------------------------------------------------

    def send_eof(self) -> None:
        """Send what is buffered, then a FIN; go on reading until this side ends, too."""
        if self.transport is not None and not self.transport.is_closing():
            with suppress(OSError):  # this side was reset in a black hole: it hears nothing more
                self.transport.write_eof()

    def close(self) -> None:
        """Send what is buffered, then a FIN, and read no more."""
        if self.transport is not None:
            self.transport.close()

    def hang_up(self) -> None:
        """Send a FIN, now; what is buffered is lost."""
        if self.transport is not None and not self.lost.is_set():
            with suppress(OSError):  # the other side was faster
                self.transport.get_extra_info("socket").shutdown(socket.SHUT_WR)
            self.transport.abort()

    def reset(self) -> None:
        """Send a RST, now; what is buffered is lost."""
        if self.transport is not None and not self.lost.is_set():
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            self.transport.abort()

    # --- from this side to its peer -----------------------------------------------------

    def _pass_piece(self, tap: Tap, piece: Chunk) -> None:
        cuts = () if self.ended else (fault.cut_at(piece.packets) for fault in self._faults)
        cut = next(filter(None, cuts), None)
        if self.ended or (cut is not None and not cut.after):
            piece.lose()
        else:
            tap.tell(piece.packets)
            self._push_chunk(piece)
        if cut is not None:
            self._push(partial(self._cut, cut), cut.on_missed)
            self.ended = True

    def _cut(self, cut: CutHere) -> None:
        cut.on_cut()
        self._connection.cut(cut.how, deliver_to=self.peer)

    def _push_chunk(self, chunk: Chunk) -> None:
        self._push(partial(self._write, chunk), chunk.lose, len(chunk.data))

    def _push(self, deliver: Action, lose: Action = lambda: None, size: int = 0) -> None:
        """Put something at the end of the queue; deliver it now if nothing holds it."""
        if self.ended:
            lose()
        elif not self._queue and not self._faults and self.peer.transport is not None:
            deliver()
        else:
            due = self._loop.time() + sum(fault.delay(size) for fault in self._faults)
            self._queue.append(_Held(due, size, deliver, lose))
            self._queued_bytes += size
            self.pump()

    def pump(self) -> None:
        """Deliver what is due, once there is a peer; come back when the next is."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        held = self.peer.transport is None or any(fault.blocks for fault in self._faults)
        while self._queue and not held:
            due, size, deliver, _ = self._queue[0]
            if due > self._loop.time():
                self._timer = self._loop.call_at(due, self.pump)
                break
            self._queue.popleft()
            self._queued_bytes -= size
            deliver()
        self._regulate()

    def _write(self, chunk: Chunk) -> None:
        transport = self.peer.transport
        if transport is None or transport.is_closing():
            chunk.lose()
        else:
            transport.write(chunk.data)

    def _pass_eof(self) -> None:
        self.finished = True
        self.peer.send_eof()
        if self.peer.finished:
            self.close()
            self.peer.close()

    def _pass_reset(self) -> None:
        """Pass on that this side is gone (RST), unless the peer is at its end anyway."""
        if self.peer.transport is not None and not self.peer.transport.is_closing():
            self.peer.reset()

    def end(self) -> None:
        """Lose what is still on its way, and pass nothing on any more."""
        self.ended = True
        if self._timer is not None:
            self._timer.cancel()
        for held in self._queue:
            held.lose()
        self._queue.clear()
        self._queued_bytes = 0
        self.slow_down(False)  # a side that is read is seen to end

    def slow_down(self, full: bool) -> None:
        self._peer_is_full = full
        self._regulate()

    def _regulate(self) -> None:
        if self.transport is None:
            return
        if self._peer_is_full or self._queued_bytes > BYTES_HELD:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()
