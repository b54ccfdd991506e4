"""The panel breaks a real connection and counts; its buttons do what `press` does."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sio_demo import EmitterClient, clean_up, nothing_left, panel
from sio_demo.counters import Counters
from sio_demo.errors import ClosedError, UsageError
from sio_demo.lab.bench import Bench
from sio_demo.lab.packet import TO_CLIENT
from sio_demo.lab.waiting import wait_until
from sio_demo.panel import clients
from sio_demo.panel import panel as panel_module
from sio_demo.panel.panel import refusal

NEW = "A new client is connected; it listens {} connect."
HERE = "http://localhost:8888"
NOTHING = "left over: 0 tasks, 0 sockets, 0 processes\n"


@pytest.fixture(autouse=True)
async def clean() -> AsyncIterator[None]:
    """Leave nothing behind, whatever a test did."""
    await clean_up()
    yield
    await clean_up()


@pytest.fixture(params=["emitter", "python"])
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def opened() -> panel.Panel:
    """A panel whose client is in this process."""
    return panel.wire("emitter")


async def three_cuts(on: panel.Panel) -> list[int]:
    """Return the calls for a message before three cuts, and for one after."""
    before = await on.press("send")
    for _ in range(3):
        await on.press("cut")
    return [before.calls, (await on.press("send")).calls]


def press(on: panel.Panel, name: str) -> None:
    """Do what the page does when a button is pressed."""
    on.widget._handle_custom_msg({"press": name}, [])


@pytest.mark.parametrize(
    ("kind", "place", "calls", "stack"),
    [
        ("emitter", "inside", [1, 4], [1, 2, 3, 4]),
        ("emitter", "outside", [1, 1], [1]),
        ("python", "inside", [1, 1], [4]),  # each handler has replaced the one before
        ("python", "outside", [1, 1], [1]),
    ],
)
async def test_three_cuts(kind: Any, place: Any, calls: list[int], stack: list[int]) -> None:
    opened = panel.wire(kind, place)
    assert await three_cuts(opened) == calls
    assert opened.counters == Counters(calls[1], 1, 1, calls[1], calls[1])
    assert opened.widget.state["stack"] == stack
    assert opened.widget.state["screen"] == ["news 1", *["news 2"] * calls[1]]


async def test_each_dot_is_a_packet_of_the_tap(opened: panel.Panel) -> None:
    await three_cuts(opened)
    news = [p for p in opened._bench.link.packets if p.event == "news"]
    assert [(p.direction, p.data) for p in news] == [(TO_CLIENT, [1]), (TO_CLIENT, [2])]
    assert opened.widget.state["counters"]["packets"] == 1


async def test_another_listener_is_a_new_client(opened: panel.Panel) -> None:
    assert await three_cuts(opened) == [1, 4]
    await opened.choose(listener="outside")
    assert opened.counters == Counters(1, 1, 0, 0, 0)
    assert await three_cuts(opened) == [1, 1]
    await opened.choose(client="python", listener="inside")
    assert await three_cuts(opened) == [1, 1]


async def test_half_open_connection_leaves_a_sid_and_costs_a_packet(opened: panel.Panel) -> None:
    await opened.press("half_open")
    assert await opened.press("send") == Counters(2, 2, 2, 2, 2)
    await opened.press("cut")
    assert opened.counters.sids == 2  # the network cannot reset what the server alone holds


async def test_half_open_sid_ends_with_the_servers_patience(
    opened: panel.Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(panel_module, "PINGS", {"ping_interval": (0.2, 1), "ping_timeout": 1})
    await opened.press("half_open")
    assert opened.counters.sids == 2
    await wait_until(lambda: opened.counters.sids == 1)
    await wait_until(lambda: opened.status == "The server has ended a session: ping timeout.")


async def test_restart_brings_a_new_server_and_one_more_listener(opened: panel.Panel) -> None:
    await opened.press("half_open")
    await opened.press("restart")
    assert await opened.press("send") == Counters(3, 1, 1, 3, 3)


async def test_slow_makes_no_duplicates_and_goes_over(opened: panel.Panel) -> None:
    now = asyncio.get_running_loop().time
    await opened.press("send")
    start = now()
    await opened.press("send")
    fast, start = now() - start, now()
    await opened.press("slow")
    assert await opened.press("send") == Counters(1, 1, 1, 1, 1)
    assert now() - start > 4 * panel_module.DELAY > fast
    await opened.press("slow")
    assert not opened.widget.state["slow"]


async def test_buttons_do_what_they_say_one_after_the_other(opened: panel.Panel) -> None:
    moves: list[str] = []
    opened.widget.observe(lambda change: moves.append(change["new"]["move"]["kind"]), "state")
    for name in ["send", "cut", "half_open", "restart", "slow", "send"]:
        press(opened, name)
    await wait_until(lambda: moves.count("send") == 2)
    assert [m for m in moves if m != "session"] == [
        *("start", "send", "cut", "half-open", "restart", "slow", "send")
    ]
    assert opened.counters == Counters(4, 1, 1, 4, 4)
    choice = {"choose": {"client": "python", "place": "outside"}}
    opened.widget._handle_custom_msg(choice, [])
    await wait_until(lambda: opened.status == NEW.format("outside"))
    assert opened.widget.state["client"] == "python"


async def test_it_goes_on_while_the_kernel_is_busy(opened: panel.Panel) -> None:
    await opened.press("send")
    done = threading.Event()
    opened.widget.observe(lambda _: done.set(), "state")
    press(opened, "send")
    assert done.wait(5)  # this thread, and so its event loop, does nothing meanwhile


async def test_says_what_a_cut_did_to_the_listeners(kind: Any) -> None:
    opened = panel.wire(kind)
    await opened.press("cut")
    added = {"emitter": "one more listener", "python": "the new handler replaces the old one"}
    assert opened.status == f"Cut by a TCP reset. The client is back: {added[kind]}."
    await opened.choose(listener="outside")
    await opened.press("cut")
    assert opened.status == "Cut by a TCP reset. The client is back: no new listener."


async def test_text_and_picture_are_the_recorded_run(opened: panel.Panel) -> None:
    unopened = opened._repr_mimebundle_()
    await three_cuts(opened)
    bundle = opened._repr_mimebundle_()
    assert bundle == unopened  # whatever happened: so a stored notebook is always the same
    assert "- 1 packet, 4 calls (listeners: 4)" in bundle["text/plain"].splitlines()
    assert bundle["image/svg+xml"].count("<animate ") > 50
    view = bundle["application/vnd.jupyter.widget-view+json"]
    assert view["model_id"] == opened.widget.model_id


def test_recorded_run_shows_what_a_run_shows() -> None:
    recording = json.loads(Path(panel.__file__).with_name("recording.json").read_text())
    calls = [s["counters"]["calls"] for s in recording if s["move"]["kind"] == "send"]
    assert calls == [1, 2, 4, 1]
    assert {state["client"] for state in recording} == {"browser"}
    assert Path(panel.__file__).with_name("wire.svg").stat().st_size < 600_000


async def test_outlives_the_teardown_and_not_clean_up(
    opened: panel.Panel, capsys: pytest.CaptureFixture[str]
) -> None:
    await opened.press("half_open")
    await nothing_left()
    assert capsys.readouterr().out == NOTHING
    assert (await opened.press("send")).calls == 2
    await clean_up()
    assert opened.closed
    assert not opened.widget.state["ready"]
    await wait_until(lambda: "sio-demo panel" not in [t.name for t in threading.enumerate()])


async def test_close_leaves_nothing(opened: panel.Panel) -> None:
    await opened.press("half_open")
    await opened.press("slow")
    await opened.close()
    await opened.close()
    await nothing_left()
    with pytest.raises(ClosedError):
        await opened.press("send")


async def test_next_panel_closes_the_one_before(opened: panel.Panel) -> None:
    await opened.press("send")
    again = panel.wire("emitter")
    assert opened.closed
    assert (await again.press("send")).calls == 1
    await wait_until(lambda: opened.status.startswith("Closed."))


async def test_bad_arguments_are_refused_with_advice(opened: panel.Panel) -> None:
    bad: Any = "elsewhere"
    with pytest.raises(UsageError, match=r'"inside" or "outside"'):
        panel.wire("emitter", bad)
    with pytest.raises(UsageError, match=r"'browser', 'emitter', 'python'"):
        panel.wire(bad)
    with pytest.raises(UsageError, match=r'"inside" or "outside"'):
        await opened.choose(listener=bad)
    with pytest.raises(UsageError, match="No browser shows this panel"):
        await opened.choose(client="browser")
    assert not opened.closed


async def test_error_behind_a_button_is_shown(
    opened: panel.Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("<oops>")

    await opened.press("send")
    monkeypatch.setattr(opened._bench.sio, "emit", fail)
    press(opened, "send")
    await wait_until(lambda: opened.widget.state["status"] == "ZeroDivisionError: <oops>")


# --- the client in a browser tab -----------------------------------------------------------


class Page:
    """A page that shows a panel: it does what ``wire.js`` does, with a Python client."""

    def __init__(self, wire: Any, origin: str = HERE, name: str = "page") -> None:
        self.received: list[dict[str, Any]] = []
        self.client: EmitterClient | None = None
        self.answers = True
        self._wire, self._origin, self._name = wire, origin, name
        self._loop = asyncio.get_running_loop()

    def open(self) -> None:
        """Say that this page shows the panel."""
        self._wire._handle_custom_msg({"page": self._name, "origin": self._origin}, [])

    def receive(self, message: dict[str, Any]) -> None:
        """Take what the kernel sends to all pages."""
        self.received.append(message)
        if message["kind"] == "start" and message["page"] == self._name and self.answers:
            asyncio.run_coroutine_threadsafe(self._start(message["url"]), self._loop)
        else:
            asyncio.run_coroutine_threadsafe(self._stop(), self._loop)

    async def _stop(self) -> None:
        client, self.client = self.client, None
        if client:
            await client.disconnect()

    async def _start(self, url: str) -> None:
        await self._stop()
        client = EmitterClient(reconnection_delay=0.01, randomization_factor=0, handle_sigint=False)
        screen: list[str] = []
        client.on("connect", lambda: client.on("news", lambda n: screen.append(f"news {n}")))
        client.on("report", lambda: self._report(client, screen))
        await client.connect(url, headers={"Origin": self._origin}, transports=["websocket"])
        self.client = client

    def _report(self, client: EmitterClient, screen: list[str]) -> dict[str, Any]:
        listeners = len(client.listeners("news"))
        count = {"listeners": listeners, "registered": listeners, "calls": len(screen)}
        return count | {"screen": screen}


@pytest.fixture
def waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> panel.Panel:
    """A panel that no browser shows yet; its library is a stub."""
    (tmp_path / "library.js").write_text("export const io = null;")
    monkeypatch.setattr(clients, "LIBRARY", tmp_path / "library.js")
    return panel.wire()


def page_of(
    of: panel.Panel, monkeypatch: pytest.MonkeyPatch, origin: str = HERE, name: str = "page"
) -> Page:
    """Return a page that hears what the panel's kernel side sends."""
    page = Page(of.widget, origin, name)
    before = vars(of.widget).get("send", lambda message: None)
    monkeypatch.setitem(vars(of.widget), "send", lambda m: (before(m), page.receive(m)))
    return page


async def answer(url: str, origin: str) -> int:
    """Return the status with which a WebSocket of a page of that origin is answered."""
    address = f"{url}/socket.io/?EIO=4&transport=websocket"
    async with aiohttp.ClientSession(headers={"Origin": origin}) as session:
        try:
            async with session.ws_connect(address) as websocket:
                return 101 if websocket else 0
        except aiohttp.WSServerHandshakeError as error:
            return error.status


async def test_nothing_starts_before_a_page_shows_it(waiting: panel.Panel) -> None:
    assert not waiting._awake
    assert waiting.status.startswith("Asleep")


async def test_without_a_page_the_client_is_in_the_kernel(waiting: panel.Panel) -> None:
    assert await three_cuts(waiting) == [1, 4]
    assert waiting.widget.state["client"] == "emitter"


async def test_page_of_this_machine_is_served(
    waiting: panel.Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = page_of(waiting, monkeypatch)
    await asyncio.to_thread(page.open)
    await wait_until(lambda: waiting.status == NEW.format("inside"))
    assert waiting.widget.state["client"] == "browser"
    await waiting.press("send")
    for _ in range(3):
        await waiting.press("cut")
    assert await waiting.press("send") == Counters(4, 1, 1, 4, 4)
    await waiting.close()
    assert page.received[-1] == {"kind": "stop"}


async def test_only_pages_of_that_origin_may_connect(
    waiting: panel.Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    page_of(waiting, monkeypatch).open()
    await wait_until(lambda: waiting.status == NEW.format("inside"))
    for origin in ("http://evil.example", "http://localhost:9999", "null"):
        assert await answer(waiting._bench.link.url, origin) == 400
    assert await answer(waiting._bench.link.url, HERE) == 101
    await waiting.press("restart")
    assert waiting._bench.server.sio.eio.cors_allowed_origins == [HERE]


async def test_page_of_another_machine_is_told_why_the_client_is_in_the_kernel(
    waiting: panel.Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    page_of(waiting, monkeypatch, "https://hub.example.org").open()
    await wait_until(
        lambda: (
            "comes from 'https://hub.example.org'. So the client is an Emitter" in waiting.status
        )
    )
    assert await three_cuts(waiting) == [1, 4]


async def test_page_of_another_machine_does_not_disturb_the_one_that_is_served(
    waiting: panel.Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    page_of(waiting, monkeypatch).open()
    await wait_until(lambda: waiting.status == NEW.format("inside"))
    page_of(waiting, monkeypatch, "http://example.org", "other").open()
    assert await waiting.press("send") == Counters(1, 1, 1, 1, 1)
    assert waiting.status == "1 packet, 1 call"


async def test_page_does_not_disturb_a_client_in_the_kernel_and_can_be_chosen(
    waiting: panel.Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = panel.wire("emitter")
    await opened.press("cut")
    page_of(opened, monkeypatch).open()
    assert await opened.press("send") == Counters(2, 1, 1, 2, 2)
    await opened.choose(client="browser")
    assert opened.widget.state["client"] == "browser"
    assert await opened.press("send") == Counters(1, 1, 1, 1, 1)


async def test_page_that_cannot_reach_the_kernel_is_told(
    waiting: panel.Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Bench, "patience", 0.3)
    page = page_of(waiting, monkeypatch)
    page.answers = False
    page.open()
    await wait_until(lambda: waiting.status.startswith("This browser tab cannot reach the kernel"))
    assert page.received[-1] == {"kind": "stop"}
    assert waiting.widget.state["client"] == "emitter"


async def test_page_that_comes_later_takes_over(
    waiting: panel.Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = page_of(waiting, monkeypatch)
    first.open()
    await wait_until(lambda: waiting.status == NEW.format("inside"))
    await waiting.press("cut")
    second = page_of(waiting, monkeypatch, name="second")
    second.open()
    await wait_until(lambda: second.client and waiting.status == NEW.format("inside"))
    assert await waiting.press("send") == Counters(1, 1, 1, 1, 1)


async def test_client_that_leaves_is_seen(
    waiting: panel.Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = page_of(waiting, monkeypatch)
    page.open()
    await wait_until(lambda: page.client and waiting.status == NEW.format("inside"))
    assert page.client
    await page.client.shutdown()
    await wait_until(lambda: waiting.status.startswith("The server has ended a session: "))
    with pytest.raises(UsageError, match="No client is connected"):
        await waiting.press("send")


async def test_library_that_is_missing_is_named(
    waiting: panel.Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "LIBRARY", Path("/nowhere/socket.io.esm.min.js"))
    page_of(waiting, monkeypatch).open()
    await wait_until(lambda: "make setup" in waiting.status)
    assert await three_cuts(waiting) == [1, 4]


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
    "origin",
    [
        *("https://localhost:8888", "https://hub.mybinder.org", "http://192.168.1.7:8888"),
        *("http://localhost.evil.example", "http://evil.example#localhost"),
        *("http://localhost@evil.example", "http://127.0.0.2:8888", "http://user@localhost:8888"),
        *("http://localhost:8888/lab", "http://localhost:8888,http://evil.example"),
        *("http://localhost:999999", "http://localhost:8888\n", "http://LOCALHOST:8888"),
        *("vscode-webview://1f3o", "null", "*", "", None, ["http://localhost"]),
    ],
)
def test_other_places_are_refused_and_named(origin: Any) -> None:
    assert f"this page comes from {origin!r}" in refusal(origin)
