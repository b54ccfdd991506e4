"""Ways to look on while python-socketio works, which change nothing in what it does."""

import functools
import inspect
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any

Function = Callable[..., Any]
Table = dict[str, Function]
Ended = Callable[[BaseException | None], None]
Begin = Callable[..., Ended | None]
"""Called with the arguments of a call before it; gives what is to be called after it."""


class Hooks:
    """Looks at calls while it is `open`.

    What goes wrong while looking does not reach the application: `failed` is called with it.
    """

    def __init__(self, failed: Callable[[Exception], None]) -> None:
        self.open = True
        self._failed = failed
        self._undo: list[Callable[[], None]] = []

    def item(self, table: Table, name: str, begin: Begin) -> Function:
        """Look at the calls of a function in a table; return its wrapper."""
        return self._wrap(table, name, table[name], begin)

    def method(self, owner: Any, name: str, begin: Begin) -> None:
        self._wrap(vars(owner), name, getattr(owner, name), begin)

    def _wrap(self, table: Table, name: str, function: Function, begin: Begin) -> Function:
        before = table.get(name)
        table[name] = wrapper = self.around(function, begin)

        def undo() -> None:
            if table.get(name) is not wrapper:
                return  # it is wrapped once more, or replaced
            if before is None:
                del table[name]
            else:
                table[name] = before

        self._undo.append(undo)
        return wrapper

    def around(self, function: Function, begin: Begin) -> Function:
        """Look at the calls of a function; it stays what it is, a coroutine function or not."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def wrapper(*args: Any, **options: Any) -> Any:
                with self._looking(begin, *args, **options):
                    return await function(*args, **options)

        else:

            @functools.wraps(function)
            def wrapper(*args: Any, **options: Any) -> Any:
                with self._looking(begin, *args, **options):
                    return function(*args, **options)

        return wrapper

    def close(self) -> None:
        """Stop looking, and remove every wrapper that has no other around it."""
        self.open = False
        while self._undo:
            self._undo.pop()()

    @contextmanager
    def _looking(self, begin: Begin, /, *args: Any, **options: Any) -> Iterator[None]:
        ended = self._quietly(begin, *args, **options)
        try:
            yield
        except BaseException as error:
            self._quietly(ended, error)
            raise
        self._quietly(ended, None)

    def _quietly(self, look: Function | None, *args: Any, **options: Any) -> Any:
        if look is None or not self.open:
            return None
        try:
            return look(*args, **options)
        except Exception as error:
            self._failed(error)
            return None


def layers(function: Function | None) -> Iterator[Function]:
    while function is not None:
        yield function
        function = getattr(function, "__wrapped__", None)


def fits(function: Function, args: tuple[Any, ...]) -> bool:
    """Whether a function takes these arguments: python-socketio tries several.

    What a decorator returns is asked itself, not what it is wrapped around: it may pass on
    other arguments, as that of Flask-SocketIO does, which keeps the sid.
    """
    while getattr(function, "__globals__", None) is globals():  # the wrapper of another observer
        function = function.__wrapped__  # type: ignore[attr-defined]
    read = _parameters if isinstance(function, Hashable) else _parameters.__wrapped__
    try:
        read(function).bind(*args)
    except TypeError:
        return False
    except ValueError:  # a builtin that does not tell its parameters
        pass
    return True


@functools.lru_cache(maxsize=100)
def _parameters(function: Function) -> inspect.Signature:
    return inspect.signature(function, follow_wrapped=False)
