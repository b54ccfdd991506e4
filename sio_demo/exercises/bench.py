"""The bench of a check: the reader's server and clients on it, and what they leave behind."""

import asyncio
import functools
import gc
import inspect
from collections.abc import Callable
from typing import Any

import socketio

from ..lab.bench import NOT_BACK, SILENT, Bench, new_client, shut_down
from ..lab.waiting import LOOK_EVERY, Condition, called
from .reader import LIMIT, Reader, StoppedError, WatchedServer

QUIET = 0.08  # seconds; a client tries to come back each 10 to 20 ms


class ExerciseBench(Bench):
    """The bench of one check; `close` ends it."""

    patience = LIMIT
    server_notices = False  # a handler of the reader's may keep it from that

    def __init__(self, reader: Reader) -> None:
        super().__init__()
        self.reader = reader
        self.refused = 0  # tries of a client to connect

    async def serve_reader(self, **options: Any) -> WatchedServer:
        sio = WatchedServer(self.reader, **options)
        await self.serve(sio)
        return sio

    def new_client(self, **options: Any) -> socketio.AsyncClient:
        quick = {"reconnection_delay_max": 0.02, "wait_timeout": self.patience}
        silent = {"logger": SILENT, "engineio_logger": SILENT}
        client = new_client(**(quick | silent | options))
        client.connect = functools.partial(self._try, client.connect)
        return client

    async def _try(self, connect: Callable[..., Any], *args: Any, **options: Any) -> None:
        """Connect, or count that it was refused; a reconnection comes through here as well."""
        try:
            await connect(*args, **options)
        except socketio.exceptions.ConnectionError:
            self.refused += 1
            raise

    async def run(self, program: Callable[..., Any], *args: Any) -> Any:
        """Call a program of the reader's, or what calls it; it has to answer in time."""
        answer = program(*args)
        if not inspect.isawaitable(answer):
            return answer
        running = asyncio.ensure_future(answer)
        try:
            await self.wait_until(running.done)
            return running.result()
        finally:
            running.cancel()

    async def wait_until(self, condition: Condition, otherwise: str = "") -> None:
        """Look as often as fits into the `patience`, which is longer on a busy machine."""
        for _ in range(int(self.patience / LOOK_EVERY / 1.2)):
            if await called(condition()):
                return
            await asyncio.sleep(LOOK_EVERY)
        raise StoppedError(otherwise or self.reader.hanging())

    async def quiet(self) -> None:
        """Wait until nothing has passed the link for a while."""
        seen = -1
        while seen != (seen := self.last()):  # noqa: ASYNC110 - silence gives no signal
            await asyncio.sleep(QUIET)

    async def close(self) -> None:
        """Close all that the check, or the reader's program in it, has opened, and end tasks."""
        alive = [o for o in gc.get_objects() if issubclass(type(o), socketio.AsyncClient)]
        clients = [c for c in alive if self.link.url in str(getattr(c, "connection_url", ""))]
        for client in clients:
            client.handlers.clear()  # one for "disconnect" might open another; internal
            client.reconnection = False  # the link is closed first
        await self.link.close()
        await asyncio.gather(*map(shut_down, clients))
        await self.server.close()
        await self.reader.cancel_tasks()


class Caller:
    """A client that notices at once when an answer cannot come any more."""

    def __init__(self, bench: ExerciseBench) -> None:
        self._bench = bench
        self._client = bench.new_client()

    async def connect(self) -> None:
        await self._bench.connect(self._client)

    async def call(self, event: str, *data: Any) -> Any:
        """Emit, and return the answer; TimeoutError says that the connection broke before it."""
        arguments = data[0] if len(data) == 1 else (data or None)
        sid = self._client.get_sid()
        answer = asyncio.ensure_future(self._client.call(event, arguments))
        try:
            await self._bench.wait_until(lambda: answer.done() or self._client.get_sid() != sid)
            if answer.done():
                return answer.result()
        finally:
            answer.cancel()
        await self._bench.wait_until(lambda: self._client.connected, NOT_BACK)
        raise TimeoutError("no answer")
