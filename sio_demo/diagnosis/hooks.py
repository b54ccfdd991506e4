"""Ways to look on while python-socketio works, which change nothing in what it does."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

Function = Callable[..., Any]
Begin = Callable[..., AbstractContextManager[None]]


class Hooks:
    """Looks at what passes an Engine.IO object, ``sio.eio``.

    Parameters
    ----------
    eio
        The client or server of python-engineio.
    failed : callable
        Gets what a look has raised.

    Attributes
    ----------
    open : bool
        Whether anybody looks.
    """

    def __init__(self, eio: Any, failed: Callable[[Exception], None]) -> None:
        self.open = True
        self._eio = eio
        self._failed = failed
        self._undo: list[Callable[[], None]] = []

    def handler(self, event: str, look: Function) -> None:
        """Look at what comes to the handler that python-socketio has given for an event."""
        handler = self._eio.handlers[event]
        wrapper = around(handler, self._quiet(look))
        self._eio.on(event, wrapper)

        def undo() -> None:
            if self._eio.handlers[event] is wrapper:
                self._eio.on(event, handler)

        self._undo.append(undo)

    def watch(self, method: str, look: Function) -> None:
        """Look at what is given to a method of the Engine.IO object."""
        self.method(self._eio, method, self._quiet(look))

    def method(self, owner: Any, name: str, begin: Begin) -> None:
        """Let a method run within a block that `begin` gives."""
        wrapper = around(getattr(owner, name), begin)
        before = vars(owner).get(name)
        setattr(owner, name, wrapper)

        def undo() -> None:
            if vars(owner).get(name) is not wrapper:
                return  # somebody has put another around it
            if before is None:
                delattr(owner, name)
            else:
                setattr(owner, name, before)

        self._undo.append(undo)

    def close(self) -> None:
        """Look no more, and take away what nobody has put another wrapper around."""
        self.open = False
        while self._undo:
            self._undo.pop()()

    def _quiet(self, look: Function) -> Begin:
        """Let nothing that a look raises reach the application."""

        def begin(*args: Any, **_: Any) -> AbstractContextManager[None]:
            if self.open:
                try:
                    look(*args)
                except Exception as error:
                    self._failed(error)
            return nullcontext()

        return begin


def around(function: Function, begin: Begin) -> Function:
    """Let a function run within a block; it stays what it is, a coroutine function or not."""
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def wrapper(*args: Any, **options: Any) -> Any:
            with begin(*args, **options):
                return await function(*args, **options)

    else:

        @functools.wraps(function)
        def wrapper(*args: Any, **options: Any) -> Any:
            with begin(*args, **options):
                return function(*args, **options)

    return wrapper


def layers(function: Function | None) -> Iterator[Function]:
    """Give a function, what it is wrapped around, and so on."""
    while function is not None:
        yield function
        function = getattr(function, "__wrapped__", None)


def fits(function: Function, args: tuple[Any, ...]) -> bool:
    """Tell whether a function takes these arguments: python-socketio tries several."""
    try:
        inspect.signature(function).bind(*args)
    except TypeError:
        return False
    except ValueError:  # a builtin that does not tell its parameters
        pass
    return True
