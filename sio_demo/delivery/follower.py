"""The client's half of delivery to clients: reads each entry of a topic once, in order."""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import socketio
from socketio.exceptions import SocketIOError

from .. import errors
from .inbox_state import Progress
from .message import FEED, NOTHING, Batch, Page, Question, check_topic, id_of, in_words, read_reply
from .receipt import Promise
from .receiver import Receiver, arguments
from .send_window import backoff, check_positive, worth_a_retry
from .transactions import check_vacant, log, raise_end, settled
from .turns import Session

WAITING = 16  # pages of a topic that wait to be applied; what else comes is asked for later
SLOW = 16  # intervals in which an answer is asked for once more


@dataclass(slots=True, eq=False)
class Reading:
    """A topic that is followed."""

    topic: str
    progress: Progress = field(default_factory=Progress)  # start: the log's id, next: the offset
    arrived: deque[tuple[Any, int | None]] = field(default_factory=deque)
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    caught_up: Promise = field(default_factory=Promise)
    due: float = 0.0  # the time of the next request
    asked: Question | None = None  # on this connection, without an answer yet
    task: asyncio.Task[None] = field(init=False)


class Follower(Receiver):
    """Reads topics of a :class:`~sio_demo.delivery.feed.Feed`: effectively once, in order.

    Register a handler for each event with `on`, then `follow` topics. One transaction of the store
    commits the handler's effects in ``db`` and the offset. It uses a connection that is made and
    kept by others, the client itself or an outbox, and asks again after each reconnect.

    If a handler raises, its effects are undone, and the entry counts as read: the error is logged
    and in `last_error`. If it raises `Retry`, or the event has no handler yet, it is called again
    after a pause, and the later entries of its topic wait.

    Parameters
    ----------
    client : socketio.AsyncClient
    store : InboxStore, optional
        Holds effects and offsets, as that of an inbox does. It knows topics by their names, so
        have one for each server and namespace.
    namespace : str
        The Socket.IO namespace of the feed.
    retry_limit : int, optional
        How many attempts an entry gets before it goes to the dead letters; see `Inbox`.
    on_gap : callable, optional
        Called with a topic, the first offset that was trimmed unread, and the offset that the
        follower goes on at; again, if the process dies meanwhile.
    interval : float
        Seconds after which it asks for what may have been lost on the way.
    retry_delay, retry_delay_max : float
        Seconds before the second attempt, and the maximum. The delay doubles at every attempt.
    """

    def __init__(
        self,
        client: socketio.AsyncClient,
        store: Any = None,
        *,
        namespace: str = "/",
        retry_limit: int | None = None,
        on_gap: Callable[[str, int, int], Any] | None = None,
        interval: float = 10.0,
        retry_delay: float = 0.1,
        retry_delay_max: float = 5.0,
    ) -> None:
        check_vacant(client, socketio.AsyncClient, namespace, FEED, "follower")
        super().__init__(store, f"{namespace} read", retry_limit, 20_000)
        self._client, self._namespace = client, namespace
        check_positive(int | float, interval=interval)
        check_positive(int | float, retry_delay=retry_delay, retry_delay_max=retry_delay_max)
        if on_gap is not None:
            arguments(on_gap, 3)
        self._on_gap, self._interval = on_gap, interval
        self._delays = retry_delay, retry_delay_max
        self._topics: dict[str, Reading] = {}
        self._session = Session(None, None, self._turns)
        self._trigger, client._trigger_event = client._trigger_event, self._event  # internal
        client.on(FEED, self._hear, namespace=namespace)

    async def follow(self, topic: str) -> None:
        """Follow a topic, from where the store says; return when all that it has is read.

        A topic whose following has ended with an error is tried again.

        Raises ForbiddenError: the client may not read it; RestoredError: the log has gone back, or
        is another one; ClosedError: the follower is closed.
        """
        self._check(topic)
        reading = self._topics.get(topic)
        if reading is None:
            reading = self._topics[topic] = Reading(topic)
            reading.task = asyncio.create_task(self._run(reading))
        await reading.caught_up

    async def restart(self, topic: str, offset: int = 0) -> None:
        """Go on at an offset, in whatever log the server has now; then call `follow`.

        The handlers are called with all entries from there on, read before or not.
        """
        self._check(topic)
        if type(offset) is not int or not 0 <= offset < 2**53:
            raise errors.UsageError(f"An offset is a whole number from 0 on, not {offset!r}.")
        self._check_task(*[reading.task for reading in self._topics.values()])
        await self._stop(topic)
        async with self._transactions.one() as store:
            for replies in (True, False):  # which the first deletes
                before = await settled(store.progress(topic)) or Progress()
                after = before._replace(floor=before.next) if replies else Progress(next=offset)
                await settled(store.save(topic, after, 0, []))

    async def close(self) -> None:
        """Stop to follow, and close the store; the client stays. May be called twice."""
        self._check_task(*[reading.task for reading in self._topics.values()])
        self._closed = True
        for topic in list(self._topics):
            await self._stop(topic)
        if self._client._trigger_event == self._event:  # internal; an outbox may be in front
            self._client._trigger_event = self._trigger  # internal
        await self._end()

    def _check(self, topic: str) -> None:
        if self._closed:
            raise errors.ClosedError("The follower is closed.")
        check_topic(topic)
        self._transactions.check()

    async def _stop(self, topic: str) -> None:
        if (reading := self._topics.pop(topic, None)) is not None:
            reading.task.cancel()
            await asyncio.wait({reading.task})
            reading.caught_up.settle(None, errors.ClosedError("The topic is followed no more."))

    async def _event(self, event: str, namespace: str, *arguments: Any) -> Any:
        """Ask again on a new connection; then the client calls its handler."""
        if event == "connect" and namespace == self._namespace:
            for reading in self._topics.values():
                _ask_now(reading)
        return await self._trigger(event, namespace, *arguments)

    def _hear(self, data: Any = None, *_: Any) -> None:
        try:
            page = Page.from_wire(data)
        except errors.DeliveryError as error:
            self._applier.last_error = error
            return
        reading = self._topics.get(page.topic)
        if reading is not None and len(reading.arrived) < WAITING:
            reading.arrived.append((page, None))
            reading.woken.set()
        elif reading is not None:
            _ask_now(reading)

    def _answered(self, reading: Reading, question: Question, data: Any = None, *_: Any) -> None:
        if question != reading.asked:  # it was asked again, and has its answer already
            return
        reading.asked = None
        reading.arrived.append((data, question.next))
        reading.woken.set()

    async def _run(self, reading: Reading) -> None:
        """Follow a topic until an error is final."""
        try:
            await self._read(reading)
        except Exception as error:
            log.warning("%s is not followed any more: %s", reading.topic, error, exc_info=True)
            self._applier.refuse(error)
            self._topics.pop(reading.topic, None)
            reading.caught_up.settle(None, error)

    async def _read(self, reading: Reading) -> None:
        loop, failures = asyncio.get_running_loop(), 0
        while True:
            try:
                if reading.arrived:
                    await self._take(reading, *reading.arrived[0])
                    reading.arrived.popleft()
                    failures = 0
                elif loop.time() >= reading.due:
                    await self._ask(reading)
                else:
                    reading.woken.clear()
                    with suppress(TimeoutError):
                        async with asyncio.timeout_at(reading.due):
                            await reading.woken.wait()
            except errors.DeliveryError as error:
                if not worth_a_retry(error):
                    raise
                self._applier.last_error = error
                await asyncio.sleep(backoff(failures, *self._delays))
                failures += 1

    async def _ask(self, reading: Reading) -> None:
        """Ask for what the store has not; the answer also says where the log ends."""
        async with self._transactions.one() as store:
            known: Progress | None = await settled(store.progress(reading.topic))
            reading.progress = known or Progress()
        delay = self._interval * random.uniform(0.5, 1)
        if reading.asked and self._client.connected:
            delay *= SLOW  # its answer may be on the way, and another one would come after it
            self._applier.last_error = errors.DeliveryError(
                f"The server has not answered for {reading.topic!r} yet. Has it a feed?"
            )
        reading.due = asyncio.get_running_loop().time() + delay
        reading.asked = question = Question(reading.topic, reading.progress.next)
        try:
            await self._client.emit(
                FEED,
                question.to_wire(),
                namespace=self._namespace,
                callback=partial(self._answered, reading, question),
            )
        except SocketIOError as error:  # not connected: it asks when it is
            reading.asked = None
            if self._client.connected:  # to other namespaces
                self._applier.last_error = errors.DeliveryError(in_words(error))

    async def _take(self, reading: Reading, data: Any, asked: int | None) -> None:
        """Apply a page; `asked` is the offset that was asked for, if it is an answer."""
        try:
            page = data if isinstance(data, Page) else Page.from_wire(data)
        except errors.DeliveryError:
            reading.arrived.popleft()
            reading.due = 0.0
            raise
        batch, known = page.entries, reading.progress
        other = batch is not None and known.start not in ("", batch.producer)
        if other or (asked is not None and page.end < asked):
            raise _restored(reading)
        if batch is not None:
            if batch.first > known.next or not known.start:
                if asked is None:  # something is missing before it
                    if not reading.asked:
                        reading.due = 0.0
                    return
                await self._jump(reading, batch)
            before = None
            while reading.progress is not before:  # a part of it is applied at a time
                before = reading.progress
                await self._apply(reading, batch)
        if asked is None:
            return
        if reading.progress.next < page.end:
            reading.due = 0.0
            if reading.progress is known:
                reading.arrived.popleft()
                raise errors.Retry(f"The server has nothing from {known.next} to {page.end}.")
        else:
            reading.caught_up.settle(None)

    async def _jump(self, reading: Reading, batch: Batch) -> None:
        """Begin with a log, or go on behind entries that the server has no more."""
        topic, missing = reading.topic, reading.progress.next
        if batch.first > missing:
            self._applier.last_error = errors.GapError(
                f"The entries {missing} to {batch.first - 1} of {topic!r} were trimmed unread."
            )
            log.warning("%s", self._applier.last_error)
            if self._on_gap is not None:
                try:
                    await settled(self._on_gap(topic, missing, batch.first))
                except BaseException as error:
                    raise_end(error)
                    raise errors.Retry(f"`on_gap` failed: {in_words(error)}") from error
        progress = Progress(start=batch.producer, next=batch.first, last=batch.after)
        async with self._transactions.one() as store:
            now = await settled(store.progress(topic))
            if now in (None, reading.progress):  # else another follower of this store was faster
                await settled(store.save(topic, now := progress, 0, []))
        reading.progress = now

    async def _apply(self, reading: Reading, batch: Batch) -> None:
        """Apply what is new in a batch that begins at the offset, or below it."""
        known = reading.progress
        old = known.next - batch.first
        if old > len(batch.messages):
            return
        if (id_of(batch.messages[old - 1]) if old else batch.after) != known.last:
            raise _restored(reading)
        new = batch.messages[old:]
        if not new:
            return
        rest = Batch(reading.topic, 0, known.next, known.last, known.next, new)
        answer = await self._turns.apply(self._session, rest)
        for reply in answer.replies:
            if reply != NOTHING and (error := read_reply(reply)[1]) is not None:
                self._applier.last_error = error
                log.warning("An entry of %s was not applied: %s", reading.topic, error)
        done = answer.next - rest.first
        if isinstance(answer.error, errors.SequenceError) or not 0 <= done <= len(new):
            reading.due = 0.0  # another process reads with this store
            return
        if done:
            reading.progress = known._replace(next=answer.next, last=id_of(new[done - 1]))
        if answer.error is not None:
            raise answer.error


def _ask_now(reading: Reading) -> None:
    reading.asked, reading.due = None, 0.0
    reading.woken.set()


def _restored(reading: Reading) -> errors.RestoredError:
    return errors.RestoredError(
        f"{reading.topic!r} is not the log that was read up to {reading.progress.next}: the feed's "
        "store was restored from a backup, or is another one. `Follower.restart` goes on in it."
    )
