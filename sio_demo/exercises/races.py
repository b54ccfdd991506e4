"""Exercise 10: what a server does with a message that comes again while it still works on it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..lab.packet import TO_CLIENT
from .bench import Caller, ExerciseBench
from .texts import Observation

AT_ONCE = 1.0  # seconds that an answer without a waiting caller may take


class _Desk:
    """The hotel: it books at once, or when a gate is opened, or not at the first try."""

    def __init__(self) -> None:
        self.booked: list[str] = []
        self.slow: dict[str, asyncio.Event] = {}
        self.failing: set[str] = set()

    async def book(self, room: str) -> str:
        """Book a room, and return its confirmation."""
        if room in self.slow:
            await self.slow[room].wait()
        await asyncio.sleep(0)
        if room in self.failing:
            self.failing.discard(room)
            raise ConnectionError("the hotel does not answer")
        self.booked.append(room)
        return f"{room} is yours, no. {len(self.booked)}"


@dataclass
class _Guests:
    """Ann and Ben, and what they have heard from the hotel."""

    bench: ExerciseBench
    desk: _Desk
    ann: Caller
    ben: Caller
    heard: dict[str, Any] = field(default_factory=dict)

    async def ask(self, guest: Caller, room: str) -> bool:
        """Ask for a room, and return whether there was an answer."""
        try:
            self.heard[room] = await guest.call("reserve", {"id": f"id of {room}", "room": room})
        except TimeoutError:
            return False
        return True

    async def ask_again(self) -> None:
        """Ask; lose the answer; ask again."""
        async with self.bench.link.cut_when("ACK", TO_CLIENT):
            if not await self.ask(self.ann, "room 2"):
                await self.ask(self.ann, "room 2")

    async def ask_meanwhile(self) -> None:
        """Ask; while the hotel thinks, break the connection; ask again; then the hotel answers."""
        gate = self.desk.slow["room 3"] = asyncio.Event()
        async with asyncio.TaskGroup() as asking:
            first = await self._begin(asking, self.ann, "room 3")
            await self.bench.cut()
            await first
            await self._begin(asking, self.ann, "room 3")
            await asyncio.sleep(0)
            gate.set()

    async def ask_beside(self) -> bool:
        """Let Ben ask while Ann waits for the hotel, and return whether he had to wait for her."""
        gate = self.desk.slow["room 6"] = asyncio.Event()
        async with asyncio.TaskGroup() as asking:
            await self._begin(asking, self.ann, "room 6")
            quick = await self._begin(asking, self.ben, "room 5")
            await asyncio.wait({quick}, timeout=AT_ONCE)
            waited = not quick.done()
            gate.set()
        return waited

    async def _begin(
        self, asking: asyncio.TaskGroup, guest: Caller, room: str
    ) -> asyncio.Task[bool]:
        """Ask, and wait until the handler has begun."""
        begun = self.bench.sio.begun
        while not begun.empty():
            begun.get_nowait()
        task = asking.create_task(self.ask(guest, room))
        while await begun.get() != "reserve":
            pass
        return task


async def hotel(bench: ExerciseBench, program: Callable[..., Any]) -> Observation:
    """Book five rooms, one for each fault; three of them are asked for twice, with the same id."""
    desk = _Desk()
    bench.sio.forgiven = (ConnectionError,)
    await bench.run(program, bench.sio, desk.book)
    guests = _Guests(bench, desk, Caller(bench), Caller(bench))

    await guests.ann.connect()
    await guests.ask(guests.ann, "room 1")
    await guests.ask_again()
    await guests.ask_meanwhile()

    desk.failing.add("room 4")
    await guests.ask(guests.ann, "room 4")
    await guests.ask(guests.ann, "room 4")

    await guests.ben.connect()
    waited = await guests.ask_beside()
    rooms = [f"room {number}" for number in range(1, 6)]
    effects = [desk.booked.count(room) for room in rooms]
    confirmed = sum(str(guests.heard.get(room)).startswith(f"{room} is yours") for room in rooms)
    return Observation(
        {"your server": effects},
        {
            "first_not_booked": effects[0] == 0,
            "retry_books_again": effects[1] > 1,
            "race": effects[2] > 1,
            "failure_kept": effects[3] == 0,
            "booked_twice": max(effects) > 1,
            "others_wait": waited,
            "not_confirmed": confirmed < len(rooms),
        },
        {"confirmed": confirmed, "waited": int(waited)},
    )
