"""Exercises 6 and 7: what a server keeps for a session, and for whom it keeps it."""

from collections.abc import Callable
from typing import Any

from .bench import ExerciseBench
from .texts import Observation


async def restaurant(bench: ExerciseBench, program: Callable[..., Any]) -> Observation:
    """Send each of two screens an order in each of four sessions; the last cut is half-open."""
    shown: dict[str, list[int]] = {"kitchen": [], "bar": []}
    strange = 0
    await bench.run(program, bench.sio)

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
            "no_ride": rides[0] == 0,
            "new_entry_deleted": rides[1] == 0 and not listed[1],
            "old_sid_kept": rides[1] == 0 and set(listed[1]) <= zombies,
            "no_ride_though_listed": rides[1] == 0,
            "late_disconnect_deletes": rides == [1, 1, 0] and not listed[2],
            "bob_stays": bob_listed == 1 and "ann" not in sid_of,
            "ann_stays": "ann" in sid_of,
        },
        {"bob": bob_listed, "left": len(sid_of)},
    )


def _sids(listed: Any) -> list[Any]:
    """Return the sids that a reader has put on the list: one, or several."""
    if isinstance(listed, (set, list, tuple)):
        return list(listed)
    return [listed] if listed else []
