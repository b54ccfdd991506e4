"""Exercise 8: what a customer sends again, and what a server does with it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from ..lab.packet import TO_CLIENT, TO_SERVER, Packet
from ..lab.waiting import called
from .bench import ExerciseBench
from .caller import Caller
from .exercise import Exercise
from .result import Counter, Result, Thing, judge

MOST_LOST = 5  # requests of one payment, of which each is lost once
EVENTS = {"EVENT", "BINARY_EVENT"}
ACKS = {"ACK", "BINARY_ACK"}


@dataclass(frozen=True)
class _Payment:
    """What has become of a payment.

    Attributes
    ----------
    charges : tuple of int
        What was charged while the customer paid.
    requests : int
        How many events of the customer have reached the server.
    answer : Any
        What the customer was told.
    receipts : tuple of str
        The receipts of those who have paid before.
    """

    amount: int
    charges: tuple[int, ...]
    requests: int
    answer: Any
    receipts: tuple[str, ...]

    @property
    def times(self) -> int:
        """How often it was made."""
        return self.charges.count(self.amount)

    @property
    def is_answered(self) -> bool:
        """Whether the customer has the receipt of this payment."""
        return bool(self.charges) and self.answer == _receipt(len(self.receipts) + 1)

    @property
    def is_taken_for_another(self) -> bool:
        """Whether nothing was charged, and the receipt is that of an earlier payment."""
        return not self.charges and self.answer in self.receipts


class _Shop:
    """The reader's shop and customer, and all that was charged."""

    def __init__(self, bench: ExerciseBench, customer: Callable[..., Any]) -> None:
        self._bench, self._customer = bench, customer
        self._caller = Caller(bench)
        self.charges: list[int] = []

    def charge(self, amount: int) -> str:
        """Charge, and give a receipt."""
        self.charges.append(amount)
        return _receipt(len(self.charges))

    async def connect(self) -> None:
        """Let the customer connect."""
        await self._caller.connect()

    async def pay(self, amount: int) -> _Payment:
        """Let the customer pay."""
        link, before, seen = self._bench.link, len(self.charges), self._bench.last()
        answer = await called(self._customer(self._caller.call, amount))
        sent = [p for p in link.packets if p.order > seen and p.direction == TO_SERVER]
        return _Payment(
            amount,
            tuple(self.charges[before:]),
            sum(packet.name in EVENTS and packet.delivered for packet in sent),
            answer,
            tuple(map(_receipt, range(1, before + 1))),
        )

    def request_lost(self, number: int) -> AbstractAsyncContextManager[Any]:
        """Cut the connection at so many requests from now."""
        numbers = itertools.count(1)
        return self._bench.link.cut_when(
            lambda packet: packet.name in EVENTS and next(numbers) == number, TO_SERVER
        )

    def answer_lost(self) -> AbstractAsyncContextManager[Any]:
        """Cut the connection at the answer behind the next charge."""
        before = len(self.charges)

        def is_wanted(packet: Packet) -> bool:
            return packet.name in ACKS and len(self.charges) > before

        return self._bench.link.cut_when(is_wanted, TO_CLIENT)


def _receipt(number: int) -> str:
    return f"receipt {number}"


async def _run(
    bench: ExerciseBench, server: Callable[..., Any], customer: Callable[..., Any]
) -> Result:
    """Pay; lose each request of a payment in turn, and the answer of one; pay the same again."""
    shop = _Shop(bench, customer)
    await called(server(bench.sio, shop.charge))
    await shop.connect()
    first = await shop.pay(10)
    lost = []
    for number in range(1, min(first.requests, MOST_LOST) + 1):
        async with shop.request_lost(number):
            lost.append(await shop.pay(20 + number))
    async with shop.answer_lost():
        unheard = await shop.pay(30)
    again = await shop.pay(10)
    payments = [first, *lost, unheard, again]
    names = [f"request {n} lost" for n in range(1, len(lost) + 1)]
    return judge(
        Thing("a payment", "payments", "made"),
        {"your shop": [payment.times for payment in payments]},
        _hints(shop.charges, first, lost, unheard, again),
        counters=[
            Counter(
                "customers with the receipt of their payment",
                len(payments),
                sum(payment.is_answered for payment in payments),
            )
        ],
        faults=[
            "no fault",
            *(names if len(names) > 1 else ["request lost"] * len(names)),
            "answer lost",
            "bought again",
        ],
    )


def _hints(
    charges: Sequence[int],
    first: _Payment,
    lost: Sequence[_Payment],
    unheard: _Payment,
    again: _Payment,
) -> list[tuple[bool, str]]:
    payments = [first, *lost, unheard, again]
    asked = {payment.amount for payment in payments}
    strange = next((amount for amount in charges if amount not in asked), None)
    return [
        (not charges, "Nothing was charged at all."),
        (strange is not None, f"A charge of {strange}, which no customer has asked for."),
        (
            any(p.times == 0 and p.requests < number for number, p in enumerate(lost, start=1)),
            "A request was lost on its way, and nobody has paid. The client cannot know "
            "whether the request or the answer was lost, so it must try again.",
        ),
        (
            any(payment.is_taken_for_another for payment in lost),
            "A request was lost, it came again, and got the receipt of an earlier payment, though "
            "it had another amount and came over a new connection. By what does your server tell "
            "two payments apart? If it is an id: when is that made, and how often?",
        ),
        (
            any(payment.times == 0 for payment in lost),
            "A request was lost, it came again, and was not charged. What has your server taken "
            "it for?",
        ),
        (
            unheard.is_taken_for_another,
            "Two payments with different amounts came in the same session, and the second has got "
            "the receipt of the first. A session has many messages; what tells them apart?",
        ),
        (
            again.times == 0,
            "A customer has bought the same thing twice, on purpose, and has paid once. Two "
            "messages with the same content are two messages; what tells a retry from them?",
        ),
        (
            unheard.times > 1 and first.times == 1,
            "The customer was charged, the answer was lost, the client tried again, and the "
            "server has taken that for another payment. By what could it know the message "
            "again: something that is the same at each attempt, and on each connection?",
        ),
        (first.times > 1, "Charged more often than once, even where nothing was lost."),
        (
            not unheard.is_answered,
            "Charged once. But the customer whose answer was lost has no receipt: what does "
            "your server answer to a message that it knows?",
        ),
        (
            not all(payment.is_answered for payment in payments),
            "A customer has not received a receipt, or not the right one.",
        ),
    ]


SHOP = Exercise({"shop": ("sio", "charge"), "customer": ("call", "amount")}, _run)
