"""Run a notebook a second time in the kernel in which nbval has run it, its exercises solved.

The first run is compared with what is stored, by nbval; the second with the first, figures drawn
as PNG included. What differs is a check's verdict: the solution is to solve the exercise.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

import guards
from nbformat import NotebookNode
from nbval.plugin import IPyNbCell, IPyNbFile

WIDGET = "application/vnd.jupyter.widget-view+json"  # has an id of its run


class SecondRun(IPyNbCell):
    """A cell, run again; the exercise's cell with the solution in it."""

    first: IPyNbCell
    is_check = False
    is_last_check = False

    def runtest(self) -> None:
        super().runtest()
        said = guards.said(NotebookNode(outputs=self.test_outputs)) if self.is_last_check else ""
        if self.is_last_check and ("Solved" not in said or "Not yet" in said):
            self.raise_cell_error("The solution does not solve the exercise", said)
        before, now = _shown(self.first), _shown(self)
        if before != now and not self.is_check:
            self.raise_cell_error("The second run shows something else", f"{before}\n{now}")


def second_run(file: IPyNbFile, cells: list[IPyNbCell]) -> Iterator[SecondRun]:
    """The cells of a notebook again, to be run after them."""
    exercises = guards.exercises(file.nb)
    solutions = {exercise.cell.id: exercise.solution for exercise in exercises}
    checks = {cell.id for cell in guards.tagged(file.nb, "check")}
    last_checks = {exercise.checks[-1].id for exercise in exercises}
    for first in cells:
        cell = deepcopy(first.cell)
        cell.source = solutions.get(cell.id, cell.source)
        options = first.options | {"check": False}  # not by nbval, with what is stored
        again = SecondRun.from_parent(
            file, name=f"{first.name} again", cell_num=first.cell_num, cell=cell, options=options
        )
        again.first = first
        again.is_check, again.is_last_check = cell.id in checks, cell.id in last_checks
        yield again


def _shown(cell: IPyNbCell) -> list[NotebookNode]:
    outputs = deepcopy(cell.test_outputs or [])
    for output in outputs:
        output.get("data", {}).pop(WIDGET, None)
    return outputs
