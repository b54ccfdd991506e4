"""Adds up what the ends of an application see of each message; no I/O."""

import asyncio
import itertools
from collections import defaultdict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from threading import RLock
from time import monotonic
from typing import Any, NamedTuple, TypeVar

from .hooks import Ended, caller
from .seen import Recipient, Sids

Args = tuple[Any, ...]
Key = Callable[[str, Args], Hashable]
Census = dict[Hashable, Sids]  # the live sids of each user
LONG, SOON = 0.25, 0.05  # seconds: what others may wait for, and what follows it
LONGEST = 1_000_000  # what engine.io and python-engineio take unless they are told otherwise


class Name(NamedTuple):
    recipient: Recipient | None
    namespace: str
    event: str
    user: Hashable
    key: Hashable


@dataclass(eq=False)
class Emits:
    """The calls of ``emit()`` for one message; None for what only one side has."""

    times: int = 0
    users: set[Hashable] = field(default_factory=set)  # of the sessions that it was for
    live: list[Census] | None = None  # of each server, when the last one was called
    ever: dict[int, dict[str, str]] = field(default_factory=dict)  # sids of each server, until now
    who: dict[str, set[str]] = field(default_factory=dict)  # sids of the last one, as in `Seen`
    rooms: set[str] = field(default_factory=set)  # that they were for
    places: set[str] = field(default_factory=set)  # where the program called them
    clues: dict[str, Any] = field(default_factory=dict)  # to the last one
    when: int = 0


@dataclass(eq=False)
class MessageCounts:
    arrived: int = 0
    sent: int = 0
    calls: int = 0
    effects: int | None = None
    listeners: dict[int, int] = field(default_factory=dict)  # the most that each recipient had
    live: Sids | None = None  # the most at a time
    sent_to: set[str] = field(default_factory=set)
    reconnects: int | None = None
    early: bool | None = None
    large: bool | None = None
    acknowledged: bool | None = None
    answered: bool = False
    overlapped: bool = False
    failed: bool = False
    behind: str | None = None
    connections: set[str] = field(default_factory=set)
    servers: set[int] = field(default_factory=set)
    when: int = 0

    @property
    def packets(self) -> int:
        """How many carried it: those that arrived may have been sent where no observer is."""
        return max(self.arrived, self.sent)


class Tally:
    """The messages seen so far, the last one last; threads may share it."""

    def __init__(self, key: Key, keep: int) -> None:
        self.own_sids: set[str] = set()  # that observed clients have, or had
        self.servers: list[Any] = []  # the probes of those that are observed
        self.longest = LONGEST  # characters of a packet that the observed servers take
        self.errors = deque[Exception](maxlen=1)  # what went wrong last while counting
        self._messages: dict[Name, MessageCounts] = {}  # the last one last
        self._emits: dict[Name, Emits] = {}  # likewise
        self._asked: dict[tuple[str, str, int], MessageCounts] = {}  # no answer has come yet
        self._clock = itertools.count(1)
        self._turns: dict[Any, float] = {}  # the first emit() that ended in each loop's turn
        self.key = key
        self._keep = keep
        self._running: defaultdict[tuple[Any, ...], list[MessageCounts]] = defaultdict(list)
        self._held: dict[Any, tuple[str, float]] = {}  # the last long call; until when it counts
        self._lock = RLock()

    def name(self, to: Recipient, namespace: str, event: str, user: Hashable, data: Args) -> Name:
        """Name a message; each connection is one of its own, which `data` names."""
        key = data if event == "connect" else self.key(event, data)
        return Name(to, namespace, event, user, key)

    def packet(
        self, name: Name, connection: str, ack_id: int | None, came: bool, **facts: Any
    ) -> None:
        """Count a packet that came to its recipient, or was given to a connection.

        Of each fact it keeps the most that was seen; None is what cannot be seen from there.
        """
        with self._lock:
            message = self._message(name)
            if ack_id is not None and not came:
                remember(self._asked, (connection, name.namespace, ack_id), message, self._keep)
            message.arrived += came
            message.sent += not came
            message.when = next(self._clock)
            message.acknowledged = ack_id is not None
            message.connections.add(connection)
            for fact, now in facts.items():
                known = getattr(message, fact)
                if isinstance(known, set):
                    known |= now
                elif isinstance(known, dict):
                    known |= {end: max(count, known.get(end, 0)) for end, count in now.items()}
                elif isinstance(now, frozenset):
                    message.live = max(now, known or now, key=len)
                elif now is not None:
                    setattr(message, fact, max(now, known or now))

    def answered(self, connection: str, namespace: str | None, ack_id: int) -> None:
        with self._lock:
            message = self._asked.pop((connection, namespace or "/", ack_id), None)
            if message is not None:
                message.answered = True

    def emitted(self, name: Name) -> tuple[Emits, Ended]:
        """Count a call of ``emit()``; `name` is without a user.

        Return all calls for it, and what notices that this one has ended, and how long its event
        loop has no turn.
        """
        loop, now = asyncio._get_running_loop(), monotonic()
        with self._lock:
            emits = remember(self._emits, name, self._emits.get(name) or Emits(), self._keep)
            emits.times += 1
            emits.places |= {place} if (place := caller()) else set()
            emits.when = next(self._clock)
        held = loop and now - self._turns.get(loop, now) > LONG

        def ended(error: BaseException | None) -> None:
            emits.clues["raised"] = error is not None
            if loop and loop is asyncio._get_running_loop():
                loop.call_soon(turned, self._turns.setdefault(loop, monotonic()))

        def turned(began: float) -> None:
            self._turns.pop(loop, None)
            emits.clues["held"] = held or monotonic() - began > LONG

        return emits, ended

    def emits(self) -> list[tuple[Name, Emits]]:
        with self._lock:
            return list(self._emits.items())

    def begun(self, name: Name, calls: int) -> Callable[[bool], None]:
        """Count calls of the recipient's listeners; give what tells that they have ended."""
        with self._lock:
            message = self._message(name)
            message.calls += calls
            running = self._running[name[:3]]
            if running:  # those before the last one have overlapped with it
                running[-1].overlapped = message.overlapped = True
            running.append(message)
            began = monotonic()
            event, until = self._held.get(name.recipient, ("", 0.0))
            message.behind = event if began < until else message.behind

        def ended(failed: bool) -> None:
            with self._lock:
                running.remove(message)
                message.failed |= failed
                if monotonic() - began > LONG:
                    self._held[name.recipient] = name.event, monotonic() + SOON

        return ended

    def running(self, name: Name) -> str | None:
        """Return the event of a call that is still running where a message is handled."""
        with self._lock:
            busy = [of for of, calls in self._running.items() if calls and of[0] == name.recipient]
            return busy[0][2] if busy else None

    def misfit(self, name: Name) -> None:
        with self._lock:
            self._message(name).failed = True

    def effect(self, name: Name) -> None:
        with self._lock:
            message = self._message(name)
            message.effects = (message.effects or 0) + 1

    def messages(self) -> list[tuple[Name, MessageCounts]]:
        with self._lock:
            return list(self._messages.items())

    def _message(self, name: Name) -> MessageCounts:
        message = self._messages.get(name) or MessageCounts()
        return remember(self._messages, name, message, self._keep)


Entry = TypeVar("Entry")


def remember(table: dict[Any, Entry], of: Any, entry: Entry, keep: int = 10_000) -> Entry:
    """Make an entry the last one of a table, and drop the oldest beyond `keep`."""
    table.pop(of, None)
    table[of] = entry
    if len(table) > keep:
        del table[next(iter(table))]
    return entry
