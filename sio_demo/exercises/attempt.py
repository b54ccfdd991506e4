"""The reader's programs in a notebook's own rig: run within limits, counted, and judged."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from ..errors import NodeError, NotSeenError
from .feedback import Counter, Feedback
from .reader import LIMIT, Reader, StoppedError, kind


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
    feedback = Feedback(False)
    try:
        with reader.watched():
            async with reader.limited(LIMIT):
                yield made
        feedback = made._judged(reader)
    except asyncio.CancelledError:
        await reader.cancel_tasks()
        raise
    except StoppedError as error:
        await reader.cancel_tasks()
        feedback = Feedback(False, error=problem or str(error))
    except (NotSeenError, NodeError) as error:
        feedback = Feedback(False, error=reader.hanging() if reader.tasks() else str(error))
        await reader.cancel_tasks()
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
    if isinstance(numbers, Mapping):
        return dict(numbers)
    if not isinstance(numbers, list | tuple):
        return {}
    return {f"no. {n}": number for n, number in enumerate(numbers, 1)}


def _off(difference: float) -> str:
    return f"{abs(difference)} too {'many' if difference > 0 else 'few'}" if difference else "right"
