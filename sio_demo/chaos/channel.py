"""What a process of a run says to the driver, and hears from it: a line of JSON each."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from contextlib import suppress
from typing import Any


class Channel:
    """The process's end. What was said is with the driver, also if the process is killed next."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._unread = b""
        self._heard: asyncio.Queue[list[Any]] = asyncio.Queue()

    def say(self, *message: Any) -> None:
        """Send a message; when this returns, the system has taken it."""
        self._sock.sendall(json.dumps(message).encode() + b"\n")

    def first(self) -> Any:
        """Wait for the first message, before there is an event loop."""
        while b"\n" not in self._unread:
            self._read()
        line, _, self._unread = self._unread.partition(b"\n")
        return json.loads(line)

    def listen(self) -> None:
        """Hear from now on."""
        asyncio.get_running_loop().add_reader(self._sock, self._hear)
        self._share()

    async def next(self) -> list[Any]:
        """Wait for a message."""
        return await self._heard.get()

    def _hear(self) -> None:
        self._read()
        self._share()

    def _read(self) -> None:
        data = b""
        with suppress(ConnectionError):
            data = self._sock.recv(65536)
        if not data:  # the driver is gone
            os._exit(0)
        self._unread += data

    def _share(self) -> None:
        *lines, self._unread = self._unread.split(b"\n")
        for line in lines:
            self._heard.put_nowait(json.loads(line))
