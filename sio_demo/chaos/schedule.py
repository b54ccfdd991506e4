"""Schedules: which fault strikes after which message. No I/O; the same seed, the same schedule."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from ..lab.packet import DIRECTIONS, Direction

SERVER_POINTS = ("at once", "handler has run", "before commit", "after commit")
CLIENT_POINTS = ("at once", "before save", "after save", "after reply")
TROUBLES = ("writes fail", "commits fail", "commits fail after all")
COUNTED = {  # of what, and how many at most: one message takes more
    "line kill": ("lines of the delivery", 120),
    "statement kill": ("instructions of SQLite", 120),
    "write kill": ("bytes of its log", 8000),
}
AHEAD = 4  # messages that clients may send beyond the one at which the next fault strikes

TRANSPORTS = {
    "websocket": ("websocket",),
    "polling": ("polling",),
    "polling, then websocket": ("polling", "websocket"),
}

_ALL_AT_ONCE = 1000
_WAYS = (*DIRECTIONS, None)
_BEFORE_OR_AFTER = {"point": ("before", "after")}
_HALVES = ("server", "client")


class FaultKind(NamedTuple):
    choices: Mapping[str, Sequence[Any]] = {}  # for the details of a `PlannedFault`, in this order
    words: str = ""  # the details in words
    weight: int = 1  # how often it is drawn, compared with the others


KINDS = {
    "reset": FaultKind(),
    "clean close": FaultKind(),
    "half-open": FaultKind(),
    "black hole": FaultKind(  # one outlasts the patience of the outbox, the other does not
        {"direction": _WAYS, "seconds": (0.05, 0.4)}, ", {way}, for {fault.seconds:g} s"
    ),
    "latency": FaultKind(
        {"seconds": (0.002, 0.01, 0.03), "answers": range(1, 11), "direction": _WAYS},
        ", {way}, {fault.seconds:g} s, for {fault.answers} answers",
    ),
    "refusal": FaultKind({"seconds": (0.02, 0.1)}, ", after a reset, for {fault.seconds:g} s"),
    "lost batch": FaultKind(_BEFORE_OR_AFTER, ": the connection is cut {fault.point} it"),
    "lost ack": FaultKind(_BEFORE_OR_AFTER, ": the connection is cut {fault.point} it"),
    "lost handshake": FaultKind(
        _BEFORE_OR_AFTER, ": a reset, and the next connection is cut {fault.point} its CONNECT"
    ),
    "server restart": FaultKind(),
    "server kill": FaultKind({"point": SERVER_POINTS}, " (-9): {fault.point}", weight=3),
    "client kill": FaultKind({"point": CLIENT_POINTS}, " (-9): {fault.point}", weight=2),
    **{
        kind: FaultKind(
            {"half": _HALVES, "count": range(1, most)},
            f" (-9): the {{fault.half}}, {{fault.count}} {what} from now",
        )
        for kind, (what, most) in COUNTED.items()
    },
    "disk error": FaultKind(
        {"half": _HALVES, "point": TROUBLES, "count": range(1, 8000), "seconds": (0.02, 0.1)},
        " of the {fault.half}: {fault.point}, for {fault.seconds:g} s",
    ),
    "server restore": FaultKind({}, " of its file as it was after the previous fault"),
    "client restore": FaultKind(
        {"seconds": (0, 0.1)},
        " of its file as it was after the previous fault, offline for {fault.seconds:g} s",
    ),
    "second outbox": FaultKind({}, " on the same file"),
    "forget": FaultKind({"half": _HALVES}, ": who is away, after a kill of the {fault.half}"),
    "handler error": FaultKind(
        {"point": ("raises", "is cancelled", "asks for another attempt"), "count": range(1, 6)},
        ": the handler {fault.point}, {fault.count} times",
    ),
    "missing handler": FaultKind({"seconds": (0.05, 0.2)}, ", for {fault.seconds:g} s"),
    "clock jump": FaultKind(
        {"half": _HALVES, "seconds": (-86400, 86400)},
        " of the {fault.half}, which starts again, {fault.seconds:+} s",
    ),
}
FAULTS = tuple(KINDS)


@dataclass(frozen=True, slots=True)
class PlannedFault:
    kind: str  # one of `FAULTS`
    client: int  # whose messages are counted, from 1
    after: int  # it strikes when that client has had so many messages accepted, or answered
    counts: str  # which of the two: "accepted" or "answered"
    # Where a process is killed; or whether a connection is cut before or after the packet got
    # through; or what a disk or a handler does.
    point: str = ""
    direction: Direction | None = None  # of a black hole, or latency; None is both
    # How long it lasts; by how much latency delays every byte, or a clock jumps.
    seconds: float = 0.0
    answers: int = 0  # that the client still gets before latency ends
    half: str = ""  # which process it strikes, "server" or "client", if the kind does not say it
    count: int = 0  # of lines, instructions, bytes or calls
    worker: int = 0  # which one, from 1
    words: str = field(default="", repr=False)  # that say so, with its details in braces

    def __str__(self) -> str:
        way = self.direction or "both ways"
        return f"{self.kind}{self.words.format(fault=self, way=way)}"


@dataclass(frozen=True, slots=True)
class Schedule:
    seed: int  # it determines all the rest
    clients: int
    messages: int  # that each client gets accepted
    window: int  # that of each `Outbox`
    burst: int  # messages that a client hands over before it waits for their acceptance
    unanswered: int  # messages without an answer that keep a client from sending more
    transport: str  # one of `TRANSPORTS`
    faults: tuple[PlannedFault, ...]  # in the order in which they strike

    @classmethod
    def from_seed(cls, seed: int, kinds: Mapping[str, FaultKind] = KINDS) -> Self:
        """Draw a schedule of some kinds of faults."""
        rng = random.Random(seed)
        clients = rng.choice((1, 1, 2))
        messages = rng.randrange(20, 61)
        last = messages - AHEAD  # so that something is sent after each fault
        afters = sorted(rng.randrange(1, last) for _ in range(rng.randrange(2, 9)))
        return cls(
            seed,
            clients,
            messages,
            window=rng.choice((1, 4, 16, 4000)),
            burst=rng.choice((1, 3, 8)),
            unanswered=rng.choice((1, 4, _ALL_AT_ONCE)),
            transport=rng.choice(tuple(TRANSPORTS)),
            faults=tuple(_draw(rng, kinds, rng.randrange(clients) + 1, after) for after in afters),
        )

    def allowance(self, struck: int) -> int:
        """Return how many messages each client may send when so many faults have struck.

        After each fault it is at least one more: what is to be killed at a point gets there.
        """
        allowed = self.messages
        for fault in reversed(self.faults[struck:]):
            allowed = min(fault.after + AHEAD, allowed - 1)
        return allowed

    def __str__(self) -> str:
        pace = "" if self.unanswered == _ALL_AT_ONCE else f", {self.unanswered} at most unanswered"
        count = "1 client" if self.clients == 1 else f"{self.clients} clients"
        lines = [
            f"seed {self.seed}: {count} by {self.transport}, {self.messages} messages each; "
            f"window {self.window}, {self.burst} at a time{pace}"
        ]
        for fault in self.faults:
            who = f"client {fault.client}, " if self.clients > 1 else ""
            lines.append(f"  {who}{fault.after:2} {fault.counts}: {fault}")
        return "\n".join(lines)


def _draw(
    rng: random.Random, kinds: Mapping[str, FaultKind], client: int, after: int
) -> PlannedFault:
    """Draw a fault that strikes a client, or while it sends."""
    [kind] = rng.choices([*kinds], [kind.weight for kind in kinds.values()])
    counts = rng.choice(("accepted", "answered"))
    details = {name: rng.choice(choices) for name, choices in kinds[kind].choices.items()}
    return PlannedFault(kind, client, after, counts, words=kinds[kind].words, **details)
