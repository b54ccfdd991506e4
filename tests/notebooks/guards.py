"""The rules for notebooks, each a function that yields a complaint for whatever breaks it.

They read the stored file and run nothing. A rule takes the notebook and the path of its file.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from html import unescape
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).parents[2]
PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))

Rule = Callable[[NotebookNode, Path], Iterator[str]]

TITLE = re.compile(
    r"# (Apply|Ask|Build|Check|Choose|Count|Deliver|Draw|Find|Fix|Follow|Give|Handle|Keep|Learn|"
    r"Make|Measure|Meet|Name|Prove|Read|Recognise|Repair|Reproduce|Scale|See|Send|Show|Survive|"
    r"Tell|Test|Track|Use|Watch|Write)\b"
)
INTRODUCTION = ["**What you'll do.**", "**What you'll learn.**", "**What you need.**"]
SECTIONS = ["What you can now do", "Try it", "Further reading", "Tear down"]
LONGEST_CELL = 12
NOTHING_LEFT = "left over: 0 tasks, 0 sockets, 0 processes\n"
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
TAGS = {"exercise", "check", "predict"}
FOLDED = {"outputs_hidden": True}  # the stored output, until the cell is run
SOLUTION = re.compile(
    r"<details><summary><b>Solution</b></summary>\n.*?^```python\n(.*?)^```\n.*?^</details>",
    re.DOTALL | re.MULTILINE,
)
VARIES = {
    "an absolute path": r"(?<![\w/:.<])/[\w.-]+/[\w.-]+|\b[A-Z]:\\\w",
    "a home directory": r"(?<!\w)~[/\w]|\bsite-packages\b",
    "a port": r"(?:localhost|\d\.\d\.\d\.\d|\]):\d+|\bport \d{4,}",
    "a sid": r"(?<![\w-])(?=[\w-]*[A-Z])(?=[\w-]*[a-z])[\w-]{20}(?![\w-])",
    "a time": r"\b\d{1,2}:\d\d:\d\d\b|\b20\d\d-\d\d-\d\d\b|\b\d+\.\d{3,} ?[mµ]?s\b",
    "a memory address": r"\b0x[0-9a-fA-F]{6,}",
    "a process id": r"\bpid\W{0,2}\d+",
}
SVG = "application/vnd.sio-demo.svg"
SVG_MAY_CONTAIN = {"a sid"}  # the ids that matplotlib makes; they hang on the figure alone


def read(path: Path) -> NotebookNode:
    """Read a notebook."""
    return nbformat.read(path, as_version=4)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Give the cells that run."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tagged(notebook: NotebookNode, tag: str) -> list[NotebookNode]:
    """Give the cells with a tag."""
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def minutes(notebook: NotebookNode) -> float:
    """Count how long it takes to read a notebook, as CONTRIBUTING.md says."""
    words = re.sub(
        r"<details>.*?</details>|\]\(.*?\)|## Further reading.*", "", prose(notebook), flags=re.S
    )
    cells = [cell for cell in code_cells(notebook)[1:] if cell not in tagged(notebook, "check")]
    lines = [line.strip() for cell in cells for line in cell.source.splitlines() if line.strip()]
    shown = sum(SVG in str(cell.outputs) for cell in cells) + words.count("\n|---")
    seconds = 2 * len(set(lines)) + len(lines) + 8 * shown
    return len(re.findall(r"\S*\w\S*", words)) / 200 + seconds / 60


def prose(notebook: NotebookNode) -> str:
    """Give all the text, without the code blocks in it."""
    text = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def printed(cell: NotebookNode) -> str:
    """Give what a cell printed."""
    return "".join(out.text for out in cell.outputs if out.get("name") == "stdout")


def said(cell: NotebookNode) -> str:
    """Return what a cell printed, and its verdict."""
    verdicts = [o.data["text/plain"] for o in cell.outputs if "text/markdown" in o.get("data", {})]
    return "\n".join([*verdicts, printed(cell)])


class Exercise(NamedTuple):
    """A cell that the reader edits, the text above it, the cells that check it, the text below."""

    cell: NotebookNode
    above: NotebookNode
    checks: list[NotebookNode]
    below: NotebookNode

    @property
    def heading(self) -> str:
        """The heading nearest to it."""
        return "".join(re.findall(r"^##+ .*$", self.above.source, re.MULTILINE)[-1:])

    @property
    def solution(self) -> str | None:
        """The code that the reader finds behind "Solution"."""
        found = SOLUTION.search(self.below.source)
        return found and found[1].rstrip("\n")


def exercises(notebook: NotebookNode) -> list[Exercise]:
    """Give the exercises, in order."""
    cells, found = notebook.cells, []
    for at, cell in enumerate(cells):
        if "exercise" in cell.metadata.get("tags", []):
            following = cells[at + 1 :]
            checks = list(takewhile(lambda c: "check" in c.metadata.get("tags", []), following))
            found.append(Exercise(cell, cells[at - 1], checks, following[len(checks)]))
    return found


def begins_with_goals(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """Title with a verb, minutes, and what the reader will do, learn and need."""
    first = notebook.cells[0]
    title, *lines = first.source.splitlines()
    if first.cell_type != "markdown" or not TITLE.match(title):
        yield f"it does not begin with a title that begins with a verb: {title}"
    if not any(re.match(r"\*\d+ minutes\b.*\*$", line) for line in lines):
        yield "the first cell does not say how many minutes"
    goals = [goal for line in lines for goal in INTRODUCTION if line.startswith(f"{goal} ")]
    if goals != INTRODUCTION:
        yield f"the first cell has {goals}, not {INTRODUCTION}"


def has_its_sections(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """The sections at the end, each once, in their order."""
    headings = re.findall(r"^## (.*)$", prose(notebook), re.MULTILINE)
    found = [heading for heading in headings if heading in SECTIONS]
    if found != SECTIONS or headings[-1] != SECTIONS[-1]:
        yield f"the sections at the end are {found}, not {SECTIONS}"


def cleans_up_before_and_after(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """The first code cell closes what an earlier run left; the last finds nothing."""
    first, *_, last = code_cells(notebook)
    if not re.search(r"^await clean_up\(\)", first.source, re.MULTILINE):
        yield "the first code cell does not call `await clean_up()`"
    if not last.source.endswith("await nothing_left()") or notebook.cells[-1] is not last:
        yield "the last cell does not end with `await nothing_left()`"
    if printed(last) != NOTHING_LEFT:
        yield f"the last cell has printed {printed(last)!r}"


def has_an_exercise(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """An exercise below "Try it", or several with headings; each with check and solution."""
    found = exercises(notebook)
    if not found:
        yield "no cell is tagged `exercise`"
        return
    if "\n## Try it\n" not in f"\n{found[0].above.source}\n":
        yield "the exercise does not follow `## Try it`"
    if len(found) == 1 and found[0].heading != "## Try it":
        yield f"between `## Try it` and the exercise stands {found[0].heading}"
    for number, exercise in enumerate(found, 1):
        if len(found) > 1 and not exercise.heading.startswith(f"### {number}. "):
            yield f"exercise {number} follows the heading {exercise.heading!r}"
    if [check for exercise in found for check in exercise.checks] != tagged(notebook, "check"):
        yield "the cells tagged `check` do not follow the exercise"
        return
    for exercise in found:
        yield from _is_checked(exercise)


def _is_checked(exercise: Exercise) -> Iterator[str]:
    if not exercise.checks:
        yield "the cells tagged `check` do not follow the exercise"
        return
    last = exercise.checks[-1]
    if not re.search(r"Solved\.|exercises\.(check|attempt|prediction)\(", last.source):
        yield "the check never says 'Solved.'"
    if "Not yet" not in said(last) or "Solved" in said(last):
        yield f"the check has said {said(last)!r} to the exercise as it stands"
    if not exercise.below.source.startswith("<details>"):
        yield "the solution does not follow the check"
    if exercise.solution is None:
        yield "there is no collapsed solution with a block of Python"


def is_run_from_top_to_bottom(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """Execution counts 1, 2, 3, …: nbval skips a cell without one."""
    counts = [cell.execution_count for cell in code_cells(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        yield f"the execution counts are {counts}"


def has_short_cells(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """Twelve lines of code at most, JavaScript in a string included; blank lines are free."""
    for cell in code_cells(notebook):
        lines = [line for line in cell.source.splitlines() if line.strip()]
        if len(lines) > LONGEST_CELL:
            yield f"{cell.id} has {len(lines)} lines: {lines[0]}"


def waits_on_conditions(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """No sleep and no timer."""
    for cell in code_cells(notebook):
        if found := re.search(r"sleep|setTimeout|setInterval|call_later", cell.source):
            yield f"{cell.id} waits with {found[0]}"


def prints_the_same_everywhere(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """Nothing in the outputs that another machine, or another run, would print otherwise."""
    for cell in code_cells(notebook):
        for kind, text in _texts(cell):
            for what, pattern in VARIES.items():
                allowed = kind == SVG and what in SVG_MAY_CONTAIN
                if not allowed and (found := re.search(pattern, text)):
                    yield f"{cell.id} has {what} in its {kind}: {found[0]}"


def _texts(cell: NotebookNode) -> Iterator[tuple[str, str]]:
    for output in cell.outputs:
        if "text" in output:
            yield output.name, output.text
        for kind, text in output.get("data", {}).items():
            if not kind.startswith("image/"):
                yield kind, str(text)


def is_compared_wholly(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """What nbval compares well: one stdout a cell, a figure, its words, a verdict."""
    for cell in code_cells(notebook):
        kinds = [_kind(output) for output in cell.outputs]
        for kind, count in Counter(kinds).items():
            if kind not in {"stdout", "picture", "words", "verdict"}:
                yield f"{cell.id} has the output {kind}"
            elif count > 1:
                yield f"{cell.id} has {count} times the output {kind}"
        if found := re.search(r"NBVAL_\w+|PYTEST_VALIDATE\w+|clear_output", cell.source):
            yield f"{cell.id} has {found[0]}"


def _kind(output: NotebookNode) -> str:
    if output.output_type != "display_data":
        return str(output.get("name", output.output_type))
    if "text/markdown" in output.data:
        return "verdict"
    return "words" if "text/plain" in output.data else "picture"


def describes_its_figures(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """One figure or more, each as SVG and PNG, with its title and data in words below, folded.

    A widget is no figure: what is stored of it is its description in words, and a picture.
    """
    shown = [
        (cell, output.data)
        for cell in code_cells(notebook)
        for output in cell.outputs
        if output.output_type == "display_data" and "text/plain" not in output.data
    ]
    if not shown:
        yield "there is no figure"
    for cell, data in shown:
        if set(data) != {SVG, "image/png"}:
            yield f"{cell.id} shows {sorted(data)}, not SVG and PNG"
            continue
        title = re.search(r"<title>(.*?)</title>", data[SVG], re.DOTALL)
        words = [o.data["text/plain"] for o in cell.outputs if _kind(o) == "words"]
        first, *others = "\n".join(words).splitlines() or [""]
        if not title or unescape(title[1]) != first or not others:
            yield f"{cell.id} does not say in words what its figure shows"


def carries_no_more_than_it_needs(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """Metadata: the kernel, the language without a version, tags, folds, the sizes of figures."""
    if (notebook.nbformat, notebook.nbformat_minor) != (4, 5):
        yield f"the format is {notebook.nbformat}.{notebook.nbformat_minor}, not 4.5"
    if notebook.metadata != METADATA:
        yield f"the metadata are {dict(notebook.metadata)}"
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        folded = {"jupyter": FOLDED} if "predict" in tags else {}
        if dict(cell.metadata) | {"tags": tags} != folded | {"tags": tags} or set(tags) - TAGS:
            yield f"{cell.id} has the metadata {dict(cell.metadata)}"
        if cell.get("attachments"):
            yield f"{cell.id} has attachments"
        for output in cell.get("outputs", []):
            if set(output.get("metadata", {})) - {"image/png"}:
                yield f"{cell.id} has an output with the metadata {dict(output.metadata)}"
    for name, count in Counter(cell.id for cell in notebook.cells).items():
        if count > 1:
            yield f"{count} cells have the id {name}"


def links_to_what_exists(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """Links lead to files that are there, or to the web by https; one leads to the next."""
    targets = re.findall(r"\]\(([^)\s]+)\)", prose(notebook))
    headings = {
        h.replace(" ", "-") for h in re.findall(r"^#+ (.*)$", prose(notebook), re.MULTILINE)
    }
    for target in targets:
        file, _, _ = target.partition("#")
        if target.startswith("#"):
            exists = target[1:] in headings
        else:
            exists = target.startswith("https://") or (path.parent / file).is_file()
        if not exists:
            yield f"there is no {target}"
    following = [other.name for other in PATHS if other.name > path.name][:1]
    if not set(following) <= set(targets):
        yield f"it does not lead to {following[0]}"


RULES: list[Rule] = [
    begins_with_goals,
    has_its_sections,
    cleans_up_before_and_after,
    has_an_exercise,
    is_run_from_top_to_bottom,
    has_short_cells,
    waits_on_conditions,
    prints_the_same_everywhere,
    is_compared_wholly,
    describes_its_figures,
    carries_no_more_than_it_needs,
    links_to_what_exists,
]
