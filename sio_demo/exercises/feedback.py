"""What a check answers, verdict first; and how many exercises are solved in this kernel."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from .. import plots
from .texts import Observation, Texts

_FOLD = "<details><summary>Hint</summary>\n\n{}\n\n</details>"
_solved: dict[str, bool] = {}  # each exercise that was tried in this kernel


class Counter(NamedTuple):
    """Something that was counted: what, how much it should be, how much it was."""

    name: str
    right: Any
    seen: Any


@dataclass(frozen=True)
class Feedback:
    """What a program did on a link that was broken; the words are Markdown."""

    solved: bool
    hint: str = ""  # what to think about next
    counters: tuple[Counter, ...] = ()  # what was counted besides what the figure shows
    figure: plots.Plot | None = None  # None if the program did not run to the end
    error: str = ""  # what it raised, or where it hangs
    columns: tuple[str, str] = ("right", "yours")
    name: str = ""  # of the exercise: this kernel remembers that it is solved
    of: int = 0  # exercises; if there are any, the verdict says how many are solved

    def show(self) -> None:
        """Show the verdict and its reason, then the counters and the figure, below a cell.

        A hint is folded up until the second try.
        """
        from IPython.display import display

        fold = "{}" if self.name in _solved else _FOLD
        _solved[self.name] = _solved.get(self.name, False) or self.solved
        score = f" · {sum(_solved.values())} of {self.of} solved" if self.of else ""
        verdict = "✔ Solved" if self.solved else "✘ Not yet"
        table = [("", *self.columns), ("---", "--:", "--:"), *self.counters]
        blocks = [
            f"**{verdict}**{score}",
            self.error,
            self.hint and fold.format(self.hint),
            "\n".join("| {} | {} | {} |".format(*row) for row in table) if self.counters else "",
        ]
        words = {"text/markdown": "\n\n".join(filter(None, blocks)), "text/plain": verdict + score}
        display(words, raw=True)  # type: ignore[no-untyped-call]
        if self.figure is not None:
            plots.show(self.figure)


def judge(texts: Texts, seen: Observation) -> Feedback:
    """Compare what was counted with what is right, and draw it."""
    hint = texts.hint(seen) or "Something differs from what is right: compare the columns."
    counters = tuple(
        Counter(what, len(seen.counts) if right == "all" else int(right), seen.counters[name])
        for name, (what, right) in texts.counters.items()
    )
    solved = set(seen.counts) == {1} and all(c.right == c.seen for c in counters)
    return Feedback(solved, "" if solved else hint, counters, _figure(texts, seen))


def _figure(texts: Texts, seen: Observation) -> plots.Plot:
    title = texts.title(seen.counts)
    if texts.counted:
        scale: dict[str, Any] = {
            "counted": texts.counted,
            "rounds": texts.rounds,
            "first": 1,
            "expected": 1,
        }
        return plots.tally(seen.rows, title=title, **scale)
    if texts.rounds:
        return plots.calls_by_design(seen.rows, title=title, rounds=texts.rounds, first=1)
    return plots.effects_by_design(seen.rows, title=title, faults=seen.faults or texts.faults)
