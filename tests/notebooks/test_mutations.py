"""nbval fails when a stored number, a stored figure, the package or a second run is wrong.

One run of nbval takes copies of a notebook, from its top to its first figure. Each lies beside
a copy of ``sio_demo``, which its kernel imports: it starts in that folder, and looks there first.
A notebook of its own is right in its first run, and goes wrong in its second.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import guards
import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

HERE = Path(__file__).parent
NOTEBOOK = guards.ROOT / "notebooks" / "02_follow_one_message.ipynb"
NUMBER = "balance: 90"
FIGURE = guards.SVG
APPENDS = "self._listeners[key].append(listener)"
REPLACES = "self._listeners[key] = [listener]"


def upto_first_figure() -> NotebookNode:
    """Cut the notebook below its first figure."""
    notebook = guards.read(NOTEBOOK)
    at = next(i for i, cell in enumerate(notebook.cells) if FIGURE in str(cell))
    del notebook.cells[at + 1 :]
    return notebook


def cell_with(stored: str) -> str:
    """The number by which nbval knows the one code cell that has stored this."""
    cells = guards.code_cells(upto_first_figure())
    [number] = [number for number, cell in enumerate(cells) if stored in str(cell.outputs)]
    return str(number)


def with_wrong_outputs(notebook: NotebookNode) -> NotebookNode:
    """Add one to a number, and move the end of a line in the figure by 0.01 points."""
    cells = guards.code_cells(notebook)
    [printed] = cells[int(cell_with(NUMBER))].outputs
    printed.text = printed.text.replace("90", "91")
    [shown] = [o for o in cells[int(cell_with(FIGURE))].outputs if FIGURE in o.get("data", {})]
    before, x, after = re.split(r"(?<=L )([\d.]+)", shown.data[FIGURE], maxsplit=1)
    shown.data[FIGURE] = f"{before}{float(x) + 0.01:.2f}{after}"
    return notebook


def right_only_once() -> NotebookNode:
    """Count the runs in a cell; check an exercise whose solution does not solve it."""
    cells = [
        code("print(0)", "0\n"),
        code("runs = globals().get('runs', 0) + 1\nprint(runs)", "1\n"),
        code("answer = 0", "", "exercise"),
        code("print('Solved.' if answer == 42 else 'Not yet.')", "Not yet.\n", "check"),
    ]
    block = "```python\nanswer = 41\n```"
    solution = f"<details><summary><b>Solution</b></summary>\n\n{block}\n</details>"
    return new_notebook(cells=[*cells, new_markdown_cell(solution)])


def code(source: str, printed: str, *tags: str) -> NotebookNode:
    """A cell that has run."""
    outputs = [new_output("stream", name="stdout", text=printed)] if printed else []
    metadata = {"tags": list(tags)}
    return new_code_cell(source, execution_count=1, outputs=outputs, metadata=metadata)


def place(folder: Path, notebook: NotebookNode) -> None:
    """Write a notebook beside a copy of the package."""
    ignore = shutil.ignore_patterns("node_modules")
    shutil.copytree(guards.ROOT / "sio_demo", folder / "sio_demo", ignore=ignore)
    nbformat.write(notebook, folder / "notebook.ipynb")


def make_emitter_replace(package: Path) -> None:
    """Let ``EmitterClient`` keep the last listener only, as its base class does."""
    file = package / "lab" / "clients.py"
    assert file.read_text().count(APPENDS) == 1
    file.write_text(file.read_text().replace(APPENDS, REPLACES))


def nbval(folder: Path, *options: str) -> dict[str, list[str]]:
    """Run nbval on all copies in a folder; return the cells that fail in each."""
    report = folder / "report.xml"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env",
         "--nbval-cell-timeout=60", "-p", "no:cacheprovider", "-c", guards.ROOT / "pyproject.toml",
         "-p", "conftest", f"--rootdir={folder}", f"--junitxml={report}", *options, folder],
        cwd=folder, env=os.environ | {"PYTHONPATH": f".:{guards.ROOT}:{HERE}"},
        capture_output=True, text=True,
    )  # fmt: skip
    print(done.stdout, done.stderr)
    failed: dict[str, list[str]] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        cells = failed.setdefault(case.attrib["classname"].partition(".")[0], [])
        if len(case):
            cells.append(case.attrib["name"].removeprefix("Cell "))
    return failed


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The cells that fail in each copy."""
    folder = tmp_path_factory.mktemp("mutations")
    place(folder / "outputs", with_wrong_outputs(upto_first_figure()))
    place(folder / "emitter", upto_first_figure())
    make_emitter_replace(folder / "emitter" / "sio_demo")
    return nbval(folder)


def test_wrong_number_and_moved_line_fail_and_nothing_else(failed: dict[str, list[str]]) -> None:
    assert failed["outputs"] == [cell_with(NUMBER), cell_with(FIGURE)]


def test_emitter_that_replaces_fails_in_calls_and_figure(failed: dict[str, list[str]]) -> None:
    assert failed["emitter"] == [cell_with(NUMBER), cell_with(FIGURE)]


def test_second_run_that_shows_something_else_fails_and_nothing_else(tmp_path: Path) -> None:
    nbformat.write(right_only_once(), tmp_path / "notebook.ipynb")
    assert nbval(tmp_path, "--twice") == {"notebook": ["1 again", "3 again"]}
