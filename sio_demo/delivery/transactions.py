"""The transactions of an inbox's store: one at a time, or as many at once as the store can."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, TypeVar
from weakref import WeakKeyDictionary, WeakSet

from ..errors import StoreError, UsageError
from .sqlite_database import patiently
from .stores import InboxStore

CLOSE = 15.0  # seconds that a handler, or an open transaction, may hold `close` up
PATIENCE = 0.2  # seconds to wait for another process that writes to the store

T = TypeVar("T")
log = logging.getLogger("sio_demo.delivery")


async def settled(value: T | Awaitable[T]) -> T:
    """Return what a store's method or a handler returns, whether or not that is to be awaited."""
    return await value if hasattr(value, "__await__") else value


def raise_end(error: BaseException) -> None:
    """Raise what a user's function raised again if it ends this task, or the process."""
    try:
        task = asyncio.current_task()  # (python-socketio would swallow a CancelledError)
    except RuntimeError:  # no loop runs: this coroutine is thrown away
        raise error from None
    cancelled = issubclass(type(error), asyncio.CancelledError) and task and task.cancelling()
    if cancelled or issubclass(type(error), KeyboardInterrupt | SystemExit):  # as in asyncio
        raise error
    while task and task.cancelling():  # a TaskGroup of Python 3.11 has left it so
        task.uncancel()


class Shared:
    """What the inboxes of one store share: whose turn it is, and a thread for slow calls."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.thread = ThreadPoolExecutor(1, "inbox")
        self.users: WeakSet[Transactions] = WeakSet()
        self.closed = False
        self.loop: asyncio.AbstractEventLoop | None = None
        self.owner: asyncio.Task[Any] | None = None  # of the transaction of `one`


_shared: WeakKeyDictionary[Any, Shared] = WeakKeyDictionary()


class Transactions:
    """The transactions of one inbox, follower or feed."""

    def __init__(self, store: Any) -> None:
        if isinstance(store, type) or not hasattr(store, "concurrent"):
            raise UsageError(f"This needs the store of an inbox, not {store!r}.")
        self.store = store
        self.online: Callable[[], set[str]] = set  # returns the producers that are connected
        self.contended = False  # whether the latest one had to wait for another process
        self.ended: list[Callable[[Any, bool], None]] = []  # what hears whether it was committed
        self.concurrent: bool = store.concurrent
        self._shared = _shared.setdefault(store, Shared())
        if self._shared.closed:
            raise UsageError(f"{store!r} is closed. Make another.")
        self._shared.users.add(self)

    @property
    def turn(self) -> asyncio.Lock:
        """Held by whoever uses a store of one transaction."""
        self.check_loop()
        return self._shared.turn

    @asynccontextmanager
    async def one(self) -> AsyncIterator[InboxStore]:
        """Run the block in a transaction, and commit it, or undo it all."""
        async with AsyncExitStack() as stack:
            if not self.concurrent:
                self.check()
                if self._shared.owner is (task := asyncio.current_task()):
                    raise UsageError("This task is in a transaction, which it would wait for.")
                await stack.enter_async_context(self.turn)
                self._shared.owner = task
                stack.callback(setattr, self._shared, "owner", None)
            yield await stack.enter_async_context(self.held(careful=True))

    @asynccontextmanager
    async def held(self, *, careful: bool = False) -> AsyncIterator[InboxStore]:
        """Do as `one`, if the caller holds `turn`; if `careful`, so that messages can be undone."""
        self.check()
        store, committed = None, False
        try:
            if self.concurrent:
                async with self.store.transaction(careful) as store:
                    yield store
                    self.check()
            else:
                await self._begin()
                yield (store := self.store)
                self.check()
                await (self._in_thread(store.commit) if store.durable else settled(store.commit()))
            committed = True
        except BaseException:
            if not self.concurrent:
                with suppress(Exception):  # the first error says more
                    self.store.rollback()
            raise
        finally:
            for tell in self.ended if store is not None else ():
                tell(store, committed)

    def is_open(self, db: Any) -> bool:
        """Return whether a handler's ``db`` is in a transaction of this store."""
        if self.concurrent:
            return bool(self.store.is_open(db))
        return db is self.store.db and (self.store.durable or self._shared.turn.locked())

    def check(self) -> None:
        """Refuse a call after the end, or from another thread or event loop."""
        if self not in self._shared.users:
            raise StoreError("It is closed.")
        self.check_loop()

    def check_loop(self) -> None:
        loop, shared = asyncio.get_running_loop(), self._shared
        if shared.loop is loop:
            return
        if shared.loop is not None:
            if not shared.loop.is_closed():
                raise UsageError("Call it in the thread and event loop that used its store first.")
            shared.turn = asyncio.Lock()  # the one before is of that loop
        shared.loop = loop

    async def _begin(self) -> None:
        try:
            self.store.begin()
            self.contended = False
        except StoreError:
            self.contended = True
            await self._in_thread(patiently, self.store.begin, PATIENCE)

    def online_anywhere(self) -> set[str]:
        """Return the producers that are connected to any inbox of the store."""
        return {producer for one in self._shared.users for producer in one.online()}

    async def close(self, patience: float) -> None:
        """Close the store, if no other inbox uses it; what takes longer is undone, and fails."""
        async with AsyncExitStack() as stack:
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await stack.enter_async_context(self.turn)
            self._shared.users.discard(self)
            if not self._shared.users:
                self._shared.closed = self.store.durable  # one in memory may have another user
                if not self._shared.closed and _shared.get(self.store) is self._shared:
                    del _shared[self.store]
                self._shared.thread.shutdown(wait=False)
                await settled(self.store.close())

    async def _in_thread(self, function: Callable[..., None], *arguments: Any) -> None:
        """Wait for the end of a call; if cancelled too, since it goes on with the connection."""
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._shared.thread, function, *arguments)
        try:
            await asyncio.shield(work)
        finally:
            while not work.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait({work})


def check_vacant(end: Any, kind: Any, namespace: str, event: str, name: str) -> None:
    """Raise UsageError if `end` is of another kind, or has a handler of something not closed."""
    if not (isinstance(namespace, str) and namespace.startswith("/")):
        raise UsageError(f"A namespace begins with a slash, unlike {namespace!r}.")
    if not isinstance(end, kind):
        raise UsageError(f"The {name} works with a socketio.{kind.__name__}, not {end!r}.")
    handler = end.handlers.get(namespace, {}).get(event)  # internal
    before = getattr(getattr(handler, "__self__", None), "_transactions", None)
    closed = isinstance(before, Transactions) and before not in before._shared.users
    if handler is not None and not closed:
        raise UsageError(f"Something handles {event!r} here already. One {name} is enough.")
