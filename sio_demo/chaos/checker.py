"""The checker reads the clients' journals and the inbox's store, and trusts neither. No I/O."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple


@dataclass
class Journal:
    """What a client wrote down; a number stands for a message, and grows with each."""

    # Before a message was handed to the outbox: it may be applied once, or not.
    sent: list[int] = field(default_factory=list)
    # When the outbox had accepted it: it must be applied once.
    accepted: list[int] = field(default_factory=list)
    answers: dict[int, str] = field(default_factory=dict)  # the replies
    # When the outbox had said that it had not accepted the message: it must not be applied.
    unsaved: set[int] = field(default_factory=set)
    # Messages and replies whose effects were undone: the handler raised, or the inbox was restored
    # from an older copy. They are not lost, and not there.
    undone: set[tuple[int, str]] = field(default_factory=set)
    # What the outbox had accepted before it was restored from a copy without it.
    gone: set[int] = field(default_factory=set)
    # How often a message may be applied again, because it was reissued after a refusal.
    again: Counter[int] = field(default_factory=Counter)
    refusals: list[str] = field(default_factory=list)  # what is wrong with them, a sentence each

    @property
    def settled(self) -> int:
        """How many messages are answered, or will not be."""
        return len(self.answers.keys() | self.gone)


class Applied(NamedTuple):
    """A row that the handler wrote: which message, and the reply it gave this time."""

    client: int
    number: int
    reply: str


class Discrepancies(NamedTuple):
    """How many messages were lost, duplicated, reordered; `findings` says which, and what else."""

    lost: int
    duplicated: int
    reordered: int
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the checker found."""

    seed: int  # the schedule's
    variant: str  # what was tested: "none", or a broken variant
    faults: tuple[str, ...]  # the kinds of those that struck, in order
    accepted: int  # how many messages
    lost: int  # of these
    duplicated: int
    reordered: int
    findings: tuple[str, ...] = field(repr=False)  # what is wrong, a sentence each

    @property
    def ok(self) -> bool:
        return not self.findings


def check(journals: Mapping[int, Journal], applied: Iterable[Applied]) -> Discrepancies:
    """Compare what each client was promised with what was applied, in the order it was."""
    rows = list(applied)
    lost: list[str] = []
    duplicated: list[str] = []
    reordered: list[str] = []
    others = [
        f"never sent, yet applied: message {row.number} of client {row.client}"
        for row in rows
        if row.number not in journals.get(row.client, Journal()).sent
    ]
    for client, journal in journals.items():
        mine = [row for row in rows if row.client == client]
        times = Counter(row.number for row in mine)
        # Reissued after its handler had raised, it may succeed behind those that were not undone.
        failed = {number for number, _ in journal.undone if journal.again[number]}
        name = f"of client {client}"
        lost += [
            f"lost: message {number} {name} was accepted, and never applied"
            for number in journal.accepted
            if not times[number]
            and number not in journal.gone
            and (number, journal.answers.get(number)) not in journal.undone
        ]
        duplicated += [
            f"duplicated: message {number} {name} was applied {count} times"
            for number, count in times.items()
            if count > 1 + journal.again[number]
        ]
        reordered += [
            f"reordered: message {number} {name} was applied after message {later}"
            for number, later in zip(times, accumulate(times, max), strict=True)
            if number < later and number not in failed
        ]
        replies = {(row.number, row.reply) for row in mine}
        others += [
            f"wrong reply: message {number} {name} got one that no application gave"
            for number, reply in journal.answers.items()
            if (number, reply) not in replies | journal.undone
        ]
        others += [
            f"not undone: message {number} {name} is still applied"
            for number, _ in replies & journal.undone
        ]
        others += [
            f"applied: message {number} {name}, which was said to be unsaved"
            for number in journal.unsaved & times.keys()
        ]
        others += journal.refusals
    findings = (*lost, *duplicated, *reordered, *others)
    return Discrepancies(len(lost), len(duplicated), len(reordered), findings)
