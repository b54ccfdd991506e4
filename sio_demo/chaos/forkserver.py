"""Starts processes within milliseconds: they are forked from one that has imported all it takes.

The fork server of ``multiprocessing`` does not serve: it imports the caller's ``__main__``, which
may be pytest, into every process, and stays until the caller ends, which may be a Jupyter kernel.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import logging
import multiprocessing
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from ..errors import ClosedError
from ..lab import resources
from .programs import run_program

PID = struct.Struct("!I")  # a request: which process to kill, or 0 to fork one; and its answer


class Child:
    def __init__(
        self, server: ForkServer, connection: Connection, hear: Callable[[tuple[Any, ...]], None]
    ) -> None:
        self.pid = 0  # until it is forked, and when it has been killed
        self.gone = asyncio.Event()  # set when it is dead and all that it said was heard
        self._server = server
        self._connection = connection
        self._hear = hear
        asyncio.get_running_loop().add_reader(connection.fileno(), self._read)

    def tell(self, *message: Any) -> None:
        """Send it a message, which is lost if the process is dead."""
        with suppress(OSError):
            self._connection.send(message)

    def hang_up(self) -> None:
        """Close the connection, at which the process ends."""
        asyncio.get_running_loop().remove_reader(self._connection.fileno())
        self._connection.close()

    async def kill(self) -> None:
        """Kill it with SIGKILL if it is not dead already, and hear its last words."""
        if self.pid:
            pid, self.pid = self.pid, 0
            await self._server.ask(pid)
        await self.gone.wait()

    def _read(self) -> None:
        try:
            message = self._connection.recv()
        except (EOFError, OSError):  # what it had said before comes first
            self.hang_up()
            self.gone.set()
            message = ("gone",)
        self._hear(message)


class ForkServer:
    """The process that others are forked from; made by :meth:`open`. It ends with its opener."""

    def __init__(self, control: socket.socket, process: asyncio.subprocess.Process) -> None:
        self._control = control
        self._process = process
        self._turn = asyncio.Lock()

    @classmethod
    async def open(cls, *modules: str) -> ForkServer:
        """Start it; it imports the modules of programs that are not in this package."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-c"),
                f"from {__name__} import serve; serve({theirs.fileno()}, {modules})",
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                start_new_session=True,  # to interrupt a terminal or a kernel must not end it
            )
        server = cls(ours, process)
        resources.register(server)
        return server

    async def start(
        self, program: str, order: dict[str, Any], hear: Callable[[tuple[Any, ...]], None]
    ) -> Child:
        """Fork a process, which runs a program with this order; ClosedError: the fork server ended.

        `hear` is called with each message of the process, and at last with ``("gone",)``.
        """
        ours, theirs = multiprocessing.Pipe()
        child = Child(self, ours, hear)
        with theirs:
            child.tell(program, order)
            try:
                child.pid = await self.ask(0, theirs)
            except BaseException:
                child.hang_up()
                raise
        return child

    async def ask(self, pid: int, connection: Connection | None = None) -> int:
        """Kill a process; or fork one that has the connection, if `pid` is 0. Return its id."""
        exchange = asyncio.create_task(self._exchange(PID.pack(pid), connection))
        answer = await asyncio.shield(exchange)  # else a cancelled caller leaves the answer there
        if not answer:
            raise ClosedError("The process that the others are forked from has ended.")
        return int(PID.unpack(answer)[0])

    async def close(self) -> None:
        """End it, and the processes that are left; a second call does nothing."""
        resources.forget(self)
        async with self._turn:  # no answer is on its way
            self._control.close()
        await self._process.wait()

    async def _exchange(self, request: bytes, connection: Connection | None) -> bytes:
        """Send a request and return the answer, which is empty if the process has ended."""
        async with self._turn:
            try:
                fds = [] if connection is None else [connection.fileno()]
                socket.send_fds(self._control, [request], fds)
                return await asyncio.get_running_loop().sock_recv(self._control, PID.size)
            except OSError:  # also when a cancelled caller has closed the connection
                return b""


def serve(fd: int, modules: tuple[str, ...] = ()) -> None:
    """Be the fork server, until the driver hangs up. One thread, no event loop: a fork is safe."""
    control = socket.socket(fileno=fd)
    for module in modules:
        importlib.import_module(module)
    logging.disable(logging.ERROR)  # the libraries log every connection that is cut
    gc.collect()
    gc.freeze()  # what is here stays: no collection in a child shall copy its pages
    children: set[int] = set()
    with suppress(ConnectionError):  # the driver died before it had read an answer
        while True:
            request, fds, _, _ = socket.recv_fds(control, PID.size, 1)
            if not request:
                break
            [pid] = PID.unpack(request)
            if pid == 0:
                if (pid := os.fork()) == 0:
                    control.close()
                    run_program(Connection(fds[0]))
                os.close(fds[0])
                children.add(pid)
            else:
                _kill(pid)
                children.discard(pid)
            control.sendall(PID.pack(pid))
    for pid in children:
        _kill(pid)


def _kill(pid: int) -> None:
    """Kill a child, which may be dead already, and wait until nothing of it is left."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
