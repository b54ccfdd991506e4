"""The clients that a panel can connect.

Each listens for ``"news"`` and writes every message on its user's screen. It acknowledges
``"report"`` with the fields of :class:`~sio_demo.panel.bench.ClientReport`. So the counts
arrive on the connection that they describe, after everything that was sent before.
"""

from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import socketio

from ..errors import NodeMissingError
from ..lab import packages
from ..lab.bench import new_client, shut_down
from ..lab.clients import EmitterClient

ClientKind = Literal["browser", "emitter", "python"]
ListenerPlace = Literal["inside", "outside"]
KINDS: tuple[ClientKind, ...] = get_args(ClientKind)
PLACES: tuple[ListenerPlace, ...] = get_args(ListenerPlace)

CLIENT_JS = Path(__file__).with_name("client.js").read_text(encoding="utf-8")
LIBRARY = Path("node_modules", "socket.io-client", "dist", "socket.io.esm.min.js")


class Client(Protocol):
    async def start(self, url: str, place: ListenerPlace) -> None:
        """Reset everything, as when a page is loaded, and connect."""

    async def stop(self) -> None:
        """Disconnect permanently; may be called twice."""


class KernelClient:
    """A client in this process: an ``EmitterClient``, or python-socketio's own ``AsyncClient``."""

    def __init__(self, kind: type[socketio.AsyncClient]) -> None:
        self._kind = kind
        self._client: socketio.AsyncClient | None = None

    async def start(self, url: str, place: ListenerPlace) -> None:
        await self.stop()
        self._registered = self._calls = 0
        self._screen: list[str] = []
        client = self._client = new_client(self._kind)

        def register() -> None:
            self._registered += 1
            client.on("news", lambda number: self._show(number))  # a new function each time

        if place == "inside":
            client.on("connect", register)
        else:
            register()
        client.on("report", self._report)
        await client.connect(url, transports=["websocket"])

    async def stop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await shut_down(client)

    def _show(self, number: int) -> None:
        self._calls += 1
        self._screen.append(f"news {number}")

    def _report(self) -> dict[str, Any]:
        client = self._client
        assert client is not None
        listeners = (
            len(client.listeners("news"))
            if isinstance(client, EmitterClient)
            else int("news" in client.handlers["/"])  # one for an event; internal
        )
        return {
            "listeners": listeners,
            "registered": self._registered,
            "calls": self._calls,
            "screen": self._screen,
        }


def library() -> str:
    """Return the source of ``socket.io-client`` as an ES module, if it is installed."""
    try:
        return (packages.folder() / LIBRARY).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NodeMissingError("socket.io-client is not installed: run `make setup`.") from None
