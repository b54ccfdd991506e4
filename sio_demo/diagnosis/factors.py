"""Explains five counters as products of a few factors, each of which is 1 when all is well.

One message becomes a packet for each session of its user, and a packet becomes a call of each
listener. So 4 calls usually have their reason in an earlier counter, and a single factor often
explains all five.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import combinations, product

from .seen import Recipient, Seen


@dataclass(frozen=True)
class Factors:
    clients: int = 1  # of the user at the same time, each with its listeners
    listeners: int = 1  # for the event that each client (or the server) has
    sessions: int = 1  # live ones of each client
    copies: int = 1  # sent to each session, or by each client to the server
    runs: int = 1  # calls of each listener for one packet
    effects: int = 1  # of each call
    zombies: int = 0  # sessions whose client is gone, or was not counted
    lost: int = 0  # packets that were lost on the way

    def odd(self) -> dict[str, int]:
        """Return the factors that differ from a healthy message's."""
        well = asdict(Factors())
        return {name: value for name, value in asdict(self).items() if value != well[name]}


def explanations(seen: Seen, recipient: Recipient) -> list[Factors]:
    """Return the simplest explanations of these counters, none of which is 0.

    The simplest have the fewest odd factors. Fewer effects than calls are not odd: a handler that
    recognizes duplicates does that.
    """
    found = [
        completed
        for factors in _products(seen, recipient)
        if (completed := _completed(factors, seen, recipient)) is not None
    ]
    fewest = min((len(factors.odd()) for factors in found), default=0)
    return [factors for factors in found if len(factors.odd()) == fewest]


def _products(seen: Seen, recipient: Recipient) -> Iterator[Factors]:
    """Yield products with no odd factor, then with one, then with two."""
    counts = [count for count in seen.counters[:4] if count]
    numbers = {n for count in counts for n in range(2, count + 1) if count % n == 0}
    names = ["clients", "listeners", "copies", "runs"]
    names += ["sessions"] if recipient == "client" else []
    for size in range(3):
        for chosen in combinations(names, size):
            for values in product(sorted(numbers), repeat=size):
                yield Factors(**dict(zip(chosen, values, strict=True)))


def _completed(f: Factors, seen: Seen, recipient: Recipient) -> Factors | None:
    """Return `f` with the zombies, losses and effects that match the counters, or None."""
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
