"""One TCP connection through the link: two ends, and a pipe in each direction between them."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from .end import End
from .packet import TO_CLIENT, TO_SERVER, Direction, Packet
from .tap import Chunk, Cut, Tap, Watcher

BYTES_HELD = 2**20  # beyond this a pipe stops reading, and TCP slows its sender down


@dataclass(slots=True)
class Condition:
    """How the network treats one direction, for all the connections of a link."""

    delays: list[float] = field(default_factory=list)  # seconds; they add up
    holes: int = 0


class Pipe:
    """Carries one direction: at once, later, or not at all, but always in order."""

    def __init__(
        self, connection: Connection, direction: Direction, source: End, target: End
    ) -> None:
        self.direction = direction
        self.source = source
        self.target = target
        self.finished = False  # the end of the stream was passed on
        self.ended = False  # nothing more is accepted
        self._connection = connection
        self._condition = connection.conditions[direction]
        self._queue: deque[tuple[float, Chunk | Callable[[], None]]] = deque()
        self._queued_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._target_is_full = False
        self._reading = True
        self._cutter: Watcher | None = None
        self._loop = asyncio.get_running_loop()

    def received(self, data: bytes) -> None:
        """Take what the source sent, and look into it if somebody waits for a packet."""
        chunk = Chunk(data, self._connection.number, self.direction)
        tap = self._connection.tap
        if tap is not None and tap.watchers:
            self._pass_piecewise(tap, chunk)
            return
        if tap is not None:
            tap.note(chunk)
        self.push(chunk)

    def _pass_piecewise(self, tap: Tap, chunk: Chunk) -> None:
        for piece in tap.read(chunk):
            cut = None if self.ended else tap.tell(piece.packets)
            if cut is None:
                self.push(piece)
            else:
                self._cut_at(piece, *cut)

    def _cut_at(self, piece: Chunk, cutter: Watcher, packet: Packet) -> None:
        if cutter.after:
            self.push(piece)
        else:
            piece.lose()
        self._cutter = cutter
        self.push(lambda: self._cut(cutter, packet))
        self.ended = True

    def _cut(self, cutter: Watcher, packet: Packet) -> None:
        assert cutter.cut is not None
        cutter.fulfil(packet)
        self._connection.cut(cutter.cut, deliver_to=self.target)

    def push(self, item: Chunk | Callable[[], None]) -> None:
        """Put bytes, or what happens behind them, in the queue; pass it on if it may go."""
        if self.ended:
            if isinstance(item, Chunk):
                item.lose()
            return
        if not self._queue and not self._condition.holes and not self._condition.delays:
            self._pass_on(item)
            return
        self._queue.append((self._loop.time() + sum(self._condition.delays), item))
        if isinstance(item, Chunk):
            self._queued_bytes += len(item.data)
        self._regulate()
        self.pump()

    def pump(self) -> None:
        """Pass on what is due; come back when the next is."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._queue and not self._condition.holes:
            due, item = self._queue[0]
            if due > self._loop.time():
                self._timer = self._loop.call_at(due, self.pump)
                break
            self._queue.popleft()
            if isinstance(item, Chunk):
                self._queued_bytes -= len(item.data)
            self._pass_on(item)
        self._regulate()

    def _pass_on(self, item: Chunk | Callable[[], None]) -> None:
        if not isinstance(item, Chunk):
            item()
        elif self.target.transport is None or self.target.is_closing:
            item.lose()
        else:
            self.target.transport.write(item.data)

    def finish(self) -> None:
        """Pass on the end of the stream (FIN)."""
        self.finished = True
        self.target.finish()
        self._connection.close_if_finished()

    def break_off(self) -> None:
        """Pass on that the source is gone (RST), unless the target is at its end anyway."""
        if not self.target.is_closing:
            self.target.reset()

    def end(self) -> None:
        """Lose what is still on its way, and pass nothing on any more."""
        self.ended = True
        if self._timer is not None:
            self._timer.cancel()
        if self._cutter is not None:
            self._cutter.give_up("before its connection ended")
        for _, item in self._queue:
            if isinstance(item, Chunk):
                item.lose()
        self._queue.clear()
        self._queued_bytes = 0
        self.slow_down(False)  # who reads sees the source end

    def slow_down(self, full: bool) -> None:
        """Stop reading while the target takes no more."""
        self._target_is_full = full
        self._regulate()

    def _regulate(self) -> None:
        transport = self.source.transport
        reading = not self._target_is_full and self._queued_bytes <= BYTES_HELD
        if reading == self._reading or transport is None or transport.is_closing():
            return
        self._reading = reading
        if reading:
            transport.resume_reading()
        else:
            transport.pause_reading()


class Connection:
    """A client's TCP connection to the link, and the link's own to the server."""

    def __init__(
        self,
        number: int,
        accepted: socket.socket,
        conditions: dict[Direction, Condition],
        tap: Tap | None,
    ) -> None:
        self.number = number
        self.conditions = conditions
        self.tap = tap
        self.client = End(self._on_client)
        self.server = End(self._on_server)
        self._accepted = accepted
        to_server = Pipe(self, TO_SERVER, self.client, self.server)
        to_client = Pipe(self, TO_CLIENT, self.server, self.client)
        self.pipes: dict[Direction, Pipe] = {TO_SERVER: to_server, TO_CLIENT: to_client}
        self.client.outgoing = self.server.incoming = to_server
        self.server.outgoing = self.client.incoming = to_client

    @property
    def ends(self) -> tuple[End, End]:
        """The sockets towards the client and towards the server."""
        return self.client, self.server

    @property
    def is_cut(self) -> bool:
        """Whether nothing passes any more, in either direction."""
        return all(pipe.ended for pipe in self.pipes.values())

    async def run(self, host: str, port: int) -> None:
        """Connect to the server and carry bytes until both ends are gone."""
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(lambda: self.client, self._accepted)
            await loop.create_connection(lambda: self.server, host, port)
            await asyncio.wait([self.client.lost, self.server.lost])
        except OSError:  # the server cannot be reached, or the client has gone already
            if self.client.transport is None:
                self._accepted.close()
                self.client.connection_lost(None)
            self.client.reset()
            await asyncio.wait([self.client.lost])
        finally:
            self.cut("reset")

    def _on_client(self) -> None:
        assert self.client.transport is not None
        self.client.transport.pause_reading()  # until there is somebody to pass it on to
        if self.is_cut:
            self.client.reset()

    def _on_server(self) -> None:
        assert self.client.transport is not None
        if self.is_cut:
            self.server.reset()
        else:
            self.client.transport.resume_reading()

    def cut(self, how: Cut, deliver_to: End | None = None) -> None:
        """End the connection.

        Parameters
        ----------
        how : str
            ``"reset"``: both sides get a RST. ``"close"``: both get a FIN. ``"half-open"``:
            the client gets a FIN, the server hears nothing, and speaks to nobody.
        deliver_to : End, optional
            The side that must first get what was already passed on to it: it sees a FIN
            behind that, for a RST may overtake it.
        """
        for pipe in self.pipes.values():
            pipe.end()
        for end in self.ends:
            if how == "half-open" and end is self.server:
                continue
            if end is deliver_to:
                end.finish()
            elif how == "reset":
                end.reset()
            else:
                end.hang_up()

    def close_if_finished(self) -> None:
        """Close both sockets once each side has ended its stream."""
        if all(pipe.finished for pipe in self.pipes.values()):
            for end in self.ends:
                end.close()
