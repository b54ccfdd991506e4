"""The wire you can cut: a server, a TCP link and a client, drawn, with buttons that break it."""

import asyncio
import re
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Literal

import socketio
from IPython.display import display
from socketio.exceptions import TimeoutError as NoAcknowledgementError

from ..counters import Counters
from ..errors import ClosedError, NodeMissingError, NotSeenError, SioDemoError, UsageError
from ..lab import resources
from ..lab.bench import Bench
from ..lab.clients import EmitterClient
from ..lab.faults import Cut
from .clients import (
    KINDS,
    PICTURE,
    PLACES,
    ClientKind,
    ClientReport,
    KernelClient,
    ListenerPlace,
    Wire,
)

DELAY = 0.2  # seconds, in each direction
PINGS = {"ping_interval": 5, "ping_timeout": 20}  # so the server drops a half-open one in 25 s
UNREACHABLE = "This browser tab cannot reach the kernel on 127.0.0.1."
IN_THE_KERNEL = "So the client is an EmitterClient in the kernel."
NOT_YET = "Asleep until it is shown, or until one of its methods is called."
LINES_SHOWN = 8
THIS_MACHINE = re.compile(r"http://(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?")

Action = Callable[[], Awaitable[None]]
Button = Literal["send", "cut", "half_open", "restart", "slow"]


class Panel:
    """A client, a server and a link to break; made by :func:`wire`.

    Every button can be pressed from Python too, and they run one at a time. `counters` are the
    current listeners and live sids, and the packets, calls and effects of the last message;
    `status` says what happened last.
    """

    def __init__(self, client: ClientKind, place: ListenerPlace) -> None:
        self.counters = Counters(0, 0, 0, 0, 0)
        self.status = NOT_YET
        self.closed = False
        self.widget = Wire()
        self._wanted, self._kind, self._place = client, client, place
        self.clients: dict[ClientKind, KernelClient | Wire] = {
            "browser": self.widget,
            "emitter": KernelClient(EmitterClient),
            "python": KernelClient(socketio.AsyncClient),
        }
        self._origins: list[str] | None = None  # the page that may connect
        self._served: list[str] | None = None  # the one that the server lets in
        self._bench = Bench()
        self._awake = False
        self._latency = AsyncExitStack()
        self._report = ClientReport(0, 0, 0, [])
        self._sent = 0
        self._slow = False
        self._moves = 0
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._run_loop, name="sio-demo panel", daemon=True).start()
        self._lock = asyncio.Lock()
        self._actions: dict[Button, Action] = {
            "send": self._send,
            "cut": partial(self._cut, "reset", "Cut by a TCP reset"),
            "half_open": partial(self._cut, "half-open", "The server has not noticed the cut"),
            "restart": self._restart,
            "slow": self._delay,
        }
        self.widget.on_msg(self._received)
        resources.register(self)

    # --- what the buttons do -----------------------------------------------------------

    async def press(self, button: Button) -> Counters:
        """Do what a button does; return the counters when the client is back, if it was cut off."""
        await self._do(self._actions[button])
        return self.counters

    async def choose(
        self, client: ClientKind | None = None, listener: ListenerPlace | None = None
    ) -> None:
        """Start another client, or the same with its listener elsewhere; choose as in `wire`."""
        check(client or self._kind, listener or self._place)
        await self._do(partial(self._choose, client, listener))

    # --- opening and closing -----------------------------------------------------------

    async def close(self) -> None:
        """Stop the client, the link and the server; may be called twice."""
        if not self.closed:
            await asyncio.wrap_future(self.retire())

    def retire(self) -> Future[None]:
        """Close, once; return what ends when it is closed."""
        self.closed = True
        resources.forget(self)
        return self._in_thread(self._close())

    def show(self) -> None:
        """Display the drawing below the cell; where widgets do not work, a recorded run."""
        display(self)  # type: ignore[no-untyped-call]

    def __repr__(self) -> str:
        heading = (
            "The wire you can cut: a server, a TCP link, a client with its listeners.\n"
            "Where no kernel runs, this recorded run of socket.io-client is shown:"
        )
        run = [
            f"- {state['status'].rstrip('.')} (listeners: {len(state['stack'])})"
            for state in self.widget.recording
        ]
        return "\n".join([heading, *run])

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        view = {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}
        return {
            "application/vnd.jupyter.widget-view+json": view,
            "image/svg+xml": PICTURE.read_text(encoding="utf-8"),
            "text/plain": repr(self),
        }

    # --- in the thread, whose event loop runs while the kernel is busy --------------------

    def _run_loop(self) -> None:
        self._loop.run_forever()
        self._loop.close()

    def _in_thread(self, work: Coroutine[Any, Any, None]) -> Future[None]:
        with resources.apart():  # the task inherits it
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _do(self, action: Action) -> None:
        """Run an action in the panel's thread, and wait for it."""
        if self.closed:
            raise ClosedError("This panel is closed: open a new one with `panel.wire()`.")
        await asyncio.wrap_future(self._in_thread(self._in_turn(action)))

    async def _in_turn(self, action: Action, *, wake: bool = True) -> None:
        async with self._lock:
            if wake and not self._awake:
                await self._open()
            await action()

    async def _open(self) -> None:
        if self._kind == "browser" and self._origins is None:
            self._kind = "emitter"  # no page shows the drawing
        self._bench = Bench()
        await self._serve()
        self._awake = True
        try:
            await self._start()
        except (NotSeenError, NodeMissingError) as error:
            if self._kind != "browser":
                raise
            self._kind = "emitter"
            await self._start()
            why = UNREACHABLE if isinstance(error, NotSeenError) else str(error)
            self._say(f"{why} {IN_THE_KERNEL}")

    async def _serve(self) -> None:
        """Serve a new server. Clients that are no browser may connect; no other page may."""
        self._served = self._origins
        sio = socketio.AsyncServer(async_mode="aiohttp", cors_allowed_origins=self._served, **PINGS)
        sio.on("connect", lambda _sid, _environ: self._on_sessions("A session has begun."))
        sio.on("disconnect", self._on_disconnect)
        await self._bench.serve(sio)

    async def _start(self) -> None:
        """Start a new client, and reset the counters."""
        newest = self._bench.server.sids()[-1:]  # half-open ones before it end by a timeout
        for client in self.clients.values():
            await client.stop()
        await self._bench.gone(newest)
        arrived = self._bench.expect_client()
        await self.clients[self._kind].start(self._bench.link.url, self._place)
        await arrived
        self.counters = Counters(0, 0, 0, 0, 0)
        await self._look()
        self._show("start", f"A new client is connected; it listens {self._place} connect.")

    async def _send(self) -> None:
        """Send a message to every session, and count what it leaves behind."""
        self._sent += 1
        before = await self._ask()
        sessions = len(self._bench.server.sids())
        await self._bench.sio.emit("news", self._sent)
        after = await self._ask()
        await self._bench.wait_until(
            lambda: self._packets() >= sessions, "The message did not pass the link."
        )
        self.counters = Counters(
            before.listeners,
            sessions,
            self._packets(),
            after.calls - before.calls,
            len(after.screen) - len(before.screen),
        )
        await self._look()
        packets, calls = self.counters.packets, self.counters.calls
        status = f"{packets} packet{'s' * (packets != 1)}, {calls} call{'s' * (calls != 1)}"
        self._show("send", status)

    def _packets(self) -> int:
        """Count the packets that carried the last message, also those that were lost."""
        packets = self._bench.link.packets
        return sum(p.event == "news" and p.data == [self._sent] for p in packets)

    async def _cut(self, how: Cut, status: str) -> None:
        self._need_client()
        await self._bench.cut(how)
        await self._back("cut" if how == "reset" else how, status)

    async def _restart(self) -> None:
        async with self._bench.outage():
            await self._serve()
        await self._back("restart", "A new server has taken over")

    async def _back(self, move: str, status: str) -> None:
        """Show that the client has reconnected, and how its listeners have changed."""
        before = self._report
        await self._look()
        if self._report.listeners > before.listeners:
            what = "one more listener"
        elif self._report.registered > before.registered:
            what = "the new handler replaces the old one"
        else:
            what = "no new listener"
        self._show(move, f"{status}. The client is back: {what}.")

    async def _delay(self) -> None:
        """Delay every byte in each direction, or do so no more."""
        self._slow = not self._slow
        await self._latency.aclose()
        if self._slow:
            await self._latency.enter_async_context(self._bench.link.latency(DELAY))
        self._show("slow", f"The network is {'slow' if self._slow else 'fast'} now.")

    async def _choose(self, client: ClientKind | None, listener: ListenerPlace | None) -> None:
        if client == "browser" and self._origins is None:
            raise UsageError("No browser shows this panel: choose a client in the kernel.")
        self._kind, self._place = client or self._kind, listener or self._place
        if self._kind == "browser":
            await self._restart_for_page()
        else:
            await self._start()

    async def _look(self) -> None:
        if self._bench.live():
            self._report = await self._ask()
        self.counters = self.counters._replace(
            listeners=self._report.listeners, sids=len(self._bench.server.sids())
        )

    async def _ask(self) -> ClientReport:
        """Ask the client for its counters, behind all that was sent to it."""
        self._need_client()
        sid, seconds = self._bench.server.sids()[-1], self._bench.patience
        try:
            return ClientReport(**await self._bench.sio.call("report", to=sid, timeout=seconds))
        except NoAcknowledgementError:
            raise NotSeenError(f"The client did not answer within {seconds:g} s.") from None

    def _need_client(self) -> None:
        if not self._bench.live():
            raise UsageError("No client is connected.")

    async def _close(self) -> None:
        async with self._lock:
            await self._stop()
            self.status = "Closed. Run the cell again to open a new panel."
            self.widget.state = {**self.widget.state, "ready": False, "status": self.status}
        self._loop.call_soon(self._loop.stop)

    async def _stop(self) -> None:
        awake, self._awake, self._slow = self._awake, False, False
        for client in self.clients.values():
            await client.stop()
        await self._latency.aclose()
        if awake:
            await self._bench.close()

    def _show(self, move: str, status: str) -> None:
        """Show the current state, and the move that led to it."""
        self.status = status
        self._moves += 1
        report = self._report
        self.widget.state = {
            "ready": True,
            "client": self._kind,
            "place": self._place,
            "stack": list(range(report.registered - report.listeners + 1, report.registered + 1)),
            "screen": report.screen[-LINES_SHOWN:],
            "counters": self.counters._asdict(),
            "slow": self._slow,
            "status": status,
            "move": {"number": self._moves, "kind": move},
        }

    def _on_sessions(self, what: str) -> None:
        """Update the live sids when no button was pressed."""
        if not self._lock.locked():
            self._submit(partial(self._happened, what))

    def _on_disconnect(self, sid: str, reason: str) -> None:
        if sid in self._bench.server.sids():  # else it was one of a server that is no more
            self._on_sessions(f"The server has ended a session: {reason}.")

    async def _happened(self, what: str) -> None:
        await self._look()
        self._show("session", what)

    # --- from the page -----------------------------------------------------------------

    def _received(self, _: Wire, content: Any, buffers: Any) -> None:
        """Handle a message from the page; JupyterLab may call this in any thread."""
        match content:
            case {"page": page, "origin": origin}:
                self._submit(partial(self._meet, page, origin), wake=False)
            case {"press": name} if name in self._actions:
                self._submit(self._actions[name])
            case {"choose": {"client": client, "place": place}} if client in KINDS:
                self._submit(partial(self._choose, client, place if place in PLACES else None))

    async def _meet(self, page: Any, origin: Any) -> None:
        """Serve a page that shows the drawing, unless there is a reason against it."""
        reason = refusal(origin)
        if reason and self._kind == "browser" and not self._awake:
            await self._open()
            self._say(f"{reason} {IN_THE_KERNEL}")
        if reason:
            return
        self.widget.page = page
        self._origins = [origin]
        if not self._awake or self._wanted == "browser":
            self._kind = self._wanted
            await self._restart_for_page()

    async def _restart_for_page(self) -> None:
        """Start the client, on a server that lets the page in."""
        if self._awake and self._served == self._origins:
            await self._start()
        else:
            await self._stop()
            await self._open()

    def _submit(self, action: Action, *, wake: bool = True) -> None:
        """Run an action in the background; an error becomes the status."""
        if not self.closed:
            self._in_thread(self._shown(action, wake))

    async def _shown(self, action: Action, wake: bool) -> None:
        try:
            await self._in_turn(action, wake=wake)
        except Exception as error:  # it can be shown nowhere else
            kind = "" if isinstance(error, SioDemoError) else f"{type(error).__name__}: "
            self._say(f"{kind}{error}")

    def _say(self, status: str) -> None:
        self.status = status
        self.widget.state = {**self.widget.state, "status": status}


def wire(client: ClientKind = "browser", listener: ListenerPlace = "inside") -> Panel:
    """Return a panel, and close the previous one; display it with ``show()``.

    Nothing is started before a page shows the panel or one of its methods is called. It stays open
    after the notebook's last cell, until it or :func:`sio_demo.clean_up` closes it.

    The client is the real ``socket.io-client`` in the reader's browser tab (``"browser"``), an
    `EmitterClient` in the kernel (``"emitter"``), or python-socketio's (``"python"``). Where the
    browser is not on the kernel's machine, an `EmitterClient` takes the place of the first, and the
    drawing says why. It registers its listener ``"inside"`` ``connect``, or ``"outside"``.
    UsageError says that there is no such client, or no such place.
    """
    check(client, listener)
    for panel in [each for each in resources.opened if isinstance(each, Panel)]:
        panel.retire()
    return Panel(client, listener)


def check(client: Any, listener: Any) -> None:
    if client not in KINDS:
        raise UsageError(f"The client is one of {', '.join(map(repr, KINDS))}, not {client!r}.")
    if listener not in PLACES:
        raise UsageError(f'The listener is "inside" or "outside" connect, not {listener!r}.')


def refusal(origin: Any) -> str:
    """Return why a page may not connect; an empty text if it may.

    `origin` is its ``location.origin``, and becomes ``cors_allowed_origins``: it must be no more.
    """
    if isinstance(origin, str) and THIS_MACHINE.fullmatch(origin):
        return ""
    return (
        "The browser panel needs JupyterLab and its kernel on your own machine, at an address that "
        f"begins with http://localhost; this page comes from {origin!r}."
    )
