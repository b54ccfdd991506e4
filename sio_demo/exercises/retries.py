"""Exercises 8 and 10: what a server does with a message that comes again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import socketio

from ..lab.packet import TO_CLIENT, TO_SERVER
from .bench import Bench
from .exercise import PATIENCE, Exercise
from .reader import called
from .result import Counter, Result, Thing, judge

AT_ONCE = 1.0  # seconds that an answer may take for which nobody waits


class Caller:
    """A client that notices at once when an answer cannot come any more."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._client: socketio.AsyncClient = bench.new_client()
        self._up, self._down = asyncio.Event(), asyncio.Event()
        self._client.on("connect", self._connected)
        self._client.on("disconnect", self._disconnected)

    async def connect(self) -> None:
        """Connect through the link."""
        await self._bench.connect(self._client)
        await self._up.wait()

    async def call(self, event: str, *data: Any) -> Any:
        """Emit with acknowledgement.

        Raises
        ------
        TimeoutError
            The connection has broken before there was an answer; it is up again.
        """
        arguments = data[0] if len(data) == 1 else (data or None)
        answer = asyncio.ensure_future(self._client.call(event, arguments, timeout=PATIENCE))
        down = asyncio.ensure_future(self._down.wait())
        try:
            await asyncio.wait({answer, down}, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                return answer.result()
        finally:
            answer.cancel()
            down.cancel()
        await self._up.wait()
        raise TimeoutError("no answer")

    def _connected(self) -> None:
        self._down.clear()
        self._up.set()

    def _disconnected(self, reason: str) -> None:
        self._up.clear()
        self._down.set()


# --- 8. The shop -----------------------------------------------------------------------


def _lost(bench: Bench, packet: str) -> AbstractAsyncContextManager[Any]:
    """Cut the connection at the next request, or at the next answer, which is lost."""
    if packet == "request":
        return bench.link.cut_when("EVENT", TO_SERVER)
    return bench.link.cut_when("ACK", TO_CLIENT)


async def _shop(bench: Bench, server: Callable[..., Any], client: Callable[..., Any]) -> Result:
    """Four payments: the request of one is lost, the answer of another; two are alike."""
    charges: list[int] = []
    answers: list[bool] = []
    effects: list[int] = []
    caller = Caller(bench)

    def charge(amount: int) -> str:
        charges.append(amount)
        return f"receipt {len(charges)}"

    async def pay(amount: int) -> None:
        before = len(charges)
        answer = await called(client(caller.call, amount))
        effects.append(charges[before:].count(amount))
        answers.append(answer == f"receipt {before + 1}" and len(charges) > before)

    await called(server(bench.sio, charge))
    await caller.connect()
    await pay(10)
    async with _lost(bench, "request"):
        await pay(20)
    async with _lost(bench, "answer"):
        await pay(30)
    await pay(10)
    return judge(
        Thing("a payment", "payments", "made"),
        {"your shop": effects},
        [
            (not any(effects), "Nothing was charged at all."),
            (
                effects[1] == 0,
                "A request was lost on its way, and nobody has paid. The client cannot know "
                "whether the request or the answer was lost, so it must try again.",
            ),
            (
                effects[3] == 0,
                "A customer has bought the same thing twice, on purpose, and has paid once. Two "
                "messages with the same content are two messages; what tells a retry from them?",
            ),
            (
                effects[2] > 1 and effects[:2] == [1, 1],
                "The customer was charged, the answer was lost, the client tried again, and the "
                "server has taken that for another payment. By what could it know the message "
                "again: something that is the same at each attempt, and on each connection?",
            ),
            (
                max(effects) > 1,
                "Charged more often than once, even where nothing was lost.",
            ),
            (
                not answers[2],
                "Charged once. But the customer whose answer was lost has no receipt: what does "
                "your server answer to a message that it knows?",
            ),
            (not all(answers), "Charged once. But a customer has not heard his receipt."),
        ],
        counters=[Counter("customers with the receipt of their payment", 4, sum(answers))],
        faults=["no fault", "request lost", "answer lost", "bought again"],
    )


# --- 10. The hotel ---------------------------------------------------------------------


class _Hotel:
    """Books rooms: at once, or when told so, or not at the first try."""

    def __init__(self) -> None:
        self.booked: list[str] = []
        self.slow: dict[str, asyncio.Event] = {}
        self.failing: set[str] = set()

    async def book(self, room: str) -> str:
        """Book a room, and give its confirmation."""
        if room in self.slow:
            await self.slow[room].wait()
        await asyncio.sleep(0)
        if room in self.failing:
            self.failing.discard(room)
            raise ConnectionError("the hotel does not answer")
        self.booked.append(room)
        return f"{room} is yours, no. {len(self.booked)}"

    def times(self, room: str) -> int:
        """Tell how often a room was booked."""
        return self.booked.count(room)


async def _hotel(bench: Bench, program: Callable[..., Any]) -> Result:
    """Five guests, one for each fault; all but the first ask twice, with the same id."""
    hotel = _Hotel()
    bench.sio.forgiven = (ConnectionError,)
    await called(program(bench.sio, hotel.book))
    ann, ben = Caller(bench), Caller(bench)
    heard: dict[str, Any] = {}

    async def ask(guest: Caller, room: str) -> Any:
        heard[room] = await guest.call("reserve", {"id": f"id of {room}", "room": room})

    await ann.connect()
    await ask(ann, "room 1")

    async with _lost(bench, "answer"):
        try:
            await ask(ann, "room 2")
        except TimeoutError:
            await ask(ann, "room 2")

    await _meanwhile(bench, hotel, ann, ask)

    hotel.failing.add("room 4")
    await ask(ann, "room 4")
    await ask(ann, "room 4")

    await ben.connect()
    waited = await _beside(bench, hotel, ann, ben, ask)
    rooms = [f"room {number}" for number in range(1, 6)]
    effects = [hotel.times(room) for room in rooms]
    confirmed = sum(str(heard.get(room)).startswith(f"{room} is yours") for room in rooms)
    return judge(
        Thing("a room", "rooms", "booked"),
        {"your server": effects},
        [
            (effects[0] == 0, "Not even the first room is booked."),
            (effects[1] > 1, "The answer was lost, and the retry has booked again."),
            (
                effects[2] > 1,
                "While the hotel was slow, the guest has asked again, and both have booked: the "
                "second attempt looked at `done` before the first had written there. Between "
                "looking and writing stands an `await`. What could stand in `done` before it?",
            ),
            (
                effects[3] == 0,
                "The hotel did not answer at the first try, so nothing was booked, and your server "
                "never tries again: what it has kept for this id is no booking. Let go of it.",
            ),
            (max(effects) > 1, "A room was booked twice."),
            (
                waited,
                "Each room is booked once. But while Ann waits for a slow hotel, Ben, who wants "
                "another room, has to wait as well. Let only those wait who ask for the same.",
            ),
            (
                confirmed < 5,
                "Each room is booked once. But a guest who has asked again has not heard the "
                "confirmation. Who asks meanwhile should wait for the booking that is under way.",
            ),
        ],
        counters=[
            Counter("guests who have the confirmation", 5, confirmed),
            Counter("another guest had to wait", 0, int(waited)),
        ],
        faults=["no fault", "answer lost", "asked meanwhile", "hotel fails", "other guest"],
    )


async def _meanwhile(bench: Bench, hotel: _Hotel, ann: Caller, ask: Callable[..., Any]) -> None:
    """Ask; while the hotel thinks, break the connection; ask again; then the hotel answers."""
    gate = hotel.slow["room 3"] = asyncio.Event()
    _forget_what_began(bench)
    first = asyncio.ensure_future(ask(ann, "room 3"))
    await _begun(bench)
    await bench.cut()
    await asyncio.gather(first, return_exceptions=True)
    second = asyncio.ensure_future(ask(ann, "room 3"))
    await _begun(bench)
    await asyncio.sleep(0)
    gate.set()
    await second


async def _beside(
    bench: Bench, hotel: _Hotel, ann: Caller, ben: Caller, ask: Callable[..., Any]
) -> bool:
    """Let Ben ask while Ann waits for the hotel, and tell whether he had to wait for her."""
    gate = hotel.slow["room 6"] = asyncio.Event()
    _forget_what_began(bench)
    slow = asyncio.ensure_future(ask(ann, "room 6"))
    await _begun(bench)
    quick = asyncio.ensure_future(ask(ben, "room 5"))
    await _begun(bench)
    await asyncio.wait({quick}, timeout=AT_ONCE)
    waited = not quick.done()
    gate.set()
    await asyncio.gather(slow, quick)
    return waited


def _forget_what_began(bench: Bench) -> None:
    while not bench.sio.begun.empty():
        bench.sio.begun.get_nowait()


async def _begun(bench: Bench) -> None:
    """Wait until the handler of one more event has begun."""
    while await bench.sio.begun.get() != "reserve":
        pass


SHOP = Exercise({"shop": ("sio", "charge"), "customer": ("call", "amount")}, _shop)
HOTEL = Exercise({"hotel": ("sio", "book")}, _hotel)
