"""Calls what follows the commit of a message: at least once, also after a crash."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from ..errors import StoreError, UsageError
from .stores import InboxStore, Letter, Received
from .transactions import Transactions, raise_end, settled

AGAIN = 1.0  # seconds until a callback that failed is called again

log = logging.getLogger("sio_demo.delivery")


class Callbacks:
    """The callbacks of an inbox, and the messages that they are still to be called for."""

    def __init__(self, transactions: Transactions, box: str) -> None:
        self._transactions, self._box = transactions, box
        transactions.ended = self._ended
        self._callbacks: dict[str, Callable[[Received], Awaitable[object]]] = {}
        self._noted: dict[InboxStore, list[Letter]] = {}  # by transactions that are under way
        self._due: list[Letter] = []
        self._looked = False  # whether those were read that an earlier process has left
        self._task: asyncio.Task[None] | None = None
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

    def _ended(self, store: InboxStore, committed: bool) -> None:
        """Let callbacks run that are due after a transaction."""
        noted = self._noted.pop(store, [])
        if committed:
            self._due += noted
        elif noted and self._transactions.concurrent:
            self._looked = False  # it may have been committed though its answer was lost
        idle = self._task is None and not self._closed
        if committed and idle and self._callbacks and (self._due or not self._looked):
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=AGAIN)

    async def _run(self) -> None:
        try:
            while self._due or not self._looked:
                failed = await self._run_due()
                if failed:
                    await asyncio.sleep(AGAIN)
                    self._due = failed + self._due
        finally:
            self._task = None

    async def _run_due(self) -> list[Letter]:
        """Call what is due, and take it out; return what is to be tried again."""
        failed: list[Letter] = []
        try:
            if not self._looked:
                await self._look()
            due, self._due = self._due, []
            failed = [letter for letter in due if not await self._call(letter)]
            done = [letter for letter in due if letter not in failed]
            async with self._transactions.one() as store:
                await settled(store.take_out(self._box, done))
        except StoreError as error:  # called again at the next start, at the latest
            log.warning("What follows a commit may follow twice: %s", error)
            if not self._looked:
                await asyncio.sleep(AGAIN)
        return failed

    async def _look(self) -> None:
        """Read what an earlier process has left, and what was committed unheard."""
        self._looked = True  # first: a transaction that ends meanwhile may ask for another look
        try:
            async with self._transactions.one() as store:
                left = await settled(store.aside(self._box))
        except BaseException:
            self._looked = False
            raise
        mine = [letter for letter in left if Received.of(letter).event in self._callbacks]
        self._due = mine + [letter for letter in self._due if letter not in left]

    async def _call(self, letter: Letter) -> bool:
        received = Received.of(letter)
        try:
            await self._callbacks[received.event](received)
        except BaseException as error:
            raise_end(error)
            log.exception("What follows %s failed; it is tried again", received.event)
            return False
        return True
