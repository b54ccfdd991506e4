"""The checker: it trusts nobody. No I/O.

It reads what the clients wrote down as accepted, and what the store of the inbox holds when all
processes are dead; nothing that the outbox or the inbox says of itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass
class Record:
    """What a client wrote down; a number stands for a message, and grows with each.

    Attributes
    ----------
    sent : list of int
        Written before the message was handed to the outbox: it may be applied once, or not.
    accepted : list of int
        Written when the outbox had accepted it: it must be applied once.
    answers : dict of int to str
        The replies.
    """

    sent: list[int] = field(default_factory=list)
    accepted: list[int] = field(default_factory=list)
    answers: dict[int, str] = field(default_factory=dict)


class Applied(NamedTuple):
    """A row that the handler wrote: which message, and the reply it gave this time."""

    client: int
    number: int
    reply: str


class Report(NamedTuple):
    """How many messages were lost, duplicated, reordered; `findings` says which, and what else."""

    lost: int
    duplicated: int
    reordered: int
    findings: tuple[str, ...]


def check(records: Mapping[int, Record], applied: Iterable[Applied]) -> Report:
    """Compare what clients were promised with what was applied.

    Parameters
    ----------
    records : mapping of int to Record
        By client.
    applied : iterable of Applied
        In the order in which it was applied.
    """
    rows = list(applied)
    lost: list[str] = []
    duplicated: list[str] = []
    reordered: list[str] = []
    others = [
        f"never sent, yet applied: message {row.number} of client {row.client}"
        for row in rows
        if row.number not in records.get(row.client, Record()).sent
    ]
    for client, record in records.items():
        mine = [row for row in rows if row.client == client]
        times = Counter(row.number for row in mine)
        name = f"of client {client}"
        lost += [
            f"lost: message {number} {name} was accepted, and never applied"
            for number in record.accepted
            if not times[number]
        ]
        duplicated += [
            f"duplicated: message {number} {name} was applied {count} times"
            for number, count in times.items()
            if count > 1
        ]
        reordered += [
            f"reordered: message {number} {name} was applied after message {later}"
            for number, later in _late(list(times))
        ]
        replies = {(row.number, row.reply) for row in mine}
        others += [
            f"wrong reply: message {number} {name} got one that no application gave"
            for number, reply in record.answers.items()
            if (number, reply) not in replies
        ]
    findings = (*lost, *duplicated, *reordered, *others)
    return Report(len(lost), len(duplicated), len(reordered), findings)


def _late(numbers: list[int]) -> list[tuple[int, int]]:
    """Give the numbers that come after a higher one, each with that."""
    late = []
    highest = -1
    for number in numbers:
        if number < highest:
            late.append((number, highest))
        highest = max(highest, number)
    return late
