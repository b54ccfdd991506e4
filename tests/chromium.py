"""Where the browser is, and how it is started."""

from __future__ import annotations

import shutil

import pytest

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find_chromium() -> str:
    """Return the path of Chromium; skip the test if there is none."""
    names = ["chromium", "chromium-browser", "google-chrome"]
    for path in map(shutil.which, names):
        if path:
            return path
    pytest.skip(f"no Chromium on PATH ({', '.join(names)}): no browser was looked at")
