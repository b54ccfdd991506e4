"""The live panel does in JupyterLab what its buttons say, with either client.

Set ``SIO_DEMO_SCREENSHOTS`` to a folder to have pictures: light, dark, and at half width.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Locator, Page, expect

SCREENSHOTS = os.environ.get("SIO_DEMO_SCREENSHOTS")
NEW = "A new client is connected; its listener is inside connect."
OPENED = "from sio_demo import clean_up, nothing_left, panel\nawait clean_up()\n"
PATIENCE = 30  # seconds that a busy machine may take to show what a button did
NAME = "panel.ipynb"
BROWSER = "socket.io-client (JavaScript) in this browser tab"
KERNEL = "EmitterClient (Python) in this kernel"

OPEN = """async ([path, content]) => {
  const { restored, commands, serviceManager } = window.jupyterapp;
  await restored;
  await serviceManager.contents.save(path, { type: "notebook", format: "json", content });
  await window.panel?.sessionContext.shutdown();
  window.panel?.dispose();
  window.panel = await commands.execute("docmanager:open", { path });
  await Promise.all([window.panel.context.ready, window.panel.sessionContext.ready]);
}"""
RUN_CELLS = "window.jupyterapp.commands.execute('notebook:run-all-cells')"
RELOADED = """async (path) => {
  const { restored, commands } = window.jupyterapp;
  await restored;
  window.panel = await commands.execute("docmanager:open", { path });
  await Promise.all([window.panel.context.ready, window.panel.sessionContext.ready]);
}"""
RUN = """async (code) => {
  let printed = "";
  const future = window.panel.sessionContext.session.kernel.requestExecute({ code });
  future.onIOPub = ({ content }) => {
    printed += content.text ?? content.traceback?.join("\\n") ?? "";
  };
  await future.done;
  return printed;
}"""
THEME = """(theme) => window.jupyterapp.commands.execute("apputils:change-theme", { theme })"""


class Shown:
    """A panel as a reader meets it: by the labels of its controls."""

    def __init__(self, page: Page, client: str) -> None:
        self.page = page
        self.box = page.locator(".jp-OutputArea-output").filter(has_text=client)
        self.figure = self.box.get_by_role("img")

    def press(self, *labels: str) -> None:
        """Press buttons, one after the other, without waiting."""
        for label in labels:
            self.box.get_by_role("button", name=label).click()

    def listen(self, place: str) -> None:
        """Set the switch."""
        self.box.get_by_role("radio", name=f"listener {place} connect").check()

    def counts(self, **counters: int) -> None:
        """Wait until the counters are these."""
        for name, value in counters.items():
            text = f"{name.replace('_', ' ')}: {value}"
            expect(self.box).to_contain_text(text, timeout=PATIENCE * 1000)

    def says(self, text: str) -> None:
        """Wait until the status is this."""
        expect(self.box.get_by_role("status")).to_have_text(text, timeout=PATIENCE * 1000)

    def lines(self) -> Locator:
        """Give what the client has written on its user's screen."""
        return self.box.get_by_role("listitem")


def run(page: Page, code: str) -> str:
    """Run code in the kernel, outside the notebook's cells, and give what it printed."""
    printed: str = page.evaluate(RUN, code)
    return printed


def open_notebook(page: Page, *cells: str) -> None:
    """Open a new notebook."""
    notebook: Any = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in cells]
    )
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    page.evaluate(OPEN, [NAME, notebook])


def take_screenshots(page: Page, name: str) -> None:
    """Take pictures, if somebody wants to see them: wide and light, narrow and dark."""
    if not SCREENSHOTS:
        return
    screen = page.viewport_size
    assert screen
    page.screenshot(path=Path(SCREENSHOTS) / f"panel_{name}.png")
    change_theme(page, "JupyterLab Dark")
    page.set_viewport_size({"width": screen["width"] // 2, "height": 1000})
    page.screenshot(path=Path(SCREENSHOTS) / f"panel_{name}_narrow_dark.png")
    change_theme(page, "JupyterLab Light")
    page.set_viewport_size(screen)


def change_theme(page: Page, name: str) -> None:
    """Give JupyterLab other colours, and wait until the splash screen has gone."""
    page.evaluate(THEME, name)
    light = str("Light" in name).lower()
    page.wait_for_function("(light) => document.body.dataset.jpThemeLight === light", arg=light)
    page.locator("#jupyterlab-splash").wait_for(state="detached")


@pytest.fixture(scope="module", params=["python", "browser"])
def kind(request: pytest.FixtureRequest, page: Page) -> str:
    """Which client it is; a notebook with a panel of that kind is open."""
    kind: str = request.param
    open_notebook(page, OPENED, f"p = await panel.{kind}()\np.show()")
    return kind


@pytest.fixture
def shown(kind: str, page: Page) -> Iterator[Shown]:
    """A new panel in JupyterLab, ready; afterwards it leaves nothing behind."""
    assert page.evaluate(RUN_CELLS)
    shown = Shown(page, KERNEL if kind == "python" else BROWSER)
    shown.says(NEW)
    yield shown
    left = run(page, "await p.close()\nawait nothing_left()")
    assert left == "left over: 0 tasks, 0 sockets, 0 processes\n"


def test_three_cuts_make_four_calls_of_a_listener_inside_connect_and_one_outside(
    shown: Shown, kind: str
) -> None:
    shown.press("Send")
    shown.counts(listeners=1, live_sids=1, packets=1, handler_calls=1, effects=1)
    shown.press("Cut (reset)", "Cut (reset)", "Cut (reset)", "Send")
    shown.counts(listeners=4, live_sids=1, packets=1, handler_calls=4, effects=4)
    expect(shown.lines()).to_have_text(["news 1", *["news 2"] * 4])
    take_screenshots(shown.page, f"{kind}_inside")

    shown.listen("outside")
    shown.press("Send", "Cut (reset)", "Cut (reset)", "Cut (reset)", "Send")
    shown.says("Sent message 4: 1 packet, handled once.")
    shown.counts(listeners=1, live_sids=1, packets=1, handler_calls=1, effects=1)
    expect(shown.lines()).to_have_text(["news 3", "news 4"])
    expect(shown.figure).to_have_attribute(
        "aria-label",
        "Message 4 was handled once. Listener inside connect: message 1: 1 call, cut 3 times, "
        "message 2: 4 calls. Listener outside connect: message 3: 1 call, cut 3 times, "
        "message 4: 1 call.",
    )
    take_screenshots(shown.page, f"{kind}_outside")


def test_other_faults_do_what_their_buttons_say(shown: Shown, kind: str) -> None:
    shown.press("Half-open", "Send")
    shown.counts(listeners=2, live_sids=2, packets=2, handler_calls=2, effects=2)
    shown.press("Restart server", "Send")
    shown.counts(listeners=3, live_sids=1, packets=1, handler_calls=3, effects=3)
    shown.press("Delay: off", "Send")
    shown.says("Sent message 3: 1 packet, handled 3 times.")
    shown.press("Delay: on")
    shown.says("The network is fast now.")
    take_screenshots(shown.page, f"{kind}_faults")


def test_cells_run_twice_do_no_harm(shown: Shown) -> None:
    shown.press("Cut (reset)", "Send")
    shown.counts(listeners=2, handler_calls=2)
    assert shown.page.evaluate(RUN_CELLS)
    shown.says(NEW)
    shown.press("Send")
    shown.counts(listeners=1, live_sids=1, packets=1, handler_calls=1, effects=1)
    expect(shown.lines()).to_have_text(["news 1"])


def test_code_can_do_what_the_buttons_do(shown: Shown) -> None:
    story = "await p.send()\nfor _ in range(3): await p.cut()\nprint(await p.send())"
    assert run(shown.page, story) == (
        "Counters(listeners=4, sids=1, packets=1, calls=4, effects=4)\n"
    )
    shown.counts(listeners=4, live_sids=1, packets=1, handler_calls=4, effects=4)


def test_page_that_is_loaded_again_comes_back(shown: Shown, kind: str) -> None:
    shown.press("Cut (reset)", "Send")
    shown.counts(listeners=2, handler_calls=2)
    shown.page.evaluate("window.panel.context.save()")
    shown.page.reload()
    shown.page.wait_for_function("window.jupyterapp")
    shown.page.evaluate(RELOADED, NAME)
    if kind == "browser":  # the client has lived in the page
        shown.says(NEW)
    shown.press("Send")
    shown.counts(listeners=1 if kind == "browser" else 2, live_sids=1, packets=1)
    expect(shown.lines().last).to_have_text("news 2")
