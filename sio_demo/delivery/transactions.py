"""The transactions of an inbox's store: one at a time, or as many at once as the store can."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, TypeVar
from weakref import WeakKeyDictionary, WeakSet

from ..errors import StoreError
from .stores import InboxStore

PATIENCE = 0.2  # seconds to wait for another process that writes to the store

T = TypeVar("T")


async def settled(value: T | Awaitable[T]) -> T:
    """Return what a store's method or a handler returns, whether or not that is to be awaited."""
    return await value if hasattr(value, "__await__") else value


class Shared:
    """What the inboxes of one store share: whose turn it is, and a thread for slow calls."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.thread = ThreadPoolExecutor(1, "inbox")
        self.users: WeakSet[Transactions] = WeakSet()


_shared: WeakKeyDictionary[Any, Shared] = WeakKeyDictionary()


class Transactions:
    """The transactions of one inbox.

    Attributes
    ----------
    store : InboxStore, or a store of many transactions
    turn : asyncio.Lock
        Held by whoever uses a store of one transaction.
    contended : bool
        Whether the latest transaction had to wait for another process.
    online : callable
        Returns the producers that are connected to this inbox.
    ended : callable
        Called after each transaction, with what it yielded and whether it was committed.
    """

    def __init__(self, store: Any, online: Callable[[], set[str]]) -> None:
        self.store, self.online, self.contended = store, online, False
        self.ended: Callable[[InboxStore, bool], None] = lambda store, committed: None
        self.concurrent: bool = getattr(store, "concurrent", False)
        self._shared = _shared.setdefault(store, Shared())
        self._shared.users.add(self)
        self.turn = self._shared.turn

    @asynccontextmanager
    async def one(self) -> AsyncIterator[InboxStore]:
        """Run the block in a transaction, and commit it, or undo it all."""
        if self.concurrent:
            async with self.held(careful=True) as store:
                yield store
        else:
            async with self.turn, self.held() as store:
                yield store

    def held(self, *, careful: bool = False) -> AbstractAsyncContextManager[InboxStore]:
        """Do as `one`; the caller holds `turn`, if the store does one transaction at a time.

        If it does many, `careful` asks for one in which the effects of a message can be undone.
        """
        if self.concurrent:
            return self._ending(self.store.transaction(careful))
        return self._ending(self._serial())

    @asynccontextmanager
    async def _ending(
        self, transaction: AbstractAsyncContextManager[InboxStore]
    ) -> AsyncIterator[InboxStore]:
        store: InboxStore | None = None
        try:
            async with transaction as store:
                yield store
        except BaseException:
            if store is not None:
                self.ended(store, False)
            raise
        self.ended(store, True)

    @asynccontextmanager
    async def _serial(self) -> AsyncIterator[InboxStore]:
        try:
            await self._begin()
            yield self.store
            if self.store.durable:
                await self._in_thread(self.store.commit)
            else:
                self.store.commit()
        except BaseException:
            with suppress(Exception):  # the first error says more
                self.store.rollback()
            raise

    async def _begin(self) -> None:
        try:
            self.store.begin()
            self.contended = False
        except StoreError:
            if not self.store.durable:
                raise
            self.contended = True
            await self._in_thread(self.store.begin, PATIENCE)

    def online_anywhere(self) -> set[str]:
        """Return the producers that are connected to any inbox of the store."""
        return {producer for one in self._shared.users for producer in one.online()}

    async def close(self) -> None:
        """Close the store, if no other inbox uses it; may be called twice."""
        async with self.turn:
            self._shared.users.discard(self)
            if not self._shared.users:
                _shared.pop(self.store, None)
                self._shared.thread.shutdown(wait=False)
                await settled(self.store.close())

    async def _in_thread(self, function: Callable[..., None], *arguments: Any) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._shared.thread, function, *arguments)
