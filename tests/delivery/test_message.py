"""The wire format: what is written, and what is refused."""

import json
import re
from functools import partial

import pytest

from sio_demo.delivery.message import (
    LARGEST,
    LONGEST_NAME,
    NOTHING,
    WITHDRAWN,
    Answer,
    Batch,
    Hello,
    Message,
    Welcome,
    id_of,
    in_words,
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
    FencedError,
    HandlerError,
    PayloadError,
    QuotaError,
    StoreError,
)

GOOD = {
    "producer": "0b0e7c1e-1111-4222-8333-444455556666",
    "epoch": 1,
    "first": 17,
    "after": "Zk3hX0aPq9+sV2bN",
    "confirmed": 12,
    "messages": ['["q1OdY3xq0a/2LmTf","payment",{"amount":10}]'],
}
HELLO = {"producer": GOOD["producer"], "known": False, "epoch": 1, "start": "9f3c"}
WELCOME = {
    "next": 17,
    "last": "Zk3hX0aPq9+sV2bN",
    "confirmed": 12,
    "batch": 500,
    "characters": 999000,
    "unconfirmed": 20000,
}
CIRCLE = []
CIRCLE.append(CIRCLE)


def test_a_batch_is_what_the_documentation_shows():
    batch = Batch.from_wire(GOOD)
    assert batch.end == 18
    assert batch.to_wire() == GOOD
    message = read_message(batch.messages[0])
    assert message == Message("q1OdY3xq0a/2LmTf", "payment", {"amount": 10})
    text = write_message("payment", {"amount": 10})
    assert text == GOOD["messages"][0].replace(message.id, id_of(text))


def test_a_hello_and_a_welcome_are_what_the_documentation_shows():
    assert Hello.from_wire(HELLO).to_wire() == HELLO
    assert Welcome.from_wire(WELCOME).to_wire() == WELCOME


def test_every_message_has_an_id_of_its_own():
    texts = [write_message("payment", 10) for _ in range(1000)]
    names = {read_message(text).id for text in texts}
    assert len(names) == 1000
    assert names == {id_of(text) for text in texts}
    assert all(re.fullmatch("[A-Za-z0-9+/]{16}", name) for name in names)


def test_a_withdrawn_message_keeps_its_id_and_its_event():
    text = write_message("payment", 10)
    assert read_message(withdrawn(text)) == Message(id_of(text), "payment", None, withdrawn=True)


@pytest.mark.parametrize("payload", ["x" * 600, '"' * 600, "\\" * 600, "ü\n" * 300, [None] * 300])
def test_the_size_in_a_packet_is_what_json_makes_of_the_text(payload):
    text = write_message("note", payload)
    assert wire_size(text) == len(json.dumps([text], separators=(",", ":"))) - 1


@pytest.mark.parametrize("text", ["", "a" * 499, '"' * 499, '"\\' * 249])
def test_a_short_text_never_takes_more_of_a_packet_than_was_counted(text):
    assert len(json.dumps([text])) - 1 <= wire_size(text)


@pytest.mark.parametrize("payload", [b"x", {1, 2}, float("nan"), float("inf"), object(), CIRCLE])
def test_a_payload_that_is_not_json_is_refused(payload):
    with pytest.raises(PayloadError, match="'pay' is not JSON"):
        write_message("pay", payload)


@pytest.mark.parametrize("write", [partial(write_message, "note"), write_reply])
def test_as_many_levels_as_are_allowed_are_allowed(write):
    """The message around a payload is a level, too."""
    deep = json.loads("[" * 400 + "]" * 400)
    with pytest.raises(PayloadError) as refused:
        write(deep)
    allowed = int(re.search(r"(\d+) levels are allowed", str(refused.value))[1])
    write(json.loads("[" * allowed + "]" * allowed))
    with pytest.raises(PayloadError):
        write([json.loads("[" * allowed + "]" * allowed)])


def test_a_payload_too_deep_or_too_long_is_refused():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(PayloadError, match="not JSON"):
        write_message("pay", deep)
    assert wire_size(write_message("pay", "x" * (LARGEST - 40))) <= LARGEST
    with pytest.raises(PayloadError, match=r"999,0\d\d characters in a packet; 999,000 are"):
        write_message("pay", "x" * LARGEST)
    with pytest.raises(PayloadError, match="characters in a packet"):
        write_message("pay", '"' * (LARGEST // 3))


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
        {"after": "x" * (LONGEST_NAME + 1)},
        {"messages": "[]"},
        {"more": 1},
    ],
)
def test_a_malformed_batch_is_refused(change):
    with pytest.raises(BatchError):
        Batch.from_wire(GOOD | change)


@pytest.mark.parametrize("data", [None, [], "x", 7, {}, {"producer": "x"}])
@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (Batch, "A batch is an object with producer, epoch, first, after, confirmed, messages"),
        (Hello, "A hello is an object with producer, known, epoch, start"),
        (Welcome, "A welcome is an object with next, last, confirmed, batch, characters, unconf"),
    ],
)
def test_what_is_no_batch_hello_or_welcome_is_refused(kind, fields, data):
    with pytest.raises(BatchError, match=fields):
        kind.from_wire(data)


@pytest.mark.parametrize(
    "change",
    [
        {"producer": None},
        {"producer": "me"},
        {"known": 0},
        {"known": None},
        {"epoch": -1},
        {"epoch": 2**53},
        {"start": 7},
        {"start": "x" * (LONGEST_NAME + 1)},
        {"more": 1},
    ],
)
def test_a_malformed_hello_is_refused(change):
    with pytest.raises(BatchError):
        Hello.from_wire(HELLO | change)


@pytest.mark.parametrize(
    "change",
    [
        {"next": -1},
        {"next": "1"},
        {"last": None},
        {"confirmed": None},
        {"batch": 0},
        {"characters": 0},
        {"unconfirmed": 0},
        {"error": 1},
    ],
)
def test_a_malformed_welcome_is_refused(change):
    with pytest.raises(BatchError):
        Welcome.from_wire(WELCOME | change)


def test_a_refused_hello_raises_the_error_that_the_inbox_named():
    with pytest.raises(FencedError, match="taken over"):
        Welcome.from_wire(Answer(0, [], FencedError("taken over")).to_wire())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pay",
        "[]",
        '["a"]',
        '["a",1,2]',
        "[1,2]",
        '[1,"a",2]',
        '["","a",2]',
        '["a","b",1,2]',
        '["a","b",NaN]',
        json.dumps(["a" * (LONGEST_NAME + 1), "b", 1]),
        json.dumps(["a", "b" * (LONGEST_NAME + 1), 1]),
        "[" * 100_000,
        "{}",
        '"abc"',
        '{"a":1,"b":2}',
        7,
        None,
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


def test_what_claims_success_and_failure_is_a_failure():
    assert read_reply('{"ok":1,"error":"no account"}')[0] is None


def test_a_failure_comes_back_as_a_handler_error():
    value, error = read_reply(write_failure(ValueError("no account")))
    assert value is None
    assert isinstance(error, HandlerError)
    assert str(error) == "ValueError: no account"


def test_a_dead_letter_and_a_withdrawn_message_come_back_as_errors_of_their_own():
    value, error = read_reply(write_failure(ValueError("no account"), "dead"))
    assert (value, type(error), str(error)) == (None, DeadLetterError, "ValueError: no account")
    value, error = read_reply(WITHDRAWN)
    assert (value, type(error)) == (None, PayloadError)


def test_the_words_of_an_error_are_found_even_if_it_has_none():
    class Mute(Exception):
        def __str__(self):
            raise KeyError

    assert in_words(Mute()) == "Mute, whose str() raised KeyError"
    assert len(in_words(ValueError("x" * 5000))) == 1000


@pytest.mark.parametrize("text", [None, 7, "", "[]", "{}", '{"error":1}'])
def test_a_reply_that_makes_no_sense_is_an_error_of_that_message(text):
    value, error = read_reply(text)
    assert value is None
    assert isinstance(error, BatchError)


def test_a_reply_that_is_not_json_or_too_long_is_refused():
    with pytest.raises(PayloadError, match="The reply is not JSON"):
        write_reply(object())
    with pytest.raises(PayloadError, match="The reply takes 999,0"):
        write_reply("x" * LARGEST)


def test_an_answer_crosses_the_wire():
    good = Answer(19, ['{"ok":null}'])
    assert good.to_wire() == {"next": 19, "replies": ['{"ok":null}']}
    assert Answer.from_wire(good.to_wire()) == good
    bad = Answer.from_wire(Answer(5, [], StoreError("disk full")).to_wire())
    assert (type(bad.error), str(bad.error), bad.next) == (StoreError, "disk full", 5)
    part = Answer.from_wire(Answer(5, [NOTHING], QuotaError("later")).to_wire())
    assert (part.replies, type(part.error)) == ([NOTHING], QuotaError)


@pytest.mark.parametrize("name", ["NodeError", "SioDemoError", "annotations", "nonsense"])
def test_an_error_of_another_kind_is_a_delivery_error(name):
    answer = Answer.from_wire({"error": name, "message": "m", "next": 0, "replies": []})
    assert type(answer.error) is DeliveryError


@pytest.mark.parametrize(
    "data", [None, (), 7, {}, {"next": 1}, {"next": "1", "replies": []}, {"error": "x"}]
)
def test_what_is_no_answer_is_refused(data):
    with pytest.raises(BatchError, match="not the answer of an inbox"):
        Answer.from_wire(data)
