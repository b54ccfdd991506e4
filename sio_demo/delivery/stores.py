"""The stores in memory, which last as long as the process; they say what every store does."""

from __future__ import annotations

import itertools
import time
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

from ..errors import UsageError
from .inbox_state import Progress, StoredReply
from .message import Hello, Message

if TYPE_CHECKING:
    from .postgres_inbox import PostgresTransaction
    from .sqlite_inbox import SQLiteInboxStore
    from .sqlite_outbox import SQLiteOutboxStore

OutboxStore: TypeAlias = "MemoryOutboxStore | SQLiteOutboxStore"
InboxStore: TypeAlias = "MemoryInboxStore | SQLiteInboxStore | PostgresTransaction"
Row = TypeVar("Row")


class Saved(NamedTuple):
    """What an outbox loads from its store when it opens."""

    identity: Hello
    base: int
    after: str
    texts: list[str]


class Letter(NamedTuple):
    """A message that the inbox has put aside; see `Inbox.dead_letters` and `Inbox.after_commit`."""

    producer: str
    sequence: int
    user: str | None
    text: str
    error: str = ""


class Received(NamedTuple):
    """A message and who sent it: a handler's third argument, if it needs three.

    `sid` is None when the message is replayed, and after the commit.
    """

    id: str
    event: str
    payload: Any
    user: str | None
    sid: str | None
    producer: str

    @classmethod
    def of(cls, message: Message, letter: Letter, sid: str | None = None) -> Received:
        """Return a message, as it was read in a letter."""
        return cls(*message[:3], letter.user, sid, letter.producer)


class Log(NamedTuple):
    """A topic's log: its id, a UUID, and the offset of the entry to come."""

    id: str
    end: int


class Entry(NamedTuple):
    """An entry of a topic's log, as a text of `write_message`."""

    offset: int
    text: str


class MemoryOutboxStore:
    """Stores nothing: messages without a reply are lost when the process ends.

    A store belongs to one outbox, and is `taken` by it. If it is `durable`, all but `load` and
    `close` are called in a thread.
    """

    durable = taken = False

    def load(self) -> Saved:
        """Return what the last outbox left, with an epoch that counts this start too."""
        return Saved(Hello(str(uuid.uuid4())), 0, "", [])

    def known(self) -> None:
        """Store that the inbox knows the producer."""

    def save(self, base: int, first: int, texts: list[str], after: str) -> None:
        """At once, delete up to the id `after`, below `base`; append `texts`, `first` and on."""

    def restart(self, texts: list[str]) -> Hello:
        """Make a new producer id, with `texts` as its messages from 0 on, and no others."""
        return Hello(str(uuid.uuid4()))

    def close(self) -> None:
        """Close the store; may be called twice."""


class UndoDict(dict[Any, Any]):
    """A dict that can undo ``d[key] = value``, ``del d[key]`` and ``pop()``, and refuses the rest.

    Assign new values: a change in place, such as ``d[key].append(1)``, cannot be undone.
    """

    def __init__(self) -> None:
        super().__init__()
        self._before: list[tuple[Any, Any]] = []
        self._marked = 0

    def __setitem__(self, key: Any, value: Any) -> None:
        self._before.append((key, self.get(key, self)))
        super().__setitem__(key, value)

    def __delitem__(self, key: Any) -> None:
        self.pop(key)

    def pop(self, key: Any, *default: Any) -> Any:
        if key in self:
            self._before.append((key, self[key]))
        return super().pop(key, *default)

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise UsageError("This dict can undo d[key] = value, del d[key] and pop() only. Use these.")

    clear = popitem = setdefault = update = __ior__ = _refuse

    def keep(self) -> None:
        self._before.clear()
        self._marked = 0

    def savepoint(self) -> None:
        self._marked = len(self._before)

    def roll_back(self) -> None:
        self._marked = 0
        self.undo()

    def undo(self) -> None:
        while len(self._before) > self._marked:
            key, value = self._before.pop()
            if value is self:
                super().pop(key)
            else:
                super().__setitem__(key, value)


class MemoryInboxStore:
    """Keeps everything in dicts; the handlers' ``db`` is an :class:`UndoDict`.

    A store keeps the effects of handlers and the progress of producers, in one transaction. The
    inbox calls `begin`; for each message `savepoint`, the handler, and `undo` if it raised; after
    each batch `save`; and finally `commit`. If `durable`, `commit` is called in a thread, for many
    batches at once. If it raises another error than a `StoreError`, an effect is to blame: the
    inbox undoes all and tries the messages one by one.

    A store that does many transactions at the same time has ``concurrent = True``, and
    ``transaction(careful)`` yields them: their methods are coroutine functions.
    """

    durable = concurrent = False

    def __init__(self) -> None:
        self.db = UndoDict()
        self._progress: dict[str, Progress] = {}
        self._seen: dict[str, float] = {}
        self._owned: Counter[str | None] = Counter()  # producers of each user
        self._kept: dict[str, dict[int, StoredReply]] = {}
        self._aside = UndoDict()  # (box, letter): its number
        self._numbers = itertools.count(1)
        self._trimmed: dict[str, int] = {}  # the first entry that is left of a topic

    def begin(self) -> None:
        """Begin a transaction; raise StoreError if another process is in one."""

    def commit(self) -> None:
        """Commit the transaction; if `durable`, return when it is on disk."""
        self.db.keep()
        self._aside.keep()

    def rollback(self) -> None:
        """Roll the transaction back, if there is one; here, to the latest `save`."""
        self.db.roll_back()
        self._aside.roll_back()

    def savepoint(self) -> None:
        """Mark where the effects of one message begin."""
        self.db.savepoint()

    def undo(self) -> None:
        """Undo the effects since the savepoint."""
        self.db.undo()

    def is_store_failure(self, error: BaseException) -> bool:
        """Return whether an error comes from the store, not from a handler."""
        return False

    def is_contention(self, error: BaseException) -> bool:
        """Return whether a handler has met another transaction, and is to be called again."""
        return False

    def owned(self, user: str | None, limit: int) -> int:
        """Return how many producers a user has; `limit` if they are more."""
        return min(limit, self._owned[user])

    def progress(self, producer: str) -> Progress | None:
        """Return how far a producer has come; None if it is not known."""
        return self._progress.get(producer)

    def kept(self, producer: str, first: int, count: int, size: int) -> list[StoredReply]:
        """Return the stored replies to `count` messages, at least one, about `size` characters."""
        kept = self._kept.get(producer, {})
        return fitting((kept[n] for n in range(first, first + count) if n in kept), size)

    def save(self, producer: str, progress: Progress, first: int, kept: list[StoredReply]) -> None:
        """Store progress, and replies from `first` on; delete those below ``progress.floor``."""
        replies = self._kept.setdefault(producer, {})
        if producer not in self._progress:
            self._owned[progress.user] += progress.epoch > 0  # a topic has none
        before = self._progress.get(producer, progress)
        for sequence in range(before.floor, progress.floor):
            replies.pop(sequence, None)
        replies.update(enumerate(kept, first))
        self._progress[producer], self._seen[producer] = progress, time.time()
        self.commit()

    def put_aside(self, box: str, letter: Letter) -> None:
        """Put a message into a box, ``"dead"`` or ``"after"``."""
        self._aside[box, letter] = next(self._numbers)

    def aside(self, box: str) -> list[Letter]:
        """Return what is in a box, oldest first."""
        in_order = sorted(self._aside, key=self._aside.__getitem__)
        return [letter for name, letter in in_order if name == box]

    def take_out(self, box: str, letter: Letter) -> Any:
        """Take a message out of a box; what is returned is true if it was there."""
        return self._aside.pop((box, letter), None)

    def touch(self, producers: Collection[str]) -> None:
        """Note that producers are, or were just, in contact."""
        self._seen.update(dict.fromkeys(self._seen.keys() & producers, time.time()))

    def forget(self, seconds: float, keep: Collection[str]) -> int:
        """Delete producers without contact for so long, but no topics: those have no epoch."""
        last = time.time() - seconds
        known = [name for name, progress in self._progress.items() if progress.epoch]
        silent = [name for name in known if self._seen[name] <= last and name not in keep]
        for name in silent:
            self._owned[self._progress[name].user] -= 1
            del self._progress[name], self._seen[name]
            self._kept.pop(name, None)
        return len(silent)

    def append(self, db: UndoDict, topic: str, log: str, text: str) -> None:
        """Append an entry in the transaction of `db`; `log` is the id of a log that is new.

        The counter of a topic stays locked until the commit, so offsets become visible in order.
        """
        log, end = db.get(("feed", topic), (log, 0))
        db["feed", topic, end] = text
        db["feed", topic] = Log(log, end + 1)

    def log(self, topic: str) -> Log | None:
        return self.db.get(("feed", topic))

    def entries(self, topic: str, first: int, count: int, size: int) -> list[Entry]:
        """Return `count` entries from `first` on, at least one, about `size` characters."""
        first = max(first, self._trimmed.get(topic, 0))
        keys = [("feed", topic, offset) for offset in range(first, first + count)]
        return fitting((Entry(key[2], self.db[key]) for key in keys if key in self.db), size)

    def trim(self, topic: str, first: int) -> None:
        """Delete the entries below `first`."""
        for offset in range(self._trimmed.get(topic, 0), first):
            del self.db["feed", topic, offset]
            self._trimmed[topic] = offset + 1

    def close(self) -> None:
        """Close the store; may be called twice."""


def fitting(
    rows: Iterable[Row], size: int, length: Callable[[Any], int] = lambda row: len(row[1])
) -> list[Row]:
    """Return the first rows, at least one, whose texts make no more than `size` characters."""
    found: list[Row] = []
    for one in rows:
        size -= length(one)
        if found and size < 0:
            break
        found.append(one)
    return found
