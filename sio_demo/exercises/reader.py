"""Watches the reader's code: what it raises, and where it waits or blocks, with its line."""

import ast
import asyncio
import gc
import inspect
import linecache
import logging
import signal
import sys
import textwrap
import threading
import time
import warnings
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from types import FrameType, TracebackType
from typing import Any

import socketio
from socketio.exceptions import ConnectionRefusedError as SocketRefusedError

from ..errors import NodeError, NotSeenError, SioDemoError, SnippetError
from ..lab.bench import SILENT
from ..lab.waiting import called, patience, wait_until

LIMIT = 1.5  # seconds that the reader's code may wait: its line is on the screen within two
BLOCKING = 1.0  # seconds that it may keep the event loop from turning
PATIENCE = 1.0  # seconds that a wait of the lab may take meanwhile: it says what it waited for
BEAT = 0.1  # seconds; time is counted in turns of the event loop, which a busy machine stretches
_LOGGERS = [SILENT, *map(logging.getLogger, ("engineio.server", "engineio.client"))]


class StoppedError(SioDemoError):
    """The check cannot go on; the message says why, in Markdown. Never leaves the check."""


class BlockedError(BaseException):
    """Raised in code that blocks, through an ``except Exception``. Never leaves the package."""


class Reader:
    """The reader's programs, and what came out of them that they did not return."""

    def __init__(self, programs: Iterable[Any], *, is_strict: bool = False) -> None:
        self.is_strict = is_strict  # a task that raises ends the check
        functions = map(inspect.unwrap, filter(callable, programs))
        self._functions = [each for each in functions if hasattr(each, "__code__")]
        self._files = {function.__code__.co_filename for function in self._functions}
        self.stopped = ""  # why the check cannot go on
        self.note = ""  # the first task that raised, or coroutine that was not awaited
        self._deadline: asyncio.Timeout | None = None
        self._left = 0.0
        self._turned = time.monotonic()

    def explain(self, error: BaseException, where: str = "") -> str:
        """Return, in Markdown, what was raised, and by which line."""
        line = self.line(error)
        if isinstance(error, BlockedError):
            what = f"Your program has run for {BLOCKING:g} s without giving way to anything else."
            return f"{what} In asyncio, wait with `await`.{_fenced(line)}"
        raised = _fenced(f"{line}{type(error).__name__}: {error}".rstrip(": "))
        return f"Your program raised an exception{f' in `{where}`' if where else ''}.{raised}"

    def hanging(self) -> str:
        """Return, in Markdown, that the program does not end, and the line at which it waits."""
        waits = [frame for task in self.tasks() for frame in self._frames(task)]
        return (
            "Your program has not come to an end, or does not answer. Look for what it waits for: "
            "an answer that never comes, or a loop that nothing ends."
            + _fenced(_line(inspect.getframeinfo(waits[-1])) if waits else "")
        )

    def returns_nothing(self) -> str:
        """Return, in Markdown, which function returns no value; an empty text if there is none."""
        for function in self._functions:
            lines, first = inspect.getsourcelines(function)
            tree = ast.walk(ast.parse(textwrap.dedent("".join(lines))))
            if not any(isinstance(node, ast.Return) and node.value for node in tree):
                what = f"`{function.__name__}` has no `return` with a value: it returns None."
                return what + _fenced(f"line {first}:  {lines[0].strip()}")
        return ""

    def wrote(self, error: BaseException) -> bool:
        """Whether an exception came out of the reader's code, or from a wrong call of it."""
        names = [function.__qualname__ for function in self._functions]
        calls = tuple(f"{name}{after}" for name in names for after in ("()", ".<locals>."))
        return bool(self.line(error)) or (
            isinstance(error, TypeError) and str(error).startswith(calls)
        )

    def line(self, error: BaseException) -> str:
        """Return the innermost line of the reader's that an exception has passed, if there is."""
        frames = inspect.getinnerframes(error.__traceback__) if error.__traceback__ else []
        return "".join([_line(each) for each in frames if each.filename in self._files][-1:])

    def tasks(self) -> list[asyncio.Task[Any]]:
        """Return the tasks that run a coroutine of the reader's, or await one."""
        return list(filter(self._frames, asyncio.all_tasks() - {asyncio.current_task()}))

    def _frames(self, task: asyncio.Task[Any]) -> list[FrameType]:
        """Return the frames of the reader's in what a task runs and awaits, the innermost last."""
        frames: list[FrameType | None] = []
        awaited: Any = task.get_coro()
        while awaited is not None:
            frames.append(getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None))
            awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
        return [each for each in frames if each and each.f_code.co_filename in self._files]

    async def cancel_tasks(self) -> None:
        """Cancel what the reader's code has left waiting; wait for it, but not for ever."""
        for task in self.tasks():
            task.cancel()
        with suppress(NotSeenError):  # the library's part of a task may go on
            await wait_until(lambda: not self.tasks(), LIMIT)

    def stop(self, why: str) -> None:
        if not self.stopped and self._deadline is not None and not self._deadline.expired():
            self._deadline.reschedule(asyncio.get_running_loop().time())
        self.stopped = self.stopped or why

    @asynccontextmanager
    async def limited(self, seconds: float) -> AsyncIterator[None]:
        """Run the block for so long at most; StoppedError says what the program does wrong."""
        token = patience.set(PATIENCE)
        self._left = seconds
        try:
            async with asyncio.timeout(None) as self._deadline:
                yield
                gc.collect()  # a task that has raised reports it when it is collected
                await asyncio.sleep(0)
            if self.stopped:
                raise StoppedError(self.stopped)
        except BaseException as error:
            while isinstance(error, BaseExceptionGroup):
                error = error.exceptions[0]
            why = "" if isinstance(error, asyncio.CancelledError) else self._why(error)
            self._deadline = None
            await self.cancel_tasks()
            if not why:
                raise error
            raise StoppedError(why) from None
        finally:
            self._deadline = None
            patience.reset(token)

    def _why(self, error: BaseException) -> str:
        """Return, in Markdown, what the program does wrong; an empty text if the check does."""
        if self.stopped or isinstance(error, StoppedError):
            return self.stopped or str(error)
        if isinstance(error, SnippetError):
            return f"Your program threw an error.{_fenced(str(error))}"
        if isinstance(error, NotSeenError) or (self.is_strict and isinstance(error, NodeError)):
            return self.hanging() if self.tasks() or not self.is_strict else str(error)
        return self.explain(error) if self.wrote(error) else ""

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Within the block, note tasks that raise, and coroutines that were not awaited."""
        loop = asyncio.get_running_loop()
        before = loop.get_exception_handler()
        loop.set_exception_handler(self._task_raised)
        for logger in _LOGGERS:
            logger.addFilter(self._logged)
        with warnings.catch_warnings(), self._watchdog():
            warnings.showwarning = self._warned
            warnings.filterwarnings("always", "coroutine .* was never awaited", RuntimeWarning)
            # python-engineio loses one if a client connects again while it still tidies up.
            warnings.filterwarnings("ignore", "Unclosed client session", ResourceWarning)
            try:
                yield
            finally:
                gc.collect()  # what is reported late is reported here
                loop.set_exception_handler(before)
                for logger in _LOGGERS:
                    logger.removeFilter(self._logged)

    def _task_raised(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if error is not None and not self._escaped(error):
            loop.default_exception_handler(context)

    def _logged(self, record: logging.LogRecord) -> bool:
        """Take what python-socketio has caught from a handler of the reader's, and only logs."""
        error = record.exc_info[1] if record.exc_info else None
        return error is None or not self._escaped(error)

    def _escaped(self, error: BaseException) -> bool:
        """Take what came out of the reader's code, and return whether it did."""
        if isinstance(error, BlockedError) or (self.is_strict and self.wrote(error)):
            self.stop(self.explain(error))
        elif self.wrote(error):
            self.note = self.note or self.explain(error)
        else:
            return False
        return True

    def _warned(self, message: Warning | str, *_: Any, **__: Any) -> None:
        if "never awaited" in str(message):
            self.note = self.note or f"Python says: {message}."

    @contextmanager
    def _watchdog(self) -> Iterator[None]:
        """Count the time; raise BlockedError in reader's code that keeps the loop from turning."""
        loop = asyncio.get_running_loop()
        heart: asyncio.TimerHandle

        def beat() -> None:
            nonlocal heart
            self._turned = time.monotonic()
            self._left -= BEAT
            if self._deadline is not None and self._left <= 0 and not self.stopped:
                self.stop(self.hanging())
            heart = loop.call_later(BEAT, beat)

        def bite(_: int, frame: FrameType | None) -> None:
            if time.monotonic() - self._turned < BLOCKING:
                return
            while frame is not None and not frame.f_globals["__name__"].startswith("sio_demo."):
                if frame.f_code.co_filename in self._files:
                    raise BlockedError
                frame = frame.f_back  # up to the check: what that does itself may take its time

        beat()
        on_main_thread = threading.current_thread() is threading.main_thread()
        if on_main_thread and hasattr(signal, "setitimer"):
            before = signal.signal(signal.SIGALRM, bite)
            timer = signal.setitimer(signal.ITIMER_REAL, BEAT, BEAT)
        try:
            yield
        finally:
            if on_main_thread and hasattr(signal, "setitimer"):
                signal.setitimer(signal.ITIMER_REAL, *timer)
                signal.signal(signal.SIGALRM, before)
            heart.cancel()


def kind(thing: Any) -> str:
    return "None" if thing is None else f"a {type(thing).__name__}"


def _line(place: inspect.Traceback | inspect.FrameInfo) -> str:
    """Return a line with its number, and carets below what runs there."""
    text = linecache.getline(place.filename, place.lineno).rstrip("\n")
    line = f"line {place.lineno}:  "
    indent = len(text) - len(text.lstrip())
    carets, positions = "", place.positions
    if positions and positions.end_lineno == place.lineno and None not in positions:
        start, end = (len(text.encode()[:column].decode()) for column in positions[2:])
        if (start, end) != (indent, len(text)):
            carets = " " * (len(line) + start - indent) + "^" * (end - start) + "\n"
    return f"{line}{text.strip()}\n{carets}"


def _fenced(text: str) -> str:
    """Return a text as a block of code, if there is one."""
    return f"\n\n```\n{text.rstrip()}\n```" if text else ""


class WatchedServer(socketio.AsyncServer):  # type: ignore[misc]
    """A server whose handlers, when they raise, end the check."""

    def __init__(self, reader: Reader, **options: Any) -> None:
        super().__init__(async_mode="aiohttp", logger=SILENT, engineio_logger=SILENT, **options)
        self._reader = reader
        self.begun = Counter[str]()  # how often handlers were called, by event
        self.forgiven: tuple[type[Exception], ...] = ()  # answered with None

    async def _trigger_event(self, event: str, namespace: str, *args: Any) -> Any:
        """Call a handler; all of them are called from here."""
        self.begun[event] += 1
        try:
            answer = await super()._trigger_event(event, namespace, *args)  # internal
            return await called(answer)
        except self.forgiven:
            return None
        except (asyncio.CancelledError, ConnectionRefusedError, SocketRefusedError):
            raise
        except BaseException as error:
            if isinstance(error, TypeError) and not self._reader.line(error):  # other parameters
                if event == "connect" and args[-1] is None:
                    raise  # python-socketio tries again, without `auth`
                if event == "disconnect" and error.__context__ is not None:
                    error = error.__context__  # it has tried again, without the reason
            self._reader.stop(self._reader.explain(error, event))
            return None


def shorten() -> None:
    """Let this notebook show both with the lines of its cells only; without IPython do nothing."""
    ipython = sys.modules.get("IPython")
    if ipython is not None and (shell := ipython.get_ipython()) is not None:
        shell.set_custom_exc((asyncio.CancelledError, SioDemoError), _show)


def _show(
    shell: Any, kind: type[BaseException], error: BaseException, trace: Any, tb_offset: Any = None
) -> list[str]:
    frames = []
    while trace is not None:
        if trace.tb_frame.f_globals is shell.user_ns:
            frames.append(trace)
        trace = trace.tb_next
    kept = None
    for each in reversed(frames):
        kept = TracebackType(kept, each.tb_frame, each.tb_lasti, each.tb_lineno)
    if isinstance(error, asyncio.CancelledError):
        error = KeyboardInterrupt("interrupted while the line at the arrow was waiting")
    error.__cause__ = error.__context__ = None
    lines: list[str] = shell.InteractiveTB.structured_traceback(type(error), error, kept)
    shell._showtraceback(type(error), error, lines)
    return lines
