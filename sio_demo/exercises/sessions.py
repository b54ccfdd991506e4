"""Exercises 4 to 7: tasks, clients and lists that are left over when a session has ended."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

import socketio

from ..errors import NotSeenError
from ..lab.waiting import Condition, wait_until
from .bench import ExerciseBench
from .feedback import Observation

AWAY = 3.0  # seconds after a cut within which the courier's app is to be back
PAUSE = 0.2  # seconds without another try after which a client has given up
MANY = 10  # tries of one that does not
LATE = 1.5  # seconds that a program may let pass before it does what it is about to do


async def _pass(second: asyncio.Event) -> None:
    """Let a second pass, and whoever waits for it go on."""
    second.set()
    second.clear()
    for _ in range(5):
        await asyncio.sleep(0)


async def thermometer(bench: ExerciseBench, program: Callable[..., Any]) -> Observation:
    """Let two seconds pass in each of five sessions, and one before the last with no connection."""
    reports: list[int] = []
    received: list[Any] = []
    client, second = bench.new_client(), asyncio.Event()
    bench.sio.on("temperature", lambda *report: received.append(report))
    await bench.run(program, client, second.wait)
    await bench.connect(client)
    for session in range(5):
        if session == 4:
            async with bench.outage():
                gone = "The client has not noticed the cut."
                await bench.wait_until(lambda: not client.connected, gone)
                await _pass(second)
        elif session > 0:
            await bench.cut()
        await bench.settled()
        for _ in range(2):
            before = len(received)
            await _pass(second)
            await bench.settled()
            reports.append(len(received) - before)
    early = len(received) - sum(reports)
    return Observation(
        {"your thermometer": reports},
        {
            "no_report": not any(reports),
            "sends_twice": reports[0] > 1,
            "ends_only_when_looked_at": max(reports) > 1 and max(reports[-2:]) == 1,
            "sent_late": max(reports[:-2]) == 1 and reports[-2:] == [2, 1],
            "piles_up": max(reports) > 1,
            "ends_in_the_outage": 0 in reports[-2:] and 0 not in reports[:-2],
            "ends_at_a_cut": 0 in reports,
            "between_the_seconds": early > 0,
        },
        {"early": early},
        {"times": max(reports)},
    )


async def courier(bench: ExerciseBench, program: Callable[..., Awaitable[Any]]) -> Observation:
    """Send one order in each of four sessions: two resets, and an outage that refuses clients."""
    shown: list[list[Any]] = []
    live: list[int] = []

    def new_client(**options: Any) -> socketio.AsyncClient:
        return bench.new_client(**options)  # a wrong call is to name this function

    def show(*order: Any) -> None:
        shown[-1].append(*order or (None,))

    async def wait_for(condition: Condition, seconds: float) -> None:
        if all(live):  # else there is nothing to wait for
            with suppress(NotSeenError):
                await wait_until(condition, seconds)

    async def round_() -> None:
        before = live[-1] if live else 1
        await wait_for(lambda: len(bench.live()) >= before, AWAY)
        await bench.quiet()
        shown.append([])
        live.append(len(bench.live()))
        await bench.sio.emit("order", f"order {len(shown)}")
        await bench.settled()

    await bench.run(program, new_client, bench.link.url, show)
    await round_()
    for _ in range(2):
        await bench.cut(clients=0)
        await round_()
    before = bench.refused
    async with bench.outage(clients=0):
        await wait_for(lambda: bench.refused > before, LATE)
        tried = before
        while tried < bench.refused < before + MANY:
            tried = bench.refused
            await asyncio.sleep(PAUSE)
    tries, passed = bench.refused - before, bench.last()
    await wait_for(lambda: len(bench.live()) > live[-1] or not bench.reader.tasks(), LATE)
    await round_()
    tried_again = bench.last() > passed
    orders = [order for all_of_a_round in shown for order in all_of_a_round]
    strange = [order for order in orders if not str(order).startswith("order ")]
    counts = [len(all_of_a_round) for all_of_a_round in shown]
    return Observation(
        {"your app": counts},
        {
            "not_connected": not any(live),
            "no_order": not any(counts),
            "old_client_stays": max(live) > 1,
            "listens_twice": max(counts) > 1,
            "gone_after_a_cut": 0 in live[:3],
            "tried_once": live[3] == 0 and not tried_again and tries == 1,
            "tries_no_more": live[3] == 0 and not tried_again,
            "no_session": live[3] == 0,
            "order_missing": 0 in counts,
            "not_given": bool(strange),
        },
        {"sids": max(live), "sids_at_the_end": live[-1], "strange": len(strange)},
        {"away": AWAY, "got": strange[:1]},
    )


async def restaurant(bench: ExerciseBench, program: Callable[..., Any]) -> Observation:
    """Send each of two screens an order in each of four sessions; the last cut is half-open."""
    shown: dict[str, list[int]] = {"kitchen": [], "bar": []}
    strange = 0
    await bench.run(program, bench.sio)

    def order(room: str, for_room: str) -> None:
        nonlocal strange
        if for_room == room:
            shown[room][-1] += 1
        else:
            strange += 1

    for room in shown:
        screen = bench.new_client()
        screen.on("order", partial(order, room))
        await bench.connect(screen, auth={"room": room})
        await screen.emit("join", room)
    for how in (None, "reset", "reset", "half-open"):
        if how is not None:
            await bench.cut(how, clients=len(shown))
        await bench.settled()
        for room, counts in shown.items():
            counts.append(0)
            await bench.sio.emit("order", room, room=room)
        await bench.settled()
    counts = [count for row in shown.values() for count in row]
    return Observation(
        {f"the {room}": row for room, row in shown.items()},
        {
            "empty_after_a_cut": all(row[0] == 1 and not any(row[1:]) for row in shown.values()),
            "no_room": not any(counts),
            "wrong_screen": strange > 0,
            "some_lost": 0 in counts,
        },
        {"strange": strange},
    )


async def taxis(bench: ExerciseBench, program: Callable[..., Any]) -> Observation:
    """Let Ann change networks and Bob's phone die; both leave a session without a client."""
    sio = await bench.serve_reader(ping_interval=(0.2, 1), ping_timeout=0.3)
    sid_of: dict[str, Any] = {}
    await bench.run(program, sio, sid_of)
    rides: list[int] = []
    listed: list[Any] = []
    ann, bob = bench.new_client(), bench.new_client(reconnection=False)

    def on_ride(_: Any) -> None:
        rides[-1] += 1

    ann.on("ride", on_ride)

    async def send_a_ride() -> None:
        rides.append(0)
        listed.append(_sids(sid_of.get("ann")))
        if listed[-1]:
            await sio.emit("ride", f"ride {len(rides)}", to=listed[-1])
        await bench.settled()

    await bench.connect(ann, auth={"driver": "ann"})
    await bench.connect(bob, auth={"driver": "bob"})
    await bench.settled()
    await send_a_ride()
    zombies = set(bench.server.sids())
    await bench.cut("half-open")
    await bench.settled()
    await send_a_ride()
    await bench.gone(zombies)
    await bench.settled()
    await send_a_ride()
    bob_listed = int("bob" in sid_of)
    await ann.disconnect()
    await bench.wait_until(lambda: not bench.server.sids(), "Ann has left, and is still connected.")
    await bench.quiet()
    return Observation(
        {"your server": rides},
        {
            "refused": bench.refused > 0,
            "no_ride": rides[0] == 0,
            "new_entry_deleted": rides[1] == 0 and not listed[1],
            "old_sid_kept": rides[1] == 0 and set(listed[1]) <= zombies,
            "no_ride_though_listed": rides[1] == 0,
            "late_disconnect_deletes": rides == [1, 1, 0] and not listed[2],
            "bob_stays": bob_listed == 1 and "ann" not in sid_of,
            "ann_stays": "ann" in sid_of,
        },
        {"bob": bob_listed, "left": len(sid_of), "refused": bench.refused},
    )


def _sids(listed: Any) -> list[Any]:
    """Return the sids that a reader has put on the list: one, or several."""
    if isinstance(listed, (set, list, tuple)):
        return list(listed)
    return [listed] if listed else []
