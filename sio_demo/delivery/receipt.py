"""What :meth:`Outbox.send` returns: awaitable for the acceptance and for the reply."""

import asyncio
from collections.abc import Callable, Generator
from typing import Any

from .message import id_of

Check = Callable[[], object]  # raises UsageError if this task may not wait


class Promise:
    """A result that any number of tasks may await, any number of times.

    It is lighter than a Future, does not warn about an error that was never retrieved, and
    cancelling one waiting task does not cancel it for the others.
    """

    __slots__ = ("_check", "_error", "_value", "_waiters", "done")

    def __init__(self, check: Check = bool) -> None:
        self.done = False
        self._check = check
        self._value: Any = None
        self._error: Exception | None = None
        self._waiters: tuple[asyncio.Future[None], ...] = ()

    def settle(self, value: Any, error: Exception | None = None) -> None:
        """Set the value, or the error that awaiting it raises. Only the first call counts."""
        if self.done:
            return
        self.done, self._value, self._error = True, value, error
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters = ()

    def __await__(self) -> Generator[Any, None, Any]:
        if not self.done:
            self._check()
            waiter = asyncio.get_running_loop().create_future()
            self._waiters += (waiter,)
            yield from waiter
        if self._error is not None:
            raise self._error.with_traceback(None)  # else it would grow at every call
        return self._value


ACCEPTED = Promise()  # shared by all receipts that need no commit
ACCEPTED.settle(None)


class Receipt(Promise):
    """``await receipt`` returns the handler's reply.

    Attributes
    ----------
    accepted : Promise
        Settled earlier, when the message is in the outbox's store. From then on it is sent until
        it is applied: by this process or, with a durable store, by the next one.
    """

    __slots__ = ("accepted", "text")

    def __init__(self, text: str, accepted: Promise | None, check: Check) -> None:
        super().__init__(check)
        self.text = text
        self.accepted = accepted or Promise(check)

    @property
    def id(self) -> str:
        """The message's id, the same at every attempt."""
        return id_of(self.text)

    def fail(self, error: Exception) -> None:
        """Settle what is not settled yet with an error."""
        self.accepted.settle(None, error)
        self.settle(None, error)
