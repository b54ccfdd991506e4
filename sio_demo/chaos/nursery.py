"""Starts processes within milliseconds: they are forked from one that has imported all it takes.

Each is a real process, and is killed with a real SIGKILL.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import ClosedError
from ..lab import cleanup

REQUEST = struct.Struct("!cI")  # FORK, with a file descriptor; or KILL, and the process id
ANSWER = struct.Struct("!I")  # the process id
FORK, KILL = b"f", b"k"

_ROOT = Path(__file__).parents[2]  # what holds the package


class Child(asyncio.Protocol):
    """A process of the nursery.

    Attributes
    ----------
    gone : asyncio.Event
        Set when it is dead and all that it said was heard.
    """

    def __init__(self, nursery: Nursery, hear: Callable[[list[Any]], None]) -> None:
        self.pid = 0
        self.gone = asyncio.Event()
        self._nursery = nursery
        self._hear = hear
        self._unread = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Pass on what the process said, a message each."""
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            self._hear(json.loads(line))

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note that it is dead."""
        self.gone.set()
        self._hear(["gone"])

    def tell(self, *message: Any) -> None:
        """Send it a message; it is lost if the process is dead."""
        if not self.gone.is_set():
            self._transport.write(json.dumps(message).encode() + b"\n")

    def hang_up(self) -> None:
        """Let it end by itself: nobody listens any more."""
        self._transport.close()

    async def kill(self) -> None:
        """Kill it with SIGKILL if it is not dead already, and hear its last words."""
        if self.pid:
            pid, self.pid = self.pid, 0
            await self._nursery.ask(KILL, pid)
        await self.gone.wait()


class Nursery:
    """Where processes are forked; made by :meth:`open`. It ends with the Python that opened it."""

    def __init__(self, control: socket.socket, process: asyncio.subprocess.Process) -> None:
        self._control = control
        self._process = process
        self._turn = asyncio.Lock()

    @classmethod
    async def open(cls) -> Nursery:
        """Start the process that the others are forked from."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        path = os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "sio_demo.chaos.nursery_main"),
                str(theirs.fileno()),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": path},
                start_new_session=True,  # to interrupt a terminal or a kernel must not end it
            )
        nursery = cls(ours, process)
        cleanup.register(nursery)
        return nursery

    async def start(
        self, program: str, order: dict[str, Any], hear: Callable[[list[Any]], None]
    ) -> Child:
        """Fork a process.

        Parameters
        ----------
        program : str
            One of :data:`sio_demo.chaos.programs.PROGRAMS`.
        order : dict
            What it is told, by way of JSON.
        hear : callable
            Called with each message of the process, and at last with ``["gone"]``.

        Raises
        ------
        ClosedError
            The nursery is closed, or was killed.
        """
        child = Child(self, hear)
        ours, theirs = socket.socketpair()
        with theirs:
            await asyncio.get_running_loop().create_unix_connection(lambda: child, sock=ours)
            child.tell(program, order)
            try:
                child.pid = await self.ask(FORK, 0, theirs)
            except BaseException:
                child.hang_up()
                raise
        return child

    async def ask(self, what: bytes, pid: int, sock: socket.socket | None = None) -> int:
        """Have it fork, and give a socket to the new process; or kill. Give the process id."""
        exchange = asyncio.create_task(self._exchange(REQUEST.pack(what, pid), sock))
        answer = await asyncio.shield(exchange)  # who is cancelled must not leave the answer there
        if not answer:
            raise ClosedError("The process that the others are forked from has ended.")
        return int(ANSWER.unpack(answer)[0])

    async def close(self) -> None:
        """End it, and the processes that are left; a second call does nothing."""
        cleanup.forget(self)
        async with self._turn:  # nobody waits for an answer
            self._control.close()
        await self._process.wait()

    async def __aenter__(self) -> Nursery:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _exchange(self, request: bytes, sock: socket.socket | None) -> bytes:
        """Send a request and give the answer to it; nothing if there is nobody to answer."""
        async with self._turn:
            try:
                socket.send_fds(self._control, [request], [sock.fileno()] if sock else [])
                return await asyncio.get_running_loop().sock_recv(self._control, ANSWER.size)
            except OSError:  # also when `sock` is closed: who wanted it was cancelled
                return b""
