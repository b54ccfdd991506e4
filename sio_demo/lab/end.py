"""The link's socket towards one of the two sides of a connection."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from .connection import Pipe

RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, zero seconds


class End(asyncio.Protocol):
    """What the system tells about the socket, and the ways to end it."""

    outgoing: Pipe  # reads from this end
    incoming: Pipe  # writes to this end

    def __init__(self, on_made: Callable[[], None]) -> None:
        self.transport: asyncio.Transport | None = None
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._on_made = on_made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast(asyncio.Transport, transport)
        self._on_made()

    def data_received(self, data: bytes) -> None:
        """Hand the bytes to the pipe that leads away from here."""
        self.outgoing.received(data)

    def eof_received(self) -> bool:
        """Pass the end of the stream on behind the data; what comes back may still pass."""
        self.outgoing.push(self.outgoing.finish)
        return not self.outgoing.ended  # when it was cut, nothing comes back: close

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass on that this side is gone."""
        self.lost.set_result(None)
        self.outgoing.push(self.outgoing.break_off)

    def pause_writing(self) -> None:
        """Slow the other side down: this one takes no more."""
        self.incoming.slow_down(True)

    def resume_writing(self) -> None:
        """Let the other side go on."""
        self.incoming.slow_down(False)

    @property
    def is_closing(self) -> bool:
        """Whether nothing more can be sent to this side."""
        return self.transport is None or self.transport.is_closing()

    def finish(self) -> None:
        """Send what is buffered, then a FIN; go on reading until this side ends, too."""
        if self.transport is not None and not self.transport.is_closing():
            with suppress(OSError):  # this side was reset in a black hole: it hears nothing more
                self.transport.write_eof()

    def close(self) -> None:
        """Send what is buffered, then a FIN, and read no more."""
        if self.transport is not None:
            self.transport.close()

    def hang_up(self) -> None:
        """Send a FIN, now; what is buffered is lost."""
        if self.transport is None or self.lost.done():
            return
        with suppress(OSError):  # the other side was faster
            self.transport.get_extra_info("socket").shutdown(socket.SHUT_WR)
        self.transport.abort()

    def reset(self) -> None:
        """Send a RST, now; what is buffered is lost."""
        if self.transport is None or self.lost.done():
            return
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.transport.abort()
