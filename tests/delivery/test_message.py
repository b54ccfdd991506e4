"""The wire format: what is written, and what is refused."""

import json

import pytest

from sio_demo.delivery.message import (
    LARGEST,
    WITHDRAWN,
    Answer,
    Batch,
    Hello,
    Welcome,
    id_of,
    read_message,
    read_reply,
    wire_size,
    withdrawn,
    write_failure,
    write_message,
    write_reply,
)
from sio_demo.errors import (
    BatchError,
    DeadLetterError,
    DeliveryError,
    HandlerError,
    PayloadError,
    StoreError,
)

GOOD = {
    "producer": "0b0e7c1e-1111-4222-8333-444455556666",
    "epoch": 3,
    "first": 17,
    "after": "Zk3hX0aPq9+sV2bN",
    "confirmed": 12,
    "messages": ['["q1OdY3xq0a/2LmTf","payment",{"amount":10}]'],
}
HELLO = {"producer": GOOD["producer"], "known": False, "epoch": 1, "start": "9f3c"}
WELCOME = {"next": 17, "last": "x", "batch": 500, "characters": 999000, "unconfirmed": 20000}
CIRCLE = []
CIRCLE.append(CIRCLE)


def test_a_batch_is_what_the_documentation_shows():
    batch = Batch.from_wire(GOOD)
    assert batch.end == 18
    assert batch.to_wire() == GOOD
    message = read_message(batch.messages[0])
    assert message == ("q1OdY3xq0a/2LmTf", "payment", {"amount": 10}, False)
    text = write_message("payment", {"amount": 10})
    assert text == f'["{id_of(text)}","payment",{{"amount":10}}]'
    assert len(id_of(text)) == len(message.id)
    assert id_of(text) != id_of(write_message("payment", {"amount": 10}))


def test_a_hello_and_a_welcome_are_what_the_documentation_shows():
    assert Hello.from_wire(HELLO).to_wire() == HELLO
    assert Welcome.from_wire(WELCOME).to_wire() == WELCOME


@pytest.mark.parametrize(
    "change",
    [
        {"producer": None},
        {"producer": "me"},
        {"known": 1},
        {"epoch": -1},
        {"start": None},
        {"start": "x" * 201},
        {"more": 1},
    ],
)
def test_a_malformed_hello_is_refused(change):
    with pytest.raises(BatchError):
        Hello.from_wire(HELLO | change)


@pytest.mark.parametrize(
    "data", [None, "thanks", WELCOME | {"batch": 0}, WELCOME | {"next": "1"}, {"error": 1}]
)
def test_a_malformed_welcome_is_refused(data):
    with pytest.raises(BatchError):
        Welcome.from_wire(data)


def test_a_refused_hello_is_the_error_that_the_inbox_names():
    with pytest.raises(StoreError, match="disk full"):
        Welcome.from_wire(Answer(0, [], StoreError("disk full")).to_wire())


def test_a_withdrawn_message_keeps_its_id():
    text = write_message("payment", "x" * 1000)
    assert read_message(withdrawn(text)) == (id_of(text), "payment", None, True)


@pytest.mark.parametrize("payload", ["x" * 600, '"' * 600, "\\" * 600, "ü\n" * 300, [None] * 300])
def test_the_size_in_a_packet_is_what_json_makes_of_the_text(payload):
    text = write_message("note", payload)
    assert wire_size(text) == len(json.dumps([text], separators=(",", ":"))) - 1


@pytest.mark.parametrize("payload", [b"x", {1, 2}, float("nan"), float("inf"), object(), CIRCLE])
def test_a_payload_that_is_not_json_is_refused(payload):
    with pytest.raises(PayloadError, match="'pay' is not JSON"):
        write_message("pay", payload)


def test_a_payload_too_deep_or_too_long_is_refused():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(PayloadError, match="not JSON"):
        write_message("pay", deep)
    with pytest.raises(PayloadError, match=r"999,0\d\d characters"):
        write_message("pay", "x" * LARGEST)


@pytest.mark.parametrize(
    "change",
    [
        {"producer": "me"},
        {"producer": GOOD["producer"].upper()},
        {"producer": 7},
        {"producer": GOOD["producer"] + "\n"},
        {"epoch": "1"},
        {"epoch": -1},
        {"epoch": True},
        {"first": 1.0},
        {"first": True},
        {"first": 2**53},
        {"confirmed": None},
        {"confirmed": 18},
        {"after": None},
        {"after": "x" * 201},
        {"messages": "[]"},
        {"more": 1},
    ],
)
def test_a_malformed_batch_is_refused(change):
    with pytest.raises(BatchError):
        Batch.from_wire(GOOD | change)


@pytest.mark.parametrize("data", [None, [], "x", 7, {}, {"producer": "x"}])
def test_what_is_no_batch_is_refused(data):
    with pytest.raises(BatchError, match="A batch is an object with producer, epoch, first"):
        Batch.from_wire(data)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pay",
        "[]",
        '["a"]',
        '["a",1,2]',
        "[1,2]",
        "{}",
        7,
        None,
        '"abc"',
        '{"a":1,"b":2}',
        '["","a",1]',
        '["a","b",1,2]',
    ],
)
def test_a_malformed_message_is_refused(text):
    with pytest.raises(BatchError, match=r"JSON text of \[id, event, payload\]"):
        read_message(text)


@pytest.mark.parametrize("value", [None, 0, "a\n\u2028", [1, {"b": None}], {"error": "x"}])
def test_a_reply_comes_back_as_it_was(value):
    assert read_reply(write_reply(value)) == (value, None)


def test_a_dead_letter_and_a_withdrawn_message_come_back_by_name():
    _, error = read_reply(write_failure(ValueError("no account"), "dead"))
    assert type(error) is DeadLetterError
    _, error = read_reply(WITHDRAWN)
    assert type(error) is PayloadError


def test_a_failure_comes_back_as_a_handler_error():
    value, error = read_reply(write_failure(ValueError("no account")))
    assert value is None
    assert isinstance(error, HandlerError)
    assert str(error) == "ValueError: no account"


@pytest.mark.parametrize("text", [None, 7, "", "[]", "{}", '{"error":1}'])
def test_a_reply_that_makes_no_sense_is_an_error_of_that_message(text):
    value, error = read_reply(text)
    assert value is None
    assert isinstance(error, BatchError)


def test_a_reply_that_is_not_json_is_refused():
    with pytest.raises(PayloadError):
        write_reply(object())


def test_an_answer_crosses_the_wire():
    good = Answer(19, ['{"ok":null}'])
    assert good.to_wire() == {"next": 19, "replies": ['{"ok":null}']}
    assert Answer.from_wire(good.to_wire()) == good
    bad = Answer.from_wire(Answer(5, [], StoreError("disk full")).to_wire())
    assert (type(bad.error), str(bad.error), bad.next) == (StoreError, "disk full", 5)


@pytest.mark.parametrize("name", ["NodeError", "SioDemoError", "annotations", "nonsense"])
def test_an_error_of_another_kind_is_a_delivery_error(name):
    answer = Answer.from_wire({"error": name, "message": "m", "next": 0, "replies": []})
    assert type(answer.error) is DeliveryError


@pytest.mark.parametrize("data", [None, (), 7, {}, {"next": 1}, {"next": "1", "replies": []}])
def test_what_is_no_answer_is_refused(data):
    with pytest.raises(BatchError, match="not the answer of an inbox"):
        Answer.from_wire(data)
