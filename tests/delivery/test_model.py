"""The search over the protocol's states finds nothing, and does find what a rule is there for."""

from dataclasses import replace

import pytest
from model import Search

from sio_demo.delivery import inbox_state
from sio_demo.delivery.send_window import SendWindow

greet, check = inbox_state.welcomed, inbox_state.check_same
count, welcome, answer = inbox_state.duplicates, SendWindow.welcomed, SendWindow.answered


def take_over(hello, progress, user):
    known = greet(hello, progress and progress._replace(epoch=-1), user)
    return known._replace(epoch=hello.epoch, start=hello.start)


def confirm(window, *arguments):
    done = answer(window, *arguments)
    window.confirmed = window.base
    return done


# What breaks, with which faults, if a rule is left out: the function without it.
BROKEN = {
    "a hello registers a producer that was known": (
        ("once", "kill forget"),
        {"welcomed": lambda hello, *rest: greet(replace(hello, known=False), *rest)},
    ),
    "a number alone makes a duplicate": (
        ("reply", "resume"),
        {"check_same": lambda batch, new, kept, progress: check(batch, new, [], progress)},
    ),
    "epochs are not compared": (
        ("fenced", "restore"),
        {
            "welcomed": take_over,
            "duplicates": lambda batch, progress: count(
                replace(batch, epoch=progress.epoch), progress
            ),
        },
    ),
    "a batch may follow any message": (
        ("order", "resume"),
        {
            "check_same": lambda batch, new, kept, progress: check(
                replace(batch, after=progress.last), new, kept, progress
            )
        },
    ),
    "replies are confirmed before the save": (("confirmed", ""), {"answered": confirm}),
    "the outbox goes on wherever the inbox is": (
        ("answered", "backup"),
        {
            "welcomed": lambda window, found: welcome(
                window, replace(found, next=window.base, last=window.after)
            )
        },
    ),
    "an outbox may lack replies that it has confirmed": (
        ("barred", "restore trouble"),
        {"welcomed": lambda window, found: welcome(window, replace(found, confirmed=0))},
    ),
    "a refused batch is not sent again": (
        ("delivered", "trouble"),
        {"refused": lambda window, batch, why: window._land(batch) or True},
    ),
}
ON_THE_WINDOW = {"confirmed", "answered", "barred", "delivered"}


@pytest.mark.parametrize(
    ("kinds", "unconfirmed"),
    [
        ("", 20),
        ("kill cut late twice trouble", 20),
        ("kill cut late twice trouble", 1),
        ("kill forget", 20),
        ("restore trouble", 20),
        ("backup cut", 20),
    ],
)
def test_no_faults_break_an_invariant(kinds, unconfirmed):
    kinds = kinds.split()
    search = Search(min(2, len(kinds)), kinds, unconfirmed).run()
    assert search.found == {}
    assert len(search.parents) > 50


@pytest.mark.parametrize("kind", ["restore", "resume"])
def test_no_copy_breaks_an_invariant(kind):
    assert Search(1, [kind], unconfirmed=1).run().found == {}


@pytest.mark.parametrize("rule", BROKEN)
def test_without_a_rule_an_invariant_breaks(rule, monkeypatch):
    (invariant, kinds), functions = BROKEN[rule]
    where = SendWindow if invariant in ON_THE_WINDOW else inbox_state
    for name, function in functions.items():
        monkeypatch.setattr(where, name, function)
    found = Search(len(kinds.split()), kinds.split()).run(stop_at_first=True).found
    assert invariant in found


def test_that_it_is_known_must_be_stored_before_the_first_batch_leaves():
    class Late(Search):
        known_late = True

    found = Late(2, ["kill", "forget"]).run(stop_at_first=True).found
    assert list(found) == ["once"]


def test_the_one_limit_is_a_copy_from_before_the_first_contact():
    """It comes back after the inbox has forgotten the producer, and sends its message again."""
    found = Search(2, ["restore", "forget"]).run(stop_at_first=True).found
    assert list(found) == ["once"]
    steps = found["once"]
    assert steps.index("A is copied") < steps.index("A stores that it is known")
    assert "the inbox forgets" in steps
