"""The checker, on records and stores that are made up."""

from sio_demo.chaos.checker import Applied, Journal, check


def journal(sent=(1, 2, 3), accepted=(1, 2, 3), answers=None):
    return Journal(list(sent), list(accepted), answers or {})


def applied(*numbers, client=1):
    return [Applied(client, number, f"reply {number}") for number in numbers]


def test_all_in_order_is_fine():
    answers = {number: f"reply {number}" for number in (1, 2, 3)}
    assert check({1: journal(answers=answers)}, applied(1, 2, 3)) == (0, 0, 0, ())


def test_a_message_that_was_accepted_is_missing():
    assert check({1: journal()}, applied(1, 3)) == (
        1,
        0,
        0,
        ("lost: message 2 of client 1 was accepted, and never applied",),
    )


def test_a_message_was_applied_again():
    assert check({1: journal()}, applied(1, 2, 2, 3, 2)) == (
        0,
        1,
        0,
        ("duplicated: message 2 of client 1 was applied 3 times",),
    )


def test_a_message_was_overtaken():
    assert check({1: journal()}, applied(2, 3, 1)) == (
        0,
        0,
        1,
        ("reordered: message 1 of client 1 was applied after message 3",),
    )


def test_a_repetition_alone_is_not_out_of_order():
    assert check({1: journal()}, applied(1, 2, 3, 1)).reordered == 0


def test_a_message_that_was_not_accepted_may_be_there_or_not():
    for rows in (applied(1, 3), applied(1, 2, 3)):
        assert check({1: journal(accepted=(1, 3))}, rows).findings == ()


def test_a_message_that_was_not_accepted_must_not_be_there_twice():
    assert check({1: journal(accepted=(1, 3))}, applied(1, 2, 2, 3)).duplicated == 1


def test_a_message_that_nobody_sent_is_found():
    for rows in (applied(1, 2, 3, 4), applied(1, 2, 3) + applied(4, client=2)):
        found = check({1: journal()}, rows)
        assert found[:3] == (0, 0, 0)
        [finding] = found.findings
        assert finding.startswith("never sent, yet applied: message 4 of client")


def test_a_reply_must_be_that_of_the_application():
    for rows in (applied(1, 2, 3), applied(1, 3)):
        found = check({1: journal(accepted=(1, 3), answers={2: "reply 3"})}, rows)
        assert found.findings == (
            "wrong reply: message 2 of client 1 got one that no application gave",
        )


def test_clients_do_not_concern_each_other():
    rows = applied(1, 2, client=2) + applied(1, 2, 3) + applied(3, client=2)
    assert check({1: journal(), 2: journal()}, rows).findings == ()
    assert check({1: journal(), 2: journal()}, applied(1, 2, 3)).lost == 3
