"""The drawing as a widget, and the client in the page that shows it."""

from pathlib import Path
from typing import Any

import anywidget
import traitlets

from .clients import CLIENT_JS, ListenerPlace, library

FOLDER = Path(__file__).parent
RECORDING = FOLDER / "recording.json"  # a run of the real socket.io-client: `make figures`
PICTURE = FOLDER / "wire.svg"  # the same run, as an animation


class Wire(anywidget.AnyWidget):
    """The drawing: it shows every state of the panel, and reports what was pressed.

    From the page: ``{page, origin}`` when it shows the drawing, ``{press: name}`` and
    ``{choose: {client, place}}``. To the page, for the client in its tab: ``{kind: "start", page,
    url, place, library}`` and ``{kind: "stop"}``.
    """

    _esm = CLIENT_JS + (FOLDER / "wire.js").read_text(encoding="utf-8")
    _css = FOLDER / "wire.css"
    state = traitlets.Dict().tag(sync=True)
    recording: traitlets.List[Any] = traitlets.List().tag(sync=True)


class BrowserClient:
    """The real ``socket.io-client``, in the browser tab that showed the drawing last."""

    def __init__(self, wire: Wire) -> None:
        self.page: Any = None
        self._wire = wire

    async def start(self, url: str, place: ListenerPlace) -> None:
        message = {"kind": "start", "page": self.page, "url": url, "place": place}
        self._wire.send({**message, "library": library()})

    async def stop(self) -> None:
        self._wire.send({"kind": "stop"})
