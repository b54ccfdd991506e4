"""The verdict comes first; a hint is folded up at the first try; what is solved is remembered."""

from __future__ import annotations

from typing import Any

import IPython.display
import pytest

from sio_demo import exercises, plots
from sio_demo.exercises import Counter, Feedback, feedback

WRONG = Feedback(
    False,
    "The *old* session holds `sid_of`.",
    (Counter("coins in the account", 10, 14), Counter("answers", 4, 4)),
    name="9",
    of=10,
)
TABLE = """
|  | right | yours |
| --- | --: | --: |
| coins in the account | 10 | 14 |
| answers | 4 | 4 |"""


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is shown, in this kernel that is new."""
    seen: list[Any] = []
    monkeypatch.setattr(feedback, "_solved", {})
    monkeypatch.setattr(IPython.display, "display", lambda data, raw: seen.append(data))
    monkeypatch.setattr(plots, "show", seen.append)
    return seen


def test_verdict_comes_first_and_the_figure_last(shown: list[Any]) -> None:
    figure = plots.invocations({"calls": [1]}, title="Once")
    Feedback(False, "Look again.", WRONG.counters, figure, name="9", of=10).show()
    assert shown[0]["text/markdown"].startswith("**✘ Not yet** · 0 of 10 solved\n\n")
    assert shown[0]["text/markdown"].endswith("\n" + TABLE)
    assert shown[0]["text/plain"] == "✘ Not yet · 0 of 10 solved"
    assert shown[1] is figure


def test_hint_is_folded_up_at_the_first_try_only(shown: list[Any]) -> None:
    WRONG.show()
    WRONG.show()
    first, second = (each["text/markdown"] for each in shown)
    assert "<details><summary>Hint</summary>\n\nThe *old* session" in first
    assert f"solved\n\nThe *old* session holds `sid_of`.\n{TABLE}" in second


def test_error_is_never_folded_up(shown: list[Any]) -> None:
    error = "Your program raised an exception.\n\n```\nline 2:  a * b\n```"
    Feedback(False, error=error, name="1").show()
    assert shown[0]["text/markdown"] == f"**✘ Not yet**\n\n{error}"


def test_what_is_solved_is_remembered_when_it_is_broken_again(shown: list[Any]) -> None:
    for solved, name in [(True, "1"), (False, "2"), (True, "2"), (False, "1")]:
        Feedback(solved, name=name, of=10).show()
    assert [each["text/plain"] for each in shown] == [
        "✔ Solved · 1 of 10 solved",
        "✘ Not yet · 1 of 10 solved",
        "✔ Solved · 2 of 10 solved",
        "✘ Not yet · 2 of 10 solved",
    ]


# --- predictions -----------------------------------------------------------------------


def test_prediction_says_by_how_much_each_number_is_off(shown: list[Any]) -> None:
    exercises.prediction({"sids": 1, "calls": 5}, {"sids": 3, "calls": 3}, "Count again.")
    assert "| sids | 1 | 2 too few |\n| calls | 5 | 2 too many |" in shown[0]["text/markdown"]


def test_prediction_that_is_right_is_solved(shown: list[Any]) -> None:
    exercises.prediction([2, 3], [2, 3], "Count again.")
    assert shown[0]["text/plain"] == "✔ Solved"
    assert "Count" not in shown[0]["text/markdown"]


@pytest.mark.parametrize(
    ("predicted", "missing"),
    [
        ([..., 3], "Your prediction has no number for: no. 1."),
        ([2], "Your prediction has no number for: no. 2."),
        (["two", 3], "Your prediction has no number for: no. 1."),
        ([..., ...], "Write your prediction first: a number in place of each `...`."),
        (None, "Write your prediction first: a number in place of each `...`."),
    ],
)
def test_prediction_that_is_not_complete_says_what_is_missing(
    shown: list[Any], predicted: Any, missing: str
) -> None:
    exercises.prediction(predicted, [2, 3])
    assert shown[0]["text/markdown"] == f"**✘ Not yet**\n\n{missing}"
