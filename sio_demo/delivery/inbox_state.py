"""How an inbox tracks a producer and judges a batch. No I/O."""

from __future__ import annotations

from typing import NamedTuple

from ..errors import ConflictError, FencedError, SequenceError
from .message import Batch, digest


class StoredReply(NamedTuple):
    """What is stored about an applied message until the producer confirms its reply."""

    digest: bytes
    reply: str


class Progress(NamedTuple):
    """How far a producer has come: all that is stored about it permanently.

    `next` is the sequence number to apply next. Replies are stored from `floor` on.
    """

    epoch: int = 0
    floor: int = 0
    next: int = 0


def duplicates(batch: Batch, progress: Progress) -> int:
    """Return how many messages at the start of a batch have been applied already.

    Raises
    ------
    FencedError
        A later outbox has taken over the producer id.
    SequenceError
        Messages are missing before the batch, or it starts below what was confirmed.
    """
    if batch.epoch < progress.epoch:
        raise FencedError(
            f"The producer {batch.producer} was taken over by an outbox opened later (epoch "
            f"{progress.epoch}, this is {batch.epoch}). Give each client an outbox of its own."
        )
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


def check_same(batch: Batch, kept: list[StoredReply]) -> None:
    """Compare the duplicates at the start of a batch with the messages that were applied.

    Raises
    ------
    ConflictError
        A sequence number was used for a different message before.
    """
    for index, (text, old) in enumerate(zip(batch.messages, kept, strict=False)):
        if digest(text) != old.digest:
            raise ConflictError(
                f"Message {batch.first + index} of producer {batch.producer} was applied with "
                "another payload. Was the outbox restored from a copy?"
            )


def advanced(batch: Batch, progress: Progress) -> Progress:
    """Return the progress after a batch was applied."""
    floor = max(progress.floor, batch.confirmed)
    return Progress(batch.epoch, floor, max(progress.next, batch.end))
