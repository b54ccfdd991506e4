"""Exercises 4 and 5: tasks and clients of Python that pile up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import socketio

from ..errors import NotSeenError
from ..lab.waiting import called, wait_until
from .bench import ExerciseBench
from .exercise import Exercise
from .result import Counter, Result, Thing, judge

AWAY = 3.0  # seconds after a cut within which the courier's app is to be back
LATE = 1.5  # seconds that a program may let pass before it does what it is about to do

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


async def _thermometer(bench: ExerciseBench, program: Callable[..., Any]) -> Result:
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
                max(reports[:-2]) == 1 and reports[-2:] == [2, 1],
                "Right until the outage; but the second after it has brought two reports, as if "
                "one was taken in a second without a connection, and kept. Nobody needs it so "
                "late.",
            ),
            (
                max(reports) > 1,
                f"One second, {max(reports)} reports: a new connection starts something, and "
                "nothing ends the one before. Either end what you start, or start it once.",
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
            (
                early > 0,
                f"One report in each second; but there are also reports between the "
                f"seconds, {early} in all. Nobody needs what was taken before.",
            ),
        ],
        counters=[Counter("reports between the seconds", 0, early)],
        counted="reports in one second",
        rounds="second; a cut before 3, 5 and 7, an outage before 9",
        first=1,
    )


async def _silence(bench: ExerciseBench, client: socketio.AsyncClient, clock: Clock) -> None:
    """Cut, and let a second pass before anything gets through again."""
    async with bench.link.black_hole():
        await bench.link.cut()
        await bench.wait_until(lambda: not client.connected, "The client has not noticed the cut.")
        await clock.tick()
    await bench.wait_until(
        lambda: client.connected and len(bench.server.sids()) == 1,
        "After an outage the client did not come back.",
    )


# --- 5. The courier --------------------------------------------------------------------


async def _courier(bench: ExerciseBench, program: Callable[..., Awaitable[Any]]) -> Result:
    """One order in each of four sessions: two resets, and an outage in which nobody gets in."""
    clients: list[socketio.AsyncClient] = []
    shown: list[list[Any]] = []
    live: list[int] = []

    def new_client(**options: Any) -> socketio.AsyncClient:
        clients.append(bench.new_client(**options))
        return clients[-1]

    def show(*order: Any) -> None:
        shown[-1].append(*order or (None,))

    def is_fine() -> bool:
        return all(count == 1 for count in live)

    async def round_() -> None:
        if is_fine():  # else there is nothing to wait for
            with suppress(NotSeenError):
                await wait_until(bench.live, AWAY)
        await bench.quiet()
        shown.append([])
        live.append(len(bench.live()))
        await bench.sio.emit("order", f"order {len(shown)}")
        await bench.settled()

    await called(program(new_client, bench.link.url, show))
    await round_()
    for _ in range(2):
        await bench.cut(clients=0)
        await round_()
    before = bench.refused
    async with bench.outage(clients=0):
        if is_fine():
            with suppress(NotSeenError):
                await wait_until(lambda: bench.refused > before, LATE)
        await bench.quiet()
    tries, passed = bench.refused - before, bench.last()
    if is_fine():
        with suppress(NotSeenError):
            await wait_until(lambda: len(bench.live()) > 1 or not bench.tasks(), LATE)
    await round_()
    tried_again = bench.last() > passed
    orders = [order for all_of_a_round in shown for order in all_of_a_round]
    strange = [order for order in orders if not str(order).startswith("order ")]
    counts = [len(all_of_a_round) for all_of_a_round in shown]
    return judge(
        Thing("an order", "orders", "shown"),
        {"your app": counts},
        [
            (not any(live), "Your app has not connected. Does it still call `client.connect`?"),
            (not any(counts), "No order is shown. Does the client that is connected listen?"),
            (
                max(live) > 1,
                f"One courier, and the server holds {max(live)} sessions: each cut brings a new "
                "client, and the old one comes back as well. Who else looks after reconnecting, "
                "besides your handler?",
            ),
            (max(counts) > 1, "The client listens more than once."),
            (
                0 in live[:3],
                f"After a cut the courier is gone, for {AWAY:g} seconds and more. Who brings the "
                "connection back?",
            ),
            (
                live[3] == 0 and not tried_again,
                "No duplicates any more. But in the outage nobody was let in for a moment"
                f"{': your code tried once, and failed' if tries == 1 else ''}. For {AWAY:g} "
                "seconds since then nobody has tried again. Who tries until it works?",
            ),
            (live[3] == 0, "After the outage your app tried to connect, and it has no session."),
            (0 in counts, "An order is not shown. Does the client that is connected listen?"),
            (
                bool(strange),
                f"Each order comes once. But `show` was not given the order: it got {strange[:1]}.",
            ),
        ],
        counters=[
            Counter("live sids, at most", 1, max(live)),
            Counter("live sids after the outage", 1, live[-1]),
            Counter("calls of show without the order", 0, len(strange)),
        ],
        rounds="order; before 2 and 3 a cut, before 4 an outage",
        first=1,
    )


THERMOMETER = Exercise({"thermometer": ("client", "second")}, _thermometer)
COURIER = Exercise({"courier": ("new_client", "url", "show")}, _courier)
