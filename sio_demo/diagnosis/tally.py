"""Adds up what the ends of an application see of each message; no I/O."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .seen import Recipient

Key = Callable[[str, tuple[Any, ...]], Hashable]


class Name(NamedTuple):
    """What tells one message from another."""

    recipient: Recipient
    namespace: str
    event: str
    key: Hashable


class Place(NamedTuple):
    """Where and when a packet was seen; None for what cannot be seen from there."""

    connection: str
    end: int  # which client or server
    listeners: int | None = None  # that the recipient has for it
    sids: int | None = None  # live ones of its user; only a server knows
    reconnects: int | None = None  # of its client
    early: bool | None = None  # before its client was connected


@dataclass
class Message:
    """What was counted for one message."""

    arrived: int = 0
    sent: int = 0
    calls: int = 0
    effects: int | None = None
    listeners: dict[int, int] = field(default_factory=dict)  # by recipient
    sids: int | None = None
    reconnects: int | None = None
    early: bool | None = None
    acknowledged: bool | None = None
    overlapped: bool = False
    connections: set[str] = field(default_factory=set)
    servers: set[int] = field(default_factory=set)

    def note(self, place: Place, acknowledged: bool) -> None:
        """Add what a packet tells besides that it came."""
        self.acknowledged = acknowledged
        self.connections.add(place.connection)
        self.sids = _greater(self.sids, place.sids)
        self.reconnects = _greater(self.reconnects, place.reconnects)
        if place.listeners is not None:
            self.listeners[place.end] = place.listeners
        if place.sids is not None:
            self.servers.add(place.end)
        if place.early is not None:
            self.early = bool(self.early) or place.early


class Tally:
    """The messages seen so far, the last one last.

    Parameters
    ----------
    key : callable
        Gives what the copies of one message have in common.
    keep : int
        For how many messages the counts are kept.

    Attributes
    ----------
    messages : dict of Name to Message
        What was counted for each.
    error : Exception or None
        What `key` raised first.
    """

    def __init__(self, key: Key, keep: int) -> None:
        self.messages: OrderedDict[Name, Message] = OrderedDict()
        self.error: Exception | None = None
        self._key = key
        self._keep = keep
        self._running: defaultdict[tuple[Recipient, str, str], list[Message]] = defaultdict(list)

    def name(self, recipient: Recipient, namespace: str, event: str, data: tuple[Any, ...]) -> Name:
        """Name a message; all connections to the server are one."""
        key: Hashable = None
        if event != "connect":
            try:
                key = self._key(event, data)
                hash(key)
            except Exception as error:  # it must not reach the application
                key = None
                self.error = self.error or error
        return Name(recipient, namespace, event, key)

    def arrived(self, name: Name, place: Place, acknowledged: bool) -> None:
        """Count a packet that came to its recipient."""
        message = self._message(name)
        message.arrived += 1
        message.note(place, acknowledged)

    def sent(self, name: Name, place: Place, acknowledged: bool) -> None:
        """Count a packet that was given to a connection."""
        message = self._message(name)
        message.sent += 1
        message.note(place, acknowledged)

    @contextmanager
    def called(self, name: Name, calls: int) -> Iterator[None]:
        """Count calls of the recipient's listeners; the block lasts as long as they do."""
        message = self._message(name)
        message.calls += calls
        running = self._running[name[:3]]
        for other in running:
            other.overlapped = message.overlapped = True
        running.append(message)
        try:
            yield
        finally:
            running.remove(message)

    def effect(self, name: Name) -> None:
        """Count an effect."""
        message = self._message(name)
        message.effects = (message.effects or 0) + 1

    def _message(self, name: Name) -> Message:
        message = self.messages.setdefault(name, Message())
        self.messages.move_to_end(name)
        while len(self.messages) > self._keep:
            self.messages.popitem(last=False)
        return message


def _greater(a: int | None, b: int | None) -> int | None:
    return b if a is None else a if b is None else max(a, b)
