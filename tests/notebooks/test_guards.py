"""Every notebook keeps the rules; and each rule complains of a notebook that breaks it."""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import guards
import pytest
from guards import PATHS, RULES, Rule
from nbformat import NotebookNode

FIRST = PATHS[0]

Damage = Callable[[NotebookNode], object]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_notebook_keeps_the_rule(rule: Rule, path: Path) -> None:
    assert list(rule(guards.read(path), path)) == []


def test_every_notebook_has_a_number_of_its_own() -> None:
    numbers = [re.fullmatch(r"(\d\d[a-z]?)_[a-z_]+\.ipynb", path.name)[1] for path in PATHS]
    assert numbers[:4] == ["00", "01", "02", "03"]
    assert len(set(numbers)) == len(numbers)


def test_readme_lists_every_notebook_in_order_with_its_minutes() -> None:
    readme = (guards.ROOT / "README.md").read_text()
    rows = re.findall(r"^\| \[\d\d[a-z]? .*?\]\(notebooks/(.*?)\) \|.*\| (\d+) \|$", readme, re.M)
    introductions = [guards.read(path).cells[0].source for path in PATHS]
    minutes = [re.findall(r"^\*(\d+) minutes", text, re.M) for text in introductions]
    assert rows == [(path.name, *found) for path, found in zip(PATHS, minutes, strict=True)]


# 09 is looked things up in, and 11 says how long its exercises take.
@pytest.mark.parametrize("path", [path for path in PATHS if path.name[:2] not in ("09", "11")])
def test_the_minutes_are_counted(path: Path) -> None:
    notebook = guards.read(path)
    [stated] = re.findall(r"^\*(\d+) minutes", notebook.cells[0].source, re.M)
    assert abs(guards.minutes(notebook) - int(stated)) <= 2


def say(old: str, new: str, kind: str = "markdown") -> Damage:
    """Replace what a notebook says, or what its code does."""

    def damage(notebook: NotebookNode) -> None:
        cells = [c for c in notebook.cells if c.cell_type == kind and old in c.source]
        assert cells
        for cell in cells:
            cell.source = cell.source.replace(old, new)

    return damage


def code(old: str, new: str) -> Damage:
    """Replace code."""
    return say(old, new, "code")


def first(notebook: NotebookNode) -> NotebookNode:
    """Give the first cell that runs."""
    return guards.code_cells(notebook)[0]


def add_output(**output: object) -> Damage:
    """Add an output to the first code cell."""
    return lambda notebook: first(notebook).outputs.append(NotebookNode(output))


def print_too(text: str) -> Damage:
    """Let the first code cell print."""
    return add_output(output_type="stream", name="stdout", text=text)


def figure(change: Callable[[NotebookNode, NotebookNode], object]) -> Damage:
    """Change a cell that shows a figure."""

    def damage(notebook: NotebookNode) -> None:
        cells = [c for c in guards.code_cells(notebook) if "image/png" in str(c.outputs)]
        for cell in cells:
            [shown] = [o for o in cell.outputs if PNG in o.get("data", {})]
            change(cell, shown)

    return damage


def swap_check_and_exercise(notebook: NotebookNode) -> None:
    """Put the check above the exercise."""
    at = notebook.cells.index(guards.tagged(notebook, "exercise")[0])
    notebook.cells.insert(at, notebook.cells.pop(at + 1))


def exercise_at_the_top(notebook: NotebookNode) -> None:
    """Put exercise and check below the introduction."""
    at = notebook.cells.index(guards.tagged(notebook, "exercise")[0])
    notebook.cells[2:2] = [notebook.cells.pop(at), notebook.cells.pop(at)]


def second_exercise(heading: str, checks: int = 1) -> Damage:
    """Add a copy of the exercise, with its solution and as many of its checks, below a heading."""

    def damage(notebook: NotebookNode) -> None:
        [first] = guards.exercises(notebook)
        above = NotebookNode(cell_type="markdown", source=heading, metadata={})
        copy = [above, first.cell, *first.checks[:checks], first.below]
        at = notebook.cells.index(first.below) + 1
        notebook.cells[at:at] = deepcopy(copy)

    return damage


def set_output_of(tag: str, text: str) -> Damage:
    """Let the cell with a tag print something else."""

    def damage(notebook: NotebookNode) -> None:
        guards.tagged(notebook, tag)[-1].outputs[-1].data["text/plain"] = text

    return damage


SVG, PNG = guards.SVG, "image/png"
LINE = "'''\nawait one;\n" + "\n  still();" * 11 + "\n'''"

BROKEN: list[tuple[Rule, Damage, str]] = [
    (guards.begins_with_goals, say("# See", "# On"), "a verb: # On"),
    (guards.begins_with_goals, say("# See", "See"), "a verb: See"),
    (guards.begins_with_goals, say(" minutes.", " min."), "how many minutes"),
    (guards.begins_with_goals, say("**What you need.**", "You need"), "What you need"),
    (guards.has_its_sections, say("## Try it", "## Now you"), "sections at the end"),
    (guards.has_its_sections, say("## Try it", "## Further reading"), "sections at the end"),
    (guards.has_its_sections, say("## Tear down", "## Tear down\n\n## More"), "sections"),
    (guards.cleans_up_before_and_after, code("await clean_up()", "clean_up()"), "clean_up()"),
    (guards.cleans_up_before_and_after, code("await nothing_left()", ""), "nothing_left()"),
    (guards.cleans_up_before_and_after, lambda n: n.cells.append(n.cells[0]), "nothing_left()"),
    (
        guards.cleans_up_before_and_after,
        lambda n: n.cells[-1].outputs[0].update(text="left over: 1 tasks"),
        "has printed 'left over: 1 tasks'",
    ),
    (
        guards.has_an_exercise,
        lambda n: guards.tagged(n, "exercise")[0].metadata.clear(),
        "no cell is tagged",
    ),
    (
        guards.has_an_exercise,
        say("## Try it", "## Try it\n\n### 2. Or not"),
        "stands ### 2. Or not",
    ),
    (
        guards.has_an_exercise,
        second_exercise("### 2. Again"),
        "exercise 1 follows the heading '## Tr",
    ),
    (
        guards.has_an_exercise,
        second_exercise("### 3. Again"),
        "exercise 2 follows the heading '### 3",
    ),
    (
        guards.has_an_exercise,
        second_exercise("### 2. Again", checks=0),
        "do not follow the exercise",
    ),
    (guards.has_an_exercise, exercise_at_the_top, "does not follow `## Try it`"),
    (guards.has_an_exercise, swap_check_and_exercise, "do not follow the exercise"),
    (guards.has_an_exercise, code("exercises.attempt", "attempt"), "never says"),
    (guards.has_an_exercise, set_output_of("check", "✔ Solved"), "has said '✔ Solved"),
    (guards.has_an_exercise, say("<details>", "Look:\n\n<details>"), "does not follow the check"),
    (guards.has_an_exercise, say("```python", "```"), "no collapsed solution"),
    (guards.has_an_exercise, say("</details>", ""), "no collapsed solution"),
    (
        guards.is_run_from_top_to_bottom,
        lambda n: first(n).update(execution_count=None),
        "execution counts are [None, 2",
    ),
    (guards.has_short_cells, lambda n: first(n).update(source=LINE), "has 14 lines"),
    (guards.waits_on_conditions, code("await js.close()", "await asyncio.sleep(1)"), "sleep"),
    (guards.waits_on_conditions, code("let calls = 0;", "setTimeout(done, 9);"), "setTimeout"),
    (guards.prints_the_same_everywhere, print_too("in /home/ann/x.py"), "has an absolute path in"),
    (guards.prints_the_same_everywhere, print_too(r"in C:\Users"), "has an absolute path in"),
    (guards.prints_the_same_everywhere, print_too("in ~/notes"), "has a home directory in"),
    (guards.prints_the_same_everywhere, print_too("http://127.0.0.1:40321"), "has a port in"),
    (guards.prints_the_same_everywhere, print_too("sid=Zq3kP-vJ_0aBcDeFgHiJ"), "has a sid in"),
    (guards.prints_the_same_everywhere, print_too("at 09:41:07"), "has a time in"),
    (guards.prints_the_same_everywhere, print_too("after 0.0123 s"), "has a time in"),
    (guards.prints_the_same_everywhere, print_too("<X at 0x7f3a2c1d>"), "has a memory address in"),
    (guards.prints_the_same_everywhere, print_too("pid: 4321"), "has a process id in"),
    (
        guards.prints_the_same_everywhere,
        figure(lambda _, shown: shown.data.update({SVG: "<!-- 2025-01-31 -->"})),
        f"a time in its {SVG}",
    ),
    (
        guards.is_compared_wholly,
        add_output(output_type="stream", name="stderr", text="Warning"),
        "the output stderr",
    ),
    (guards.is_compared_wholly, add_output(output_type="error", ename="E"), "the output error"),
    (
        guards.is_compared_wholly,
        add_output(output_type="execute_result", data={"text/plain": "1"}),
        "the output execute_result",
    ),
    (
        guards.is_compared_wholly,
        lambda n: [print_too("a")(n), print_too("b")(n)],
        "2 times the output stdout",
    ),
    (guards.is_compared_wholly, code("js = ", "# NBVAL_SKIP\njs = "), "NBVAL_SKIP"),
    (
        guards.describes_its_figures,
        figure(lambda cell, _: cell.outputs.clear()),
        "there is no figure",
    ),
    (guards.describes_its_figures, figure(lambda _, shown: shown.data.pop(PNG)), "not SVG and PNG"),
    (guards.describes_its_figures, figure(lambda _, shown: shown.data.pop(SVG)), "not SVG and PNG"),
    (guards.describes_its_figures, figure(lambda cell, _: cell.outputs.pop()), "in words"),
    (
        guards.describes_its_figures,
        figure(lambda cell, _: cell.outputs[-1].data.update({"text/plain": "Another\n- 1"})),
        "in words",
    ),
    (guards.carries_no_more_than_it_needs, lambda n: n.update(nbformat_minor=4), "4.4, not 4.5"),
    (
        guards.carries_no_more_than_it_needs,
        lambda n: n.metadata.language_info.update(version="3.11.7"),
        "the metadata are",
    ),
    (
        guards.carries_no_more_than_it_needs,
        lambda n: first(n).metadata.update(execution={"iopub.execute_input": "…"}),
        "has the metadata",
    ),
    (
        guards.carries_no_more_than_it_needs,
        lambda n: first(n).metadata.update(tags=["raises-exception"]),
        "has the metadata",
    ),
    (
        guards.carries_no_more_than_it_needs,
        lambda n: guards.tagged(n, "predict")[0].metadata.pop("jupyter"),
        "has the metadata",
    ),
    (
        guards.carries_no_more_than_it_needs,
        lambda n: n.cells[0].update(attachments={"a.png": {}}),
        "has attachments",
    ),
    (
        guards.carries_no_more_than_it_needs,
        lambda n: n.cells[1].update(id=n.cells[0].id),
        "2 cells have the id",
    ),
    (guards.links_to_what_exists, say("(01_", "(99_"), "there is no 99_"),
    (guards.links_to_what_exists, say("(https:", "(http:"), "there is no http:"),
    (guards.links_to_what_exists, say("(01_", "(https://example.org/01_"), "does not lead to 01_"),
]


@pytest.mark.parametrize(("rule", "damage", "complaint"), BROKEN)
def test_rule_complains(rule: Rule, damage: Damage, complaint: str) -> None:
    notebook = guards.read(FIRST)
    damage(notebook)
    assert complaint in "\n".join(rule(notebook, FIRST))


def test_every_rule_is_seen_to_complain() -> None:
    assert {rule for rule, _, _ in BROKEN} == set(RULES)
