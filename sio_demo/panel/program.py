"""The client under study, in the kernel; and what any such client must offer to a panel."""

from __future__ import annotations

from html import escape
from typing import Protocol

import ipywidgets as widgets  # type: ignore[import-untyped]

from ..lab.bench import new_client
from ..lab.cleanup import shut_down
from ..lab.clients import EmitterClient
from .history import Place

LINES_SHOWN = 8


class Program(Protocol):
    """A client that listens to ``"news"`` and writes each on its user's screen.

    It acknowledges ``"count"`` with its counters, the fields of
    :class:`~sio_demo.panel.bench.Report`: so they arrive on the connection that they are about,
    behind all that was sent before.
    """

    title: str
    screen: widgets.Widget

    async def start(self, url: str, place: Place) -> None:
        """Begin anew, as when a page is loaded, and connect."""

    async def stop(self) -> None:
        """Disconnect for good; a second call does nothing."""

    def refresh(self) -> None:
        """Show the screen as it is now."""


class KernelProgram:
    """An :class:`EmitterClient` in the kernel: the listeners of JavaScript, in Python."""

    title = "EmitterClient (Python) in this kernel"

    def __init__(self) -> None:
        self.screen = widgets.HTML()
        self._client: EmitterClient | None = None
        self._calls = 0
        self._lines: list[str] = []

    async def start(self, url: str, place: Place) -> None:
        """Begin anew, and connect."""
        await self.stop()
        self._calls = 0
        self._lines = []
        client: EmitterClient = new_client(EmitterClient, reconnection_delay_max=0.5)
        self._client = client

        def register() -> None:
            client.on("news", self._on_news)

        if place == "inside":
            client.on("connect", register)
        else:
            register()
        client.on("count", self._count)
        await client.connect(url, transports=["websocket"])

    async def stop(self) -> None:
        """Disconnect for good."""
        client, self._client = self._client, None
        if client is not None:
            await shut_down(client)

    def refresh(self) -> None:
        """Show the last lines on the screen."""
        items = "".join(f"<li>{escape(line)}</li>" for line in self._lines[-LINES_SHOWN:])
        self.screen.value = (
            '<div style="line-height: 1.4">What the user sees: '
            f'<ul style="margin: 0">{items or "<li>(nothing yet)</li>"}</ul></div>'
        )

    def _on_news(self, number: int) -> None:
        self._calls += 1
        self._lines.append(f"news {number}")  # the effect

    def _count(self) -> dict[str, int]:
        assert self._client is not None
        return {
            "listeners": len(self._client.listeners("news")),
            "calls": self._calls,
            "effects": len(self._lines),
        }
