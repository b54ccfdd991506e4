"""Exercises 4 and 5: tasks and clients of Python that pile up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import socketio

from .bench import Bench
from .exercise import Exercise
from .reader import called
from .result import Counter, Result, Thing, judge

# --- 4. The thermometer ----------------------------------------------------------------


class Clock:
    """Seconds that pass when the check says so."""

    def __init__(self) -> None:
        self._second = asyncio.Event()

    async def second(self) -> None:
        """Wait until a second has passed."""
        await self._second.wait()

    async def tick(self) -> None:
        """Let a second pass, and let all who waited for it go on."""
        self._second.set()
        self._second.clear()
        for _ in range(5):
            await asyncio.sleep(0)


async def _thermometer(bench: Bench, program: Callable[..., Any]) -> Result:
    """Two seconds in each of five sessions; the last follows a second without a connection."""
    reports: list[int] = []
    received = 0
    client, clock = bench.new_client(), Clock()

    def temperature(sid: str, *_: Any) -> None:
        nonlocal received
        received += 1

    bench.sio.on("temperature", temperature)
    await called(program(client, clock.second))
    await bench.connect(client)
    for session in range(5):
        if session == 4:
            await _silence(bench, client, clock)
        elif session > 0:
            await bench.cut()
        await bench.settled()
        for _ in range(2):
            before = received
            await clock.tick()
            await bench.settled()
            reports.append(received - before)
    early = received - sum(reports)
    return judge(
        Thing("a temperature", "temperatures", "reported"),
        {"your thermometer": reports},
        [
            (
                not any(reports),
                "No second has brought a temperature. Does the task start, and go on? (While "
                "`connect` runs, `client.connected` is not yet true.)",
            ),
            (
                max(reports) > 1 and max(reports[-2:]) == 1,
                "Your task ends if a second passes while there is no connection. A reconnect is "
                "often faster than that: then the task looks, sees a connection, and goes on, "
                "beside the new one. Who could end it at once?",
            ),
            (
                max(reports) > 1,
                f"One second, {max(reports)} reports: `connect` starts a task at each connection, "
                "and nothing ends the one before. Either end what you start, or start it once.",
            ),
            (
                0 in reports[-2:] and 0 not in reports[:-2],
                "It reports until a second passes without a connection, and then never again. "
                "What has happened to the task?",
            ),
            (
                0 in reports,
                "No duplicates any more, but after the first cut nothing comes either. If you end "
                "the task with the connection, the next connection needs one as well.",
            ),
        ],
        counters=[Counter("reports between the seconds", 0, early)],
        counted="reports in one second",
        rounds="second; a cut before 3, 5 and 7, an outage before 9",
        first=1,
    )


async def _silence(bench: Bench, client: socketio.AsyncClient, clock: Clock) -> None:
    """Cut, and let a second pass before anything gets through again."""
    async with bench.link.black_hole():
        await bench.link.cut()
        await bench.until(lambda: not client.connected, "The client has not noticed the cut.")
        await clock.tick()
    await bench.until(
        lambda: client.connected and len(bench.server.sids()) == 1,
        "After an outage the client did not come back.",
    )


# --- 5. The courier --------------------------------------------------------------------


async def _courier(bench: Bench, program: Callable[..., Awaitable[Any]]) -> Result:
    """One order in each of four sessions: two resets, and an outage in which nobody gets in."""
    clients: list[socketio.AsyncClient] = []
    shown: list[int] = []
    live: list[int] = []

    def new_client(**options: Any) -> socketio.AsyncClient:
        clients.append(bench.new_client(**options))
        return clients[-1]

    def show(*_: Any) -> None:
        shown[-1] += 1

    async def round_() -> None:
        await bench.quiet()
        shown.append(0)
        live.append(len(bench.server.sids()))
        await bench.sio.emit("order", len(shown))
        await bench.settled(times=1)

    await called(program(new_client, bench.link.url, show))
    await round_()
    for _ in range(2):
        await bench.link.cut()
        await round_()
    async with bench.link.refuse():
        await bench.link.cut()
        await bench.quiet()
    await round_()
    return judge(
        Thing("an order", "orders", "shown"),
        {"your app": shown},
        [
            (not any(live), "Your app has not connected. Does it still call `client.connect`?"),
            (not any(shown), "No order is shown. Does the client that is connected listen?"),
            (
                max(live) > 1,
                f"One courier, and the server holds {max(live)} sessions: each cut brings a new "
                "client, and the old one comes back as well. Who else looks after reconnecting, "
                "besides your handler?",
            ),
            (max(shown) > 1, "The client listens more than once."),
            (
                shown[:3] == [1, 1, 1],
                "No duplicates any more. But in the outage nobody was let in for a moment: your "
                "code tried once, failed, and nobody has tried again. Who tries until it works?",
            ),
            (0 in shown, "After a cut the courier is gone. Who brings the connection back?"),
        ],
        counters=[
            Counter("live sids, at most", 1, max(live)),
            Counter("live sids after the outage", 1, live[-1]),
        ],
        rounds="order; before 2 and 3 a cut, before 4 an outage",
        first=1,
    )


THERMOMETER = Exercise({"thermometer": ("client", "second")}, _thermometer)
COURIER = Exercise({"courier": ("new_client", "url", "show")}, _courier)
