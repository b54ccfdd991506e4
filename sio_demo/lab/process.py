"""A server in a process of its own, which can be killed at a point that it announces."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import socketio

from ..errors import ClosedError, NotSeenError, UsageError
from . import HOST, resources
from .lines import LineSplitter
from .link import Link
from .waiting import PATIENCE, wait_until

PROGRAM = Path(__file__).with_name("process_main.py")
START_TIMEOUT = 30.0  # seconds; a busy machine may take a few to start Python


class _Voice(asyncio.SubprocessProtocol):
    """What the process has said, and that it is gone."""

    def __init__(self) -> None:
        self.lines: asyncio.Queue[str | None] = asyncio.Queue()  # None: it has ended
        self.errors: deque[str] = deque(maxlen=20)
        self._splitters = {1: LineSplitter(), 2: LineSplitter()}
        self.dead = asyncio.Event()
        self.gone = asyncio.Event()  # and all that it had said is here

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        for line in self._splitters[fd].feed(data):
            text = line.decode(errors="replace")
            self.lines.put_nowait(text) if fd == 1 else self.errors.append(text)

    def process_exited(self) -> None:
        self.dead.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()
        self.lines.put_nowait(None)


class ServerProcess:
    """A Socket.IO server in a process of its own, of number `pid`; made by :meth:`start`.

    It listens on 127.0.0.1, at `url`, and ends with the Python that started it, however that ends.
    """

    def __init__(self, transport: asyncio.SubprocessTransport, voice: _Voice) -> None:
        self._transport = transport
        self._voice = voice
        self._program: dict[str, Any] = {}
        self.url = ""
        self.pid = transport.get_pid()

    @classmethod
    async def start(cls, source: str, **variables: Any) -> ServerProcess:
        """Run a program in Python, and wait until its server listens.

        It makes ``sio = socketio.AsyncServer(async_mode="aiohttp")`` and its handlers; what it
        prints comes back by :meth:`line`. Its global variables come by way of JSON.

        UsageError says that `source` is not a str, or that JSON cannot hold a variable;
        ClosedError, that the program has ended before it listened, with its last words.
        """
        if not isinstance(source, str):
            raise UsageError(f"source must be a str of Python, not {source!r}")
        try:
            order = json.dumps({"source": source, "variables": variables})
        except TypeError as error:
            raise UsageError(f"JSON cannot hold a variable: pass str(path), say. {error}") from None
        transport, voice = await asyncio.get_running_loop().subprocess_exec(
            _Voice,
            sys.executable,
            "-P",  # modules of this folder must not be found by their bare names
            str(PROGRAM),
            stderr=subprocess.PIPE,
            start_new_session=True,  # interrupting the kernel must not end it
        )
        process = cls(transport, voice)
        try:
            stdin = cast(asyncio.WriteTransport, transport.get_pipe_transport(0))
            stdin.write(order.encode() + b"\n")
            port = int(await process.line(timeout=START_TIMEOUT))
        except BaseException:
            await process.close()
            raise
        process.url = f"http://{HOST}:{port}"
        process._program = {"source": source, **variables}
        resources.register(process, port)
        return process

    async def line(self, timeout: float = PATIENCE) -> str:  # noqa: ASYNC109
        """Wait for the next line that the program prints.

        NotSeenError says that it has printed none within `timeout` seconds; ClosedError, that it
        has ended.
        """
        try:
            async with asyncio.timeout(timeout):
                line = await self._voice.lines.get()
        except TimeoutError:
            raise NotSeenError(
                f"The server process has printed no line within {timeout:g} s{self._last_words()}"
            ) from None
        if line is None:
            self._voice.lines.put_nowait(None)
            raise ClosedError(f"The server process has ended{self._last_words()}")
        return line

    async def kill(self) -> None:
        """Kill it with SIGKILL, as the system does when memory runs out; wait until it is dead.

        Nothing in the program runs any more: no handler, no ``finally``, no commit. A second
        call does nothing.
        """
        resources.forget(self)
        if not self._voice.dead.is_set():
            with suppress(ProcessLookupError):  # it ends just now
                self._transport.kill()
            # close() would ask the system for the exit code, and asyncio, which waits for it,
            # would complain that another has received it.
            await self._voice.dead.wait()
        self._transport.close()
        await self._voice.gone.wait()

    async def close(self) -> None:
        """Do what :meth:`kill` does: the program has nothing that it could lose."""
        await self.kill()

    def __repr__(self) -> str:
        return f"<ServerProcess {'ended' if self._voice.gone.is_set() else 'running'}>"

    def _last_words(self) -> str:
        return f". On stderr: {chr(10).join(self._voice.errors) or 'nothing'}"


async def kill_and_restart(
    process: ServerProcess, link: Link, client: socketio.AsyncClient
) -> ServerProcess:
    """Kill a server with SIGKILL, and return a new process of its program behind the link.

    The client, which goes through the link and reconnects by itself, is awaited.
    """
    sid = client.get_sid()
    await process.kill()
    new = await ServerProcess.start(**process._program)
    link.retarget(new.url)
    await wait_until(lambda: client.get_sid() not in (None, sid))
    return new
