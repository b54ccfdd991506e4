"""What the link adds to a reconnect.

From the TCP reset to the client's ``connect`` handler, less the back-off that the client was
configured with. Included: the client notices, runs its ``disconnect`` handling, opens a TCP
connection and upgrades it to WebSocket, then the Engine.IO and the Socket.IO handshake. The
back-off's timer may be late (epoll: up to 1 ms); that stays in, alike on both sides.

Client, link and server share one event loop, as in the notebooks: what the link costs delays
the others. Both sides are python-socketio clients of one server, over WebSocket. The link
resets with SO_LINGER 0; on the direct side the server's own socket is reset in the same way.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from functools import partial
from statistics import median

import socketio
from harness import Figure, Options, ratio, take_turns

from sio_demo.lab.experiment import settled
from sio_demo.lab.link import Link
from sio_demo.lab.server import Server, serve

BACK_OFF = 0.01  # seconds
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, zero seconds
REST = 0.005  # seconds before a reset, for what the other side left to do

Reset = Callable[[], Awaitable[object]]


class Reconnecting:
    """A client that is reset, and timed until it is back."""

    def __init__(self, back_off: float = BACK_OFF) -> None:
        self.sio = socketio.AsyncClient(
            reconnection_delay=back_off, randomization_factor=0, handle_sigint=False
        )
        self._back_off = back_off
        self._back = asyncio.Event()
        self._back_at = 0.0
        self.sio.on("connect", self._on_connect)

    @classmethod
    async def to(cls, url: str, back_off: float = BACK_OFF) -> Reconnecting:
        client = cls(back_off)
        await client.sio.connect(url, transports=["websocket"])
        return client

    async def come_back_from(self, reset: Reset) -> float:
        """Give the seconds from the reset until ``connect`` runs, without the back-off."""
        self._back.clear()
        began = time.perf_counter()
        await reset()
        await self._back.wait()
        return self._back_at - began - self._back_off

    async def _on_connect(self) -> None:
        self._back_at = time.perf_counter()
        self._back.set()


async def reset_server_side(server: Server, sid: str) -> None:
    """Do to the server's own socket what ``Link.cut("reset")`` does to the link's."""
    transport = server.sio.get_environ(sid)["aiohttp.request"].transport
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    transport.abort()


async def measure(rounds: int, resets: int) -> dict[str, list[float]]:
    """Give, for each side, the median reconnect of every round, in milliseconds."""
    server = await serve(socketio.AsyncServer(async_mode="aiohttp"))
    link = await Link.to(server, tap=True)
    direct = await Reconnecting.to(server.url)
    through = await Reconnecting.to(link.url)

    async def reset_direct() -> None:
        await reset_server_side(server, direct.sio.get_sid())

    async def timed(client: Reconnecting, reset: Reset) -> float:
        await asyncio.sleep(REST)
        seconds = await client.come_back_from(reset)
        await settled(server, client.sio.get_sid())  # cut before, it would not come back
        return seconds

    sides = {
        "direct": partial(timed, direct, reset_direct),
        "link with tap": partial(timed, through, link.cut),
    }
    await take_turns(sides, 20)  # warm up
    medians: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, seconds in (await take_turns(sides, resets)).items():
            medians[name].append(median(seconds) * 1e3)
    for client in (direct, through):
        await client.sio.shutdown()
    await link.close()
    await server.close()
    return medians


def run(options: Options) -> list[Figure]:
    """Compare a client behind the link with a client of the server itself."""
    values = asyncio.run(measure(options.pick(11, 2), options.pick(100, 10)))
    return [ratio(values, "link with tap", "direct", "ms")]
