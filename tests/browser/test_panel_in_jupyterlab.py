"""The wire does in JupyterLab what its buttons say, with every client.

Set ``SIO_DEMO_SCREENSHOTS`` to a folder to have pictures: light and dark, wide and narrow.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Page, expect

SCREENSHOTS = os.environ.get("SIO_DEMO_SCREENSHOTS")
OPENED = "from sio_demo import clean_up, nothing_left, panel\nawait clean_up()\n"
PATIENCE = 30_000  # ms that a busy machine may take to show what a button did
NAME = "panel.ipynb"
CLIENTS = {
    "browser": "socket.io-client, in this tab",
    "emitter": "EmitterClient, in the kernel",
    "python": "python-socketio, in the kernel",
}
GONE = "Recorded run: the kernel is gone. Run this cell to bring the wire to life."

OPEN = """async ([path, content]) => {
  const { restored, commands, serviceManager } = window.jupyterapp;
  await restored;
  if (content) {
    await serviceManager.contents.save(path, { type: "notebook", format: "json", content });
  }
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
RESTART = "window.panel.sessionContext.restartKernel()"
RUN = """async (code) => {
  let printed = "";
  const future = window.panel.sessionContext.session.kernel.requestExecute({ code });
  future.onIOPub = ({ content }) => {
    printed += content.text ?? content.traceback?.join("\\n") ?? "";
  };
  await future.done;
  return printed;
}"""
LISTEN = """(status) => {
  window.said = [];
  new MutationObserver(() => window.said.push(status.textContent))
    .observe(status, { childList: true });
}"""
THEME = """(theme) => window.jupyterapp.commands.execute("apputils:change-theme", { theme })"""


IN_THE_KERNEL = pytest.mark.parametrize("kind", ["emitter"], indirect=True)
IN_THE_TAB_TOO = pytest.mark.parametrize("kind", ["browser", "emitter"], indirect=True)


class Shown:
    """A wire as a reader meets it: by the labels of its controls."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.box = page.locator(".sio-wire")
        self.drawing = self.box.get_by_role("img")

    def press(self, *labels: str) -> None:
        """Press buttons, one after the other, without waiting."""
        for label in labels:
            self.box.get_by_role("button", name=label, exact=True).click()

    def choose(self, label: str) -> None:
        self.box.get_by_role("radio", name=label, exact=True).check()

    def counts(self, listeners: int, sids: int, packets: int, calls: int, effects: int) -> None:
        """Wait until the counters are these."""
        words = (
            f"Now: listeners {listeners}, live sids {sids}. "
            f"Last message: packets {packets}, calls {calls}, effects {effects}."
        )
        expect(self.box.locator(".counters")).to_have_text(words, timeout=PATIENCE)

    def says(self, text: str) -> None:
        """Wait until the live region says this."""
        expect(self.box.get_by_role("status")).to_have_text(text, timeout=PATIENCE)

    def stacks(self, *labels: str) -> None:
        """Wait until nothing moves, and these listeners and lines are drawn."""
        expect(self.drawing.locator(".moving g text")).to_have_text(labels, timeout=PATIENCE)


def run(page: Page, code: str) -> str:
    """Run code in the kernel, outside the notebook's cells, and return what it printed."""
    printed: str = page.evaluate(RUN, code)
    return printed


def open_notebook(page: Page, *cells: str) -> None:
    notebook: Any = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in cells]
    )
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    page.evaluate(OPEN, [NAME, notebook])


def take_screenshots(page: Page, name: str) -> None:
    """Take pictures, if somebody wants to see them."""
    if not SCREENSHOTS:
        return
    screen = page.viewport_size
    assert screen
    page.evaluate("window.jupyterapp.shell.collapseLeft()")
    for theme in ("Light", "Dark"):
        change_theme(page, f"JupyterLab {theme}")
        for width in (1280, 800, 480):
            page.set_viewport_size({"width": width, "height": 900})
            page.screenshot(path=Path(SCREENSHOTS) / f"wire_{name}_{theme}_{width}.png")
    change_theme(page, "JupyterLab Light")
    page.set_viewport_size(screen)


def change_theme(page: Page, name: str) -> None:
    """Give JupyterLab other colours, and wait until the splash screen has gone."""
    page.evaluate(THEME, name)
    light = str("Light" in name).lower()
    page.wait_for_function("(light) => document.body.dataset.jpThemeLight === light", arg=light)
    page.locator("#jupyterlab-splash").wait_for(state="detached")


@pytest.fixture(scope="module", params=list(CLIENTS))
def kind(request: pytest.FixtureRequest, page: Page) -> str:
    """Which client it is; a notebook with a wire of that kind is open."""
    kind: str = request.param
    page.emulate_media(reduced_motion="reduce")
    open_notebook(page, OPENED, f"p = panel.wire('{kind}')\np.show()")
    return kind


@pytest.fixture
def shown(kind: str, page: Page) -> Iterator[Shown]:
    """A new wire in JupyterLab, ready; afterwards it leaves nothing behind."""
    assert page.evaluate(RUN_CELLS)
    shown = Shown(page)
    shown.says("A new client is connected; it listens inside connect.")
    yield shown
    left = run(page, "await nothing_left()\nawait p.close()\nawait nothing_left()")
    assert left == "left over: 0 tasks, 0 sockets, 0 processes\n" * 2


def test_three_cuts_make_four_calls_of_a_listener_inside_connect_and_one_outside(
    shown: Shown, kind: str
) -> None:
    adds_up = kind != "python"
    calls = 4 if adds_up else 1
    shown.press("Send")
    shown.counts(1, 1, 1, 1, 1)
    shown.press("Cut", "Cut", "Cut", "Send")
    shown.counts(calls, 1, 1, calls, calls)
    shown.says("1 packet, 4 calls" if adds_up else "1 packet, 1 call")
    numbers = [1, 2, 3, 4] if adds_up else [4]
    listeners = [f'on("news") #{number}' for number in numbers]
    shown.stacks(*listeners, "news 1", *["news 2"] * calls)
    take_screenshots(shown.page, f"{kind}_inside")

    shown.choose("outside")
    shown.press("Send", "Cut", "Cut", "Cut", "Send")
    shown.says("1 packet, 1 call")
    shown.counts(1, 1, 1, 1, 1)
    shown.stacks('on("news") #1', "news 3", "news 4")
    take_screenshots(shown.page, f"{kind}_outside")


@IN_THE_TAB_TOO
def test_other_faults_do_what_their_buttons_say(shown: Shown, kind: str) -> None:
    second, third = (1, 1) if kind == "python" else (2, 3)
    shown.press("Half-open", "Send")
    shown.counts(second, 2, 2, second, second)
    take_screenshots(shown.page, f"{kind}_half_open")
    shown.press("Restart server", "Send")
    shown.counts(third, 1, 1, third, third)
    shown.press("Slow")
    shown.says("The network is slow now.")
    shown.press("Slow")
    shown.says("The network is fast now.")


@IN_THE_KERNEL
def test_cells_run_twice_do_no_harm(shown: Shown, kind: str) -> None:
    shown.press("Cut", "Send")
    shown.says("1 packet, 1 call" if kind == "python" else "1 packet, 2 calls")
    assert shown.page.evaluate(RUN_CELLS)
    shown.says("A new client is connected; it listens inside connect.")
    shown.press("Send")
    shown.counts(1, 1, 1, 1, 1)


@IN_THE_KERNEL
def test_code_can_do_what_the_buttons_do(shown: Shown, kind: str) -> None:
    calls = 1 if kind == "python" else 4
    send, cut = 'await p.press("send")', 'await p.press("cut")'
    story = f"{send}\nfor _ in range(3): {cut}\nprint({send})"
    assert run(shown.page, story) == (
        f"Counters(listeners={calls}, sids=1, packets=1, calls={calls}, effects={calls})\n"
    )
    shown.counts(calls, 1, 1, calls, calls)


@IN_THE_TAB_TOO
def test_page_that_is_loaded_again_wakes_when_its_cell_runs(shown: Shown, kind: str) -> None:
    shown.press("Cut", "Send")
    shown.counts(2, 1, 1, 2, 2)
    shown.page.evaluate("window.panel.context.save()")
    shown.page.reload()
    shown.page.wait_for_function("window.jupyterapp")
    shown.page.evaluate(RELOADED, NAME)
    expect(shown.page.locator(".jp-OutputArea-output img")).to_be_visible(timeout=PATIENCE)
    assert shown.page.evaluate(RUN_CELLS)
    shown.says("A new client is connected; it listens inside connect.")
    shown.press("Cut", "Send")
    shown.counts(2, 1, 1, 2, 2)


@IN_THE_KERNEL
def test_keys_of_the_controls_stay_with_them(shown: Shown) -> None:
    inside = shown.box.get_by_role("radio", name="inside connect", exact=True)
    inside.focus()
    inside.press("ArrowDown")
    expect(shown.box.get_by_role("radio", name="outside", exact=True)).to_be_focused()
    shown.says("A new client is connected; it listens outside connect.")


@IN_THE_KERNEL
def test_another_client_can_be_chosen(shown: Shown, kind: str) -> None:
    other = "python" if kind == "emitter" else "emitter"
    shown.press("Cut", "Send")
    shown.box.get_by_role("combobox", name="Client").select_option(other)
    shown.says("A new client is connected; it listens inside connect.")
    shown.press("Cut", "Send")
    calls = 1 if other == "python" else 2
    shown.counts(calls, 1, 1, calls, calls)


@IN_THE_KERNEL
def test_a_restarted_kernel_leaves_the_recorded_run_and_says_how_to_wake_it(shown: Shown) -> None:
    shown.page.evaluate(RESTART)
    expect(shown.box.get_by_role("status")).to_contain_text(GONE, timeout=PATIENCE)
    expect(shown.box.get_by_role("button", name="Play again")).to_be_visible()
    expect(shown.box.get_by_role("button", name="Cut", exact=True)).to_be_disabled()
    assert shown.page.evaluate(RUN_CELLS)
    shown.says("A new client is connected; it listens inside connect.")
    shown.press("Cut", "Send")
    shown.counts(2, 1, 1, 2, 2)


@IN_THE_KERNEL
def test_a_saved_notebook_that_is_opened_with_a_new_kernel_shows_the_recorded_run(
    shown: Shown,
) -> None:
    page = shown.page
    page.evaluate("window.panel.context.save()")
    page.evaluate(OPEN, [NAME, None])
    picture = page.locator(".jp-OutputArea-output img")
    expect(picture).to_be_visible(timeout=PATIENCE)
    width = picture.evaluate("(image) => image.clientWidth / image.parentElement.clientWidth")
    assert 0.9 < width <= 1.0
    expect(page.get_by_text("model not found")).to_have_count(0)
    assert page.evaluate(RUN_CELLS)
    shown.says("A new client is connected; it listens inside connect.")


@IN_THE_KERNEL
def test_what_is_said_twice_is_announced_twice(shown: Shown) -> None:
    """A screen reader says what changes in the live region."""
    shown.press("Send")
    shown.says("1 packet, 1 call")
    shown.box.get_by_role("status").evaluate(LISTEN)
    shown.press("Send")
    shown.stacks('on("news") #1', "news 1", "news 2")
    assert shown.page.evaluate("window.said").count("1 packet, 1 call") == 1


@IN_THE_KERNEL
def test_it_moves(shown: Shown) -> None:
    shown.page.emulate_media(reduced_motion="no-preference")
    shown.press("Send")
    expect(shown.drawing.locator(".moving circle")).to_have_count(1)  # one packet on the wire
    expect(shown.drawing.locator(".moving circle")).to_have_count(0)
    shown.stacks('on("news") #1', "news 1")
    shown.page.emulate_media(reduced_motion="reduce")
