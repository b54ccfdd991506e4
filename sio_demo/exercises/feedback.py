"""What a check answers, verdict first, in the words of ``exercises.toml``."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from .. import plots

_FOLD = "<details><summary>Hint</summary>\n\n{}\n\n</details>"
_solved: dict[str, bool] = {}  # each exercise that was tried in this kernel
JAVASCRIPT = "JavaScript"


@dataclass(frozen=True)
class Observation:
    """What the reader's programs did."""

    rows: Mapping[str, Sequence[int]]  # how often each part did its work: each count should be 1
    findings: Mapping[str, bool]  # in the order of the hints: the first that holds is the hint
    counters: Mapping[str, int] = field(default_factory=dict)  # what else was counted
    words: Mapping[str, Any] = field(default_factory=dict)  # for the braces in the hints
    faults: Sequence[str] = ()  # the name of each count, if only the run knows how many

    @property
    def counts(self) -> list[int]:
        return [count for row in self.rows.values() for count in row]


@dataclass(frozen=True)
class Texts:
    """A table of ``exercises.toml``, whose head says what the fields are."""

    takes: Mapping[str, Sequence[str]]
    one: str
    many: str
    done: str
    hints: Mapping[str, str]
    counters: Mapping[str, tuple[str, int | str]]
    rounds: str = ""
    counted: str = ""
    faults: Sequence[str] = ()
    shared: Mapping[str, str] = field(default_factory=dict)

    def hint(self, seen: Observation) -> str:
        """Return the hint of the first finding that holds, or an empty text."""
        hints = {**self.shared, **self.hints}
        values = {"What": self.one.capitalize(), **seen.counters, **seen.words}
        first = next((hints[name] for name, holds in seen.findings.items() if holds), "")
        return " ".join(first.split()).format_map(values)

    def title(self, counts: Sequence[int]) -> str:
        lost = counts.count(0)
        parts = []
        if max(counts) > 1:
            parts.append(f"{self.one} is {self.done} up to {max(counts)} times")
        if lost:
            are = "is" if lost == 1 else "are"
            parts.append(f"{lost} of {len(counts)} {self.many} {are} not {self.done}")
        title = ", and ".join(parts) or f"{self.one} is {self.done} once"
        return title[0].upper() + title[1:]


def load() -> dict[str, Texts]:
    """Return the words of each exercise by its name, in the order of their numbers."""
    text = Path(__file__).with_name("exercises.toml").read_text("utf-8")
    shared, *tables = tomllib.loads(text).items()
    return {name: Texts(**table, shared=shared[1]["hints"]) for name, table in tables}


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
        return plots.tally(
            seen.rows, title=title, counted=texts.counted, rounds=texts.rounds, first=1, expected=1
        )
    if texts.rounds:
        return plots.calls_by_design(seen.rows, title=title, rounds=texts.rounds, first=1)
    return plots.effects_by_design(seen.rows, title=title, faults=seen.faults or texts.faults)
