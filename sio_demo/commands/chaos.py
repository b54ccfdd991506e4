"""``sio-demo chaos``: play seeded fault schedules, process kills too, against the delivery."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

from . import count

if TYPE_CHECKING:
    from ..chaos import Verdict

FAILED = 1  # exit code
VARIANTS = ("none", "no-dedup", "mark-first")
FAILURES_SHOWN = 3  # in full: a broken delivery fails again and again
STEP = 100  # schedules between two lines of progress, unless a terminal can rewrite one


def positive(text: str) -> int:
    """Return a number, 1 or more; argparse turns the ValueError into exit code 2."""
    number = count(text)
    if number == 0:
        raise ValueError(text)
    return number


def add_seeds(command: argparse.ArgumentParser) -> None:
    which = command.add_mutually_exclusive_group()
    which.add_argument(
        "--seeds", type=positive, default=100, metavar="N", help="play seeds 1 to N (default: 100)"
    )
    which.add_argument("--seed", type=count, metavar="N", help="play this one, and show it")


def add(command: argparse.ArgumentParser) -> None:
    add_seeds(command)
    broken = "play against a broken delivery"
    command.add_argument("--variant", choices=VARIANTS, default="none", help=broken)
    command.add_argument(
        "--jobs", type=positive, default=8, metavar="N", help="how many at once (default: 8)"
    )


def seeds(options: argparse.Namespace) -> list[int]:
    return [*range(1, options.seeds + 1)] if options.seed is None else [options.seed]


async def run(options: argparse.Namespace) -> int:
    from ..chaos import Schedule, run_all

    numbers = seeds(options)
    if len(numbers) == 1:
        print(Schedule.from_seed(numbers[0]), flush=True)

    def again(failure: Verdict) -> str:
        if failure.variant == "none":
            return f"make chaos SEED={failure.seed}"
        return f"sio-demo chaos --seed {failure.seed} --variant {failure.variant}"

    runs = run_all(numbers, options.variant, jobs=options.jobs)
    said = Schedule.from_seed
    return await report(runs, len(numbers), lambda verdict: said(verdict.seed), again)


async def report(
    runs: AsyncGenerator[Verdict, None],
    total: int,
    said: Callable[[Verdict], object],
    again: Callable[[Verdict], str],
) -> int:
    """Play schedules, show what comes of them, and return the exit code.

    Of a failure, `said` is what was played, and `again` how to play it once more.
    """
    verdicts: list[Verdict] = []
    async with aclosing(runs) as playing:
        async for verdict in playing:
            verdicts.append(verdict)
            _show_progress(verdicts, total)
    failures = [verdict for verdict in verdicts if not verdict.ok]
    for failure in failures[:FAILURES_SHOWN]:
        print(f"\nFAILED {said(failure)}")
        print(*(f"  {finding}" for finding in failure.findings), sep="\n")
        print(f"play it again: {again(failure)}\n", flush=True)
    if failures:
        print("failed seeds:", *(failure.seed for failure in failures))
    struck = Counter(fault for verdict in verdicts for fault in verdict.faults)
    print("faults:", ", ".join(f"{number} {kind}" for kind, number in struck.most_common()))
    messages, lost, duplicated, reordered = (
        sum(getattr(verdict, name) for verdict in verdicts)
        for name in ("accepted", "lost", "duplicated", "reordered")
    )
    print(
        f"{len(verdicts)} schedules, {messages} messages: "
        f"{lost} lost, {duplicated} duplicated, {reordered} reordered"
    )
    return FAILED if failures else 0


def _show_progress(verdicts: Sequence[Verdict], total: int) -> None:
    done = len(verdicts)
    text = f"{done} of {total} schedules, {sum(not verdict.ok for verdict in verdicts)} failed"
    if sys.stderr.isatty():
        print(f"\r{text}", end="\n" if done == total else "", file=sys.stderr, flush=True)
    elif done % STEP == 0:
        print(text, file=sys.stderr, flush=True)
