"""What applies messages once: the handlers and callbacks of an inbox or a follower."""

import inspect
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from ..errors import DeliveryError, UsageError
from .after_commit import Callbacks
from .applier import Applier, Handler
from .message import check_event, read_message, read_reply
from .send_window import check_positive
from .stores import Letter, MemoryInboxStore, Received
from .transactions import Transactions, settled


class Receiver:
    """Registers handlers, and applies messages with them, each once."""

    applier: type[Applier] = Applier

    def __init__(self, store: Any, namespace: str, retry_limit: int | None, most: int) -> None:
        check_positive(int, max_unconfirmed=most)
        check_positive(int, retry_limit=1 if retry_limit is None else retry_limit)
        self.store: Any = MemoryInboxStore() if store is None else store
        self._transactions = Transactions(self.store, self._online)
        mine = "" if namespace == "/" else f" {namespace}"  # not those of others of the store
        self._dead = "dead" + mine
        self._callbacks = Callbacks(self._transactions, "after" + mine)
        self._applier = self.applier(self._callbacks, self._dead, retry_limit, most)
        self._closed = False

    @property
    def last_error(self) -> DeliveryError | None:
        """Why a request was refused last."""
        return self._applier.last_error

    def on(self, event: str, handler: Handler | None = None) -> Any:
        """Register the handler of an event; without `handler`, return a decorator.

        The handler is called with the store's ``db`` and the payload, and returns the reply, a
        JSON value. If it has a third parameter, it gets the `Received`: who sent the message, and
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
        One callback is called after the other.

        Raises UsageError: the callback is not a coroutine function.
        """
        if callback is None:
            return lambda function: self.after_commit(event, function) or function
        if not inspect.iscoroutinefunction(callback):
            raise UsageError(f"What follows {event!r} must be a coroutine function.")
        check_event(event)
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
        async with self._transactions.one() as store:
            if letter not in await settled(store.aside(self._dead)):
                raise UsageError("This is no dead letter: it was replayed or dropped before.")
            text = await self._applier.handle(store, read_message(letter.text), letter)
            reply, error = read_reply(text)
            if error is not None:
                raise error
            await settled(store.take_out(self._dead, [letter]))
        return reply

    async def drop(self, letter: Letter) -> None:
        """Take out a dead letter unapplied."""
        async with self._transactions.one() as store:
            await settled(store.take_out(self._dead, [letter]))

    def _online(self) -> set[str]:
        """Return the producers that are connected."""
        return set()


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
