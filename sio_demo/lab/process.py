"""A server in a process of its own, which can be killed at a point that it announces."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections import deque
from contextlib import suppress
from typing import Any

import socketio

from ..errors import ClosedError, NotSeenError
from . import HOST, resources
from .link import Link
from .server import serve
from .waiting import PATIENCE, wait_until

LONGEST_LINE = 2**24  # bytes
START_TIMEOUT = 30.0  # seconds; a busy machine may take a few to start Python


class ServerProcess:
    """A Socket.IO server in a process of its own, of number `pid`; made by :meth:`start`.

    It listens on 127.0.0.1, at `url`, and ends with the Python that started it, however that ends.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._errors: deque[str] = deque(maxlen=20)  # the last lines of its stderr
        self._reading = asyncio.create_task(self._read_errors())
        self._program: dict[str, Any] = {}
        self.url = ""
        self.pid = process.pid

    @classmethod
    async def start(cls, source: str, **variables: Any) -> ServerProcess:
        """Run a program in Python, and wait until its server listens.

        It makes ``sio = socketio.AsyncServer(async_mode="aiohttp")`` and handlers. Its globals come
        by way of JSON; what it prints comes back by :meth:`line`. ClosedError, with its last words,
        says that it has ended before it listened.
        """
        order = json.dumps({"source": source, "variables": variables})
        running = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-c", f"from {__name__} import main; main()"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            limit=LONGEST_LINE,
            start_new_session=True,  # interrupting the kernel must not end it
        )
        process = cls(running)
        try:
            assert running.stdin is not None
            running.stdin.write(order.encode() + b"\n")
            port = int(await process.line(timeout=START_TIMEOUT))
        except BaseException:
            await process.close()
            raise
        process.url = f"http://{HOST}:{port}"
        process._program = {"source": source, **variables}
        resources.register(process, port)
        return process

    async def line(self, timeout: float = PATIENCE) -> str:  # noqa: ASYNC109
        """Wait for a line it prints. NotSeenError: none came in time; ClosedError: it ended."""
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(timeout):
                line = await self._process.stdout.readline()
        except TimeoutError:
            raise NotSeenError(
                f"The server process has printed no line within {timeout:g} s{self._last_words()}"
            ) from None
        if not line:
            await self._process.wait()
            await self._reading
            raise ClosedError(f"The server process has ended{self._last_words()}")
        return line.decode(errors="replace").rstrip("\n")

    async def kill(self) -> None:
        """Kill it with SIGKILL, and wait until it is dead; a second call does nothing."""
        resources.forget(self)
        with suppress(ProcessLookupError):  # it has ended
            self._process.kill()
        await self._process.wait()
        await self._reading

    close = kill  # the program has nothing that it could lose

    def __repr__(self) -> str:
        return f"<ServerProcess {'running' if self._process.returncode is None else 'ended'}>"

    def _last_words(self) -> str:
        return f". On stderr: {chr(10).join(self._errors) or 'nothing'}"

    async def _read_errors(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            self._errors.append(line.decode(errors="replace").rstrip("\n"))


async def kill_and_restart(
    process: ServerProcess, link: Link, client: socketio.AsyncClient
) -> ServerProcess:
    """Kill a server, return a new process of its program behind the link, and await the client."""
    sid = client.get_sid()
    await process.kill()
    new = await ServerProcess.start(**process._program)
    link.retarget(new.url)
    await wait_until(lambda: client.get_sid() not in (None, sid))
    return new


# --- in the process


def main() -> None:
    """Run the program that a line of JSON on stdin has, until killed, or until stdin ends."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    order = json.loads(sys.stdin.readline())
    threading.Thread(target=_die_with_parent, daemon=True).start()
    asyncio.run(_serve(order["source"], order["variables"]))


def _die_with_parent() -> None:
    sys.stdin.read()
    os._exit(0)


async def _serve(source: str, variables: dict[str, object]) -> None:
    namespace = {"__name__": "__main__", **variables}
    exec(compile(source, "<server>", "exec"), namespace)
    server = await serve(namespace["sio"])
    print(server.port)
    await asyncio.Event().wait()
