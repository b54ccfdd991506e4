"""A PostgreSQL and a Valkey that may be killed, paused and started again."""

import asyncio
import os
import signal
from contextlib import suppress
from typing import Any

import psutil

from sio_demo.errors import UsageError
from sio_demo.lab.engines import Engine, Postgres, Valkey
from sio_demo.lab.waiting import PATIENCE, wait_until


class Killable(Engine):
    """An engine that was started here; one that the environment names is left alone."""

    pid: int

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
        self._signal(signal.SIGCONT)

    async def restart(self) -> None:
        """Start it again, after `kill`, at the same URL."""
        await asyncio.to_thread(self.run_again)

    async def close(self) -> None:
        if self.server is not None:
            with suppress(ProcessLookupError):  # it was killed
                self.resume()
        await super().close()

    def _signal(self, number: int) -> None:
        if self.server is None:
            raise UsageError("This server was not started here, so it is not killed or paused.")
        os.kill(self.pid, number)

    def run_again(self) -> None: ...


class KillablePostgres(Killable, Postgres):
    def open(self) -> None:
        super().open()
        self.pid = self.server.get_pid()

    def run_again(self) -> None:
        # Where nobody collects the exit code of a dead server, its number looks like that of one
        # that runs, and its locks would be respected.
        sockets = self.server.get_postmaster_info().socket_dir
        for lock in [self.server.pgdata / "postmaster.pid", *sockets.glob(".s.PGSQL.*.lock")]:
            lock.unlink(missing_ok=True)
        self.server.ensure_postgres_running()
        self.pid = self.server.get_pid()


class KillableValkey(Killable, Valkey):
    def open(self) -> None:
        super().open()
        self.pid = self.server._process.pid  # internal: it does not say

    def run_again(self) -> None:
        server: Any = self.server
        port = server.port
        server.stop()
        server._desired_port = port  # internal: it takes one only when it is made
        server.start(timeout=PATIENCE)
        self.pid = server._process.pid


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
