"""The browser panel serves a page of this machine's JupyterLab, and says why not any other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sio_demo import EmitterClient, clean_up, nothing_left, panel
from sio_demo.counters import Counters
from sio_demo.errors import NodeMissingError, UsageError
from sio_demo.lab.waiting import wait_until
from sio_demo.panel import bench, browser_tab
from sio_demo.panel.browser_tab import TabWidget
from sio_demo.panel.origin import refusal

HERE = "http://localhost:8888"
OFF = "Off: The browser panel needs JupyterLab and its kernel on your own machine"


class Page:
    """A page that shows a panel: it does what ``browser.js`` does, with a Python client."""

    def __init__(self, tab: TabWidget, origin: str = HERE, name: str = "page") -> None:
        self.received: list[dict[str, Any]] = []
        self.client: EmitterClient | None = None
        self.answers = True
        self._tab, self._origin, self._name = tab, origin, name
        self._tasks: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        """Say that this page shows the panel."""
        content = {"page": self._name, "origin": self._origin}
        self._tab._handle_custom_msg(content, [])

    def receive(self, message: dict[str, Any]) -> None:
        """Take what the kernel sends to all pages."""
        self.received.append(message)
        if message["kind"] == "start" and message["page"] == self._name and self.answers:
            task = asyncio.create_task(self._start(message["url"]))
            self._tasks.add(task)

    async def connect(self, url: str) -> EmitterClient:
        """Connect as a browser does: with the page's origin."""
        client = EmitterClient(reconnection_delay=0.01, randomization_factor=0, handle_sigint=False)
        calls: list[int] = []
        client.on("connect", lambda: client.on("news", calls.append))
        client.on(
            "count",
            lambda: {
                "listeners": len(client.listeners("news")),
                "calls": len(calls),
                "effects": len(calls),
            },
        )
        await client.connect(url, headers={"Origin": self._origin}, transports=["websocket"])
        return client

    async def _start(self, url: str) -> None:
        if self.client:
            await self.client.disconnect()
        self.client = await self.connect(url)


@pytest.fixture(autouse=True)
async def clean() -> AsyncIterator[None]:
    """Leave nothing behind, whatever a test did."""
    await clean_up()
    yield
    await clean_up()


@pytest.fixture
async def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> panel.Panel:
    """A panel that no browser shows yet; its library is a stub."""
    (tmp_path / "library.js").write_text("export const io = null;")
    monkeypatch.setattr(browser_tab, "LIBRARY", tmp_path / "library.js")
    return await panel.browser()


def page_of(
    opened: panel.Panel, monkeypatch: pytest.MonkeyPatch, origin: str = HERE, name: str = "page"
) -> Page:
    """Give a page that hears what the panel's kernel side sends."""
    tab: Any = opened._program.screen
    page = Page(tab, origin, name)
    before = tab.send if "send" in vars(tab) else lambda message: None
    monkeypatch.setitem(vars(tab), "send", lambda m: (before(m), page.receive(m)))
    return page


async def answer(url: str, origin: str) -> int:
    """Give the status with which a WebSocket of a page of that origin is answered."""
    address = f"{url}/socket.io/?EIO=4&transport=websocket"
    async with aiohttp.ClientSession(headers={"Origin": origin}) as session:
        try:
            async with session.ws_connect(address) as websocket:
                return 101 if websocket else 0
        except aiohttp.WSServerHandshakeError as error:
            return error.status


def is_ready(opened: panel.Panel) -> bool:
    """Tell whether a client has come."""
    return opened.status.startswith("A new client is connected")


async def test_panel_waits_for_a_browser_and_says_so(opened: panel.Panel) -> None:
    assert repr(opened) == (
        "Live panel: socket.io-client (JavaScript) in this browser tab, listener inside connect\n"
        "Buttons: Send, Cut (reset), Half-open, Delay, Restart server\n"
        "Counters(listeners=0, sids=0, packets=0, calls=0, effects=0)\n"
        "Waiting for a browser: this panel runs in the tab that shows it.\n"
        "No message yet."
    )
    with pytest.raises(UsageError, match="Waiting for a browser"):
        await opened.send()
    await opened.close()
    await nothing_left()


async def test_page_of_this_machine_is_served(
    opened: panel.Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    page_of(opened, monkeypatch).open()
    await wait_until(lambda: is_ready(opened))
    await opened.send()
    for _ in range(3):
        await opened.cut()
    assert await opened.send() == Counters(4, 1, 1, 4, 4)


async def test_only_pages_of_that_origin_may_connect(
    opened: panel.Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    page_of(opened, monkeypatch).open()
    await wait_until(lambda: is_ready(opened))
    assert opened._bench
    assert opened._bench.server.sio.eio.cors_allowed_origins == [HERE]
    for origin in ("http://evil.example", "http://localhost:9999", "null"):
        assert await answer(opened._bench.link.url, origin) == 400
    assert await answer(opened._bench.link.url, HERE) == 101
    await opened.restart()
    assert opened._bench.server.sio.eio.cors_allowed_origins == [HERE]


async def test_page_of_another_machine_is_told_why_the_panel_is_off(
    opened: panel.Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = page_of(opened, monkeypatch, "https://hub.example.org")
    page.open()
    await wait_until(lambda: opened.status.startswith(OFF))
    assert page.received == []
    with pytest.raises(UsageError, match="this page is https"):
        await opened.send()


async def test_page_of_another_machine_does_not_disturb_the_one_that_is_served(
    opened: panel.Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    page_of(opened, monkeypatch).open()
    await wait_until(lambda: is_ready(opened))
    page_of(opened, monkeypatch, "http://example.org", "other").open()
    await asyncio.sleep(0)
    assert await opened.send() == Counters(1, 1, 1, 1, 1)
    await opened.listen("inside")
    assert await opened.send() == Counters(1, 1, 1, 1, 1)


async def test_page_that_cannot_reach_the_kernel_is_told(
    opened: panel.Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench.PanelBench, "patience", 0.05)
    page = page_of(opened, monkeypatch)
    page.answers = False
    page.open()
    await wait_until(lambda: opened.status.startswith("Off: this browser tab cannot reach"))
    assert page.received[-1] == {"kind": "stop"}


async def test_page_that_comes_later_takes_over(
    opened: panel.Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = page_of(opened, monkeypatch)
    first.open()
    await wait_until(lambda: is_ready(opened))
    await opened.cut()
    await opened.send()
    second = page_of(opened, monkeypatch, name="second")
    second.open()
    await wait_until(lambda: second.client and is_ready(opened))
    assert await opened.send() == Counters(1, 1, 1, 1, 1)
    assert opened.sent[-1].faults == ("reload",)


async def test_client_that_leaves_is_seen(
    opened: panel.Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = page_of(opened, monkeypatch)
    page.open()
    await wait_until(lambda: is_ready(opened))
    assert page.client
    await page.client.shutdown()
    await wait_until(lambda: opened.status.startswith("The server has ended a session: "))
    assert opened.counters.sids == 0
    with pytest.raises(UsageError, match="No client is connected"):
        await opened.send()


async def test_close_tells_the_page_to_disconnect(
    opened: panel.Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = page_of(opened, monkeypatch)
    page.open()
    await wait_until(lambda: is_ready(opened))
    assert page.client
    await page.client.shutdown()
    await opened.close()
    assert page.received[-1] == {"kind": "stop"}
    await nothing_left()
    page.open()
    await asyncio.sleep(0)
    assert opened.status.startswith("Closed.")


async def test_page_is_heard_in_another_thread(
    opened: panel.Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.get_running_loop().set_debug(True)  # raises at what is not safe there
    await asyncio.to_thread(page_of(opened, monkeypatch).open)
    await wait_until(lambda: is_ready(opened))


async def test_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser_tab, "LIBRARY", Path("/nowhere/socket.io.esm.min.js"))
    with pytest.raises(NodeMissingError, match="make setup"):
        await panel.browser()


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost:8888",
        "http://localhost",
        "http://127.0.0.1:8888",
        "http://[::1]:8888",
    ],
)
def test_this_machine_is_accepted(origin: str) -> None:
    assert refusal(origin) == ""


@pytest.mark.parametrize(
    ("origin", "reason"),
    [
        ("https://localhost:8888", "is https"),
        ("https://hub.mybinder.org", "is https"),
        ("http://192.168.1.7:8888", "comes from 192.168.1.7"),
        ("http://localhost.evil.example", "comes from localhost.evil.example"),
        ("http://evil.example#localhost", "comes from evil.example"),
        ("http://localhost@evil.example", "comes from evil.example"),
        ("http://127.0.0.2:8888", "comes from 127.0.0.2"),
        ("http://user@localhost:8888", "does not say where"),
        ("http://localhost:8888/lab", "does not say where"),
        ("http://localhost:8888,http://evil.example", "does not say where"),
        ("http://localhost:99999", "does not say where"),
        ("http://LOCALHOST:8888", "does not say where"),
        ("vscode-webview://1f3o", "not one that JupyterLab"),
        ("null", "not one that JupyterLab"),
        ("*", "not one that JupyterLab"),
        ("", "not one that JupyterLab"),
        (None, "not one that JupyterLab"),
        (["http://localhost"], "not one that JupyterLab"),
    ],
)
def test_other_places_are_refused_with_the_reason(origin: Any, reason: str) -> None:
    assert reason in refusal(origin)
