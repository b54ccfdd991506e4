"""What a check breaks: a server, the link in front of it, and the clients behind that."""

from __future__ import annotations

import asyncio
import functools
import gc
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import socketio

from ..lab.cleanup import shut_down
from ..lab.link import Link
from ..lab.packet import TO_CLIENT
from ..lab.server import Server, serve
from ..lab.tap import Cut
from ..lab.waiting import wait_until
from .reader import Reader, StoppedError, WatchedServer

COME_BACK = 4.0  # seconds that a client may take to be back
QUIET = 0.08  # seconds; a client tries to come back each 10 to 20 ms

_silent = logging.Logger("sio_demo.exercises")
_silent.addHandler(logging.NullHandler())
SILENT = {"logger": _silent, "engineio_logger": _silent}


class Bench:
    """A server and a link for one check; made by :func:`open_bench`.

    Attributes
    ----------
    reader : Reader
        The reader's functions.
    sio, server, link
        The server, as python-socketio knows it and as it listens, and the link in front of it.
    refused : int
        How often a client of this bench has tried to connect, and was not let in.
    """

    sio: WatchedServer
    server: Server
    link: Link

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.refused = 0
        self._tasks_before = asyncio.all_tasks()
        self._clients: list[socketio.AsyncClient] = []
        self._zombies: set[str] = set()

    async def serve(self, **options: Any) -> WatchedServer:
        """Serve a new ``AsyncServer`` behind the link, in the place of one that was there."""
        sio = WatchedServer(self.reader, **SILENT, **options)
        server = await serve(sio)
        if hasattr(self, "link"):
            await self.server.close()
            self.link.retarget(server)
        else:
            self.link = await Link.to(server)
        self.sio, self.server = sio, server
        return sio

    def new_client(self, **options: Any) -> socketio.AsyncClient:
        """Make a client that comes back within milliseconds."""
        quick = {
            "reconnection_delay": 0.01,
            "reconnection_delay_max": 0.02,
            "randomization_factor": 0,
            "handle_sigint": False,
        }
        client = socketio.AsyncClient(**(quick | SILENT | options))
        client.connect = functools.partial(self._try, client.connect)
        self._clients.append(client)
        return client

    async def connect(self, client: socketio.AsyncClient, **options: Any) -> str:
        """Connect a client through the link, and give its sid."""
        opened = self.link.expect("CONNECT", TO_CLIENT)
        await client.connect(self.link.url, transports=["websocket"], **options)
        sid: str = (await opened).data["sid"]
        return sid

    async def _try(self, connect: Callable[..., Any], *args: Any, **options: Any) -> None:
        """Connect, or count that it was refused; a reconnection comes through here as well."""
        # Left out, it is 1 second, and a busy machine may take that.
        options = {"wait_timeout": COME_BACK} | options
        try:
            await connect(*args, **options)
        except socketio.exceptions.ConnectionError:
            self.refused += 1
            raise

    def live(self) -> list[str]:
        """Give the sessions that a client is behind, in the order of arrival."""
        return [sid for sid in self.server.sids() if sid not in self._zombies]

    async def cut(self, how: Cut = "reset", clients: int = 1) -> None:
        """Cut every connection, and wait until so many clients are back.

        Raises
        ------
        StoppedError
            They did not come back.
        """
        self._zombies |= set(self.server.sids())
        await self.link.cut(how)
        await self._back(clients)

    @asynccontextmanager
    async def outage(self, how: Cut = "reset", clients: int = 1) -> AsyncIterator[None]:
        """Cut every connection, and let nobody in within the block; the rest is as in `cut`.

        Raises
        ------
        StoppedError
            They did not come back.
        """
        self._zombies |= set(self.server.sids())
        async with self.link.refuse():
            await self.link.cut(how)
            yield
        await self._back(clients)

    async def _back(self, clients: int) -> None:
        await self.until(
            lambda: len(self.live()) >= clients,
            "After a cut the client did not come back. What keeps it from reconnecting?",
        )

    async def settled(self, times: int = 2) -> None:
        """Wait until clients have handled what was sent to them, and the server their replies.

        The first round trip brings what the client sends meanwhile to the server; the second
        comes behind what the server replies to that.
        """
        for _ in range(times):
            await asyncio.gather(*map(self._answers, self.live()))

    async def _answers(self, sid: str) -> None:
        answered = asyncio.Event()  # not `call`: it needs a server with async_handlers
        await self.sio.emit("sync", to=sid, callback=lambda *_: answered.set())
        await answered.wait()

    async def quiet(self) -> None:
        """Wait until nothing has passed the link for a while."""
        seen, quiet = self.last(), 0
        while quiet < 10:
            await asyncio.sleep(QUIET / 10)
            last = self.last()
            seen, quiet = last, (quiet + 1 if last == seen else 0)

    def last(self) -> int:
        """Give the order of the last packet that has passed the link."""
        packets = self.link.packets
        return packets[-1].order if packets else 0

    async def until(self, condition: Callable[[], bool], otherwise: str) -> None:
        """Wait for what nothing tells of.

        Raises
        ------
        StoppedError
            It did not come true in time; the message is `otherwise`.
        """
        if not await wait_until(condition, COME_BACK):
            raise StoppedError(otherwise)

    def tasks(self) -> list[asyncio.Task[Any]]:
        """Give the tasks of the reader's that have not come to an end."""
        return [t for t in asyncio.all_tasks() - self._tasks_before if self.reader.owns(t)]

    async def close(self) -> None:
        """Close all that the check, or the reader's program in it, has opened."""
        alive = [o for o in gc.get_objects() if issubclass(type(o), socketio.AsyncClient)]
        theirs = [c for c in alive if getattr(c, "connection_url", None) == self.link.url]
        clients = {id(client): client for client in (*self._clients, *theirs)}.values()
        for client in clients:
            client.handlers.clear()  # a handler for "disconnect" might open another client
            client.reconnection = False  # the link is closed first
        await self.link.close()
        await asyncio.gather(*map(shut_down, clients))
        await self.server.close()


@asynccontextmanager
async def open_bench(reader: Reader) -> AsyncIterator[Bench]:
    """Serve, and at the end close all clients, end all tasks of the reader's, and the server."""
    bench = Bench(reader)
    await bench.serve(ping_interval=(0.2, 1), ping_timeout=5)
    try:
        yield bench
    finally:
        await bench.close()
        left = bench.tasks()
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
