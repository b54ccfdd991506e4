"""What a store has to do, and the stores in memory: they live as long as the process."""

from __future__ import annotations

import time
import uuid
from typing import Any, NamedTuple, Protocol

from .inbox_state import Progress, StoredReply
from .send_window import Identity


class Saved(NamedTuple):
    """What an outbox finds in its store when it opens."""

    identity: Identity
    base: int
    texts: list[str]


def new_identity(producer: str | None = None, epoch: int = 0) -> Identity:
    """Mint a producer id, or keep the one given; the epoch is later than the one before."""
    now = time.time_ns() // 1000
    return Identity(producer or str(uuid.uuid4()), max(now, epoch + 1))


class OutboxStore(Protocol):
    """Keeps the messages of one outbox. `durable`: its methods write to a disk, in a thread."""

    durable: bool

    def load(self) -> Saved:
        """Give what the last outbox left, with a new epoch."""

    def save(self, base: int, first: int, texts: list[str]) -> None:
        """Forget all below `base` and append messages from `first` on: all or nothing."""

    def close(self) -> None:
        """Close it; harmless when it is closed already."""


class InboxStore(Protocol):
    """Keeps the effects of handlers and the progress of producers, in one transaction.

    The inbox calls `begin`, then for each message `savepoint`, the handler, and `undo` if it
    raised; for each batch `save`; and at last `commit`. If `durable`, it commits in a thread
    and takes many batches into one transaction.

    Attributes
    ----------
    db : Any
        What handlers write to.
    """

    durable: bool
    db: Any

    def begin(self) -> None:
        """Begin a transaction."""

    def commit(self) -> None:
        """Make it last; when it returns, all is on disk."""

    def rollback(self) -> None:
        """Undo it; harmless when there is none."""

    def savepoint(self) -> None:
        """Begin the effects of one message."""

    def undo(self) -> None:
        """Undo them."""

    def is_store_failure(self, error: BaseException) -> bool:
        """Whether an error that a handler raised is the store's trouble, not its own."""

    def progress(self, producer: str) -> Progress:
        """Give how far a producer has come."""

    def kept(self, producer: str, first: int, count: int) -> list[StoredReply]:
        """Give what is kept of messages that were applied."""

    def save(self, producer: str, progress: Progress, first: int, kept: list[StoredReply]) -> None:
        """Note progress; keep `kept` from sequence number `first` on; forget all below floor."""

    def forget(self, seconds: float) -> int:
        """Forget producers that were silent for so long; give how many."""

    def close(self) -> None:
        """Close it; harmless when it is closed already."""


class MemoryOutboxStore:
    """Keeps nothing beyond the outbox itself: what is unapplied dies with the process."""

    durable = False

    def load(self) -> Saved:
        """Give a new identity, and no messages."""
        return Saved(new_identity(), 0, [])

    def save(self, base: int, first: int, texts: list[str]) -> None:
        """Do nothing: the outbox has the messages."""

    def close(self) -> None:
        """Do nothing."""


class UndoDict(dict[Any, Any]):
    """A dict that can undo ``d[key] = value``, ``del d[key]`` and ``pop``, and only these.

    Assign new values; to change a value in place, as in ``d[key].append(1)``, cannot be undone.
    """

    def __init__(self) -> None:
        super().__init__()
        self._before: list[tuple[Any, Any]] = []

    def __setitem__(self, key: Any, value: Any) -> None:
        self._before.append((key, self.get(key, self)))
        super().__setitem__(key, value)

    def __delitem__(self, key: Any) -> None:
        value = self[key]
        super().__delitem__(key)
        self._before.append((key, value))

    def pop(self, key: Any, *default: Any) -> Any:
        """Remove a key and give its value."""
        if key not in self:
            return super().pop(key, *default)
        value = self[key]
        del self[key]
        return value

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise TypeError("This dict can undo d[key] = value, del d[key] and pop() only. Use these.")

    clear = popitem = setdefault = update = __ior__ = _refuse

    def savepoint(self) -> None:
        """Let `undo` go back to here."""
        self._before.clear()

    def undo(self) -> None:
        """Go back to the savepoint."""
        while self._before:
            key, value = self._before.pop()
            if value is self:
                super().pop(key)
            else:
                super().__setitem__(key, value)


class MemoryInboxStore:
    """Keeps all in dicts; the handlers' ``db`` is an :class:`UndoDict`."""

    durable = False

    def __init__(self) -> None:
        self.db = UndoDict()
        self._progress: dict[str, tuple[Progress, float]] = {}
        self._kept: dict[str, dict[int, StoredReply]] = {}

    def begin(self) -> None:
        """Do nothing: the inbox takes one batch at a time, and `save` comes last."""

    def commit(self) -> None:
        """Do nothing."""

    def rollback(self) -> None:
        """Undo the message at work."""
        self.db.undo()

    def savepoint(self) -> None:
        """Begin the effects of one message."""
        self.db.savepoint()

    def undo(self) -> None:
        """Undo them."""
        self.db.undo()

    def is_store_failure(self, error: BaseException) -> bool:
        """Return False: a dict has no trouble of its own."""
        return False

    def progress(self, producer: str) -> Progress:
        """Give how far a producer has come."""
        return self._progress.get(producer, (Progress(), 0.0))[0]

    def kept(self, producer: str, first: int, count: int) -> list[StoredReply]:
        """Give what is kept of messages that were applied."""
        kept = self._kept[producer]
        return [kept[number] for number in range(first, first + count) if number in kept]

    def save(self, producer: str, progress: Progress, first: int, kept: list[StoredReply]) -> None:
        """Note progress, keep replies, forget those below the floor."""
        replies = self._kept.setdefault(producer, {})
        for sequence in range(self.progress(producer).floor, progress.floor):
            replies.pop(sequence, None)
        replies.update(enumerate(kept, first))
        self._progress[producer] = (progress, time.time())

    def forget(self, seconds: float) -> int:
        """Forget producers that were silent for so long; give how many."""
        last = time.time() - seconds
        silent = [name for name, (_, seen) in self._progress.items() if seen <= last]
        for name in silent:
            del self._progress[name], self._kept[name]
        return len(silent)

    def close(self) -> None:
        """Do nothing: another inbox may go on with this store."""
