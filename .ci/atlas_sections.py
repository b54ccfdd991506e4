"""Write the sections of notebook 09 from :mod:`sio_demo.causes`; a new cause gets its section.

`python .ci/notebooks.py 09_atlas_of_causes.ipynb` then runs the cells of those that are new.
"""

from __future__ import annotations

import re
from pathlib import Path

import nbformat

from sio_demo.atlas import CAUSES, Cause

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "09_atlas_of_causes.ipynb"
HEADING = re.compile(r"^### (\w+) ", re.MULTILINE)


def section(cause: Cause) -> str:
    """Return the Markdown that says what is known of a cause."""
    parts = [
        f"### {cause.letter} {cause.title}",
        _libraries(cause),
        f"**What you see.** {cause.symptom}",
        f"**Why.** {cause.mechanism}",
    ]
    if cause.family != "myth":
        parts.append(f"**Fix.** {cause.fix}")
    if cause.reason:
        parts.append(f"**Not reproduced here.** {cause.reason}")
    evidence = f"*Evidence:* {', '.join(map(_link, cause.evidence))}."
    if cause.reproduce:
        file = cause.reproduce.__module__.rpartition(".")[2] + ".py"
        evidence += f" *Reproduced in* [`{file}`](../sio_demo/atlas/{file})."
    return "\n\n".join([*parts, evidence])


def _libraries(cause: Cause) -> str:
    measured, also = map(", ".join, (cause.measured_with, cause.also_known_from))
    if not measured:
        return f"*Known from:* {also}."
    return f"*Measured with:* {measured}" + (f"; *also known from:* {also}." if also else ".")


def _link(source: str) -> str:
    if source.startswith("https://"):
        return f"[{source.removeprefix('https://').rstrip('/')}]({source})"
    repository, number = source.split("#")
    return f"[{source}](https://github.com/{repository}/issues/{number})"


def update(cells: list[nbformat.NotebookNode]) -> None:
    """Write every section, and put those that are missing after the one before."""
    place = 0  # of the cell after the last section, and the cell that runs it
    for cause in CAUSES:
        found = [i for i, cell in enumerate(cells) if _letter(cell) == cause.letter]
        if found:
            cell = cells[found[0]]
            start = HEADING.search(cell.source)
            cell.source = cell.source[: start.start() if start else 0] + section(cause)
            place = found[0] + 2
        else:
            text, code = section(cause), f'see("{cause.letter}")'
            cells[place:place] = [
                nbformat.v4.new_markdown_cell(text, id=f"md-{cause.letter}"),
                nbformat.v4.new_code_cell(code, id=f"code-{cause.letter}"),
            ]
            place += 2


def _letter(cell: nbformat.NotebookNode) -> str | None:
    heading = HEADING.search(cell.source) if cell.cell_type == "markdown" else None
    return heading[1] if heading else None


if __name__ == "__main__":
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    update(notebook.cells)
    nbformat.write(notebook, NOTEBOOK)
