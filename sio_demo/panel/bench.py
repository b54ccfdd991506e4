"""The bench of a panel: for one client that comes back after each fault, and reports its counts."""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import NamedTuple

import socketio
from socketio.exceptions import TimeoutError as NoAcknowledgementError

from ..counters import Counters
from ..errors import NotSeenError, UsageError
from ..lab.bench import Bench
from ..lab.faults import Cut

DELAY = 0.2  # seconds, in each direction
PINGS = {"ping_interval": 5, "ping_timeout": 20}  # so the server drops a half-open one in 25 s


class ClientReport(NamedTuple):
    """What the client says about itself: its acknowledgement of the event ``"report"``."""

    listeners: int  # that it has for "news" now
    registered: int  # how often it has called on("news"), in all
    calls: int  # of them, in all
    screen: list[str]  # what its user sees


class PanelBench(Bench):
    """The server, the link, and who is connected.

    `origins` are the web pages that may connect; None for none. Clients that are no browser may.
    `on_change` is called with what happened when a session begins or ends.
    """

    def __init__(self, origins: Sequence[str] | None, on_change: Callable[[str], None]) -> None:
        super().__init__()
        self.origins = origins
        self._on_change = on_change
        self._latency = AsyncExitStack()

    async def open(self) -> None:
        sio = socketio.AsyncServer(async_mode="aiohttp", cors_allowed_origins=self.origins, **PINGS)
        sio.on("connect", lambda _sid, _environ: self._on_change("A session has begun."))
        sio.on("disconnect", self._on_disconnect)
        await self.serve(sio)

    async def report(self) -> ClientReport:
        """Ask the client for its counters, behind all that was sent to it."""
        self._need_client()
        sid = self.server.sids()[-1]
        try:
            answer = await self.sio.call("report", to=sid, timeout=self.patience)
        except NoAcknowledgementError:
            raise NotSeenError(f"The client did not answer within {self.patience:g} s.") from None
        return ClientReport(**answer)

    async def send(self, number: int) -> Counters:
        """Send message `number` to every session, and count what it leaves behind."""
        before = await self.report()
        sessions = len(self.server.sids())
        await self.sio.emit("news", number)
        after = await self.report()
        await self.wait_until(
            lambda: self._packets(number) >= sessions, "The message did not pass the link."
        )
        return Counters(
            before.listeners,
            sessions,
            self._packets(number),
            after.calls - before.calls,
            len(after.screen) - len(before.screen),
        )

    async def cut(self, how: Cut = "reset", clients: int = 1) -> None:
        """Cut the client's connection, and wait until it is back."""
        self._need_client()
        await super().cut(how, clients)

    async def restart(self) -> None:
        """Let the server die and a new one take its place; wait until the client is back."""
        async with self.outage():
            await self.open()

    async def delay(self, on: bool) -> None:
        await self._latency.aclose()
        if on:
            await self._latency.enter_async_context(self.link.latency(DELAY))

    async def close(self) -> None:
        await self._latency.aclose()
        await super().close()

    def _need_client(self) -> None:
        if not self.live():
            raise UsageError("No client is connected.")

    def _on_disconnect(self, sid: str, reason: str) -> None:
        if sid in self.server.sids():  # else it was one of a server that is no more
            self._on_change(f"The server has ended a session: {reason}.")

    def _packets(self, number: int) -> int:
        """Count the packets that carried a message, also those that were lost."""
        return sum(p.event == "news" and p.data == [number] for p in self.link.packets)
