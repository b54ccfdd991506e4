"""The benchmarks: what they must keep to, measured side by side in one run.

    python tests/benchmarks/bench.py [NAME ...] [--quick] [--cycles N]

Each ratio is the median over several rounds in which the sides take turns (A B A B), with the
lowest and the highest round beside it. Each benchmark runs in a process of its own. The table
goes to the screen and to build/bench.json. The exit code is 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import check
import cycles
import delivery
import messages
import nbval_time
import observed
import page
import reconnect
import workers
from harness import Case, Figure, Options, Target

Record = dict[str, Any]

REPORT = Path(__file__).parents[2] / "build" / "bench.json"
PACKAGES = ("python-socketio", "python-engineio", "aiohttp", "wsproto", "h11", "nbval", "pytest")

CASES = {
    case.name: case
    for case in (
        Case(
            "reconnect",
            "From a TCP reset until `connect` runs again, back-off subtracted",
            {"link with tap": Target("<=", 1.25)},
            reconnect.run,
        ),
        Case(
            "messages",
            "Pipelined messages per second",
            {"tap off": Target(">=", 0.85), "tap on": Target(">=", 0.6)},
            messages.run,
        ),
        Case(
            "notebooks",
            "Seconds of `pytest --nbval`",
            {"notebooks": Target("<=", 2.5)},
            nbval_time.run,
        ),
        Case(
            "cycles",
            "Thousands of cuts and reconnects, the last 100 against the first",
            {"time": Target("<=", 1.2), "memory": Target("<=", 10)},
            cycles.run,
        ),
        Case(
            "delivery",
            "Outbox and inbox: messages per second, and what they cost",
            {
                "20 ms / emit": Target(">=", 3),
                "20 ms / retries": Target(">=", 500),
                "in memory / emit": Target(">=", 4),
                "durable / emit": Target(">=", 2.5),
                "PostgreSQL / emit": Target(">=", 1),
                "one message": Target("<=", 1.2),
                "group commit": Target(">=", 10),
                "memory": Target("<=", 1.1),
                "recovery": Target("<=", 2.2),  # two round trips, and a tenth for the clock
                "awaited, durable": Target(">=", 0.4),
                "big replies": Target("<=", 1.3),
                "idle producers": Target("<=", 20),
                "flood": Target("<=", 50),
                "flood memory": Target("<=", 50),
                "locked table": Target("<=", 20),  # 99 of 100
            },
            delivery.run,
        ),
        Case(
            "workers",
            "Several workers on one PostgreSQL, and a feed to many followers",
            {
                "2 workers, 2 outboxes": Target(">=", 1.5),
                "table size": Target("<=", 1.2),
                "feed": Target(">=", 0.5),
                "catching up": Target(">=", 1),
            },
            workers.run,
        ),
        Case(
            "observed",
            "A message there and back, with both ends observed",
            {"observed": Target("<=", 1.3)},
            observed.run,
        ),
        Case(
            "page",
            "The outbox of a page in Chromium: messages per second, and the time of one",
            {
                "20 ms / retries": Target(">=", 500),
                "in memory": Target(">=", 1),
                "in IndexedDB": Target(">=", 0.3),
                "one message": Target("<=", 1.3),
            },
            page.run,
        ),
        Case(
            "check",
            "Lines a second that `sio-demo check` reads",
            {"lines": Target(">=", 50_000)},
            check.run,
        ),
    )
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks that are named, or all; give the exit code."""
    parser = argparse.ArgumentParser(description="Measure speed, side by side with peers.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(CASES)}")
    parser.add_argument("--quick", action="store_true", help="only see that they run")
    parser.add_argument("--cycles", type=int, default=10_000, help="cuts and reconnects")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(CASES):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    on = machine()
    if on["load"] > 0.25 * (os.cpu_count() or 1):
        print(f"This machine is busy (load {on['load']}): expect figures that vary.")
    report = [
        record
        for name in options.names or CASES
        for record in run(CASES[name], Options(options.quick, options.cycles))
    ]
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps({"machine": on, "figures": report}, indent=2) + "\n")
    return conclude(report, options.quick)


def run(case: Case, options: Options) -> list[Record]:
    """Run one benchmark in a process of its own, whose memory no other has touched."""
    print(f"\n{case.title}")
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        try:
            figures = process.submit(case.run, options).result()
        except Exception as error:
            print(f"  failed: {error!r}")
            return [{"case": case.name, "name": "failed", "met": False, "error": repr(error)}]
    return [judge(case, figure) for figure in figures]


def judge(case: Case, figure: Figure) -> Record:
    """Hold a figure against its target, and print its line of the table."""
    target = case.targets.get(figure.kind)
    met = target is None or target.met_by(figure.value)
    parts = ", ".join(f"{side} {part:,.4g}" for side, part in figure.parts.items())
    print(
        f"  {figure.name:<46} {figure.value:6.2f}  [{figure.low:5.2f} .. {figure.high:5.2f}]"
        f"  {target or ''!s:<8} {'' if met else 'MISSED':<6}  {parts} {figure.unit}".rstrip()
    )
    return {"case": case.name, **asdict(figure), "target": target and str(target), "met": met}


def conclude(report: list[Record], quick: bool) -> int:
    """Say what was missed; a quick run is too short to judge."""
    missed = [f"{record['case']}: {record['name']}" for record in report if not record["met"]]
    failed = any("error" in record for record in report)
    if quick and not failed:
        print("\nA quick run: too short to hold against the targets.")
        return 0
    print("\nMissed:\n  " + "\n  ".join(missed) if missed else "\nEvery target is met.")
    return 1 if missed else 0


def machine() -> Record:
    """Tell what the figures depend on."""
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "processor": platform.machine(),
        "cpus": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "packages": {name: version(name) for name in PACKAGES},
    }


if __name__ == "__main__":
    sys.exit(main())
