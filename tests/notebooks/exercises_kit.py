"""Runs the cells of notebook 11 with other programs in them: the notebook holds all the text."""

from __future__ import annotations

import ast
import inspect
from typing import Any, ClassVar

import guards
import pytest

from sio_demo.exercises import Feedback

NOTEBOOK = guards.read(guards.ROOT / "notebooks" / "11_exercises.ipynb")
EXERCISES = guards.exercises(NOTEBOOK)
IMPORTS = guards.code_cells(NOTEBOOK)[0].source.partition("\nawait ")[0]


def broken(number: int, *edits: tuple[str, str]) -> str:
    """Give an exercise as it stands in the notebook, edited."""
    return edited(EXERCISES[number - 1].cell.source, edits)


def solution(number: int, *edits: tuple[str, str]) -> str:
    """Give a solution as it stands in the notebook, edited."""
    return edited(EXERCISES[number - 1].solution, edits)


def edited(source: str, edits: tuple[tuple[str, str], ...]) -> str:
    """Replace parts of a program, each of which must be there once."""
    for old, new in edits:
        assert source.count(old) == 1, f"{old!r} is {source.count(old)} times in {source}"
        source = source.replace(old, new)
    return source


async def checked(number: int, source: str) -> Feedback:
    """Run the cell with this in it, and the check below."""
    namespace: dict[str, Any] = {}
    await execute(IMPORTS, namespace)
    await execute(source, namespace)
    [check] = EXERCISES[number - 1].checks
    line = check.source.splitlines()[0]
    assert line.startswith(f"result = await exercises.check({number}, ")
    await execute(line, namespace)
    return namespace["result"]


async def execute(source: str, namespace: dict[str, Any]) -> None:
    """Run a cell; ``await`` may stand at its top level."""
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    result = eval(compile(source, "<cell>", "exec", flags), namespace)
    if inspect.isawaitable(result):
        await result


class ExerciseTests:
    """What holds for every exercise; a subclass has the programs.

    Attributes
    ----------
    broken : dict
        For each exercise, words of the hint that the program in the notebook gets.
    wrong : list
        Wrong answers: the number, the program, words of its hint.
    right : list
        Other right answers: the number and the program.
    """

    broken: ClassVar[dict[int, str]]
    wrong: ClassVar[list[Any]]
    right: ClassVar[list[Any]]

    @classmethod
    def pytest_generate_tests(cls, metafunc: pytest.Metafunc) -> None:
        """Run each test with the programs that are for it."""
        names, values = {
            "test_program_in_the_notebook_is_not_solved": ("number, hint", cls.broken.items()),
            "test_solution_in_the_notebook_is_solved": ("number", cls.broken),
            "test_wrong_answer_gets_its_hint": ("number, source, hint", cls.wrong),
            "test_other_right_answer_is_solved": ("number, source", cls.right),
        }[metafunc.function.__name__]
        metafunc.parametrize(names, values)

    async def test_program_in_the_notebook_is_not_solved(self, number: int, hint: str) -> None:
        result = await checked(number, broken(number))
        assert not result.solved
        assert result.figure is not None
        assert hint in f"{result.error} {result.hint}"

    async def test_solution_in_the_notebook_is_solved(self, number: int) -> None:
        assert (await checked(number, solution(number))).solved

    async def test_wrong_answer_gets_its_hint(self, number: int, source: str, hint: str) -> None:
        result = await checked(number, source)
        assert not result.solved
        assert hint in f"{result.error} {result.hint}"

    async def test_other_right_answer_is_solved(self, number: int, source: str) -> None:
        assert (await checked(number, source)).solved
