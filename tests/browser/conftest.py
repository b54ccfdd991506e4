"""JupyterLab on a copy of the notebooks, and a headless Chromium to look at it."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread, Timer

import nbformat
import psutil
import pytest
from chromium import FLAGS, find_chromium
from playwright.sync_api import Page, ViewportSize, sync_playwright

ROOT = Path(__file__).parents[2]
PATIENCE = 60  # seconds that JupyterLab may take to start, to run a notebook, or to end
SCREEN: ViewportSize = {"width": 1366, "height": 768}  # of a small laptop
NO_QUESTIONS = {"fetchNews": "false", "checkForUpdates": False}


@pytest.fixture(scope="package")
def chromium() -> str:
    """The path of the browser."""
    return find_chromium()


@pytest.fixture(scope="package")
def lab(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a JupyterLab on a copy of the notebooks."""
    home = tmp_path_factory.mktemp("lab")
    copy_without_outputs(home / "notebooks")
    token = secrets.token_hex()
    with start(home, token) as process:
        try:
            yield f"{wait_for_address(process)}?token={token}"
        finally:
            end(process)


@pytest.fixture(scope="package")
def page(chromium: str, lab: str) -> Iterator[Page]:
    """JupyterLab in a browser window with a profile of its own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport=SCREEN)
        page.set_default_timeout(PATIENCE * 1000)
        page.goto(lab)
        page.wait_for_function("window.jupyterapp")
        yield page
        browser.close()


def copy_without_outputs(folder: Path) -> None:
    """Copy the notebooks: what they show later was made there."""
    shutil.copytree(ROOT / "notebooks", folder)
    for path in folder.glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.update(outputs=[], execution_count=None)
        nbformat.write(notebook, path)


def start(home: Path, token: str) -> subprocess.Popen[str]:
    """Start JupyterLab on a free port, apart from the settings and servers of the user."""
    answers = home / "config/lab/user-settings/@jupyterlab/apputils-extension"
    answers.mkdir(parents=True)
    (answers / "notification.jupyterlab-settings").write_text(json.dumps(NO_QUESTIONS))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root"]
    command += ["--ip=127.0.0.1", f"--port={port}", f"--ServerApp.root_dir={home / 'notebooks'}"]
    command += [f"--IdentityProvider.token={token}"]
    command += ["--LabApp.expose_app_in_browser=True", "--LabApp.extension_manager=readonly"]
    own = {
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_CONFIG_PATH": str(ROOT / "sio_demo" / "panel" / "jupyter"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "IPYTHONDIR": str(home / "ipython"),
        "PYTHONPATH": str(ROOT),
    }
    return subprocess.Popen(
        command,
        cwd=home,
        env=os.environ | own,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for_address(lab: subprocess.Popen[str]) -> str:
    """Read what JupyterLab prints until it tells its address; let it go on printing."""
    assert lab.stdout
    watch = Timer(PATIENCE, lab.kill)
    watch.start()
    printed = ""
    for line in lab.stdout:
        printed += line
        if found := re.search(r"http://127\.0\.0\.1:\d+/lab(?=\?token)", line):
            watch.cancel()
            Thread(target=lab.stdout.read).start()
            return found[0]
    watch.cancel()
    pytest.fail(f"JupyterLab did not start:\n{printed}")


def end(lab: subprocess.Popen[str]) -> None:
    """End JupyterLab, and see that its kernels end too."""
    process = psutil.Process(lab.pid)
    processes = [process, *process.children(recursive=True)]
    lab.terminate()
    _, alive = psutil.wait_procs(processes, PATIENCE)
    for process in alive:
        process.kill()
    assert alive == []
