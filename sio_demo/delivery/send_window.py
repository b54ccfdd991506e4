"""Which messages of an outbox wait, which are in flight, and which are done. No I/O."""

import random
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from typing import Any

from .. import errors
from .message import LARGEST, Answer, Batch, Hello, Welcome, id_of, wire_size, withdrawn
from .receipt import Receipt

FLIGHTS = 8  # batches in flight; messages sent meanwhile gather in the next one


class SendWindow:
    """A sliding window over numbered messages, `window` in flight: go-back-N, an answer a batch."""

    def __init__(self, identity: Hello, base: int, window: int, after: str = "") -> None:
        self.identity = identity
        self.known = identity.known  # if not, no message may have left
        self.base = base  # the lowest number without a reply
        self.after = after  # the id of the message before `base`
        self.confirmed = base  # a `base` that is saved: the inbox may delete replies below it
        self.sent = self.resent = 0  # messages in batches; those not for the first time
        self._allowed, self._heard = FLIGHTS, True  # heard: an answer since a connection was lost
        self._window = window
        self._largest_batch = self._batch = -(-window // FLIGHTS)
        self._characters, self._unconfirmed = LARGEST, 2**53
        self.messages: deque[Receipt] = deque()  # those without a reply, from base on
        self._next = self._highest = base  # the next to send; the next never sent
        self._flights: list[Batch] = []
        self._replies: dict[int, str] = {}  # that came before the reply to `base`

    @property
    def next(self) -> int:
        """The sequence number of the next message to be accepted."""
        return self.base + len(self.messages)

    @property
    def in_flight(self) -> int:
        """How many messages are sent and not yet answered."""
        return sum(len(batch.messages) for batch in self._flights)

    @property
    def worth_a_save(self) -> bool:
        """Whether many replies may be confirmed as soon as the store has saved `base`."""
        return self.base - self.confirmed >= min(self._window, self._unconfirmed // 4 + 1)

    def accept(self, messages: Iterable[Receipt]) -> None:
        """Queue messages that the store has saved; from now on they have sequence numbers."""
        self.messages.extend(messages)

    def hello(self) -> Hello:
        return replace(self.identity, known=self.known)

    def welcomed(self, welcome: Welcome, flights: int = FLIGHTS) -> None:
        """Go on where the inbox is, within its limits, with so many batches in flight."""
        if welcome.next < self.base:
            raise self._gone_back(welcome.next)
        ahead = welcome.next > self.next or welcome.confirmed > self.base
        if ahead or welcome.last != self._id_before(welcome.next):
            raise errors.ConflictError(
                f"The inbox has applied {welcome.next} messages of this producer, and this outbox "
                "has sent others, or fewer. Was its store copied, or restored from a copy?"
            )
        self._allowed = flights
        self._replies.clear()  # an inbox that was restored may not have applied them
        self._largest_batch = min(-(-self._window // FLIGHTS), welcome.batch)
        self._characters, self._unconfirmed = welcome.characters, welcome.unconfirmed
        self.rewind()

    def next_batch(self) -> Batch | None:
        """Return the next messages to send; None if there are none or the window is full."""
        end = min(
            self.next,
            self.base + self._window,
            self.confirmed + self._unconfirmed,
            self._next + min(self._batch, self._largest_batch),
        )
        if end <= self._next or len(self._flights) >= self._allowed:
            return None
        texts: list[str] = []
        left = self._characters
        for message in islice(self.messages, self._next - self.base, end - self.base):
            text = message.text
            if (size := wire_size(text)) > self._characters:  # the inbox answers by name
                text = withdrawn(text)
                size = wire_size(text)
            left -= size
            if texts and left < 0:
                break
            texts.append(text)
        who, after = self.identity, self._id_before(self._next)
        batch = Batch(who.producer, who.epoch, self._next, after, self.confirmed, texts)
        self.known = True
        self.sent += len(texts)
        self.resent += max(0, min(self._highest, batch.end) - batch.first)
        self._next, self._highest = batch.end, max(self._highest, batch.end)
        self._flights.append(batch)
        return batch

    def answered(self, batch: Batch, answer: Answer) -> list[tuple[Receipt, str]]:
        """Note replies, late ones too: none ever changes. Return what is done now, in order."""
        first, replies = batch.first, answer.replies
        self._replies.update(
            (first + i, reply) for i, reply in enumerate(replies) if first + i >= self.base
        )
        current, self._heard = self._land(batch), True
        done = []
        while self.messages and self.base in self._replies:
            done.append((self.messages.popleft(), self._replies.pop(self.base)))
            self.after = id_of(done[-1][0].text)
            self.base += 1
        self._next = max(self._next, self.base)
        if len(replies) == len(batch.messages):
            self._batch = min(self._largest_batch, self._batch + self._batch // 4 + 1)
        elif current and answer.error is None:  # the answer had no room for more
            self._batch = max(1, len(replies))
            self.rewind()
        return done

    def refused(self, batch: Batch, answer: Answer) -> bool:
        """Note that a batch was not applied; return whether sending it again can help.

        It can if the inbox says so, or if an earlier batch was refused and this one followed it.
        It cannot if the inbox expects messages that were confirmed: then it has lost its store.
        """
        if not self._land(batch):
            return True  # sent again already
        if type(answer.error) is errors.SequenceError:
            helps = self.base <= answer.next <= batch.first
        else:
            helps = worth_a_retry(answer.error)
        if helps:
            self.rewind()
        return helps

    def named(self, error: errors.DeliveryError, expected: int) -> errors.DeliveryError:
        """Return why a batch was refused: the inbox may have gone back since its welcome."""
        back = type(error) is errors.SequenceError and expected < self.base
        return self._gone_back(expected) if back else error

    def _gone_back(self, expected: int) -> errors.RestoredError:
        return errors.RestoredError(
            f"The inbox has gone back: it expects message {expected}, and has answered "
            f"all below {self.base}. Was its store restored from a backup?"
        )

    def rewind(self) -> None:
        """Send again from `base`: what was in flight is lost."""
        self._flights.clear()
        self._next = self.base

    def lost(self) -> None:
        """Note a lost connection. After two without an answer, smaller batches may get through."""
        if self._flights:
            if not self._heard:
                self._batch = max(1, self._batch // 2)
            self._heard = False
        self.rewind()

    def _id_before(self, number: int) -> str:
        index = number - self.base - 1
        return id_of(self.messages[index].text) if index >= 0 else self.after

    def expects(self, batch: Batch) -> bool:
        """Return whether a batch is in flight, and was not rewound."""
        return any(flight is batch for flight in self._flights)

    def _land(self, batch: Batch) -> bool:
        """Take a batch out of those in flight; return False if it was rewound before."""
        landed = self.expects(batch)
        self._flights = [flight for flight in self._flights if flight is not batch]
        return landed


def worth_a_retry(error: errors.DeliveryError | None) -> bool:
    """Return whether the same request may be answered otherwise after a pause."""
    return isinstance(error, errors.Retry | errors.StoreError | errors.QuotaError)


def check_positive(kind: Any, **numbers: Any) -> None:
    """Raise UsageError if one of the numbers cannot be used."""
    for name, number in numbers.items():
        if type(number) is bool or not isinstance(number, kind) or not 0 < number < 2**53:
            what = "a whole number" if kind is int else "a number"
            raise errors.UsageError(f"{name} must be {what} above 0, not {number!r}.")


def backoff(attempt: int, first: float, longest: float) -> float:
    """Return the seconds to wait before the next attempt: exponential, with jitter."""
    return min(longest, first * 2.0 ** min(attempt, 30)) * random.uniform(0.5, 1)
