"""The panel: what its buttons do, and what it remembers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from IPython.display import display

from ..counters import Counters
from ..errors import ClosedError, NotSeenError, SioDemoError, UsageError
from ..lab import cleanup
from .bench import PanelBench
from .history import PLACES, Place, Sent, State, counted, times, words
from .program import Program
from .view import BUTTONS, View

UNREACHABLE = (
    "Off: this browser tab cannot reach the kernel on 127.0.0.1. The panel works only when "
    "browser and kernel are on one machine, without a container or a tunnel in between."
)


class Panel:
    """A client, a server and a link to break; made by ``panel.python()`` or ``panel.browser()``.

    Each button calls the method of its name. They wait for one another.

    Attributes
    ----------
    counters : Counters
        Listeners and live sids as they are now; packets, calls and effects of the last message.
    sent : list of Sent
        Every message so far.
    status : str
        What happened last, or why the panel is off.
    """

    def __init__(self, program: Program, place: Place, status: str = "") -> None:
        self.counters = Counters(0, 0, 0, 0, 0)
        self.sent: list[Sent] = []
        self.status = status
        self.closed = False
        self._program = program
        self._place = place
        self._faults: list[str] = []
        self._delayed = False
        self._bench: PanelBench | None = None
        self._lock = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._view = View(
            program.title,
            program.screen,
            press=lambda name: self._run(getattr(self, name)),
            listen=lambda place: self._run(partial(self.listen, place)),
        )
        self._refresh()
        cleanup.register(self)

    # --- what the buttons do -----------------------------------------------------------

    async def send(self) -> Counters:
        """Let the server send one message; give its five counters."""
        async with self._work() as bench:
            number = len(self.sent) + 1
            self.counters = await bench.send(number)
            self.sent.append(Sent(number, self._place, tuple(self._faults), self.counters))
            self._faults.clear()
            packets, calls = self.counters.packets, self.counters.calls
            on_the_wire = counted(packets, "packet")
            self.status = f"Sent message {number}: {on_the_wire}, handled {times(calls)}."
        return self.counters

    async def cut(self) -> None:
        """Reset the connection; return when the client is back."""
        async with self._work() as bench:
            await bench.cut("reset")
            self._broke("cut", "The connection was reset, and the client came back.")

    async def half_open(self) -> None:
        """End the client's side of the connection only; return when the client is back."""
        async with self._work() as bench:
            await bench.cut("half-open")
            self._broke("half-open", "The client came back; the server still holds its old sid.")

    async def restart(self) -> None:
        """Let the server die and start anew; return when the client is back."""
        async with self._work() as bench:
            await bench.restart()
            self._broke("restart", "A new server has taken over, and the client came back.")

    async def delay(self, on: bool | None = None) -> None:
        """Delay every byte by 0.2 s in each direction, or no more; without `on`, switch over."""
        async with self._work() as bench:
            self._delayed = not self._delayed if on is None else bool(on)
            await bench.delay(self._delayed)
            self.status = f"The network is {'slow' if self._delayed else 'fast'} now."

    async def listen(self, place: Place) -> None:
        """Start the client anew, its listener ``"inside"`` or ``"outside"`` ``connect``."""
        if place not in PLACES:
            raise UsageError(f'The listener is "inside" or "outside" connect, not {place!r}.')
        async with self._work() as bench:
            self._place = place
            await self._start(bench, [])

    # --- opening and closing -----------------------------------------------------------

    @property
    def widget(self) -> Any:
        """The box of widgets."""
        return self._view.box

    async def serve(self, origins: list[str] | None = None) -> None:
        """Serve, to web pages of these origins, and start the client; end what was before."""
        async with self._lock:
            await self._close_bench()
            self._delayed = False
            self._bench = PanelBench(origins, self._on_sessions)
            await self._bench.open()
            try:
                await self._start(self._bench, ["reload"] if self.sent else [])
            except NotSeenError:
                await self._close_bench()
                self._refresh(UNREACHABLE)

    def meet(self, origin: str, reason: str) -> None:
        """Serve a page that shows the panel, if there is no reason against it."""
        if self.closed or (reason and self._bench is not None):
            return
        if reason:
            self._refresh(f"Off: {reason}")
        else:
            self._run(partial(self.serve, [origin]))

    async def close(self) -> None:
        """Stop the client, the link and the server; a second call does nothing."""
        if self.closed:
            return
        self.closed = True
        cleanup.forget(self)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        async with self._lock:
            await self._close_bench()
        self._refresh("Closed. Run the cell again to open a new panel.")

    def show(self) -> None:
        """Show the panel below the cell; where widgets cannot be shown, what it says in words."""
        display(self)  # type: ignore[no-untyped-call]

    def __repr__(self) -> str:
        sent = words(self.sent, self._faults) or "No message yet."
        return "\n".join(
            [
                f"Live panel: {self._program.title}, listener {self._place} connect",
                f"Buttons: {', '.join(label.partition(':')[0] for label, _ in BUTTONS.values())}",
                str(self.counters),
                *([self.status] if self._bench is None else []),
                sent,
            ]
        )

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        view = {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}
        return {"application/vnd.jupyter.widget-view+json": view, "text/plain": repr(self)}

    # --- inside ------------------------------------------------------------------------

    @asynccontextmanager
    async def _work(self) -> AsyncIterator[PanelBench]:
        """Do one thing at a time, and show what came of it."""
        async with self._lock:
            if self.closed:
                raise ClosedError("This panel is closed: open a new one.")
            if self._bench is None:
                raise UsageError(self.status)
            yield self._bench
            await self._look()
            self._refresh()

    async def _start(self, bench: PanelBench, faults: list[str]) -> None:
        """Start the client anew, with nothing counted."""
        before = bench.live()
        client = bench.expect_client()
        await self._program.start(bench.link.url, self._place)
        await client
        await bench.gone(before)
        self._faults = faults
        self.counters = Counters(0, 0, 0, 0, 0)
        await self._look()
        self._refresh(f"A new client is connected; its listener is {self._place} connect.")

    async def _look(self) -> None:
        """Read what can change without a message."""
        assert self._bench is not None
        sids = len(self._bench.server.sids())
        listeners = (await self._bench.report()).listeners if sids else 0
        self.counters = self.counters._replace(listeners=listeners, sids=sids)

    async def _close_bench(self) -> None:
        bench, self._bench = self._bench, None
        await self._program.stop()
        if bench is not None:
            await bench.close()

    def _broke(self, fault: str, status: str) -> None:
        self._faults.append(fault)
        self.status = status

    def _refresh(self, status: str | None = None) -> None:
        if status is not None:
            self.status = status
        self._program.refresh()
        self._view.show(
            State(
                place=self._place,
                counters=self.counters,
                sent=self.sent,
                faults=self._faults,
                delayed=self._delayed,
                ready=self._bench is not None,
                status=self.status,
            )
        )

    def _on_sessions(self, what: str) -> None:
        """Show how many sids are live, also when nobody has pressed anything."""
        if not self._lock.locked():
            self._run(partial(self._happened, what))

    async def _happened(self, what: str) -> None:
        async with self._work():
            self.status = what

    def _run(self, action: Callable[[], Awaitable[Any]]) -> None:
        """Do something that nobody awaits.

        JupyterLab lets the kernel handle the messages of widgets in another thread (a subshell,
        since 4.4), with an event loop of its own.
        """
        self._loop.call_soon_threadsafe(self._begin, action)

    def _begin(self, action: Callable[[], Awaitable[Any]]) -> None:
        if self.closed:
            return
        task = self._loop.create_task(self._shown(action))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _shown(self, action: Callable[[], Awaitable[Any]]) -> None:
        try:
            await action()
        except SioDemoError as error:
            self._refresh(str(error))
        except Exception as error:  # there is no other place to show it
            self._refresh(f"{type(error).__name__}: {error}")
