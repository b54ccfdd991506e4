"""``sio-demo atlas``: reproduce every cause of duplicates and losses: before and after the fix."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..atlas import Result
    from ..counters import Counters

NAMES = ("listeners", "live sids", "packets", "calls", "effects")
TEXTS = (
    *("letter", "title", "family", "symptom", "mechanism", "fix", "evidence"),
    *("measured_with", "also_known_from", "reason"),
)


def add(command: argparse.ArgumentParser) -> None:
    which = "only these causes, such as D1 L16a (default: all)"
    command.add_argument("letters", metavar="LETTER", nargs="*", type=_letter, help=which)
    command.add_argument("--json", action="store_true", help="print all that is known, as JSON")


def _letter(text: str) -> str:
    from ..atlas import cause
    from ..errors import UsageError

    try:
        return cause(text).letter
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


async def run(options: argparse.Namespace) -> int:
    from ..atlas import measure_all

    results = measure_all(options.letters or None)
    if options.json:
        print(json.dumps([_row(each) async for each in results], indent=2, ensure_ascii=False))
        return 0
    print(f"What one message leaves behind: {', '.join(NAMES)}.\n")
    print(f"{'':5} {'before':11} {'after':11}")
    left_out = []
    async for result in results:
        before, after = _numbers(result.before), _numbers(result.after)
        print(f"{result.cause.letter:5} {before:11} {after:11} {result.cause.title}", flush=True)
        if result.before is None:
            left_out.append(result)
    for each in left_out:
        if not each.missing:
            print(f"\n{each.cause.letter} is not reproduced. {each.cause.reason}")
    for missing in filter(None, (each.missing for each in left_out)):
        raise missing  # the causes in Python are there
    return 0


def _row(result: Result) -> dict[str, Any]:
    measured = {"before": result.before, "after": result.after}
    counts = {when: counters and counters._asdict() for when, counters in measured.items()}
    return {name: getattr(result.cause, name) for name in TEXTS} | counts


def _numbers(counters: Counters | None) -> str:
    return " ".join(map(str, counters)) if counters else "-"
