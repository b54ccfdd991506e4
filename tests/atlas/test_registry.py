"""The registry of the atlas: finding a cause, and running one or several."""

import asyncio
from contextlib import aclosing

import pytest

from sio_demo import atlas, causes
from sio_demo.atlas import CAUSES, Cause, Result, cause, measure, measure_all
from sio_demo.causes import REPRODUCTIONS, reproduces
from sio_demo.cleanup import clean_up, nothing_left
from sio_demo.counters import HEALTHY, Counters
from sio_demo.diagnosis import diagnose
from sio_demo.errors import UsageError

TWICE = Counters(1, 1, 2, 2, 2)


def made_up(letter, **more):
    """Return a cause that no program has."""
    return Cause(letter, "", "duplicate", "", "", "", (), **more)


@pytest.fixture
async def tidy():
    """See that nothing is left."""
    await clean_up()
    yield
    await nothing_left()


@pytest.fixture
def catalogue(monkeypatch):
    """Put other causes in the place of those of the atlas."""

    def replace(**programs):
        monkeypatch.setattr(causes, "CAUSES", tuple(map(made_up, programs)))
        monkeypatch.setattr(atlas, "CAUSES", causes.CAUSES)
        for letter, program in programs.items():
            monkeypatch.setitem(REPRODUCTIONS, letter, program)

    return replace


def test_the_letters_are_unique():
    letters = [each.letter for each in CAUSES]
    assert len(set(letters)) == len(letters)


def test_the_order_is_that_of_the_catalogue():
    families = [each.family for each in CAUSES]
    assert families == sorted(families, key=["duplicate", "loss", "myth"].index)
    places = [int("".join(filter(str.isdigit, each.letter))) for each in CAUSES]
    assert places.index(10) > places.index(9) > places.index(2)


def test_a_cause_is_found_by_its_letter_however_it_is_written():
    assert cause("D1").letter == cause("d1").letter == "D1"
    assert cause("l16A").letter == "L16a"


@pytest.mark.parametrize("letter", ["D99", "", "D", None, 1])
def test_an_unknown_letter_is_refused_with_those_that_there_are(letter):
    with pytest.raises(UsageError, match=r"There are: D1, D2, .*M1"):
        cause(letter)


@pytest.mark.parametrize("letter", ["D1", "D22"])
async def test_a_cause_runs_by_itself(letter, tidy):
    result = await measure(cause(letter))
    assert result.cause is cause(letter)
    assert result.before != result.after == HEALTHY


async def test_a_reproduction_runs_by_itself(tidy):
    assert await cause("D3").reproduce(True) == HEALTHY


async def test_a_cause_that_cannot_run_has_no_counters():
    assert await measure(cause("D27")) == Result(cause("D27"), None, None)


async def test_results_come_in_the_order_of_the_catalogue_each_once(catalogue):
    slow_is_done = asyncio.Event()

    async def slow(fixed):
        await slow_is_done.wait()
        return HEALTHY if fixed else TWICE

    async def fast(fixed):
        slow_is_done.set()
        return HEALTHY if fixed else TWICE

    catalogue(D1=slow, D2=fast)
    letters = [result.cause.letter async for result in measure_all(["D2", "D1", "d2"])]
    assert letters == ["D1", "D2"]


@pytest.mark.parametrize("jobs", [1, 2, 5])
async def test_no_more_jobs_run_at_once_than_allowed(catalogue, monkeypatch, jobs):
    monkeypatch.setattr(atlas, "JOBS", jobs)
    running, most = 0, 0

    async def reproduce(fixed):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return HEALTHY

    catalogue(**{f"D{number}": reproduce for number in range(1, 9)})
    assert len([result async for result in measure_all()]) == 8
    assert most == jobs


async def test_an_error_of_one_ends_all(catalogue):
    ended = []

    async def endless(fixed):
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async def broken(fixed):
        raise ZeroDivisionError

    catalogue(D1=broken, D2=endless)
    with pytest.raises(ZeroDivisionError):
        [result async for result in measure_all()]
    assert ended == [True]


async def test_who_stops_listening_ends_all(tidy):
    async with aclosing(measure_all(["D1", "D2", "D4", "D26"])) as results:
        async for result in results:
            assert result.cause.letter == "D1"
            break


async def test_an_unknown_letter_is_refused_before_anything_runs():
    with pytest.raises(UsageError, match="no cause 'D99'"):
        await anext(measure_all(["D1", "D99"]))


async def test_what_a_diagnosis_suspects_can_be_measured(tidy):
    suspect = diagnose(Counters(1, 1, 1, 1, 2)).suspects[0]
    assert suspect.cause is cause("D22")
    assert (await measure(suspect.cause)).before == Counters(1, 1, 1, 1, 2)


def check_bound(causes, letters):
    """Check that each cause is reproduced or says why not, and nothing else is reproduced."""
    reasons = {cause.letter: cause.reason for cause in causes}
    for letter in letters:
        if letter not in reasons:
            raise UsageError(f"{letter} is reproduced, and there is no such cause.")
    for letter, reason in reasons.items():
        if letter not in letters and not reason:
            raise UsageError(f"{letter} is not reproduced: give it a program or a 'reason'.")
        if letter in letters and reason:
            raise UsageError(f"{letter} is reproduced, and has a 'reason' why not.")


def test_each_cause_is_reproduced_or_says_why_not():
    check_bound(CAUSES, REPRODUCTIONS)


@pytest.mark.parametrize(
    ("causes", "letters", "words"),
    [
        ([made_up("D1")], ["D1", "D2"], "D2 is reproduced, and there is no such cause"),
        ([made_up("D1"), made_up("D2")], ["D1"], "D2 is not reproduced: give it .* a 'reason'"),
        ([made_up("D1", reason="It needs Redis.")], ["D1"], "D1 is reproduced, and has a 'reason'"),
    ],
)
def test_a_cause_has_either_a_program_or_a_reason(causes, letters, words):
    with pytest.raises(UsageError, match=words):
        check_bound(causes, letters)


def test_a_second_program_for_a_cause_is_refused():
    with pytest.raises(UsageError, match="D1 has two programs"):
        reproduces("D1")(cause("D2").reproduce)
