"""Run every notebook from a fresh kernel, top to bottom, and store what it printed and drew.

This is the only way in which outputs are written: `make notebooks`. The figure that the
README shows is taken from the outputs too.
"""

from __future__ import annotations

import base64
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

WIDGET = "application/vnd.jupyter.widget-view+json"
NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
README_FIGURE = NOTEBOOKS / "figures" / "handler_invocations.png"
README_FIGURE_IS_IN = "01_reproduce_the_bug.ipynb"
SECONDS_PER_CELL = 60


def execute(path: Path) -> nbformat.NotebookNode:
    """Run one notebook; an exception in a cell ends it, and nothing is stored."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook,
        timeout=SECONDS_PER_CELL,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        store_widget_state=False,
        resources={"metadata": {"path": str(NOTEBOOKS)}},
    ).execute()
    notebook.metadata.language_info = {"name": "python"}  # no version: it differs by machine
    for cell in notebook.cells:
        if "predict" in cell.metadata.get("tags", []):  # JupyterLab unfolds it when it is run
            cell.metadata["jupyter"] = {"outputs_hidden": True}
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET, None)  # an id of this run; the words for it stay
    return notebook


def last_png(notebook: nbformat.NotebookNode) -> bytes:
    """Return the last figure of a notebook."""
    images = [
        output.data["image/png"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    return base64.b64decode(images[-1])


def main(names: list[str]) -> None:
    """Run the notebooks named, or all of them."""
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        if names and path.name not in names:
            continue
        print(path.name, flush=True)
        notebook = execute(path)
        nbformat.write(notebook, path)
        if path.name == README_FIGURE_IS_IN:
            README_FIGURE.parent.mkdir(exist_ok=True)
            README_FIGURE.write_bytes(last_png(notebook))


if __name__ == "__main__":
    main(sys.argv[1:])
