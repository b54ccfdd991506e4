"""Exercises 8 to 10: messages that come again; after a loss, after a kill, while one is handled."""

import asyncio
import itertools
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple

from ..lab.packet import TO_CLIENT, TO_SERVER
from .bench import Caller, ExerciseBench
from .feedback import Observation

Program = Callable[..., Any]
MOST_LOST = 5  # requests of one payment, of which each is lost once
EVENTS = {"EVENT", "BINARY_EVENT"}
ACKS = {"ACK", "BINARY_ACK"}


class _Payment(NamedTuple):
    amount: int
    times: int  # that it was charged while the customer paid
    requests: int  # events of the customer that have reached the server
    is_answered: bool  # with its own receipt
    is_taken_for_another: bool  # not charged, and answered with an earlier receipt


class _Checkout:
    """The reader's shop and customer, and all that was charged."""

    def __init__(self, bench: ExerciseBench, customer: Program) -> None:
        self._bench, self._customer = bench, customer
        self.caller = Caller(bench)
        self.charges: list[int] = []

    def charge(self, amount: int) -> str:
        self.charges.append(amount)
        return _receipt(len(self.charges))

    async def pay(self, amount: int) -> _Payment:
        link, before, seen = self._bench.link, len(self.charges), self._bench.last()
        answer = await self._bench.run(self._customer, self.caller.call, amount)
        sent = [p for p in link.packets if p.order > seen and p.direction == TO_SERVER]
        charges = self.charges[before:]
        *earlier, own = map(_receipt, range(1, before + 2))
        return _Payment(
            amount,
            charges.count(amount),
            sum(packet.name in EVENTS and packet.delivered for packet in sent),
            bool(charges) and answer == own,
            not charges and answer in earlier,
        )

    def request_lost(self, number: int) -> AbstractAsyncContextManager[Any]:
        numbers = itertools.count(1)
        return self._bench.link.cut_when(
            lambda packet: packet.name in EVENTS and next(numbers) == number, TO_SERVER
        )

    def answer_lost(self) -> AbstractAsyncContextManager[Any]:
        """Cut the connection at the first answer after the next charge."""
        before = len(self.charges)
        return self._bench.link.cut_when(
            lambda packet: packet.name in ACKS and len(self.charges) > before, TO_CLIENT
        )


def _receipt(number: int) -> str:
    return f"receipt {number}"


async def shop(bench: ExerciseBench, server: Program, customer: Program) -> Observation:
    """Pay; lose each request of a payment in turn, and the answer of one; pay the same again."""
    checkout = _Checkout(bench, customer)
    await bench.run(server, bench.sio, checkout.charge)
    await checkout.caller.connect()
    first = await checkout.pay(10)
    lost = []
    for number in range(1, min(first.requests, MOST_LOST) + 1):
        async with checkout.request_lost(number):
            lost.append(await checkout.pay(20 + number))
    async with checkout.answer_lost():
        unheard = await checkout.pay(30)
    again = await checkout.pay(10)
    payments = [first, *lost, unheard, again]
    answered = sum(payment.is_answered for payment in payments)
    asked = {payment.amount for payment in payments}
    strange = next((amount for amount in checkout.charges if amount not in asked), None)
    several = [f"request {n} lost" for n in range(1, len(lost) + 1)]
    requests = several if len(lost) > 1 else ["request lost"] * len(lost)
    return Observation(
        {"your shop": [payment.times for payment in payments]},
        {
            "nothing_charged": not checkout.charges,
            "strange_charge": strange is not None,
            "no_retry": any(p.times == 0 and p.requests < n for n, p in enumerate(lost, start=1)),
            "retry_taken_for_earlier": any(payment.is_taken_for_another for payment in lost),
            "retry_not_charged": any(payment.times == 0 for payment in lost),
            "taken_for_the_first": unheard.is_taken_for_another,
            "bought_again_not_charged": again.times == 0,
            "retry_charged_again": unheard.times > 1 and first.times == 1,
            "charged_twice_without_a_loss": first.times > 1,
            "answer_not_repeated": not unheard.is_answered,
            "receipt_missing": answered < len(payments),
        },
        {"answered": answered},
        {"amount": strange},
        ["no fault", *requests, "answer lost", "bought again"],
    )


TABLES = """
CREATE TABLE account (coins INTEGER);
INSERT INTO account VALUES (0);
CREATE TABLE done (id TEXT PRIMARY KEY);
"""


class Disk:
    """A database in a file, and all that was ever committed to it: what is there after a kill.

    A second connection sees just that: it looks before each statement of the first.
    """

    def __init__(self, file: str, content: str = TABLES) -> None:
        self.connection = sqlite3.connect(file)
        self.connection.executescript(f"PRAGMA synchronous = OFF; {content}")
        self._second = sqlite3.connect(file)
        self.states: list[str] = []
        self.look()
        self.connection.set_trace_callback(lambda _: self.look())

    def look(self) -> None:
        state = "\n".join(self._second.iterdump())
        if self.states[-1:] != [state]:
            self.states.append(state)

    def coins(self) -> int:
        return int(self._second.execute("SELECT coins FROM account").fetchone()[0])

    def close(self) -> None:
        self.connection.set_trace_callback(None)
        self.connection.close()
        self._second.close()


class _Bank:
    """The reader's server with its disk, a customer, and the power switch."""

    def __init__(self, bench: ExerciseBench, program: Program, folder: str) -> None:
        self._bench, self._program, self._folder = bench, program, folder
        self.caller = Caller(bench)
        self.disk: Disk
        self.coins = [0]  # in the account at first, and after each deposit
        self.answers: list[Any] = []  # to each deposit; None if there was none

    async def start(self, content: str = TABLES) -> None:
        self.disk = Disk(f"{tempfile.mkdtemp(dir=self._folder)}/bank.db", content)
        await self._bench.run(self._program, self._bench.sio, self.disk.connection)

    async def restart(self, content: str) -> None:
        """Kill the server, and start another one on a disk that holds this."""
        async with self._bench.outage():
            self.disk.close()
            await self._bench.serve_reader()
            await self.start(content)
        await self._bench.settled()

    async def deposit(self, coins: int) -> None:
        self.answers.append(await self._send(coins))
        self.coins.append(self.disk.coins())

    async def deposit_unheard(self, coins: int) -> list[str]:
        """Send the message, lose its answer, and return what was committed before and since."""
        before = len(self.disk.states) - 1
        async with self._bench.link.cut_when("ACK", TO_CLIENT):
            await self._send(coins)
        self.disk.look()
        return self.disk.states[before:]

    async def _send(self, coins: int) -> Any:
        try:
            return await self.caller.call("deposit", {"id": f"id of {coins}", "coins": coins})
        except TimeoutError:
            return None


async def wallet(bench: ExerciseBench, program: Program) -> Observation:
    """Make four deposits; two of them meet a kill before the customer tries again."""
    with tempfile.TemporaryDirectory() as folder:
        bank = _Bank(bench, program, folder)
        await bank.start()
        try:
            await _make_deposits(bank)
        finally:
            bank.disk.close()
    added = {amount: bank.coins[amount] - bank.coins[amount - 1] for amount in (1, 2, 3, 4)}
    strange = [amount for amount, total in added.items() if total % amount]
    effects = [1 if amount in strange else total // amount for amount, total in added.items()]
    least = min(strange, default=0)
    return Observation(
        {"your wallet": effects},
        {
            "not_committed": not any(effects),
            "strange_amount": bool(strange),
            "done_not_looked_at": effects[1] > 1,
            "only_in_memory": effects[3] > 1,
            "marked_then_killed": effects[2] == 0,
            "booked_then_killed": effects[2] > 1,
            "deposit_lost": 0 in effects,
            "retry_not_answered": None in bank.answers,
        },
        {"coins": bank.coins[-1], "answered": sum(answer is not None for answer in bank.answers)},
        {"amount": least, "added": added.get(least)},
    )


async def _make_deposits(bank: _Bank) -> None:
    await bank.caller.connect()
    await bank.deposit(1)
    await bank.deposit_unheard(2)
    await bank.deposit(2)
    before, *between = (await bank.deposit_unheard(3))[:-1] or bank.disk.states[-1:]
    await bank.restart(between[0] if between else before)
    await bank.deposit(3)
    after = (await bank.deposit_unheard(4))[-1]
    await bank.restart(after)
    await bank.deposit(4)


AT_ONCE = 1.0  # seconds that an answer without a waiting caller may take


class _Hotel:
    """It books at once, or when a gate is opened, or not at the first try; Ann and Ben ask it."""

    def __init__(self, bench: ExerciseBench) -> None:
        self._bench = bench
        self.ann, self.ben = Caller(bench), Caller(bench)
        self.booked: list[str] = []
        self.slow: dict[str, asyncio.Event] = {}
        self.failing: set[str] = set()
        self.heard: dict[str, Any] = {}  # what was answered, by room

    async def book(self, room: str) -> str:
        if room in self.slow:
            await self.slow[room].wait()
        await asyncio.sleep(0)
        if room in self.failing:
            self.failing.discard(room)
            raise ConnectionError("the hotel does not answer")
        self.booked.append(room)
        return f"{room} is yours, no. {len(self.booked)}"

    async def ask(self, guest: Caller, room: str) -> bool:
        """Ask for a room, and return whether there was an answer."""
        try:
            self.heard[room] = await guest.call("reserve", {"id": f"id of {room}", "room": room})
        except TimeoutError:
            return False
        return True

    async def ask_again(self) -> None:
        async with self._bench.link.cut_when("ACK", TO_CLIENT):
            if not await self.ask(self.ann, "room 2"):
                await self.ask(self.ann, "room 2")

    async def ask_meanwhile(self) -> None:
        """Ask; while the hotel thinks, break the connection; ask again; then the hotel answers."""
        gate = self.slow["room 3"] = asyncio.Event()
        async with asyncio.TaskGroup() as asking:
            first = await self._begin(asking, self.ann, "room 3")
            await self._bench.cut()
            await first
            await self._begin(asking, self.ann, "room 3")
            await asyncio.sleep(0)
            gate.set()

    async def ask_beside(self) -> bool:
        """Let Ben ask while Ann waits for the hotel, and return whether he had to wait for her."""
        gate = self.slow["room 6"] = asyncio.Event()
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
        before = self._bench.sio.begun["reserve"]
        task = asking.create_task(self.ask(guest, room))
        await self._bench.wait_until(lambda: self._bench.sio.begun["reserve"] > before)
        return task


async def hotel(bench: ExerciseBench, program: Program) -> Observation:
    """Book five rooms, one for each fault; three of them are asked for twice, with the same id."""
    bench.sio.forgiven = (ConnectionError,)
    desk = _Hotel(bench)
    await bench.run(program, bench.sio, desk.book)
    await desk.ann.connect()
    await desk.ask(desk.ann, "room 1")
    await desk.ask_again()
    await desk.ask_meanwhile()
    desk.failing.add("room 4")
    await desk.ask(desk.ann, "room 4")
    await desk.ask(desk.ann, "room 4")
    await desk.ben.connect()
    waited = await desk.ask_beside()
    rooms = [f"room {number}" for number in range(1, 6)]
    effects = [desk.booked.count(room) for room in rooms]
    confirmed = sum(str(desk.heard.get(room)).startswith(f"{room} is yours") for room in rooms)
    return Observation(
        {"your server": effects},
        {
            "first_not_booked": effects[0] == 0,
            "retry_books_again": effects[1] > 1,
            "race": effects[2] > 1,
            "failure_kept": effects[3] == 0,
            "booked_twice": max(effects) > 1,
            "others_wait": waited,
            "none_confirmed": confirmed == 0,
            "not_confirmed": confirmed < len(rooms),
        },
        {"confirmed": confirmed, "waited": int(waited)},
    )
