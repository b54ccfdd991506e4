"""Every notebook runs twice in one kernel: as it is stored, then with the solutions filled in."""

from __future__ import annotations

import copy
from pathlib import Path

import guards
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

WIDGET = "application/vnd.jupyter.widget-view+json"


def run_twice(path: Path) -> tuple[NotebookNode, NotebookNode]:
    """Run all cells, put the solutions into the exercises, and run all cells again."""
    notebook = guards.read(path)
    client = NotebookClient(
        notebook,
        timeout=60,
        kernel_name="python3",
        coalesce_streams=True,
        record_timing=False,
        resources={"metadata": {"path": str(path.parent)}},
    )
    with client.setup_kernel():
        for index, cell in enumerate(notebook.cells):
            client.execute_cell(cell, index)
        first = copy.deepcopy(notebook)
        for exercise in guards.exercises(notebook):
            exercise.cell.source = exercise.solution
        for index, cell in enumerate(notebook.cells):
            client.execute_cell(cell, index)
    return first, notebook


@pytest.fixture(scope="module", params=guards.PATHS, ids=lambda path: path.stem)
def runs(request: pytest.FixtureRequest) -> tuple[NotebookNode, NotebookNode]:
    """A notebook after the first run and after the second."""
    return run_twice(request.param)


def shown(notebook: NotebookNode) -> dict[str, list[NotebookNode]]:
    """Give what each cell shows; but the view of a widget, which has an id of its run."""
    found = {cell.id: copy.deepcopy(cell.outputs) for cell in guards.code_cells(notebook)}
    for outputs in found.values():
        for output in outputs:
            output.get("data", {}).pop(WIDGET, None)
    return found


def test_second_run_shows_what_the_first_has_shown(
    runs: tuple[NotebookNode, NotebookNode],
) -> None:
    first, second = map(shown, runs)
    checks = {cell.id for cell in guards.tagged(runs[0], "check")}
    other = {id: (first[id], second[id]) for id in first if first[id] != second[id]}
    assert {id: outputs for id, outputs in other.items() if id not in checks} == {}


def test_each_check_tells_the_solution_from_the_exercise(
    runs: tuple[NotebookNode, NotebookNode],
) -> None:
    unsolved, solved = (
        [guards.printed(exercise.checks[-1]) for exercise in guards.exercises(run)] for run in runs
    )
    assert all("Not yet" in words and "Solved." not in words for words in unsolved)
    assert [words for words in solved if not words.endswith("Solved.\n")] == []
