"""The network between a client and a server: a TCP proxy that taps and breaks connections.

The faults are those of Toxiproxy (github.com/Shopify/toxiproxy: ``reset_peer``, ``latency``,
``timeout``, ``down``), in process, each at a moment that the caller chooses.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from ..errors import ClosedError, NotSeenError, UsageError
from . import HOST, resources
from .connection import Connection, Faults, Listener
from .faults import BlackHole, Cut, CutWhen, Fault, Latency, check_cut
from .packet import DIRECTIONS, Direction, Packet
from .server import Server, address
from .tap import Expectation, Tap, Wanted, check_direction
from .waiting import PATIENCE, patience


class Link:
    """A TCP proxy in front of a server, or of several; made by :meth:`Link.to`.

    Clients connect to :attr:`url`. Every fault works on all the connections that pass. An argument
    that cannot be used is a UsageError; ClosedError says that the link or the server is closed.
    """

    def __init__(
        self, targets: Iterable[tuple[str, int]], tap: Tap | None, sticky: bool = False
    ) -> None:
        self._targets = itertools.cycle(targets)
        self._target_of: dict[str, tuple[str, int]] | None = {} if sticky else None
        self._tap = tap
        self._faults: Faults = {way: [] for way in DIRECTIONS}
        self._connections: dict[Connection, asyncio.Task[None]] = {}
        self._accepted = 0
        self._listener = Listener(self._accept)
        self._listener.open()
        self.port = self._listener.port  # TCP, on which it listens
        self.url = f"http://{HOST}:{self.port}"  # what a client connects to
        self.closed = False
        resources.register(self, self.port)

    @classmethod
    async def to(cls, *servers: Server | str, tap: bool = True, sticky: bool = False) -> Link:
        """Open a link to a server, or to several.

        A server is what :func:`~sio_demo.lab.server.serve` gave, or the URL of one on 127.0.0.1; of
        several each gets a TCP connection in turn, as from a load balancer; with `sticky` sessions,
        each gets an IP address in turn, with all of its connections. Without a `tap`, which records
        what passes, :attr:`packets`, :meth:`expect` and :meth:`cut_when` cannot be used.
        """
        return cls(_addresses(servers), Tap() if tap else None, sticky)

    @classmethod
    async def to_host(cls, host: str, port: int) -> Link:
        """Open a link, without a tap, to a server anywhere; the link itself is on 127.0.0.1."""
        return cls([(host, port)], None)

    @property
    def connections(self) -> int:
        """How many TCP connections pass through the link now, half-open ones included."""
        return len(self._connections)

    @property
    def packets(self) -> list[Packet]:
        """The last 2,000 packets that the link saw, oldest first."""
        return self._need_tap().packets

    def count(self, event: str) -> int:
        """Return how many of :attr:`packets` are of an event, delivered or not."""
        if not isinstance(event, str):
            raise UsageError(f"count() takes the name of an event, not {event!r}.")
        return sum(packet.event == event for packet in self.packets)

    def retarget(self, *servers: Server | str) -> None:
        """Lead the connections to come to other servers; those that are open stay.

        So a client keeps its URL when a server is restarted, on another port.
        """
        self._need_open()
        self._targets = itertools.cycle(_addresses(servers))
        if self._target_of:
            self._target_of.clear()

    # --- what happens once -------------------------------------------------------------

    async def cut(self, how: Cut = "reset") -> int:
        """Cut every connection, now, and return how many.

        ``"reset"``: both sides get a TCP RST, as when a proxy ends it. ``"close"``: both
        get a FIN. ``"half-open"``: the client sees a close, the server sees nothing and keeps its
        side until its own ping timeout. One that is half-open is cut already, and is left alone.
        """
        self._need_open()
        check_cut(how)
        cut = [connection for connection in self._connections if not connection.is_cut]
        for connection in cut:
            connection.cut(how)
        for connection in cut:
            await connection.client.lost.wait()
        if how != "half-open":
            await _all_done([self._connections[c] for c in cut if c in self._connections])
        return len(cut)

    # --- what lasts for a block --------------------------------------------------------

    @asynccontextmanager
    async def inject(self, fault: Fault, direction: Direction | None = None) -> AsyncIterator[None]:
        """Have any fault of :mod:`sio_demo.lab.faults`, in one direction or in both."""
        self._need_open()
        check_direction(direction)
        affected = [self._faults[way] for way in DIRECTIONS if direction in (None, way)]
        for faults in affected:
            faults.append(fault)
        try:
            yield
        finally:
            for faults in affected:
                faults.remove(fault)
            for connection in list(self._connections):
                connection.pump()

    def latency(
        self, seconds: float, direction: Direction | None = None
    ) -> AbstractAsyncContextManager[None]:
        """Delay every byte by so many seconds, in one direction or in both."""
        return self.inject(Latency(seconds), direction)

    def black_hole(self, direction: Direction | None = None) -> AbstractAsyncContextManager[None]:
        """Let nothing through, silently, in one direction or in both.

        As with TCP nothing is skipped: what is alive when the block ends receives the bytes then;
        what was cut within the block never does.
        """
        return self.inject(BlackHole(), direction)

    @asynccontextmanager
    async def refuse(self) -> AsyncIterator[None]:
        """Refuse new connections (``ECONNREFUSED``); those that are open stay."""
        self._need_open()
        if not self._listener.is_open:
            raise UsageError("This link refuses connections already: do not nest refuse().")
        self._listener.refuse()
        try:
            yield
        finally:
            if not self.closed:
                self._listener.open()

    @asynccontextmanager
    async def cut_when(
        self,
        wanted: Wanted,
        direction: Direction | None = None,
        *,
        after: bool = False,
        how: Cut = "reset",
    ) -> AsyncIterator[Expectation]:
        """Cut a connection at an exact packet, once; ``await`` what it yields to have the packet.

        `wanted` is an event's name (``"payment"``), a packet's name (``"ACK"``), or a function of a
        :class:`~sio_demo.lab.packet.Packet` that returns a bool; `direction` is
        ``"client→server"``, ``"server→client"`` or None for both. The packet is lost with the
        connection, or gets through first, with `after`. `how` is as in :meth:`cut`; but the side
        that the packet was on its way to always sees a FIN, behind all that came before, for a RST
        might overtake it.
        """
        fault = CutWhen(wanted, direction, patience.get(), how, after)
        async with self.inject(fault, direction):
            self._need_tap().watch(fault)
            try:
                yield fault
            finally:
                fault.cancel()

    # --- what it sees ------------------------------------------------------------------

    def expect(
        self, wanted: Wanted, direction: Direction | None = None, *, timeout: float | None = None
    ) -> Expectation:
        """Wait for a packet that passes from now on: make it *before* what causes the packet.

        It passes when the link takes it in, also if latency or a black hole then holds it; what is
        lost at once, on a connection that is cut, does not pass. `wanted` and `direction` are as in
        :meth:`cut_when`; `timeout` is in seconds and begins with the ``await``.
        """
        self._need_open()
        seconds = patience.get() if timeout is None else timeout
        expectation = Expectation(wanted, direction, seconds)
        self._need_tap().watch(expectation)
        return expectation

    async def idle(self) -> None:
        """Wait until no connection is open; NotSeenError: one still is after 10 seconds."""
        if self._connections:
            await asyncio.wait(self._connections.values(), timeout=PATIENCE)
        if self._connections:
            raise NotSeenError(
                f"{self.connections} connections are still open after {PATIENCE:g} s. Disconnect "
                "the clients first: `await client.disconnect()` or `await js.close()`."
            )

    # --- opening and closing -----------------------------------------------------------

    async def close(self) -> None:
        """Reset what is still connected and stop listening; a second call does nothing."""
        if self.closed:
            return
        self.closed = True
        resources.forget(self)
        self._listener.close()
        if self._tap is not None:
            self._tap.dismiss()
        for connection in self._connections:
            connection.cut("reset")
        await _all_done(self._connections.values())

    async def __aenter__(self) -> Link:
        self._need_open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<Link {'closed' if self.closed else f'{self.connections} connections'}>"

    def _accept(self, sock: socket.socket, client: str) -> None:
        self._accepted += 1
        connection = Connection(self._accepted, sock, self._faults, self._tap)
        target = next(self._targets)
        if self._target_of is not None:
            target = self._target_of.setdefault(client, target)
        self._connections[connection] = asyncio.create_task(self._run(connection, *target))

    async def _run(self, connection: Connection, host: str, port: int) -> None:
        try:
            await connection.run(host, port)
        finally:
            del self._connections[connection]

    def _need_open(self) -> None:
        if self.closed:
            raise ClosedError("This link is closed. Open a new one with `await Link.to(server)`.")

    def _need_tap(self) -> Tap:
        if self._tap is None:
            raise UsageError("This link was opened with tap=False. Open it with tap=True.")
        return self._tap


async def _all_done(futures: Iterable[asyncio.Future[None]]) -> None:
    """Wait for all; unlike ``gather`` it leaves them alone when it is cancelled."""
    if waiting := list(futures):
        await asyncio.wait(waiting)


def _addresses(servers: tuple[Server | str, ...]) -> list[tuple[str, int]]:
    if not servers:
        raise UsageError("A link leads to a server: `await Link.to(server)`.")
    return [address(server) for server in servers]
