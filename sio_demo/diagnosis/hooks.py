"""Ways to look on while python-socketio works, which change nothing in what it does."""

import functools
import inspect
import sys
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import walk_stack
from typing import Any

Function = Callable[..., Any]
Table = dict[str, Function]
Ended = Callable[[BaseException | None], None]
Begin = Callable[..., Ended | None]
"""Called with the arguments of a call before it; gives what is to be called after it."""


class Hooks:
    """Looks at calls while it is `open`; what goes wrong meanwhile is given to `failed`."""

    def __init__(self, failed: Callable[[Exception], None]) -> None:
        self.open = True
        self._failed = failed
        self._undo: list[Callable[[], None]] = []

    def method(self, owner: Any, name: str, begin: Begin) -> None:
        self.item(vars(owner), name, begin, getattr(owner, name))

    def item(self, table: Table, name: str, begin: Begin, function: Function | None = None) -> None:
        """Look at the calls of a function in a table, or of a class."""
        before: Any = table.get(name)
        table[name] = wrapper = self.around(function or table[name], begin)

        def undo() -> None:
            if table.get(name) is wrapper and before is None:
                del table[name]
            elif table.get(name) is wrapper:  # else it is wrapped once more, or replaced
                table[name] = before

        self._undo.append(undo)

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

    @contextmanager
    def _looking(self, begin: Begin, *args: Any, **options: Any) -> Iterator[None]:
        ended = self._quietly(begin, *args, **options)
        try:
            yield
        except BaseException as error:
            self._quietly(ended, error)
            raise
        self._quietly(ended, None)

    def close(self) -> None:
        """Stop looking, and remove every wrapper that has no other around it."""
        self.open = False
        while self._undo:
            self._undo.pop()()

    def _quietly(self, look: Function | None, *args: Any, **options: Any) -> Any:
        if look is None or not self.open:
            return None
        try:
            return look(*args, **options)
        except Exception as error:
            self._failed(error)
            return None


def caller() -> str:
    """Return the lines of the program that led here, the nearest first; "" if none is known."""
    lines = list[str]()
    for frame, line in walk_stack(sys._getframe(1)):
        name = _in_program(frame.f_code.co_filename)
        if name and len(lines) < 3:
            lines.append(f"{name}:{line}")
        elif lines or name is None:
            break
    return " < ".join(lines)


@functools.lru_cache(maxsize=1000)
def _in_program(file: str) -> str | None:
    """Return the name of a file of the program; "" of one that its calls pass, None of a loop's."""
    path = Path(file)
    if path.parent == Path(__file__).parent or {"site-packages", "contextlib.py"} & {*path.parts}:
        return ""
    return None if {"asyncio", "concurrent", "threading.py"} & {*path.parts[-3:]} else path.name


def fits(function: Function, args: tuple[Any, ...]) -> bool:
    """Whether a function takes these arguments: python-socketio tries several.

    A decorator's wrapper is asked itself: that of Flask-SocketIO keeps the sid, and passes it on.
    """
    ask = _takes if isinstance(function, Hashable) else _takes.__wrapped__
    return ask(function, len(args))


@functools.lru_cache(maxsize=1000)
def _takes(function: Function, count: int) -> bool:
    try:
        inspect.signature(function, follow_wrapped=False).bind(*range(count))
    except TypeError:
        return False
    except ValueError:  # a builtin that does not tell its parameters
        pass
    return True
