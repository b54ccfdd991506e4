"""What applies messages once: the handlers and callbacks of an inbox or a follower."""

import asyncio
import inspect
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import perf_counter
from typing import Any
from weakref import WeakSet

from ..errors import DeliveryError, StoreError, UsageError
from .applier import Applier, Handler
from .message import check_event, read_message, read_reply
from .send_window import check_positive
from .stores import InboxStore, Letter, MemoryInboxStore, Received
from .transactions import CLOSE, Transactions, log, raise_end, settled
from .turns import Turns

AGAIN = 1.0  # seconds until a callback that failed is called again
ROUND = 0.1  # seconds of callbacks before it is noted which have ended


class Receiver:
    """Registers handlers, and applies messages with them, each once."""

    applier: type[Applier] = Applier  # those of broken deliveries have their own

    def __init__(self, store: Any, namespace: str, retry_limit: int | None, most: int) -> None:
        check_positive(int, max_unconfirmed=most)
        check_positive(int, retry_limit=1 if retry_limit is None else retry_limit)
        self.store: Any = MemoryInboxStore() if store is None else store
        self._transactions = Transactions(self.store)
        mine = "" if namespace == "/" else f" {namespace}"  # not those of others of the store
        self._dead = "dead" + mine
        self._callbacks = Callbacks(self._transactions, "after" + mine)
        self._applier = self.applier(self._callbacks.note, self._dead, retry_limit, most)
        self._transactions.ended += self._applier.ended, self._callbacks.ended
        self._turns = Turns(self._applier, self._transactions)
        self._all_turns = WeakSet([self._turns])
        self._closed = False

    @property
    def last_error(self) -> DeliveryError | None:
        """Why a request was refused last."""
        return self._applier.last_error

    def on(self, event: str, handler: Handler | None = None) -> Any:
        """Register the handler of an event; without `handler`, return a decorator.

        The handler is called with the store's ``db`` and the payload, and returns the reply, a
        JSON value. If it needs a third argument, it gets the `Received`: who sent the message, and
        its id. With a `PostgresInboxStore` it may be a coroutine function. With the other stores
        it is a plain function, because nothing else can be applied while it waits.

        Raises UsageError: the event already has a handler, or the handler is not a function of that
        kind.
        """
        if handler is None:
            return lambda function: self.on(event, function) or function
        check_event(event)
        count = arguments(handler, 2, 3)
        refused = [inspect.isgeneratorfunction, inspect.isasyncgenfunction]
        if not self._transactions.concurrent:
            refused.append(inspect.iscoroutinefunction)
        if any(kind(one) for kind in refused for one in (handler, type(handler).__call__)):
            raise UsageError(
                f"The handler of {event!r} must be a plain function of db and payload, not "
                f"{handler!r}: it runs inside a transaction, which must not wait."
            )
        if event in self._applier.handlers:
            raise UsageError(f"The inbox has a handler for {event!r}. Let that one do both.")
        self._applier.handlers[event] = handler, count > 2
        return None

    def after_commit(
        self, event: str, callback: Callable[[Received], Awaitable[Any]] | None = None
    ) -> Any:
        """Register what follows the commit of an event; without `callback`, return a decorator.

        The callback, a coroutine function, is called with the `Received` once its message is
        applied. It is called again if it raises, or if the process crashes before it returns: its
        effects happen at least once, not exactly once. The id lets receivers recognize a repeat.
        One callback is called after the other; what an earlier process has left, as soon as the
        store is used again.

        Raises UsageError: the callback is not a coroutine function.
        """
        if callback is None:
            return lambda function: self.after_commit(event, function) or function
        if not inspect.iscoroutinefunction(callback):
            raise UsageError(f"What follows {event!r} must be a coroutine function.")
        check_event(event)
        arguments(callback, 1)
        self._callbacks.register(event, callback)
        return None

    async def dead_letters(self) -> list[Letter]:
        """Return the messages that could not be applied within `retry_limit`, oldest first."""
        async with self._transactions.one() as store:
            return await settled(store.aside(self._dead))

    async def replay(self, letter: Letter) -> Any:
        """Apply a dead letter now, and take it out; return what its handler returns.

        Raises HandlerError, Retry: it failed again, and stays; UsageError: it is no dead letter of
        this inbox.
        """
        letter = Letter(*letter)  # TypeError: it is none
        async with self._transactions.one() as store:
            if not await settled(store.take_out(self._dead, letter)):  # first: others wait here
                raise UsageError("This is no dead letter: it was replayed or dropped before.")
            text = await self._applier.handle(store, read_message(letter.text), letter)
            reply, error = read_reply(text)
            if error is not None:
                raise error
        return reply

    async def drop(self, letter: Letter) -> None:
        """Take out a dead letter unapplied."""
        async with self._transactions.one() as store:
            await settled(store.take_out(self._dead, Letter(*letter)))

    def _check_task(self, *tasks: Any) -> None:
        """Refuse a call from elsewhere, or that would wait for the end of its own task."""
        self._transactions.check_loop()
        tasks += self._callbacks.task, *[turns.task for turns in self._all_turns]
        if asyncio.current_task() in tasks:
            raise UsageError("A callback would wait for its own end: use another task.")

    async def _end(self) -> None:
        """Apply what has arrived, and close the store, unless another uses it."""
        await asyncio.gather(*[turns.finish(CLOSE) for turns in self._all_turns])
        await self._callbacks.close()
        await self._transactions.close(CLOSE)


class Callbacks:
    """What follows a commit, and the messages that it still is to follow: also after a crash."""

    def __init__(self, transactions: Transactions, box: str) -> None:
        self._transactions, self._box = transactions, box
        self._callbacks: dict[str, Callable[[Received], Awaitable[object]]] = {}
        self._noted: dict[InboxStore, list[Letter]] = {}  # by transactions that are under way
        self._due: deque[Letter] = deque()
        self._looked = False  # whether those were read that an earlier process has left
        self.task: asyncio.Task[None] | None = None
        self._closed = False

    def register(self, event: str, callback: Callable[[Received], Awaitable[object]]) -> None:
        if event in self._callbacks:
            raise UsageError(f"Something follows {event!r} already. Let that one do both.")
        self._callbacks[event] = callback
        self._looked = False

    async def note(self, store: InboxStore, event: str, letter: Letter) -> None:
        """Put a message aside in its transaction, if a callback is to follow it."""
        if event in self._callbacks:
            await settled(store.put_aside(self._box, letter))
            self._noted.setdefault(store, []).append(letter)

    def ended(self, store: InboxStore, committed: bool) -> None:
        """Let callbacks run that are due after a transaction."""
        noted = self._noted.pop(store, [])
        if committed:
            self._due += noted
        elif noted:
            self._looked = False  # it may have been committed though its answer was lost
        idle = self.task is None or self.task.done()
        if idle and not self._closed and self._callbacks and (self._due or not self._looked):
            self.task = asyncio.create_task(self._run())

    async def close(self) -> None:
        self._closed = True
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait({self.task}, timeout=AGAIN)

    async def _run(self) -> None:
        while self._due or not self._looked:
            if not await self._run_due():
                await asyncio.sleep(AGAIN)

    async def _run_due(self) -> bool:
        """Call what is due, for a while; return False if only what has failed is left."""
        done, failed = list[Letter](), list[Letter]()
        try:
            if not self._looked:
                await self._look()
            until = perf_counter() + ROUND
            while self._due and (not done or perf_counter() < until):
                letter = self._due.popleft()
                (done if await self._call(letter) else failed).append(letter)
            async with self._transactions.one() as store:
                for letter in done:
                    await settled(store.take_out(self._box, letter))
        except StoreError as error:  # called again at the next start, at the latest
            log.warning("What follows a commit may follow twice: %s", error)
            return False
        finally:
            others = bool(self._due)
            self._due += failed
        return others or not failed

    async def _look(self) -> None:
        """Read what an earlier process has left, and what was committed unheard."""
        self._looked = True  # first: a transaction that ends meanwhile may ask for another look
        try:
            async with self._transactions.one() as store:
                left = await settled(store.aside(self._box))
        except BaseException:
            self._looked = False
            raise
        mine = [one for one in left if read_message(one.text).event in self._callbacks]
        self._due = deque(mine + [letter for letter in self._due if letter not in left])

    async def _call(self, letter: Letter) -> bool:
        received = Received.of(read_message(letter.text), letter)
        try:
            await self._callbacks[received.event](received)
        except BaseException as error:
            raise_end(error)
            log.exception("What follows %s failed; it is tried again", received.event)
            return False
        return True


def arguments(function: Callable[..., Any], *counts: int) -> int:
    """Return with how many arguments a function can be called: the first of `counts` that fits."""
    if not callable(function):
        raise UsageError(f"{function!r} is no function.")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some built-in functions have none
        return counts[0]
    for count in counts:
        with suppress(TypeError):
            signature.bind(*[None] * count)
            return count
    raise UsageError(f"{function!r} must take {' or '.join(map(str, counts))} arguments.")
