"""The process that :mod:`sio_demo.chaos.nursery` starts: forks the others, and kills them.

It has one thread and no event loop, so that a fork is safe.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import sys
from contextlib import suppress

from .nursery import ANSWER, FORK, REQUEST
from .programs import run_program


def main() -> None:
    """Do what is asked, until the driver hangs up."""
    control = socket.socket(fileno=int(sys.argv[1]))
    logging.disable(logging.ERROR)  # the libraries log every connection that is cut
    gc.collect()
    gc.freeze()  # what is here stays: no collection in a child shall copy its pages
    children: set[int] = set()
    with suppress(ConnectionError):  # the driver died before it had read an answer
        _serve(control, children)
    for pid in children:
        _kill(pid)


def _serve(control: socket.socket, children: set[int]) -> None:
    while True:
        request, fds, _, _ = socket.recv_fds(control, REQUEST.size, 1)
        if not request:
            return
        what, pid = REQUEST.unpack(request)
        if what == FORK:
            pid = _fork(control, fds[0])
            children.add(pid)
        else:
            _kill(pid)
            children.discard(pid)
        control.sendall(ANSWER.pack(pid))


def _fork(control: socket.socket, fd: int) -> int:
    pid = os.fork()
    if pid == 0:
        control.close()
        run_program(socket.socket(fileno=fd))
    os.close(fd)
    return pid


def _kill(pid: int) -> None:
    """Kill a child, which may be dead already, and wait until nothing of it is left."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
