"""What a store must do, and the stores in memory, which last as long as the process."""

from __future__ import annotations

import time
import uuid
from typing import Any, NamedTuple, Protocol

from ..errors import UsageError
from .inbox_state import Progress, StoredReply
from .send_window import Identity


class Saved(NamedTuple):
    """What an outbox loads from its store when it opens."""

    identity: Identity
    base: int
    texts: list[str]


def new_identity(producer: str | None = None, epoch: int = 0) -> Identity:
    """Return an identity with a new producer id, or the given one, and a higher epoch."""
    now = time.time_ns() // 1000
    return Identity(producer or str(uuid.uuid4()), max(now, epoch + 1))


class OutboxStore(Protocol):
    """Keeps the messages of one outbox. If `durable`, `save` is called in a thread."""

    durable: bool

    def load(self) -> Saved:
        """Return what the last outbox left, with a new epoch."""

    def save(self, base: int, first: int, texts: list[str]) -> None:
        """Delete messages below `base` and append `texts` from `first` on, atomically."""

    def close(self) -> None:
        """Close the store; may be called twice."""


class InboxStore(Protocol):
    """Keeps the effects of handlers and the progress of producers, in one transaction.

    The inbox calls `begin`; for each message `savepoint`, the handler, and `undo` if it raised;
    after each batch `save`; and finally `commit`. If `durable`, `commit` is called in a thread,
    for many batches at once.

    Attributes
    ----------
    db : Any
        What handlers get as their first argument.
    """

    durable: bool
    db: Any

    def begin(self) -> None:
        """Begin a transaction."""

    def commit(self) -> None:
        """Commit the transaction; if `durable`, return when it is on disk."""

    def rollback(self) -> None:
        """Roll the transaction back, if there is one."""

    def savepoint(self) -> None:
        """Mark where the effects of one message begin."""

    def undo(self) -> None:
        """Undo the effects since the savepoint."""

    def is_store_failure(self, error: BaseException) -> bool:
        """Return whether a handler's error comes from the store, not from the handler."""

    def progress(self, producer: str) -> Progress:
        """Return how far a producer has come."""

    def kept(self, producer: str, first: int, count: int) -> list[StoredReply]:
        """Return the stored replies to `count` messages from `first` on."""

    def save(self, producer: str, progress: Progress, first: int, kept: list[StoredReply]) -> None:
        """Store progress, and replies from `first` on; delete those below ``progress.floor``."""

    def forget(self, seconds: float) -> int:
        """Delete producers that sent nothing for so long; return how many."""

    def close(self) -> None:
        """Close the store; may be called twice."""


class MemoryOutboxStore:
    """Stores nothing: messages without a reply are lost when the process ends."""

    durable = False

    def load(self) -> Saved:
        return Saved(new_identity(), 0, [])

    def save(self, base: int, first: int, texts: list[str]) -> None:
        """Do nothing: the outbox itself holds the messages."""

    def close(self) -> None:
        pass


class UndoDict(dict[Any, Any]):
    """A dict that can undo ``d[key] = value``, ``del d[key]`` and ``pop()``, and refuses the rest.

    Assign new values: a change in place, such as ``d[key].append(1)``, cannot be undone.
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
        if key not in self:
            return super().pop(key, *default)
        value = self[key]
        del self[key]
        return value

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise UsageError("This dict can undo d[key] = value, del d[key] and pop() only. Use these.")

    clear = popitem = setdefault = update = __ior__ = _refuse

    def savepoint(self) -> None:
        """Mark where `undo` goes back to."""
        self._before.clear()

    def undo(self) -> None:
        while self._before:
            key, value = self._before.pop()
            if value is self:
                super().pop(key)
            else:
                super().__setitem__(key, value)


class MemoryInboxStore:
    """Keeps everything in dicts; the handlers' ``db`` is an :class:`UndoDict`."""

    durable = False

    def __init__(self) -> None:
        self.db = UndoDict()
        self._progress: dict[str, tuple[Progress, float]] = {}
        self._kept: dict[str, dict[int, StoredReply]] = {}

    def begin(self) -> None:
        """Do nothing: the inbox applies one batch at a time, and `save` comes last."""

    def commit(self) -> None:
        pass

    def rollback(self) -> None:
        """Undo the current message."""
        self.db.undo()

    def savepoint(self) -> None:
        self.db.savepoint()

    def undo(self) -> None:
        self.db.undo()

    def is_store_failure(self, error: BaseException) -> bool:
        """Return False: dicts do not fail."""
        return False

    def progress(self, producer: str) -> Progress:
        return self._progress.get(producer, (Progress(), 0.0))[0]

    def kept(self, producer: str, first: int, count: int) -> list[StoredReply]:
        kept = self._kept[producer]
        return [kept[number] for number in range(first, first + count) if number in kept]

    def save(self, producer: str, progress: Progress, first: int, kept: list[StoredReply]) -> None:
        replies = self._kept.setdefault(producer, {})
        for sequence in range(self.progress(producer).floor, progress.floor):
            replies.pop(sequence, None)
        replies.update(enumerate(kept, first))
        self._progress[producer] = (progress, time.time())

    def forget(self, seconds: float) -> int:
        last = time.time() - seconds
        silent = [name for name, (_, seen) in self._progress.items() if seen <= last]
        for name in silent:
            del self._progress[name], self._kept[name]
        return len(silent)

    def close(self) -> None:
        """Do nothing: another inbox may use this store next."""
