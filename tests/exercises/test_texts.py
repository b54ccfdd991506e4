"""exercises.toml says what the exercises find, in their order, and nothing else."""

from __future__ import annotations

import ast
import dataclasses
import inspect
from collections import Counter
from string import Formatter

import pytest

from sio_demo.exercises import EXERCISES, Run
from sio_demo.exercises.feedback import JAVASCRIPT, Observation, Texts, judge, load

TEXTS = load()
SHARED = TEXTS["chat"].shared
NUMBERS = pytest.mark.parametrize("number", EXERCISES)


def observed(exercise: tuple[Texts, Run], argument: int) -> list[str]:
    """The names in an argument of the `Observation` that an exercise returns, from its source."""
    for node in ast.walk(ast.parse(inspect.getsource(exercise[1]))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Observation":
            names = node.args[argument].keys if len(node.args) > argument else []
            return list(map(ast.literal_eval, names))
    raise AssertionError(exercise)


def findings(exercise: tuple[Texts, Run]) -> list[str]:
    """The names of its findings."""
    return observed(exercise, 1)


def placeholders(hint: str) -> set[str]:
    """What stands in the braces of a hint."""
    return {name for _, name, _, _ in Formatter().parse(hint) if name is not None}


# --- the file --------------------------------------------------------------------------


def test_tables_stand_in_the_order_of_the_exercises() -> None:
    assert list(TEXTS) == [exercise[1].__name__ for exercise in EXERCISES.values()]


@NUMBERS
def test_every_hint_is_a_finding_of_its_exercise_in_this_order(number: int) -> None:
    own = [name for name in findings(EXERCISES[number]) if name not in SHARED]
    assert own == list(EXERCISES[number][0].hints)


@NUMBERS
def test_every_counter_and_word_of_an_exercise_is_used_in_its_texts(number: int) -> None:
    exercise = EXERCISES[number]
    hints = SHARED | exercise[0].hints
    used = set().union(*(placeholders(hints[name]) for name in findings(exercise)))
    counters, words = observed(exercise, 2), observed(exercise, 3)
    assert counters == list(exercise[0].counters)
    assert set(words) == used - {"What", *counters}


def test_shared_hint_is_said_in_several_exercises_and_is_not_also_their_own() -> None:
    said = Counter(name for exercise in EXERCISES.values() for name in findings(exercise))
    assert all(said[name] > 1 for name in SHARED)
    assert not any(set(texts.hints) & set(SHARED) for texts in TEXTS.values())


@pytest.mark.parametrize("name", TEXTS)
def test_table_has_values_of_the_right_kind(name: str) -> None:
    texts = TEXTS[name]
    assert all(isinstance(hint, str) and hint.strip() for hint in texts.hints.values())
    for what, right in texts.counters.values():
        assert isinstance(what, str)
        assert right == "all" or isinstance(right, int)
    for parameters in texts.takes.values():
        assert parameters == JAVASCRIPT or all(each.isidentifier() for each in parameters)
    assert not (texts.rounds and texts.faults)


def test_field_that_is_not_known_is_an_error() -> None:
    with pytest.raises(TypeError, match="hnits"):
        Texts(**dataclasses.asdict(TEXTS["chat"]), hnits={})  # type: ignore[call-arg]


# --- an observation and its texts ------------------------------------------------------

DOOR = Texts(
    takes={"door": ["sio"]},
    one="a knock",
    many="knocks",
    done="answered",
    rounds="knock",
    counters={"rings": ("rings of the bell", 2), "heard": ("knocks that were heard", "all")},
    hints={"deaf": "Nobody\ncomes.", "twice": "Answered {times} times, with {rings} rings."},
    shared={"open": "{What} at an open door."},
)
SEEN = Observation(
    {"your door": [1, 2]},
    {"deaf": False, "open": False, "twice": True},
    {"rings": 2, "heard": 2},
    {"times": 2},
)


def test_first_finding_that_holds_is_the_hint_with_its_words_filled_in() -> None:
    assert judge(DOOR, SEEN).hint == "Answered 2 times, with 2 rings."
    both = dataclasses.replace(SEEN, findings={"deaf": True, "open": True, "twice": True})
    assert judge(DOOR, both).hint == "Nobody comes."
    shared = dataclasses.replace(SEEN, findings={"deaf": False, "open": True, "twice": True})
    assert judge(DOOR, shared).hint == "A knock at an open door."


def test_something_wrong_that_no_finding_names_has_a_hint_as_well() -> None:
    none = dataclasses.replace(SEEN, findings=dict.fromkeys(SEEN.findings, False))
    assert judge(DOOR, none).hint.startswith("Something differs")


def test_all_that_is_right_is_solved_and_has_no_hint() -> None:
    feedback = judge(DOOR, dataclasses.replace(SEEN, rows={"your door": [1, 1]}))
    assert feedback.solved
    assert feedback.hint == ""
    assert feedback.counters == (
        ("rings of the bell", 2, 2),
        ("knocks that were heard", 2, 2),  # as many as there are counts
    )


def test_counter_that_differs_is_not_solved() -> None:
    once = dataclasses.replace(SEEN, rows={"your door": [1, 1]}, counters={"rings": 3, "heard": 2})
    assert not judge(DOOR, once).solved
