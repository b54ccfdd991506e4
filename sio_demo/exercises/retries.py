"""Exercise 8: what a customer sends again, and what a server does with it."""

import itertools
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from ..lab.packet import TO_CLIENT, TO_SERVER, Packet
from .bench import Caller, ExerciseBench
from .texts import Observation

MOST_LOST = 5  # requests of one payment, of which each is lost once
EVENTS = {"EVENT", "BINARY_EVENT"}
ACKS = {"ACK", "BINARY_ACK"}


@dataclass(frozen=True)
class _Payment:
    """What has become of a payment."""

    amount: int
    charges: tuple[int, ...]  # while the customer paid
    requests: int  # events of the customer that have reached the server
    answer: Any
    receipts: tuple[str, ...]  # of those who have paid before

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


class _Checkout:
    """The reader's shop and customer, and all that was charged."""

    def __init__(self, bench: ExerciseBench, customer: Callable[..., Any]) -> None:
        self._bench, self._customer = bench, customer
        self.caller = Caller(bench)
        self.charges: list[int] = []

    def charge(self, amount: int) -> str:
        """Charge, and return a receipt."""
        self.charges.append(amount)
        return _receipt(len(self.charges))

    async def pay(self, amount: int) -> _Payment:
        """Let the customer pay."""
        link, before, seen = self._bench.link, len(self.charges), self._bench.last()
        answer = await self._bench.run(self._customer, self.caller.call, amount)
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
        """Cut the connection at the first answer after the next charge."""
        before = len(self.charges)

        def is_wanted(packet: Packet) -> bool:
            return packet.name in ACKS and len(self.charges) > before

        return self._bench.link.cut_when(is_wanted, TO_CLIENT)


def _receipt(number: int) -> str:
    return f"receipt {number}"


async def shop(
    bench: ExerciseBench, server: Callable[..., Any], customer: Callable[..., Any]
) -> Observation:
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
    faults = [f"request {n} lost" for n in range(1, len(lost) + 1)]
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
        [
            "no fault",
            *(faults if len(faults) > 1 else ["request lost"] * len(faults)),
            "answer lost",
            "bought again",
        ],
    )
