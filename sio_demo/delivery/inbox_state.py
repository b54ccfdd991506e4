"""How an inbox tracks a producer and judges a hello and a batch. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..errors import ConflictError, FencedError, SequenceError, UnknownProducerError
from .message import Batch, Hello, Message


class StoredReply(NamedTuple):
    """What is stored about an applied message until the producer confirms its reply."""

    id: str
    reply: str


class Progress(NamedTuple):
    """How far a producer has come: all that is stored about it permanently.

    `user` is whom it was issued to. `next` is the sequence number to apply next; it has been
    tried `attempts` times. Replies are stored from `floor` on.
    """

    user: str | None = None
    epoch: int = 0
    floor: int = 0
    next: int = 0
    attempts: int = 0


def checked(progress: Progress | None, user: str | None) -> Progress:
    """Return the progress of a producer, if it belongs to the user.

    Raises
    ------
    UnknownProducerError
        It was never issued, or is forgotten, or is another user's: the text does not say which.
    """
    if progress is None or progress.user != user:
        raise UnknownProducerError(
            "This inbox has issued no such producer to this user, or has forgotten it. Was its "
            "store lost or restored from a backup?"
        )
    return progress


def welcomed(hello: Hello, progress: Progress) -> Progress:
    """Return the progress with the epoch of this connection.

    An outbox that has just started gets a new epoch, and so fences the one before it.

    Raises
    ------
    FencedError
        A later outbox has taken over the producer.
    """
    if 0 < hello.epoch < progress.epoch:
        raise _fenced(hello.epoch, progress)
    same = hello.epoch == progress.epoch > 0
    return progress if same else progress._replace(epoch=progress.epoch + 1)


def _fenced(epoch: int, progress: Progress) -> FencedError:
    return FencedError(
        f"The producer was taken over by an outbox opened later (epoch {progress.epoch}, this is "
        f"{epoch}). Give each client an outbox of its own."
    )


def duplicates(batch: Batch, progress: Progress) -> int:
    """Return how many messages at the start of a batch have been applied already.

    Raises
    ------
    FencedError
        A later outbox has taken over the producer.
    UnknownProducerError
        This inbox never issued the epoch.
    SequenceError
        Messages are missing before the batch, or it starts below what was confirmed.
    """
    if batch.epoch < progress.epoch:
        raise _fenced(batch.epoch, progress)
    if batch.epoch > progress.epoch:
        raise UnknownProducerError(f"Epoch {batch.epoch} was never issued. Say hello first.")
    if batch.first > progress.next:
        raise SequenceError(
            f"The sequence jumps: expected {progress.next}, got {batch.first}. Messages are "
            "missing, or the inbox lost its store."
        )
    if batch.first < progress.floor:
        raise SequenceError(
            f"The sequence goes back to {batch.first}, but all below {progress.floor} was "
            "confirmed. Was the outbox restored from a copy?"
        )
    return min(progress.next, batch.end) - batch.first


def check_same(first: int, messages: Sequence[Message], kept: Sequence[StoredReply]) -> None:
    """Compare the duplicates at the start of a batch with the messages that were applied.

    Raises
    ------
    ConflictError
        A sequence number was used for a different message before.
    """
    for index, (message, old) in enumerate(zip(messages, kept, strict=False)):
        if message.id != old.id:
            raise ConflictError(
                f"Another message with the number {first + index} was applied before. Was the "
                "outbox copied, or restored from a copy?"
            )


def advanced(batch: Batch, progress: Progress, count: int) -> Progress:
    """Return the progress after the first `count` messages of a batch were applied."""
    floor = max(progress.floor, batch.confirmed)
    ahead = max(progress.next, batch.first + count)
    attempts = progress.attempts if ahead == progress.next else 0
    return progress._replace(floor=floor, next=ahead, attempts=attempts)
