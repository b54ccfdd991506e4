"""Hosts a python-socketio server on loopback, in the event loop of the notebook."""

from __future__ import annotations

import asyncio
from typing import Any

import socketio
from aiohttp import web
from engineio.async_socket import AsyncSocket

from ..errors import ClosedError, UsageError
from . import cleanup

HOST = "127.0.0.1"
SHUTDOWN_TIMEOUT = 0.1  # seconds that aiohttp waits for open requests when it closes


class Server:
    """A ``socketio.AsyncServer`` that listens; made by :func:`serve`.

    Attributes
    ----------
    sio : socketio.AsyncServer
        The server as the caller made it.
    host, port : str, int
        Where it listens: 127.0.0.1, on a port that the system chose.
    """

    def __init__(self, sio: socketio.AsyncServer, runner: web.AppRunner) -> None:
        self.sio = sio
        self.host = HOST
        self.port: int = runner.addresses[0][1]
        self.closed = False
        self._runner = runner

    @property
    def url(self) -> str:
        """What a client connects to when no link is in between."""
        return f"http://{self.host}:{self.port}"

    def sids(self, namespace: str = "/") -> list[str]:
        """Give the session ids that the server holds for live, in the order of arrival."""
        if namespace not in self.sio.manager.get_namespaces():
            return []
        return [sid for sid, _ in self.sio.manager.get_participants(namespace, None)]

    async def close(self) -> None:
        """End every session and stop listening; a second call does nothing."""
        if self.closed:
            return
        self.closed = True
        cleanup.forget(self)
        for session in list(self.sio.eio.sockets.values()):
            # Not eio.disconnect(): it waits until all is sent, for ever if the client is gone.
            await session.close(wait=False)
        self.sio.eio.sockets.clear()
        await self.sio.shutdown()
        await self._runner.cleanup()
        await self._stop_pings()

    async def _stop_pings(self) -> None:
        """Cancel Engine.IO's ping timers: each outlives its session by one interval (25 s)."""
        pings = [task for task in asyncio.all_tasks() if _pinged_by(task) is self.sio.eio]
        for task in pings:
            task.cancel()
        await asyncio.gather(*pings, return_exceptions=True)

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
    """Give the Engine.IO server whose ping timer this task is, or None."""
    frame = getattr(task.get_coro(), "cr_frame", None)
    if frame is None or frame.f_code is not AsyncSocket._send_ping.__code__:
        return None
    return frame.f_locals["self"].server


async def serve(sio: Any) -> Server:
    """Let a Socket.IO server listen on 127.0.0.1, on a free port.

    Parameters
    ----------
    sio : socketio.AsyncServer
        Made with ``async_mode="aiohttp"``, its handlers registered before or after.

    Returns
    -------
    Server
        Also an async context manager, which closes it.

    Raises
    ------
    UsageError
        `sio` is not such a server.
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
    app = web.Application()
    sio.attach(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0).start()
    server = Server(sio, runner)
    cleanup.register(server, server.port)
    return server
