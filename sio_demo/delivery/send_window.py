"""Which messages of an outbox wait, which are in flight, and which are done. No I/O."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Generic, Protocol, TypeVar

from ..errors import SequenceError, StoreError
from .message import LONGEST, Answer, Batch

FLIGHTS = 8  # batches in flight; messages sent meanwhile gather in the next one


class HasText(Protocol):
    """A message, with whatever its owner stores beside the text."""

    text: str


M = TypeVar("M", bound=HasText)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who sends; see :mod:`sio_demo.delivery.message`."""

    producer: str
    epoch: int


class SendWindow(Generic[M]):
    """A sliding window over numbered messages: go-back-N, one answer per batch.

    Parameters
    ----------
    identity : Identity
    base : int
        The sequence number of the first message.
    window : int
        How many messages may be in flight.

    Attributes
    ----------
    base : int
        The lowest sequence number without a reply.
    confirmed : int
        The inbox may delete replies below it: a `base` that the store has saved.
    """

    def __init__(self, identity: Identity, base: int, window: int) -> None:
        self.base = self.confirmed = base
        self._identity = identity
        self._window = window
        self._batch = -(-window // FLIGHTS)
        self._messages: deque[M] = deque()  # from base on
        self._sent = base  # the next to send
        self._flights: list[Batch] = []
        self._replies: dict[int, str] = {}  # that came before the reply to `base`

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def next(self) -> int:
        """The sequence number of the next message to be accepted."""
        return self.base + len(self._messages)

    @property
    def under_way(self) -> bool:
        """Whether an answer is expected."""
        return bool(self._flights)

    @property
    def messages(self) -> list[M]:
        """The messages without a reply, in order."""
        return list(self._messages)

    @property
    def last(self) -> M:
        return self._messages[-1]

    def accept(self, messages: Iterable[M]) -> None:
        """Queue messages that the store has saved; from now on they have sequence numbers."""
        self._messages.extend(messages)

    def next_batch(self) -> Batch | None:
        """Return the next messages to send; None if there are none or the window is full."""
        end = min(self.next, self.base + self._window, self._sent + self._batch)
        if end <= self._sent or len(self._flights) == FLIGHTS:
            return None
        texts: list[str] = []
        room = LONGEST
        for message in islice(self._messages, self._sent - self.base, end - self.base):
            room -= len(message.text)
            if texts and room < 0:
                break
            texts.append(message.text)
        who = self._identity
        batch = Batch(who.producer, who.epoch, self._sent, self.confirmed, texts)
        self._sent = batch.end
        self._flights.append(batch)
        return batch

    def answered(self, batch: Batch, answer: Answer) -> list[tuple[M, str]]:
        """Note replies; return the messages that are done now, in order, with their replies.

        Late, repeated and reordered answers are valid, because a reply never changes.
        """
        first, replies = batch.first, answer.replies
        self._replies.update(
            (first + i, reply) for i, reply in enumerate(replies) if first + i >= self.base
        )
        current = self._land(batch)
        done = []
        while self._messages and self.base in self._replies:
            done.append((self._messages.popleft(), self._replies.pop(self.base)))
            self.base += 1
        self._sent = max(self._sent, self.base)
        if current and len(replies) < len(batch.messages):  # the answer had no room for more
            self.rewind()
        return done

    def refused(self, batch: Batch, answer: Answer) -> bool:
        """Note that a batch was not applied; return whether sending it again can help.

        It can if the inbox's store failed, or if an earlier batch was refused and this one
        followed it. It cannot if the inbox expects messages that were confirmed: then the inbox
        has lost its store.
        """
        if not self._land(batch):
            return True  # sent again already
        if isinstance(answer.error, SequenceError):
            helps = self.base <= answer.next <= batch.first
        else:
            helps = isinstance(answer.error, StoreError)
        if helps:
            self.rewind()
        return helps

    def rewind(self) -> None:
        """Send again from `base`: what was in flight is lost."""
        self._flights.clear()
        self._sent = self.base

    def _land(self, batch: Batch) -> bool:
        """Take a batch out of those in flight; return False if it was rewound before."""
        for index, flight in enumerate(self._flights):
            if flight is batch:
                del self._flights[index]
                return True
        return False


def backoff(attempt: int, first: float, longest: float) -> float:
    """Return the seconds to wait before the next attempt: exponential, with jitter."""
    return min(longest, first * 2.0 ** min(attempt, 30)) * random.uniform(0.5, 1)
