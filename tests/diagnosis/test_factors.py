"""The factors: how the counters of one message came about."""

from itertools import product

import pytest

from sio_demo.diagnosis.reading import explanations
from sio_demo.diagnosis.seen import Seen


def odd(counters, recipient="client"):
    return explanations(Seen(*counters), [recipient])


def test_all_ones_have_no_odd_factor():
    assert odd((1, 1, 1, 1, 1)) == odd((1, 1, 1, 1, 1), "server") == [{}]


@pytest.mark.parametrize(
    ("counters", "story"),
    [
        ((4, 1, 1, 4, 4), {"listeners": 4}),
        ((4, 4, 4, 4, 4), {"clients": 4}),
        ((1, 2, 2, 2, 2), {"sessions": 2}),
        ((1, 2, 2, 1, 1), {"zombies": 1}),
        ((1, 1, 4, 4, 4), {"copies": 4}),
        ((1, 1, 1, 2, 2), {"runs": 2}),
        ((1, 1, 1, 1, 2), {"effects": 2}),
        ((3, 1, 2, 6, 6), {"listeners": 3, "copies": 2}),
        ((1, 1, 2, 1, 1), {"copies": 2, "lost": 1}),
        ((1, 3, 3, 1, 1), {"zombies": 2}),
    ],
)
def test_one_story_explains_what_a_client_got(counters, story):
    assert odd(counters) == [story]


def test_a_server_gets_a_packet_from_each_client():
    assert odd((1, 2, 2, 2, 2), "server") == [{"clients": 2}]


def test_fewer_effects_than_calls_are_not_odd():
    assert odd((1, 1, 4, 4, 1)) == [{"copies": 4}]


def test_two_stories_may_be_equally_simple():
    assert odd((4, 2, 2, 4, 4)) == [{"listeners": 4, "zombies": 1}, {"clients": 2, "listeners": 2}]


def test_what_was_not_counted_does_not_contradict():
    assert odd((4, None, 1, 4, None)) == [{"listeners": 4}]


def test_there_may_be_no_story():
    assert odd((1, 1, 1, 7, 7)) == [{"runs": 7}]
    assert odd((3, 1, 1, 7, 7)) == []


@pytest.mark.parametrize(
    ("clients", "listeners", "copies", "zombies"),
    [
        (c, n, k, z)
        for c, n, k, z in product([1, 2, 3], [1, 2], [1, 3], [0, 1])
        if (c > 1) + (n > 1) + (k > 1) + z <= 2  # more at once is not looked for
    ],
)
def test_no_story_is_found_that_is_less_simple_than_the_true_one(
    clients, listeners, copies, zombies
):
    packets = copies * (clients + zombies)
    calls = copies * clients * listeners
    found = odd((clients * listeners, clients + zombies, packets, calls, calls))
    assert found
    true = (clients > 1) + (listeners > 1) + (copies > 1) + zombies
    assert all(len(each) <= true for each in found)
