"""The wire format: what is written, and what is refused."""

import pytest

from sio_demo.delivery.message import (
    LONGEST,
    Answer,
    Batch,
    digest,
    read_message,
    read_reply,
    write_failure,
    write_message,
    write_reply,
)
from sio_demo.errors import BatchError, DeliveryError, HandlerError, PayloadError, StoreError

GOOD = {
    "producer": "0b0e7c1e-1111-4222-8333-444455556666",
    "epoch": 1760000000000000,
    "first": 17,
    "confirmed": 12,
    "messages": ['["payment",{"amount":10}]'],
}
CIRCLE = []
CIRCLE.append(CIRCLE)


def test_a_batch_is_what_the_documentation_shows():
    batch = Batch.from_wire(GOOD)
    assert batch.end == 18
    assert batch.to_wire() == GOOD
    assert read_message(batch.messages[0]) == ("payment", {"amount": 10})
    assert write_message("payment", {"amount": 10}) == GOOD["messages"][0]


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
    with pytest.raises(PayloadError, match=r"400,0\d\d characters"):
        write_message("pay", "x" * LONGEST)


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


@pytest.mark.parametrize("text", ["", "pay", "[]", '["a"]', '["a",1,2]', "[1,2]", "{}", 7, None])
def test_a_malformed_message_is_refused(text):
    with pytest.raises(BatchError, match=r"JSON text of \[event, payload\]"):
        read_message(text)


@pytest.mark.parametrize("value", [None, 0, "a\n\u2028", [1, {"b": None}], {"error": "x"}])
def test_a_reply_comes_back_as_it_was(value):
    assert read_reply(write_reply(value)) == (value, None)


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
    answer = Answer.from_wire({"error": name, "message": "m", "next": 0})
    assert type(answer.error) is DeliveryError


@pytest.mark.parametrize("data", [None, (), 7, {}, {"next": 1}, {"next": "1", "replies": []}])
def test_what_is_no_answer_is_refused(data):
    with pytest.raises(BatchError, match="not the answer of an inbox"):
        Answer.from_wire(data)


def test_a_digest_tells_texts_apart():
    assert digest("a") == digest("a") != digest("b")
    assert len(digest("\ud800")) == 8
