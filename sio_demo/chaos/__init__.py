"""Chaos: seeded fault schedules against outbox and inbox, and a checker that trusts neither.

A schedule cuts, delays, swallows and refuses connections, and kills the processes of server and
clients with SIGKILL. When all are dead, every message that a client recorded as accepted must have
been applied once, in order. ``await run(seed)`` plays one, ``run_all(seeds)`` many; each is a
`Verdict`. The variants are broken deliveries, which the same schedules must catch.
"""

from .checker import Verdict
from .schedule import FAULTS, PlannedFault, Schedule
from .stage import run, run_all

__all__ = ["FAULTS", "PlannedFault", "Schedule", "Verdict", "run", "run_all"]
