"""Keeps the reader's code from harming the check: it may raise, block, or run for ever."""

from __future__ import annotations

import asyncio
import gc
import inspect
import linecache
import signal
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import socketio
from socketio.exceptions import ConnectionRefusedError as SocketRefusedError

from ..errors import SioDemoError
from ..lab.waiting import called

BLOCKED_AFTER = 3.0  # seconds without a turn of the event loop

Function = Callable[..., Any]


class StoppedError(SioDemoError):
    """The check cannot go on; the message is the hint. Never leaves the check."""


class BlockedError(BaseException):
    """Raised in reader's code that blocks the event loop; no Exception, so that it is not caught.

    Never leaves the check.
    """


class Reader:
    """The reader's functions, and what came out of them that they did not return."""

    def __init__(self, programs: Iterable[Any]) -> None:
        functions = [inspect.unwrap(program) for program in programs if callable(program)]
        codes = [getattr(function, "__code__", None) for function in functions]
        self.files = {code.co_filename for code in codes if code is not None}
        self.stopped: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._notes: list[str] = []

    def note(self) -> str:
        """Return what is known of the first task or coroutine that was not awaited."""
        gc.collect()  # they are reported when they are collected
        return self._notes[0] if self._notes else ""

    def raised(self, error: BaseException, where: str = "") -> None:
        """Note what the reader's code raised: the check ends."""
        if not self.stopped.done():
            self.stopped.set_result(self.explain(error, where))

    def wrote(self, error: BaseException) -> bool:
        """Whether an exception came out of the reader's code."""
        return bool(self._lines(error))

    def explain(self, error: BaseException, where: str = "") -> str:
        """Return in a sentence what was raised, and by which line."""
        if isinstance(error, BlockedError):
            return (
                f"Your program has run for {BLOCKED_AFTER:g} s without giving way, and nothing "
                "else could run meanwhile. In asyncio, wait with `await`."
            )
        what = " ".join(f"{type(error).__name__}: {error}".rstrip(": .").split())
        place = f" in `{where}`" if where else ""
        line = "".join(self._lines(error)[-1:])
        return f"Your program raised {what}{place}" + (f", at: {line}" if line else ".")

    def _lines(self, error: BaseException) -> list[str]:
        """Return the lines of the reader's that an exception has passed, the innermost last."""
        places = ((f.f_code.co_filename, n) for f, n in traceback.walk_tb(error.__traceback__))
        return [linecache.getline(file, n).strip() for file, n in places if file in self.files]

    def owns(self, task: asyncio.Task[Any]) -> bool:
        """Whether a task runs a coroutine of the reader's, or awaits one."""
        coroutine: Any = task.get_coro()
        while coroutine is not None:
            code = getattr(coroutine, "cr_code", None)
            if code is not None and code.co_filename in self.files:
                return True
            coroutine = getattr(coroutine, "cr_await", None)
        return False

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Within the block, note tasks that raised, and coroutines that were not awaited."""
        loop = asyncio.get_running_loop()
        before = loop.get_exception_handler()
        loop.set_exception_handler(self._task_raised)
        with warnings.catch_warnings(), _watchdog(self.files):
            warnings.showwarning = self._warned
            warnings.filterwarnings("always", "coroutine .* was never awaited", RuntimeWarning)
            # python-engineio loses one if a client connects again while it still tidies up.
            warnings.filterwarnings("ignore", "Unclosed client session", ResourceWarning)
            try:
                yield
            finally:
                gc.collect()  # what is reported late is reported here
                loop.set_exception_handler(before)

    def _task_raised(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, BlockedError):
            self.raised(error)
        elif error is not None and self.wrote(error):
            self._notes.append(f"{self.explain(error)} That ended it.")
        elif error is not None:
            loop.default_exception_handler(context)

    def _warned(self, message: Warning | str, *_: Any, **__: Any) -> None:
        if "never awaited" in str(message):
            self._notes.append(f"Python says: {message}.")


class WatchedServer(socketio.AsyncServer):  # type: ignore[misc]
    """A server whose handlers, when they raise, end the check.

    Attributes
    ----------
    begun : asyncio.Queue of str
        The event of each handler that was called.
    forgiven : tuple of exception types
        What a handler may raise: its client is then answered with None.
    """

    def __init__(self, reader: Reader, **options: Any) -> None:
        super().__init__(async_mode="aiohttp", **options)
        self._reader = reader
        self.begun: asyncio.Queue[str] = asyncio.Queue()
        self.forgiven: tuple[type[Exception], ...] = ()

    def on(self, event: str, handler: Function | None = None, namespace: str | None = None) -> Any:
        """Register a handler; without `handler`, return a decorator that does."""

        def register(function: Function) -> Function:
            super(WatchedServer, self).on(event, self._watch(event, function), namespace)
            return function

        return register if handler is None else register(handler)

    def register_namespace(self, namespace_handler: socketio.AsyncNamespace) -> None:
        """Register a class with handlers."""
        for name in filter(lambda name: name.startswith("on_"), dir(namespace_handler)):
            function = getattr(namespace_handler, name)
            setattr(namespace_handler, name, self._watch(name.removeprefix("on_"), function))
        super().register_namespace(namespace_handler)

    async def _trigger_event(self, event: str, namespace: str, *args: Any) -> Any:
        """Note that a handler is called; all of them are called from here."""
        if event not in self.reserved_events:
            self.begun.put_nowait(event)
        return await super()._trigger_event(event, namespace, *args)  # internal

    def _watch(self, event: str, function: Function) -> Function:
        async def call(*args: Any) -> Any:
            try:
                return await called(function(*_fitting(event, function, args)))
            except self.forgiven:
                return None
            except (asyncio.CancelledError, ConnectionRefusedError, SocketRefusedError):
                raise
            except BaseException as error:
                self._reader.raised(error, event)
                return None

        return call


def _fitting(event: str, function: Function, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Leave out the reason, or an ``auth`` that was not sent, where the handler does not take it.

    python-socketio does so by trying again after a TypeError, whatever raised it.
    """
    if event == "disconnect" or (event == "connect" and not args[-1]):
        try:
            inspect.signature(function).bind(*args)
        except TypeError:
            return args[:-1]
    return args


@contextmanager
def _watchdog(files: set[str]) -> Iterator[None]:
    """Raise :class:`BlockedError` in code of these files that keeps the event loop from turning."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(
        signal, "setitimer"
    ):
        yield
        return
    loop = asyncio.get_running_loop()
    turned = time.monotonic()
    heart: asyncio.TimerHandle

    def beat() -> None:
        nonlocal turned, heart
        turned = time.monotonic()
        heart = loop.call_later(0.2, beat)

    def bite(_: int, frame: FrameType | None) -> None:
        if time.monotonic() - turned < BLOCKED_AFTER:
            return
        while frame is not None and not frame.f_globals["__name__"].startswith("sio_demo."):
            if frame.f_code.co_filename in files:
                raise BlockedError
            frame = frame.f_back  # up to the check: what it does itself, it may take its time for

    beat()
    before = signal.signal(signal.SIGALRM, bite)
    timer = signal.setitimer(signal.ITIMER_REAL, 0.5, 0.5)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, before)
        heart.cancel()
