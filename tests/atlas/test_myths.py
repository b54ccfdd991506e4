"""The myths of the atlas: what is taken for a cause leaves every counter at 1."""

import pytest

from sio_demo.atlas import CAUSES, cause, measure, measure_all
from sio_demo.cleanup import clean_up, nothing_left
from sio_demo.counters import HEALTHY

MYTHS = {
    "M1": "connection",
    "M2": "upgrade",
    "M3": "catch-all",
    "M4": "class",
    "M5": "joined twice",
    "M6": "in Python",
    "M7": "several rooms",
}


@pytest.fixture(autouse=True)
async def tidy():
    """Nothing is left of a reproduction."""
    await clean_up()
    yield
    await nothing_left()


def test_every_myth_is_there():
    found = {each.letter: each.title for each in CAUSES if each.family == "myth"}
    assert found.keys() == MYTHS.keys()
    assert [word for letter, word in MYTHS.items() if word not in found[letter]] == []


@pytest.mark.parametrize("letter", MYTHS)
async def test_the_message_is_handled_once(letter):
    result = await measure(cause(letter))
    assert result.before == HEALTHY
    assert result.after == HEALTHY


async def test_they_are_silent_when_they_run_together(capfd):
    results = [result async for result in measure_all(MYTHS)]
    assert {result.before for result in results} == {HEALTHY}
    assert capfd.readouterr() == ("", "")
