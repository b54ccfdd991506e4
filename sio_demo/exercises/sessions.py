"""Exercises 6 and 7: what a server keeps for a session, and for whom it keeps it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..lab.waiting import called
from .bench import ExerciseBench
from .exercise import Exercise
from .result import Counter, Result, Thing, judge

# --- 6. The restaurant -----------------------------------------------------------------


async def _restaurant(bench: ExerciseBench, program: Callable[..., Any]) -> Result:
    """Two screens, one order for each in each of four sessions; the last cut is half-open."""
    shown: dict[str, list[int]] = {"kitchen": [], "bar": []}
    strange = 0
    await called(program(bench.sio))

    async def switch_on(room: str) -> None:
        screen = bench.new_client()

        def order(for_room: str) -> None:
            nonlocal strange
            if for_room == room:
                shown[room][-1] += 1
            else:
                strange += 1

        screen.on("order", order)
        await bench.connect(screen, auth={"room": room})
        await screen.emit("join", room)

    for room in shown:
        await switch_on(room)
    for how in (None, "reset", "reset", "half-open"):
        if how is not None:
            await bench.cut(how, clients=len(shown))
        await bench.settled()
        for room, counts in shown.items():
            counts.append(0)
            await bench.sio.emit("order", room, room=room)
        await bench.settled()
    counts = [count for row in shown.values() for count in row]
    return judge(
        Thing("an order", "orders", "shown"),
        {f"the {room}": row for room, row in shown.items()},
        [
            (
                all(row[0] == 1 and not any(row[1:]) for row in shown.values()),
                "After the first cut both screens are empty, and nobody sees an error: to send to "
                "an empty room is a success. A room holds sids, and a reconnect brings a new sid. "
                "What comes along with each connection, and says who it is?",
            ),
            (not any(counts), "No screen shows its orders: nobody is in a room."),
            (
                strange > 0,
                "A screen shows the orders of the other one. What tells the two screens apart, "
                "also after a reconnect, and also if they have the same address?",
            ),
            (0 in counts, "Some orders are lost: after a reconnect somebody is not in the room."),
        ],
        counters=[Counter("orders shown on the wrong screen", 0, strange)],
        rounds="order; before 2 and 3 a reset, before 4 a half-open connection",
        first=1,
    )


# --- 7. The taxis ----------------------------------------------------------------------


async def _taxis(bench: ExerciseBench, program: Callable[..., Any]) -> Result:
    """Ann changes networks, Bob's phone dies; both leave a session that nobody is behind."""
    sio = await bench.serve_reader(ping_interval=(0.2, 1), ping_timeout=0.3)
    sid_of: dict[str, Any] = {}
    await called(program(sio, sid_of))
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
    return judge(
        Thing("a ride", "rides", "offered to Ann"),
        {"your server": rides},
        [
            (
                rides[0] == 0,
                "Ann gets no ride at all. Does `connect` still write `sid_of[driver] = sid`?",
            ),
            (
                rides[1] == 0 and not listed[1],
                "After her change of networks Ann is connected, and is not on the list: what her "
                "new session has written there was deleted. Which `disconnect` has run behind "
                "that `connect`, and whose entry may a session delete?",
            ),
            (
                rides[1] == 0 and set(listed[1]) <= zombies,
                "After her change of networks Ann gets no ride: `sid_of` still holds the session "
                "that nobody is behind. The newest connection is the one that lives.",
            ),
            (
                rides[1] == 0,
                "After her change of networks Ann gets no ride, though she is on the list.",
            ),
            (
                rides == [1, 1, 0] and not listed[2],
                "Ann is back, and gets her ride. Then the heartbeat of her *old* session times "
                "out, its `disconnect` runs late, and deletes what the new session has written. "
                "Whose entry may a session delete?",
            ),
            (
                bob_listed == 1 and "ann" not in sid_of,
                "Ann gets her rides now. But Bob, whose phone has died, stays on the list for "
                "ever: for him the late `disconnect` is the only one that comes.",
            ),
            (
                "ann" in sid_of,
                "Ann gets her rides, and stays on the list when she has left: rides will be sent "
                "to nobody. The entry must go with the session that it is about.",
            ),
        ],
        counters=[
            Counter("Bob is listed when his session has ended", 0, bob_listed),
            Counter("drivers listed when all have left", 0, len(sid_of)),
        ],
        rounds="ride; before 2 a new network, before 3 the old session times out",
        first=1,
    )


def _sids(listed: Any) -> list[Any]:
    """Give what a reader has put on the list: a sid, or several."""
    if isinstance(listed, (set, list, tuple)):
        return list(listed)
    return [listed] if listed else []


RESTAURANT = Exercise({"restaurant": ("sio",)}, _restaurant)
TAXIS = Exercise({"taxis": ("sio", "sid_of")}, _taxis)
