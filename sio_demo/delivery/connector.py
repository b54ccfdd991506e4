"""Keeps a python-socketio client connected, and replaces connections that are dead.

python-socketio's own reconnection can get stuck without an error: the client reports
``connected`` although its transport is gone (python-socketio issue #940 shows the symptom), or it
gave up once and never tries again. This module switches it off. Each attempt has an Engine.IO
client of its own, so nothing of a dead connection reaches the next one. python-socketio swallows
a cancellation in the user's handlers: nothing here waits for one longer than `HANG_UP`.
"""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import aiohttp
import socketio
from engineio.base_client import connected_clients
from socketio.exceptions import ConnectionError as NotConnected

from ..errors import UsageError
from .send_window import backoff

HANG_UP = 1.0  # seconds that closing a connection may take


class _Line:
    """A connection: its Engine.IO client, and the aiohttp session as that client sees it."""

    session: Any = None
    _ws: Any = None

    def __init__(self, first: Any) -> None:
        self.answer: asyncio.Future[Exception | None] = asyncio.Future()  # to CONNECT
        self.over: asyncio.Future[None] = asyncio.Future()  # cancelled when it is
        self.eio = eio = object.__new__(type(first))
        same = {k: v for k, v in vars(first).items() if not hasattr(type(first), k)}  # no hooks
        options = {**first.websocket_extra_options}  # internal: python-engineio changes it
        vars(eio).update(same, queue=eio.create_queue(), websocket_extra_options=options)
        eio.external_http = first.external_http and not first.http.closed  # internal

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)

    async def ws_connect(self, *args: Any, **options: Any) -> Any:
        self._ws = await self.session.ws_connect(*args, **options)
        return self._ws

    def shut_down(self) -> None:
        """End the connection, on a silent network too, and in a session that stays open."""
        with suppress(OSError, AttributeError), self._ws.get_extra_info("socket").dup() as sock:
            sock.shutdown(socket.SHUT_RDWR)  # AttributeError: there is none

    async def cut(self) -> None:
        eio, ws = self.eio, self._ws
        loops = {eio.read_loop_task, eio.write_loop_task} - {None}  # internal
        self.shut_down()
        with suppress(TimeoutError):
            async with asyncio.timeout(HANG_UP / 2):
                if self.session is not None and not eio.external_http:  # internal
                    await self.session.close()
                await asyncio.gather(*loops, return_exceptions=True)  # after a timeout, cancels
        await eio.disconnect(abort=True)
        with suppress(ValueError):
            connected_clients.remove(eio)  # internal: it is there if a loop was cancelled
        if ws is not None:
            await ws.close()
        eio.http = None  # internal: when garbage is collected, it would be closed


class Connector:
    """Owns the connection of a client, whose handlers are called as usual."""

    def __init__(self, client: socketio.AsyncClient, timeout: float, *delays: float) -> None:
        self.client = client
        self._timeout, self._delays = timeout, delays  # the first between attempts, and the longest
        self._attempts, self._reconnection = 0, client.reconnection
        self._online = False
        self._line: _Line | None = None
        self.ended = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def online(self) -> bool:
        """Whether there is a connection, with all its namespaces."""
        return self._online and self._line is not None and not self._line.over.done()

    def replace(self) -> None:
        """Drop this connection, and make another."""
        if self._line is not None:
            self._line.over.cancel()

    def abandon(self) -> None:
        """End the connection at once: the event loop waits for its tasks, and is ending."""
        if self._line is not None:
            self._line.shut_down()

    def next_delay(self) -> float:
        """Return the seconds to wait before the next attempt to connect or to send."""
        self._attempts += 1
        return backoff(self._attempts - 1, *self._delays)

    def succeeded(self) -> None:
        """Start again with the shortest delay."""
        self._attempts = 0

    async def run(
        self,
        url: str,
        arguments: dict[str, Any],
        on_attempt: Callable[[Exception | None], None],
        check: Callable[[], None],
        interval: float,
    ) -> None:
        """Connect, and connect again whenever the connection ends, until cancelled.

        `on_attempt` is called after every attempt, with None or the exception. `check` is called
        every `interval` seconds while there is a connection. Afterwards, call `disconnect`.
        """
        client, loop = self.client, asyncio.get_running_loop()
        client.reconnection, self._first = False, client.eio  # internal: itself never connected
        self._trigger, client._trigger_event = client._trigger_event, self._event  # internal
        while True:
            line = self._line = _Line(self._first)
            client.eio = line.eio  # internal
            self._attempt = self._start(self._connect(line, {**arguments, "url": url}))
            try:
                await asyncio.wait({self._attempt}, timeout=self._timeout)
                if not self._attempt.done():
                    raise TimeoutError(f"No connection within {self._timeout} s.")
                self._attempt.result()
            except Exception as error:
                on_attempt(error)
            else:
                since, self._online = loop.time(), True
                on_attempt(None)
                while self.online:
                    if not (await asyncio.wait({line.over}, timeout=interval))[0]:
                        check()
                if loop.time() - since > self._delays[1]:
                    self.succeeded()
            await self.hang_up()
            await asyncio.sleep(self.next_delay())

    async def disconnect(self) -> None:
        """Disconnect; if the server does not take part in time, close the socket."""
        if self._line is not None:
            await asyncio.wait({self._start(self.client.disconnect())}, timeout=HANG_UP)
        await self.hang_up()
        self.ended.set()
        vars(self.client).pop("wait", None)
        self.client.reconnection = self._reconnection
        if self.client._trigger_event == self._event:  # internal; a follower may be in front
            self.client._trigger_event = self._trigger  # internal

    async def hang_up(self) -> None:
        """Close the connection without telling the server. If cancelled, it goes on by itself."""
        if self._line is not None:
            self._attempt.cancel()
            self._start(self._drop(self._line))
            self._line, self._online = None, False
        with suppress(TimeoutError):
            async with asyncio.timeout(HANG_UP):
                while self._tasks:
                    await asyncio.wait(self._tasks)

    async def _drop(self, line: _Line) -> None:
        client, eio = self.client, line.eio
        heard, eio.handlers = eio.handlers, dict.fromkeys(eio.handlers, lambda *_: None)  # internal
        for _ in range(2 * len(client.namespaces) + 2):  # internal: what has begun is finished
            await asyncio.sleep(0)
        if client.connected:
            await heard["disconnect"](client.reason.TRANSPORT_ERROR)
        client.connected, client.namespaces, client.callbacks = False, {}, {}  # internal
        client.eio = self._first  # internal
        await line.cut()

    async def _connect(self, line: _Line, given: dict[str, Any]) -> None:
        first, value = self._first, self.client._get_real_value  # internal
        try:
            for name in ("url", "headers", "auth"):
                given[name] = await value(given.get(name))
            opener = getattr(first, "http_factory", None) or aiohttp.ClientSession  # internal
            line.session = first.http if line.eio.external_http else await value(opener)  # internal
        except (Exception, asyncio.CancelledError) as error:
            raise NotConnected(f"Before connecting: {error!r}") from error
        if self._line is not line:  # a function of the user has ignored that it was cancelled
            return await line.cut()
        if "://" not in str(given["url"]):
            raise UsageError(f"A URL begins with http:// or https://, unlike {given['url']!r}.")
        given["headers"] = {**(given["headers"] or {})}  # python-engineio changes it
        line.eio.http = line  # internal
        await self.client.connect(**given, wait=False, retry=False)
        reader = line.eio.read_loop_task  # internal
        reader.add_done_callback(lambda _: line.over.cancel())
        await asyncio.wait({line.answer, reader}, return_when=asyncio.FIRST_COMPLETED)
        if not line.answer.done():
            raise NotConnected("The server closed the connection.")
        if (refusal := line.answer.result()) is not None:
            raise refusal

    async def _event(self, event: str, namespace: str, *arguments: Any) -> Any:
        """Call a handler, in the place of a method of the client's that waits for its end."""
        client, line = self.client, self._line
        if line is not None and not line.answer.done():
            if event == "connect_error":
                line.answer.set_result(NotConnected(f"{namespace} was refused", *arguments))
            elif set(client.namespaces) >= set(client.connection_namespaces):  # internal
                line.answer.set_result(None)
        if event in ("connect_error", "disconnect", "__disconnect_final"):
            self._start(self._trigger(event, namespace, *arguments))
            await asyncio.sleep(0)  # it begins before the client's state is cleared
            return None
        answer = await self._trigger(event, namespace, *arguments)
        if self._line is not line:  # the next connection is not to get this one's ack
            raise asyncio.CancelledError
        return answer

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
