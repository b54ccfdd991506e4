"""The duplicates of the atlas: what one message must leave behind, with the cause and its fix."""

import asyncio
import re
from unittest.mock import patch

import pytest

from sio_demo import atlas
from sio_demo.atlas import CAUSES, cause, measure_all
from sio_demo.atlas.duplicates_dedup import MOMENTS, till
from sio_demo.cleanup import clean_up, nothing_left
from sio_demo.counters import HEALTHY, Counters

ROWS = [f"D{number}" for number in range(1, 32)]
NOT_HERE = {"D19", "D27"}


def several_listeners(n):
    """One packet comes, and each of n listeners of the one recipient shows it."""
    return Counters(listeners=n, sids=1, packets=1, calls=n, effects=n)


def several_clients(n):
    """Each of n clients has a session, gets a packet, and shows it."""
    return Counters(listeners=n, sids=n, packets=n, calls=n, effects=n)


def sent(n, effects=None):
    """The one listener of the one session gets n packets; each has its effect, or not."""
    return Counters(listeners=1, sids=1, packets=n, calls=n, effects=effects or n)


BEFORE = {
    "D1": several_listeners(4),  # one for each connection, and there were 3 cuts
    "D2": several_listeners(4),  # the same
    "D3": several_listeners(3),  # one for each mount
    "D4": several_clients(4),  # one for each connection, and there were 3 cuts
    "D5": Counters(1, 2, 2, 2, 2),  # one client with one handler reads from two sessions
    "D6": several_clients(3),  # one for each run of the cell
    "D7": several_clients(3),  # one for each visit
    "D8": sent(4),  # by the ticker of each connection
    "D9": sent(4),  # by the server's listener for each connection
    "D10": several_listeners(3),  # one for each join
    "D11": sent(4),  # at each connection
    "D12": sent(2),  # by the library and by the program
    "D13": sent(2),  # and only the first acknowledgement was lost
    "D14": sent(2),
    "D15": sent(2),  # and only the first answer was lost
    "D16": Counters(1, 2, 2, 1, 1),  # one of two sessions has nobody behind it
    "D17": sent(2),  # by each server
    "D18": sent(3),  # to each room
    "D20": sent(2),  # at each of two recoveries
    "D21": sent(2),  # as a live message and as history
    "D22": Counters(1, 1, 1, 1, 2),  # shown at once, and again by the handler
    "D23": sent(2),  # and the second was looked up too early
    "D24": sent(2),  # and the second was not known any more
    "D25": Counters(1, 1, 1, 2, 2),  # one CONNECT, and the handler runs twice
    "D26": sent(3),  # CONNECT, until the third is answered in time
    "D28": several_listeners(3),  # one for each registration
    "D29": several_clients(2),  # one for each tab
    "D30": sent(3),  # and two more attempts
    "D31": sent(3),  # although each is acknowledged
}
AFTER = dict.fromkeys(BEFORE, HEALTHY) | {
    "D11": sent(4, effects=1),  # the room must be joined again, not announced
    "D13": sent(2, effects=1),  # a retry is right: it must come, and be recognised
    "D15": sent(2, effects=1),
    "D23": sent(2, effects=1),
    "D24": sent(2, effects=1),
    "D29": several_clients(2)._replace(effects=1),  # each tab may show it, one stores it
}

DUPLICATES = [cause for cause in CAUSES if cause.family == "duplicate"]


async def run(jobs):
    """Measure all duplicates, and see that the event loop is quiet and nothing is left."""
    errors = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    await clean_up()
    with patch.object(atlas, "JOBS", jobs):
        results = {result.cause.letter: result async for result in measure_all(ROWS)}
    await nothing_left()
    assert errors == []
    return results


@pytest.fixture(scope="module")
def results():
    """What they leave behind, measured many at a time."""
    return asyncio.run(run(jobs=20))


def test_every_row_of_the_catalogue_is_there_in_its_order():
    assert [cause.letter for cause in DUPLICATES] == ROWS
    assert list(CAUSES[: len(ROWS)]) == DUPLICATES


def test_what_cannot_run_here_says_why():
    assert {cause.letter for cause in DUPLICATES if cause.reproduce is None} == NOT_HERE
    assert {cause.letter for cause in DUPLICATES if cause.reason} == NOT_HERE
    assert BEFORE.keys() == AFTER.keys() == set(ROWS) - NOT_HERE


@pytest.mark.parametrize("letter", BEFORE)
def test_the_cause_shows_its_signature(results, letter):
    assert results[letter].before == BEFORE[letter]


@pytest.mark.parametrize("letter", AFTER)
def test_the_fix_leaves_one_effect(results, letter):
    assert results[letter].after == AFTER[letter]
    assert results[letter].after.effects == 1
    assert results[letter].before != results[letter].after


@pytest.mark.parametrize("letter", sorted(NOT_HERE))
def test_what_cannot_run_here_has_no_counters(results, letter):
    assert (results[letter].before, results[letter].after) == (None, None)


def test_a_second_run_counts_the_same_and_is_silent(results, capfd):
    assert asyncio.run(run(jobs=5)) == results
    assert capfd.readouterr() == ("left over: 0 tasks, 0 sockets, 0 processes\n", "")


@pytest.mark.parametrize("cause", DUPLICATES, ids=lambda cause: cause.letter)
def test_its_texts_are_short_sentences_with_sources(cause):
    assert cause.title[-1] != "."
    assert len(cause.title) <= 80
    for text in (cause.symptom, cause.mechanism, cause.fix):
        assert text.endswith(".")
        assert len(text) <= 400
    thread = r"[\w.-]+/[\w.-]+#\d+"
    page = r"https://(socket\.io|python-socketio\.readthedocs\.io)/.+"
    release = r"https://github\.com/socketio/socket\.io/releases/tag/.+"
    assert cause.evidence
    for source in cause.evidence:
        assert re.fullmatch(f"{thread}|{page}|{release}", source), source
    assert len(set(cause.evidence)) == len(cause.evidence)


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_replay_that_joins_first_shows_each_message_once(moment):
    """D21: it may come twice, and the second is dropped; whenever it comes it is not lost."""
    counters = await cause("D21").reproduce(True, moment)
    assert counters.effects == 1
    assert counters == sent(2 if moment == "note" else 1, effects=1)


@pytest.mark.parametrize("moment", ["noted", "join"])
async def test_a_replay_that_notes_first_loses_what_comes_before_the_join(moment):
    counters = await cause("D21").reproduce(True, moment, joins_first=False)
    assert counters == Counters(listeners=1, sids=1, packets=0, calls=0, effects=0)


async def test_a_claim_is_let_go_of_when_the_work_fails():
    """D23: else the retry of a payment that failed would be turned away."""
    attempts = []

    async def charge(id, text):
        attempts.append((id, text))
        if len(attempts) == 1:
            raise ConnectionError("the bank does not answer")
        return f"receipt of attempt {len(attempts)}"

    pay = till(charge, fixed=True)
    with pytest.raises(ConnectionError):
        await pay("id 1", "a payment")
    assert await pay("id 1", "a payment") == "receipt of attempt 2"
    assert await pay("id 1", "a payment") == "receipt of attempt 2"
    assert attempts == [("id 1", "a payment")] * 2  # the bank, too, can tell them by the id
