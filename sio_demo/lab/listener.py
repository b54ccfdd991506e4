"""Accepts TCP connections on loopback, and refuses them for a while."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from .server import HOST

BACKLOG = 1_000  # connections that may wait to be accepted


class Listener:
    """A listening socket whose port stays the same.

    ``asyncio.Server`` will not do: a connection that it is accepting while it is closed is
    neither passed on nor closed before Python 3.13.
    """

    def __init__(self, on_accepted: Callable[[socket.socket], None]) -> None:
        self._on_accepted = on_accepted
        self._loop = asyncio.get_running_loop()
        self._sock = _bound(0)
        self.port: int = self._sock.getsockname()[1]
        self.is_open = False

    def open(self) -> None:
        """Accept connections from now on."""
        self._sock.listen(BACKLOG)
        self._loop.add_reader(self._sock, self._accept)
        self.is_open = True

    def refuse(self) -> None:
        """Refuse connections until :meth:`open`, and keep the port from others."""
        self.close()
        self._sock = _bound(self.port)

    def close(self) -> None:
        """Refuse connections, and give the port up."""
        self._loop.remove_reader(self._sock)
        self._sock.close()
        self.is_open = False

    def _accept(self) -> None:
        try:
            sock, _ = self._sock.accept()
        except OSError:  # the other side has gone already
            return
        sock.setblocking(False)
        self._on_accepted(sock)


def _bound(port: int) -> socket.socket:
    # Named as TCP: else asyncio leaves TCP_NODELAY off, and small packets wait for 40 ms.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setblocking(False)
    sock.bind((HOST, port))
    return sock
