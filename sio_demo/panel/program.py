"""The client under study: what a panel needs of it, and the one in the kernel."""

from __future__ import annotations

from html import escape
from typing import Protocol

import ipywidgets as widgets  # type: ignore[import-untyped]

from ..lab.cleanup import shut_down
from ..lab.clients import EmitterClient
from .history import ListenerPlace

LINES_SHOWN = 8


class Program(Protocol):
    """A client that listens for ``"news"`` and writes each message on its user's screen.

    It acknowledges ``"count"`` with its counters, the fields of
    :class:`~sio_demo.panel.bench.Report`. So they arrive on the connection that they describe,
    after everything that was sent before.
    """

    title: str
    screen: widgets.Widget

    async def start(self, url: str, place: ListenerPlace) -> None:
        """Reset everything, as when a page is loaded, and connect."""

    async def stop(self) -> None:
        """Disconnect permanently; may be called twice."""

    def refresh(self) -> None:
        """Update the screen."""


class KernelProgram:
    """An :class:`EmitterClient` in the kernel: the listeners of JavaScript, in Python."""

    title = "EmitterClient (Python) in this kernel"

    def __init__(self) -> None:
        self.screen = widgets.HTML()
        self._client: EmitterClient | None = None
        self._calls = 0
        self._lines: list[str] = []

    async def start(self, url: str, place: ListenerPlace) -> None:
        await self.stop()
        self._calls = 0
        self._lines = []
        client = self._client = EmitterClient(
            reconnection_delay=0.01,
            reconnection_delay_max=0.5,
            randomization_factor=0,
            handle_sigint=False,
        )

        def register() -> None:
            client.on("news", self._on_news)

        if place == "inside":
            client.on("connect", register)
        else:
            register()
        client.on("count", self._count)
        await client.connect(url, transports=["websocket"])

    async def stop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await shut_down(client)

    def refresh(self) -> None:
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
