"""The transactions of an inbox's store: one at a time, whichever inbox wants one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from ..errors import StoreError
from .stores import InboxStore

PATIENCE = 0.2  # seconds to wait for another process that writes to the store


class Shared:
    """What the inboxes of one store share: whose turn it is, and a thread for slow calls."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.thread = ThreadPoolExecutor(1, "inbox")
        self.users: WeakSet[Transactions] = WeakSet()


_shared: WeakKeyDictionary[InboxStore, Shared] = WeakKeyDictionary()


class Transactions:
    """The transactions of one inbox.

    Attributes
    ----------
    store : InboxStore
    turn : asyncio.Lock
        Held by whoever uses the store.
    contended : bool
        Whether the latest transaction had to wait for another process.
    online : callable
        Returns the producers that are connected to this inbox.
    """

    def __init__(self, store: InboxStore, online: Callable[[], set[str]]) -> None:
        self.store, self.online, self.contended = store, online, False
        self._shared = _shared.setdefault(store, Shared())
        self._shared.users.add(self)
        self.turn = self._shared.turn

    @asynccontextmanager
    async def one(self) -> AsyncIterator[InboxStore]:
        """Hold the store for the block, and commit, or undo it all."""
        async with self.turn:
            try:
                await self.begin()
                yield self.store
                await self.commit()
            except BaseException:
                self.roll_back()
                raise

    async def begin(self) -> None:
        """Begin a transaction; the caller holds `turn`."""
        try:
            self.store.begin()
            self.contended = False
        except StoreError:
            if not self.store.durable:
                raise
            self.contended = True
            await self._in_thread(self.store.begin, PATIENCE)

    async def commit(self) -> None:
        if self.store.durable:
            await self._in_thread(self.store.commit)
        else:
            self.store.commit()

    def roll_back(self) -> None:
        with suppress(Exception):  # the first error says more
            self.store.rollback()

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
                self.store.close()

    async def _in_thread(self, function: Callable[..., None], *arguments: Any) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._shared.thread, function, *arguments)
