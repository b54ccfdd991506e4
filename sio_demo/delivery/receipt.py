"""What :meth:`Outbox.send` returns: awaitable for the acceptance and for the reply."""

import asyncio
from collections.abc import Generator
from typing import Any

from ..errors import UsageError
from .message import id_of

Loop = asyncio.AbstractEventLoop | None


class Promise:
    """A result that any number of tasks may await, any number of times.

    It is lighter than a Future, does not warn about an error that was never retrieved, and
    cancelling one waiting task does not cancel it for the others.
    """

    __slots__ = ("_error", "_loop", "_value", "_waiters", "done")

    def __init__(self, loop: Loop = None) -> None:
        self.done = False
        self._loop = loop
        self._value: Any = None
        self._error: Exception | None = None
        self._waiters: list[asyncio.Future[None]] | None = None

    def settle(self, value: Any, error: Exception | None = None) -> None:
        """Set the value, or the error that awaiting it raises. Only the first call counts."""
        if self.done:
            return
        self.done, self._value, self._error = True, value, error
        for waiter in self._waiters or ():
            if not waiter.done():
                waiter.set_result(None)
        self._waiters = None

    def __await__(self) -> Generator[Any, None, Any]:
        if not self.done:
            loop = asyncio.get_running_loop()
            if self._loop not in (None, loop):
                raise UsageError("Await it in the event loop that its outbox was opened in.")
            waiter = loop.create_future()
            if self._waiters is None:
                self._waiters = []
            self._waiters.append(waiter)
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

    def __init__(self, text: str, accepted: Promise | None = None, loop: Loop = None) -> None:
        super().__init__(loop)
        self.text = text
        self.accepted = accepted or Promise(loop)

    @property
    def id(self) -> str:
        """The message's id, the same at every attempt."""
        return id_of(self.text)

    def fail(self, error: Exception) -> None:
        """Settle what is not settled yet with an error."""
        self.accepted.settle(None, error)
        self.settle(None, error)
