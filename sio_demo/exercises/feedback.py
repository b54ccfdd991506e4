"""What a check and a *Try it* answer, verdict first; the words are in ``exercises.toml``."""

import tomllib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from .. import plots
from .reader import LIMIT, Reader, StoppedError, kind

_FOLD = "<details><summary>Hint</summary>\n\n{}\n\n</details>"
_solved: dict[str, bool] = {}  # each exercise that was tried in this kernel
JAVASCRIPT = "JavaScript"


@dataclass(frozen=True)
class Observation:
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
        """Show it below a cell, verdict first; a hint is folded up until the second try."""
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


class Attempt:
    """What is right, and what the reader's program did; made by :func:`attempt`."""

    def __init__(self) -> None:
        self._counters: list[Counter] = []
        self._hints: list[str] = []

    def expect(self, what: str, right: Any, yours: Any, hint: str = "") -> None:
        """Compare two values; the hint is shown if they differ, and all before were right."""
        self._counters.append(Counter(what, right, yours))
        if right != yours:
            self._hints.append(hint or "Compare the two columns.")

    def _judged(self, reader: Reader) -> Feedback:
        counters = tuple(self._counters)
        if counters and not self._hints:
            return Feedback(True, counters=counters)
        is_none = any("None" in repr(each.seen) for each in counters)
        error = reader.note or (reader.returns_nothing() if is_none else "")
        return Feedback(False, "".join(self._hints[:1]), counters, error=error)


@asynccontextmanager
async def attempt(**programs: Any) -> AsyncIterator[Attempt]:
    """Run what the reader has written, and show what it did, verdict first.

    ::

        async with exercises.attempt(my_handler=my_handler) as mine:
            ...                       # run it
            mine.expect("payments", 1, len(paid))

    Whatever the programs do, the block ends within two seconds, and what they raised is shown
    with its line: also what python-socketio catches or a task swallows. Waits of the lab are cut
    to the same time, so that what they say is shown. `programs` are functions, or JavaScript.
    """
    made, reader = Attempt(), Reader(programs.values(), is_strict=True)
    wrong = [n for n, p in programs.items() if not (callable(p) or isinstance(p, str))]
    problem = "".join(f"`{name}` is {kind(programs[name])} now." for name in wrong[:1])
    try:
        with reader.watched():
            async with reader.limited(LIMIT):
                yield made
        feedback = made._judged(reader)
    except StoppedError as error:
        feedback = Feedback(False, error=problem or str(error))
    except NameError as error:
        missing = f"`{error.name}` has no value yet. Run the cells above this one, from the top."
        feedback = Feedback(False, error=missing)
    except Exception:
        if not problem:
            raise
        feedback = Feedback(False, error=problem)
    replace(feedback, name=" ".join(programs)).show()


def prediction(
    predicted: Sequence[Any] | Mapping[str, Any],
    measured: Sequence[int] | Mapping[str, int],
    hint: str = "",
) -> None:
    """Compare a prediction with what was measured, and show by how much each number is off."""
    right, yours = _by_name(measured), _by_name(predicted)
    missing = [name for name in right if not isinstance(yours.get(name), int | float)]
    if missing:
        what = f"Your prediction has no number for: {', '.join(missing)}."
        if len(missing) == len(right):
            what = "Write your prediction first: a number in place of each `...`."
        Feedback(False, error=what, name="prediction").show()
        return
    rows = [Counter(name, yours[name], _off(yours[name] - right[name])) for name in right]
    solved = all(row.seen == "right" for row in rows)
    said = ("yours", "off by")
    Feedback(solved, "" if solved else hint, tuple(rows), columns=said, name="prediction").show()


def _by_name(numbers: Any) -> dict[str, Any]:
    if isinstance(numbers, list | tuple):
        return {f"no. {n}": number for n, number in enumerate(numbers, 1)}
    return dict(numbers) if isinstance(numbers, Mapping) else {}


def _off(difference: float) -> str:
    return f"{abs(difference)} too {'many' if difference > 0 else 'few'}" if difference else "right"
