"""How five counters come about: as products of a few numbers, each of which is 1 when all is well.

One message makes a packet for each session of its user, and a packet makes a call of each
listener. So a 4 among the calls has its reason further to the left, and one number explains
all five counters more often than not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import combinations, product

from .seen import Recipient, Seen


@dataclass(frozen=True)
class Factors:
    """One way in which the counters can have come about.

    Attributes
    ----------
    clients : int
        Clients that the user has at the same time, each with its listeners.
    listeners : int
        Listeners that each of them (or the server) has for the event.
    sessions : int
        Live sessions of each client.
    copies : int
        How often it was sent: to each session, or by each client on its way to the server.
    runs : int
        How often the library called a listener for one packet.
    effects : int
        How often its effect was brought about for each call.
    zombies : int
        Sessions that nobody is behind any more; 0 when all is well.
    lost : int
        Packets that were lost on their way; 0 when all is well.
    """

    clients: int = 1
    listeners: int = 1
    sessions: int = 1
    copies: int = 1
    runs: int = 1
    effects: int = 1
    zombies: int = 0
    lost: int = 0

    def odd(self) -> dict[str, int]:
        """Give those that are not as they should be."""
        well = asdict(Factors())
        return {name: value for name, value in asdict(self).items() if value != well[name]}


def explanations(seen: Seen, recipient: Recipient) -> list[Factors]:
    """Find the simplest ways in which these counters, none of them 0, can have come about.

    These are the products with the fewest odd factors. To have fewer effects than calls is not
    odd: a handler that tells copies apart does.
    """
    found = [
        completed
        for factors in _products(seen, recipient)
        if (completed := _completed(factors, seen, recipient)) is not None
    ]
    fewest = min((len(factors.odd()) for factors in found), default=0)
    return [factors for factors in found if len(factors.odd()) == fewest]


def _products(seen: Seen, recipient: Recipient) -> Iterator[Factors]:
    """Try no odd factor, then one, then two."""
    counts = [count for count in seen.counters[:4] if count]
    numbers = {n for count in counts for n in range(2, count + 1) if count % n == 0}
    names = ["clients", "listeners", "copies", "runs"]
    names += ["sessions"] if recipient == "client" else []
    for size in range(3):
        for chosen in combinations(names, size):
            for values in product(sorted(numbers), repeat=size):
                yield Factors(**dict(zip(chosen, values, strict=True)))


def _completed(f: Factors, seen: Seen, recipient: Recipient) -> Factors | None:
    """Add zombies, losses and effects so that the counters come out; None if they cannot."""
    to_client = recipient == "client"
    live = f.clients * f.sessions
    zombies = max(0, (seen.sids or 0) - live)
    sent = f.copies * (live + zombies if to_client else f.clients)
    arriving = f.copies * live if to_client else sent
    calls_of_each = f.listeners * f.runs
    lost = 0
    if seen.calls is not None:
        if seen.calls % calls_of_each:
            return None
        lost = arriving - seen.calls // calls_of_each
    listeners = f.clients * f.listeners if to_client else f.listeners
    expected = (listeners, live + zombies, sent)
    if lost < 0 or not all(
        count in (None, number) for count, number in zip(seen.counters[:3], expected, strict=True)
    ):
        return None
    effects = max(1, -(-(seen.effects or 0) // (seen.calls or seen.effects or 1)))
    return replace(f, zombies=zombies, lost=lost, effects=effects)
