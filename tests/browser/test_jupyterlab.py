"""Every notebook runs to its end in JupyterLab, and shows there what is stored.

Set ``SIO_DEMO_SCREENSHOTS`` to a folder to have a picture of each, from top to bottom.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Page, TimeoutError

PATHS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
PNG, WIRE = "image/png", "image/svg+xml"
SCREENSHOTS = os.environ.get("SIO_DEMO_SCREENSHOTS")
POLLING = 200  # ms; by default at each frame, and then the browser draws each frame

RUN = """(path) => {
  const run = async () => {
    const { restored, commands } = window.jupyterapp;
    await restored;
    await window.panel?.sessionContext.shutdown();
    window.panel?.dispose();
    window.panel = await commands.execute("docmanager:open", { path });
    await Promise.all([window.panel.context.ready, window.panel.sessionContext.ready]);
    return await commands.execute("notebook:run-all-cells") ? "succeeded" : "failed";
  };
  window.ended = null;
  window.wanted = path; // an earlier notebook may end late
  run().catch(String).then((how) => { if (window.wanted === path) window.ended = how; });
}"""
STATE = """() => {
  const kernel = window.panel?.sessionContext.session?.kernel;
  const cells = window.panel?.content.model?.toJSON().cells ?? [];
  const counts = cells.map((cell) => cell.execution_count).filter(Boolean);
  return `kernel ${kernel?.status} (${kernel?.connectionStatus}); cells run: ${counts}`;
}"""
CELLS = "window.panel.content.model.toJSON().cells"
FITS = """async (image) => {
  await image.decode();
  return 0 < image.width && image.width <= image.closest(".jp-OutputArea").clientWidth;
}"""
SCROLL_TO_TOP = """async (panel) => {
  panel.scrollTop = 0;
  for (const _ of [1, 2]) await new Promise((drawn) => requestAnimationFrame(drawn));
}"""


def outputs(cells: list[Any]) -> list[Any]:
    """Give the outputs of all cells."""
    return [output for cell in cells for output in cell.get("outputs", [])]


def printed(cells: list[Any]) -> dict[str, str]:
    """Give what each code cell has printed, by its id."""
    return {
        cell["id"]: "".join("".join(output.get("text", "")) for output in outputs([cell]))
        for cell in cells
        if cell["cell_type"] == "code"
    }


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_notebook_runs_to_its_end(page: Page, path: Path) -> None:
    page.evaluate(RUN, path.name)
    try:
        ended = page.wait_for_function("window.ended", polling=POLLING).json_value()
    except TimeoutError as error:
        pytest.fail(f"{error} {page.evaluate(STATE)}")

    cells = page.evaluate(CELLS)
    stored = nbformat.read(path, as_version=4).cells
    assert [output for output in outputs(cells) if "ename" in output] == []
    assert ended == "succeeded"
    assert printed(cells) == printed(stored)

    kinds = [kind for output in outputs(stored) for kind in output.get("data", {})]
    figures = page.locator(".jp-RenderedImage img")
    assert figures.count() == kinds.count(PNG) > 0
    assert page.locator(".sio-wire").count() == kinds.count(WIRE)  # alive here: no picture of one
    for figure in figures.all():
        figure.scroll_into_view_if_needed()
        assert figure.is_visible()
        assert figure.evaluate(FITS)
    if SCREENSHOTS:
        take_screenshot(page, Path(SCREENSHOTS) / f"{path.stem}.png")


def take_screenshot(page: Page, file: Path) -> None:
    """Make the window as high as the notebook, take a picture, and make it small again."""
    panel = page.locator(".jp-WindowedPanel-outer").filter(visible=True)  # others may be open too
    screen = page.viewport_size
    assert screen
    height = panel.evaluate("(panel) => panel.scrollHeight")
    page.set_viewport_size({"width": screen["width"], "height": height})
    panel.evaluate(SCROLL_TO_TOP)
    page.screenshot(path=file)
    page.set_viewport_size(screen)
