"""A python-socketio client whose listeners add up, as those of ``socket.io-client`` do.

``socketio.AsyncClient.on()`` keeps one handler per event (python-socketio issue #906). This follows
the list of ``socket.io-client``, `@socket.io/component-emitter` 3.1.2.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import socketio

from ..errors import SioDemoError, UsageError
from .waiting import called

Function = Callable[..., Any]


@dataclass(eq=False, slots=True)
class _Listener:
    function: Function
    once: bool
    called: bool = False


class EmitterClient(socketio.AsyncClient):  # type: ignore[misc]
    """A ``socketio.AsyncClient`` with the listeners of ``socket.io-client``.

    `on` appends, and the same function twice is called twice. An event calls the listeners that
    are there when it arrives, in the order of registration. One that raises stops the later ones.

    Listeners are functions or coroutine functions. Each is awaited before the next is called, and
    then the first return value that is not None is the acknowledgement. JavaScript awaits none,
    and acknowledges when the first calls ``ack``. All else is as in python-socketio.
    """

    listeners_add_up = True  # an observer asks for it

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._listeners: dict[tuple[str, str], list[_Listener]] = {}

    def on(self, event: str, handler: Function | None = None, namespace: str | None = None) -> Any:
        """Append a listener; without `handler`, be a decorator that does."""
        return self._append(event, handler, namespace=namespace, once=False)

    def once(
        self, event: str, handler: Function | None = None, namespace: str | None = None
    ) -> Any:
        """Append a listener that is removed just before its first call; or be a decorator."""
        return self._append(event, handler, namespace=namespace, once=True)

    def off(
        self,
        event: str | None = None,
        handler: Function | None = None,
        namespace: str | None = None,
    ) -> None:
        """Remove the first registration of `handler` for `event`.

        Without `handler`, remove all listeners of the event; without `event` too, all of the
        namespace. To remove what is not registered does nothing.
        """
        namespace = namespace or "/"
        if event is None:
            if handler is not None:
                raise UsageError("off() needs the event whose listener it shall remove")
            for key in [key for key in self._listeners if key[0] == namespace]:
                self._remove(key, list(self._listeners[key]))
            return
        key = (namespace, _checked_event(event))
        found = list(self._listeners.get(key, []))
        if handler is not None:
            function = _checked_function(handler)
            found = [listener for listener in found if listener.function == function][:1]
        self._remove(key, found)

    def listeners(self, event: str, namespace: str | None = None) -> list[Function]:
        """Return the functions that are registered for an event, in order, as a new list."""
        key = (namespace or "/", _checked_event(event))
        return [listener.function for listener in self._listeners.get(key, [])]

    def _append(
        self, event: str, handler: Function | None, *, namespace: str | None, once: bool
    ) -> Any:
        key = (namespace or "/", _checked_event(event))
        if handler is None:
            return partial(self._append, event, namespace=namespace, once=once)
        listener = _Listener(_checked_function(handler), once)
        if key not in self._listeners:
            self._listeners[key] = []
            self._register(key)
        self._listeners[key].append(listener)
        return handler

    def _register(self, key: tuple[str, str]) -> None:
        """Make the base class call all listeners where it would call the one handler."""
        namespace, event = key

        async def dispatch(*args: Any) -> Any:
            try:
                return await self._call_all(key, args)
            except TypeError as error:
                if event != "disconnect":
                    raise
                # The base class would take it for a missing parameter and call all once more.
                raise SioDemoError("A listener for disconnect raised a TypeError") from error

        super().on(event, dispatch, namespace)

    async def _call_all(self, key: tuple[str, str], args: tuple[Any, ...]) -> Any:
        reply = None
        for listener in list(self._listeners.get(key, [])):
            if listener.once:
                if listener.called:  # by an event that came while this one was waiting
                    continue
                listener.called = True
                self._remove(key, [listener])
            fitting = args if key[1] != "disconnect" else _without_reason(listener.function, args)
            value = await called(listener.function(*fitting))
            reply = value if reply is None else reply
        return reply

    def _remove(self, key: tuple[str, str], listeners: list[_Listener]) -> None:
        kept = [one for one in self._listeners.get(key, []) if one not in listeners]
        if kept:
            self._listeners[key] = kept
        elif key in self._listeners:
            del self._listeners[key]
            del self.handlers[key[0]][key[1]]  # so that a catch-all handler is reached again


def _checked_event(event: Any) -> str:
    if not isinstance(event, str) or not event:
        raise UsageError(f'The event must be a str, as in on("news", listener), not {event!r}')
    return event


def _checked_function(function: Function) -> Function:
    if not callable(function):
        raise UsageError(
            f"A listener must be a function or a coroutine function, not {function!r}. "
            'Pass it without calling it: client.on("news", listener)'
        )
    return function


def _without_reason(function: Function, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Drop the reason for a disconnect listener that takes none, as python-socketio allows."""
    try:
        inspect.signature(function).bind(*args)
    except TypeError:
        return args[:-1]
    except ValueError:  # a builtin that does not tell its parameters
        pass
    return args
