"""How an inbox tracks a producer and judges a hello and a batch. No I/O."""

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

    `user` is whose it is; `epoch` and `start` name the outbox that may send. `next` is the
    sequence number to apply next; it has been tried `attempts` times. `last` is the id of the
    message before it. Replies are stored from `floor` on.
    """

    user: str | None = None
    epoch: int = 0
    start: str = ""
    last: str = ""
    floor: int = 0
    next: int = 0
    attempts: int = 0


def checked(progress: Progress | None, user: str | None) -> Progress:
    """Return the progress of a producer of the user; what is another's is as unknown."""
    if progress is None or progress.user != user:
        raise UnknownProducerError(
            "This inbox knows no such producer of this user, or has forgotten it. Was its store "
            "lost or restored from a backup?"
        )
    return progress


def welcomed(hello: Hello, progress: Progress | None, user: str | None) -> Progress:
    """Return the progress at a connection's start: of a new producer, or with its new outbox."""
    if progress is None and hello.epoch and not hello.known:
        return Progress(user, hello.epoch, hello.start)
    progress = checked(progress if progress and progress.epoch else None, user)  # no topic
    if (hello.epoch, hello.start) == (progress.epoch, progress.start):
        return progress
    if hello.epoch <= progress.epoch:
        raise _fenced(hello.epoch, progress)
    return progress._replace(epoch=hello.epoch, start=hello.start)


def _fenced(epoch: int, progress: Progress) -> FencedError:
    return FencedError(
        f"The producer was taken over by another outbox (epoch {progress.epoch}, this is {epoch}). "
        "Was the store copied? Give each client an outbox of its own."
    )


def duplicates(batch: Batch, progress: Progress) -> int:
    """Return how many messages at the start of a batch have been applied already."""
    if batch.epoch < progress.epoch:
        raise _fenced(batch.epoch, progress)
    if batch.epoch > progress.epoch:
        raise UnknownProducerError(f"Epoch {batch.epoch} has not said hello to this inbox.")
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


def check_same(
    batch: Batch, messages: Sequence[Message], kept: Sequence[StoredReply], progress: Progress
) -> None:
    """Compare a batch with what was applied: its duplicates, or the message before it."""
    if batch.first == progress.next and batch.after != progress.last:
        raise _conflict(batch.first - 1)
    for index, (message, old) in enumerate(zip(messages, kept, strict=False)):
        if message.id != old.id:
            raise _conflict(batch.first + index)


def _conflict(number: int) -> ConflictError:
    return ConflictError(
        f"Another message with the number {number} was applied before. Was the outbox copied, or "
        "restored from a copy?"
    )


def advanced(batch: Batch, progress: Progress, new: Sequence[StoredReply]) -> Progress:
    """Return the progress after the new messages of a batch were applied."""
    floor = max(progress.floor, batch.confirmed)
    if not new:
        return progress._replace(floor=floor)
    ahead = progress.next + len(new)
    return progress._replace(floor=floor, next=ahead, last=new[-1].id, attempts=0)
