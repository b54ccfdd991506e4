"""From counters to causes, to what is ruled out, and to the next measurement."""

import json

import pytest

from sio_demo.causes import CAUSES, QUESTIONS
from sio_demo.counters import HEALTHY, Counters
from sio_demo.diagnosis import Clues, Seen, diagnose
from sio_demo.errors import UsageError

ANSWERS = {
    **{"recipient": ("client", "server"), "client": ("python", "javascript")},
    **{"server": ("python", "javascript"), "event": ("connect", "pay")},
    **{"reconnects": (0, 1), "connections": (1, 2), "servers": (1, 2), "emitted": (1, 2)},
    **{"rooms": (1, 2), "fresh": (True, False), "timed_out": (True, False)},
    **dict.fromkeys(
        [
            "grows",
            "always",
            "ids",
            "away",
            "here",
            "acknowledged",
            "overlapped",
            "queue",
            "recovery",
            "answered",
        ],
        (True, False),
    ),
}


def test_counters_alone_name_the_family_and_ask_what_splits_it_best():
    found = diagnose(Counters(4, 1, 1, 4, 4))
    assert set(found.letters) == {"D1", "D2", "D3", "D10", "D28"}
    assert found.asks == ("grows", "recipient", "client", "server", "reconnects")
    assert "is there one more after each reconnect?" in found.next[0]


def test_the_best_question_leaves_the_fewest_suspects_whatever_the_answer():
    counters = Counters(1, 1, 2, 2, 2)
    found = diagnose(counters)

    def worst(clue, *answers):
        return max(len(diagnose(counters, **{clue: answer}).letters) for answer in answers)

    best = worst(found.asks[0], *ANSWERS[found.asks[0]])
    assert all(best <= worst(clue, *ANSWERS[clue]) for clue in found.asks)


def test_clues_narrow_it_and_tell_what_speaks_for_and_against():
    found = diagnose(Counters(4, 1, 1, 4, 4), recipient="client", reconnects=3, grows=True)
    assert found.letters == ("D1", "D2")
    assert "there is exactly one for each connection so far" in found.suspects[0].fits
    assert {suspect.cause.letter for suspect in found.ruled_out} == {"D3", "D10", "D28"}
    assert all(suspect.against for suspect in found.ruled_out)


@pytest.mark.parametrize(("answered", "letter"), [(True, "D31"), (False, "D30")])
def test_retries_that_the_server_has_answered_lack_a_timeout(answered, letter):
    known = {"recipient": "server", "client": "javascript", "server": "javascript", "event": "pay"}
    known |= {"always": True, "grows": False, "acknowledged": True, "emitted": 1}
    assert diagnose(Counters(1, 1, 4, 4, 4), **known, answered=answered).letters == (letter,)


def test_without_a_reconnect_nothing_in_connect_is_suspected():
    found = diagnose(Counters(4, 1, 1, 4, 4), recipient="client", reconnects=0)
    assert found.letters == ("D3", "D10")


@pytest.mark.parametrize(("reconnects", "first"), [(3, "D1"), (2, "D3")])
def test_a_coincidence_of_numbers_raises_a_suspect_and_rules_out_none(reconnects, first):
    found = diagnose(Counters(4, 1, 1, 4, 4), recipient="client", reconnects=reconnects)
    assert set(found.letters) == {"D1", "D2", "D3", "D10"}
    assert found.letters[0] == first


@pytest.mark.parametrize(
    ("story", "letter"),
    [
        # A slow server: the call timed out, and its repetition overlapped the first.
        ({"recipient": "server", "acknowledged": True, "overlapped": True, "ids": False}, "D15"),
        ({"recipient": "server", "acknowledged": True, "overlapped": True, "ids": True}, "D23"),
        # Two rooms, and a client whose handler takes its time, and acknowledges.
        ({"recipient": "client", "overlapped": True, "acknowledged": True, "always": True}, "D18"),
    ],
)
def test_how_long_a_handler_takes_rules_out_no_other_reason(story, letter):
    assert letter in diagnose(Counters(1, 1, 2, 2, 2), connections=1, **story).letters


def test_when_all_is_well_nobody_is_suspected():
    found = diagnose(HEALTHY)
    assert (found.suspects, found.ruled_out, found.next) == ((), (), ())
    assert "handled once" in str(found)


def test_a_repaired_program_is_told_that_its_effect_is_there_once():
    found = diagnose(Counters(1, 1, 2, 2, 1))
    assert "Its effect is there once all the same." in found.findings
    assert "D13" in found.letters


def test_i_cannot_tell_is_an_answer_and_names_the_measurement():
    found = diagnose(Counters(4, 1, 1, 4, 4), client="python", server="python")
    assert found.suspects == ()
    assert {suspect.cause.letter for suspect in found.ruled_out} == {"D1", "D2", "D3", "D10", "D28"}
    assert "I cannot tell" in str(found)


def test_a_last_suspect_is_questioned_like_the_first():
    clues = {"arrived": False, "large": True, "connected": True, "queued": 0, "volatile": False}
    found = diagnose(Counters(1, 1, 1, 0, 0), **clues)
    assert found.letters == ("L22",)
    assert found.asks == ("recipient",)
    assert not found.certain
    assert "I cannot tell yet" in str(found)
    assert diagnose(found.seen, recipient="server").certain


@pytest.mark.parametrize(
    ("seen", "words", "letters"),
    [
        # A client alone: what did not come may have been sent.
        (Seen(listeners=1, packets=0, calls=0), "whether it was sent was not", {"L2", "L5"}),
        # A sender alone: what was sent may have been handled.
        (Seen(packets=1), "whether it was handled was not", set()),
        # Two sids, and one client that got it: the other may be a client, or dead.
        (Seen(1, 2, 2, 1), "nobody has observed", {"D16", "D29"}),
        # A room of two among three clients, and what it gets twice.
        (Seen(None, 3, 2), "Not each got as many", set()),
        (Seen(1, 2, 3, 2, clues=Clues(connections=2)), "Not each got as many", {"D8", "D18"}),
    ],
)
def test_only_what_was_counted_is_claimed(seen, words, letters):
    found = diagnose(seen, recipient="client")
    assert any(words in finding for finding in found.findings)
    assert letters <= set(found.letters)
    assert bool(letters) is bool(found.letters)
    assert not found.certain


@pytest.mark.parametrize(
    ("reason", "letter"),
    [("io server disconnect", "L19"), ("server disconnect", "L19"), ("ping timeout", "L16b")],
)
def test_the_librarys_words_for_the_end_of_a_connection(reason, letter):
    clues = {"client": "python", "connected": False, "refused": False, "before": True}
    found = diagnose(Counters(1, 0, 0, 0, 0), recipient="client", reason=reason, **clues)
    assert found.letters[0] == letter
    assert reason in str(found)


def test_nothing_counted_asks_for_all_five():
    found = diagnose()
    assert found.suspects == ()
    assert found.findings == ("Nothing counted.",)
    assert [step.split(":")[0] for step in found.next] == [
        "Count the listeners",
        "Count the live sids of the user",
        "Count the packets",
        "Count the calls",
        "Count the effects",
    ]


@pytest.mark.parametrize(
    ("counters", "words"),
    [
        ((1, 0, 0, 0, 0), "No live session"),
        ((0, 1, 1, 0, 0), "No listener"),
        ((0, 1, 0, 0, 0), "no callback waited for it"),
        ((1, 1, 0, 0, 0), "no packet"),
        ((1, 1, 1, 0, 0), "lost on the way"),
        ((1, 1, 1, 1, 0), "no effect"),
    ],
)
def test_a_loss_is_placed_where_the_first_zero_is(counters, words):
    assert words in diagnose(counters).findings[0]


@pytest.mark.parametrize(
    "counters", [(1, 0, 1, 1, 1), (0, 1, 2, 1, 1), (1, 1, 0, 1, 0), (1, 0, 1, 0, 0)]
)
def test_counters_that_contradict_each_other_accuse_nobody(counters):
    found = diagnose(counters)
    assert found.suspects == ()
    assert "contradict" in found.findings[0]


def test_a_packet_that_arrived_was_not_lost():
    found = diagnose(Counters(1, 1, 1, 0, 0), arrived=True, failed=True)
    assert found.suspects == ()
    assert "It arrived" in found.findings[0]
    assert "does not take its arguments" in found.findings[1]


def test_several_sids_are_asked_whose_they_are():
    assert "observe(..., user=...)" in diagnose(Counters(1, 3, 1, 1, 1)).next[0]


def test_two_things_at_once_are_both_found():
    found = diagnose(Counters(3, 1, 2, 6, 6), recipient="client")
    assert "3 listeners" in found.findings[0]
    assert "2 times" in found.findings[0]
    assert {"D1", "D18"} <= set(found.letters)


def test_counters_that_fit_no_simple_story_still_name_the_first_odd_one():
    found = diagnose(Counters(3, 1, 1, 7, 7), recipient="client")
    assert "No simple story" in found.findings[0]
    assert "D1" in found.letters


def test_what_was_seen_at_both_ends_is_taken_together():
    in_browser = Seen(listeners=4, packets=1, calls=4).with_clues(recipient="client")
    on_server = Seen(sids=1, packets=1).with_clues(recipient="client", server="python")
    found = diagnose(in_browser, on_server, grows=True)
    assert found.seen.counters == (4, 1, 1, 4, None)
    assert found.letters == ("D1", "D2")
    assert any("effects" in step for step in found.next)


def test_of_two_places_that_disagree_the_first_is_believed():
    first, second = (Seen(packets=1).with_clues(reconnects=n) for n in (3, 0))
    assert diagnose(first, second).seen.clues.reconnects == 3


def test_the_json_of_javascript_is_taken_as_it_is():
    text = json.dumps(
        {
            **{"listeners": 2, "sids": None, "packets": 1, "calls": 2, "effects": None},
            "clues": {"recipient": "client", "client": "javascript", "grows": True, "event": "x"},
        }
    )
    assert diagnose(text).letters == ("D1", "D2")


def test_each_suspect_has_its_section_in_the_atlas():
    suspect = diagnose(Counters(4, 1, 1, 4, 4), grows=True).suspects[0]
    assert suspect.section.startswith("09_atlas_of_causes.ipynb#D1-Listener-registered")
    assert suspect.cause.evidence


@pytest.mark.parametrize(
    ("seen", "clues", "words"),
    [
        ((Counters(1, 1, 1, 1, -1),), {}, "effects counts something"),
        (((1, 1, 1, 1),), {}, "Give the five counters"),
        ((4,), {}, "Give the five counters"),
        (("{}",), {}, "JSON"),
        (("[1]",), {}, "JSON"),
        (("listeners 4",), {}, "JSON"),
        ((HEALTHY,), {"recipients": "client"}, "There is no clue 'recipients'"),
        ((HEALTHY,), {"recipient": "me"}, "'client' or 'server'"),
        ((HEALTHY,), {"reconnects": -1}, "0 or more"),
        ((HEALTHY,), {"away": "yes"}, "True or False"),
    ],
)
def test_bad_input_is_refused_with_what_to_give(seen, clues, words):
    with pytest.raises(UsageError, match=words):
        diagnose(*seen, **clues)


def test_every_clue_has_a_question():
    signatures = [signature for cause in CAUSES for signature in cause.signatures]
    needed = {need.clue for each in signatures for need in (*each.needs, *each.hints)}
    assert needed == set(QUESTIONS)
