"""The bench of a check: the reader's server and clients on it, and what they leave behind."""

from __future__ import annotations

import asyncio
import functools
import gc
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import socketio

from ..errors import NotSeenError
from ..lab.bench import Bench, new_client, shut_down
from ..lab.waiting import Condition
from .reader import Reader, StoppedError, WatchedServer

COME_BACK = 4.0  # seconds that a client may take to be back
QUIET = 0.08  # seconds; a client tries to come back each 10 to 20 ms

_silent = logging.Logger("sio_demo.exercises")
_silent.addHandler(logging.NullHandler())
SILENT = {"logger": _silent, "engineio_logger": _silent}


class ExerciseBench(Bench):
    """The bench of one check; made by :func:`open_bench`."""

    patience = COME_BACK

    def __init__(self, reader: Reader) -> None:
        super().__init__()
        self.reader = reader
        self.refused = 0  # tries of a client to connect
        self._tasks_before = asyncio.all_tasks()
        self._clients: list[socketio.AsyncClient] = []

    async def serve_reader(self, **options: Any) -> WatchedServer:
        """Serve a new server, whose handlers the reader is to register."""
        sio = WatchedServer(self.reader, **SILENT, **options)
        await self.serve(sio)
        return sio

    def new_client(self, **options: Any) -> socketio.AsyncClient:
        """Return a client that comes back within milliseconds."""
        quick = {"reconnection_delay_max": 0.02, "wait_timeout": self.patience}
        client = new_client(**(quick | SILENT | options))
        client.connect = functools.partial(self._try, client.connect)
        self._clients.append(client)
        return client

    async def _try(self, connect: Callable[..., Any], *args: Any, **options: Any) -> None:
        """Connect, or count that it was refused; a reconnection comes through here as well."""
        try:
            await connect(*args, **options)
        except socketio.exceptions.ConnectionError:
            self.refused += 1
            raise

    async def wait_until(self, condition: Condition, otherwise: str) -> None:
        """Wait as any bench does; raise StoppedError with the hint `otherwise` at the end."""
        try:
            await super().wait_until(condition, otherwise)
        except NotSeenError as error:
            raise StoppedError(str(error)) from None

    async def _noticed(self, cut_off: list[str]) -> None:
        """Do not wait: a handler of the reader's may keep the server from noticing."""

    async def quiet(self) -> None:
        """Wait until nothing has passed the link for a while."""
        seen, quiet = self.last(), 0
        while quiet < 10:
            await asyncio.sleep(QUIET / 10)
            last = self.last()
            seen, quiet = last, (quiet + 1 if last == seen else 0)

    def tasks(self) -> list[asyncio.Task[Any]]:
        """Return the reader's tasks that have not come to an end."""
        return [t for t in asyncio.all_tasks() - self._tasks_before if self.reader.owns(t)]

    async def close(self) -> None:
        """Close all that the check, or the reader's program in it, has opened."""
        alive = [o for o in gc.get_objects() if issubclass(type(o), socketio.AsyncClient)]
        theirs = [c for c in alive if getattr(c, "connection_url", None) == self.link.url]
        clients = {id(client): client for client in (*self._clients, *theirs)}.values()
        for client in clients:
            client.handlers.clear()  # one for "disconnect" might open another; internal
            client.reconnection = False  # the link is closed first
        await self.link.close()
        await asyncio.gather(*map(shut_down, clients))
        await self.server.close()
        left = self.tasks()
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


@asynccontextmanager
async def open_bench(reader: Reader) -> AsyncIterator[ExerciseBench]:
    """Serve, and at the end close all clients, end all tasks of the reader's, and the server."""
    bench = ExerciseBench(reader)
    await bench.serve_reader(ping_interval=(0.2, 1), ping_timeout=5)
    try:
        yield bench
    finally:
        await bench.close()
