"""What every benchmark shares: the measured figure, its target, and sides that take turns."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Literal, NamedTuple

Measure = Callable[[], Awaitable[float]]


class Target(NamedTuple):
    """The bound that a figure has to keep."""

    sign: Literal["<=", ">="]
    limit: float

    def met_by(self, value: float) -> bool:
        return value <= self.limit if self.sign == "<=" else value >= self.limit

    def __str__(self) -> str:
        return f"{self.sign} {self.limit:g}"


@dataclass(frozen=True)
class Options:
    """How much to measure; `quick` only shows that the benchmarks run."""

    quick: bool = False
    cycles: int = 10_000

    def pick(self, full: int, quick: int) -> int:
        return quick if self.quick else full


@dataclass(frozen=True)
class Figure:
    """One number of the table: the median over the rounds, with the lowest and the highest.

    `kind` says which of the case's targets it has to keep, if any; `parts` holds the medians
    that a ratio was made of, in `unit`.
    """

    name: str
    kind: str
    value: float
    low: float
    high: float
    parts: Mapping[str, float] = field(default_factory=dict)
    unit: str = ""


@dataclass(frozen=True)
class Case:
    """A benchmark: what it measures, the targets of its kinds of figures, and how."""

    name: str
    title: str
    targets: Mapping[str, Target]
    run: Callable[[Options], list[Figure]]


async def take_turns(sides: Mapping[str, Measure], rounds: int) -> dict[str, list[float]]:
    """Measure each side once a round, A B A B: what slows the machine slows them all."""
    values: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, measure in sides.items():
            values[name].append(await measure())
    return values


def ratio(
    values: Mapping[str, Sequence[float]], over: str, under: str, unit: str, where: str = ""
) -> Figure:
    """Divide one side by the other, round by round; `over` is the figure's kind."""
    ratios = [a / b for a, b in zip(values[over], values[under], strict=True)]
    parts = {side: median(values[side]) for side in (over, under)}
    name = f"{over} / {under}{where and f', {where}'}"
    return Figure(name, over, median(ratios), min(ratios), max(ratios), parts, unit)
