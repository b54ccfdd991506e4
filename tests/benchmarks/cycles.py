"""Whether 10,000 cuts and reconnects leave anything behind, in time or in memory.

A cycle: the link resets the connection, the client comes back, the server sends one message
and gets its acknowledgement. The tap is on, and nobody reads it. Time is the mean of the last
100 cycles against that of cycles 1 to 100, back-off included; memory is the resident size of
the process (server, link and client in one) at the end less that after cycle 100.

The same is done with plain TCP clients of an echo server, which leaves the link alone at work.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from statistics import fmean
from urllib.parse import urlsplit

import psutil
import socketio
from harness import Figure, Options
from reconnect import Reconnecting

from sio_demo.lab.link import Link
from sio_demo.lab.server import HOST, serve

WINDOW = 100  # cycles
BACK_OFF = 0.001  # seconds
# Engine.IO's server leaves a task asleep for each session that died, for one ping interval.
# This one is over long before cycle 100, so that their number no longer grows from there.
PING_INTERVAL = 0.1  # seconds

Cycle = Callable[[], Awaitable[object]]


async def repeat(name: str, cycle: Cycle, cycles: int) -> list[Figure]:
    """Run the cycles, and compare the end with the beginning."""
    process = psutil.Process()
    times: list[float] = []
    sizes: list[float] = []
    for number in range(1, cycles + 1):
        began = time.perf_counter()
        await cycle()
        times.append(time.perf_counter() - began)
        if number % WINDOW == 0:
            sizes.append(process.memory_info().rss / 2**20)
        if number % (10 * WINDOW) == 0:
            mean = fmean(times[-WINDOW:]) * 1e3
            print(f"  {name}: {number:6,} cycles, {mean:.2f} ms each, {sizes[-1]:.1f} MB")
    windows = [fmean(times[i : i + WINDOW]) * 1e3 for i in range(0, cycles, WINDOW)]
    slower = [window / windows[0] for window in windows[1:]]
    grown = [size - sizes[0] for size in sizes]
    means = {"last": windows[-1], "first": windows[0]}
    memory = {"last": sizes[-1], "first": sizes[0]}
    return [
        Figure(f"{name}, time", "time", slower[-1], min(slower), max(slower), means, "ms"),
        Figure(f"{name}, MB more", "memory", grown[-1], min(grown), max(grown), memory, "MB"),
    ]


async def socketio_cycles(cycles: int) -> list[Figure]:
    """Cut a Socket.IO client off, again and again."""
    sio = socketio.AsyncServer(async_mode="aiohttp", ping_interval=PING_INTERVAL)
    async with await serve(sio) as server, await Link.to(server, tap=True) as link:
        client = await Reconnecting.to(link.url, BACK_OFF)
        client.sio.on("news", lambda _: None)

        async def cycle() -> None:
            await client.come_back_from(link.cut)
            await sio.call("news", 1, to=client.sio.get_sid())

        figures = await repeat("Socket.IO", cycle, cycles)
        await client.sio.shutdown()
    return figures


async def tcp_cycles(cycles: int) -> list[Figure]:
    """Cut plain TCP clients off."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(100):
                writer.write(data)
        except ConnectionResetError:
            pass
        writer.close()

    listener = await asyncio.start_server(echo, HOST, 0)
    port = listener.sockets[0].getsockname()[1]
    async with listener, await Link.to(f"http://{HOST}:{port}", tap=True) as link:
        port_of_link = urlsplit(link.url).port

        async def cycle() -> None:
            reader, writer = await asyncio.open_connection(HOST, port_of_link)
            writer.write(b"hello")
            await reader.readexactly(5)
            await link.cut()
            writer.close()

        return await repeat("plain TCP", cycle, cycles)


def run(options: Options) -> list[Figure]:
    """Wear out the link alone, then the whole."""
    cycles = options.pick(options.cycles, 2 * WINDOW)
    return [*asyncio.run(tcp_cycles(cycles)), *asyncio.run(socketio_cycles(cycles))]
