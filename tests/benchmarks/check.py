"""How many lines a second `sio-demo check` reads, over a tree made like real ones."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

from harness import Figure, Options

from sio_demo.check import check_paths

CORPUS = Path(__file__).parents[1] / "check" / "corpus"
SHARE = 0.2  # of the files, those that use Socket.IO; in real front ends and servers, fewer

_PLAIN = {
    ".ts": "export function sum{n}(a: number, b: number): number {{\n"
    "  const rows = [a, b].map((x) => x * {n});\n"
    "  return rows.reduce((left, right) => left + right, 0);\n"
    "}}\n\n",
    ".jsx": "export const Row{n} = ({{ title, items }}) => (\n"
    "  <section title={{title}}>\n"
    "    {{items.map((item) => <p key={{item.id}}>{{item.text}}</p>)}}\n"
    "  </section>\n"
    ");\n\n",
    ".py": "def total_{n}(rows):\n"
    "    found = [row.price * {n} for row in rows if row.valid]\n"
    '    return {{"count": len(found), "sum": sum(found)}}\n\n\n',
}


def plant(folder: Path, files: int) -> None:
    """Write a tree: files that have nothing to do with Socket.IO, and cases of the corpus."""
    chance = random.Random(1)
    cases = sorted(path for path in CORPUS.glob("*/*") if path.is_file())
    for number in range(files):
        home = folder / f"package{number % 20}"
        home.mkdir(parents=True, exist_ok=True)
        if chance.random() < SHARE:
            case = chance.choice(cases)
            (home / f"file{number}{case.suffix}").write_text(case.read_text())
        else:
            suffix, part = chance.choice(list(_PLAIN.items()))
            text = "".join(part.format(n=n) for n in range(chance.randint(5, 60)))
            (home / f"file{number}{suffix}").write_text(text)


def run(options: Options) -> list[Figure]:
    """Read the tree several times; the first time warms the file cache."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plant(folder, options.pick(2_000, 100))

        def lines_a_second() -> float:
            start = perf_counter()
            report = check_paths([folder])
            return report.lines / (perf_counter() - start)

        lines_a_second()
        values = [lines_a_second() for _ in range(options.pick(5, 1))]
    figure = Figure(
        "lines a second", "lines", median(values), min(values), max(values), unit="lines/s"
    )
    return [figure]
