"""Every notebook runs twice in one kernel: as it is stored, then with the solution filled in."""

from __future__ import annotations

import copy
from pathlib import Path

import guards
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode


def run_twice(path: Path) -> tuple[NotebookNode, NotebookNode]:
    """Run all cells, put the solution into the exercise, and run all cells again."""
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
        [exercise] = guards.tagged(notebook, "exercise")
        exercise.source = guards.solution(notebook)
        for index, cell in enumerate(notebook.cells):
            client.execute_cell(cell, index)
    return first, notebook


@pytest.fixture(scope="module", params=guards.PATHS, ids=lambda path: path.stem)
def runs(request: pytest.FixtureRequest) -> tuple[NotebookNode, NotebookNode]:
    """A notebook after the first run and after the second."""
    return run_twice(request.param)


def test_second_run_shows_what_the_first_has_shown(
    runs: tuple[NotebookNode, NotebookNode],
) -> None:
    first, second = ({cell.id: cell.outputs for cell in guards.code_cells(run)} for run in runs)
    checks = {cell.id for cell in guards.tagged(runs[0], "check")}
    assert [id for id in first if first[id] != second[id] and id not in checks] == []


def test_check_tells_the_solution_from_the_exercise(
    runs: tuple[NotebookNode, NotebookNode],
) -> None:
    unsolved, solved = (guards.printed(guards.tagged(run, "check")[-1]) for run in runs)
    assert "Not yet" in unsolved
    assert "Solved." not in unsolved
    assert solved.endswith("Solved.\n")
