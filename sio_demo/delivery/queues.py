"""What each connection may have under way: requests that wait, and packets that it has not read."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import socketio

from ..errors import QuotaError

UNREAD = 4_000_000  # characters that wait for a client to read them, before it gets no more


class Queues:
    """The requests of each connection, a few at a time: nobody waits for many of another's."""

    def __init__(self, sio: socketio.AsyncServer, namespace: str, most: int, few: int = 1) -> None:
        self._sio, self._namespace, self._most = sio, namespace, most
        self._waiting: Counter[str] = Counter()
        self._turns = defaultdict[str, asyncio.Semaphore](lambda: asyncio.Semaphore(few))

    @asynccontextmanager
    async def turn(self, sid: str) -> AsyncIterator[None]:
        """Run the block when the requests before it have ended; refuse it if they are too many."""
        if self._waiting[sid] >= self._most:
            raise QuotaError(f"{self._most:,} requests of this connection wait for their answers.")
        self._waiting[sid] += 1
        try:
            async with self._turns[sid]:
                yield
        finally:
            self._waiting[sid] -= 1
            if not self._waiting[sid]:
                del self._waiting[sid], self._turns[sid]

    def check(self, sid: str) -> None:
        """Refuse a request of a client that does not read what it was sent."""
        if self.slow(sid):
            raise QuotaError(f"{UNREAD:,} characters that were sent to this client are unread.")

    def slow(self, room: str) -> list[str]:
        """Return who in a room does not read what it was sent."""
        found = []
        for sid, name in self._sio.manager.get_participants(self._namespace, room):  # internal
            connection = self._sio.eio.sockets.get(name)  # internal
            packets = connection.queue._queue if connection else ()
            if sum(len(packet.data or "") for packet in packets if packet) > UNREAD:
                found.append(sid)
        return found
