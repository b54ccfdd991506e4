"""What a panel breaks: a server and a link, for one client that comes back after each fault."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

import socketio
from socketio.exceptions import TimeoutError as NoAcknowledgementError

from ..counters import Counters
from ..errors import NotSeenError, UsageError
from ..lab.experiment import reconnect
from ..lab.link import Link
from ..lab.packet import TO_CLIENT
from ..lab.server import Server, serve
from ..lab.tap import Cut, Expectation
from ..lab.waiting import wait_until

DELAY = 0.2  # seconds, in each direction
PATIENCE = 10.0  # seconds that a client may take to answer
PINGS = {"ping_interval": 5, "ping_timeout": 20}  # so the server drops a half-open one in 25 s


class Report(NamedTuple):
    """What the client says about itself: its acknowledgement of the event ``"report"``."""

    listeners: int  # that it has for "news" now
    registered: int  # how often it has called on("news"), in all
    calls: int  # of them, in all
    screen: list[str]  # what its user sees


class Bench:
    """The server, the link, and who is connected; made by :meth:`open`.

    Attributes
    ----------
    sids : list of str
        The sessions that the server holds for live, the newest last.
    """

    server: Server
    link: Link

    def __init__(self, origins: Sequence[str] | None, on_change: Callable[[str], None]) -> None:
        self.sids: list[str] = []
        self._origins = origins
        self._on_change = on_change
        self._latency = AsyncExitStack()

    @classmethod
    async def open(cls, origins: Sequence[str] | None, on_change: Callable[[str], None]) -> Bench:
        """Serve on 127.0.0.1, behind a link.

        Parameters
        ----------
        origins : sequence of str or None
            The web pages that may connect, as ``cors_allowed_origins``; None for none at all.
            Clients that are no browser name no origin, and may.
        on_change : callable
            Gets what happened when a session begins or ends.
        """
        bench = cls(origins, on_change)
        bench.server = await serve(bench._sio())
        bench.link = await Link.to(bench.server)
        return bench

    def expect_client(self) -> Expectation:
        """Wait for a client: made before it is started, awaited afterwards."""
        return self.link.expect("CONNECT", TO_CLIENT, timeout=PATIENCE)

    async def report(self) -> Report:
        """Ask the client for its counters, behind all that was sent to it.

        Raises
        ------
        UsageError
            Nobody is connected.
        NotSeenError
            The client did not answer.
        """
        if not self.sids:
            raise UsageError("No client is connected.")
        try:
            answer = await self.server.sio.call("report", to=self.sids[-1], timeout=PATIENCE)
        except NoAcknowledgementError:
            raise NotSeenError(f"The client did not answer within {PATIENCE:g} s.") from None
        return Report(**answer)

    async def send(self, number: int) -> Counters:
        """Send message `number` to every session, and count what it leaves behind."""
        before = await self.report()
        sessions = len(self.sids)
        await self.server.sio.emit("news", number)
        after = await self.report()
        await self._until(lambda: self._packets(number) >= sessions)
        return Counters(
            before.listeners,
            sessions,
            self._packets(number),
            after.calls - before.calls,
            len(after.screen) - len(before.screen),
        )

    async def cut(self, how: Cut) -> None:
        """Cut the client's connection, and wait until it is back."""
        before = list(self.sids)
        await reconnect(self.link, how)
        if how != "half-open":
            await self.gone(before[-1:])

    async def restart(self) -> None:
        """Let the server die and a new one take its place; wait until the client is back."""
        async with self.link.refuse():
            await self.link.cut("reset")
            await self.server.close()
            self.sids.clear()
            self.server = await serve(self._sio())
            self.link.retarget(self.server)
            back = self.expect_client()
        await back

    async def delay(self, on: bool) -> None:
        """Delay every byte from now on, or no more."""
        await self._latency.aclose()
        if on:
            await self._latency.enter_async_context(self.link.latency(DELAY))

    async def gone(self, sids: Sequence[str]) -> None:
        """Wait until the server holds none of these sessions any more."""
        await self._until(lambda: not set(sids) & set(self.sids))

    async def close(self) -> None:
        """Close the link and the server."""
        await self._latency.aclose()
        await self.link.close()
        await self.server.close()

    def _sio(self) -> socketio.AsyncServer:
        sio = socketio.AsyncServer(
            async_mode="aiohttp", cors_allowed_origins=self._origins, **PINGS
        )
        sio.on("connect", self._on_connect)
        sio.on("disconnect", self._on_disconnect)
        return sio

    def _on_connect(self, sid: str, environ: dict[str, Any]) -> None:
        self.sids.append(sid)
        self._on_change("A session has begun.")

    def _on_disconnect(self, sid: str, reason: str) -> None:
        if sid in self.sids:  # else it was one of a server that is no more
            self.sids.remove(sid)
            self._on_change(f"The server has ended a session: {reason}.")

    def _packets(self, number: int) -> int:
        """Count the packets that carried a message, also those that were lost."""
        return sum(p.event == "news" and p.data == [number] for p in self.link.packets)

    async def _until(self, condition: Callable[[], bool]) -> None:
        if not await wait_until(condition, PATIENCE):
            raise NotSeenError(f"The server did not notice within {PATIENCE:g} s.")
