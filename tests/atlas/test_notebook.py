"""Notebook 09 says of every cause what the data, the programs and the measurements say."""

import ast
import re
import textwrap
from collections import Counter

import nbformat
import pytest
from ast_grep_py import SgRoot

from atlas_sections import (
    COUNTERS,
    NOTEBOOK,
    SYMPTOMS,
    code,
    decided,
    language,
    measured,
    section,
    update,
)
from sio_demo.atlas import CAUSES, cause
from sio_demo.causes import BY_THEME

CELLS = nbformat.read(NOTEBOOK, as_version=4).cells
TEXT = "\n\n".join(cell.source for cell in CELLS if cell.cell_type == "markdown")
SECTIONS = dict(re.findall(r"^#### ([DLM]\d+[a-c]?) (.*?)(?=^##|\Z)", TEXT, re.M | re.S))
REPAIRED = [each.letter for each in CAUSES if each.reproduce and each.family != "myth"]
NUMBERS = measured(CELLS)
LONGEST = 12  # lines of code, without blank ones


def test_there_is_a_section_for_each_cause_in_the_order_of_the_themes():
    assert list(SECTIONS) == [each.letter for each in BY_THEME]


@pytest.mark.parametrize("letter", SECTIONS)
def test_section_is_the_one_that_is_written_from_the_data(letter):
    written = section(cause(letter), NUMBERS.get(letter)).removeprefix(f"#### {letter} ")
    assert SECTIONS[letter].strip() == written


def test_to_write_it_once_more_changes_nothing():
    cells = [nbformat.from_dict(dict(cell)) for cell in CELLS]
    update(cells)
    assert [cell.source for cell in cells] == [cell.source for cell in CELLS]


def test_a_section_that_is_missing_is_written_after_the_one_before():
    cells = [nbformat.from_dict(dict(c)) for c in CELLS if not c.source.startswith("#### D22 ")]
    assert len(cells) == len(CELLS) - 1
    update(cells)
    assert [cell.source for cell in cells] == [cell.source for cell in CELLS]
    assert len({cell.id for cell in cells}) == len(cells)


@pytest.mark.parametrize("each", CAUSES, ids=lambda each: each.letter)
def test_section_says_what_is_known(each):
    fix = "" if each.family == "myth" else each.fix
    said = [each.symptom, each.mechanism, fix, each.look, each.reason, *each.measured_with]
    said += [*each.also_known_from, *each.evidence]
    assert [text for text in said if text not in SECTIONS[each.letter]] == []


@pytest.mark.parametrize("each", CAUSES, ids=lambda each: each.letter)
def test_section_leads_to_the_threads_and_to_the_program(each):
    for thread in each.evidence:
        if not thread.startswith("https://"):
            thread = "https://github.com/{}/issues/{}".format(*thread.split("#"))
        assert f"]({thread})" in SECTIONS[each.letter]
    if each.reproduce:
        file = each.reproduce.__module__.rsplit(".", 1)[1]
        assert f"/atlas/{file}.py)" in SECTIONS[each.letter]


def test_the_text_counts_the_causes_and_their_groups():
    sizes = Counter(cause(letter).group for letter in REPAIRED)
    said = re.findall(r"\*([a-z ]+)\* \((\d+)\)", TEXT)
    said += re.findall(r"is \*([a-z ]+)\*\. Its (\d+) causes", TEXT)
    assert len(said) == 4
    assert [(group, number) for group, number in said if sizes[group] != int(number)] == []
    assert re.findall(r"of the (\d+) causes", TEXT) == [str(len(REPAIRED))]


# --- the index


def test_the_index_has_every_symptom_with_its_causes_in_order():
    rows = re.findall(r"^\| (.+) \| (\[[DLM]\d.*) \|$", TEXT.split("## 2. ")[0], re.M)
    found = [(said, re.findall(r"\[([DLM]\d+\w?)\]", links)) for said, links in rows]
    assert found == [
        (said, [each.letter for each in causes])
        for symptoms in SYMPTOMS.values()
        for said, causes in symptoms.items()
    ]


def test_every_link_to_a_section_leads_to_its_heading():
    headings = {line.replace(" ", "-") for line in re.findall(r"^#### (.*)$", TEXT, re.M)}
    targets = re.findall(r"\[(\w+)\]\(#([^)\s]+)\)", TEXT)
    assert {letter for letter, _ in targets} == set(SECTIONS)
    assert {target for _, target in targets} == headings
    assert all(target.startswith(f"{letter}-") for letter, target in targets)


# --- the code


@pytest.mark.parametrize("letter", REPAIRED)
def test_the_code_before_and_after_is_short_and_differs(letter):
    before, after = (code(cause(letter), fixed) for fixed in (False, True))
    assert before != after
    for text in (before, after):
        lines = [line for line in text.splitlines() if line.strip()]
        assert 1 <= len(lines) <= LONGEST
        assert not re.search(r"\bfixed\b|\brig\b|\bb\.|>>>|<<<|type: ignore|noqa", text)
        assert not re.search(r"\b(?:True|False) (?:and|&&|\?|else)|^(\w+) = \1$", text, re.M)


@pytest.mark.parametrize("letter", REPAIRED)
@pytest.mark.parametrize("fixed", [False, True])
def test_the_code_can_be_parsed(letter, fixed):
    text = code(cause(letter), fixed)
    if language(cause(letter)) == "js":
        text = "async () => {" + text + "}"  # as in the scope of a tab
        assert SgRoot(text, "javascript").root().find(kind="ERROR") is None
    else:
        ast.parse("async def program():\n" + textwrap.indent(text, "    "))


CHOICES = """
if fixed:
    log("one")
else:
    log("two")
    if not fixed:
        log("three")
for number in range(2):
    if fixed and number:
        log("three and a half")
    log(number)
value = "four" if fixed else "five"
log(value, not fixed, fixed)
if not fixed:
    log("six")
log("seven")
"""


@pytest.mark.parametrize("fixed", [False, True])
def test_what_is_shown_does_what_the_program_does(fixed):
    done, shown = [], []
    exec(CHOICES, {"fixed": fixed, "log": lambda *each: done.append(each)})
    text = "\n".join(decided(CHOICES.splitlines(), fixed))
    exec(text, {"log": lambda *each: shown.append(each)})
    assert shown == done
    assert "if fixed" not in text


@pytest.mark.parametrize(
    ("fixed", "words"),
    [(False, ["on", "  two;", "off", "b;"]), (True, ["on", "  one;", "off", "a;"])],
)
def test_choices_in_javascript_are_decided_too(fixed, words):
    text = "on\n  if (fixed) {\n    one;\n  } else {\n    two;\n  }\noff\nfixed ? a : b;"
    assert list(decided(text.splitlines(), fixed)) == [*words, ""]


# --- the numbers


def test_every_cause_that_is_reproduced_is_measured():
    assert set(NUMBERS) == {each.letter for each in CAUSES if each.reproduce}
    for letter, (before, after) in NUMBERS.items():
        assert len(before) == len(after) == len(COUNTERS)
        assert (before == after) == (cause(letter).family == "myth")


def test_causes_in_one_group_leave_the_same_pattern_and_no_other_group_does():
    shapes = {}
    for letter in REPAIRED:
        before, _ = NUMBERS[letter]
        shapes.setdefault(cause(letter).group, set()).add(tuple(min(each, 2) for each in before))
    assert all(len(shape) == 1 for shape in shapes.values())
    assert len({min(shape) for shape in shapes.values()}) == len(shapes)
