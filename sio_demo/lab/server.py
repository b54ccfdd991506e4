"""Hosts a python-socketio server on loopback, in the event loop of the notebook."""

from __future__ import annotations

import asyncio
import weakref
from typing import Any
from urllib.parse import urlsplit

import socketio
from aiohttp import web
from aiohttp.typedefs import Handler
from engineio.async_socket import AsyncSocket

from ..errors import ClosedError, UsageError
from . import HOST, resources
from .waiting import shielded

SHUTDOWN_TIMEOUT = 0.1  # seconds that open requests have to end when the server closes

_served: weakref.WeakSet[socketio.AsyncServer] = weakref.WeakSet()


class Server:
    """A ``socketio.AsyncServer``, `sio`, that listens on `host` and `port`: see `serve`."""

    host = HOST
    port: int
    url: str  # for a client, when no link is in between

    def __init__(self, sio: socketio.AsyncServer) -> None:
        self.sio = sio
        self.closed = False
        self._requests = set[asyncio.Task[Any]]()
        app = web.Application(middlewares=[self._note])
        sio.attach(app)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT)
        self._closing: asyncio.Task[None] | None = None

    async def open(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, 0).start()
        self.port = self._runner.addresses[0][1]
        self.url = f"http://{HOST}:{self.port}"
        _served.add(self.sio)
        resources.register(self, self.port)

    def sids(self, namespace: str = "/") -> list[str]:
        """Return the session ids that the server holds for live, in the order of arrival."""
        if namespace not in self.sio.manager.get_namespaces():  # internal
            return []
        return [sid for sid, _ in self.sio.manager.get_participants(namespace, None)]  # internal

    async def close(self) -> None:
        """End every session and stop listening; a second call does nothing.

        Clients are told, and have a moment to hang up. `sio` may be served again. Who is cancelled
        while waiting for it waits until all is closed.
        """
        self.closed = True
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        await shielded(self._closing)

    async def _close(self) -> None:
        resources.forget(self)
        for session in list(self.sio.eio.sockets.values()):  # internal
            # Not eio.disconnect(): it waits until all is sent, for ever if the client is gone.
            await session.close(wait=False)
        self.sio.eio.sockets.clear()  # internal
        await self._stop_watching()
        if self._requests:
            await asyncio.wait(self._requests, timeout=SHUTDOWN_TIMEOUT)
        await self._runner.cleanup()
        await self._stop_tasks()
        _served.discard(self.sio)

    async def _stop_watching(self) -> None:
        """Stop Engine.IO's watch over silent clients, so that it starts again when served again."""
        eio = self.sio.eio  # internal
        watched = eio.service_task_handle is not None  # internal
        await self.sio.shutdown()
        eio.service_task_event = None  # internal
        eio.start_service_task = eio.start_service_task or watched  # internal

    async def _stop_tasks(self) -> None:
        """Cancel what outlives its connection: ping timers (25 s), polls of who is gone (45 s)."""
        eio = self.sio.eio  # internal
        pings = [task for task in asyncio.all_tasks() if _pinged_by(task) is eio]
        tasks = [*pings, *self._requests]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @web.middleware
    async def _note(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Keep the task that answers; refuse who names another host (DNS rebinding)."""
        if request.url.host not in (HOST, "localhost", "::1"):
            raise web.HTTPForbidden(text="This server answers on loopback only.")
        task = asyncio.current_task()
        assert task is not None
        self._requests.add(task)
        try:
            return await handler(request)
        except ConnectionResetError:  # the client has gone, and aiohttp would log it as an error
            return web.Response()
        finally:
            self._requests.discard(task)

    async def __aenter__(self) -> Server:
        if self.closed:
            raise ClosedError("This server is closed. Make a new one with `await serve(sio)`.")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{len(self.sids())} live sids"
        return f"<Server {state}>"


def _pinged_by(task: asyncio.Task[Any]) -> Any:
    """Return the Engine.IO server whose ping timer this task is, or None."""
    frame = getattr(task.get_coro(), "cr_frame", None)
    if frame is None or frame.f_code is not AsyncSocket._send_ping.__code__:
        return None
    return frame.f_locals["self"].server


async def serve(sio: Any) -> Server:
    """Let a ``socketio.AsyncServer`` listen on 127.0.0.1, on a free port.

    It is made with ``async_mode="aiohttp"``, and its handlers are registered before or after. The
    server that is returned is also an async context manager, which closes it. UsageError says that
    `sio` is not such a server, or that it is served already.
    """
    if not isinstance(sio, socketio.AsyncServer):
        raise UsageError(
            f"serve() hosts a socketio.AsyncServer, not {type(sio).__name__}. "
            'Make one with `sio = socketio.AsyncServer(async_mode="aiohttp")`.'
        )
    if sio.async_mode != "aiohttp":
        raise UsageError(
            f"This server was made with async_mode={sio.async_mode!r}. "
            'Make it with `socketio.AsyncServer(async_mode="aiohttp")`.'
        )
    if sio in _served:
        raise UsageError(
            "This AsyncServer is served already: close that server first (`await server.close()`), "
            "or make another AsyncServer."
        )
    server = Server(sio)
    await server.open()
    return server


def address(server: Any) -> tuple[str, int]:
    """Return the host and the port of a server, or of the URL of one on loopback."""
    if isinstance(server, Server):
        if server.closed:
            raise ClosedError("That server is closed. Make a new one with `await serve(sio)`.")
        return server.host, server.port
    try:
        parts = urlsplit(server)
        if parts.scheme == "http" and parts.hostname == HOST and parts.port:
            return parts.hostname, parts.port
    except (ValueError, TypeError, AttributeError):
        pass
    raise UsageError(
        f"A link takes what `await serve(sio)` gave, or a URL such as "
        f'"http://{HOST}:5000", not {server!r}.'
    )
