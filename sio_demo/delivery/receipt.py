"""What :meth:`Outbox.send` gives: it can be awaited for two things, each at any time."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any


class Promise:
    """Something that may be awaited any number of times, by any number of tasks.

    It is lighter than a Future, does not complain when nobody looks, and the cancellation of
    one who waits does not concern the others.
    """

    __slots__ = ("_error", "_value", "_waiters", "done")

    def __init__(self) -> None:
        self.done = False
        self._value: Any = None
        self._error: Exception | None = None
        self._waiters: list[asyncio.Future[None]] | None = None

    def settle(self, value: Any, error: Exception | None = None) -> None:
        """Give the value, or raise the error, wherever it is awaited; the first call counts."""
        if self.done:
            return
        self.done, self._value, self._error = True, value, error
        for waiter in self._waiters or ():
            if not waiter.done():
                waiter.set_result(None)
        self._waiters = None

    def __await__(self) -> Generator[Any, None, Any]:
        if not self.done:
            waiter = asyncio.get_running_loop().create_future()
            if self._waiters is None:
                self._waiters = []
            self._waiters.append(waiter)
            yield from waiter
        if self._error is not None:
            raise self._error
        return self._value


class Receipt(Promise):
    """``await receipt`` gives the reply of the handler; ``await receipt.accepted`` comes first.

    Attributes
    ----------
    accepted : Promise
        Settled when the message is in the outbox's store: from then on it will be applied,
        whatever becomes of the connection, and with a durable store of this process.
    """

    __slots__ = ("accepted", "text")

    def __init__(self, text: str, accepted: Promise | None = None) -> None:
        super().__init__()
        self.text = text
        self.accepted = accepted or Promise()

    def fail(self, error: Exception) -> None:
        """Raise the error wherever the reply, or the acceptance, is still awaited."""
        self.accepted.settle(None, error)
        self.settle(None, error)

    def __repr__(self) -> str:
        state = "done" if self.done else "accepted" if self.accepted.done else "waiting"
        return f"<Receipt {state}: {self.text:.60}>"
