"""The index of notebook 09 leads to the sections."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from sio_demo.atlas import CAUSES, cause

OPEN = """async (path) => {
  const { restored, commands } = window.jupyterapp;
  await restored;
  const panel = await commands.execute("docmanager:open", { path });
  await Promise.all([panel.context.ready, panel.sessionContext.ready]);
  panel.content.activeCellIndex = 0;
  await panel.content.scrollToItem(0);
}"""


@pytest.mark.parametrize("letter", ["D7", "L21", "M1"])
def test_a_letter_leads_to_its_section(page: Page, letter: str) -> None:
    """Once it is drawn; at the first click JupyterLab guesses how high the cells above it are."""
    page.evaluate(OPEN, "09_atlas_of_causes.ipynb")
    expect(page.locator("h4")).to_have_count(len(CAUSES), timeout=60_000)
    heading = page.locator("h4", has_text=f"{letter} {cause(letter).title}")
    for _ in range(2):
        page.evaluate(OPEN, "09_atlas_of_causes.ipynb")
        expect(page.locator("h1").first).to_be_in_viewport()
        page.locator("td a", has_text=letter).filter(visible=True).first.click()
    expect(heading).to_be_in_viewport()
