"""Notebook 09 says of each cause what the data say."""

import re

import nbformat
import pytest

from atlas_sections import NOTEBOOK, section, update
from sio_demo.atlas import CAUSES

CELLS = nbformat.read(NOTEBOOK, as_version=4).cells
TEXT = "\n\n".join(cell.source for cell in CELLS if cell.cell_type == "markdown")
SECTIONS = dict(re.findall(r"^### ([DLM]\d+[a-c]?) (.*?)(?=^##|\Z)", TEXT, re.M | re.S))


def test_there_is_a_section_for_each_cause_in_order():
    assert list(SECTIONS) == [cause.letter for cause in CAUSES]


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.letter)
def test_section_is_the_one_that_is_written_from_the_data(cause):
    written = section(cause).removeprefix(f"### {cause.letter} ")
    assert SECTIONS[cause.letter].strip() == written


def test_to_write_the_sections_once_more_changes_nothing():
    cells = [nbformat.from_dict(dict(cell)) for cell in CELLS]
    update(cells)
    assert cells == CELLS


def test_a_section_that_is_missing_comes_after_the_one_before_with_a_cell_that_runs_it():
    sources = [cell.source for cell in CELLS]
    [place] = [i for i, source in enumerate(sources) if source.startswith("### D22 ")]
    cells = [nbformat.from_dict(dict(cell)) for cell in CELLS[:place] + CELLS[place + 2 :]]
    update(cells)
    assert [cell.source for cell in cells] == sources
    assert len({cell.id for cell in cells}) == len(cells)


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.letter)
def test_section_says_what_the_atlas_says(cause):
    section = SECTIONS[cause.letter]
    fix = "" if cause.family == "myth" else cause.fix
    said = [cause.title, cause.symptom, cause.mechanism, fix, cause.reason, *cause.evidence]
    assert [text for text in said if text not in section] == []


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.letter)
def test_section_says_with_what_it_was_measured(cause):
    measured, also = map(", ".join, (cause.measured_with, cause.also_known_from))
    also_known = f"; *also known from:* {also}" if also else ""
    line = f"*Measured with:* {measured}{also_known}." if measured else f"*Known from:* {also}."
    assert line in SECTIONS[cause.letter].splitlines()


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.letter)
def test_section_leads_to_the_threads_and_to_the_program(cause):
    section = SECTIONS[cause.letter]
    for thread in cause.evidence:
        if not thread.startswith("https://"):
            thread = "https://github.com/{}/issues/{}".format(*thread.split("#"))
        assert f"]({thread})" in section
    if cause.reproduce:
        assert f"/atlas/{cause.reproduce.__module__.rsplit('.', 1)[1]}.py)" in section


def test_the_table_of_families_says_what_was_measured():
    """The output is what a run prints: nbval compares it."""
    [measured] = [
        output.text
        for cell in CELLS
        if cell.cell_type == "code" and "in families.items()" in cell.source
        for output in cell.outputs
    ]
    families = dict(re.split(r" {2,}", line) for line in measured.splitlines())
    table = re.search(r"^\| first that is not 1 .*?\n\n", TEXT, re.M | re.S)[0]
    rows = [[each.strip() for each in line.split("|")] for line in table.splitlines()[2:] if line]
    named = {name: re.findall(r"\b[DL]\d+[a-c]?\b", look) for _, name, _, look, _ in rows}
    assert named == {name: letters.split() for name, letters in families.items()}
    assert sum(map(len, named.values())) == sum(
        cause.family != "myth" and cause.reproduce is not None for cause in CAUSES
    )
