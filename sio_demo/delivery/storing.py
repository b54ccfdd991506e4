"""Writes the messages of an outbox to its store, and accepts them once they are there."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

from ..errors import ClosedError, StoreError, UncertainError, UsageError
from .message import Hello
from .receipt import ACCEPTED, Check, Receipt
from .send_window import SendWindow
from .stores import Saved
from .transactions import log

NewReceipt = Callable[[str, Any, int], Receipt]


class OutboxTransaction:
    """What `Outbox.transaction` yields: ``execute`` and ``executemany``, and ``send``."""

    def __init__(self, store: Any, new_receipt: NewReceipt) -> None:
        if not hasattr(store, "db"):
            raise UsageError("Only a SQLiteOutboxStore has transactions.")
        self._db, self._new_receipt = store.db, new_receipt
        self.receipts: list[Receipt] = []
        self.ended = False

    def send(self, event: str, payload: Any = None) -> Receipt:
        """Queue a message with the transaction; see `Outbox.send`."""
        self._check()
        self.receipts.append(self._new_receipt(event, payload, len(self.receipts)))
        return self.receipts[-1]

    def __getattr__(self, name: str) -> Any:
        self._check()
        return getattr(self._db, name)

    def _check(self) -> None:
        if self.ended:
            raise UsageError("This transaction has ended. Begin another.")


class Storing:
    """The only user of an outbox's store: one call at a time, in a thread."""

    def __init__(self, store: Any, window_size: int, check_loop: Check) -> None:
        self.store, self._window_size, self._check_loop = store, window_size, check_loop
        self.window = SendWindow(Hello(""), 0, window_size)
        self.resumed: list[Receipt] = []
        self.incoming: list[Receipt] = []  # not in the store yet
        self.accepted = asyncio.Event()  # there is something to send
        self.last_error: Exception | None = None
        self.failure: Exception | None = None  # why nothing more is sent; the store keeps it
        self._thread = ThreadPoolExecutor(1, "outbox")
        self._closed = False
        self._busy = asyncio.Lock()
        self._owner: asyncio.Task[Any] | None = None  # of the transaction that is open
        self._wanted = asyncio.Event()

    def resume(self, saved: Saved) -> None:
        identity, before = replace(saved.identity, start=secrets.token_hex(8)), self.window
        self.window = SendWindow(identity, saved.base, self._window_size, saved.after)
        self.window.sent, self.window.resent = before.sent, before.resent
        self.resumed = [Receipt(text, ACCEPTED, self.check_wait) for text in saved.texts]
        self.window.accept(self.resumed)

    def check_wait(self) -> None:
        """Refuse to wait in another loop, or in a transaction for what comes after it."""
        self._check_loop()
        if self._owner is asyncio.current_task():
            raise UsageError("This task is in a transaction, for whose end it would wait.")

    def add(self, receipt: Receipt) -> None:
        if self.store.durable:
            self.incoming.append(receipt)
            self._wanted.set()
        else:
            self.window.accept((receipt,))
            self.accepted.set()

    def troubled(self, error: Exception) -> None:
        self.last_error = error
        log.info("outbox: %s: %s", type(error).__name__, error)

    def fail(self, error: Exception) -> None:
        """Stop permanently. Receipts of what is not in the store yet fail when it is."""
        log.error("outbox: refused for good: %s", error)
        self.failure = self.last_error = error
        for receipt in self.window.messages:
            receipt.fail(error)

    def answered(self) -> None:
        """Save how far the answers have come, if that is worth it: the inbox may forget them."""
        self.last_error = None
        if self.store.durable:
            self._wanted.set()
        else:
            self.window.confirmed = self.window.base

    async def keep_saving(self, pause: Callable[[], float]) -> None:
        """Save what was sent meanwhile, in one commit; `pause()` while the store's fate is open."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while self.incoming or self.window.worth_a_save:
                async with self._busy:
                    known = await self._save()
                if not known:
                    await asyncio.sleep(pause())

    async def welcomed(self) -> None:
        """Store that the inbox knows the producer, before the first message leaves."""
        if self.store.durable:
            window = self.window
            async with self._busy:
                await self._in_thread(self.store.known)
            window.known = True

    async def restart(self, keep: bool) -> None:
        """Go on after a failure under a new producer id; `keep` what has no reply, or drop it."""
        async with self._busy:  # what is being saved counts
            texts = [receipt.text for receipt in self.window.messages] if keep else []
            identity = await self._in_thread(self.store.restart, texts)
            if self.failure is not None and not keep:
                for receipt in self.incoming:
                    receipt.fail(self.failure)
                self.incoming.clear()
            self.resume(Saved(identity, 0, "", texts))
            self.failure = self.last_error = None

    @asynccontextmanager
    async def transaction(
        self, check: Callable[[], object], new_receipt: NewReceipt
    ) -> AsyncIterator[OutboxTransaction]:
        """Commit what the block does in the store's ``db``, with the messages that it sends."""
        transaction = OutboxTransaction(self.store, new_receipt)
        self.check_wait()
        await self._busy.acquire()
        self._owner, receipts = asyncio.current_task(), transaction.receipts
        try:
            try:
                check()
                await self._in_thread(self.store.begin)
                yield transaction
            finally:
                transaction.ended, self._owner = True, None
            check()
            self.store.check_transaction()
        except BaseException as error:
            if not self._closed:  # in its thread, which may still be waiting to begin
                self._thread.submit(self.store.rollback)
            self._busy.release()
            for receipt in receipts:
                receipt.fail(ClosedError(f"The transaction failed: {type(error).__name__}."))
            raise
        await asyncio.shield(asyncio.create_task(self._commit(receipts)))

    async def close(self, patience: float) -> None:
        """Save what is left, unless a transaction holds it up for too long; close the store."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience), self._busy:
                if self.store.durable:
                    await self._save()
        self._closed = True
        self._thread.shutdown(wait=False)
        self.store.close()

    async def _save(self, own: list[Receipt] | None = None) -> bool:
        """Save what is incoming, a transaction's `own` last; return whether its fate is known."""
        window, group, base = self.window, self.incoming[:], self.window.base
        texts = [receipt.text for receipt in group]
        try:
            await self._in_thread(self.store.save, base, window.next, texts, window.after)
        except UncertainError as error:
            self.troubled(error)
            return False
        except StoreError as error:
            self.troubled(error)
            failed = group if own is None else own  # others are saved without the transaction
            del self.incoming[len(group) - len(failed) : len(group)]
            for receipt in failed:
                receipt.fail(error)
            if own is not None:
                raise
            return True
        window.confirmed = base
        del self.incoming[: len(group)]
        window.accept(group)
        for receipt in group:
            receipt.accepted.settle(None)
            if self.failure is not None:
                receipt.fail(self.failure)
        self.accepted.set()
        return True

    async def _commit(self, receipts: list[Receipt]) -> None:
        try:
            self.incoming += receipts  # here, so that they are the last that `_save` takes
            if await self._save(receipts):
                return
            # To try again would save messages without the caller's rows.
            error = UncertainError(
                "It is not known whether the transaction was committed. Open the store with a "
                "new outbox: it sends what is there."
            )
            for receipt in self.incoming:
                receipt.fail(error)
            self.incoming.clear()
            self.fail(error)
            raise error
        finally:
            self._busy.release()

    async def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        if self._closed:
            raise ClosedError("The outbox is closed.")
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)
