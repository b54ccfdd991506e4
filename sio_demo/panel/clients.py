"""The clients that a panel can connect; the drawing is one of them.

Each listens for ``"news"`` and writes every message on its user's screen. It acknowledges
``"report"`` with the fields of `ClientReport`, behind everything that was sent before. ``start``
resets everything, as when a page is loaded; ``stop`` may be called twice.
"""

import json
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import anywidget
import socketio
import traitlets

from ..errors import NodeMissingError
from ..lab import packages
from ..lab.bench import new_client, shut_down
from ..lab.clients import EmitterClient

ClientKind = Literal["browser", "emitter", "python"]
ListenerPlace = Literal["inside", "outside"]
KINDS: tuple[ClientKind, ...] = get_args(ClientKind)
PLACES: tuple[ListenerPlace, ...] = get_args(ListenerPlace)

FOLDER = Path(__file__).parent
CLIENT_JS = (FOLDER / "client.js").read_text(encoding="utf-8")
RECORDING = FOLDER / "recording.json"  # a run of the real socket.io-client: `make figures`
PICTURE = FOLDER / "wire.svg"  # the same run, as an animation
LIBRARY = Path("node_modules", "socket.io-client", "dist", "socket.io.esm.min.js")


class ClientReport(NamedTuple):
    """What the client says about itself: its acknowledgement of the event ``"report"``."""

    listeners: int  # that it has for "news" now
    registered: int  # how often it has called on("news"), in all
    calls: int  # of them, in all
    screen: list[str]  # what its user sees


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
        if isinstance(client, EmitterClient):
            listeners = len(client.listeners("news"))
        else:
            listeners = int("news" in client.handlers["/"])  # one for an event; internal
        return ClientReport(listeners, self._registered, self._calls, self._screen)._asdict()


class Wire(anywidget.AnyWidget):
    """The drawing, with the real ``socket.io-client`` in the tab that showed it last.

    It shows every state of the panel, and reports what was pressed. From the page: ``{page,
    origin}`` when it shows the drawing, ``{press: name}`` and ``{choose: {client, place}}``. To the
    page: ``{kind: "start", page, url, place, library}`` and ``{kind: "stop"}``.
    """

    _esm = CLIENT_JS + (FOLDER / "wire.js").read_text(encoding="utf-8")
    _css = FOLDER / "wire.css"
    state = traitlets.Dict().tag(sync=True)
    recording = traitlets.List(json.loads(RECORDING.read_text(encoding="utf-8"))).tag(sync=True)
    page: Any = None  # the tab's name

    async def start(self, url: str, place: ListenerPlace) -> None:
        try:
            library = (packages.folder() / LIBRARY).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise NodeMissingError("socket.io-client is not installed: run `make setup`.") from None
        message = {"kind": "start", "page": self.page, "url": url, "place": place}
        self.send({**message, "library": library})

    async def stop(self) -> None:
        self.send({"kind": "stop"})
