"""Adds up what the ends of an application see of each message; no I/O."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from threading import RLock
from typing import Any, NamedTuple

from .seen import Recipient

Key = Callable[[str, tuple[Any, ...]], Hashable]


class Name(NamedTuple):
    """What tells one message from another."""

    recipient: Recipient
    namespace: str
    event: str
    user: Hashable
    key: Hashable


class Sighting(NamedTuple):
    """Where and when a packet was seen; None for what cannot be seen from there."""

    connection: str
    end: int  # which client or server
    user: Hashable = None
    listeners: int | None = None  # that the recipient has for it
    sids: int | None = None  # live ones of its user; only a server knows
    reconnects: int | None = None  # of its client
    early: bool | None = None  # before its client was connected
    by_server: bool = False  # whether it was seen at a server


@dataclass(eq=False)
class MessageCounts:
    """What was counted for one message."""

    arrived: int = 0
    sent: int = 0
    calls: int = 0
    effects: int | None = None
    listeners: dict[int, int] = field(default_factory=dict)  # the most that each recipient had
    sids: int | None = None
    reconnects: int | None = None
    early: bool | None = None
    acknowledged: bool | None = None
    overlapped: bool = False
    failed: bool = False
    connections: set[str] = field(default_factory=set)
    servers: set[int] = field(default_factory=set)

    def note(self, sighting: Sighting, acknowledged: bool) -> None:
        """Add what a packet tells besides that it came."""
        self.acknowledged = acknowledged
        self.connections.add(sighting.connection)
        self.reconnects = _greater(self.reconnects, sighting.reconnects)
        if sighting.listeners is not None:
            self.listeners[sighting.end] = max(
                sighting.listeners, self.listeners.get(sighting.end, 0)
            )
        self.sids = _greater(self.sids, sighting.sids)
        if sighting.by_server:
            self.servers.add(sighting.end)
        if sighting.early is not None:
            self.early = bool(self.early) or sighting.early

    @property
    def packets(self) -> int:
        """How many carried it: those that arrived may have been sent where no observer is."""
        return max(self.arrived, self.sent)


class Tally:
    """The messages seen so far, the last one last. The threads of an application may share it.

    Counts are kept for `keep` messages; `key` returns what the copies of one have in common.
    """

    def __init__(self, key: Key, keep: int) -> None:
        self._messages: OrderedDict[Name, MessageCounts] = OrderedDict()
        self._key = key
        self._keep = keep
        self._running: defaultdict[Hashable, list[MessageCounts]] = defaultdict(list)
        self._error: Exception | None = None
        self._lock = RLock()

    def name(
        self,
        recipient: Recipient,
        namespace: str,
        event: str,
        user: Hashable,
        data: tuple[Any, ...],
    ) -> Name:
        """Name a message; each connection is one of its own, which `data` names."""
        key = data if event == "connect" else self._key(event, data)
        return Name(recipient, namespace, event, user, key)

    def arrived(self, name: Name, sighting: Sighting, acknowledged: bool) -> None:
        """Count a packet that came to its recipient."""
        with self._lock:
            message = self._message(name)
            message.arrived += 1
            message.note(sighting, acknowledged)

    def sent(self, name: Name, sighting: Sighting, acknowledged: bool) -> None:
        """Count a packet that was given to a connection."""
        with self._lock:
            message = self._message(name)
            message.sent += 1
            message.note(sighting, acknowledged)

    def begun(self, name: Name, calls: int) -> Callable[[bool], None]:
        """Count calls of the recipient's listeners; give what tells that they have ended."""
        with self._lock:
            message = self._message(name)
            message.calls += calls
            running = self._running[name[:3]]
            if running:  # those before the last one have overlapped with it
                running[-1].overlapped = message.overlapped = True
            running.append(message)

        def ended(failed: bool) -> None:
            with self._lock:
                running.remove(message)
                message.failed |= failed

        return ended

    def misfit(self, name: Name) -> None:
        """Note that no handler takes the arguments of a message."""
        with self._lock:
            self._message(name).failed = True

    def effect(self, name: Name) -> None:
        """Count an effect."""
        with self._lock:
            message = self._message(name)
            message.effects = (message.effects or 0) + 1

    def failed(self, error: Exception) -> None:
        """Note what went wrong while counting: it must not reach the application."""
        with self._lock:
            self._error = self._error or error

    def take_error(self) -> Exception | None:
        """Return the first of what went wrong since the last time."""
        with self._lock:
            error, self._error = self._error, None
            return error

    def messages(self) -> list[tuple[Name, MessageCounts]]:
        """Return all, the last one last."""
        with self._lock:
            return list(self._messages.items())

    def sent_before(self, name: Name, server: int) -> bool:
        """Return whether a packet of this message was sent there before."""
        message = self._messages.get(name)
        return message is not None and message.sent > 0 and server in message.servers

    def _message(self, name: Name) -> MessageCounts:
        message = self._messages.setdefault(name, MessageCounts())
        self._messages.move_to_end(name)
        while len(self._messages) > self._keep:
            self._messages.popitem(last=False)
        return message


def _greater(a: int | None, b: int | None) -> int | None:
    return b if a is None else a if b is None else max(a, b)
