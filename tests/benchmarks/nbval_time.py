"""How long nbval takes on the notebooks, against notebooks that only import the package.

They import what the notebooks import: the package, and its figures with matplotlib.

Both are whole runs of ``pytest --nbval`` in one process, a fresh kernel for each notebook, from
the start of Python to its end.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, STDOUT
from functools import partial
from pathlib import Path

from harness import Figure, Options, ratio, take_turns

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "notebooks"
FLAGS = (
    "-c",
    "pyproject.toml",
    "-p",
    "no:cacheprovider",
    "-q",
    "--nbval",
    "--nbval-current-env",
    "--nbval-cell-timeout",
    "60",
)


IMPORT = {
    "cell_type": "code",
    "execution_count": 1,
    "id": "import",
    "metadata": {},
    "outputs": [],
    "source": "import sio_demo\nfrom sio_demo import plots",
}
NOTEBOOK = {"cells": [IMPORT], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def write_imports(folder: Path, count: int) -> None:
    """Write notebooks whose one cell imports the package, and prints nothing."""
    for number in range(count):
        (folder / f"{number:02}.ipynb").write_text(json.dumps(NOTEBOOK))


async def run_nbval(folder: Path) -> float:
    """Give the seconds that a passing run takes."""
    began = time.perf_counter()
    pytest = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pytest", *FLAGS, folder, cwd=ROOT, stdout=PIPE, stderr=STDOUT
    )
    output, _ = await pytest.communicate()
    seconds = time.perf_counter() - began
    if pytest.returncode != 0:
        raise RuntimeError(f"nbval fails, so its time says nothing:\n{output.decode()[-3000:]}")
    return seconds


def run(options: Options) -> list[Figure]:
    """Compare the notebooks with as many that only import."""
    count = len(list(NOTEBOOKS.glob("*.ipynb")))
    if count == 0:
        raise FileNotFoundError("there is no notebook in notebooks/")
    with tempfile.TemporaryDirectory() as folder:
        write_imports(Path(folder), count)
        sides = {
            "imports": partial(run_nbval, Path(folder)),
            "notebooks": partial(run_nbval, NOTEBOOKS),
        }
        values = asyncio.run(take_turns(sides, options.pick(3, 1)))
    return [ratio(values, "notebooks", "imports", "s")]
