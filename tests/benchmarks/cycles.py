"""Whether 10,000 cuts and reconnects leave anything behind, in time or in memory.

A cycle: the link resets the connection, the client comes back, the server sends one message
and gets its acknowledgement. The tap is on, and nobody reads it. Time is the mean of the last
100 cycles against that of cycles 1 to 100, back-off included; CPU time is the same of what the
process used, which its neighbours on the machine disturb less; memory is the resident size of
the process (server, link and client in one) at the end less that after cycle 100.

The same is done with plain TCP clients of an echo server, which leaves the link alone at work.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import NamedTuple
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


class Sample(NamedTuple):
    """What the process has used up to now."""

    time: float  # seconds
    cpu: float  # seconds
    memory: float  # MB

    @classmethod
    def now(cls) -> Sample:
        return cls(
            time.perf_counter(), time.process_time(), psutil.Process().memory_info().rss / 2**20
        )


async def repeat(name: str, cycle: Cycle, cycles: int) -> list[Figure]:
    """Run the cycles, and compare the last hundred with the first."""
    samples = [Sample.now()]
    for number in range(1, cycles + 1):
        await cycle()
        if number % WINDOW == 0:
            samples.append(Sample.now())
        if number % (10 * WINDOW) == 0:
            each = (samples[-1].time - samples[-2].time) / WINDOW * 1e3
            print(f"  {name}: {number:6,} cycles, {each:.2f} ms each, {samples[-1].memory:.1f} MB")
    memory = [sample.memory for sample in samples[1:]]
    return [
        compare(f"{name}, time", "time", [sample.time for sample in samples]),
        compare(f"{name}, CPU time", "time", [sample.cpu for sample in samples]),
        Figure(
            f"{name}, MB more",
            "memory",
            memory[-1] - memory[0],
            min(memory) - memory[0],
            max(memory) - memory[0],
            {"last": memory[-1], "first": memory[0]},
            "MB",
        ),
    ]


def compare(name: str, kind: str, seconds: list[float]) -> Figure:
    """Divide the mean of each window by that of the first; the last one counts."""
    windows = [(end - start) / WINDOW * 1e3 for start, end in pairwise(seconds)]
    ratios = [window / windows[0] for window in windows[1:]]
    parts = {"last": windows[-1], "first": windows[0]}
    return Figure(name, kind, ratios[-1], min(ratios), max(ratios), parts, "ms")


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
        except (ConnectionResetError, asyncio.CancelledError):  # also when the loop ends
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
