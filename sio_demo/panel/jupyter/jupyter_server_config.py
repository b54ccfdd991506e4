"""What `make lab` adds to the reader's own configuration of Jupyter."""

from __future__ import annotations

from typing import Any

WIDGET = "application/vnd.jupyter.widget-view+json"


def keep_the_picture(model: dict[str, Any], **_: Any) -> None:
    """Save a widget as its picture: opened again, its kernel is gone, and "model not found"."""
    if model["type"] != "notebook" or not isinstance(model.get("content"), dict):
        return
    for cell in model["content"]["cells"]:
        for output in cell.get("outputs", []):
            if "image/svg+xml" in output.get("data", {}):
                output["data"].pop(WIDGET, None)


c = get_config()  # type: ignore[name-defined] # noqa: F821 (Jupyter gives it)
c.ContentsManager.pre_save_hook = keep_the_picture
