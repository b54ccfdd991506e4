"""The server's half of delivery to clients: a log for each topic, read from any offset."""

import asyncio
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import socketio

from ..errors import DeliveryError, ForbiddenError, StoreError, UsageError
from .message import FEED, LARGEST, Answer, Batch, Page, Question, check_topic, id_of, write_message
from .queues import Queues
from .receiver import arguments
from .stores import InboxStore, MemoryInboxStore
from .transactions import CLOSE, Transactions, check_vacant, log, raise_end, settled

ENTRIES = 500  # in a page
QUESTIONS = 1000  # of one connection that wait: a client may follow many topics
LOOKUPS = 8  # of one connection at a time, with `may_read`


class Feed:
    """Appends entries to topics; every :class:`~sio_demo.delivery.follower.Follower` reads all.

    An entry is appended in a transaction of the store: with the effects of an inbox's handler, or
    in `transaction`. Its offset is the number of entries before it. The topic is locked until the
    commit, so who has seen an offset has seen all below it. (Two transactions that append to the
    same topics, each in another order, may wait for each other.)

    `publish` sends what is new, but not to clients of this process that do not read. It may be
    lost, or come twice: followers ask for what they miss when they connect, when they see a gap,
    and from time to time, and skip what they have.

    Parameters
    ----------
    sio : socketio.AsyncServer
    store : InboxStore, optional
        The store of an inbox, or one of its own; `MemoryInboxStore` is the default. In memory the
        log is lost with the process, and its followers must `restart`.
    namespace : str
        The Socket.IO namespace.
    may_read : callable, optional
        Called with a sid and a topic at every request; returns whether that client may read it,
        or an awaitable of that. Without it, everybody may read everything. When a right is
        withdrawn, call `remove`: the room of the topic does not ask.
    """

    def __init__(
        self,
        sio: socketio.AsyncServer,
        store: Any = None,
        *,
        namespace: str = "/",
        may_read: Callable[[str, str], Any] | None = None,
    ) -> None:
        check_vacant(sio, socketio.AsyncServer, namespace, FEED, "feed")
        if may_read is not None:
            arguments(may_read, 2)
        self.store: Any = MemoryInboxStore() if store is None else store
        self._transactions = Transactions(self.store)
        self._sio, self._namespace, self._may_read = sio, namespace, may_read
        self._appended: dict[int, set[str]] = {}  # topics, by id(db), in `transaction`
        self._published: dict[str, int] = {}  # the offset up to which a topic was sent
        self._sending = defaultdict[Any, asyncio.Lock](asyncio.Lock)  # of each event loop
        self._tasks: set[asyncio.Task[None]] = set()
        self._due: set[str] = set()  # topics to publish
        self._removals = 0
        self._questions = Queues(sio, namespace, QUESTIONS, LOOKUPS)
        sio.on(FEED, self._answer, namespace=namespace)

    def append(self, db: Any, topic: str, event: str, payload: Any = None) -> Any:
        """Append an entry in the transaction of `db`; to be awaited with a `PostgresInboxStore`.

        Raises PayloadError: the payload is not JSON, or too long for a packet.
        """
        check_topic(topic)
        if not self._transactions.is_open(db):
            raise UsageError("Append in a transaction of the feed's store, with its `db`.")
        self._appended.get(id(db), set()).add(topic)
        return self.store.append(db, topic, str(uuid.uuid4()), write_message(event, payload))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        """Yield a ``db`` for `append` and for effects; commit it, and then publish."""
        async with self._transactions.one() as store:
            topics = self._appended[id(store.db)] = set()
            yield store.db
        for topic in topics:  # in tasks, so that what is appended meanwhile goes with it
            self._tasks.add(task := asyncio.create_task(self.publish(topic)))
            task.add_done_callback(self._tasks.discard)

    async def publish(self, topic: str) -> None:
        """Send what is new in a topic to those who follow it; call it after the commit.

        If it fails, that is logged: followers will ask.
        """
        check_topic(topic)
        self._transactions.check()
        self._due.add(topic)
        async with self._sending[asyncio.get_running_loop(), topic]:
            try:
                while topic in self._due:
                    self._due.discard(topic)  # what is appended from here on is due again
                    if await self._send_page(topic):
                        self._due.add(topic)
            except Exception:
                log.warning("%s was not published", topic, exc_info=True)

    async def _send_page(self, topic: str) -> bool:
        """Send the next entries, or only the last if others have sent most; return if more are."""
        async with self._transactions.one() as store:
            page = await _page(store, topic, self._published.get(topic))
            if page.entries is not None and page.end - page.entries.end > 10 * ENTRIES:
                page = await _page(store, topic, None)
        if page.entries is None or not page.entries.messages:
            return False
        slow = self._questions.slow(room := _room(topic))  # they will see a gap, and ask
        await self._sio.emit(FEED, page.to_wire(), room, skip_sid=slow, namespace=self._namespace)
        self._published[topic] = page.entries.end
        return page.entries.end < page.end

    async def trim(self, topic: str, keep: int) -> None:
        """Delete all entries of a topic but the last `keep`, which is at least 1.

        Followers that have not read them go on behind them, with a `GapError`.
        """
        check_topic(topic)
        if type(keep) is not int or keep < 1:
            raise UsageError("Keep at least 1 entry.")
        async with self._transactions.one() as store:
            head = await settled(store.log(topic))
            if head is not None and head.end > keep:  # the one before has the id to compare with
                await settled(store.trim(topic, head.end - keep - 1))

    async def remove(self, sid: str, topic: str) -> None:
        """Send no more of a topic to a client, whose right to read was withdrawn before."""
        check_topic(topic)
        self._removals += 1
        await self._sio.leave_room(sid, _room(topic), namespace=self._namespace)

    async def close(self) -> None:
        """Publish the rest, and close the store, unless an inbox uses it; may be called twice."""
        self._transactions.check_loop()
        await asyncio.gather(*self._tasks)
        await self._transactions.close(CLOSE)

    async def _answer(self, sid: str, question: Any = None, *_: Any) -> dict[str, Any]:
        """Handle a request: join the room first, then read, so that nothing falls in between."""
        try:
            asked = Question.from_wire(question)
            async with self._questions.turn(sid):
                return (await self._read(sid, asked)).to_wire()
        except BaseException as error:
            raise_end(error)
            if not isinstance(error, DeliveryError):
                log.exception("A request to a feed failed")
                error = StoreError(f"The feed failed: {type(error).__name__}.")
            return Answer(0, [], error).to_wire()

    async def _read(self, sid: str, asked: Question) -> Page:
        while True:
            before = self._removals
            if self._may_read and not await settled(self._may_read(sid, asked.topic)):
                await self.remove(sid, asked.topic)
                raise ForbiddenError(f"This client may not read {asked.topic!r}.")
            if not self._sio.manager.is_connected(sid, self._namespace):  # internal
                raise StoreError("The client has gone meanwhile.")
            await self._sio.enter_room(sid, _room(asked.topic), namespace=self._namespace)
            async with self._transactions.one() as store:
                self._questions.check(sid)
                page = await _page(store, asked.topic, asked.next)
            if before == self._removals:  # else perhaps it may read no more
                return page


async def _page(store: InboxStore, topic: str, first: int | None) -> Page:
    """Read entries from `first`, or the last, and the one before, whose id followers compare."""
    head = await settled(store.log(topic))
    if head is None:
        return Page(topic, 0, None)
    if first is None:
        first = max(head.end - 1, 0)
    found = await settled(store.entries(topic, max(first - 1, 0), ENTRIES + 1, LARGEST))
    after = ""
    if found and (first or found[0].offset):
        first, after = found[0].offset + 1, id_of(found[0].text)
        found = found[1:] or await settled(store.entries(topic, first, 1, LARGEST))
    batch = Batch(head.id, 0, first, after, first, [text for _, text in found])
    return Page(topic, max(head.end, batch.end if found else 0), batch)


def _room(topic: str) -> str:
    return f"feed {topic}"
