"""The bench of every reproduction: a server, a link that breaks, and clients that come back.

::

    async with bench() as b, python_client() as client:
        client.on("news", log.append)
        await b.connect(client)
        await b.cut()
        await b.sio.emit("news", 1)
        await b.settled()
        assert log == [1]
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import socketio

from .experiment import settled
from .faults import Cut
from .link import Link
from .packet import TO_CLIENT, Direction
from .server import Server, serve
from .tap import Expectation
from .waiting import PATIENCE, Condition, wait_until

SILENT = logging.Logger("sio_demo")  # for servers and clients whose complaints are no news
SILENT.addHandler(logging.NullHandler())
FAREWELL = 3.0  # seconds that a client may take to shut down
NOT_BACK = "After a cut the client did not come back. What keeps it from reconnecting?"


class Bench:
    """A server, and the link through which its clients come; made by :func:`bench`."""

    server: Server
    link: Link
    patience = PATIENCE  # seconds that a client or the server may take
    server_notices = True  # whether to wait until it has ended the sessions that were cut

    def __init__(self) -> None:
        self._cut_off: set[str] = set()  # sids

    async def serve(self, sio: socketio.AsyncServer) -> None:
        """Serve behind the link; a server that was there is closed, its clients keep their URL."""
        server = await serve(sio)
        if hasattr(self, "server"):
            await self.server.close()
            self.link.retarget(server)
        else:
            self.link = await Link.to(server)
        self.server = server

    @property
    def sio(self) -> Any:
        return self.server.sio

    async def connect(self, client: socketio.AsyncClient, **options: Any) -> str:
        """Connect a Python client through the link, and return its sid."""
        connected = self.expect_client()
        options = {"transports": ["websocket"], "wait_timeout": self.patience} | options
        await client.connect(self.link.url, **options)
        return str((await connected).data["sid"])

    def expect_client(self) -> Expectation:
        """Wait for a client: made before it is started, awaited afterwards."""
        return self.link.expect("CONNECT", TO_CLIENT, timeout=self.patience)

    async def cut(self, how: Cut = "reset", clients: int = 1) -> None:
        """Cut every connection, and wait until so many clients are back.

        By then the server has ended their old sessions; after ``"half-open"`` it keeps them.
        NotSeenError says that they did not come back, or that the server did not notice.
        """
        async with self._back(how, clients):
            await self.link.cut(how)

    @asynccontextmanager
    async def outage(self, how: Cut = "reset", clients: int = 1) -> AsyncIterator[None]:
        """Cut, and refuse new connections within the block; then wait as `cut` does."""
        async with self._back(how, clients), self.link.refuse():
            await self.link.cut(how)
            yield

    @asynccontextmanager
    async def _back(self, how: Cut, clients: int) -> AsyncIterator[None]:
        before, cut_off = self.last(), self.live()
        self._cut_off.update(cut_off)
        yield
        await self.wait_until(lambda: connects(self.link, before) >= clients, NOT_BACK)
        if how != "half-open" and self.server_notices:
            await self.gone(cut_off)

    async def settled(self) -> None:
        """Wait until clients have handled what was sent to them, and the server their replies."""
        for _ in range(2):  # the second round trip comes after the replies to the first
            await asyncio.gather(*(settled(self.server, sid) for sid in self.live()))

    async def gone(self, sids: Iterable[str]) -> None:
        """Wait until the server holds none of these sessions."""
        sids = set(sids)
        await self.wait_until(
            lambda: sids.isdisjoint(self.server.sids()),
            "The server still holds a session whose client is gone.",
        )

    async def wait_until(self, condition: Condition, otherwise: str) -> None:
        """Wait as :func:`~sio_demo.lab.waiting.wait_until` does, with the bench's patience."""
        await wait_until(condition, self.patience, otherwise)

    def live(self) -> list[str]:
        """Return the sids that `cut` has not cut off, in the order of arrival."""
        return [sid for sid in self.server.sids() if sid not in self._cut_off]

    def last(self) -> int:
        """Return the order of the last packet that has passed the link; 0 before the first."""
        packets = self.link.packets
        return packets[-1].order if packets else 0

    async def close(self) -> None:
        await self.link.close()
        await self.server.close()


@asynccontextmanager
async def bench(**options: Any) -> AsyncIterator[Bench]:
    """Serve a new ``AsyncServer``, made with these options, that acknowledges ``"sync"``."""
    sio = socketio.AsyncServer(async_mode="aiohttp", **options)
    sio.on("sync", lambda _sid: None)
    b = Bench()
    await b.serve(sio)
    try:
        yield b
    finally:
        await b.close()


def connects(link: Link, after: int = 0, way: Direction = TO_CLIENT) -> int:
    """Count the server's CONNECTs, or the clients', behind the packet of that order."""
    return sum(
        each.name == "CONNECT" and each.direction == way and each.order > after
        for each in link.packets
    )


def new_client(
    kind: type[socketio.AsyncClient] = socketio.AsyncClient,
    *,
    wait_timeout: float = PATIENCE,
    **options: Any,
) -> Any:
    """Return a client, not connected, that comes back within milliseconds; shut it down yourself.

    At a reconnection, too, it gives the server `wait_timeout` seconds, not the library's one.
    """
    quick = {"reconnection_delay": 0.01, "randomization_factor": 0, "handle_sigint": False}
    client = kind(**(quick | options))
    client.connect = partial(client.connect, wait_timeout=wait_timeout)  # a reconnection calls it
    return client


@asynccontextmanager
async def python_client(*args: Any, **options: Any) -> AsyncIterator[Any]:
    """Make a client as :func:`new_client` does, and shut it down at the end of the block."""
    client = new_client(*args, **options)
    try:
        yield client
    finally:
        await shut_down(client)


async def shut_down(client: socketio.AsyncClient) -> None:
    """Shut a client down for good: ``client.shutdown()`` may wait for ever, or be too early."""
    client.reconnection = False
    await asyncio.sleep(0)  # a reconnection that was to begin has begun
    shutdown = asyncio.create_task(client.shutdown())
    await asyncio.wait([shutdown], timeout=FAREWELL)
    eio = client.eio  # internal
    loops = [client._reconnect_task, eio.read_loop_task, eio.write_loop_task]  # internal
    tasks = [shutdown, *(task for task in loops if task is not None and not task.done())]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await eio.disconnect(abort=True)
