"""The client under study, in the reader's browser tab: the real ``socket.io-client``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget

from ..errors import NodeMissingError
from ..lab.node import NODE_DIR
from .history import ListenerPlace
from .origin import refusal

LIBRARY = NODE_DIR / "node_modules" / "socket.io-client" / "dist" / "socket.io.esm.min.js"


class TabWidget(anywidget.AnyWidget):
    """Shows ``browser.js``, and carries messages between it and the kernel."""

    _esm = Path(__file__).with_name("browser.js")


class BrowserProgram:
    """The client in the browser tab that showed the panel last.

    Attributes
    ----------
    on_page : callable
        Called with the ``location.origin`` of a page that shows the panel, and the reason why it
        may not connect, or an empty string.
    """

    title = "socket.io-client (JavaScript) in this browser tab"

    on_page: Callable[[str, str], None]

    def __init__(self) -> None:
        self.screen = TabWidget()
        self._page: Any = None
        self._loop = asyncio.get_running_loop()
        self.screen.on_msg(self._received)

    async def start(self, url: str, place: ListenerPlace) -> None:
        """Let the page start again and connect; any page that showed the panel before stops."""
        message = {"kind": "start", "page": self._page, "url": url, "place": place}
        self.screen.send({**message, "library": library()})

    async def stop(self) -> None:
        self.screen.send({"kind": "stop"})

    def refresh(self) -> None:
        """Do nothing: the page updates itself."""

    def _received(self, _: TabWidget, content: Any, buffers: Any) -> None:
        # Possibly in another thread, as with the buttons.
        self._loop.call_soon_threadsafe(self._meet, content["page"], content["origin"])

    def _meet(self, page: Any, origin: Any) -> None:
        reason = refusal(origin)
        if not reason:
            self._page = page
        self.on_page(origin, reason)


def library() -> str:
    """Return the source of ``socket.io-client`` as an ES module.

    Raises
    ------
    NodeMissingError
        It is not installed.
    """
    try:
        return LIBRARY.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NodeMissingError("socket.io-client is not installed: run `make setup`.") from None
