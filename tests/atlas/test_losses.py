"""The losses of the atlas: what one message must leave behind, with the cause and with its fix."""

import pytest

from sio_demo.atlas import CAUSES, cause, losses_features, measure, measure_all
from sio_demo.cleanup import clean_up, nothing_left
from sio_demo.counters import HEALTHY, Counters

ROWS = [f"L{number}" for number in range(1, 31) if number != 16] + ["L16a", "L16b", "L16c"]
NOT_HERE = {"L16c", "L29", "L30"}

NOBODY_THERE = Counters(listeners=1, sids=0, packets=0, calls=0, effects=0)
NOT_SENT = Counters(listeners=1, sids=1, packets=0, calls=0, effects=0)
LOST_ON_THE_WAY = Counters(listeners=1, sids=1, packets=1, calls=0, effects=0)
NOBODY_LISTENS = Counters(listeners=0, sids=1, packets=1, calls=0, effects=0)
CALLED_IN_VAIN = Counters(listeners=1, sids=1, packets=1, calls=1, effects=0)

BEFORE = {
    "L1": NOBODY_THERE,  # the client is away
    "L2": LOST_ON_THE_WAY,  # the server still holds the session, and hears nothing of it
    "L3": NOBODY_THERE,  # emit() refuses
    "L4": Counters(0, 1, 0, 0, 0),  # the answer: its callback was forgotten at the drop
    "L5": NOT_SENT,  # the room is empty
    "L6": NOT_SENT,  # the user is connected, and not to be found
    "L7": NOBODY_LISTENS,  # not yet
    "L8": CALLED_IN_VAIN,  # the greeting is heard, the reply to it raises
    "L9": NOBODY_LISTENS,  # not yet
    "L10": NOBODY_THERE,  # as L1, though the server was to keep it
    "L11": CALLED_IN_VAIN,  # taken for a retry of somebody else's
    "L12": NOT_SENT,  # dropped by the client, which is connected
    "L13": NOBODY_THERE,  # the client does not get in
    "L14": NOT_SENT,  # the worker that holds the session does not hear of it
    "L15": NOBODY_THERE,  # the client is refused
    "L16a": NOBODY_THERE,  # the client does not know
    "L16b": NOBODY_THERE,  # the client does not come back
    "L17": NOT_SENT,  # the session was there when it was emitted
    "L18": CALLED_IN_VAIN,  # an older message has overwritten it
    "L19": NOBODY_THERE,  # the client does not come back
    "L20": CALLED_IN_VAIN,  # one handler of two has run, not the one that stores
    "L21": CALLED_IN_VAIN,  # stored under another user
    "L22": LOST_ON_THE_WAY,  # the server closes the connection
    "L23": CALLED_IN_VAIN,  # the next message has replaced it
    "L24": NOBODY_LISTENS,  # any more
    "L25": NOT_SENT,  # by the server that has the session
    "L26": LOST_ON_THE_WAY,  # with the request that carried it
    "L27": NOT_SENT,  # to the one who said it
    "L28": NOBODY_THERE,  # the client does not try again
}
AFTER = dict.fromkeys(BEFORE, HEALTHY) | {
    "L2": Counters(1, 1, 2, 1, 1),  # the packet that is lost, and the one that is sent again
}


@pytest.fixture(autouse=True)
async def tidy():
    """Nothing is left of a reproduction."""
    await clean_up()
    yield
    await nothing_left()


def test_every_row_is_there():
    assert sorted(each.letter for each in CAUSES if each.family == "loss") == sorted(ROWS)
    assert set(BEFORE) == set(ROWS) - NOT_HERE


@pytest.mark.parametrize("letter", sorted(NOT_HERE))
def test_what_cannot_be_reproduced_says_why(letter):
    assert cause(letter).reproduce is None
    assert len(cause(letter).reason) > 20


@pytest.mark.parametrize("letter", BEFORE)
async def test_the_message_is_lost_and_with_the_fix_it_is_not(letter):
    result = await measure(cause(letter))
    assert result.before == BEFORE[letter]
    assert result.after == AFTER[letter]


async def test_they_count_the_same_and_are_silent_when_they_run_together(capfd):
    results = [result async for result in measure_all(BEFORE)]
    assert {result.cause.letter: result.before for result in results} == BEFORE
    assert {result.cause.letter: result.after for result in results} == AFTER
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("fixed", [False, True])
async def test_a_deaf_worker_has_left_one_line_in_its_log(caplog, fixed):
    await cause("L14").reproduce(fixed)
    said = ["pubsub listen() exited unexpectedly"]
    assert [each.message for each in caplog.records if each.levelname == "ERROR"] == (
        [] if fixed else said
    )


SOCKETS = "const sockets = server.sockets.sockets;"
GREETS = SOCKETS + 'server.on("connection", (socket) => { socket.emit("hello"); });'
QUIET = """
const ticks = [], every = setInterval, now = Date.now;
const later = (work) => ({ unref: () => ticks.push(work) });
globalThis.setInterval = (work, ms) => (ms < 60_000 ? every : later)(work, ms);
const minutesPass = () => { Date.now = () => now() + 150_000; return ticks.map((tick) => tick()); };
const kept = [];
"""


def let_the_client_hear_something(monkeypatch, *more):
    hears = "show);", 'show);\nawait new Promise((done) => socket.on("hello", done));'
    changes = {
        "_RECOVERING_SERVER": [(SOCKETS, GREETS), *more],
        "_RECOVERED_CLIENT": [hears],
    }
    for name, pairs in changes.items():
        source = getattr(losses_features, name)
        for old, new in pairs:
            assert source.count(old) == 1
            source = source.replace(old, new)
        monkeypatch.setattr(losses_features, name, source)


async def test_recovery_does_work_for_a_client_that_has_received_an_event(monkeypatch):
    let_the_client_hear_something(monkeypatch)
    assert await cause("L10").reproduce(False) == Counters(1, 0, 1, 1, 1)


async def test_recovery_does_not_work_if_that_event_is_too_old(monkeypatch):
    grows_old = '("hello"); }', '("hello"); minutesPass(); }'
    let_the_client_hear_something(monkeypatch, ("const kept = [];", QUIET), grows_old)
    assert await cause("L10").reproduce(False) == BEFORE["L10"]


@pytest.mark.parametrize("letter", BEFORE)
def test_a_loss_is_an_effect_that_is_missing(letter):
    assert (BEFORE[letter].effects, AFTER[letter].effects) == (0, 1)


@pytest.mark.parametrize("letter", ROWS)
def test_the_texts_are_whole_sentences(letter):
    each = cause(letter)
    for text in (each.symptom, each.mechanism, each.fix):
        assert text[-1] == "."
        assert "  " not in text
    assert each.title[-1] != "."
    assert each.evidence
